"""Nora's ROIs: one binary NIfTI per ROI, named by its file.

Nora (nora-imaging.org) documents that an ROI is "a binary 3D volumetric image matrix" that it
saves and downloads as NIfTI, possibly of one slice, and not how the file is named; that rests
with the user and the project. What is read here is therefore: a NIfTI file whose name begins
with ``ROI_``, ``roi-`` or ``mask_`` and the like, or that lies in a folder ``ROI`` or ``ROIs``;
the rest of its name is the ROI's. Everything above 0 is inside. Label maps that Nora shows as
"atlas" carry names in a header extension and are read as NIfTI (see
:mod:`annotation.formats.nifti_names`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from annotation.formats.drawing import DrawnFile, ReadLimits
from annotation.formats.label_map import mask_drawing
from annotation.formats.naming import stem_of
from annotation.formats.nifti import read_nifti_label_map, recognise_nifti
from annotation.formats.refusal import plain_name, refused

_PREFIX = re.compile(r"(roi|mask)s?[_\-. ]+(?=\S)", re.IGNORECASE)
_FOLDERS = ("roi", "rois")


@dataclass(frozen=True, slots=True)
class NoraReader:
    """Reads one ROI of Nora."""

    name: str = "nora"

    def recognises(self, path: Path) -> bool:
        """Tell by the file's or folder's name and the first bytes."""
        named = _PREFIX.match(stem_of(path)) or path.parent.name.lower() in _FOLDERS
        return bool(named) and recognise_nifti(path)

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read the ROI; see :class:`annotation.formats.drawing.Reader`."""
        found = read_nifti_label_map(path, limits)
        if len(found.boxes) > 1:
            raise refused(
                path,
                f"{len(found.boxes)} different values in a file named like an ROI",
                "0 and one other",
                "rename a label map so that its name does not begin with ROI or mask",
            )
        name = plain_name(_PREFIX.sub("", stem_of(path), count=1))
        return DrawnFile(path, self.name, (mask_drawing(found, name),), notes=found.notes)
