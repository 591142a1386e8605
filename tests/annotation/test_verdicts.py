import getpass

import numpy as np
import pytest

from annotation.verdicts import VerdictRequest, decide, read_verdict_csv
from pipeline.workspace import Presence, Provenance, Verdict, Workspace, write_mask
from pipeline.workspace.verdict_file import all_verdicts

BLOBS = {"liver", "spleen", "kidney_right"}
MODEL = Provenance("model", "model:abdomen")


@pytest.fixture
def case(add_case, add_masks):
    """A case with three masks by a model, and an empty one of the gallbladder."""
    case = add_case("s0011")
    add_masks(case, MODEL, include_empty=["gallbladder"])
    return case


@pytest.fixture
def ask(workspace):
    """Decide one thing as Anna and return the result."""

    def ask(decision, structure=None, case_id="s0011", by="Anna", **more):
        request = VerdictRequest(case_id, decision, structure=structure, by=by, **more)
        return decide(workspace, [request])[0]

    return ask


@pytest.fixture
def redraw(workspace, case):
    """Store a new human revision of a structure and return it."""

    def redraw(structure, voxels=8, parents=()):
        array = np.zeros(case.grid.shape, np.uint8)
        array[:2, :2, : voxels // 4] = 1
        human = Provenance("human", "person:Anna", parents=parents)
        mask = write_mask(workspace.layout, case, structure, array, human)
        workspace.record_masks([mask])
        return mask

    return redraw


def test_accepting_names_the_mask_in_force_and_who(workspace, case, ask):
    liver = workspace.in_force("s0011")["liver"]
    result = ask("accept", "liver", reason="fine", seconds=4.0)
    assert (result.status, result.kept, result.subject) == ("done", 0, "s0011 liver")
    assert result.note == f"accepted: mask {liver.id[:12]} by model:abdomen"
    (stored,) = workspace.verdicts("s0011")
    assert result.recorded == (stored,)
    assert (stored.decision, stored.structure, stored.mask_id) == ("accept", "liver", liver.id)
    assert (stored.by, stored.reason, stored.seconds) == ("Anna", "fine", 4.0)
    assert set(workspace.accepted("s0011")) == {"liver"}


def test_a_whole_case_accepts_what_has_voxels_and_leaves_the_rest_undecided(workspace, case, ask):
    result = ask("accept", seconds=30.0)
    assert result.status == "done"
    assert result.note == "3 accepted; 100 undecided, no mask, 1 undecided, the mask is empty"
    assert set(workspace.accepted("s0011")) == BLOBS
    presence = workspace.presence("s0011")
    assert {name for name, p in presence.items() if p == Presence.PRESENT} == BLOBS
    assert {p for name, p in presence.items() if name not in BLOBS} == {Presence.UNDECIDED}
    assert sum(v.seconds for v in workspace.verdicts()) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("rest", "presence"), [("fov", Presence.ABSENT_FOV), ("anatomy", Presence.ABSENT_ANATOMY)]
)
def test_the_rest_is_called_absent_only_when_said(workspace, case, ask, rest, presence):
    result = ask("accept", rest_absent=rest)
    assert result.note == "3 accepted, 101 absent"
    found = workspace.presence("s0011")
    assert found["gallbladder"] == found["brain"] == presence
    assert list(found.values()).count(presence) == 101
    again = ask("accept", rest_absent=rest)
    assert (again.status, again.kept, again.recorded) == ("kept", 3, ())


def test_the_rest_does_not_overwrite_what_was_said_before(workspace, case, ask):
    ask("absent_anatomy", "gallbladder", reason="removed")
    ask("fix", "spleen")
    result = ask("accept", rest_absent="fov")
    assert result.note == "2 accepted, 100 absent; 1 sent back to be fixed, 1 already absent"
    presence = workspace.presence("s0011")
    assert presence["gallbladder"] == Presence.ABSENT_ANATOMY
    assert presence["spleen"] == Presence.PRESENT
    assert set(workspace.accepted("s0011")) == {"liver", "kidney_right"}


def test_a_case_without_a_mask_to_accept_is_refused_even_with_the_rest_absent(
    workspace, add_case, ask
):
    add_case("s0099")
    for rest in (None, "fov"):
        result = ask("accept", case_id="s0099", rest_absent=rest)
        assert result.status == "failed"
        assert "case s0099 has no mask to accept (104 undecided, no mask)" in result.note
    assert workspace.verdicts() == ()


def test_the_same_verdict_again_is_kept_and_another_persons_is_added(workspace, case, ask):
    assert ask("accept", "liver").status == "done"
    again = ask("accept", "liver", seconds=9.0)
    assert (again.status, again.kept, again.recorded) == ("kept", 1, ())
    assert ask("accept", "liver", by="Ben").status == "done"
    assert ask("accept", "liver").status == "done"
    assert [v.by for v in workspace.verdicts()] == ["Anna", "Ben", "Anna"]


def test_a_new_reason_is_a_new_verdict(workspace, case, ask):
    ask("exclude", reason="motion")
    assert ask("exclude", reason="motion").status == "kept"
    assert ask("exclude", reason="two patients mixed").status == "done"
    assert [v.reason for v in workspace.verdicts()] == ["motion", "two patients mixed"]


def test_a_new_revision_needs_a_new_verdict(workspace, case, ask, redraw):
    first = workspace.in_force("s0011")["liver"]
    ask("fix", "liver")
    drawn = redraw("liver")
    assert ask("accept", "liver").status == "done"
    assert [v.mask_id for v in workspace.verdicts()] == [first.id, drawn.id]
    assert workspace.accepted("s0011")["liver"].id == drawn.id


def test_a_mask_that_was_sent_back_is_not_accepted_with_its_case_but_by_name(workspace, case, ask):
    ask("accept")
    assert ask("fix", "liver", reason="leaks").note.startswith("sent back to be fixed: mask ")
    assert ask("accept").note.startswith("2 accepted; ")
    assert "liver" not in workspace.accepted("s0011")
    assert ask("accept", "liver").status == "done"
    assert "liver" in workspace.accepted("s0011")


def test_the_mask_that_was_looked_at_must_still_be_in_force(workspace, case, ask, redraw):
    seen = workspace.in_force("s0011")["liver"].id
    assert ask("accept", "liver", mask_id=seen[:12].upper()).status == "done"
    ask("fix", "liver")
    drawn = redraw("liver")
    result = ask("accept", "liver", mask_id=seen)
    assert result.status == "failed"
    assert f"mask {seen[:12]} of liver in case s0011 is not the one in force" in result.note
    assert f"{drawn.id[:12]} by person:Anna" in result.note
    assert "too short" in ask("accept", "liver", mask_id=drawn.id[:3]).note
    assert len(workspace.verdicts()) == 2


def test_an_empty_mask_cannot_be_accepted_but_be_sent_back_or_called_absent(workspace, case, ask):
    result = ask("accept", "gallbladder")
    assert result.status == "failed"
    assert "of gallbladder in case s0011 is empty: say absent_fov or absent_anatomy" in result.note
    assert ask("fix", "gallbladder").status == "done"
    assert ask("absent_anatomy", "gallbladder").note == "absent anatomically"
    assert workspace.presence("s0011")["gallbladder"] == Presence.ABSENT_ANATOMY


@pytest.mark.parametrize("decision", ["accept", "fix"])
def test_without_a_mask_the_error_says_what_to_do(workspace, case, ask, decision):
    result = ask(decision, "brain")
    assert result.status == "failed"
    assert f"case s0011 has no mask of brain to {decision}: run bootstrap or draw" in result.note
    assert workspace.verdicts() == ()


def test_absent_needs_no_mask_and_can_be_taken_back(workspace, case, ask):
    assert ask("absent_fov", "brain").note == "absent outside the field of view"
    assert workspace.presence("s0011")["brain"] == Presence.ABSENT_FOV
    before = workspace.in_force("s0011")["liver"].id
    ask("absent_fov", "liver")
    assert "liver" not in workspace.in_force("s0011")
    assert ask("accept", "liver").status == "done"
    assert workspace.accepted("s0011")["liver"].id == before


def test_what_was_accepted_before_an_absence_is_what_comes_back(workspace, case, ask, redraw):
    accepted = workspace.in_force("s0011")["liver"].id
    ask("accept", "liver")
    redraw("liver")
    ask("absent_fov", "liver")
    ask("accept", "liver")
    assert workspace.accepted("s0011")["liver"].id == accepted


def test_excluding_and_including(workspace, case, ask):
    assert ask("include").status == "kept"
    refused = ask("exclude", reason="  ")
    assert (refused.status, refused.note.split(":")[0]) == ("failed", "exclude needs a reason")
    assert ask("exclude", reason="motion").note == "excluded"
    assert workspace.excluded() == {"s0011"}
    assert ask("include").note == "included"
    assert workspace.excluded() == set()
    assert ask("include").status == "kept"
    assert len(workspace.verdicts()) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"decision": "accept", "structure": "livr"}, "did you mean liver?"),
        ({"decision": "accept", "case_id": "s0012"}, "close: s0011"),
        ({"decision": "absent", "structure": "liver"}, "say absent_fov"),
        ({"decision": "maybe"}, "decision 'maybe' is unknown"),
        ({"decision": "fix"}, "fix needs a structure"),
        ({"decision": "absent_fov"}, "absent_fov needs a structure"),
        ({"decision": "exclude", "structure": "liver", "reason": "x"}, "is about a whole case"),
        ({"decision": "accept", "rest_absent": "gone"}, "expected fov or anatomy"),
        ({"decision": "accept", "structure": "liver", "rest_absent": "fov"}, "a whole case"),
        ({"decision": "exclude", "reason": "x", "rest_absent": "fov"}, "a whole case"),
        ({"decision": "accept", "mask_id": "0" * 12}, "a mask id needs the structure"),
        ({"decision": "accept", "structure": "liver", "seconds": -1.0}, "expected 0 or more"),
        ({"decision": "accept", "structure": "liver", "seconds": float("nan")}, "expected 0"),
        ({"decision": "accept", "structure": "liver", "by": "x" * 201}, "longer than 200"),
    ],
)
def test_what_makes_no_sense_fails_with_a_reason_and_records_nothing(
    workspace, case, ask, words, sentence
):
    result = ask(**words)
    assert (result.status, result.recorded) == ("failed", ())
    assert sentence in result.note
    assert workspace.verdicts() == ()


def test_who_defaults_to_the_login_name(workspace, case, ask, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "login")
    assert ask("accept", "liver", by=" ").recorded[0].by == "login"
    assert ask("accept", "spleen", by="Dr.  Anna\nB").recorded[0].by == "Dr. Anna B"

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert "say who: --by NAME" in ask("accept", "kidney_right", by="").note


def test_one_bad_request_does_not_stop_the_others_and_later_ones_see_earlier(workspace, case):
    words = [("accept", "liver"), ("accept", "livr"), ("fix", "liver"), ("accept", "liver")]
    requests = [VerdictRequest("s0011", word, structure=name, by="Anna") for word, name in words]
    results = decide(workspace, requests)
    assert [r.status for r in results] == ["done", "failed", "done", "done"]
    assert [r.request for r in results] == requests
    assert [v.decision for v in workspace.verdicts()] == ["accept", "fix", "accept"]
    assert "liver" in workspace.accepted("s0011")


def test_verdicts_are_also_files_and_only_ever_added(workspace, case, ask):
    ask("accept", "liver")
    first = workspace.verdicts()
    ask("fix", "liver")
    assert workspace.verdicts()[: len(first)] == first
    assert tuple(all_verdicts(workspace.layout)) == workspace.verdicts()
    assert Workspace.open(workspace.path).verdicts() == workspace.verdicts()


def test_nothing_decided_writes_nothing(workspace, case, ask):
    assert decide(workspace, []) == []
    ask("accept", "livr")
    assert tuple(all_verdicts(workspace.layout)) == ()


def test_a_verdict_is_the_last_even_if_the_clock_went_back(workspace, case, ask):
    ahead = "2999-01-01T00:00:00.000000+00:00"
    workspace.record_verdicts(
        [Verdict("s0011", "absent_fov", "Ben", structure="liver", created=ahead)]
    )
    result = ask("accept", "liver")
    assert result.recorded[0].created == "2999-01-01T00:00:00.000001+00:00"
    assert workspace.verdicts()[-1] == result.recorded[0]
    assert workspace.presence("s0011")["liver"] == Presence.PRESENT


def test_people_can_decide_while_a_stage_runs(workspace, case, ask):
    with workspace.driver_lock("retrain"):
        assert ask("accept", "liver").status == "done"


def test_nothing_is_acknowledged_when_storing_fails(workspace, case, ask, monkeypatch):
    def full(*given):
        raise OSError("no space left on device")

    monkeypatch.setattr("pipeline.workspace.workspace.write_verdicts", full)
    with pytest.raises(OSError, match="no space"):
        ask("accept", "liver")
    assert workspace.verdicts() == ()


def test_a_table_from_file_to_ledger(workspace, case, tmp_path):
    path = tmp_path / "reviewed.csv"
    path.write_text(
        "case,structure,decision,by,reason,seconds\n"
        "s0011,liver,accept,Anna,,5\n"
        "s0011,spleen,perfect,Anna,,5\n"
        "s0011,brain,accept,Anna,,5\n"
        "s0011,gallbladder,absent_anatomy,Ben,removed 2019,2\n",
        encoding="utf-8",
    )
    table = read_verdict_csv(path)
    results = [*table.refused, *decide(workspace, table.requests)]
    assert [r.status for r in results] == ["failed", "done", "failed", "done"]
    assert results[2].note.startswith(f"{path}, line 4: case s0011 has no mask of brain")
    assert [(v.structure, v.by) for v in workspace.verdicts()] == [
        ("liver", "Anna"),
        ("gallbladder", "Ben"),
    ]
    kept = decide(workspace, table.requests)
    assert [r.status for r in kept] == ["kept", "failed", "kept"]


def test_what_was_drawn_over_an_accepted_mask_can_be_accepted(workspace, case, ask, redraw):
    given = workspace.in_force("s0011")["liver"]
    ask("accept", "liver")
    stranger = redraw("liver", 4)
    drawn = redraw("liver", 8, parents=(redraw("liver", 12, parents=(given.id,)).id,))
    assert workspace.in_force("s0011")["liver"].id == given.id
    refused = ask("accept", "liver", mask_id=stranger.id)
    assert (refused.status, workspace.in_force("s0011")["liver"].id) == ("failed", given.id)
    assert ask("fix", "liver", mask_id=drawn.id).status == "failed"
    assert ask("accept", "liver", mask_id=drawn.id).status == "done"
    assert workspace.in_force("s0011")["liver"].id == drawn.id
