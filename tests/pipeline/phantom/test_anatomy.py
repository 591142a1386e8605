"""What a radiologist would check: sides, order, contacts, wholeness, filling."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.anatomy import ClassMap
from pipeline.phantom import Body
from pipeline.volume import label_boxes

VERTEBRAE = [
    *(f"vertebrae_L{n}" for n in range(5, 0, -1)),
    *(f"vertebrae_T{n}" for n in range(12, 0, -1)),
    *(f"vertebrae_C{n}" for n in range(7, 0, -1)),
]
CONTACTS = [
    ("aorta", "heart_ventricle_left"),
    ("aorta", "iliac_artery_left"),
    ("aorta", "iliac_artery_right"),
    ("inferior_vena_cava", "heart_atrium_right"),
    ("inferior_vena_cava", "iliac_vena_left"),
    ("inferior_vena_cava", "iliac_vena_right"),
    ("pulmonary_artery", "heart_ventricle_right"),
    ("heart_ventricle_left", "heart_myocardium"),
    ("heart_atrium_left", "heart_ventricle_left"),
    ("heart_atrium_right", "heart_ventricle_right"),
    ("heart_ventricle_right", "heart_myocardium"),
    ("portal_vein_and_splenic_vein", "liver"),
    ("portal_vein_and_splenic_vein", "spleen"),
    ("esophagus", "stomach"),
    ("stomach", "duodenum"),
    ("duodenum", "small_bowel"),
    ("duodenum", "pancreas"),
    ("small_bowel", "colon"),
    ("gallbladder", "liver"),
    ("trachea", "lung_lower_lobe_left"),
    ("trachea", "lung_lower_lobe_right"),
    ("lung_middle_lobe_right", "lung_upper_lobe_right"),
    ("lung_middle_lobe_right", "lung_lower_lobe_right"),
    ("lung_upper_lobe_left", "lung_lower_lobe_left"),
    ("sacrum", "vertebrae_L5"),
    ("sacrum", "hip_left"),
    ("sacrum", "hip_right"),
    ("femur_left", "hip_left"),
    ("femur_right", "hip_right"),
    ("gluteus_medius_left", "hip_left"),
    ("gluteus_minimus_right", "gluteus_medius_right"),
]
JOINTS = [
    ("humerus_left", "scapula_left"),
    ("humerus_right", "scapula_right"),
    ("clavicula_left", "scapula_left"),
    ("clavicula_right", "scapula_right"),
    ("adrenal_gland_left", "kidney_left"),
    ("adrenal_gland_right", "kidney_right"),
    *pairwise(VERTEBRAE),
]


class Atlas:
    """Places and distances of the structures of one body."""

    def __init__(self, body: Body, class_map: ClassMap) -> None:
        self.body = body
        self.values = {s.name: s.value for s in class_map}
        self.boxes = label_boxes(body.labels)
        centres = ndimage.center_of_mass(
            np.ones(body.labels.shape, np.uint8), body.labels, list(self.values.values())
        )
        affine = body.grid.affine
        self.centre = {
            name: affine[:3, :3] @ np.array(c) + affine[:3, 3]
            for name, c in zip(self.values, centres, strict=True)
        }

    def around(self, name: str, margin: int) -> NDArray[np.unsignedinteger]:
        box = self.boxes[self.values[name]]
        return self.body.labels[
            tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in box)
        ]

    def gap_mm(self, name: str, other: str) -> float:
        """Smallest distance between voxel centres of two structures (inf beyond 45 mm)."""
        near = self.around(name, 15)
        if not (near == self.values[other]).any():
            return float("inf")
        far = ndimage.distance_transform_edt(
            near != self.values[other], sampling=self.body.grid.spacing_mm
        )
        return float(far[near == self.values[name]].min())


@pytest.fixture(scope="module")
def atlas(whole_body: Body, phantom_class_map: ClassMap) -> Atlas:
    return Atlas(whole_body, phantom_class_map)


def test_right_lies_to_the_right_of_left(atlas: Atlas, phantom_class_map: ClassMap) -> None:
    pairs = [(s.name, s.mirror) for s in phantom_class_map if s.side == "right" and s.mirror]
    assert len(pairs) >= 24
    wrong = [r for r, left in pairs if atlas.centre[r][0] <= atlas.centre[left][0]]
    assert wrong == []


@pytest.mark.parametrize("name", ["liver", "gallbladder", "inferior_vena_cava", "duodenum"])
def test_what_belongs_to_the_right_is_there(atlas: Atlas, name: str) -> None:
    assert atlas.centre[name][0] > 5


@pytest.mark.parametrize("name", ["spleen", "stomach", "heart_myocardium", "aorta", "pancreas"])
def test_what_belongs_to_the_left_is_there(atlas: Atlas, name: str) -> None:
    bound = 5 if name == "pancreas" else -5
    assert atlas.centre[name][0] < bound


def test_left_is_unlike_right(atlas: Atlas) -> None:
    assert atlas.centre["kidney_left"][2] > atlas.centre["kidney_right"][2]
    sizes = np.bincount(atlas.body.labels.ravel(order="K"), minlength=105)
    right = sum(sizes[v] for n, v in atlas.values.items() if "lobe_right" in n)
    left = sum(sizes[v] for n, v in atlas.values.items() if "lobe_left" in n)
    assert right > left


def test_vertebrae_stand_in_order(atlas: Atlas) -> None:
    heights = [atlas.centre[name][2] for name in ["sacrum", *VERTEBRAE, "brain"]]
    assert all(np.diff(heights) > 8)


def test_spine_is_curved(atlas: Atlas) -> None:
    y = {name: atlas.centre[name][1] for name in VERTEBRAE}
    assert y["vertebrae_L3"] > y["vertebrae_T8"] + 25
    assert y["vertebrae_C4"] > y["vertebrae_T8"] + 15


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("number", range(1, 13))
def test_a_rib_starts_at_its_own_vertebra(atlas: Atlas, side: str, number: int) -> None:
    assert atlas.gap_mm(f"rib_{side}_{number}", f"vertebrae_T{number}") <= 3.1


def test_floating_ribs_end_early(atlas: Atlas) -> None:
    front = {
        n: atlas.body.grid.affine[1, 3] + 3.0 * atlas.boxes[atlas.values[f"rib_right_{n}"]][1].stop
        for n in (6, 10, 11, 12)
    }
    assert front[6] > front[10] > front[11] > front[12]


@pytest.mark.parametrize(("name", "other"), CONTACTS)
def test_neighbours_touch(atlas: Atlas, name: str, other: str) -> None:
    assert atlas.gap_mm(name, other) <= 3.1


@pytest.mark.parametrize(("name", "other"), JOINTS)
def test_neighbours_with_a_gap_are_near(atlas: Atlas, name: str, other: str) -> None:
    assert atlas.gap_mm(name, other) <= 7.5


def test_every_structure_is_in_one_piece(atlas: Atlas, phantom_class_map: ClassMap) -> None:
    pieces = {}
    for structure in phantom_class_map:
        mask = atlas.around(structure.name, 0) == structure.value
        count = ndimage.label(mask, np.ones((3, 3, 3)))[1]
        if count != 1:
            pieces[structure.name] = count
    assert pieces == {}


def test_myocardium_wraps_the_left_ventricle(atlas: Atlas) -> None:
    near = atlas.around("heart_ventricle_left", 2)
    ventricle = near == atlas.values["heart_ventricle_left"]
    ring = ndimage.binary_dilation(ventricle) & ~ventricle
    share = (near[ring] == atlas.values["heart_myocardium"]).mean()
    assert share > 0.7


def test_lobes_fill_the_lungs(atlas: Atlas) -> None:
    chest = atlas.around("lung_lower_lobe_right", 0)
    box = atlas.boxes[atlas.values["lung_lower_lobe_right"]]
    air = ndimage.binary_erosion(atlas.body.ct[box] < -600)
    names = [v for n, v in atlas.values.items() if "lung" in n or n == "trachea"]
    inside = air & ndimage.binary_fill_holes(np.isin(chest, names))
    assert inside.sum() > 10_000
    assert np.isin(chest[inside], names).all()


def test_only_the_face_reaches_the_outside(atlas: Atlas) -> None:
    air = atlas.body.ct < -600
    near = np.zeros(air.shape, bool)
    for k in range(air.shape[2]):
        pieces, _ = ndimage.label(air[:, :, k])
        border = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        outside = np.isin(pieces, np.setdiff1d(border, [0]))
        near[:, :, k] = ndimage.binary_dilation(outside)
    touching = set(np.unique(atlas.body.labels[near]).tolist()) - {0}
    assert touching <= {atlas.values["face"]}


def test_volumes_are_those_of_an_adult(atlas: Atlas) -> None:
    sizes = np.bincount(atlas.body.labels.ravel(order="K"), minlength=105) * 0.027
    adult_ml = {
        "liver": (1000, 2300),
        "spleen": (90, 400),
        "kidney_left": (90, 250),
        "brain": (900, 1600),
        "urinary_bladder": (60, 500),
        "adrenal_gland_left": (2, 10),
        "vertebrae_L3": (30, 90),
        "rib_right_6": (12, 45),
        "heart_ventricle_left": (45, 200),
    }
    wrong = {
        name: round(float(sizes[atlas.values[name]]), 1)
        for name, (low, high) in adult_ml.items()
        if not low <= sizes[atlas.values[name]] <= high
    }
    assert wrong == {}
