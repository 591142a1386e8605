"""What the simulated person decides, in which order, and how long it takes."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.simulation.annotator import Annotator, annotate, dice, wrong_slices
from pipeline.simulation.pace import ROUGHLY
from pipeline.simulation.rough_strokes import RoughStrokes

SPACING = (4.0, 4.0, 4.5)
STEADY = Annotator(look_s=2.0, strokes=RoughStrokes(boundary_error_mm=0.0))


def block(start: int = 4, stop: int = 16, rows: slice = slice(4, 16)) -> np.ndarray:
    mask = np.zeros((20, 20, 20), bool)
    mask[rows, 4:16, start:stop] = True
    return mask


def by_name(handled):
    return {each.structure: each for each in handled}


def test_what_is_good_enough_is_accepted_by_looking():
    nearly = block()
    nearly[4] = False
    (seen,) = annotate({"liver": nearly}, {"liver": block()}, SPACING, STEADY, [1])
    assert (seen.action, seen.seconds, seen.mask) == ("accepted", 2.0, None)
    assert seen.dice_before == pytest.approx(2 * 11 / 23)


def test_what_is_not_in_the_field_of_view_is_called_absent_whatever_was_proposed():
    truth = {"brain": np.zeros((20, 20, 20), bool)}
    for proposals in ({}, {"brain": block()}):
        (seen,) = annotate(proposals, truth, SPACING, STEADY, [1])
        assert (seen.action, seen.seconds) == ("absent", 2.0)


def test_without_a_proposal_everything_is_drawn():
    for proposals in ({}, {"liver": np.zeros((20, 20, 20), bool)}):
        (seen,) = annotate(proposals, {"liver": block()}, SPACING, STEADY, [1])
        assert seen.action == "drawn"
        assert (seen.mask == block()).all()
        ml = block().sum() * np.prod(SPACING) / 1000
        assert seen.seconds == pytest.approx(2.0 + ROUGHLY.seconds(12 * 4.5, ml))


def test_only_wrong_slices_are_drawn_again():
    proposal = block()
    proposal[:, :, 4:7] = False  # three slices are missing
    proposal[15, :, 10] = False  # one is a little wrong, which is good enough
    truth = block()
    assert list(np.flatnonzero(wrong_slices(proposal, truth, 0.8))) == [4, 5, 6]
    strict = replace(STEADY, good_enough_dice=0.95)
    (seen,) = annotate({"liver": proposal}, {"liver": truth}, SPACING, strict, [1])
    assert seen.action == "corrected"
    assert dice(seen.mask, truth) > 0.99
    assert not seen.mask[15, 4, 10] or wrong_slices(proposal, truth, 0.95)[10]
    ml = (seen.mask != proposal).sum() * np.prod(SPACING) / 1000
    slices = (seen.mask != proposal).any(axis=(0, 1)).sum()
    assert seen.seconds == pytest.approx(2.0 + ROUGHLY.seconds(slices * 4.5, ml))


def test_a_hopeless_proposal_is_corrected_by_drawing_all_of_it():
    far = np.zeros((20, 20, 20), bool)
    far[:4] = True
    (seen,) = annotate({"liver": far}, {"liver": block()}, SPACING, STEADY, [1])
    assert (seen.action, seen.dice_before) == ("corrected", 0.0)
    (anew,) = annotate({}, {"liver": block()}, SPACING, STEADY, [1])
    assert seen.drawing_s == anew.drawing_s
    assert (seen.mask == block()).all()


def test_the_worst_are_corrected_first_and_the_rest_is_left_when_time_is_over():
    truth = dict.fromkeys(("good", "bad", "worse", "none"), block())
    proposals = {"good": block(), "bad": block(4, 11), "worse": block(4, 8)}
    free = by_name(annotate(proposals, truth, SPACING, STEADY, [1]))
    assert [free[n].action for n in truth] == ["accepted", "corrected", "corrected", "drawn"]
    looks = 4 * 2.0
    for count, left in ((0, {"bad", "worse", "none"}), (1, {"bad", "worse"}), (2, {"bad"})):
        worst_first = ["none", "worse", "bad"]
        budget = looks + sum(free[name].drawing_s for name in worst_first[:count])
        short = replace(STEADY, budget_s=budget)
        seen = by_name(annotate(proposals, truth, SPACING, short, [1]))
        assert {name for name, each in seen.items() if each.action == "left"} == left
        assert seen["good"].action == "accepted"
        assert all(seen[name].mask is None for name in left)


def test_strokes_depend_on_the_seed_alone():
    shaky = Annotator(strokes=RoughStrokes(boundary_error_mm=5.0))
    truth = {"a": block(), "b": block(2, 18)}
    one = by_name(annotate({}, truth, SPACING, shaky, [1, 2]))
    same = by_name(annotate({"a": block()}, truth, SPACING, shaky, [1, 2]))
    other = by_name(annotate({}, truth, SPACING, shaky, [1, 3]))
    assert (one["b"].mask == same["b"].mask).all()
    assert (one["b"].mask != other["b"].mask).any()


def test_a_better_proposal_takes_less_time():
    truth = {"liver": block()}
    seconds = [
        annotate({"liver": block(4, stop)}, truth, SPACING, STEADY, [1])[0].seconds
        for stop in (6, 9, 11, 16)
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) == 4


def test_dice_of_two_empty_masks_is_one():
    empty = np.zeros((2, 2, 2), bool)
    assert dice(empty, empty) == 1.0
    assert dice(empty, ~empty) == 0.0
