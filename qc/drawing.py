"""Drawing one case as a task for a worker: mask files in, a picture and its record out.

A worker reads files and writes files; it never touches the ledger. The record is written last, so
that a picture with a record is whole.
"""

import io
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.volume import write_file_atomically
from pipeline.workspace import Case, Mask, digest_of, read_mask
from pipeline.workspace.case_file import read_ct
from qc.legend import CaseInfo
from qc.panels import PanelRule
from qc.picture import Picture, Subject, render_case
from qc.picture_layout import PictureSettings

PICTURE_VERSION = 1
"""Raise it when pictures of the same masks look different: all are then drawn anew."""

_THUMBNAIL_PX = 1400
_PNG_EFFORT = 6


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
    def record(self) -> Path:
        """What was drawn and from what."""
        return self.gallery / "records" / f"{self.case_id}.json"

    def read_record(self) -> dict[str, Any] | None:
        """Read the record; None if there is no whole picture."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = self.picture.is_file() and self.thumbnail.is_file()
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
    driver: str | None = None


def picture_digest(case: Case, mask_ids: Mapping[str, str], info: CaseInfo, style: str) -> str:
    """Digest of everything a picture depends on: CT, masks in force, words, look."""
    words = {**asdict(info), "sources": dict(info.sources), "absent": sorted(info.absent)}
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
    size = _write_pictures(picture, task.files, task.digest)
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


def _write_pictures(picture: Picture, files: PictureFiles, digest: str) -> int:
    with ThreadPoolExecutor(1) as helper:
        small = helper.submit(_webp, picture.overview)
        whole = png_of(picture.pixels, {"case": files.case_id, "digest": digest})
        write_file_atomically(files.thumbnail, small.result())
    write_file_atomically(files.picture, whole)
    return len(whole)


def png_of(pixels: NDArray[np.uint8], said: Mapping[str, str]) -> bytes:
    """Encode a picture as PNG with a few words about it inside."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text, data = PngInfo(), io.BytesIO()
    text.add_text("masksmith", json.dumps(said))
    Image.fromarray(pixels).save(data, "PNG", compress_level=_PNG_EFFORT, pnginfo=text)
    return data.getvalue()


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
    }
