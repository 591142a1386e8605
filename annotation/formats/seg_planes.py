"""Where the frames of a DICOM Segmentation lie: one grid, and a slice of it for each frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.formats.dicom_file import items_of, numbers_of
from annotation.formats.drawing import ReadLimits
from annotation.formats.geometry import (
    FARTHEST_MM,
    affine_of,
    checked_grid,
    checked_shape,
    lps_to_ras,
)
from annotation.formats.refusal import refused
from pipeline.volume import Grid

_TOLERANCE_MM = 0.1
_DIRECTION_TOLERANCE = 1e-3
_SAME_PLACE_MM = 0.01
_SPACING_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class SegPlanes:
    """The grid, and for each frame in its order the slice and the segment (0 if it names none)."""

    grid: Grid
    slices: tuple[int, ...]
    segments: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    between: float
    thickness: float
    segment: int


def place_planes(path: Path, dataset: Any, limits: ReadLimits) -> SegPlanes:
    """Put all frames on one straight, even grid.

    Parameters
    ----------
    path : Path
    dataset : pydicom.Dataset
        Whose count of frames was checked.
    limits : ReadLimits

    Raises
    ------
    DrawnFileError
        If frames have no place, different orientations or spacings, or no even distance.
    """
    shared = (items_of(dataset, "SharedFunctionalGroupsSequence") or [{}])[0]
    frames = [
        _frame(item, shared) for item in items_of(dataset, "PerFrameFunctionalGroupsSequence")
    ]
    row, column = _directions(path, frames)
    normal = np.cross(row, column)
    positions = np.array([frame.position for frame in frames])
    depths = positions @ normal
    step, notes = _step_mm(path, frames, depths)
    lowest = float(depths.min())
    slices = np.rint((depths - lowest) / step).astype(np.int64)
    count = int(slices.max()) + 1
    first = positions[int(np.argmin(depths))]
    _require_straight(path, positions, first + np.outer(slices * step, normal))
    down, along = frames[0].spacing
    sizes = (int(dataset.Columns), int(dataset.Rows), count)
    affine = affine_of(np.array([row * along, column * down, normal * step]), first)
    grid = checked_grid(path, checked_shape(path, sizes, limits), lps_to_ras(affine))
    segments = tuple(frame.segment for frame in frames)
    return SegPlanes(grid, tuple(int(k) for k in slices), segments, notes)


def _frame(item: Any, shared: Any) -> _Frame:
    def group(name: str) -> Any:
        own = items_of(item, name) or items_of(shared, name)
        return own[0] if own else {}

    measures = group("PixelMeasuresSequence")
    identified = group("SegmentIdentificationSequence")
    return _Frame(
        position=numbers_of(group("PlanePositionSequence"), "ImagePositionPatient"),
        orientation=numbers_of(group("PlaneOrientationSequence"), "ImageOrientationPatient"),
        spacing=numbers_of(measures, "PixelSpacing"),
        between=(*numbers_of(measures, "SpacingBetweenSlices"), 0.0)[0],
        thickness=(*numbers_of(measures, "SliceThickness"), 0.0)[0],
        segment=int(identified.get("ReferencedSegmentNumber") or 0),
    )


def _directions(
    path: Path, frames: list[_Frame]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the direction of a row and of a column (LPS), the same in all frames."""
    for frame in frames:
        counts = (len(frame.position), len(frame.orientation), len(frame.spacing))
        numbers = np.array([*frame.position, *frame.orientation, *frame.spacing])
        if counts != (3, 6, 2) or not np.isfinite(numbers).all() or min(frame.spacing) <= 0:
            raise refused(
                path,
                "a frame without usable position, orientation or pixel spacing",
                "ImagePositionPatient, ImageOrientationPatient and PixelSpacing for each",
                "export the segmentation again",
            )
        if np.abs(numbers).max() > FARTHEST_MM:
            raise refused(path, "a frame more than 100 m away", "millimetres", "export it again")
    first = frames[0]
    for frame in frames:
        turned = np.abs(np.subtract(frame.orientation, first.orientation)).max()
        scaled = np.abs(np.subtract(frame.spacing, first.spacing)).max()
        if turned > _DIRECTION_TOLERANCE or scaled > _SPACING_TOLERANCE_MM:
            raise refused(
                path,
                "frames of different orientation or pixel spacing",
                "one volume",
                "export each volume as a segmentation of its own",
            )
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if np.abs(lengths - 1).max() > _DIRECTION_TOLERANCE or abs(row @ column) > _DIRECTION_TOLERANCE:
        raise refused(
            path,
            "rows and columns that are not perpendicular unit directions",
            "a right-angled ImageOrientationPatient",
            "export the segmentation again",
        )
    return row / lengths[0], column / lengths[1]


def _step_mm(
    path: Path, frames: list[_Frame], depths: NDArray[np.float64]
) -> tuple[float, tuple[str, ...]]:
    """Find the distance of slices that fits all places: the declared one, else the least gap."""
    places = np.unique(depths)
    gaps = np.diff(places)
    gaps = gaps[gaps > _SAME_PLACE_MM]
    declared = frames[0].between
    if declared > _SAME_PLACE_MM and _fits(gaps, declared):
        return declared, ()
    if gaps.size == 0:
        if frames[0].thickness > _SAME_PLACE_MM:
            return frames[0].thickness, ("one slice; its thickness is taken for the distance",)
        raise refused(path, "one slice of no thickness", "SpacingBetweenSlices", "export it again")
    least = float(gaps.min())
    if not _fits(gaps, least):
        raise refused(
            path,
            f"slices {gaps.min():.4g} to {gaps.max():.4g} mm apart"
            + (f" where {declared:g} mm are declared" if declared else ""),
            "whole multiples of one distance",
            "resample it onto a straight, even volume first",
        )
    even = float(gaps.sum() / np.rint(gaps / least).sum())
    said = f"slices lie {even:.4g} mm apart" + (f", not {declared:g}" if declared else "")
    return even, (said + "; taken from their positions",)


def _fits(gaps: NDArray[np.float64], step: float) -> bool:
    """Whether all gaps are whole multiples of a step, summed up over the whole stack."""
    depths = np.concatenate([[0.0], np.cumsum(gaps)])
    return bool(np.abs(depths - np.rint(depths / step) * step).max() <= _TOLERANCE_MM)


def _require_straight(
    path: Path, positions: NDArray[np.float64], expected: NDArray[np.float64]
) -> None:
    off_mm = float(np.linalg.norm(positions - expected, axis=1).max())
    if off_mm > _TOLERANCE_MM:
        raise refused(
            path,
            f"frames up to {off_mm:.2f} mm off a straight, even stack",
            f"within {_TOLERANCE_MM} mm (no tilt, no shift in the plane)",
            "resample it onto a straight volume first",
        )
