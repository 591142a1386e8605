"""The sheet shows the right slices the right way round, whatever the volume is like."""

import numpy as np
import pytest

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.anatomy.windows import WINDOWS, window_for
from pipeline.volume import Grid, read_nifti
from pipeline.workspace import Finding
from qc.contact_sheet import (
    MOST_ITEMS,
    SheetItem,
    SheetScan,
    draw_contact_sheet,
    items_of_findings,
    views_of,
)
from qc.slice_tiles import PLANES, TileView, draw_tile

SPACING = (2.0, 3.0, 4.0)
ORIGIN = (-60.0, -40.0, 100.0)


def scene(shape=(60, 40, 30)):
    """Make water in air with a red arm at the patient's right, front, and up: canonical."""
    labels = np.zeros(shape, np.uint8, order="F")
    labels[40:50, 24:32, 20:26] = 1
    ct = np.full(shape, -1000, np.int16, order="F")
    ct[5:-5, 4:-4, :] = 40
    ct[labels == 1] = 900
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = ORIGIN
    return ct, labels, Grid(shape, affine)


def reoriented(array, grid, order, flips):
    """Give the same volume with its axes in another order and direction."""
    affine = grid.affine[:, [*order, 3]].copy()
    turned = array.transpose(order)
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
        affine[:3, axis] *= -1
        turned = np.flip(turned, axis)
    return np.asfortranarray(turned), Grid(turned.shape, affine)


@pytest.fixture
def arm(two_arms):
    return SheetItem(two_arms["arm_right"], "sticks out", "high")


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (0, 1)), ((2, 0, 1), (1,)), ((1, 2, 0), (0, 2))]
)
def test_the_sheet_is_the_same_in_any_orientation_of_the_file(two_arms, arm, order, flips):
    ct, labels, grid = scene()
    other_ct, other_grid = reoriented(ct, grid, order, flips)
    other_labels, _ = reoriented(labels, grid, order, flips)
    assert other_grid.orientation != "RAS"
    expected = draw_contact_sheet(SheetScan("a", ct, labels, grid), [arm], two_arms)
    found = draw_contact_sheet(SheetScan("a", other_ct, other_labels, other_grid), [arm], two_arms)
    assert np.array_equal(found[50:], expected[50:])


def test_slices_go_through_the_largest_part_or_the_place_of_the_finding(two_arms, arm):
    ct, labels, grid = scene()
    labels[42:44, 26:28, 5:20] = 1
    scan = SheetScan("a", ct, labels, grid)
    axial, coronal, sagittal = views_of(scan, arm)
    assert [view.plane.name for view in (axial, coronal, sagittal)] == [
        "axial", "coronal", "sagittal",
    ]  # fmt: skip
    assert (axial.index, coronal.index, sagittal.index) == (20, 26, 42)
    assert {view.side_mm for view in (axial, coronal, sagittal)} == {axial.side_mm}
    place = tuple(np.array(ORIGIN) + np.array([3, 10, 7]) * SPACING)
    there = views_of(scan, SheetItem(two_arms["arm_right"], "", "low", place))
    assert [view.index for view in there] == [7, 10, 3]
    column, row = there[0].pixel_of(3, 10)
    assert 0 <= column < 300
    assert 0 <= row < 300


def test_right_is_left_front_is_up_and_the_head_is_up():
    ct, labels, _ = scene()
    colours = np.array([[200, 200, 200], [255, 120, 0]], np.uint8)
    middles = {"axial": (29.5, 19.5), "coronal": (29.5, 14.5), "sagittal": (19.5, 14.5)}
    index = {"axial": 22, "coronal": 28, "sagittal": 45}
    for plane in PLANES:
        spacing = (SPACING[plane.across], SPACING[plane.up])
        view = TileView(plane, index[plane.name], middles[plane.name], spacing, 140.0, 280)
        tile = draw_tile(ct, labels, view, WINDOWS["soft"], colours, 1)
        red = np.argwhere((tile == (255, 120, 0)).all(axis=2))
        row, column = red.mean(axis=0)
        assert row < 140
        assert column < 140
        # In millimetres: where the arm's middle lies, seen from the middle of the tile.
        middle = {0: 44.5, 1: 27.5, 2: 22.5}
        expected = view.pixel_of(middle[plane.across], middle[plane.up])
        assert (column, row) == pytest.approx(expected, abs=4)


def test_a_window_makes_its_range_black_to_white():
    ct, labels, _ = scene()
    view = TileView(PLANES[0], 5, (29.5, 19.5), (2.0, 3.0), 60.0, 100)
    colours = np.zeros((2, 3), np.uint8)
    for name, low, high in (("soft", -160, 240), ("lung", -1350, 150), ("brain", 0, 80)):
        tile = draw_tile(ct, labels, view, WINDOWS[name], colours, 0)
        expected = 235 * (40 - low) / (high - low)
        assert tile[50, 50, 0] == pytest.approx(expected, abs=1)


def test_outside_the_scan_is_not_air():
    ct, labels, _ = scene()
    view = TileView(PLANES[0], 5, (59.0, 19.5), (2.0, 3.0), 100.0, 100)
    tile = draw_tile(ct, labels, view, WINDOWS["soft"], np.zeros((2, 3), np.uint8), 0)
    assert tuple(tile[50, 2]) == (20, 24, 28)
    assert tuple(tile[50, 53]) == (0, 0, 0)


def test_neighbours_are_outlined_thinner_in_their_own_colour(two_arms, arm, find):
    ct, labels, grid = scene()
    labels[28:40, 24:32, 20:26] = 2
    sheet = draw_contact_sheet(SheetScan("a", ct, labels, grid), [arm], two_arms)
    assert 50 < len(find(sheet, "green")) < len(find(sheet, "red"))


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        ((1, 1, 1), np.diag([1.0, 1.0, 1.0])),
        ((50, 40, 1), np.diag([1.0, 1.0, 5.0])),
        ((1, 40, 30), np.diag([5.0, -1.0, 1.0])),
        ((30, 30, 20), [[0.9, -0.4, 0], [0.4, 0.9, 0.3], [0, -0.3, 2]]),
        ((600, 3, 4), np.diag([0.3, 40.0, 9.0])),
    ],
    ids=["one voxel", "one slice", "one sagittal slice", "oblique", "long"],
)
@pytest.mark.parametrize("filled", [True, False], ids=["filled", "empty"])
def test_odd_volumes_are_drawn(two_arms, shape, matrix, filled):
    affine = np.eye(4)
    affine[:3, :3] = matrix
    labels = np.full(shape, 3 if filled else 0, np.uint16)
    ct = np.zeros(shape, np.int16)
    items = [
        SheetItem(two_arms["middle"], "words", "medium"),
        SheetItem(two_arms["tail"], "gone", "high", (1e6, 0.0, -1e6)),
        SheetItem(None, "there", "low", (0.0, 0.0, 0.0)),
    ]
    sheet = draw_contact_sheet(SheetScan("a", ct, labels, Grid(shape, affine)), items, two_arms)
    assert sheet.shape == (820, 1896, 3)
    assert sheet.dtype == np.uint8
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 10


def test_nothing_to_look_at_and_values_without_a_name(two_arms, arm):
    ct, labels, grid = scene()
    labels[0:5, 0:5, 0:5] = 250
    scan = SheetScan("a", ct, labels, grid)
    assert draw_contact_sheet(scan, [], two_arms).shape[1] == 952
    assert draw_contact_sheet(scan, [arm], two_arms).shape == (444, 952, 3)


def test_no_more_than_the_first_are_drawn(two_arms, arm):
    scan = SheetScan("a", *scene())
    full = draw_contact_sheet(scan, [arm] * MOST_ITEMS, two_arms)
    more = draw_contact_sheet(scan, [arm] * (MOST_ITEMS + 5), two_arms)
    assert more.shape == full.shape
    assert not np.array_equal(more[:40], full[:40])


def test_findings_become_items_the_severest_first(two_arms):
    place = (1.0, 2.0, 3.0)
    findings = [
        Finding("small", "is small", ("middle", "arm_left"), severity="low"),
        Finding("leak", "leaks", ("middle",), severity="high", place_mm=place),
        Finding("odd", "is odd", ("unheard_of",), severity="medium", place_mm=place),
        Finding("odd", "nowhere", (), severity="high"),
        Finding("odd", "is odd", ("arm_right",)),
    ]
    items = items_of_findings(findings, two_arms)
    said = [(item.structure and item.structure.name, item.words, item.severity) for item in items]
    assert said == [
        ("middle", "leaks; is small", "high"),
        ("arm_right", "is odd", "medium"),
        (None, "is odd", "medium"),
        ("arm_left", "is small", "low"),
    ]
    assert [item.place_mm for item in items] == [place, None, place, None]


def test_each_structure_has_its_window(phantom_class_map):
    windows = {
        name: window_for([phantom_class_map[name]]).name
        for name in ("rib_left_3", "lung_upper_lobe_left", "brain", "liver")
    }
    assert windows == {
        "rib_left_3": "bone", "lung_upper_lobe_left": "lung", "brain": "brain", "liver": "soft",
    }  # fmt: skip


@pytest.mark.real_data
def test_a_real_ct_is_cut_where_its_structures_are(real_data):
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    ct, labels = (
        read_nifti(folder / name)
        for name in ("example_ct.nii.gz", "example_seg_fast_force_split.nii.gz")
    )
    class_map = find_class_map("totalsegmentator_v2", shipped_configs())
    scan = SheetScan("real", ct.array.astype(np.int16), labels.array.astype(np.uint8), ct.grid)
    names = ("vertebrae_L1", "hip_left", "urinary_bladder", "heart")
    items = [SheetItem(class_map[name]) for name in names]
    views = views_of(scan, items[0])
    turned = scan.turned[1]
    for view in views:
        assert (turned.take(view.index, axis=view.plane.normal) == items[0].structure.value).any()
    sheet = draw_contact_sheet(scan, items, class_map)
    assert sheet.shape == (820, 1896, 3)
    # Water in the soft window fills the middle of the bladder.
    assert sheet[650:680, 90:180].mean() == pytest.approx(235 * 170 / 400, abs=25)
