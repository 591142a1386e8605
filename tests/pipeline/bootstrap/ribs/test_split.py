"""Ribs told apart and numbered, on bodies whose ribs are known one by one."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.ribs import NAMES, split_ribs
from pipeline.phantom import Body, BodySettings
from pipeline.volume import Box, Grid, bounding_box, to_canonical

CHEST = BodySettings(
    seed=3, spacing_mm=(3.0, 3.0, 3.0), field_of_view=(215.0, 620.0), in_plane_mm=(420.0, 320.0)
)
SCOLIOSIS = BodySettings(
    seed=24, scoliosis_deg=35.0, sex="male", spacing_mm=(3.0, 3.0, 3.0), orientation="LPS",
    field_of_view=(215.0, 620.0), in_plane_mm=(420.0, 320.0),
)  # fmt: skip
ABDOMEN = BodySettings(
    seed=5, spacing_mm=(3.0, 3.0, 3.0), field_of_view="abdomen", in_plane_mm=(420.0, 320.0)
)

THICK = BodySettings(
    seed=3, spacing_mm=(2.0, 2.0, 5.0), field_of_view=(215.0, 620.0), in_plane_mm=(420.0, 320.0)
)

Labels = NDArray[np.unsignedinteger]
Crops = dict[str, tuple[NDArray[np.bool_], Box]]


def vertebrae(labels: Labels, class_map: ClassMap) -> Crops:
    found: Crops = {}
    for structure in class_map:
        if structure.name.startswith("vertebrae_"):
            mask = labels == structure.value
            box = bounding_box(mask)
            if box is not None:
                found[structure.name] = (mask[box], box)
    return found


def rib_values(class_map: ClassMap) -> dict[str, int]:
    return {s.name: s.value for s in class_map if s.name.startswith("rib_")}


def all_ribs(labels: Labels, class_map: ClassMap) -> NDArray[np.bool_]:
    return np.isin(labels, list(rib_values(class_map).values()))


def boxed_grid(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float] = (1.5, 1.5, 1.5)
) -> Grid:
    return Grid(shape, np.diag([*spacing_mm, 1.0]))


def wrong_ribs(
    labels: Labels, grid: Grid, class_map: ClassMap, *, with_spine: bool, extra: object = False
) -> dict[str, str]:
    """Split the ribs of a label map; give the ribs of which most got another name."""
    values = rib_values(class_map)
    mask = np.isin(labels, list(values.values())) | np.asarray(extra)
    spine = vertebrae(labels, class_map) if with_spine else {}
    split = split_ribs(mask, grid, spine)
    wrong = {}
    for name, value in values.items():
        got = split.label_map[labels == value]
        if len(got) * grid.voxel_ml < 0.15:
            continue
        most = NAMES.get(int(np.bincount(got, minlength=25).argmax()), "none")
        if most != name:
            wrong[name] = most
    return wrong


@pytest.mark.parametrize("settings", [CHEST, SCOLIOSIS, ABDOMEN], ids=["chest", "bent", "abdomen"])
@pytest.mark.parametrize("with_spine", [True, False])
def test_every_rib_gets_its_number(
    phantom: Callable[[BodySettings], Body],
    phantom_class_map: ClassMap,
    settings: BodySettings,
    with_spine: bool,
) -> None:
    body = phantom(settings)
    assert wrong_ribs(body.labels, body.grid, phantom_class_map, with_spine=with_spine) == {}


def test_the_whole_mask_is_given_out_and_nothing_else(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body = phantom(SCOLIOSIS)
    mask = np.isin(body.labels, list(rib_values(phantom_class_map).values()))
    split = split_ribs(mask, body.grid, vertebrae(body.labels, phantom_class_map))
    assert split.label_map.dtype == np.uint8
    assert not split.label_map[~mask].any()
    assert (split.label_map[mask] > 0).mean() > 0.999
    assert split.numbered_by == "vertebrae"


def test_the_first_ribs_may_be_missing(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body, values = phantom(CHEST), rib_values(phantom_class_map)
    first = [values["rib_left_1"], values["rib_right_1"]]
    labels = np.where(np.isin(body.labels, first), 0, body.labels)
    for with_spine in (True, False):
        assert wrong_ribs(labels, body.grid, phantom_class_map, with_spine=with_spine) == {}


def test_a_broken_rib_stays_one_rib(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body, values = phantom(CHEST), rib_values(phantom_class_map)
    labels = body.labels.copy()
    for name in ("rib_left_5", "rib_left_6", "rib_right_9"):
        rows = np.argwhere(labels == values[name])
        middle = rows[np.argmax(np.abs(rows[:, 0] - labels.shape[0] / 2))]
        near = rows[np.linalg.norm((rows - middle) * 3.0, axis=1) < 8]
        labels[tuple(near.T)] = 0
    assert wrong_ribs(labels, body.grid, phantom_class_map, with_spine=True) == {}
    assert wrong_ribs(labels, body.grid, phantom_class_map, with_spine=False) == {}


def test_touching_ribs_are_separated_and_reported(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body, values = phantom(CHEST), rib_values(phantom_class_map)
    labels = body.labels
    side = np.argwhere(labels == values["rib_left_6"])
    start = side[np.argmin(side[:, 0])]
    extra = np.zeros(labels.shape, bool)
    below = np.argwhere(labels == values["rib_left_7"])
    goal = below[np.argmin(np.linalg.norm(below - start, axis=1))]
    for share in np.linspace(0, 1, 40):
        i, j, k = np.round(start + share * (goal - start)).astype(int)
        extra[i : i + 2, j : j + 2, k] = True
    assert wrong_ribs(labels, body.grid, phantom_class_map, with_spine=True, extra=extra) == {}
    mask = np.isin(labels, list(values.values())) | extra
    split = split_ribs(mask, body.grid, vertebrae(labels, phantom_class_map))
    touching = [f.structures for f in split.findings if f.kind == "rib_touching_separated"]
    assert ("rib_left_6", "rib_left_7") in touching


def fused_cervical_rib(labels: Labels, class_map: ClassMap, side: str) -> NDArray[np.bool_]:
    """Copy 40 mm of the back of a first rib up to C7, and fill what lies between."""
    rib, t1, c7 = (
        np.argwhere(labels == class_map[name].value)
        for name in (f"rib_{side}_1", "vertebrae_T1", "vertebrae_C7")
    )
    head = rib[np.linalg.norm(rib - t1.mean(axis=0), axis=1).argmin()]
    back = rib[np.linalg.norm(rib - head, axis=1) * 3.0 < 40]
    extra = np.zeros(labels.shape, bool)
    for share in np.linspace(0, 1, 8):
        shift = np.round(share * (c7.mean(axis=0) - t1.mean(axis=0))).astype(int)
        extra[tuple((back + shift).T)] = True
    return extra & (labels == 0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_cervical_rib_is_found_though_it_is_one_bone_with_the_first(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap, side: str
) -> None:
    body = phantom(CHEST)
    spine = vertebrae(body.labels, phantom_class_map)
    mask = all_ribs(body.labels, phantom_class_map)
    extra = fused_cervical_rib(body.labels, phantom_class_map, side)
    split = split_ribs(mask | extra, body.grid, spine)
    found = [f for f in split.findings if f.kind == "rib_extra"]
    assert [f.structures for f in found] == [(f"rib_{side}_1",)]
    assert "a cervical rib is part of" in found[0].words
    c7 = np.argwhere(body.labels == phantom_class_map["vertebrae_C7"].value)
    beside = extra & (np.arange(extra.shape[2]) >= c7[:, 2].mean())
    assert beside.sum() > 20
    assert {NAMES.get(int(n)) for n in np.unique(split.label_map[beside])} == {f"rib_{side}_1"}
    plain = split_ribs(mask, body.grid, spine)
    assert not [f for f in plain.findings if f.kind == "rib_extra"]


def test_a_crumb_above_the_ribs_is_no_rib(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body = phantom(CHEST)
    turned, grid = to_canonical(body.labels, body.grid)
    first = np.argwhere(turned == phantom_class_map["rib_left_1"].value)
    i, j, k = first[first[:, 0].argmin()]
    extra = np.zeros(turned.shape, bool)
    extra[i - 2 : i + 1, j : j + 2, k + 9 : k + 10] = True
    assert extra.sum() == 6
    for with_spine in (True, False):
        wrong = wrong_ribs(turned, grid, phantom_class_map, with_spine=with_spine, extra=extra)
        assert wrong == {}


def test_without_vertebrae_the_doubt_is_said(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body = phantom(ABDOMEN)
    mask = np.isin(body.labels, list(rib_values(phantom_class_map).values()))
    split = split_ribs(mask, body.grid)
    assert split.numbered_by == "last_rib"
    (finding,) = [f for f in split.findings if f.kind == "rib_number_ambiguous"]
    assert "11 or 13 pairs" in finding.words


def test_no_bone_gives_no_rib(phantom: Callable[[BodySettings], Body]) -> None:
    grid = phantom(ABDOMEN).grid
    split = split_ribs(np.zeros(grid.shape, bool), grid)
    assert not split.label_map.any()
    assert split.findings == ()


def test_a_speck_is_left_out_with_a_finding(phantom: Callable[[BodySettings], Body]) -> None:
    grid = phantom(ABDOMEN).grid
    mask = np.zeros(grid.shape, bool)
    mask[10, 10, 10] = True
    split = split_ribs(mask, grid)
    assert not split.label_map.any()
    assert [f.kind for f in split.findings] == ["rib_fragment_left_out"]
    assert split.findings[0].figures["voxels"] == 1


@pytest.mark.parametrize("with_spine", [True, False])
def test_the_order_of_the_vertebrae_decides_nothing(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap, with_spine: bool
) -> None:
    body = phantom(SCOLIOSIS)
    mask, spine = (
        all_ribs(body.labels, phantom_class_map),
        vertebrae(body.labels, phantom_class_map),
    )
    names = sorted(spine) if with_spine else []
    first = split_ribs(mask, body.grid, {name: spine[name] for name in names})
    names = list(np.random.default_rng(5).permutation(names))
    again = split_ribs(mask, body.grid, {name: spine[name] for name in names})
    assert np.array_equal(first.label_map, again.label_map)
    assert first.findings == again.findings


@pytest.mark.parametrize("with_spine", [True, False])
def test_the_orientation_of_the_array_decides_nothing(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap, with_spine: bool
) -> None:
    body = phantom(CHEST)
    labels, grid = to_canonical(body.labels, body.grid)
    turned = labels[::-1, ::-1].transpose(2, 0, 1)  # to SLP
    affine = np.array(grid.affine)
    affine[:3, 3] += affine[:3, :2] @ (np.array(labels.shape[:2]) - 1)
    affine[:3, :3] = np.stack([affine[:3, 2], -affine[:3, 0], -affine[:3, 1]], axis=1)
    k, i, j = turned.shape
    other = Grid((k, i, j), affine)
    splits = []
    for array, on in ((labels, grid), (turned, other)):
        mask = all_ribs(array, phantom_class_map)
        spine = vertebrae(array, phantom_class_map) if with_spine else {}
        splits.append(split_ribs(mask, on, spine))
    straight, crooked = splits
    assert np.array_equal(straight.label_map, crooked.label_map.transpose(1, 2, 0)[::-1, ::-1])
    assert straight.findings == crooked.findings
    assert len(np.unique(straight.label_map)) == 25


def test_the_ribs_of_one_side_alone(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    body = phantom(CHEST)
    right = [value for name, value in rib_values(phantom_class_map).items() if "right" in name]
    labels = np.where(np.isin(body.labels, right), 0, body.labels)
    assert wrong_ribs(labels, body.grid, phantom_class_map, with_spine=True) == {}
    split = split_ribs(all_ribs(labels, phantom_class_map), body.grid)
    assert set(np.unique(split.label_map)) <= set(range(25))


@pytest.mark.parametrize("shape", [(30, 30, 1), (30, 1, 30), (1, 30, 30), (1, 1, 1)])
def test_one_slice_is_no_chest_but_no_crash_either(shape: tuple[int, int, int]) -> None:
    mask = np.ones(shape, bool)
    split = split_ribs(mask, boxed_grid(shape))
    assert split.label_map.shape == shape
    assert split.numbered_by == "order"
    assert {f.kind for f in split.findings} & {"rib_number_ambiguous", "rib_fragment_left_out"}


@pytest.mark.parametrize("threshold", [0.0, 1.3, 2.5])
def test_garbage_gives_some_split_of_the_garbage_only(threshold: float) -> None:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(2).normal(size=(60, 60, 30)), 3)
    mask = noise > threshold * noise.std()
    split = split_ribs(mask, boxed_grid((60, 60, 30), (1.0, 1.0, 5.0)))
    assert not split.label_map[~mask].any()
    left_out = [f.figures["voxels"] for f in split.findings if f.kind == "rib_fragment_left_out"]
    assert int(((split.label_map == 0) & mask).sum()) == sum(int(str(n)) for n in left_out)
    again = split_ribs(mask, boxed_grid((60, 60, 30), (1.0, 1.0, 5.0)))
    assert np.array_equal(split.label_map, again.label_map)


def test_thick_slices(phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap) -> None:
    body = phantom(THICK)
    assert body.grid.spacing_mm[2] == pytest.approx(5)
    wrong = wrong_ribs(body.labels, body.grid, phantom_class_map, with_spine=True)
    assert len(wrong) <= 1
