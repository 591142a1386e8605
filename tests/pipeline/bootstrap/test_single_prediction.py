"""One model for one CT: the programs here hand out label maps that were prepared."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.anatomy import ClassMap
from pipeline.bootstrap.single_prediction import SingleRun, predict_one
from pipeline.bootstrap.trust import NotTrusted
from pipeline.errors import BadInput, UsageError
from pipeline.phantom import Body, BodySettings
from pipeline.volume import Grid, GridMismatch, write_nifti
from pipeline.workspace import Case, Workspace, digest_of_ct, write_case
from tests.pipeline.bootstrap.conftest import BOXES, prediction

CHEST = BodySettings(
    seed=3, spacing_mm=(3.0, 3.0, 3.0), field_of_view=(215.0, 620.0), in_plane_mm=(420.0, 320.0)
)
HAND_OUT = "import shutil, sys; assert sys.argv[1]; shutil.copyfile(sys.argv[3], sys.argv[2])"


@pytest.fixture
def hand_out(write_card: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a card for a program that hands out a label map."""

    def write(predicted: np.ndarray, grid: Grid, **card: Any) -> Path:
        path = tmp_path / "prepared.nii.gz"
        write_nifti(path, predicted, grid)
        argv = [sys.executable, "-S", "-B", "-c", HAND_OUT, "{input}", "{output}", str(path)]
        return write_card(runner="command", options={"argv": argv}, **card)

    return write


def volume(voxels: tuple[slice, ...]) -> int:
    return int(np.prod([side.stop - side.start for side in voxels]))


def test_labels_come_out_in_the_values_of_the_class_map(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    hand_out: Callable[..., Path],
) -> None:
    case = add_case("s0001")
    names = {1: "liver", 2: "spleen", 3: "heart", 5: "pancreas"}
    hand_out(prediction(case.grid), case.grid, labels=names, without_target=["heart"])
    made = predict_one(SingleRun("model_a", configs), workspace, case)
    for number, name in ((1, "liver"), (2, "spleen")):
        expected = prediction(case.grid) == number
        np.testing.assert_array_equal(made.labels == workspace.class_map[name].value, expected)
    assert made.voxels == {"spleen": volume(BOXES[2]), "liver": volume(BOXES[1])}
    assert made.covered == ("spleen", "liver", "pancreas")
    assert made.without_target == {"heart": volume(BOXES[3]), "value 4": volume(BOXES[4])}
    assert made.volume_ml(1000) == pytest.approx(1000 * 45 / 1000)
    assert made.labels.dtype == workspace.class_map.dtype


def with_case(workspace: Workspace, body: Body) -> Case:
    case = Case("body", body.grid, digest_of_ct(body.ct, body.grid))
    return write_case(workspace.layout, case, body.ct)


@pytest.fixture
def chest(workspace: Workspace, phantom: Callable[[BodySettings], Body]) -> tuple[Body, Case]:
    body = phantom(CHEST)
    case = with_case(workspace, body)
    workspace.record_case(case)
    return body, case


def test_one_mask_of_ribs_comes_out_rib_by_rib(
    workspace: Workspace,
    configs: Path,
    chest: tuple[Body, Case],
    hand_out: Callable[..., Path],
    phantom_class_map: ClassMap,
    tmp_path: Path,
) -> None:
    body, case = chest
    ribs = [s.value for s in phantom_class_map if s.name.startswith("rib_")]
    mask = np.isin(body.labels, ribs).astype(np.uint8)
    hand_out(mask, body.grid, labels={1: "ribs"}, postprocess="split_ribs")
    write_nifti(tmp_path / "spine.nii.gz", body.labels, body.grid)
    run = SingleRun("model_a", configs, vertebrae=tmp_path / "spine.nii.gz")
    made = predict_one(run, workspace, case)
    right = (made.labels == body.labels)[mask > 0]
    assert right.mean() > 0.97
    assert not made.labels[mask == 0].any()
    assert len(made.covered) == 24
    assert made.without_target == {}


def test_vertebrae_of_another_grid_are_refused(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    hand_out: Callable[..., Path],
    tmp_path: Path,
) -> None:
    case = add_case("s0001")
    hand_out(prediction(case.grid), case.grid, labels={1: "ribs"}, postprocess="split_ribs")
    elsewhere = Grid(case.grid.shape, np.eye(4))
    write_nifti(tmp_path / "spine.nii.gz", prediction(case.grid), elsewhere)
    run = SingleRun("model_a", configs, vertebrae=tmp_path / "spine.nii.gz")
    with pytest.raises(GridMismatch, match=r"spine\.nii\.gz"):
        predict_one(run, workspace, case)


def test_a_prediction_on_another_grid_is_refused(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    hand_out: Callable[..., Path],
) -> None:
    case = add_case("s0001")
    finer = case.grid.with_spacing(2.0)
    hand_out(np.zeros(finer.shape, np.uint8), finer)
    with pytest.raises(BadInput, match="not on the grid of the CT"):
        predict_one(SingleRun("model_a", configs), workspace, case)
    assert workspace.masks("s0001") == ()


def test_what_was_made_elsewhere_is_not_run(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    write_card: Callable[..., Path],
) -> None:
    write_card()
    with pytest.raises(UsageError, match="masksmith bootstrap --predictions DIR"):
        predict_one(SingleRun("model_a", configs), workspace, add_case("s0001"))


def test_weights_must_have_been_approved(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    hand_out: Callable[..., Path],
    tmp_path: Path,
) -> None:
    case = add_case("s0001")
    (tmp_path / "w.bin").write_bytes(b"1")
    hand_out(prediction(case.grid), case.grid, weights={"path": str(tmp_path / "w.bin")})
    with pytest.raises(NotTrusted, match="masksmith models trust model_a"):
        predict_one(SingleRun("model_a", configs), workspace, case)
