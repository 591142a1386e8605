from dataclasses import replace

import pytest

from pipeline.workspace import Mask, Presence, Provenance, Verdict
from pipeline.workspace.in_force import (
    is_excluded,
    mask_in_force,
    masks_in_force,
    paint_order,
    presence_of,
)

BOX = (slice(0, 1),) * 3


def mask(name, origin, *, second=0, structure="liver", voxels=5, maker="m", **made):
    created = f"2026-01-01T00:00:{second:02d}.000000+00:00"
    provenance = Provenance(origin, maker, created=created, **made)
    return Mask(name, "s1", structure, provenance, BOX, voxels)


def verdict(decision, mask_id=None, structure="liver"):
    return Verdict("s1", decision, "anna", structure, mask_id)


MODEL = mask("model", "model", second=50, priority=1)
BETTER = mask("better", "model", second=1, maker="other", priority=9)
LOWERED = mask("lowered", "model", second=50, maker="other", priority=2)
LOWEST = mask("lowest", "model", second=51, maker="other", priority=0)
MERGED = mask("merged", "merged", second=1)
MERGED_HIGH = mask("union", "merged", second=1, maker="merge", priority=9)
MERGED_AGAIN = mask("copy", "merged", second=30, maker="merge", priority=2)
TRANSFER = mask("transfer", "transfer", second=1)
ROUND_1 = mask("round1", "round", second=40, round=1)
ROUND_2 = mask("round2", "round", second=2, round=2)
ROUGH = mask("rough", "rough", second=3)
HUMAN = mask("human", "human", second=4)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([MODEL, BETTER], "better"),
        ([MODEL, BETTER, LOWERED], "lowered"),
        ([MODEL, BETTER, LOWERED, LOWEST], "model"),
        ([MODEL, BETTER, MERGED], "merged"),
        ([MODEL, BETTER, MERGED_HIGH, MERGED_AGAIN], "copy"),
        ([MODEL, TRANSFER, MERGED], "transfer"),
        ([TRANSFER, ROUND_1], "round1"),
        ([ROUND_1, ROUND_2], "round2"),
        ([ROUND_2, ROUGH], "rough"),
        ([ROUGH, HUMAN], "human"),
        ([replace(HUMAN, id="old"), mask("newer", "rough", second=30)], "newer"),
    ],
)
def test_without_verdicts_the_standing_of_the_origin_counts(masks, expected):
    for order in (masks, masks[::-1]):
        assert mask_in_force(order, []).id == expected


def test_an_accepted_revision_stands_above_newer_human_ones():
    assert mask_in_force([MODEL, HUMAN], [verdict("accept", "model")]).id == "model"


def test_the_last_acceptance_counts():
    verdicts = [verdict("accept", "human"), verdict("accept", "round2")]
    assert mask_in_force([HUMAN, ROUND_2], verdicts).id == "round2"


def test_fix_takes_an_acceptance_back_and_keeps_the_proposal():
    verdicts = [verdict("accept", "round2"), verdict("fix", "round2")]
    assert mask_in_force([ROUND_2, MODEL], verdicts).id == "round2"
    assert mask_in_force([ROUND_2, HUMAN], verdicts).id == "human"


def test_absent_means_none_until_something_is_accepted_again():
    verdicts = [verdict("accept", "human"), verdict("absent_fov")]
    assert mask_in_force([HUMAN], verdicts) is None
    assert presence_of(None, verdicts) is Presence.ABSENT_FOV
    verdicts.append(verdict("accept", "human"))
    assert mask_in_force([HUMAN], verdicts).id == "human"


def test_after_absent_an_older_acceptance_is_not_revived_by_a_fix():
    verdicts = [verdict("accept", "model"), verdict("absent_fov"), verdict("fix", "human")]
    assert mask_in_force([MODEL, HUMAN], verdicts).id == "human"


def test_an_empty_mask_decides_nothing():
    empty = mask("empty", "round", voxels=0, round=1)
    assert presence_of(empty, []) is Presence.UNDECIDED
    assert presence_of(HUMAN, []) is Presence.PRESENT
    assert presence_of(None, []) is Presence.UNDECIDED


def test_structures_do_not_mix():
    spleen = mask("spleen", "model", structure="spleen")
    found = masks_in_force([MODEL, spleen, ROUND_1], [verdict("absent_anatomy")])
    assert found == {"spleen": spleen}


def test_a_case_is_excluded_until_it_is_included_again():
    out = Verdict("s1", "exclude_case", "anna", reason="tumour")
    back = Verdict("s1", "include_case", "anna")
    assert is_excluded([out])
    assert not is_excluded([out, back])
    assert not is_excluded([verdict("accept", "model")])


def test_where_masks_overlap_the_better_founded_then_the_smaller_is_painted_last():
    big = mask("big", "round", structure="liver", voxels=900, round=1)
    small = mask("small", "round", structure="gallbladder", voxels=20, round=1)
    drawn = mask("drawn", "human", structure="aorta", voxels=500)
    by_model = mask("m", "model", structure="spleen", voxels=1)
    every = {m.structure: m for m in (small, drawn, by_model, big)}
    assert [m.id for m in paint_order(every, set())] == ["m", "big", "small", "drawn"]
    assert [m.id for m in paint_order(every, {"m"})] == ["big", "small", "drawn", "m"]
