"""Two real label maps of one real CT as two models that meet; real ribs merged and told apart."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.bootstrap.case_review import VERTEBRAE
from pipeline.stage import Outcome
from pipeline.volume import read_nifti, write_nifti
from pipeline.workspace import Case, Workspace, digest_of_ct, read_findings, write_case

pytestmark = pytest.mark.real_data
FOLDER = "ct_abdomen_pelvis_native_ts"
Run = Callable[..., list[Outcome]]


@pytest.fixture
def abdomen(real_data: Path, workspace: Workspace) -> Callable[[str], Case]:
    """Give a function that stores one of the real CTs as the case `abdomen`."""

    def take(name: str) -> Case:
        volume = read_nifti(real_data / FOLDER / name)
        ct = np.asfortranarray(np.rint(volume.array).astype(np.int16))
        case = Case("abdomen", volume.grid, digest_of_ct(ct, volume.grid))
        write_case(workspace.layout, case, ct)
        workspace.record_case(case)
        return case

    return take


@pytest.fixture
def two_maps(
    real_data: Path, abdomen: Callable[[str], Case], write_card: Callable[..., Path], tmp_path: Path
) -> dict[str, str]:
    """The full and the fast prediction of TotalSegmentator as models of their own."""
    abdomen("example_ct_sm.nii.gz")
    places = {}
    for name, priority in (("full", 20), ("fast", 10)):
        write_card(name, priority=priority, labels=None, class_map="totalsegmentator_v2")
        folder = tmp_path / name
        folder.mkdir()
        source = "example_seg.nii.gz" if name == "full" else "example_seg_fast.nii.gz"
        (folder / "abdomen.nii.gz").symlink_to(real_data / FOLDER / source)
        places[name] = str(folder)
    return places


@pytest.fixture(autouse=True)
def class_maps(configs: Path) -> None:
    (configs / "class_maps").symlink_to(shipped_configs() / "class_maps")


def test_two_real_models_are_joined_and_compared(
    real_data: Path, workspace: Workspace, configs: Path, two_maps: dict[str, str],
    run_bootstrap: Run,
) -> None:  # fmt: skip
    policies = {"policy": "union", "policies": {"liver": "priority"}}
    (configs / "bootstrap.yaml").write_text(yaml.safe_dump(policies))
    outcome = run_bootstrap(weights=two_maps)[-1]
    assert len(outcome.figures["merged"]) == 96
    numbering = find_class_map("totalsegmentator_v2", configs)
    values = {name: numbering[name].value for name in ("aorta", "pancreas", "colon", "rib_left_9")}
    full, fast = (
        read_nifti(real_data / FOLDER / name).array
        for name in ("example_seg.nii.gz", "example_seg_fast.nii.gz")
    )
    in_force = workspace.in_force("abdomen")
    for name, value in values.items():
        found = workspace.mask_array(in_force[name])
        np.testing.assert_array_equal(found, (full == value) | (fast == value))
    report = json.loads(workspace.layout.overlaps("abdomen").read_text())
    dice = {m["structure"]: m["dice"] for m in report["models"]}
    assert len(dice) == 97
    assert dice["liver"] == pytest.approx(_dice(full == 5, fast == 5), abs=1e-4)
    assert 0.9 < dice["liver"] < 1
    _compare(report["structures"], workspace)


def _compare(pairs: list[Mapping[str, object]], workspace: Workspace) -> None:
    """Check the pairs against counts on the whole grid."""
    assert len(pairs) > 3
    in_force = workspace.in_force("abdomen")
    for pair in pairs:
        one, other = (workspace.mask_array(in_force[str(pair[n])]) for n in ("first", "second"))
        assert pair["voxels"] == int((one & other).sum())
        labels = workspace.label_map("abdomen")[one & other]
        assert set(np.unique(labels)) == {workspace.class_map[str(pair["kept_by"])].value}


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.mark.parametrize("with_vertebrae", [True, False])
def test_real_ribs_merged_into_one_mask_get_their_numbers_back(
    real_data: Path,
    workspace: Workspace,
    abdomen: Callable[[str], Case],
    write_card: Callable[..., Path],
    run_bootstrap: Run,
    tmp_path: Path,
    with_vertebrae: bool,
) -> None:
    case = abdomen("example_ct.nii.gz")
    numbering = find_class_map("totalsegmentator_v2", shipped_configs())
    truth = read_nifti(real_data / FOLDER / "example_seg_fast_force_split.nii.gz").array
    ribs = {s.name: s.value for s in numbering if s.name.startswith("rib_")}
    spine = {s.value: s.name for s in numbering if s.name in _vertebrae(workspace)}
    write_card("ribs", labels={1: "ribs"}, without_target=["ribs"], postprocess="split_ribs")
    write_card("spine", labels=spine, priority=5)
    for name, labels in (
        ("ribs", np.isin(truth, list(ribs.values()))),
        ("spine", np.where(np.isin(truth, list(spine)), truth, 0)),
    ):
        (tmp_path / name).mkdir()
        write_nifti(tmp_path / name / "abdomen.nii.gz", labels.astype(np.uint8), case.grid)
    models = ["ribs", "spine"] if with_vertebrae else ["ribs"]
    run_bootstrap(weights={name: str(tmp_path / name) for name in models}, models=models)
    in_force = workspace.in_force("abdomen")
    seen = [name for name, value in ribs.items() if (truth == value).any()]
    shares = {
        name: float(workspace.mask_array(in_force[name])[truth == ribs[name]].mean())
        for name in seen
    }
    assert len(seen) == 12
    assert min(shares.values()) > 0.8, shares
    assert read_findings(workspace.layout, "abdomen").get(VERTEBRAE, ()) == ()


def _vertebrae(workspace: Workspace) -> set[str]:
    return {name for name in workspace.class_map.names if name.startswith("vertebrae_")}
