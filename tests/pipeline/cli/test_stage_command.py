"""The command that a stage gets: options, progress, summary, JSON, exit code."""

import json
from types import SimpleNamespace
from typing import Literal

import pytest
from pydantic import Field

from pipeline.cli import main as front
from pipeline.errors import BadInput
from pipeline.stage import Outcome, Stage, StageSettings
from pipeline.stages import STAGES, StageRef
from pipeline.workspace import Workspace


class CountSettings(StageSettings):
    """What the test stage can be told."""

    cases: tuple[str, ...] = Field((), description="Cases.", json_schema_extra={"cli": "argument"})
    break_at: str | None = Field(None, description="Fail this one.")
    mode: Literal["slow", "fast"] = Field("slow", description="How.")
    dry_run: bool = Field(False, description="Do nothing.")


def double(word: str) -> str:
    return word * 2


def run(workspace, settings, engine):
    if settings.mode == "fast":
        raise BadInput("cannot be fast: x.nii.gz is no CT")
    for result in engine.map(double, settings.cases):
        if result.item == settings.break_at:
            yield Outcome(result.item, "failed", "no HU range")
        else:
            status = "kept" if settings.dry_run else "done"
            yield Outcome(result.item, status, figures={"twice": result.value})


STAGE = Stage("count", "Count the cases.", CountSettings, run)


@pytest.fixture
def count(tmp_path, monkeypatch):
    """Run `masksmith count WORDS` on a fresh workspace."""
    ref = StageRef("count", "nowhere", "Count the cases.")
    monkeypatch.setattr(StageRef, "load", lambda self: STAGE)
    monkeypatch.setitem(front.cli._refs, "count", front._stage(ref))
    monkeypatch.setattr(front.cli, "_loaded", {})
    path = Workspace.create(tmp_path / "ws").path
    (tmp_path / "configs").mkdir()

    def call(*words):
        shared = ["--workspace", str(path), "--configs", str(tmp_path / "configs"), "-j", "1"]
        return front.main(["count", *words, *shared])

    call.configs = tmp_path / "configs"
    call.workspace = Workspace.open(path)
    return call


def test_the_summary_goes_to_stdout_and_the_lines_to_stderr(count, capsys):
    assert count("a", "b") == 0
    out, err = capsys.readouterr()
    assert out.startswith("count: 2 done, 0 kept, 0 failed in ")
    assert err.splitlines() == ["done   a", "done   b"]


def test_a_failed_case_gives_8_after_all_others_ran(count, capsys):
    assert count("a", "b", "c", "--break-at", "b", "--no-progress") == 8
    out, err = capsys.readouterr()
    assert "count: 2 done, 0 kept, 1 failed" in out
    assert err == "failed b: no HU range\n"


def test_json_is_one_document(count, capsys):
    assert count("a", "b", "--break-at", "b", "--json") == 8
    document = json.loads(capsys.readouterr().out)
    assert document["stage"] == "count"
    assert document["counts"] == {"done": 1, "kept": 0, "failed": 1}
    assert document["outcomes"] == [
        {"subject": "a", "status": "done", "note": "", "figures": {"twice": "aa"}},
        {"subject": "b", "status": "failed", "note": "no HU range", "figures": {}},
    ]


def test_nothing_to_do_is_3(count, capsys):
    assert count() == 3
    assert "count: nothing to do" in capsys.readouterr().err


def test_nothing_to_do_names_what_comes_first(tmp_path, capsys):
    Workspace.create(tmp_path / "lab")
    assert front.main(["plausibility", "--workspace", str(tmp_path / "lab")]) == 3
    said = capsys.readouterr().err
    assert (
        f"plausibility: nothing to do in {tmp_path / 'lab'}; run bootstrap or retrain first" in said
    )


def test_what_the_stage_refuses_has_its_own_code(count, capsys):
    assert count("a", "--mode", "fast") == 4
    assert capsys.readouterr().err == "masksmith: error: cannot be fast: x.nii.gz is no CT\n"


def test_a_wrong_flag_is_2(count, capsys):
    assert count("a", "--mode", "other") == 2
    assert "'other' is not one of 'slow', 'fast'" in capsys.readouterr().err


def test_dry_run_is_offered_as_n(count, capsys):
    assert count("a", "-n") == 0
    assert "0 done, 1 kept" in capsys.readouterr().out


def test_settings_file_then_environment_then_flags(count, capsys, monkeypatch):
    (count.configs / "count.yaml").write_text("break_at: a\n")
    assert count("a") == 8
    monkeypatch.setenv("MASKSMITH_COUNT_BREAK_AT", "b")
    assert count("a") == 0
    assert count("a", "--break-at", "a") == 8
    (count.configs / "count.yaml").write_text("brake_at: a\n")
    assert count("a") == 2
    assert "brake_at" in capsys.readouterr().err


def test_help_shows_what_the_settings_file_says(count, capsys, monkeypatch):
    (count.configs / "count.yaml").write_text("mode: fast\n")
    monkeypatch.setenv("MASKSMITH_CONFIGS", str(count.configs))
    assert front.main(["count", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Count the cases." in text
    assert "How. [default: slow; settings file: fast]" in text
    assert "configs/count.yaml" in text


def test_the_run_and_its_outcomes_are_recorded(count):
    count("a", "b", "--break-at", "b")
    (done,) = count.workspace.ledger.runs("count")
    kept = count.workspace.ledger.outcomes(done.id)
    assert [(o.subject, o.status) for o in kept] == [("a", "done"), ("b", "failed")]


def test_many_failures_are_cut_short(count, capsys):
    from pipeline.cli.stage_command import _write_summary

    failures = tuple(Outcome(f"s{n}", "failed", "no") for n in range(25))
    report = SimpleNamespace(failures=failures, count=lambda status: 25)
    _write_summary(STAGE, report, 1.0)
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 21
    assert err[-1] == "... and 5 more; --json lists all"


@pytest.mark.parametrize("ref", STAGES, ids=lambda ref: ref.name)
def test_every_stage_has_a_command_with_help(ref, capsys):
    assert front.main([ref.name, "--help"]) == 0
    assert ref.load().summary in " ".join(capsys.readouterr().out.split())


def test_a_stage_with_a_table_writes_its_rows_before_the_summary(count, monkeypatch, capsys):
    def run_rows(workspace, settings, engine):
        yield Outcome("a", "done", figures={"rows": [{"name": "liver", "ml": 1043.5, "x": 1}]})
        yield Outcome("b", "failed", "no", figures={"rows": [{"name": "spleen"}]})

    stage = Stage("count", "Count.", CountSettings, run_rows, table=("name", "ml"))
    monkeypatch.setattr(StageRef, "load", lambda self: stage)
    assert count("one") == 8
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["name", "ml"],
        ["liver", "1044"],
        ["spleen", "–"],
    ]
    assert lines[3].startswith("count: 1 done, 0 kept, 1 failed")
    assert count("one", "--json") == 8
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["figures"]["rows"][0]["x"] == 1
