"""Where the samples of an NRRD file lie."""

import numpy as np
from numpy.typing import NDArray

from annotation.formats.drawing import ReadLimits
from annotation.formats.geometry import affine_of, checked_grid, checked_shape, signed
from annotation.formats.nrrd_header import NrrdHeader
from annotation.formats.refusal import plain_name, refused
from pipeline.volume import Grid

_MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "")


# World axes of each space: the signs that turn it to RAS (NRRD format, "space:").
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}


def nrrd_grid(header: NrrdHeader, limits: ReadLimits) -> Grid:
    """Give the grid of the three axes that lie in space.

    Raises
    ------
    DrawnFileError
        If there are not three such axes, or nothing says which way they point.
    """
    path = header.path
    space = str(header.fields.get("space", "")).strip().lower()
    if "space directions" not in header.fields or "space origin" not in header.fields:
        raise refused(
            path,
            "no directions or origin in space",
            "'space directions' and 'space origin'",
            "save the segmentation with its geometry",
        )
    if space not in _SPACES:
        raise refused(
            path,
            f"the space '{plain_name(space, 60)}'",
            "left-posterior-superior or right-anterior-superior, to know left from right",
            "save the segmentation with its geometry",
        )
    _require_millimetres(header)
    axes = space_axes(header)
    shape = checked_shape(path, [header.sizes[axis] for axis in axes], limits)
    origin = np.asarray(header.fields["space origin"], dtype=np.float64)
    if header.directions.shape[1:] != (3,) or origin.shape != (3,):
        raise refused(path, "a space that is not 3-D", "three coordinates", "save it as 3-D")
    affine = affine_of(header.directions[axes], origin)
    return checked_grid(path, shape, signed(affine, _SPACES[space]))


def space_axes(header: NrrdHeader) -> list[int]:
    """Give the three axes that lie in space; others may have one sample, or one may list layers.

    Raises
    ------
    DrawnFileError
        If the axes are others.
    """
    directions = header.directions
    rows = directions.shape[0] if directions.ndim == 2 else 0
    if rows == len(header.sizes):
        axes = [axis for axis in range(rows) if not np.isnan(directions[axis]).any()]
        layers = [header.sizes[axis] for axis in range(rows) if axis not in axes]
        if len(axes) == 3 and sum(size > 1 for size in layers) <= 1:
            return axes
    raise refused(
        header.path,
        f"{len(header.sizes)} axes of {' x '.join(map(str, header.sizes))}",
        "three axes in space and at most one of layers",
        "save one time point as a 3-D volume",
    )


def _require_millimetres(header: NrrdHeader) -> None:
    units = [str(unit).strip().lower() for unit in header.fields.get("space units", [])]
    if any(unit not in _MILLIMETRES for unit in units):
        raise refused(
            header.path,
            f"the unit '{plain_name(units[0], 20)}'",
            "millimetres",
            "save the segmentation in millimetres",
        )


def legacy_spatial_affine(header: NrrdHeader) -> NDArray[np.float64] | None:
    """Give the affine of a four-dimensional space without a name; None for any other header.

    Early versions of 3D Slicer wrote segments along a fourth axis of space. Directions and
    origin are those of its own world, RAS (Slicer, vtkMRMLSegmentationStorageNode.cxx,
    ReadBinaryLabelmapRepresentation4DSpatial: they are copied unturned).
    """
    directions = header.directions if "space directions" in header.fields else np.empty(0)
    origin = np.asarray(header.fields.get("space origin", ()), dtype=np.float64)
    if header.fields.get("space") or directions.shape != (4, 4) or origin.shape != (4,):
        return None
    if np.isnan(directions).any() or np.abs(directions[:3, 3]).max() > 0:
        return None
    return affine_of(directions[:3, :3], origin[:3])
