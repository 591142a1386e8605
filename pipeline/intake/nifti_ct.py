"""A CT in a NIfTI file: what its header must say before its voxels are read."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.intake.ct_checks import CtRules, require_ct_grid
from pipeline.intake.refusal import refusal
from pipeline.volume import Grid, read_nifti
from pipeline.volume.nifti import NiftiHeader, read_nifti_header

_LARGEST_AFFINE_GAP_MM = 0.5


def read_nifti_ct(path: Path, rules: CtRules) -> tuple[NDArray[np.generic], Grid, tuple[str, ...]]:
    """Read a NIfTI file that should be a CT.

    Parameters
    ----------
    path : Path
    rules : CtRules
        The grid is checked against them before the voxels are read.

    Returns
    -------
    values : ndarray, shape (I, J, K)
        Rescaled, in the file's orientation.
    grid : Grid
    notes : tuple of str

    Raises
    ------
    NiftiError
        If the file cannot be read.
    Refused
        If it says not where it lies, says so in two ways that differ by more than 0.5 mm,
        or has a grid no CT has.
    """
    header = read_nifti_header(path)
    notes = _checked_placement(header)
    require_ct_grid(header.grid, rules)
    volume = read_nifti(path)
    return volume.array, volume.grid, notes


def _checked_placement(header: NiftiHeader) -> tuple[str, ...]:
    """Require one unambiguous placement (NIfTI-1: sform counts where both are set)."""
    if header.sform_code <= 0 and header.qform_code <= 0:
        raise refusal(
            "no orientation (sform_code and qform_code are 0), so left and right are unknown",
            "a header that places the image in the patient",
            "convert it again from DICOM",
        )
    if header.affine_gap_mm > _LARGEST_AFFINE_GAP_MM:
        raise refusal(
            f"sform and qform place it up to {header.affine_gap_mm:.4g} mm apart",
            f"one placement (within {_LARGEST_AFFINE_GAP_MM} mm)",
            "set both to the right one (for instance with nibabel) and take it in again",
        )
    if header.affine_gap_mm > 0.001:
        return (f"sform taken; qform differs by {header.affine_gap_mm:.2g} mm",)
    return ()
