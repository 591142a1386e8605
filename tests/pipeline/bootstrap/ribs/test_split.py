"""Ribs told apart and numbered, on bodies whose ribs are known one by one."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.ribs import NAMES, split_ribs, vertebra_number
from pipeline.phantom import Body, BodySettings
from pipeline.volume import Box, Grid, bounding_box

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


@pytest.mark.parametrize(
    ("name", "number"),
    [("vertebrae_C7", 0), ("vertebrae_T1", 1), ("vertebrae_L1", 13), ("sacrum", None)],
)
def test_vertebra_numbers(name: str, number: int | None) -> None:
    assert vertebra_number(name) == number
