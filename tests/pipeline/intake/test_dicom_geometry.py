from dataclasses import replace

import numpy as np
import pytest

from pipeline.intake.dicom_geometry import straight_series
from pipeline.intake.dicom_header import read_slice_header
from pipeline.intake.refusal import Refused


@pytest.fixture
def headers(tmp_path, write_series):
    return [read_slice_header(path) for path in write_series(tmp_path)]


def moved(headers, place):
    """Give the headers with slice k (feet to head) at ``place(k, x, y, z)``."""
    ordered = sorted(headers, key=lambda header: header.position_mm[2])
    return [
        replace(header, position_mm=tuple(float(v) for v in place(k, *header.position_mm)))
        for k, header in enumerate(ordered)
    ]


def test_a_straight_series_is_ordered_feet_to_head_and_placed_in_ras(headers):
    ordered, grid = straight_series(headers)
    assert [header.position_mm[2] for header in ordered] == [100.0 + 3 * k for k in range(16)]
    assert grid.shape == (24, 20, 16)
    assert grid.affine.tolist() == [
        [-2.5, 0, 0, 20],
        [0, -2, 0, 15],
        [0, 0, 3, 100],
        [0, 0, 0, 1],
    ]


def test_an_oblique_stack_along_its_own_normal_is_straight(headers):
    angle = np.radians(18.5)
    column = (0.0, float(np.cos(angle)), -float(np.sin(angle)))
    normal = np.cross((1, 0, 0), column)
    turned = [
        replace(h, orientation=(1.0, 0.0, 0.0, *column))
        for h in moved(headers, lambda k, x, y, z: np.array([x, y, 100]) + 3 * k * normal)
    ]
    _, grid = straight_series(turned)
    assert grid.spacing_mm == pytest.approx((2.5, 2.0, 3.0))
    assert grid.is_orthogonal()


def test_positions_rounded_to_a_tenth_are_even_enough(headers):
    near = moved(headers, lambda k, x, y, z: (x, y, round(0.625 * k, 1)))
    _, grid = straight_series(near)
    assert grid.spacing_mm[2] == pytest.approx(0.625, abs=0.005)


def test_gantry_tilt_is_refused_with_its_angle(headers):
    angle = np.radians(18.5)
    column = (0.0, float(np.cos(angle)), -float(np.sin(angle)))
    tilted = [replace(header, orientation=(1.0, 0.0, 0.0, *column)) for header in headers]
    with pytest.raises(Refused, match=r"tilt 18\.5 deg") as caught:
        straight_series(tilted)
    assert "gaps" not in str(caught.value)


def test_uneven_gaps_are_refused_with_both_ends(headers):
    uneven = moved(headers, lambda k, x, y, z: (x, y, 3 * k + (1.2 if k > 7 else 0)))
    with pytest.raises(Refused, match=r"gaps 3\.00-4\.20 mm") as caught:
        straight_series(uneven)
    assert "tilt" not in str(caught.value)
    assert "missing" not in str(caught.value)


def test_missing_slices_are_counted(headers):
    ordered = moved(headers, lambda k, *place: place)
    with pytest.raises(Refused, match=r"gaps 3\.00-9\.00 mm; 2 slices missing"):
        straight_series(ordered[:5] + ordered[7:])


def test_doubled_places_are_refused_and_acquisitions_counted(headers):
    doubled = moved(headers, lambda k, x, y, z: (x, y, 3 * (k // 2)))
    doubled = [replace(header, acquisition=str(k % 2)) for k, header in enumerate(doubled)]
    with pytest.raises(Refused, match="8 of 16 slices lie where another one lies, 2 acquisitions"):
        straight_series(doubled)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 40}, r"mixed sizes: 24 x 20 \(15 slices\), 24 x 40 \(1 slices\)"),
        ({"pixel_spacing_mm": (1.0, 1.0)}, r"mixed pixel spacings: 2/2\.5 \(15 slices\)"),
        ({"orientation": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)}, "mixed orientations"),
        ({"position_mm": ()}, "a slice without usable orientation, position or pixel spacing"),
        ({"orientation": (np.nan,) * 6}, "a slice without usable orientation"),
        ({"pixel_spacing_mm": (0.0, 1.0)}, "a slice without usable orientation"),
        ({"pixel_spacing_mm": (-2.0, 2.5)}, "a slice without usable orientation"),
        ({"position_mm": (0.0, 0.0, 1e300)}, "a slice without usable orientation"),
    ],
)
def test_one_slice_unlike_the_others_is_refused(headers, change, message):
    with pytest.raises(Refused, match=message):
        straight_series([*headers[:-1], replace(headers[-1], **change)])


def test_crooked_directions_are_refused(headers):
    crooked = [replace(h, orientation=(1.0, 0.0, 0.0, 0.5, 1.0, 0.0)) for h in headers]
    with pytest.raises(Refused, match="not perpendicular"):
        straight_series(crooked)


def test_a_tilt_in_the_header_alone_is_refused(headers):
    with pytest.raises(Refused, match=r"gantry tilt \+12\.0 deg in the header, but untilted"):
        straight_series([replace(header, tilt_deg=12.0) for header in headers])


def test_a_single_slice_is_refused(headers):
    with pytest.raises(Refused, match="a single slice"):
        straight_series(headers[:1])
