"""The stage on a workspace: accepted masks as truth, one side of a split."""

import csv
import json

import pytest

from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, NothingToDo, UsageError
from pipeline.stage import run_stage
from pipeline.volume import write_nifti
from pipeline.workspace import Provenance, Verdict
from tests.fixtures.tiny_models import tiny_profile
from training.evaluate import STAGE
from training.evaluation.settings import EvaluateSettings
from training.retrain_settings import RetrainSettings
from training.round_manifest import freeze_round


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def judged(workspace, add_case, add_masks):
    """Three cases: accepted human masks beside those of round 1, liver missing in c2's."""
    for case_id, patient in (("c1", "p1"), ("c2", "p2"), ("c3", "p2")):
        case = add_case(case_id, patient_id=patient, phase="native", meta={"age": "52"})
        made = add_masks(case, Provenance("human", "person:anna"))
        add_masks(case, Provenance("round", "round:1", round=1))
        verdicts = [
            Verdict(case_id, "accept", "anna", name, mask.id) for name, mask in made.items()
        ]
        verdicts.append(Verdict(case_id, "absent_fov", "anna", "brain"))
        if case_id == "c3":
            verdicts = verdicts[:1]
        workspace.record_verdicts(verdicts)
    (workspace.path / "split.csv").write_text(
        "case_id,patient_id,split\nc1,p1,train\nc2,p2,test\nc3,p2,test\n"
    )
    return workspace


def evaluate_in(workspace, **changes):
    given = {"predictions": "round:1", "resamples": 200, "figures": False, **changes}
    return run_stage(STAGE, workspace, EvaluateSettings.model_validate(given), SerialEngine())


def test_accepted_masks_of_the_test_side_are_the_truth(judged):
    report = evaluate_in(judged, split=str(judged.path / "split.csv"))
    assert report.failures == ()
    out = judged.path / "evaluations" / "round_1"
    rows = table(out / "metrics.csv")
    assert {row["case"] for row in rows} == {"c2", "c3"}
    assert sum(row["case"] == "c3" for row in rows) == 1  # the rest of it is undecided
    assert {row["patient"] for row in rows} == {"p2"}
    assert {row["phase"] for row in rows} == {"native"}
    assert {row["age"] for row in rows} == {"50-59"}
    assert {row["dice"] for row in rows if row["found"] == "both"} == {"1"}
    assert {row["truth_from_prediction"] for row in rows} == {""}
    assert judged.ledger.runs("evaluate")[0].settings["predictions"] == "round:1"


def test_a_split_is_found_by_the_name_of_its_model(judged):
    folder = judged.layout.final_model_dir("3mm")
    folder.mkdir(parents=True)
    (judged.path / "split.csv").rename(folder / "split.csv")
    evaluate_in(judged, split="3mm", side="train", out=judged.path / "out")
    assert {row["case"] for row in table(judged.path / "out" / "metrics.csv")} == {"c1"}


def test_truth_that_is_the_prediction_itself_is_told(judged):
    evaluate_in(judged, predictions="person:anna", split="all", out=judged.path / "out")
    rows = table(judged.path / "out" / "metrics.csv")
    assert {row["truth_from_prediction"] for row in rows} == {"yes"}
    summary = json.loads((judged.path / "out" / "summary.json").read_text())
    assert summary["overall"]["truth_from_prediction"] == len(rows)


def test_predictions_of_a_workspace_can_be_files(judged, tmp_path):
    folder = tmp_path / "files"
    for case_id in ("c1", "c3"):
        labels = judged.label_map(case_id)
        folder.mkdir(exist_ok=True)
        write_nifti(folder / f"{case_id}.nii.gz", labels, judged.case(case_id).grid)
    report = evaluate_in(
        judged, predictions=str(folder), split="all", out=tmp_path / "out", compare="round:1"
    )
    assert [outcome.subject for outcome in report.failures] == ["c2"]
    assert str(folder) in report.failures[0].note
    kept = judged.ledger.outcomes(report.run_id)
    assert not [row for row in kept if str(tmp_path) in row.note]
    rows = table(tmp_path / "out" / "metrics.csv")
    assert {row["case"] for row in rows} == {"c1", "c3"}
    # Absent by verdict, and a label map covers everything: nothing found there is no error.
    [brain] = [row for row in rows if row["structure"] == "brain"]
    assert (brain["case"], brain["found"]) == ("c1", "absent")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({}, UsageError, "--split CSV, --split MODEL .* or --split all"),
        ({"split": "nothing"}, NothingToDo, "no split 'nothing'"),
        ({"split": "all", "predictions": "round:2"}, NothingToDo, "did you mean round:1"),
        ({"predictions": None}, UsageError, "--predictions MAKER or PATH"),
        ({"split": "all", "class_map": "btcv"}, BadInput, "is not that of"),
    ],
)
def test_what_a_workspace_does_not_have_is_said(judged, changes, error, words):
    with pytest.raises(error, match=words):
        evaluate_in(judged, **changes)


def test_cases_that_taught_the_round_are_named(judged):
    settings = RetrainSettings(
        profile="tiny", profiles={"tiny": tiny_profile()}, allow_fewer=True, validation_cases=0
    )
    freeze_round(judged, settings)
    evaluate_in(judged, split=str(judged.path / "split.csv"), out=judged.path / "out")
    notes = json.loads((judged.path / "out" / "summary.json").read_text())["notes"]
    assert notes[0] == "2 of the cases taught round:1, so its figures flatter: c2, c3"
    assert notes[1].startswith("test side of ")
