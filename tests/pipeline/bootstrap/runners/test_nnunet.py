import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.models import trust_model
from pipeline.errors import BadInput, MasksmithError, MissingDependency
from pipeline.stage import Outcome
from pipeline.workspace import Case, Workspace

Run = Callable[..., list[Outcome]]
WriteCard = Callable[..., Path]


@pytest.fixture
def hollow_model(tmp_path: Path) -> Path:
    """Make a folder that looks like an nnU-Net v2 model; its checkpoint is nonsense."""
    folder = tmp_path / "model" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"no pickle")
    (folder / "plans.json").write_text("{}")
    labels = {"background": 0, "liver": 1, "spleen": 2}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return tmp_path / "model"


@pytest.fixture
def card_for(write_card: WriteCard) -> Callable[..., Path]:
    def write(model: Path, **changes: object) -> Path:
        labels = {1: "liver", 2: "spleen"}
        given = {"runner": "nnunet", "weights": {"path": str(model)}, "labels": labels}
        return write_card("net", **{**given, **changes})

    return write


def test_an_unapproved_checkpoint_is_never_loaded(
    workspace: Workspace,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    hollow_model: Path,
    run_bootstrap: Run,
) -> None:
    add_case("s0001")
    card_for(hollow_model)
    with pytest.raises(MissingDependency, match="masksmith models trust net"):
        run_bootstrap()
    assert workspace.masks("s0001") == ()
    assert not (workspace.layout.models_dir / "logs").exists()


@pytest.mark.parametrize(
    ("changes", "words", "exit_code"),
    [
        (
            {"weights": {"path": "nowhere", "url": "https://x.org/m.zip"}},
            "download https://x.org/m.zip",
            5,
        ),
        ({"labels": {1: "liver", 3: "spleen"}}, "names the values 3, which the model at", 4),
        (
            {"labels": {1: "spleen", 2: "liver"}},
            r"labels\.1: found 'spleen', but the model at .* 'liver'",
            4,
        ),
    ],
)
def test_a_card_that_does_not_fit_its_model_is_refused(
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    hollow_model: Path,
    run_bootstrap: Run,
    changes: dict[str, object],
    words: str,
    exit_code: int,
) -> None:
    add_case("s0001")
    card_for(hollow_model, **changes)
    with pytest.raises(MasksmithError, match=words) as caught:
        run_bootstrap()
    assert caught.value.exit_code == exit_code


def test_a_folder_without_a_model_is_refused(
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    add_case("s0001")
    (tmp_path / "empty").mkdir()
    card_for(tmp_path / "empty")
    with pytest.raises(BadInput, match="found 0 nnU-Net v2 models"):
        run_bootstrap()


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_loaded_fails_the_model_and_not_the_others(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    card_for: Callable[..., Path],
    hollow_model: Path,
    write_card: WriteCard,
    write_prediction: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
) -> None:
    from tests.pipeline.bootstrap.conftest import prediction

    case = add_case("s0001")
    card_for(hollow_model, priority=99)
    trust_model(workspace, configs, "net")
    write_card("maps", weights={"path": str(tmp_path / "predictions")})
    write_prediction("s0001.nii.gz", prediction(case.grid), case.grid)
    outcomes = run_bootstrap()
    assert [(o.subject, o.status) for o in outcomes] == [("model:net", "failed"), ("s0001", "done")]
    assert "nnU-Net stopped" in outcomes[0].note
    assert list(workspace.layout.scratch_dir.iterdir()) == []
