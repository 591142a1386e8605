"""Effort: counted by what people began with, unknown times apart, what is left, what is kept."""

import json
import shutil
from dataclasses import replace

import pytest

from annotation.effort import effort_report
from annotation.effort_figures import COLUMNS, pace_of
from annotation.effort_items import EffortItem, read_work
from pipeline.anatomy import ClassMapError
from pipeline.engine import SerialEngine
from pipeline.workspace import Workspace
from tests.fixtures.effort_workspaces import VOXEL_ML, make_effort_lab, save
from tests.fixtures.round_workspaces import RoundLab, cube


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    lab = make_effort_lab(tmp_path_factory.mktemp("made"))
    lab.workspace.ledger.close()
    return lab


@pytest.fixture
def lab(made, tmp_path):
    """Give a copy that a test may change."""
    shutil.copytree(made.workspace.path, tmp_path / "copy")
    return RoundLab(Workspace.open(tmp_path / "copy"))


def item(structure="liver", seconds=None, what="corrected", created="1", case_id="s1"):
    return EffortItem(case_id, structure, what, "round 1", "anna", created, seconds)


def test_every_saved_mask_and_verdict_is_an_item(lab):
    work = read_work(lab.workspace)
    assert [(i.case_id, i.structure, i.what, i.basis, i.by, i.seconds) for i in work.items[:4]] == [
        ("s1", "liver", "drawn", "nothing", "anna", 600.0),
        ("s1", "colon", "drawn", "nothing", "ben", None),
        ("s2", "liver", "corrected", "bootstrap", "ben", 120.0),
        ("s3", "liver", "corrected", "round 1", "anna", 40.0),
    ]
    assert {(i.case_id, i.structure, i.what, i.basis, i.seconds) for i in work.items[4:]} == {
        ("s1", "liver", "checked", "nothing", 10.0),
        ("s2", "liver", "checked", "bootstrap", None),
        ("s3", "spleen", "accepted", "round 1", 4.0),
        ("s3", "colon", "absent", "nothing", 2.0),
    }


def test_a_neighbour_drawn_over_is_untimed_not_done_in_0_s(lab):
    before = effort_report(lab.workspace).groups[2]
    spleen = lab.mask("s2", "spleen", cube(4))
    about = {"seconds": "0.0", "strokes": "0", "tool": "workbench"}
    made = {"origin": "human", "maker": "person:anna", "parents": (spleen.id,)}
    neighbour = lab.mask("s2", "spleen", cube(3), **made, about=about)
    quick = lab.mask(
        "s1", "spleen", cube(3), **made | {"parents": ()}, about={**about, "strokes": "1"}
    )
    items = {i.mask.id: i.seconds for i in read_work(lab.workspace).items if i.mask}
    assert (items[neighbour.id], items[quick.id]) == (None, 0.0)
    after = effort_report(lab.workspace).groups[2]
    assert after.corrected == before.corrected + 1
    assert (after.timed, after.untimed) == (before.timed, before.untimed + 1)
    assert (after.median_s, after.mean_s) == (before.median_s, before.mean_s)


def test_a_mask_drawn_once_more_blind_is_no_correction(lab):
    spleen = lab.mask("s2", "spleen", cube(4))
    before = effort_report(lab.workspace)
    about = {"seconds": "900.0", "strokes": "3", "blind": "yes"}
    made = {"origin": "human", "maker": "person:anna", "parents": (spleen.id,)}
    lab.mask("s2", "spleen", cube(3), **made, about=about)
    after = effort_report(lab.workspace)
    assert (after.total, after.pace, after.paper) == (before.total, before.pace, before.paper)


def test_rounds_are_in_order_and_add_up(lab):
    report = effort_report(lab.workspace)
    assert [group.name for group in report.groups] == ["nothing", "bootstrap", "round 1"]
    nothing, bootstrap, first = report.groups
    assert (nothing.drawn, nothing.absent, nothing.checked, nothing.masks) == (2, 1, 1, 2)
    assert (nothing.timed, nothing.untimed) == (2, 1)
    assert nothing.mean_s == pytest.approx(301)
    assert (nothing.accepted_share, nothing.dice, nothing.added_ml) == (None, None, None)
    assert (bootstrap.corrected, bootstrap.accepted_share, bootstrap.mean_s) == (1, 0, 120)
    assert bootstrap.dice == pytest.approx(2 * 64 / (64 + 125))
    assert bootstrap.added_ml == pytest.approx(61 * VOXEL_ML)
    assert bootstrap.removed_ml == 0
    assert (first.corrected, first.accepted, first.accepted_share) == (1, 1, 0.5)
    assert first.dice == pytest.approx((2 * 27 / (27 + 64) + 1) / 2)
    assert first.removed_ml == pytest.approx(37 * VOXEL_ML / 2)
    assert 0 < first.nsd <= 1
    assert report.total.hours == pytest.approx((600 + 10 + 120 + 40 + 4 + 2) / 3600)
    assert (report.total.timed, report.total.untimed, report.total.masks) == (5, 1, 5)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("structure", ["colon", "liver", "spleen"]),
        ("annotator", ["anna", "ben"]),
        ("case", ["s1", "s2", "s3"]),
    ],
)
def test_it_groups_by_what_is_asked(lab, by, names):
    report = effort_report(lab.workspace, by=by)
    assert [group.name for group in report.groups] == names
    assert sum(group.masks for group in report.groups) == report.total.masks


def test_the_paper_is_for_the_masks_with_known_time(lab):
    paper = effort_report(lab.workspace).paper
    assert paper.masks == 4
    assert paper.hours_here == pytest.approx((600 + 120 + 40 + 4) / 3600)
    assert paper.hours_by_hand == pytest.approx(4 * 645 / 3600)
    assert paper.hours_rough == pytest.approx(4 * 102 / 3600)


def test_what_is_left_rests_on_timed_structures(lab):
    report = effort_report(lab.workspace)
    # Timed: s1 liver 600 + 10, s2 liver 120, s3 liver 40, spleen 4, colon 2. s1 colon is not.
    assert report.pace.bases == ("round 1", "bootstrap", "nothing")
    assert (report.pace.structures, report.pace.of_structures) == (5, 6)
    assert report.pace.mean_s == pytest.approx((610 + 120 + 40 + 4 + 2) / 5)
    assert report.pace.median_s == 40
    # Undecided: s1 spleen and colon, s2 spleen and colon, s3 liver.
    assert (report.left.undecided.all, report.left.undecided.cases) == (5, 3)
    assert report.left.undecided.begun == 5
    assert report.left.hours == pytest.approx(5 * report.pace.mean_s / 3600)
    assert report.left.hours_by_median == pytest.approx(5 * 40 / 3600)


def test_only_cases_with_a_decision_are_begun_and_excluded_ones_are_not_left(lab):
    lab.case("s4")
    lab.case("s5")
    lab.say("s5", "exclude_case", reason="metal", seconds=30)
    left = effort_report(lab.workspace).left.undecided
    assert (left.all, left.begun, left.cases, left.begun_cases) == (8, 5, 4, 3)
    assert effort_report(lab.workspace).total.hours == pytest.approx(806 / 3600)


def test_only_some_structures(lab):
    report = effort_report(lab.workspace, structures=["spleen"])
    assert (report.total.masks, report.total.accepted, report.left.undecided.all) == (1, 1, 2)
    with pytest.raises(ClassMapError, match="livre"):
        effort_report(lab.workspace, structures=["livre"])


def test_without_any_time_nothing_is_invented(round_lab):
    round_lab.case("a")
    save(round_lab, "a", "liver", 3, round_lab.mask("a", "liver", cube(4)))
    report = effort_report(round_lab.workspace)
    assert (report.pace, report.left.hours, report.total.hours) == (None, None, 0)
    assert (report.total.mean_s, report.total.untimed, report.paper.masks) == (None, 1, 0)


def test_an_empty_workspace_has_no_effort(round_lab):
    report = effort_report(round_lab.workspace)
    assert (report.efforts, report.groups, report.problems) == ((), (), ())


def test_an_accepted_mask_that_was_corrected_later_was_not_accepted_unchanged(round_lab):
    round_lab.case("a")
    proposal = round_lab.mask("a", "liver", cube(4))
    round_lab.say("a", "accept", proposal, seconds=3)
    round_lab.say("a", "accept", save(round_lab, "a", "liver", 3, proposal, 50))
    total = effort_report(round_lab.workspace).total
    assert (total.accepted, total.corrected, total.checked) == (0, 1, 2)
    assert total.hours == pytest.approx(53 / 3600)


def test_accepting_twice_counts_once(round_lab):
    round_lab.case("a")
    proposal = round_lab.mask("a", "liver", cube(4))
    round_lab.say("a", "accept", proposal, by="anna")
    round_lab.say("a", "accept", proposal, by="ben")
    total = effort_report(round_lab.workspace).total
    assert (total.accepted, total.checked) == (1, 1)


def test_an_absence_belongs_to_the_proposal_that_was_there_then(round_lab):
    round_lab.case("a")
    round_lab.mask("a", "liver", origin="model", maker="model:x")
    round_lab.mask("a", "liver")
    round_lab.say("a", "absent_fov", structure="liver")
    round_lab.mask("a", "liver", round=2, maker="round:2")
    (effort,) = effort_report(round_lab.workspace).efforts
    assert (effort.item.what, effort.item.basis) == ("absent", "round 1")


def test_a_correction_of_a_correction_keeps_what_the_first_began_with(round_lab):
    round_lab.case("a")
    first = save(round_lab, "a", "liver", 4, round_lab.mask("a", "liver", cube(5)))
    save(round_lab, "a", "liver", 3, first, hour=13)
    report = effort_report(round_lab.workspace)
    assert [effort.item.basis for effort in report.efforts] == ["round 1", "round 1"]
    assert [effort.removed_voxels for effort in report.efforts] == [125 - 64, 64 - 27]


def test_a_proposal_the_ledger_lacks_is_named(round_lab):
    round_lab.case("a")
    round_lab.mask("a", "liver", cube(3), origin="human", maker="person:anna", parents=("f" * 64,))
    report = effort_report(round_lab.workspace)
    (effort,) = report.efforts
    assert (effort.item.what, effort.item.basis, effort.dice) == ("corrected", "unknown", None)
    assert len(report.problems) == 1
    assert "the mask it was made from is not in the ledger" in report.problems[0]


def test_a_mask_file_that_is_gone_stops_nothing(lab):
    found = lab.workspace.masks("s2", "liver")[0]
    lab.workspace.layout.mask("s2", "liver", found.id).unlink()
    report = effort_report(lab.workspace)
    assert [group.dice is None for group in report.groups] == [True, True, False]
    assert report.groups[1].corrected == 1
    assert len(report.problems) == 1
    assert report.problems[0].startswith("s2/liver/")
    assert "the mask file is gone" in report.problems[0]


def test_comparisons_are_made_once_and_kept(lab, monkeypatch):
    before = effort_report(lab.workspace)
    kept = lab.workspace.layout.mask_changes
    assert len(json.loads(kept.read_text())["changes"]) == 2

    def never(*_):
        raise AssertionError("compared again")

    monkeypatch.setattr("annotation.effort_changes._compare_case", never)
    assert effort_report(Workspace.open(lab.workspace.path)).efforts == before.efforts


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}', '{"format": 1, "changes": 3}'])
def test_kept_comparisons_that_cannot_be_read_are_made_anew(lab, text):
    before = effort_report(lab.workspace)
    lab.workspace.layout.mask_changes.write_text(text)
    assert effort_report(lab.workspace).efforts == before.efforts
    assert len(json.loads(lab.workspace.layout.mask_changes.read_text())["changes"]) == 2


def test_many_comparisons_go_through_the_engine(lab, monkeypatch):
    seen = []

    class Watched(SerialEngine):
        def map(self, function, items, **more):
            seen.extend(items)
            return super().map(function, items, **more)

    effort_report(lab.workspace, engine=Watched())
    assert seen == []
    lab.workspace.layout.mask_changes.unlink()
    monkeypatch.setattr("annotation.effort_changes._FEW", 1)
    effort_report(lab.workspace, engine=Watched())
    assert [len(task.pairs) for task in seen] == [1, 1]


@pytest.mark.parametrize("text", ["", "soon", "nan", "-3", "inf"])
def test_seconds_that_cannot_be_read_are_unknown(round_lab, text):
    round_lab.case("a")
    about = {"seconds": text} if text else {"other": "fact"}
    round_lab.mask("a", "liver", cube(3), origin="human", maker="person:a", about=about)
    assert effort_report(round_lab.workspace).efforts[0].item.seconds is None


def test_the_pace_is_of_the_newest():
    items = [item(case_id=f"s{n}", seconds=float(n), created=f"{n:03d}") for n in range(1, 11)]
    pace = pace_of(items, recent=4)
    assert (pace.structures, pace.of_structures, pace.mean_s, pace.median_s) == (4, 10, 8.5, 8.5)


def test_the_pace_is_of_the_newest_round_when_enough_of_it_is_timed():
    def of_round(number: int, count: int) -> list[EffortItem]:
        cases = (f"r{number}c{n}" for n in range(count))
        made = [item(case_id=case_id, seconds=100.0 / number, created="1") for case_id in cases]
        return [replace(each, basis=f"round {number}") for each in made]

    enough = pace_of([*of_round(1, 30), *of_round(10, 10), *of_round(2, 30)])
    assert (enough.bases, enough.structures, enough.mean_s) == (("round 10",), 10, 10)
    few = pace_of([*of_round(1, 30), *of_round(10, 9), *of_round(2, 1)])
    assert (few.bases, few.structures, few.mean_s) == (("round 10", "round 2"), 10, 14)


def test_a_structure_saved_once_without_a_time_is_not_timed():
    timed = item(seconds=5.0), item(seconds=3.0, what="checked", created="2")
    assert pace_of(timed).mean_s == 8
    assert pace_of([*timed, item(created="3")]) is None
    assert pace_of([item(what="accepted"), item(what="checked", seconds=2.0)]).mean_s == 2
    assert pace_of([item(structure="", what="checked", seconds=9.0)]) is None


def test_a_line_of_the_table_has_every_column(lab):
    for effort in effort_report(lab.workspace).efforts:
        assert tuple(effort.to_dict()) == COLUMNS
