import pytest
from pydantic import Field

from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import (
    Outcome,
    Stage,
    StageSettings,
    load_settings,
    run_stage,
    run_stage_on_files,
)
from pipeline.workspace import WorkspaceBusy


class Settings(StageSettings):
    size: int = Field(3, description="How many.", ge=1)
    names: list[str] = Field(default_factory=list, description="Which.")


def run(workspace, settings, engine):
    for number in range(settings.size):
        yield Outcome(f"s{number}", "failed" if number == 1 else "done", "note", {"n": number})


STAGE = Stage("sample", "A sample.", Settings, run)


def test_settings_come_from_file_environment_and_flags_in_that_order(tmp_path, monkeypatch):
    assert load_settings(STAGE, tmp_path).size == 3
    (tmp_path / "sample.yaml").write_text("size: 5\nnames: [a]\n")
    assert load_settings(STAGE, tmp_path).size == 5
    monkeypatch.setenv("MASKSMITH_SAMPLE_SIZE", "6")
    assert load_settings(STAGE, tmp_path).size == 6
    assert load_settings(STAGE, tmp_path, {"size": 7, "names": None}).size == 7
    assert load_settings(STAGE, tmp_path, {"names": None}).names == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sise: 5", "'sise' is not known; did you mean 'size'"),
        ("size: none at all", "setting 'size'"),
        ("size: 0", "greater than or equal to 1, found 0"),
        ("- 5", "expected 'setting: value' lines"),
        ("size: [", "no valid YAML"),
    ],
)
def test_wrong_settings_are_named_with_their_file(tmp_path, text, words):
    (tmp_path / "sample.yaml").write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_settings(STAGE, tmp_path)
    assert "sample.yaml" in str(caught.value)


def test_a_stage_runs_on_files_alone_only_if_it_can():
    def run_on_files(settings, engine):
        yield from run(None, settings, engine)

    able = Stage("sample", "A sample.", Settings, run, run_on_files=run_on_files)
    report = run_stage_on_files(able, Settings(size=2), SerialEngine())
    assert [outcome.subject for outcome in report.outcomes] == ["s0", "s1"]
    assert report.run_id is None
    with pytest.raises(UsageError, match="sample: needs a workspace"):
        run_stage_on_files(STAGE, Settings(), SerialEngine())


def test_a_run_is_recorded_with_every_outcome(workspace):
    seen = []
    report = run_stage(STAGE, workspace, Settings(), SerialEngine(), on_outcome=seen.append)
    assert seen == list(report.outcomes)
    assert (report.count("done"), report.count("failed")) == (2, 1)
    assert [outcome.subject for outcome in report.failures] == ["s1"]
    (record,) = workspace.ledger.runs("sample")
    assert record.settings == {"size": 3, "names": []}
    assert record.ended is not None
    assert report.run_id is not None
    kept = workspace.ledger.outcomes(report.run_id)
    assert [(o.subject, o.status, o.figures) for o in kept] == [
        ("s0", "done", {"n": 0}),
        ("s1", "failed", {"n": 1}),
        ("s2", "done", {"n": 2}),
    ]


def test_a_stage_that_cannot_run_leaves_the_workspace_free(workspace):
    def refuse(workspace, settings, engine):
        raise BadInput("no")
        yield

    with pytest.raises(BadInput):
        run_stage(Stage("x", "", Settings, refuse), workspace, Settings(), SerialEngine())
    run_stage(STAGE, workspace, Settings(), SerialEngine())
    assert [run.ended is None for run in workspace.ledger.runs()] == [True, False]


def test_a_dry_run_is_not_recorded(workspace):
    class DrySettings(Settings):
        dry_run: bool = Field(False, description="Change nothing.")

    dry = Stage("dry", "", DrySettings, run)
    report = run_stage(dry, workspace, DrySettings(dry_run=True), SerialEngine())
    assert (report.run_id, len(report.outcomes)) == (None, 3)
    assert workspace.ledger.runs() == ()
    assert run_stage(dry, workspace, DrySettings(), SerialEngine()).run_id == 1


def test_two_stages_never_run_at_once(workspace):
    with workspace.driver_lock("gallery"), pytest.raises(WorkspaceBusy, match="gallery"):
        run_stage(STAGE, workspace, Settings(), SerialEngine())


def test_what_only_a_person_may_see_is_never_recorded(workspace):
    def run_shown(workspace, settings, engine):
        shown = Outcome("/data/ERNA/liver.nii", "done", "liver", {"rows": [{"file": "ERNA"}]})
        yield Outcome("file 1a2b", "done", "1 stored", {"n": 1}, shown=shown)

    seen = []
    stage = Stage("sample", "A sample.", Settings, run_shown)
    report = run_stage(stage, workspace, Settings(), SerialEngine(), on_outcome=seen.append)
    assert [outcome.subject for outcome in report.outcomes] == ["/data/ERNA/liver.nii"]
    assert seen == list(report.outcomes)
    (kept,) = workspace.ledger.outcomes(report.run_id)
    assert (kept.subject, kept.note, kept.figures) == ("file 1a2b", "1 stored", {"n": 1})
    assert b"ERNA" not in workspace.layout.ledger_file.read_bytes()
