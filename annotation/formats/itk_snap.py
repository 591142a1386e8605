"""ITK-SNAP: a label map (NIfTI or NRRD) and beside it the label description file.

The description is the text file of "Segmentation > Export Label Descriptions": eight columns
``IDX R G B A VIS MSH "LABEL"`` (ITK-SNAP, ColorLabelTable.cxx). It belongs to the label map of
its own name, or to all of a folder in which it is the only one with "label" in its name.
"""

from dataclasses import dataclass
from pathlib import Path

from annotation.formats.drawing import DrawnFile, ReadLimits
from annotation.formats.naming import labelled_file, snap_description
from annotation.formats.nifti import read_nifti_label_map, recognise_nifti
from annotation.formats.nrrd_header import recognise_nrrd
from annotation.formats.nrrd_label_map import read_nrrd_label_map


@dataclass(frozen=True, slots=True)
class ItkSnapReader:
    """Reads a label map that has a label description of ITK-SNAP."""

    name: str = "itk-snap"

    def recognises(self, path: Path) -> bool:
        """Tell by the content of both files."""
        is_volume = recognise_nifti(path) or recognise_nrrd(path)
        return is_volume and snap_description(path) is not None

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all labels; see :class:`annotation.formats.drawing.Reader`."""
        read = read_nrrd_label_map if recognise_nrrd(path) else read_nifti_label_map
        return labelled_file(self.name, path, read(path, limits))
