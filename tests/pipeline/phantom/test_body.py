from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError
from pipeline.phantom import Body, BodySettings, in_field, make_body
from pipeline.volume import to_canonical

COARSE = BodySettings(spacing_mm=(6.0, 6.0, 6.0))


def test_a_whole_body_holds_every_structure(whole_body: Body, phantom_class_map: ClassMap) -> None:
    found = set(np.unique(whole_body.labels).tolist()) - {0}
    assert found == set(phantom_class_map.values)


def test_arrays_are_fortran_ordered_hu_and_class_values(
    whole_body: Body, phantom_class_map: ClassMap
) -> None:
    assert whole_body.ct.dtype == np.int16
    assert whole_body.ct.flags.f_contiguous
    assert whole_body.labels.dtype == phantom_class_map.dtype
    assert whole_body.labels.flags.f_contiguous
    assert whole_body.ct.shape == whole_body.labels.shape == whole_body.grid.shape
    assert whole_body.grid.orientation == "RAS"
    assert whole_body.grid.spacing_mm == (3.0, 3.0, 3.0)


def test_same_settings_give_the_same_bytes(phantom_class_map: ClassMap) -> None:
    first, second = (make_body(COARSE, phantom_class_map) for _ in range(2))
    assert first.ct.tobytes("F") == second.ct.tobytes("F")
    assert first.labels.tobytes("F") == second.labels.tobytes("F")


def test_another_seed_is_another_person(phantom: Callable[[BodySettings], Body]) -> None:
    one, other = phantom(COARSE), phantom(replace(COARSE, seed=9))
    both = (one.labels > 0) | (other.labels > 0)
    share = (one.labels != other.labels)[both].mean()
    assert 0.1 < share < 0.7


@pytest.mark.parametrize("field", ["thorax", "abdomen", "pelvis", "head_neck", (100.0, 160.0)])
def test_a_field_of_view_shows_the_same_body(
    phantom: Callable[[BodySettings], Body], field: str | tuple[float, float]
) -> None:
    whole = phantom(COARSE)
    part = phantom(replace(COARSE, field_of_view=field))
    offset = np.linalg.inv(whole.grid.affine) @ part.grid.affine[:, 3]
    k = round(float(offset[2]))
    assert np.array_equal(part.labels, whole.labels[:, :, k : k + part.labels.shape[2]])


def test_an_in_plane_crop_shows_the_same_body(phantom: Callable[[BodySettings], Body]) -> None:
    whole = phantom(COARSE)
    part = phantom(replace(COARSE, in_plane_mm=(240.0, 180.0)))
    i, j, k = np.rint(np.linalg.inv(whole.grid.affine) @ part.grid.affine[:, 3])[:3].astype(int)
    a, b, c = part.labels.shape
    assert (a, b) < whole.labels.shape[:2]
    assert np.array_equal(part.labels, whole.labels[i : i + a, j : j + b, k : k + c])


@pytest.mark.parametrize("codes", ["LPS", "SAR", "PIL"])
def test_another_orientation_stores_the_same_world(
    phantom: Callable[[BodySettings], Body], codes: str
) -> None:
    plain, turned = phantom(COARSE), phantom(replace(COARSE, orientation=codes))
    assert turned.grid.orientation == codes
    assert turned.labels.flags.f_contiguous
    labels, grid = to_canonical(turned.labels, turned.grid)
    assert grid.same_as(plain.grid)
    assert np.array_equal(labels, plain.labels)
    assert np.array_equal(to_canonical(turned.ct, turned.grid)[0], plain.ct)


def test_thick_slices_keep_the_spacing_asked_for(phantom: Callable[[BodySettings], Body]) -> None:
    settings = BodySettings(
        spacing_mm=(2.0, 2.0, 5.0), field_of_view=(200.0, 260.0), in_plane_mm=(200.0, 200.0)
    )
    body = phantom(settings)
    assert body.grid.spacing_mm == (2.0, 2.0, 5.0)
    assert body.grid.shape == (101, 101, 13)


def test_in_field_tells_whole_cut_outside_and_removed(
    phantom: Callable[[BodySettings], Body], phantom_class_map: ClassMap
) -> None:
    settings = replace(COARSE, field_of_view="abdomen", removed=("gallbladder",))
    answer = in_field(phantom(settings), phantom_class_map)
    assert answer["liver"] == "whole"
    assert answer["iliopsoas_right"] == "cut"
    assert answer["brain"] == "absent_fov"
    assert answer["gallbladder"] == "absent_anatomy"


def test_a_smaller_class_map_labels_only_its_own(phantom_class_map: ClassMap) -> None:
    few = phantom_class_map.subset(["liver", "spleen"])
    labels = make_body(replace(COARSE, field_of_view="abdomen"), few).labels
    assert set(np.unique(labels).tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sex": "other"}, "sex"),
        ({"phase": "dynamic"}, "phase"),
        ({"kernel": "sharp"}, "kernel"),
        ({"size": 3.0}, "size"),
        ({"scoliosis_deg": 80.0}, "scoliosis_deg"),
        ({"spacing_mm": (0.0, 1.0, 1.0)}, "spacing_mm"),
        ({"orientation": "RAL"}, "orientation"),
        ({"field_of_view": "leg"}, "field_of_view"),
        ({"field_of_view": (10.0, 10.0)}, "thinner than one slice"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        BodySettings(**change)  # type: ignore[arg-type]
