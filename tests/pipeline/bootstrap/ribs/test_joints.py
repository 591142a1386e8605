"""Joints of strands: what makes a possible rib, and which ends go on in which."""

import numpy as np
import pytest

from pipeline.bootstrap.ribs.joints import new_joints, turns_back, unfold
from pipeline.bootstrap.ribs.places import find_bridges, join_at
from pipeline.bootstrap.ribs.strands import Bones, Place, Points, Strand
from pipeline.bootstrap.ribs.thorax import Thorax, find_thorax, levels, sides

CHEST = Thorax(np.array([-500.0, 500.0]), np.zeros(2), np.zeros(2))
RADIUS_MM = 100.0


def arc(first_deg: float, last_deg: float, z_mm: float, fall: float = 0.3) -> Points:
    """Give points round the right of a chest, 6 mm apart, falling as they go forward."""
    angle = np.radians(np.arange(first_deg, last_deg, 3.4))
    z = z_mm - fall * np.degrees(angle)
    return np.stack([RADIUS_MM * np.sin(angle), -RADIUS_MM * np.cos(angle), z], axis=1)


def strand(line: Points) -> Strand:
    return Strand(np.zeros(0, np.int64), line)


def joined(lines: list[Points], *places: Place) -> list[tuple[int, ...]]:
    strands = [strand(line) for line in lines]
    joints = new_joints(strands, np.ones(len(lines), np.int64), CHEST)
    joints.bridges = find_bridges(joints, places)
    for place in places:
        join_at(joints, place)
    return sorted(chain.strands for chain in joints.chains())


def test_touching_ribs_do_not_cross() -> None:
    lines = [arc(20, 58, 0), arc(70, 140, 0), arc(20, 58, -14), arc(70, 140, -14)]
    middle = np.concatenate([lines[0][-1:], lines[1][:1], lines[2][-1:], lines[3][:1]]).mean(axis=0)
    assert joined(lines, Place(middle, (0, 1, 2, 3))) == [(0, 1), (2, 3)]


def test_a_bar_from_rib_to_rib_belongs_to_no_chain() -> None:
    lines = [arc(20, 58, 0), arc(66, 140, 0), arc(20, 58, -30), arc(66, 140, -30)]
    top, bottom = (lines[n][-1] / 2 + lines[n + 1][0] / 2 for n in (0, 2))
    off = np.array([0.0, 0.0, 8.0])
    bar = np.linspace(top - off, bottom + off, 4)
    places = Place(top, (0, 1, 4)), Place(bottom, (2, 3, 4))
    assert joined([*lines, bar], *places) == [(0, 1), (2, 3)]


def test_two_necks_that_touch_are_no_rib() -> None:
    lines = [arc(20, 130, 0), arc(20, 130, -20)]
    middle = (lines[0][0] + lines[1][0]) / 2
    assert joined(lines, Place(middle, (0, 1))) == [(0,), (1,)]


@pytest.mark.parametrize(("reverse", "expected"), [(False, False), (True, False)])
def test_one_way_round_does_not_turn_back(reverse: bool, expected: bool) -> None:
    line = arc(20, 140, 0)[:: -1 if reverse else 1]
    assert turns_back(CHEST.round_deg(line), line) is expected


def test_a_strand_that_turns_back_is_cut_where_it_turns() -> None:
    line = np.concatenate([arc(20, 130, 0)[::-1], arc(20, 140, -15)])
    bones = Bones(np.zeros((len(line), 3), np.int64), line, (Strand(np.arange(len(line)), line),),
                  (Place(line[-1], (0,)),))  # fmt: skip
    cut = unfold(bones, CHEST)
    upper, lower = cut.strands
    assert upper.line[:, 2].min() > -40
    assert not set(upper.voxels) & set(lower.voxels)
    assert len(upper.voxels) + len(lower.voxels) == len(line)
    assert cut.places[0].strands == (1,)
    straight = Bones(bones.index, line, (strand(arc(20, 140, 0)),), ())
    assert unfold(straight, CHEST).strands == straight.strands


def test_the_spine_is_found_between_the_necks() -> None:
    left = np.array(
        [[-RADIUS_MM + 15 * k, -90.0 + k, z] for k in range(6) for z in range(0, 90, 3)]
    )
    right = np.array([[52.0 + 15 * k, -90.0 + k, z] for k in range(4) for z in range(0, 90, 3)])
    thorax = find_thorax(np.concatenate([left, right]), np.zeros((0, 3)))
    assert thorax.middle(np.array([45.0])) == pytest.approx((-25 + 52) / 2)


def necks(from_mm: int, to_mm: int, middle_mm: float = 0.0) -> Points:
    """Give points of the necks of both sides, 25 mm and more beside the middle."""
    return np.array(
        [
            [middle_mm + side * (25.0 + 15 * k), -90.0 + k, z]
            for side in (-1, 1)
            for k in range(6)
            for z in range(from_mm, to_mm, 3)
        ]
    )


def test_where_but_one_side_reaches_the_spine_goes_straight_on() -> None:
    tip = np.array([[40.0 + 3 * k, -90.0 + k, z] for k in range(12) for z in range(-80, 0, 3)])
    thorax = find_thorax(np.concatenate([necks(0, 90), tip]), np.zeros((0, 3)))
    assert thorax.middle(np.array([-75.0, -40.0, 45.0])) == pytest.approx([0, 0, 0], abs=1)
    assert set(sides(thorax, [tip])) == {1}


def test_a_gap_farther_away_than_a_spine_bends_is_not_the_spine() -> None:
    aside = np.array([[x, -90.0, z] for x in (25.0, 55.0) for z in range(-30, -20)])
    thorax = find_thorax(np.concatenate([necks(0, 90), aside]), np.zeros((0, 3)))
    assert thorax.middle(np.array([-25.0])) == pytest.approx(0, abs=1)


def test_a_spine_that_bends_is_followed() -> None:
    steps = [necks(z, z + 3, middle_mm=0.4 * z) for z in range(-60, 60, 3)]
    thorax = find_thorax(np.concatenate(steps), np.zeros((0, 3)))
    assert thorax.middle(np.array([-50.0, 0.0, 50.0])) == pytest.approx([-20, 0, 20], abs=6)


def test_a_tilted_spine_is_followed() -> None:
    tilted = Thorax(np.array([-100.0, 100.0]), np.array([-50.0, 50.0]), np.zeros(2))
    assert tilted.along_spine(np.array([0.0, 0.0, 0.0])) == pytest.approx(0)
    assert tilted.along_spine(np.array([20.0, 0.0, 0.0])) == pytest.approx(10)


def test_levels_are_the_heights_at_the_side() -> None:
    lines = [arc(20, 140, z) for z in (0, -25, -50)] + [arc(60, 140, -75)]
    found = levels(CHEST, lines)
    assert found == pytest.approx([-27, -52, -77, -102], abs=0.2)
