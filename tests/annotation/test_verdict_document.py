"""Verdict documents: recorded once, in the order of deciding, and nothing in them is trusted."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from annotation.verdict_document import (
    VerdictDocumentError,
    apply_verdict_document,
    read_verdict_document,
)
from annotation.verdicts import VerdictRequest, decide
from pipeline.cli.main import main
from pipeline.workspace import Provenance, Workspace, write_mask
from pipeline.workspace.rebuild import rebuild
from pipeline.workspace.seen_masks import seen_digest
from pipeline.workspace.workspace_name import workspace_id

BLOBS = {"liver", "spleen", "kidney_right"}
MODEL = Provenance("model", "model:abdomen")


@pytest.fixture
def case(add_case, add_masks):
    case = add_case("s0011")
    add_masks(case, MODEL)
    return case


def ago(seconds: float) -> str:
    """Give a moment as JavaScript writes it."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document_of(*verdicts: dict, **fields: object) -> dict:
    head = {"format": "masksmith-verdicts", "version": 1, "workspace": "workspace", "by": "Anna"}
    numbered = [{"id": f"uuid-{n}", "created": ago(60 - n), **v} for n, v in enumerate(verdicts)]
    return {**head, "verdicts": numbered, **fields}


def mask_id(workspace: Workspace, structure: str) -> str:
    return workspace.in_force("s0011")[structure].id


def about(structure: str | None, decision: str, **fields: object) -> dict:
    return {"case": "s0011", "structure": structure, "decision": decision, **fields}


def test_verdicts_are_recorded_with_the_moment_they_were_given(workspace, case):
    liver = mask_id(workspace, "liver")
    given = ago(3600)
    sent = document_of(
        about("liver", "fix", mask=liver[:12], reason="leaks", seconds=3.2, created=given),
        about("spleen", "accept", mask=mask_id(workspace, "spleen")),
        about("aorta", "absent_fov", mask=None),
        about(None, "exclude_case", reason="motion"),
    )
    applied = apply_verdict_document(workspace, sent)
    assert applied.counts == {"done": 4, "kept": 0, "failed": 0}
    assert [r["id"] for r in applied.to_dict()["results"]] == [f"uuid-{n}" for n in range(4)]
    first = workspace.verdicts("s0011")[0]
    assert (first.structure, first.decision, first.mask_id) == ("liver", "fix", liver)
    assert (first.by, first.reason, first.seconds) == ("Anna", "leaks", 3.2)
    assert first.created == given.replace("Z", "000+00:00")
    assert set(workspace.accepted("s0011")) == {"spleen"}
    assert workspace.excluded() == {"s0011"}


def test_taking_it_in_twice_records_once_also_after_a_change_of_mind(workspace, case):
    sent = document_of(about("liver", "accept"), about("liver", "fix"), about(None, "accept"))
    assert apply_verdict_document(workspace, sent).recorded == 4
    decide(workspace, [VerdictRequest("s0011", "accept", structure="liver", by="Ben")])
    before = workspace.verdicts()
    again = apply_verdict_document(workspace, sent)
    assert again.counts == {"done": 0, "kept": 3, "failed": 0}
    assert workspace.verdicts() == before
    assert set(workspace.accepted("s0011")) == BLOBS


def test_a_rebuilt_ledger_still_knows_what_was_taken_in(workspace, case):
    sent = document_of(about("liver", "fix"), about("spleen", "accept"))
    apply_verdict_document(workspace, sent)
    before = workspace.verdicts()
    rebuild(workspace)
    again = Workspace.open(workspace.path)
    assert again.verdicts() == before
    assert apply_verdict_document(again, sent).counts["kept"] == 2


def test_a_longer_export_adds_only_what_is_new(workspace, case):
    first = document_of(about("liver", "accept"))
    apply_verdict_document(workspace, first)
    longer = document_of(about("liver", "accept"), about("liver", "fix"))
    assert apply_verdict_document(workspace, longer).counts == {"done": 1, "kept": 1, "failed": 0}
    assert [v.decision for v in workspace.verdicts()] == ["accept", "fix"]


def test_what_somebody_overtook_is_not_applied(workspace, case):
    sent = document_of(about("liver", "fix", created=ago(600)), about("spleen", "fix"))
    decide(workspace, [VerdictRequest("s0011", "accept", structure="liver", by="Ben")])
    late, fine = apply_verdict_document(workspace, sent).results
    assert (late.status, fine.status) == ("failed", "done")
    assert "Ben decided accept about liver of s0011" in late.note
    assert set(workspace.accepted("s0011")) == {"liver"}


def test_a_mask_that_is_no_longer_in_force_is_said(workspace, case, add_mask):
    seen = mask_id(workspace, "liver")[:12]
    add_mask(case, "liver", (slice(2, 5),) * 3, Provenance("human", "person:Ben"))
    [result] = apply_verdict_document(
        workspace, document_of(about("liver", "accept", mask=seen))
    ).results
    assert result.status == "failed"
    assert f"mask {seen} of liver in case s0011 is not the one in force" in result.note
    assert workspace.verdicts() == ()


def test_a_whole_case_is_accepted_only_with_the_masks_that_were_seen(workspace, case):
    record = workspace.record("s0011")
    seen = seen_digest(record.masks, record.verdicts)
    away = document_of(about("spleen", "absent_anatomy"), about(None, "accept", seen=seen))
    assert apply_verdict_document(workspace, away).counts["done"] == 2
    assert set(workspace.accepted("s0011")) == BLOBS - {"spleen"}

    newer = Provenance("human", "person:Ben")
    box = (slice(2, 5),) * 3
    mask = write_mask(workspace.layout, case, "aorta", [[[1] * 3] * 3] * 3, newer, box=box)
    workspace.record_masks([mask])
    late = document_of(about(None, "accept", seen=seen, id="another"))
    [result] = apply_verdict_document(workspace, late).results
    assert result.status == "failed"
    assert "not the ones that were looked at any more" in result.note
    assert "aorta" not in workspace.accepted("s0011")


def test_clocks_that_run_ahead_are_set_back_and_clocks_behind_are_moved(workspace, case):
    ahead = document_of(about("liver", "accept", created="2999-01-01T00:00:00Z"))
    apply_verdict_document(workspace, ahead)
    [first] = workspace.verdicts()
    assert first.created <= datetime.now(UTC).isoformat(timespec="microseconds")
    behind = about("liver", "fix", created=ago(86410), id="later")
    assert apply_verdict_document(workspace, document_of(behind)).counts["failed"] == 1
    posted = document_of({**behind, "created": ago(86400.0)}, sent=ago(86400.0))
    assert apply_verdict_document(workspace, posted).counts["done"] == 1
    assert workspace.verdicts()[-1].decision == "fix"


def test_the_server_says_who_it_was(workspace, case):
    apply_verdict_document(workspace, document_of(about("liver", "accept")), by="ben")
    assert [v.by for v in workspace.verdicts()] == ["ben"]


def test_another_workspaces_verdicts_are_refused_unless_told(workspace, case):
    for fields in ({"workspace": "elsewhere"}, {"workspace_id": "0" * 16}):
        sent = document_of(about("liver", "accept"), **fields)
        with pytest.raises(VerdictDocumentError, match="--any-workspace"):
            apply_verdict_document(workspace, sent)
    assert workspace.verdicts() == ()
    renamed = document_of(
        about("liver", "accept"), workspace="old name", workspace_id=workspace_id(workspace.layout)
    )
    assert apply_verdict_document(workspace, renamed).counts["done"] == 1
    assert apply_verdict_document(workspace, sent, any_workspace=True).counts["kept"] == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "expected an object"),
        ("accept", "expected an object"),
        ({"decision": ["accept"]}, "decision is of type list"),
        ({"decision": "accept all"}, "decision is 'accept all'"),
        ({"decision": "fix", "case": 7}, "case is of type int"),
        ({"decision": "fix", "case": ""}, "case is empty"),
        ({"decision": "fix", "case": "s0011"}, "needs a structure"),
        ({"decision": "fix", "case": "../../etc", "structure": "liver"}, "no case '../../etc'"),
        (about("liver\x1b[2J", "fix"), "letters that cannot be shown"),
        (about("liver", "fix", reason="\ud800"), "letters that cannot be shown"),
        (about("liver", "fix", reason="x" * 3000), "reason has 3000 letters"),
        (about("liver", "fix", seconds=float("nan")), "seconds is nan"),
        (about("liver", "fix", seconds=10**400), "seconds is inf"),
        (about("liver", "fix", seconds="3"), "seconds is of type str"),
        (about("liver", "fix", created="yesterday"), "created is 'yesterday'"),
        (about("liver", "fix", created="2026-01-01"), "with its zone"),
        (about("liver", "fix", created="0001-01-01T00:00:00+14:00"), "of this century"),
        (about("liver", "fix", id="uuid-1"), "stands in the document twice"),
        (about(None, "exclude_case"), "needs a reason"),
        (about("snail", "fix"), "snail"),
    ],
)
def test_one_bad_verdict_does_not_stop_the_others(workspace, case, wrong, said):
    good = about("spleen", "accept", id="uuid-1", created=ago(5))
    given = document_of()
    given["verdicts"] = [good, wrong]
    done, failed = apply_verdict_document(workspace, given).results
    assert (done.status, failed.status) == ("done", "failed")
    assert said in failed.note
    assert "verdict 2" in failed.note
    assert [v.structure for v in workspace.verdicts()] == ["spleen"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "found a list;"),
        ({}, "found no format;"),
        ({"format": "other"}, "found 'other';"),
        ({"format": "masksmith-verdicts"}, "needs a list"),
        ({"format": "masksmith-verdicts", "verdicts": "many"}, "needs a list"),
        (document_of(version=2), "version 2"),
        (document_of(version=True), "version is 'True'"),
        (document_of(by=["Anna"]), "by is of type list"),
        (document_of(sent="soon"), "sent is 'soon'"),
    ],
)
def test_what_is_no_such_document_is_refused(workspace, document, said):
    with pytest.raises(VerdictDocumentError, match=said):
        apply_verdict_document(workspace, document)


def test_too_many_verdicts_and_too_large_files_are_refused(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr("annotation.verdict_document.MAX_VERDICTS", 3)
    with pytest.raises(VerdictDocumentError, match="4 verdicts in one document"):
        apply_verdict_document(workspace, document_of(*[about("liver", "fix")] * 4))
    monkeypatch.setattr("annotation.verdict_document.MAX_BYTES", 10)
    (tmp_path / "huge.json").write_text(json.dumps(document_of()))
    with pytest.raises(VerdictDocumentError, match="expected a verdict document of at most"):
        read_verdict_document(tmp_path / "huge.json")


@pytest.mark.parametrize("text", ["", "{", "\x00\xff", "[" * 200_000, '{"a":' + "9" * 9000 + "}"])
def test_files_that_are_no_json_are_refused(tmp_path, text):
    path = tmp_path / "verdicts.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(VerdictDocumentError, match=r"verdicts\.json: cannot be read as JSON"):
        read_verdict_document(path)


def test_the_command_says_what_was_not_recorded(workspace, case, tmp_path, capsys):
    path = tmp_path / "verdicts-workspace-2026-03-01.json"
    path.write_text(json.dumps(document_of(about("liver", "accept"), about("snail", "fix"))))
    words = ["verdicts", "import", str(path), "--workspace", str(workspace.path)]
    assert main(words) == 8
    said = capsys.readouterr()
    assert (
        said.out.splitlines()[-1] == f"{path.name}: 1 done, 0 kept, 1 failed; 1 verdicts recorded"
    )
    assert "s0011 snail" in said.err
    assert main([*words, "--json"]) == 8
    [applied] = json.loads(capsys.readouterr().out)["files"].values()
    assert applied["counts"] == {"done": 0, "kept": 1, "failed": 1}
    assert [v.by for v in workspace.verdicts()] == ["Anna"]


def test_the_command_refuses_what_is_not_for_it(workspace, tmp_path, capsys):
    path = tmp_path / "verdicts.json"
    words = ["verdicts", "import", str(path), "--workspace", str(workspace.path)]
    assert main(words) == 2
    path.write_text("[]")
    assert main(words) == 4
    assert f"{path}: no verdict document" in capsys.readouterr().err
    path.write_text(json.dumps(document_of()))
    assert main(words) == 3
