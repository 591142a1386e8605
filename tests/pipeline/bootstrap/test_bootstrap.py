import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.bootstrap import STAGE, card_snapshot
from pipeline.bootstrap.card_file import CardError
from pipeline.engine import ProcessEngine, SerialEngine
from pipeline.errors import MissingDependency, NothingToDo, UsageError
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.workspace import Case, Mask, Verdict, Workspace, read_case
from tests.pipeline.bootstrap.conftest import prediction

Run = Callable[..., list[Outcome]]
WriteCard = Callable[..., Path]
LIVER_AND_SPLEEN = {1: "liver", 2: "spleen"}


@pytest.fixture
def case(add_case: Callable[..., Case]) -> Case:
    return add_case("s0001")


@pytest.fixture
def two_models(
    case: Case, write_card: WriteCard, write_prediction: Callable[..., Path], tmp_path: Path
) -> dict[str, str]:
    """Two models that both see the liver: in other places, so that one can tell whose it is."""
    write_card("model_b", priority=20, labels={1: "liver"})
    write_card("model_a", priority=10, labels=LIVER_AND_SPLEEN)
    write_prediction("a/s0001.nii.gz", prediction(case.grid, {1: 1, 2: 2}), case.grid)
    write_prediction("b/s0001.nii.gz", prediction(case.grid, {4: 1}), case.grid)
    folder = tmp_path / "predictions"
    return {"model_a": str(folder / "a"), "model_b": str(folder / "b")}


def in_force(workspace: Workspace) -> dict[str, str]:
    return {name: mask.id for name, mask in workspace.in_force("s0001").items()}


def fresh_index(workspace: Workspace, *masks: Mask) -> Workspace:
    """Open the workspace with a new ledger that knows its case and some masks."""
    workspace.ledger.close()
    workspace.layout.ledger_file.unlink()
    again = Workspace.open(workspace.path)
    again.record_case(read_case(workspace.layout, "s0001"))
    again.record_masks(masks)
    return again


def test_the_higher_priority_counts_for_a_shared_structure(
    workspace: Workspace, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    outcomes = run_bootstrap(weights=two_models)
    assert [(o.figures["model"], o.status) for o in outcomes] == [
        ("model_b", "done"),
        ("model_a", "done"),
    ]
    masks = workspace.in_force("s0001")
    assert masks["liver"].provenance.maker == "model:model_b"
    assert masks["liver"].voxels == 140
    assert masks["spleen"].provenance.maker == "model:model_a"
    assert len(workspace.masks("s0001", "liver")) == 2


def test_the_order_of_models_runs_and_files_changes_nothing(
    workspace: Workspace, configs: Path, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    run_bootstrap(weights=two_models, models=["model_a", "model_b"])
    first = in_force(workspace)
    shutil.rmtree(workspace.layout.masks_dir("s0001"))
    again = fresh_index(workspace)
    folder = configs / "bootstrap" / "models"
    cards = {path.name: path.read_bytes() for path in folder.glob("*.yaml")}
    shutil.rmtree(folder)
    folder.mkdir()
    for name in sorted(cards):
        (folder / name).write_bytes(cards[name])
    for model in ("model_b", "model_a"):
        settings = load_settings(STAGE, configs, {"weights": two_models, "models": [model]})
        run_stage(STAGE, again, settings, ProcessEngine(2))
    assert in_force(again) == first
    assert len(first) == 2


def test_equal_priorities_stop_before_any_work(
    workspace: Workspace, two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    write_card("model_b", priority=10, labels={1: "liver"})
    with pytest.raises(CardError, match="'model_a' and 'model_b' both have priority 10"):
        run_bootstrap(weights=two_models)
    assert workspace.masks("s0001") == ()
    assert run_bootstrap(weights=two_models, models=["model_a"])[0].status == "done"


def test_running_again_keeps_what_is_there(
    workspace: Workspace, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    run_bootstrap(weights=two_models)
    before = workspace.masks("s0001")
    outcomes = run_bootstrap(weights=two_models)
    assert [outcome.status for outcome in outcomes] == ["kept", "kept"]
    assert outcomes[1].note == "model_a: 2 structures are there already"
    assert workspace.masks("s0001") == before


def test_a_changed_card_gives_new_revisions(
    workspace: Workspace, two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    run_bootstrap(weights=two_models)
    write_card("model_a", priority=30, labels=LIVER_AND_SPLEEN)
    outcomes = run_bootstrap(weights=two_models)
    assert {o.figures["model"]: o.status for o in outcomes} == {
        "model_a": "done",
        "model_b": "kept",
    }
    assert len(workspace.masks("s0001", "spleen")) == 2
    liver = workspace.in_force("s0001")["liver"].provenance
    assert (liver.maker, liver.priority) == ("model:model_a", 30)
    assert len(list((workspace.layout.models_dir / "cards").iterdir())) == 3


def test_a_bias_learned_of_later_is_written_down_without_new_masks(
    workspace: Workspace, two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    run_bootstrap(weights=two_models)
    write_card("model_a", labels=LIVER_AND_SPLEEN, known_bias="spleens too small")
    assert [outcome.status for outcome in run_bootstrap(weights=two_models)] == ["kept", "kept"]
    card = workspace.in_force("s0001")["spleen"].provenance.sources["model_card"]
    assert "known_bias: spleens too small" in card_snapshot(workspace, card).read_text()


def test_a_changed_prediction_gives_new_revisions(
    workspace: Workspace,
    case: Case,
    two_models: dict[str, str],
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    run_bootstrap(weights=two_models, models=["model_a"])
    write_prediction("a/s0001.nii.gz", prediction(case.grid, {2: 1, 1: 2}), case.grid)
    (outcome,) = run_bootstrap(weights=two_models, models=["model_a"])
    assert outcome.status == "done"
    assert workspace.in_force("s0001")["liver"].voxels == 288


def test_a_lower_priority_and_the_way_back_take_effect(
    workspace: Workspace, two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    makers = []
    for priority in (30, 10, 30, 30):
        write_card("model_a", priority=priority, labels=LIVER_AND_SPLEEN)
        outcomes = {o.figures["model"]: o.status for o in run_bootstrap(weights=two_models)}
        makers.append((outcomes["model_a"], workspace.in_force("s0001")["liver"].provenance.maker))
    assert makers == [
        ("done", "model:model_a"),
        ("done", "model:model_b"),
        ("done", "model:model_a"),
        ("kept", "model:model_a"),
    ]


def test_an_unfinished_case_is_finished(
    workspace: Workspace, configs: Path, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    """A run that died between two mask files leaves a part; the index rebuilt from files has it."""
    run_bootstrap(weights=two_models, models=["model_a"])
    undisturbed = in_force(workspace)
    spleen = workspace.in_force("s0001")["spleen"]
    kept = workspace.in_force("s0001")["liver"]
    workspace.layout.mask("s0001", "spleen", spleen.id).unlink()
    again = fresh_index(workspace, kept)
    settings = load_settings(STAGE, configs, {"weights": two_models, "models": ["model_a"]})
    outcomes = run_stage(STAGE, again, settings, SerialEngine()).outcomes
    assert [outcome.status for outcome in outcomes] == ["done"]
    assert in_force(again) == undisturbed


def test_a_missing_model_does_not_stop_the_others(
    workspace: Workspace, two_models: dict[str, str], run_bootstrap: Run, tmp_path: Path
) -> None:
    outcomes = run_bootstrap(weights=two_models | {"model_b": str(tmp_path / "gone")})
    assert [(o.subject, o.status) for o in outcomes] == [
        ("model:model_b", "failed"),
        ("s0001", "done"),
    ]
    assert "model 'model_b': predictions missing: no folder" in outcomes[0].note
    assert set(workspace.in_force("s0001")) == {"liver", "spleen"}


def test_no_model_at_all_is_a_missing_dependency(
    two_models: dict[str, str], run_bootstrap: Run
) -> None:
    with pytest.raises(MissingDependency) as caught:
        run_bootstrap()
    assert caught.value.exit_code == 5
    assert "model 'model_a': predictions missing" in str(caught.value)
    assert "model 'model_b': predictions missing" in str(caught.value)


def test_a_broken_card_stops_before_any_work(
    workspace: Workspace, two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    write_card("model_c", labels={1: "livr"})
    with pytest.raises(CardError, match=r"model_c\.yaml: labels\.1: found 'livr'.*liver"):
        run_bootstrap(weights=two_models)
    assert workspace.masks("s0001") == ()
    assert len(run_bootstrap(weights=two_models, models=["model_a", "model_b"])) == 2


def test_a_card_that_is_switched_off_runs_only_by_name(
    two_models: dict[str, str], write_card: WriteCard, run_bootstrap: Run
) -> None:
    write_card("model_b", priority=20, labels={1: "liver"}, enabled=False)
    assert [o.figures["model"] for o in run_bootstrap(weights=two_models)] == ["model_a"]
    outcomes = run_bootstrap(weights=two_models, models=["model_b"])
    assert [(o.figures["model"], o.status) for o in outcomes] == [("model_b", "done")]


def test_without_any_card_there_is_an_error(case: Case, configs: Path, run_bootstrap: Run) -> None:
    with pytest.raises(CardError, match="no model card is switched on in"):
        run_bootstrap()


def test_a_place_for_an_unknown_card_is_a_usage_error(
    two_models: dict[str, str], run_bootstrap: Run
) -> None:
    with pytest.raises(UsageError, match=r"found 'model_aa'.*did you mean model_a"):
        run_bootstrap(weights={"model_aa": "x"})


def test_excluded_cases_are_left_alone_unless_named(
    workspace: Workspace, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    workspace.record_verdicts([Verdict("s0001", "exclude_case", "anna")])
    assert run_bootstrap(weights=two_models) == []
    assert len(run_bootstrap(weights=two_models, cases=["s0001"])) == 2


def test_an_unknown_case_is_named(two_models: dict[str, str], run_bootstrap: Run) -> None:
    with pytest.raises(NothingToDo, match="no case 's0002'"):
        run_bootstrap(weights=two_models, cases=["s0002"])


def test_a_human_mask_stays_in_force(
    workspace: Workspace,
    case: Case,
    two_models: dict[str, str],
    add_masks: Callable[..., dict[str, object]],
    run_bootstrap: Run,
) -> None:
    from pipeline.workspace import Provenance

    add_masks(case, Provenance("human", "person:anna"))
    run_bootstrap(weights=two_models)
    assert workspace.in_force("s0001")["liver"].provenance.maker == "person:anna"


def test_what_the_run_found_is_in_the_ledger(
    workspace: Workspace,
    case: Case,
    two_models: dict[str, str],
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
) -> None:
    write_prediction("a/s0001.nii.gz", prediction(case.grid, {1: 1, 3: 77}), case.grid)
    run_bootstrap(weights=two_models, models=["model_a"])
    (outcome,) = workspace.ledger.outcomes(workspace.ledger.runs()[-1].id)
    assert outcome.subject == "s0001"
    assert outcome.figures["unmatched"] == {"value 77": 140}


def test_a_card_for_predictions_that_nobody_named_keeps_silent_beside_other_models(
    workspace: Workspace, two_models: dict[str, str], run_bootstrap: Run
) -> None:
    outcomes = run_bootstrap(weights={"model_b": two_models["model_b"]})
    assert [(o.figures["model"], o.status) for o in outcomes] == [("model_b", "done")]
    named = run_bootstrap(weights={"model_b": two_models["model_b"]}, models=("model_a", "model_b"))
    assert [(o.subject, o.status) for o in named if o.status == "failed"] == [
        ("model:model_a", "failed")
    ]
