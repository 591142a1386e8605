"""Drawing one case as a task for a worker: mask files in, a picture and its record out.

A worker reads files and writes files; it never touches the ledger. The record is written last, so
that a picture with a record is whole.
"""

import io
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, Mask, digest_of, read_mask
from pipeline.workspace.case_file import read_ct
from qc.flags import number_findings
from qc.legend import CaseInfo
from qc.panels import PanelRule
from qc.picture import Picture, Subject, render_case
from qc.picture_layout import PictureSettings
from qc.png_encoding import encode_png

PICTURE_VERSION = 2
"""Raise it when pictures of the same masks look different: all are then drawn anew."""

_THUMBNAIL_PX = 1400
_WRITERS = 6


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """Where the files of one case's picture lie below the gallery's folder."""

    gallery: Path
    case_id: str

    @property
    def picture(self) -> Path:
        """The picture."""
        return self.gallery / "images" / f"{self.case_id}.png"

    @property
    def thumbnail(self) -> Path:
        """The small one for the overview."""
        return self.gallery / "thumbnails" / f"{self.case_id}.webp"

    @property
    def pick_map(self) -> Path:
        """Structure values at the picture's pixels."""
        return self.gallery / "pickmaps" / f"{self.case_id}.png"

    @property
    def pick_script(self) -> Path:
        """The same for a page that may not read files."""
        return self.gallery / "pickmaps" / f"{self.case_id}.js"

    @property
    def panels(self) -> Path:
        """The folder with one picture per panel."""
        return self.gallery / "panels" / self.case_id

    @property
    def close_ups(self) -> Path:
        """The folder with close-ups of single structures."""
        return self.gallery / "closeups" / self.case_id

    @property
    def changes(self) -> Path:
        """The folder with structures before and after a correction."""
        return self.gallery / "changes" / self.case_id

    @property
    def record(self) -> Path:
        """What was drawn and from what."""
        return self.gallery / "records" / f"{self.case_id}.json"

    def read_record(self) -> dict[str, Any] | None:
        """Read the record; None if there is no whole picture."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        needed = (self.picture, self.thumbnail, self.pick_map, self.pick_script)
        whole = all(file.is_file() for file in needed)
        return record if whole and isinstance(record, dict) else None


@dataclass(frozen=True, slots=True)
class Style:
    """What pictures look like, the same for all cases of a run."""

    class_map: ClassMap
    rules: tuple[PanelRule, ...]
    settings: PictureSettings

    def digest(self) -> str:
        """Digest of all that changes a picture beside its case."""
        structures = [asdict(structure) for structure in self.class_map]
        rules = [rule.model_dump(mode="json") for rule in self.rules]
        return digest_of([PICTURE_VERSION, structures, rules, self.settings.model_dump()])


@dataclass(frozen=True, slots=True)
class DrawTask:
    """One case to draw.

    Attributes
    ----------
    masks : tuple of (int, Path)
        Label value and file of each mask in force, in the order in which they are painted.
    digest : str
        Of everything the picture depends on.
    in_force : mapping
        The same masks by structure.
    driver : str
        What :func:`qc.rendering_probe.require_rendering` gave.
    """

    case: Case
    ct: Path
    masks: tuple[tuple[int, Path], ...]
    info: CaseInfo
    style: Style
    files: PictureFiles
    digest: str
    in_force: Mapping[str, Mask] = field(default_factory=dict)
    driver: str | None = None


def picture_digest(case: Case, mask_ids: Mapping[str, str], info: CaseInfo, style: str) -> str:
    """Digest of everything a picture depends on: CT, masks in force, words, look."""
    words = {
        **asdict(info),
        "sources": dict(info.sources),
        "absent": sorted(info.absent),
        "suspicious": [flag.finding.to_dict() for flag in number_findings(info.suspicious)],
    }
    return digest_of([case.ct_digest, dict(mask_ids), words, style])


def source_of(mask: Mask) -> str:
    """Say in a word or two where a mask comes from: ``round 1``, ``model btcv``, ``human``."""
    kind, _, name = mask.provenance.maker.partition(":")
    if mask.provenance.round is not None:
        return f"round {mask.provenance.round}"
    return f"{kind} {name}" if kind in ("model", "dataset") and name else mask.origin


def draw_case(task: DrawTask) -> dict[str, Any]:
    """Draw one case and write its files.

    Returns
    -------
    dict
        The record: digest, size, what is present, missing, cut or unknown, seconds.
    """
    started = time.monotonic()
    style = task.style
    with ThreadPoolExecutor(1) as reader:
        ct = reader.submit(read_ct, task.ct, task.case)
        labels = paint_masks(task.case, task.masks, style.class_map.dtype)
        subject = Subject(labels, task.case.grid, ct.result(), task.info)
    picture = render_case(subject, style.class_map, style.rules, style.settings, driver=task.driver)
    size = write_pictures(picture, task.files, task.digest)
    record = _record(task, picture, size, time.monotonic() - started)
    write_file_atomically(task.files.record, json.dumps(record).encode())
    return record


def paint_masks(
    case: Case, masks: Sequence[tuple[int, Path]], dtype: np.dtype[np.unsignedinteger]
) -> NDArray[np.unsignedinteger[Any]]:
    """Assemble mask files into one label map on the case's grid; later ones win."""
    labels = np.zeros(case.grid.shape, dtype, order="F")
    for value, path in masks:
        mask, crop = read_mask(path)
        if mask.voxels:
            np.copyto(labels[mask.box], value, where=crop, casting="unsafe")
    return labels


def write_pictures(picture: Picture, files: PictureFiles, digest: str) -> int:
    """Write everything but the record, and return the size of the picture in bytes.

    Files of panels that are no more are taken away.
    """
    said = {"case": files.case_id, "digest": digest}
    panels = {files.panels / f"{panel.slug}.png": panel.box for panel in picture.panels}
    whole = encode_png(picture.pixels, said)

    def write_panel(path: Path) -> None:
        left, top, right, bottom = panels[path]
        write_file_atomically(path, encode_png(picture.pixels[top:bottom, left:right], said))

    # Side by side: each waits for the disk to say that it has the file.
    with ThreadPoolExecutor(_WRITERS) as pool:
        written = [
            pool.submit(lambda: write_file_atomically(files.thumbnail, _webp(picture.overview))),
            pool.submit(write_file_atomically, files.picture, whole),
            pool.submit(lambda: write_file_atomically(files.pick_map, picture.pick_map.png())),
            pool.submit(write_file_atomically, files.pick_script, _script(picture, files)),
            *(pool.submit(write_panel, path) for path in panels),
        ]
        for each in written:
            each.result()
    for old in files.panels.glob("*.png"):
        if old not in panels:
            old.unlink()
    return len(whole)


def _script(picture: Picture, files: PictureFiles) -> bytes:
    return picture.pick_map.script(files.case_id)


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    data, image = io.BytesIO(), Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), reducing_gap=2.0)
    image.save(data, "WEBP", quality=80, method=1)
    return data.getvalue()


def _record(task: DrawTask, picture: Picture, size: int, seconds: float) -> dict[str, Any]:
    findings, class_map = picture.findings, task.style.class_map
    height, width = picture.pixels.shape[:2]
    return {
        "digest": task.digest,
        "class_map": class_map.digest,
        "width": width,
        "height": height,
        "bytes": size,
        "seconds": round(seconds, 2),
        "present": [s.name for s in class_map if s.value in findings.present],
        "cut": [s.name for s in class_map if s.value in findings.cut],
        "unknown_values": list(findings.unknown),
        "panels": [
            {"title": panel.title, "slug": panel.slug, "box_px": list(panel.box)}
            for panel in picture.panels
        ],
        "findings": [flag.finding.to_dict() for flag in picture.flags],
        "structures": _structures(task, picture),
    }


def _structures(task: DrawTask, picture: Picture) -> dict[str, dict[str, Any]]:
    """Say of each structure with a mask how large it is, where it is seen, and which mask it is."""
    described = {}
    for name, mask in task.in_force.items():
        box = picture.places.get(task.style.class_map[name].value)
        described[name] = {
            "volume_ml": round(mask.voxels * task.case.grid.voxel_ml, 3),
            "box_px": None if box is None else list(box),
            "mask": mask.id,
        }
    return described
