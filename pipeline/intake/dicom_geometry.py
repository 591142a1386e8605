"""Whether the slices of a series form one straight, even volume, and where it lies.

One rule decides: every slice must lie within a tolerance of the place a straight, even
series gives it (first position plus a whole number of steps along the normal of the
slices). Gantry tilt, uneven gaps, missing and doubled slices all break it; the message
says which, with figures.

DICOM speaks LPS (x to the patient's left, y to the back); a `Grid` is RAS, so the first
two rows of the affine change sign.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.intake.dicom_header import SliceHeader
from pipeline.intake.refusal import Refused, refusal
from pipeline.volume import Grid

_POSITION_TOLERANCE_MM = 0.1
_DIRECTION_TOLERANCE = 1e-3
_SPACING_TOLERANCE_MM = 1e-4
_SAME_PLACE_MM = 0.01
_FARTHEST_MM = 100_000.0
_SHOWN_TILT_DEG = 0.1
_WHOLE_GAP_TOLERANCE = 0.1
_TILT_TAG_TOLERANCE_DEG = 0.5


def straight_series(headers: Sequence[SliceHeader]) -> tuple[tuple[SliceHeader, ...], Grid]:
    """Order the slices of a series and give the grid they fill.

    Parameters
    ----------
    headers : sequence of SliceHeader
        All slices of one series, in any order, each once.

    Returns
    -------
    ordered : tuple of SliceHeader
        Along the normal of the slices (feet to head in an axial series).
    grid : Grid
        Axis I runs along a row, J down a column, K along the normal.

    Raises
    ------
    Refused
        If slices differ in size, spacing or orientation, share a place, lie unevenly, or
        are tilted against the way the table moves.
    """
    _require_one_shape(headers)
    row, column, normal = _directions(headers[0])
    positions = np.array([header.position_mm for header in headers])
    order = np.argsort(positions @ normal, kind="stable")
    ordered = tuple(headers[index] for index in order)
    positions = positions[order]
    if len(ordered) < 2:
        raise refusal("a single slice", "a series of slices", "export the whole series")
    _require_places_differ(ordered, positions @ normal)
    step = _even_step_mm(positions, normal)
    _require_tilt_tag_agrees(headers[0], normal)
    between_rows, between_columns = headers[0].pixel_spacing_mm
    affine = np.eye(4)
    affine[:3, 0] = row * between_columns
    affine[:3, 1] = column * between_rows
    affine[:3, 2] = normal * step
    affine[:3, 3] = positions[0]
    affine[:2] *= -1
    return ordered, Grid((headers[0].columns, headers[0].rows, len(ordered)), affine)


def _require_one_shape(headers: Sequence[SliceHeader]) -> None:
    for header in headers:
        found = (len(header.orientation), len(header.position_mm), len(header.pixel_spacing_mm))
        places = [*header.orientation, *header.position_mm, *header.pixel_spacing_mm]
        if (
            found != (6, 3, 2)
            or not np.isfinite(places).all()
            or np.abs(places).max() > _FARTHEST_MM
            or min(header.pixel_spacing_mm) <= 0
        ):
            raise refusal(
                "a slice without usable orientation, position or pixel spacing",
                "ImageOrientationPatient, ImagePositionPatient and PixelSpacing in each",
                "export the series again from the archive",
            )
    _require_one_value("sizes", Counter(f"{h.columns} x {h.rows}" for h in headers))
    first = headers[0]
    spacings = Counter(
        _shown(first.pixel_spacing_mm if _near(h, first) else h.pixel_spacing_mm, 4)
        for h in headers
    )
    _require_one_value("pixel spacings", spacings)
    orientations = Counter(
        _shown(first.orientation if _parallel(h, first) else h.orientation, 3) for h in headers
    )
    _require_one_value("orientations", orientations)


def _require_one_value(what: str, found: Counter[str]) -> None:
    if len(found) > 1:
        counted = ", ".join(f"{value} ({count} slices)" for value, count in found.most_common(3))
        raise refusal(
            f"mixed {what}: {counted}",
            "one volume per series",
            "split the series by these and take the parts in one by one",
        )


def _near(header: SliceHeader, first: SliceHeader) -> bool:
    return np.allclose(
        header.pixel_spacing_mm, first.pixel_spacing_mm, rtol=0, atol=_SPACING_TOLERANCE_MM
    )


def _parallel(header: SliceHeader, first: SliceHeader) -> bool:
    return np.allclose(header.orientation, first.orientation, rtol=0, atol=_DIRECTION_TOLERANCE)


def _shown(values: Sequence[float], digits: int) -> str:
    return "/".join(f"{round(value, digits):g}" for value in values)


def _directions(
    header: SliceHeader,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    row, column = np.array(header.orientation[:3]), np.array(header.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    crooked = np.abs(np.array(lengths) - 1).max() > _DIRECTION_TOLERANCE
    if crooked or abs(row @ column) > _DIRECTION_TOLERANCE:
        raise refusal(
            f"rows and columns of length {lengths[0]:.3f} and {lengths[1]:.3f} that are not "
            "perpendicular unit directions",
            "a right-angled ImageOrientationPatient",
            "export the series again from the archive",
        )
    row, column = row / lengths[0], column / lengths[1]
    return row, column, np.cross(row, column)


def _require_places_differ(ordered: Sequence[SliceHeader], depths: NDArray[np.float64]) -> None:
    doubled = int(np.count_nonzero(np.diff(depths) < _SAME_PLACE_MM))
    if not doubled:
        return
    acquisitions = len({header.acquisition for header in ordered})
    several = f", {acquisitions} acquisitions" if acquisitions > 1 else ""
    raise refusal(
        f"{doubled} of {len(ordered)} slices lie where another one lies{several} "
        "(phases or repeats in one series)",
        "one slice per place",
        "split the series by acquisition or phase and take the parts in one by one",
    )


def _even_step_mm(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Give the distance between slices, or refuse a series that is not straight and even."""
    depths = positions @ normal
    step = float(depths[-1] - depths[0]) / (len(depths) - 1)
    expected = positions[0] + np.outer(np.arange(len(depths)) * step, normal)
    off_mm = float(np.linalg.norm(positions - expected, axis=1).max())
    if off_mm <= _POSITION_TOLERANCE_MM:
        return step
    raise _crooked(positions, normal, off_mm)


def _crooked(positions: NDArray[np.float64], normal: NDArray[np.float64], off_mm: float) -> Refused:
    """Say what is wrong with the places of the slices: gaps, missing slices, tilt."""
    gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    along = positions[-1] - positions[0]
    cosine = np.clip(along @ normal / np.linalg.norm(along), -1.0, 1.0)
    tilt_deg = float(np.degrees(np.arccos(cosine)))
    found = [f"slices up to {off_mm:.2f} mm off a straight, even series"]
    if gaps.max() - gaps.min() > _POSITION_TOLERANCE_MM:
        found.append(f"gaps {gaps.min():.2f}-{gaps.max():.2f} mm")
        missing = _missing_slices(gaps)
        if missing:
            found.append(f"{missing} slices missing")
    if tilt_deg > _SHOWN_TILT_DEG:
        found.append(f"tilt {tilt_deg:.1f} deg")
    return refusal(
        "; ".join(found),
        "a straight, even series",
        "complete the series or have it resampled to a straight volume first",
    )


def _missing_slices(gaps: NDArray[np.float64]) -> int:
    """Count the slices that would fill gaps of twice, three times ... the usual one."""
    times = gaps / np.median(gaps)
    whole = np.rint(times)
    holes = (whole >= 2) & (np.abs(times - whole) < _WHOLE_GAP_TOLERANCE)
    return int((whole[holes] - 1).sum())


def _require_tilt_tag_agrees(header: SliceHeader, normal: NDArray[np.float64]) -> None:
    """Refuse a series whose header says tilt while its orientation says none."""
    upright = abs(float(normal[2])) > np.cos(np.radians(_TILT_TAG_TOLERANCE_DEG))
    if upright and abs(header.tilt_deg) > _TILT_TAG_TOLERANCE_DEG:
        raise refusal(
            f"gantry tilt {header.tilt_deg:+.1f} deg in the header, but untilted slices",
            "an orientation that agrees with the tilt",
            "export the series again from the archive",
        )
