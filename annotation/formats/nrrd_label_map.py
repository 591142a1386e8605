"""NRRD label maps, such as those of older versions of 3D Slicer, Plastimatch or dcmqi."""

from dataclasses import dataclass
from pathlib import Path

from annotation.formats.drawing import DrawnFile, ReadLimits
from annotation.formats.label_map import LabelMap, label_map
from annotation.formats.naming import labelled_file
from annotation.formats.nrrd_geometry import nrrd_grid
from annotation.formats.nrrd_header import read_nrrd_header, recognise_nrrd
from annotation.formats.nrrd_samples import layers_of, read_nrrd_samples
from annotation.formats.refusal import refused


@dataclass(frozen=True, slots=True)
class NrrdReader:
    """Reads one label map in an NRRD file; names come from a table beside it."""

    name: str = "nrrd"

    def recognises(self, path: Path) -> bool:
        """Tell by NRRD's magic."""
        return recognise_nrrd(path)

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all labels; see :class:`annotation.formats.drawing.Reader`."""
        return labelled_file(self.name, path, read_nrrd_label_map(path, limits))


def read_nrrd_label_map(path: Path, limits: ReadLimits) -> LabelMap:
    """Read the one layer of labels of an NRRD file.

    Raises
    ------
    DrawnFileError
    """
    header = read_nrrd_header(path)
    grid = nrrd_grid(header, limits)
    layers = 1 if header.list_axis is None else header.sizes[header.list_axis]
    if layers != 1:
        raise refused(
            path,
            f"{layers} values per voxel that no program's keys explain",
            "one label per voxel",
            "save each layer as a file of its own",
        )
    (layer,) = layers_of(header, read_nrrd_samples(header, limits))
    return label_map(path, layer, grid, limits)
