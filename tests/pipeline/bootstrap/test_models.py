import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.card_file import CardError
from pipeline.bootstrap.models import ModelStatus, check_models, list_models, trust_model
from pipeline.bootstrap.trust import is_trusted
from pipeline.bootstrap.weights import ModelMissing
from pipeline.errors import UsageError
from pipeline.workspace import Workspace

WriteCard = Callable[..., Path]


@pytest.fixture
def nnunet_folder(tmp_path: Path) -> Path:
    """Make a folder that looks like an nnU-Net v2 model; its checkpoint is nonsense."""
    folder = tmp_path / "Dataset001_X" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"no pickle")
    (folder / "plans.json").write_text("{}")
    labels = {"background": 0, "liver": 1, "Milz": 2}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return tmp_path / "Dataset001_X"


def by_name(workspace: Workspace, configs: Path) -> dict[str, ModelStatus]:
    return {status.name: status for status in list_models(workspace, configs)}


def test_every_card_is_listed_with_its_state(
    workspace: Workspace,
    configs: Path,
    write_card: WriteCard,
    nnunet_folder: Path,
    tmp_path: Path,
) -> None:
    write_card("maps", priority=1, weights={"path": str(tmp_path)})
    write_card("net", runner="nnunet", weights={"path": str(nnunet_folder)}, labels={1: "liver"})
    write_card("gone", runner="nnunet", priority=30, weights={"path": "nowhere"}, enabled=False)
    write_card("broken", priority="x")
    found = list_models(workspace, configs)
    assert [status.name for status in found] == ["gone", "net", "maps", "broken"]
    gone, net, maps, broken = found
    assert (gone.active, gone.weights_there, gone.trusted) == (False, False, False)
    assert "weights missing: nothing at" in gone.problem
    assert (net.active, net.weights_there, net.trusted) == (True, True, False)
    assert net.problem.startswith("weights not approved; ")
    assert [status.state for status in found] == ["off", "not approved", "ok", "bad"]
    assert net.digest is not None
    assert (maps.weights_there, maps.trusted, maps.problem) == (True, None, "")
    assert maps.covered == ("spleen", "kidney_right", "kidney_left", "liver")
    assert "priority: " in broken.problem
    assert (broken.runner, broken.active) == ("", False)


def test_trust_holds_until_the_weights_change(
    workspace: Workspace, configs: Path, write_card: WriteCard, nnunet_folder: Path
) -> None:
    write_card("net", runner="nnunet", weights={"path": str(nnunet_folder)}, labels={1: "liver"})
    approval = trust_model(workspace, configs, "net")
    assert approval.digest == by_name(workspace, configs)["net"].digest
    assert is_trusted(approval.digest)
    assert by_name(workspace, configs)["net"].problem == ""
    next(nnunet_folder.rglob("checkpoint_final.pth")).write_bytes(b"other")
    assert by_name(workspace, configs)["net"].trusted is False


def test_a_card_that_is_not_here_is_no_fault_unless_it_was_asked_for(
    workspace: Workspace, configs: Path, write_card: WriteCard
) -> None:
    weights = {"path": "nowhere"}
    write_card("maybe", runner="nnunet", enabled="if_found", weights=weights)
    write_card("needed", runner="nnunet", priority=11, weights=weights)
    write_card("silent", priority=12)
    states = {name: status.state for name, status in by_name(workspace, configs).items()}
    assert states == {"maybe": "not here", "needed": "missing", "silent": "not here"}
    (configs / "bootstrap.yaml").write_text("models: [maybe]")
    assert by_name(workspace, configs)["maybe"].state == "missing"


def test_labels_that_are_not_the_models_own_are_a_bad_card(
    workspace: Workspace, configs: Path, write_card: WriteCard, nnunet_folder: Path
) -> None:
    weights = {"path": str(nnunet_folder)}
    write_card("net", runner="nnunet", weights=weights, labels={1: "spleen"})
    status = by_name(workspace, configs)["net"]
    assert status.state == "bad"
    assert "labels.1: found 'spleen', but the model at" in status.problem


def test_a_card_for_other_parts_of_the_body_has_no_structure_here(
    tmp_path: Path, configs: Path, write_card: WriteCard
) -> None:
    (tmp_path / "heads.yaml").write_text("structures: {1: brain}")
    heads = Workspace.create(tmp_path / "heads", tmp_path / "heads.yaml")
    write_card("maps", weights={"path": str(tmp_path)})
    status = by_name(heads, configs)["maps"]
    assert status.state == "no structure"
    assert "none of its 4 labels is a structure of the class map" in status.problem


def test_cards_that_do_not_go_together_are_found_by_a_check_of_all(
    workspace: Workspace, configs: Path, write_card: WriteCard, tmp_path: Path
) -> None:
    write_card("one", weights={"path": str(tmp_path)})
    write_card("other", weights={"path": str(tmp_path)})
    found, clash = check_models(workspace, configs)
    assert [status.state for status in found] == ["ok", "ok"]
    assert "'one' and 'other' both have priority 10" in clash
    found, clash = check_models(workspace, configs, ["other"])
    assert ([status.name for status in found], clash) == (["other"], "")
    with pytest.raises(CardError, match="no model card named 'othre'"):
        check_models(workspace, configs, ["othre"])


def test_only_what_loads_a_checkpoint_is_approved(
    workspace: Workspace, configs: Path, write_card: WriteCard, tmp_path: Path
) -> None:
    write_card("maps", weights={"path": str(tmp_path)})
    write_card("gone", runner="nnunet", weights={"path": "nowhere"})
    with pytest.raises(UsageError, match="there is nothing to approve"):
        trust_model(workspace, configs, "maps")
    with pytest.raises(ModelMissing, match="weights missing"):
        trust_model(workspace, configs, "gone")
    with pytest.raises(CardError, match="no model card named 'goen'"):
        trust_model(workspace, configs, "goen")
