"""What was given out: which masks went into which file, so that they find their way back.

A *handout* is a JSON file beside exported masks (``<file>.json``) or in a session's folder
(``session.json``). It names every mask by its id and every file by its digest; the workspace keeps
the masks themselves, so what was given out can be told from what came back, voxel by voxel.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from annotation.formats.writers import Outgoing, Segment
from pipeline.errors import BadInput
from pipeline.volume import write_file_atomically
from pipeline.workspace import digest_of, digest_of_file, now_utc

_FORMAT = 1
_KEY = "masksmith_handout"
SESSION_FILE = "session.json"


class HandoutError(BadInput):
    """A record of what was given out that cannot be read, or a folder without one."""


@dataclass(frozen=True, slots=True)
class HandedSegment:
    """One structure in a file that was given out.

    Attributes
    ----------
    structure : str
    value : int
        Its voxel value in the file, where the format has values.
    mask_id : str
        The mask given out; empty if there was none and one is to be drawn.
    voxels : int
    made : mapping
        Origin, maker and time of the mask, for people to read.
    """

    structure: str
    value: int
    mask_id: str = ""
    voxels: int = 0
    made: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandedFile:
    """One file that was given out.

    Attributes
    ----------
    path : str
        Relative to the record.
    sha256 : str
        Of its bytes as written.
    segments : tuple of HandedSegment
    painted : tuple of str
        In a label map the structures in the order of painting; the later one got the voxel.
    locked : tuple of str
        Structures that are only there to look at; what happens to them is not collected.
    """

    path: str
    sha256: str
    segments: tuple[HandedSegment, ...]
    painted: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handout:
    """Everything given out of one case at once.

    Attributes
    ----------
    case_id : str
    format : str
        Of the files: the name of the writer.
    files : tuple of HandedFile
    by, created : str
        To whom, and when.
    about : mapping
        What else is worth knowing: program, window, class map, notes, version.
    """

    case_id: str
    format: str
    files: tuple[HandedFile, ...]
    by: str
    created: str = field(default_factory=now_utc)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Digest of the whole record."""
        return digest_of(self.to_dict())

    def masks(self) -> dict[str, str]:
        """Give the id of the mask of every structure given out."""
        return {s.structure: s.mask_id for file in self.files for s in file.segments}

    def _names(self) -> dict[str, str]:
        """Give value to name where one label map holds all."""
        if len(self.files) != 1 or not self.files[0].painted:
            return {}
        return {str(segment.value): segment.structure for segment in self.files[0].segments}

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            _KEY: _FORMAT,
            "case": self.case_id,
            "format": self.format,
            "by": self.by,
            "created": self.created,
            "about": dict(self.about),
            # A table of names as label map readers look for it beside a volume.
            **({"labels": self._names()} if self._names() else {}),
            "files": [
                {
                    "path": file.path,
                    "sha256": file.sha256,
                    "painted": list(file.painted),
                    "locked": list(file.locked),
                    "segments": [
                        {
                            "structure": segment.structure,
                            "value": segment.value,
                            "mask": segment.mask_id,
                            "voxels": segment.voxels,
                            "made": dict(segment.made),
                        }
                        for segment in file.segments
                    ],
                }
                for file in self.files
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Handout":
        """Read what :meth:`to_dict` gave."""
        if values[_KEY] != _FORMAT:
            raise ValueError(f"format {values[_KEY]!r}, expected {_FORMAT}")
        return cls(
            case_id=str(values["case"]),
            format=str(values["format"]),
            files=tuple(_file_from(each) for each in values["files"]),
            by=str(values["by"]),
            created=str(values["created"]),
            about=dict(values["about"]),
        )


def _file_from(values: Mapping[str, Any]) -> HandedFile:
    path = Path(str(values["path"]))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"file {str(path)!r} does not lie beside the record")
    segments = tuple(
        HandedSegment(
            structure=str(each["structure"]),
            value=int(each["value"]),
            mask_id=str(each["mask"]),
            voxels=int(each["voxels"]),
            made={str(k): str(v) for k, v in each["made"].items()},
        )
        for each in values["segments"]
    )
    return HandedFile(
        path=str(path),
        sha256=str(values["sha256"]),
        segments=segments,
        painted=tuple(map(str, values["painted"])),
        locked=tuple(map(str, values["locked"])),
    )


def handed_file(outgoing: Outgoing, path: Path, record: Path, format_name: str) -> HandedFile:
    """Describe a file that was just written, for the record that will lie at `record`."""
    return HandedFile(
        path=str(path.relative_to(record.parent)),
        sha256=digest_of_file(path),
        segments=tuple(
            _handed_segment(segment, outgoing.value_of(segment)) for segment in outgoing.segments
        ),
        painted=outgoing.painted if format_name == "nifti" else (),
    )


def _handed_segment(segment: Segment, value: int) -> HandedSegment:
    mask = segment.mask
    if mask is None:
        return HandedSegment(segment.name, value)
    made = mask.provenance
    about = {"origin": made.origin, "maker": made.maker, "created": made.created}
    return HandedSegment(segment.name, value, mask.id, mask.voxels, about)


def with_version(handout: Handout) -> Handout:
    """Add the version of Masksmith that gave it out."""
    return replace(handout, about={**handout.about, "masksmith": version("masksmith")})


def write_handout(path: Path, handout: Handout) -> None:
    """Write a record atomically."""
    text = json.dumps(handout.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_file_atomically(path, text.encode())


def read_handout(path: Path) -> Handout:
    """Read a record.

    Raises
    ------
    HandoutError
        When it is missing, no record of ours, or names files elsewhere.
    """
    try:
        return Handout.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HandoutError(
            f"{path}: no readable record of what was given out ({error}); 'masksmith open' and "
            "'masksmith export' write it, and 'masksmith collect' needs it as it was written"
        ) from None


def find_handouts(folder: Path) -> list[tuple[Path, Handout]]:
    """Find the records in a folder and below.

    Raises
    ------
    HandoutError
        When there is none, or one cannot be read.
    """
    paths = [path for path in sorted(folder.rglob("*.json")) if _is_handout(path)]
    if not paths:
        raise HandoutError(
            f"{folder}: nothing here says what was given out (session.json or <file>.json); name "
            "the folder that 'masksmith open' or 'masksmith export' wrote, or take the files in "
            "with 'masksmith import-rough'"
        )
    return [(path, read_handout(path)) for path in paths]


def _is_handout(path: Path) -> bool:
    if path.name == SESSION_FILE:
        return True
    try:
        return f'"{_KEY}"'.encode() in path.read_bytes()[:4096]
    except OSError:
        return False
