"""Colours of the shipped maps: neighbours and sides must be told apart, by everybody.

Differences are CIEDE2000 (ISO/CIE 11664-6); 10 is seen at a glance. Red-green blindness is
simulated with the matrices of Machado, Oliveira and Fernandes, 2009, at severity 1.
"""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.anatomy.class_map_file import default_colour

SEEN_BY = {
    "everybody": (np.eye(3), 18.0),
    "deuteranopia": (
        np.array(
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ]
        ),
        11.0,
    ),
    "protanopia": (
        np.array(
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ]
        ),
        11.0,
    ),
}


def lab_seen(colours, matrix):
    """Lab coordinates of 8-bit colours, shape (n, 3), as seen through a matrix on linear RGB."""
    rgb = np.asarray(colours, dtype=float) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ matrix.T
    linear = np.clip(linear, 0, 1)
    seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(seen)


def differences(class_map, pairs, matrix):
    first = lab_seen([class_map[a].colour for a, _ in pairs], matrix)
    second = lab_seen([class_map[b].colour for _, b in pairs], matrix)
    return deltaE_ciede2000(first, second)


@pytest.fixture(params=["class_map", "totalsegmentator_v2"])
def class_map(request):
    return find_class_map(request.param, shipped_configs())


def test_the_measure_itself_sees_what_colour_blind_eyes_do_not():
    red, green = [(200, 60, 60)], [(122, 116, 50)]
    plain = deltaE_ciede2000(lab_seen(red, np.eye(3)), lab_seen(green, np.eye(3)))[0]
    matrix = SEEN_BY["deuteranopia"][0]
    blind = deltaE_ciede2000(lab_seen(red, matrix), lab_seen(green, matrix))[0]
    assert plain > 35
    assert blind < 10


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_neighbours_differ_clearly(class_map, eyes):
    matrix, enough = SEEN_BY[eyes]
    pairs = [
        (s.name, n)
        for s in class_map
        for n in s.neighbours
        if s.name < n and class_map[n].name != s.mirror
    ]
    assert len(pairs) > 300
    found = differences(class_map, pairs, matrix)
    too_near = {
        pair: round(float(d), 1) for pair, d in zip(pairs, found, strict=True) if d < enough
    }
    assert too_near == {}


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_left_and_right_are_told_apart(class_map, eyes):
    pairs = [(s.name, s.mirror) for s in class_map if s.mirror and s.side == "left"]
    assert len(pairs) >= 30
    assert differences(class_map, pairs, SEEN_BY[eyes][0]).min() >= 12


def counted(class_map):
    """Ribs of either side and vertebrae, in their order along the body."""
    spine = [f"vertebrae_{part}{n}" for part, count in (("C", 7), ("T", 12), ("L", 5))
             for n in range(1, count + 1)]  # fmt: skip
    spine += [name for name in ("vertebrae_S1", "sacrum") if name in class_map]
    return [spine, *([f"rib_{side}_{n}" for n in range(1, 13)] for side in ("left", "right"))]


@pytest.mark.parametrize(("apart", "everybody", "blind"), [(1, 20.0, 14.0), (2, 9.0, 7.0)])
@pytest.mark.parametrize("eyes", SEEN_BY)
def test_levels_that_follow_each_other_differ(class_map, eyes, apart, everybody, blind):
    pairs = [pair for row in counted(class_map) for pair in zip(row, row[apart:], strict=False)]
    assert len(pairs) >= 43
    found = differences(class_map, pairs, SEEN_BY[eyes][0])
    enough = everybody if eyes == "everybody" else blind
    too_near = {
        pair: round(float(d), 1) for pair, d in zip(pairs, found, strict=True) if d < enough
    }
    assert too_near == {}


def test_a_structure_has_one_colour_in_both_shipped_maps():
    ours, theirs = (
        find_class_map(n, shipped_configs()) for n in ("class_map", "totalsegmentator_v2")
    )
    shared = [name for name in ours.names if name in theirs]
    assert len(shared) > 80
    assert [n for n in shared if ours[n].colour != theirs[n].colour] == []


def test_left_is_the_lighter_tint_of_the_same_hue(class_map):
    for structure in class_map:
        if structure.side != "left" or structure.mirror is None:
            continue
        left, right = lab_seen([structure.colour, class_map[structure.mirror].colour], np.eye(3))
        assert left[0] - right[0] > 15, structure.name
        turn = np.degrees(np.arctan2(left[2], left[1]) - np.arctan2(right[2], right[1]))
        assert abs((turn + 180) % 360 - 180) < 20, structure.name


def test_no_colour_is_nearly_black_or_white_or_used_twice(class_map):
    lightness = lab_seen([s.colour for s in class_map], np.eye(3))[:, 0]
    assert lightness.min() >= 28
    assert lightness.max() <= 92
    assert len({s.colour for s in class_map}) == len(class_map)


def test_colours_made_from_values_are_steady_and_bright_enough():
    made = [default_colour(value) for value in range(1, 256)]
    assert made[0] == default_colour(1)
    assert len(set(made)) > 200
    assert lab_seen(made, np.eye(3))[:, 0].min() > 25
    following = deltaE_ciede2000(lab_seen(made[:-1], np.eye(3)), lab_seen(made[1:], np.eye(3)))
    assert following.min() > 15
