"""The voxels of a straight CT series in Hounsfield units."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.intake.hounsfield import whole_hounsfield_units
from pipeline.intake.refusal import refusal
from pipeline.volume import Grid


def read_series_voxels(
    paths: Sequence[Path], grid: Grid
) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Read the slices one by one through SimpleITK (GDCM), which applies the rescaling.

    Slice by slice keeps one slice in memory beside the volume, and lets slices whose
    slopes differ each keep their own.

    Parameters
    ----------
    paths : sequence of Path
        In the order of axis K.
    grid : Grid
        Whose shape the slices must have.

    Returns
    -------
    voxels : ndarray of int16, shape (I, J, K), Fortran order
    notes : tuple of str

    Raises
    ------
    Refused
        If a slice cannot be decoded, has another size, or holds what is no CT number.
    """
    voxels = np.empty(grid.shape, np.int16, order="F")
    notes: list[str] = []
    for k, path in enumerate(paths):
        layer = _read_slice(path)
        if layer.shape != grid.shape[:2]:
            raise refusal(
                f"{path.name}: {layer.shape[0]} x {layer.shape[1]} pixels",
                f"{grid.shape[0]} x {grid.shape[1]} as its header says",
                "copy the series again from the archive",
            )
        whole, changed = whole_hounsfield_units(layer[:, :, np.newaxis])
        voxels[:, :, k] = whole[:, :, 0]
        notes.extend(f"slice {k}: {note}" for note in changed)
    return voxels, _shortened(notes)


def _read_slice(path: Path) -> NDArray[np.generic]:
    """Read one slice as (I, J): along a row, then down."""
    import SimpleITK as sitk  # noqa: N813 - its usual name

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError:
        raise refusal(
            f"{path.name}: pixels that cannot be decoded",
            "a whole slice in a known compression",
            "copy the series again from the archive",
        ) from None
    array: NDArray[np.generic] = sitk.GetArrayFromImage(image)
    return array.reshape(array.shape[-2:]).T if array.size else array


def _shortened(notes: Sequence[str]) -> tuple[str, ...]:
    if len(notes) <= 3:
        return tuple(notes)
    return (*notes[:2], f"the same in {len(notes) - 2} more slices")
