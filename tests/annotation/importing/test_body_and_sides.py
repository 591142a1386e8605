from collections.abc import Callable

import numpy as np
import pytest

from annotation.importing.body import Body, find_body
from annotation.importing.names import Match
from annotation.importing.placing import Placed
from annotation.importing.reading import PackedMask, Reading
from annotation.importing.side_check import SideRules, wrong_sides
from pipeline.anatomy import ClassMap
from pipeline.phantom import Body as Phantom
from pipeline.phantom import BodySettings
from pipeline.volume import Box, Grid, label_boxes
from pipeline.volume.drawn_slices import DrawnSlices
from pipeline.workspace import Mask, Provenance


def placed(crop: np.ndarray, box: Box) -> Placed:
    return Placed(crop, box, "same grid", (), DrawnSlices(2, ()))


def drawings(body: Phantom, class_map: ClassMap, mirrored: bool = False) -> dict[str, Placed]:
    """Every structure of a phantom; mirrored: its voxels turned round along x."""
    labels = body.labels[::-1] if mirrored else body.labels
    boxes = label_boxes(np.asfortranarray(labels))
    return {
        class_map.by_value(value).name: placed(labels[box] == value, box)
        for value, box in boxes.items()
    }


def readings(drawn: dict[str, Placed], body: Body, grid: Grid, *names: str) -> dict[str, Reading]:
    found = {}
    for name in names or tuple(drawn):
        one = drawn[name]
        centre = np.argwhere(one.crop).mean(axis=0) + [side.start for side in one.box]
        found[name] = Reading(
            name,
            Match(name, "name"),
            mask=PackedMask.of(one.crop, one.box),
            right_mm=body.right_of_middle_mm(one, grid),
            centre_x_mm=float(grid.affine[0, :3] @ centre + grid.affine[0, 3]),
        )
    return found


@pytest.fixture(scope="module")
def found(small_body: Phantom) -> Body:
    return find_body(small_body.ct, small_body.grid)


@pytest.fixture(scope="module")
def rules(phantom_class_map: ClassMap) -> SideRules:
    return SideRules(phantom_class_map, 10.0)


def test_no_structure_of_a_body_lies_in_the_air_or_on_the_wrong_side(
    small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map)
    grid = small_body.grid
    assert max(found.air_share(one, grid) for one in drawn.values()) < 0.05
    for name in drawn:
        assert wrong_sides(readings(drawn, found, grid, name), {}, grid, rules) == {}
    assert wrong_sides(readings(drawn, found, grid), {}, grid, rules) == {}


def test_mirrored_voxels_show_in_every_pair(
    small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map, mirrored=True)
    wrong = wrong_sides(readings(drawn, found, small_body.grid), {}, small_body.grid, rules)
    assert {error.kind for error in wrong.values()} == {"sides_exchanged"}
    assert {"kidney_left", "kidney_right"} <= set(wrong)
    assert "in all 30 pairs" in wrong["kidney_left"].words
    assert "liver" in wrong  # what lies in the middle was mirrored with the rest


def test_one_exchanged_pair_among_others(
    small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map)
    drawn["kidney_left"], drawn["kidney_right"] = drawn["kidney_right"], drawn["kidney_left"]
    wrong = wrong_sides(readings(drawn, found, small_body.grid), {}, small_body.grid, rules)
    assert {name: error.kind for name, error in wrong.items()} == {
        "kidney_left": "wrong_side",
        "kidney_right": "wrong_side",
    }
    assert "x grows to the patient's right" in wrong["kidney_left"].words


@pytest.mark.parametrize(
    "name", ["kidney_left", "lung_upper_lobe_right", "femur_left", "liver", "spleen"]
)
def test_a_single_structure_on_the_wrong_side(
    name: str, small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map, mirrored=True)
    alone = readings(drawn, found, small_body.grid, name)
    wrong = wrong_sides(alone, {}, small_body.grid, rules)
    assert wrong[name].kind == "wrong_side"
    assert "of the body's middle" in wrong[name].words


def test_half_a_pair_is_compared_with_the_workspace(
    small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map)
    unsure = Body(found.grid, found.air, np.full_like(found.middle, np.nan))
    right = drawn["kidney_right"]
    made = Provenance("model", "model:x")
    mask = Mask("a" * 64, "c", "kidney_right", made, right.box, int(right.crop.sum()))
    grid, in_force = small_body.grid, {"kidney_right": mask}
    ok = readings(drawn, unsure, grid, "kidney_left")
    assert wrong_sides(ok, in_force, grid, rules) == {}
    mirrored = drawings(small_body, phantom_class_map, mirrored=True)
    far = {"kidney_left": mirrored["lung_lower_lobe_left"]}
    wrong = wrong_sides(readings(far, unsure, grid), in_force, grid, rules)
    assert "kidney_right in force at" in wrong["kidney_left"].words
    assert wrong_sides(readings(far, unsure, grid), {}, grid, rules) == {}


def test_a_heart_chamber_may_lie_beyond_the_middle(
    small_body: Phantom, found: Body, phantom_class_map: ClassMap, rules: SideRules
) -> None:
    drawn = drawings(small_body, phantom_class_map, mirrored=True)
    alone = readings(drawn, found, small_body.grid, "heart_ventricle_right")
    assert wrong_sides(alone, {}, small_body.grid, rules) == {}


def test_the_middle_is_unknown_where_the_body_is_cut_off(
    phantom: Callable[[BodySettings], Phantom],
) -> None:
    body = phantom(BodySettings(seed=1, sex="male", phase="native", spacing_mm=(6.0, 6.0, 6.0)))
    half = body.ct.shape[0] // 2
    found = find_body(body.ct[:half], Grid((half, *body.ct.shape[1:]), body.grid.affine))
    one = placed(np.ones((2, 2, 2), np.bool_), (slice(3, 5), slice(20, 22), slice(80, 82)))
    assert np.isnan(found.middle).mean() > 0.9
    assert found.right_of_middle_mm(one, body.grid) is None


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PSR"])
def test_air_around_a_body_in_any_orientation(orientation: str) -> None:
    ct = np.full((40, 40, 10), -1000, np.int16)
    ct[10:30, 10:30] = 40
    ct[15:20, 15:20] = -950  # a lung of its own: enclosed, so no air around
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    grid, values = Grid((40, 40, 10), affine), ct
    if orientation == "LPS":
        affine = np.diag([-3.0, -3.0, 3.0, 1.0])
        grid = Grid((40, 40, 10), affine)
    if orientation == "PSR":
        values = np.transpose(ct, (1, 2, 0))
        turned = np.zeros((4, 4))
        turned[1, 0], turned[2, 1], turned[0, 2], turned[3, 3] = -3, 3, 3, 1
        grid = Grid((40, 10, 40), turned)
    body = find_body(np.asfortranarray(values), grid)
    where = np.zeros((40, 40, 10), bool)
    where[0:20, 15:20] = True
    if orientation == "PSR":
        where = np.transpose(where, (1, 2, 0))
    share = body.air_share(placed(where, tuple(slice(0, n) for n in where.shape)), grid)  # type: ignore[arg-type]
    assert share == pytest.approx(0.5)


def test_a_packed_mask_gives_its_voxels_back() -> None:
    crop = np.random.default_rng(0).random((5, 7, 3)) > 0.6
    packed = PackedMask.of(crop, (slice(2, 7), slice(0, 7), slice(1, 4)))
    assert np.array_equal(packed.crop, crop)
    assert packed.voxels == crop.sum()
    assert PackedMask.empty().voxels == 0
    assert not PackedMask.empty().crop.any()
