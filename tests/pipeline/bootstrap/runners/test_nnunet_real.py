"""A real, small nnU-Net model, trained once for all tests, as an existing model of bootstrap."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.bootstrap.models import list_models, trust_model
from pipeline.stage import Outcome
from pipeline.workspace import Case, Workspace, digest_of_ct, write_case
from tests.fixtures.tiny_models import STRUCTURES, bright_body
from training.nnunet_model import NnunetModel, export_zip
from training.predict import PredictionInput, PredictSettings, predict_label_maps

TRUTH = {name: value for value, name in enumerate(STRUCTURES, start=1)}


def add_body(workspace: Workspace, case_id: str, seed: int, orientation: str) -> Case:
    ct, _, grid = bright_body(seed, orientation)
    case = Case(case_id, grid, digest_of_ct(ct, grid))
    write_case(workspace.layout, case, ct)
    workspace.record_case(case)
    return case


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def direct_predictions(
    model: NnunetModel, bodies: dict[str, tuple[int, str]], folder: Path
) -> dict[str, np.ndarray]:
    """Predict the same bodies without bootstrap, from arrays in memory."""
    inputs = []
    for case_id, (seed, orientation) in bodies.items():
        ct, _, grid = bright_body(seed, orientation)
        inputs.append(PredictionInput(case_id, partial(tuple, (ct, grid))))
    found = predict_label_maps(model, inputs, PredictSettings(folder))
    return {prediction.id: prediction.labels for prediction in found}


@pytest.mark.slow
def test_a_zipped_model_predicts_many_cases_and_one_bad_case_fails_alone(
    workspace: Workspace,
    configs: Path,
    tiny_model: NnunetModel,
    write_card: Callable[..., Path],
    run_bootstrap: Callable[..., list[Outcome]],
    tmp_path: Path,
) -> None:
    bodies = {"s0001": (100, "RAS"), "s0002": (101, "LPS"), "s0003": (102, "RAS")}
    for case_id, (seed, orientation) in bodies.items():
        add_body(workspace, case_id, seed, orientation)
    ct = workspace.layout.ct("s0003")
    ct.write_bytes(ct.read_bytes()[:-100])
    export_zip(tiny_model, tmp_path / "model.zip")
    weights = {"path": str(tmp_path / "model.zip")}
    write_card("net", runner="nnunet", weights=weights, labels=tiny_model.names_by_value)
    approval = trust_model(workspace, configs, "net")
    assert approval.digest == tiny_model.digest

    outcomes = {outcome.subject: outcome for outcome in run_bootstrap()}

    assert {subject: outcome.status for subject, outcome in outcomes.items()} == {
        "s0001": "done",
        "s0002": "done",
        "s0003": "failed",
    }
    assert "cannot be read to its end" in outcomes["s0003"].note
    direct = direct_predictions(tiny_model, bodies, tmp_path / "work")
    for case_id in ("s0001", "s0002"):
        truth = bright_body(*bodies[case_id])[1]
        expected = direct[case_id]
        masks = workspace.in_force(case_id)
        for value, name in tiny_model.names_by_value.items():
            np.testing.assert_array_equal(workspace.mask_array(masks[name]), expected == value)
        assert dice(workspace.mask_array(masks["liver"]), truth == TRUTH["liver"]) > 0.6
    made = workspace.in_force("s0001")["liver"].provenance
    assert made.sources["weights"] == tiny_model.digest
    assert [o.status for o in run_bootstrap(cases=["s0001", "s0002"])] == ["kept", "kept"]
    (status,) = list_models(workspace, configs)
    assert (status.trusted, status.problem) == (True, "")
    assert set(status.covered) == set(TRUTH)
    assert list(workspace.layout.scratch_dir.iterdir()) == []
