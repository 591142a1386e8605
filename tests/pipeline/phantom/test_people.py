"""Size, girth, sex, scoliosis: each setting changes what it names."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.phantom import Body, BodySettings

MEAN = BodySettings(spacing_mm=(6.0, 6.0, 6.0), variation=0.0, noise_hu=0.0)
MakeBody = Callable[[BodySettings], Body]


def _centres(body: Body, class_map: ClassMap, names: list[str]) -> np.ndarray:
    places = [np.argwhere(body.labels == class_map[name].value).mean(axis=0) for name in names]
    return np.array(places) @ body.grid.affine[:3, :3].T + body.grid.affine[:3, 3]


def _cobb_deg(body: Body, class_map: ClassMap) -> float:
    """Largest difference of slope along the spine, the way of a Cobb angle."""
    names = [f"vertebrae_L{n}" for n in range(5, 0, -1)]
    names += [f"vertebrae_T{n}" for n in range(12, 0, -1)]
    x, _, z = _centres(body, class_map, names).T
    slope = np.polyval(np.polyder(np.polyfit(z, x, 6)), z)
    return float(np.rad2deg(np.ptp(np.arctan(slope))))


@pytest.mark.parametrize("angle", [0.0, 25.0, -25.0])
def test_scoliosis_has_the_angle_asked_for(
    phantom: MakeBody, phantom_class_map: ClassMap, angle: float
) -> None:
    body = phantom(replace(MEAN, scoliosis_deg=angle, field_of_view=(60.0, 600.0)))
    assert _cobb_deg(body, phantom_class_map) == pytest.approx(abs(angle), abs=4)
    middle = _centres(body, phantom_class_map, ["vertebrae_T9"])[0, 0]
    assert np.sign(round(middle / 6)) == np.sign(angle)


def test_size_scales_the_whole_body(phantom: MakeBody, phantom_class_map: ClassMap) -> None:
    names = ["vertebrae_L5", "brain"]
    small, tall = (
        np.diff(_centres(phantom(replace(MEAN, size=s)), phantom_class_map, names)[:, 2])[0]
        for s in (0.8, 1.1)
    )
    assert tall / small == pytest.approx(1.1 / 0.8, rel=0.02)


def test_girth_widens_the_belly(phantom: MakeBody) -> None:
    belly = replace(MEAN, field_of_view=(200.0, 240.0))
    slim, stout = ((phantom(replace(belly, girth=g)).ct[20:-20] > -300).sum() for g in (1.0, 1.5))
    assert stout > 1.25 * slim


def test_women_have_wider_hips_for_their_shoulders(
    phantom: MakeBody, phantom_class_map: ClassMap
) -> None:
    ratio = {}
    for sex in ("female", "male"):
        body = phantom(replace(MEAN, sex=sex))
        names = ["femur_right", "femur_left", "humerus_right", "humerus_left"]
        x = _centres(body, phantom_class_map, names)[:, 0]
        ratio[sex] = (x[0] - x[1]) / (x[2] - x[3])
    assert ratio["female"] > 1.04 * ratio["male"]


def test_a_removed_organ_leaves_no_label(phantom: MakeBody, phantom_class_map: ClassMap) -> None:
    belly = replace(MEAN, field_of_view="abdomen")
    body = phantom(replace(belly, removed=("spleen", "kidney_left")))
    found = set(np.unique(body.labels).tolist())
    assert phantom_class_map["spleen"].value not in found
    assert phantom_class_map["kidney_left"].value not in found
    assert phantom_class_map["kidney_right"].value in found
