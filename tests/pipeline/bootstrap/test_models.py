import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.card_file import CardError
from pipeline.bootstrap.models import ModelStatus, list_models, trust_model
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
    assert net.problem == "weights not approved"
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
