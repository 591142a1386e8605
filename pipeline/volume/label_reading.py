"""Read the segmentation of one CT: a label map, or a folder with one mask per structure.

For everything that works on files without a workspace. What comes from outside is refused with a
reason before anything is believed: no whole numbers, several values in a mask, names or values that
the class map does not know, another grid than the CT's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import BadInput
from pipeline.volume.boxes import Box, bounding_box, occurring_values
from pipeline.volume.claims import Claims, Overlapping
from pipeline.volume.grid import Grid
from pipeline.volume.label_files import CaseFiles, find_case_files
from pipeline.volume.nifti import NiftiVolume, read_nifti
from pipeline.volume.placement import place_on_grid

_LARGEST_AFFINE_GAP_MM = 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The label map of one CT.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, shape (I, J, K)
        Fortran-ordered, 0 is background. Label values that the class map does not know are
        still in it where they were allowed.
    grid : Grid
        Of ``labels``: the CT's, if one was given.
    covered : frozenset of str
        Structures it decides: all of the class map for a label map, those with a file for a folder.
    unknown : tuple of str
        What stands for nothing in the class map: label values, or names of files.
    notes : tuple of str
        What a person should know, such as that axes were turned.
    overlaps : tuple of Overlapping
        Masks of a folder that claim the same voxels.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    grid: Grid
    covered: frozenset[str]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    overlaps: tuple[Overlapping, ...] = ()


def read_segmentation(
    path: Path, class_map: ClassMap, grid: Grid | None = None, *, ignore_unknown: bool = False
) -> Segmentation:
    """Read a label map, or a folder with one mask per structure.

    Parameters
    ----------
    path : Path
        A label map; or a folder of masks named after structures, as TotalSegmentator writes it.
    class_map : ClassMap
        What values and names mean.
    grid : Grid, optional
        The CT's. Labels whose axes only run in another order or direction are turned onto it;
        anything else is refused.
    ignore_unknown : bool
        Whether values or names that the class map does not know are told in ``unknown`` instead
        of being refused. If it knows none at all, it is another class map, and is refused.

    Returns
    -------
    Segmentation
        Where masks of a folder overlap, the structure with fewer voxels gets the voxel.

    Raises
    ------
    NothingToDo
        If nothing is there.
    BadInput
        If it holds several cases, cannot be read, or is none.
    GridMismatch
        If it does not lie on ``grid``, or masks lie on several grids.
    """
    files = _the_one_case(path, class_map)
    read = _read_label_map if files.is_label_map else _read_folder
    found = read(files, class_map, ignore_unknown)
    if grid is None:
        return found
    placed = place_on_grid(
        found.labels, found.grid, grid, what=str(files.place), minimum_cover=None
    )
    labels = np.asfortranarray(placed.labels)
    notes = (*found.notes, placed.note) if placed.note else found.notes
    return replace(found, labels=labels, grid=grid, notes=notes)


def read_placed(path: Path) -> NiftiVolume:
    """Read a volume whose place in the world is beyond doubt.

    Raises
    ------
    BadInput
        If sform and qform place it differently, or as :func:`pipeline.volume.read_nifti`.
    """
    volume = read_nifti(path)
    if volume.header.affine_gap_mm > _LARGEST_AFFINE_GAP_MM:
        raise BadInput(
            f"{path}: sform and qform place it {volume.header.affine_gap_mm:.3g} mm apart, "
            f"expected one placement (within {_LARGEST_AFFINE_GAP_MM} mm); set both to one"
        )
    return volume


def whole_numbers(array: NDArray[np.generic], path: Path) -> NDArray[np.unsignedinteger[Any]]:
    """Turn the voxels of a file into labels of 8 or 16 bits.

    Raises
    ------
    BadInput
        If there are fractions, or values below 0 or above 65535.
    """
    labels = array
    if array.dtype.kind == "f":
        labels = array.astype(np.int32)
        if not np.array_equal(labels, array):
            raise BadInput(f"{path}: found values with fractions, expected a label map or mask")
    if labels.dtype.kind == "b":
        labels = labels.view(np.uint8)
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest > np.iinfo(np.uint16).max:
        raise BadInput(
            f"{path}: found values from {smallest} to {largest}, expected labels from 0 to 65535; "
            "is it a CT?"
        )
    return labels.astype(np.uint8 if largest < 256 else np.uint16, copy=False)


def binary_crop(array: NDArray[np.generic], path: Path) -> tuple[Box, NDArray[np.bool_]] | None:
    """Cut out the one mask that a file holds; None if it is empty.

    Raises
    ------
    BadInput
        If it holds several values beside 0.
    """
    labels = whole_numbers(array, path)
    box = bounding_box(labels)
    if box is None:
        return None
    crop = labels[box]
    value = int(crop.max())
    if not ((crop == 0) | (crop == value)).all():
        raise BadInput(
            f"{path}: found several values, expected a mask with 0 and one other; a label map "
            "stands beside the folders of masks, not in one"
        )
    return box, np.asfortranarray(crop != 0)


def listed(items: Iterable[object]) -> str:
    """Name the first few of many things, for messages."""
    texts = [str(item) for item in items]
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _the_one_case(path: Path, class_map: ClassMap) -> CaseFiles:
    cases = list(find_case_files(path, class_map).values())
    if len(cases) > 1:
        raise BadInput(
            f"{path}: holds {len(cases)} cases ({listed(case.case_id for case in cases)}); "
            "name the label map or the folder of masks of one; if these are the masks of one, no "
            f"name is in class map '{class_map.name}': name the right one with --class-map"
        )
    return cases[0]


def _read_label_map(files: CaseFiles, class_map: ClassMap, ignore_unknown: bool) -> Segmentation:
    volume = read_placed(files.place)
    labels = np.asfortranarray(whole_numbers(volume.array, files.place))
    values = occurring_values(labels)
    unknown = tuple(str(value) for value in values if value not in class_map.names_by_value)
    if unknown and (not ignore_unknown or len(unknown) == len(values)):
        raise BadInput(
            f"{files.place}: found the label values {listed(unknown)}, which stand for nothing in "
            f"class map '{class_map.name}'; name the right one with --class-map"
        )
    return Segmentation(labels, volume.grid, frozenset(class_map.names), unknown)


def _read_folder(files: CaseFiles, class_map: ClassMap, ignore_unknown: bool) -> Segmentation:
    if files.unknown and not ignore_unknown:
        raise BadInput(
            f"{files.place}: found masks named {listed(files.unknown)}, which are not in class "
            f"map '{class_map.name}'; name the right one with --class-map"
        )
    first, *others = sorted(files.masks)
    volume = read_placed(files.masks[first])
    painting = _Painting(volume.grid, class_map)
    painting.add(first, volume, files.masks[first])
    for name in others:
        painting.add(name, read_placed(files.masks[name]), files.masks[name])
    notes: tuple[str, ...] = ()
    shared = painting.claims.shared_voxels
    if shared:
        notes = (f"{shared:,} voxels in several masks: the smaller structure has them",)
    overlaps = painting.claims.overlaps(class_map.names_by_value)
    covered = frozenset(files.masks)
    return Segmentation(painting.labels, volume.grid, covered, files.unknown, notes, overlaps)


class _Painting:
    """Masks painted into one label map, one after the other; only one of them is in memory."""

    def __init__(self, grid: Grid, class_map: ClassMap) -> None:
        self.labels = np.zeros(grid.shape, class_map.dtype, order="F")
        self.claims = Claims(grid)
        self._grid = grid
        self._class_map = class_map
        # Background loses against everything.
        self._voxels = np.zeros(max(class_map.values) + 1, np.int64)
        self._voxels[0] = np.iinfo(np.int64).max

    def add(self, name: str, volume: NiftiVolume, path: Path) -> None:
        """Paint a structure where nothing or something larger is."""
        self._grid.require_same(volume.grid, what=f"{path} and the other masks of its folder")
        found = binary_crop(volume.array, path)
        if found is None:
            return
        box, crop = found
        value = self._class_map[name].value
        self._voxels[value] = np.count_nonzero(crop)
        painted = self.labels[box]
        self.claims.add(value, crop, box, painted)
        before = painted[crop]
        painted[crop] = np.where(self._voxels[before] > self._voxels[value], value, before)
