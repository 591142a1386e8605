"""Vertebrae of phantoms and of a real abdomen, as they are and with numbers gone wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.anatomy import ClassMap, find_class_map, shipped_configs, vertebra_number
from pipeline.phantom import Body, BodySettings
from pipeline.volume import Grid, label_boxes, read_nifti
from pipeline.workspace import Finding
from qc.plausibility.thresholds import shipped_thresholds
from qc.plausibility.vertebra_numbers import read_vertebrae, vertebra_findings


@pytest.fixture(scope="module")
def spine(phantom: Callable[[BodySettings], Body]) -> Body:
    return phantom(
        BodySettings(
            seed=5, spacing_mm=(4.0, 4.0, 3.0), in_plane_mm=(160.0, 300.0), scoliosis_deg=20.0
        )
    )


def findings_of(labels: np.ndarray, grid: Grid, class_map: ClassMap) -> tuple[Finding, ...]:
    boxes = label_boxes(labels)
    crops = {
        s.name: (labels[boxes[s.value]] == s.value, boxes[s.value])
        for s in class_map
        if s.value in boxes
    }
    return vertebra_findings(read_vertebrae(crops, grid), shipped_thresholds())


def changed(labels: np.ndarray, class_map: ClassMap, **names: str | None) -> np.ndarray:
    """Give labels in which some vertebrae (T7="T8") are called others, or are missing."""
    out = labels.copy()
    for old, new in names.items():
        value = 0 if new is None else class_map[f"vertebrae_{new}"].value
        out[labels == class_map[f"vertebrae_{old}"].value] = value
    return out


def test_a_spine_as_it_should_be_gives_no_finding(spine: Body, phantom_class_map: ClassMap) -> None:
    assert findings_of(spine.labels, spine.grid, phantom_class_map) == ()


@pytest.mark.parametrize("angle", [-40.0, 40.0])
@pytest.mark.parametrize("field", ["thorax", "abdomen", "whole"])
def test_neither_a_scoliosis_nor_a_cropped_view_gives_one(
    phantom: Callable[[BodySettings], Body],
    phantom_class_map: ClassMap,
    angle: float,
    field: str,
) -> None:
    body = phantom(
        BodySettings(
            seed=6,
            size=0.85,
            spacing_mm=(4.0, 4.0, 4.0),
            scoliosis_deg=angle,
            field_of_view=field,
            in_plane_mm=(220.0, 300.0),
        )
    )
    assert findings_of(body.labels, body.grid, phantom_class_map) == ()


def test_swapped_numbers_are_out_of_order(spine: Body, phantom_class_map: ClassMap) -> None:
    labels = changed(spine.labels, phantom_class_map, T7="T8", T8="T7")
    found = findings_of(labels, spine.grid, phantom_class_map)
    (order,) = [finding for finding in found if finding.kind == "vertebra_order"]
    assert order.structures == ("vertebrae_T7", "vertebrae_T8")
    assert order.figures["rise_mm"] == pytest.approx(25, abs=4)
    assert "above vertebrae_T7" in order.words


def test_an_unlabelled_vertebra_leaves_a_gap_with_room(
    spine: Body, phantom_class_map: ClassMap
) -> None:
    labels = changed(spine.labels, phantom_class_map, T9=None)
    (gap,) = findings_of(labels, spine.grid, phantom_class_map)
    assert (gap.kind, gap.structures) == ("vertebra_gap", ("vertebrae_T8", "vertebrae_T10"))
    assert gap.figures["missing"] == 1
    assert "it is there unlabelled" in gap.words


def test_a_skipped_number_leaves_a_gap_without_room(
    spine: Body, phantom_class_map: ClassMap
) -> None:
    below = {f"L{n}": f"L{n + 1}" for n in range(1, 5)} | {"L5": None}
    labels = changed(spine.labels, phantom_class_map, **below)
    (gap,) = findings_of(labels, spine.grid, phantom_class_map)
    assert (gap.kind, gap.structures) == ("vertebra_gap", ("vertebrae_T12", "vertebrae_L2"))
    assert "there is no room for it" in gap.words


def test_a_vertebra_passed_over_leaves_room(spine: Body, phantom_class_map: ClassMap) -> None:
    above = {f"T{n}": f"T{n + 1}" for n in range(1, 8)} | {"T8": None, "C7": "T1", "C6": "C7"}
    rest = {f"C{n}": f"C{n + 1}" for n in range(1, 6)}
    labels = changed(spine.labels, phantom_class_map, **above, **rest)
    kinds = {f.kind: f.structures for f in findings_of(labels, spine.grid, phantom_class_map)}
    assert kinds == {"vertebra_unlabelled": ("vertebrae_T8", "vertebrae_T9")}


def test_one_number_on_two_vertebrae(spine: Body, phantom_class_map: ClassMap) -> None:
    labels = changed(spine.labels, phantom_class_map, L2="L4")
    twice = [
        f for f in findings_of(labels, spine.grid, phantom_class_map) if f.kind == "vertebra_twice"
    ]
    assert [f.structures for f in twice] == [("vertebrae_L4",)]
    assert twice[0].figures["apart_mm"] > 50


def test_two_numbers_on_one_vertebra(spine: Body, phantom_class_map: ClassMap) -> None:
    labels = changed(spine.labels, phantom_class_map, T6=None)
    rows = np.argwhere(labels == phantom_class_map["vertebrae_T5"].value)
    front = rows[rows[:, 1] > np.median(rows[:, 1])]
    labels[tuple(front.T)] = phantom_class_map["vertebrae_T6"].value
    found = findings_of(labels, spine.grid, phantom_class_map)
    assert ("vertebra_twice", ("vertebrae_T5", "vertebrae_T6")) in [
        (f.kind, f.structures) for f in found
    ]


def test_what_is_no_vertebra_and_what_is_empty_is_passed_over() -> None:
    grid = Grid((4, 4, 4), np.eye(4))
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    crops = {
        "liver": (np.ones((1, 1, 1), bool), box),
        "vertebrae_T1": (np.zeros((1, 1, 1), bool), box),
    }
    assert read_vertebrae(crops, grid) == ()
    assert vertebra_findings((), shipped_thresholds()) == ()


def test_the_orientation_of_the_array_changes_nothing(
    spine: Body, phantom_class_map: ClassMap
) -> None:
    labels = changed(spine.labels, phantom_class_map, T9=None, L2="L4")
    affine = np.array(spine.grid.affine)
    affine[:3, 3] += affine[:3, 2] * (labels.shape[2] - 1)
    affine[:3, 2] *= -1
    turned = np.asfortranarray(labels[:, :, ::-1].transpose(2, 0, 1))
    grid = Grid(turned.shape, affine[:, [2, 0, 1, 3]])
    assert [f.to_dict() for f in findings_of(turned, grid, phantom_class_map)] == [
        f.to_dict() for f in findings_of(labels, spine.grid, phantom_class_map)
    ]


@pytest.mark.real_data
def test_a_real_spine_gives_none_and_its_renumbered_one_does(real_data: Path) -> None:
    class_map = find_class_map("totalsegmentator_v2", shipped_configs())
    volume = read_nifti(real_data / "ct_abdomen_pelvis_native_ts" / "spine_vertebrae.nii.gz")
    labels = volume.array
    assert findings_of(labels, volume.grid, class_map) == ()
    found = findings_of(changed(labels, class_map, L2="L3", L3="L2"), volume.grid, class_map)
    assert "vertebra_order" in [f.kind for f in found]
    assert sum(vertebra_number(s.name) is not None for s in class_map) >= 24
