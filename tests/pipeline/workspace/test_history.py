"""The chain from a mask in force down to where it comes from."""

import json

import numpy as np
import pytest

from pipeline.errors import NothingToDo
from pipeline.workspace import Provenance, Verdict, digest_of_manifest, write_mask
from pipeline.workspace.history import mask_history

MADE = "2026-01-01T00:00:00.000000+00:00"


@pytest.fixture
def case(add_case):
    return add_case("s0001")


def add(workspace, case, voxels, **made):
    array = np.zeros(case.grid.shape, bool)
    array.reshape(-1)[:voxels] = True
    provenance = Provenance(**{"created": MADE, **made})
    mask = write_mask(workspace.layout, case, "liver", array, provenance)
    workspace.record_masks([mask])
    return mask


def kinds(history):
    return [(step.depth, step.kind, step.found) for step in history.steps]


def test_a_round_leads_to_its_manifest_and_model(workspace, case):
    path = workspace.layout.manifest(1)
    path.parent.mkdir(parents=True)
    models = {"all": {"cases": {"s0007": {"liver": {}}, "s0008": {"spleen": {}}}}}
    path.write_text(json.dumps({"round": 1, "created": MADE, "models": models}))
    (workspace.path / "rounds" / "1" / "all").mkdir()
    sources = {
        "manifest": digest_of_manifest(path),
        "weights": "ab" * 32,
        "model_folder": "rounds/1/all",
    }
    add(workspace, case, 9, origin="round", maker="round:1", round=1, sources=sources)
    history = mask_history(workspace, "s0001", "liver")
    assert kinds(history) == [
        (0, "mask", True), (1, "manifest", True), (1, "weights", None), (1, "model_folder", True),
    ]  # fmt: skip
    manifest = history.steps[1]
    assert manifest.what == "what round 1 was trained on: liver in 1 cases (s0007)"
    assert manifest.created == MADE


@pytest.mark.parametrize("content", ['{"round": 2}', "no JSON", None])
def test_a_manifest_that_changed_is_not_found(workspace, case, content):
    path = workspace.layout.manifest(1)
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    sources = {"manifest": "c" * 64}
    add(workspace, case, 9, origin="round", maker="round:1", round=1, sources=sources)
    assert mask_history(workspace, "s0001", "liver").steps[1].found is False


def test_a_corrected_mask_leads_to_its_parent_and_its_card(workspace, case):
    card = workspace.layout.models_dir / "cards" / f"{'d' * 12}.yaml"
    card.parent.mkdir(parents=True)
    card.write_text("name: btcv\n")
    first = add(
        workspace, case, 5, origin="model", maker="model:btcv", sources={"model_card": "d" * 64}
    )
    second = add(workspace, case, 7, origin="human", maker="person:anna", parents=(first.id,))
    accept = Verdict("s0001", "accept", "ben", "liver", second.id, reason="fine")
    workspace.record_verdicts([accept])
    history = mask_history(workspace, "s0001", "liver")
    assert kinds(history) == [
        (0, "mask", True), (1, "verdict", None), (1, "mask", True), (2, "model_card", True),
    ]  # fmt: skip
    assert history.steps[1].what == "accept by ben: fine"
    assert [step.digest for step in history.steps if step.kind == "mask"] == [second.id, first.id]
    assert {mask.id for mask in history.revisions} == {first.id, second.id}


def test_a_parent_that_is_not_in_the_ledger_is_named(workspace, case):
    add(workspace, case, 7, origin="human", maker="person:anna", parents=("e" * 64,))
    step = mask_history(workspace, "s0001", "liver").steps[1]
    assert (step.what, step.digest) == ("a mask not in the ledger", "e" * 64)


def test_an_absent_structure_has_no_mask_in_force_and_says_who_said_so(workspace, case):
    add(workspace, case, 7, origin="model", maker="model:x")
    verdict = Verdict("s0001", "absent_anatomy", "ben", "liver", reason="transplanted")
    workspace.record_verdicts([verdict])
    with pytest.raises(NothingToDo, match=r"ben called 'liver' absent_anatomy .*\(transplanted\)"):
        mask_history(workspace, "s0001", "liver")


def test_a_structure_nobody_looked_at_has_no_history(workspace, case):
    with pytest.raises(NothingToDo, match="has no mask of 'spleen', and nobody has called it"):
        mask_history(workspace, "s0001", "spleen")
