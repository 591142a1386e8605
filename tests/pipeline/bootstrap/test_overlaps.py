"""Voxels that two masks claim."""

import numpy as np
import pytest

from pipeline.bootstrap.overlaps import (
    OverlapLimits,
    ReadMask,
    find_agreements,
    find_overlaps,
    overlap_findings,
    overlap_report,
)
from pipeline.workspace import Mask, Provenance


def read(structure: str, start: int, stop: int, maker: str = "model:a") -> ReadMask:
    """Make a mask of 10 x 10 x n voxels."""
    box = (slice(0, 10), slice(0, 10), slice(start, stop))
    crop = np.ones((10, 10, stop - start), bool)
    made = Provenance("model", maker)
    return ReadMask(Mask(structure, "s1", structure, made, box, int(crop.sum())), crop)


LIVER, COLON, SPLEEN = read("liver", 0, 50), read("colon", 48, 58), read("spleen", 70, 90)


def test_a_shared_slab_is_counted_and_the_later_painted_keeps_it() -> None:
    (pair,) = find_overlaps([LIVER, COLON, SPLEEN], 0.01, OverlapLimits())
    assert (pair.first, pair.second, pair.voxels, pair.kept_by) == ("colon", "liver", 200, "colon")
    assert (pair.ml, pair.share_of_smaller, pair.flagged) == (2.0, 0.2, True)
    (turned,) = find_overlaps([COLON, LIVER, SPLEEN], 0.01, OverlapLimits())
    assert turned.kept_by == "liver"
    assert turned.first == "colon"


@pytest.mark.parametrize(
    ("limits", "flagged"),
    [
        (OverlapLimits(0.05, 0.5), True),
        (OverlapLimits(0.2, 0.5), False),
        (OverlapLimits(0.05, 2.0), False),
        (OverlapLimits(0.0, 0.0), True),
    ],
)
def test_a_pair_is_flagged_above_both_limits(limits: OverlapLimits, flagged: bool) -> None:
    found = find_overlaps([LIVER, COLON], 0.01, limits)
    assert found[0].flagged is flagged
    assert len(overlap_findings(found)) == flagged


def test_boxes_that_meet_without_a_shared_voxel_are_no_overlap() -> None:
    hole = COLON.crop.copy()
    hole[:, :, :2] = False
    hollow = ReadMask(COLON.mask, hole)
    assert find_overlaps([LIVER, hollow], 1.0, OverlapLimits()) == ()


def test_an_empty_mask_overlaps_nothing() -> None:
    empty = ReadMask(
        Mask("e", "s1", "aorta", Provenance("model", "m"), (slice(0, 1),) * 3, 0),
        np.zeros((1, 1, 1), bool),
    )
    assert find_overlaps([LIVER, empty], 1.0, OverlapLimits()) == ()


def test_a_finding_says_the_figures() -> None:
    (finding,) = overlap_findings(find_overlaps([LIVER, COLON], 0.01, OverlapLimits()))
    assert finding.kind == "overlap"
    assert finding.structures == ("colon", "liver")
    assert finding.figures == {"voxels": 200, "ml": 2.0, "share_of_smaller": 0.2}
    assert "200 voxels (2.0 ml, 20% of the smaller)" in finding.words


def test_models_of_one_structure_are_compared_pair_by_pair() -> None:
    seen = {
        "liver": [
            read("liver", 0, 10, "model:c"),
            read("liver", 5, 15, "model:a"),
            read("liver", 20, 30, "model:b"),
        ]
    }
    found = find_agreements(seen)
    assert {(a.first_maker, a.second_maker): a.dice for a in found} == {
        ("model:a", "model:c"): 0.5,
        ("model:b", "model:c"): 0.0,
        ("model:a", "model:b"): 0.0,
    }


def test_the_report_sums_up() -> None:
    overlaps = find_overlaps([LIVER, COLON, SPLEEN], 0.01, OverlapLimits())
    report = overlap_report(overlaps, find_agreements({"liver": [LIVER, LIVER]}))
    assert (report["pairs"], report["voxels"], report["flagged"]) == (1, 200, 1)
    assert report["structures"][0]["kept_by"] == "colon"
    assert report["models"][0]["dice"] == 1.0
