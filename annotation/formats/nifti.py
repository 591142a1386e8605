"""NIfTI: one mask per file, or a label map with names in its header or in a table beside it."""

from dataclasses import dataclass
from pathlib import Path

from annotation.formats.drawing import DrawnFile, DrawnFileError, ReadLimits
from annotation.formats.geometry import checked_grid, checked_shape
from annotation.formats.label_map import LabelMap, label_map
from annotation.formats.naming import labelled_file
from annotation.formats.nifti_names import header_names, open_nifti
from annotation.formats.refusal import refused, require_size
from pipeline.volume import NiftiError, NiftiLimits, read_nifti
from pipeline.volume.nifti import UNREADABLE, NiftiHeader, read_nifti_header

_HEADER_SIZES = (348, 540)
_LARGEST_AFFINE_GAP_MM = 0.5


@dataclass(frozen=True, slots=True)
class NiftiReader:
    """Reads masks and label maps in NIfTI-1 and -2."""

    name: str = "nifti"

    def recognises(self, path: Path) -> bool:
        """Tell by the size of the header, which its first four bytes say."""
        return recognise_nifti(path)

    def read(self, path: Path, limits: ReadLimits) -> DrawnFile:
        """Read all labels; see :class:`annotation.formats.drawing.Reader`."""
        found = read_nifti_label_map(path, limits)
        return labelled_file(self.name, path, found, header_names(path))


def recognise_nifti(path: Path) -> bool:
    """Tell whether a file begins as NIfTI, compressed or not."""
    try:
        with open_nifti(path) as stream:
            size = stream.read(4)
    except UNREADABLE:
        return False
    found = {int.from_bytes(size, "little"), int.from_bytes(size, "big")}
    return len(size) == 4 and bool(found & set(_HEADER_SIZES))


def read_nifti_label_map(path: Path, limits: ReadLimits) -> LabelMap:
    """Read the labels of a NIfTI file.

    Raises
    ------
    DrawnFileError
        If it cannot be read, says not where it lies, or holds no labels.
    """
    try:
        header = read_nifti_header(path, limits=NiftiLimits(max_bytes=limits.max_bytes))
        notes = _checked_placement(path, header)
        shape = checked_shape(path, header.shape, limits)
        grid = checked_grid(path, shape, header.grid.affine)
        # Scaled voxels are read as float32 beside the stored ones.
        voxels = shape[0] * shape[1] * shape[2]
        require_size(path, voxels, max(header.dtype.itemsize, 4), limits)
        volume = read_nifti(path, limits=NiftiLimits(max_bytes=limits.max_bytes))
    except NiftiError as error:
        raise DrawnFileError(
            f"{error}; expected a whole 3-D NIfTI label map; save the segmentation again"
        ) from None
    found = label_map(path, volume.array, grid, limits)
    return LabelMap(found.labels, found.grid, found.boxes, found.values, (*notes, *found.notes))


def _checked_placement(path: Path, header: NiftiHeader) -> tuple[str, ...]:
    """Require one unambiguous placement (NIfTI-1: sform counts where both are set)."""
    if header.sform_code <= 0 and header.qform_code <= 0:
        raise refused(
            path,
            "no orientation (sform_code and qform_code are 0), so left and right are unknown",
            "a header that places the segmentation in the patient",
            "copy the header of the CT that it was drawn on",
        )
    gap = header.affine_gap_mm
    if gap > _LARGEST_AFFINE_GAP_MM:
        raise refused(
            path,
            f"sform and qform that place it up to {gap:.4g} mm apart",
            f"one placement (within {_LARGEST_AFFINE_GAP_MM} mm)",
            "set both to the right one, for instance with nibabel",
        )
    return (f"sform taken; qform differs by {gap:.2g} mm",) if gap > 0.001 else ()
