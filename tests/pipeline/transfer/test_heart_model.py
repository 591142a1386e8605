"""A real small nnU-Net on bright bodies: three of them stand for structures of the heart."""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.errors import UsageError
from pipeline.stage import Outcome
from pipeline.transfer.heart_manifest import HEART_STRUCTURES, MAKER
from pipeline.transfer.heart_model import SUBJECT, train_and_predict
from pipeline.workspace import Provenance, Verdict, Workspace, digest_of_manifest
from pipeline.workspace.doctor import examine
from tests.fixtures.heart_workspaces import (
    EXCLUDED,
    NEW,
    PAIRS,
    TAUGHT,
    Settings,
    add,
    make_workspace,
    write_profile,
)
from tests.fixtures.tiny_models import bright_body


@dataclass
class Trained:
    workspace: Workspace
    settings: Settings
    outcomes: list[Outcome] = field(default_factory=list)

    def again(self, workspace: Workspace, **changes: object) -> list[Outcome]:
        settings = replace(self.settings, **changes)
        return list(train_and_predict(workspace, settings, PAIRS, SerialEngine()))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("heart")
    workspace = make_workspace(folder / "workspace")
    result = Trained(workspace, Settings(write_profile(folder / "configs")))
    result.outcomes = result.again(workspace)
    return result


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Workspace:
    """Copy the trained workspace, so that a test may change it."""
    shutil.copytree(trained.workspace.path, tmp_path / "copy")
    return Workspace.open(tmp_path / "copy")


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


@pytest.mark.slow
def test_one_model_learns_from_both_kinds_of_scans_and_predicts_the_dataset(trained: Trained):
    model, *others = trained.outcomes
    assert (model.subject, model.status) == (SUBJECT, "done")
    assert model.note == "learned 3 structures from 2 contrast and 2 native cases"
    assert set(model.figures["left_out_structures"]) == set(HEART_STRUCTURES) - set(TAUGHT)
    assert {(o.subject, o.status) for o in others} == {
        (name, "done") for name in ("c1", "c2", "n1", "n2", NEW)
    }
    assert {o.note for o in others if o.subject == NEW} == {"3 of 3 structures found"}


@pytest.mark.slow
def test_the_prediction_of_an_unseen_case_is_right(trained: Trained):
    _, labels, _ = bright_body(11)
    found = trained.workspace.in_force(NEW)
    assert set(found) == set(TAUGHT)
    scores = {
        name: dice(trained.workspace.mask_array(found[name]), labels == value)
        for value, name in enumerate(TAUGHT, start=1)
    }
    assert min(scores.values()) > 0.7, scores


@pytest.mark.slow
def test_a_carried_mask_stays_in_force_over_the_prediction(trained: Trained):
    in_force = trained.workspace.in_force("n1")
    assert {mask.origin for mask in in_force.values()} == {"transfer"}
    makers = {m.provenance.maker for m in trained.workspace.masks("n1", TAUGHT[0])}
    assert makers == {"transfer:heart", MAKER}


@pytest.mark.slow
def test_a_prediction_leads_back_to_the_carried_masks(trained: Trained):
    workspace = trained.workspace
    made = workspace.in_force(NEW)["pulmonary_artery"].provenance
    assert (made.origin, made.maker, made.priority) == ("model", MAKER, 40)
    folder = workspace.layout.models_dir / "heart_transfer" / made.sources["manifest"][:12]
    assert digest_of_manifest(folder / "manifest.json") == made.sources["manifest"]
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    carried = {m.id for m in workspace.masks("n1") if m.origin == "transfer"}
    assert cases["n1"]["role"] == "native"
    assert {s["mask"] for s in cases["n1"]["masks"].values()} < carried
    record = json.loads(
        (workspace.path / made.sources["model_folder"] / "masksmith_model.json").read_text()
    )
    assert record["weights_digest"] == made.sources["weights"]


@pytest.mark.slow
def test_an_excluded_case_is_not_predicted(trained: Trained):
    assert trained.workspace.masks(EXCLUDED) == ()


@pytest.mark.slow
def test_a_second_run_keeps_everything(trained: Trained):
    before = [mask.id for record in trained.workspace.records() for mask in record.masks]
    outcomes = trained.again(trained.workspace)
    assert {outcome.status for outcome in outcomes} == {"kept"}
    assert len(outcomes) == 6
    after = [mask.id for record in trained.workspace.records() for mask in record.masks]
    assert after == before


@pytest.mark.slow
def test_a_new_case_is_predicted_without_training_again(trained: Trained, copied: Workspace):
    add(copied, "late", 13, None)
    outcomes = {outcome.subject: outcome.status for outcome in trained.again(copied)}
    assert outcomes["late"] == "done"
    assert {status for name, status in outcomes.items() if name != "late"} == {"kept"}


@pytest.mark.slow
def test_decided_structures_are_left_alone(trained: Trained, copied: Workspace):
    add(copied, "late", 13, Provenance("human", "person:anna"))
    mask = copied.in_force("late")["pulmonary_artery"]
    copied.record_verdicts(
        [
            Verdict("late", "accept", "anna", mask.structure, mask.id),
            Verdict("late", "absent_fov", "anna", "heart_myocardium"),
        ]
    )
    trained.again(copied)
    predicted = {m.structure for m in copied.masks("late") if m.provenance.maker == MAKER}
    assert predicted == {"heart_ventricle_left"}
    assert copied.in_force("late")["pulmonary_artery"].id == mask.id


@pytest.mark.slow
def test_an_unreadable_ct_fails_alone(trained: Trained, copied: Workspace):
    add(copied, "broken", 14, None)
    add(copied, "late", 13, None)
    copied.layout.ct("broken").write_bytes(b"no image")
    outcomes = {outcome.subject: outcome for outcome in trained.again(copied)}
    assert outcomes["broken"].status == "failed"
    assert "broken" in outcomes["broken"].note
    assert outcomes["late"].status == "done"
    assert copied.masks("broken") == ()


@pytest.mark.slow
def test_the_doctor_finds_nothing_wrong(trained: Trained):
    assert [(f.kind, f.subject) for f in examine(trained.workspace)] == []


@pytest.mark.slow
def test_other_pairs_make_another_model_beside_the_first(trained: Trained, copied: Workspace):
    first = copied.in_force(NEW)["pulmonary_artery"].provenance.sources
    outcomes = list(train_and_predict(copied, trained.settings, PAIRS[:1], SerialEngine()))
    assert outcomes[0].note == "learned 3 structures from 1 contrast and 1 native cases"
    assert {outcome.status for outcome in outcomes} == {"done"}
    second = copied.in_force(NEW)["pulmonary_artery"].provenance.sources
    assert second["manifest"] == outcomes[0].figures["manifest"] != first["manifest"]
    folders = {path.name for path in (copied.layout.models_dir / "heart_transfer").iterdir()}
    assert folders == {first["manifest"][:12], second["manifest"][:12]}


def test_without_pairs_the_model_is_one_failed_outcome(tmp_path: Path):
    workspace = make_workspace(tmp_path / "workspace")
    settings = Settings(write_profile(tmp_path / "configs"))
    outcomes = list(train_and_predict(workspace, settings, [], SerialEngine()))
    assert [(o.subject, o.status) for o in outcomes] == [(SUBJECT, "failed")]
    assert "expected at least one pair" in outcomes[0].note
    assert not (workspace.layout.models_dir / "heart_transfer").exists()


def test_an_unknown_profile_is_named(tmp_path: Path):
    workspace = make_workspace(tmp_path / "workspace")
    settings = Settings(write_profile(tmp_path / "configs"), profile="huge")
    with pytest.raises(UsageError, match="no profile 'huge'"):
        list(train_and_predict(workspace, settings, PAIRS, SerialEngine()))
