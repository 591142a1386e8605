"""Killed with SIGKILL at every step of the writing, then run again: nothing is lost or doubled."""

import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.intake.intake import STAGE
from pipeline.stage import run_stage
from pipeline.volume import is_partial
from pipeline.workspace import Workspace, verify_mask
from pipeline.workspace.case_file import verify_ct

RUN = """
import os, signal, sys
from pathlib import Path
from pipeline.engine import SerialEngine
from pipeline.intake import filing, given_masks, intake, reading
from pipeline.stage import run_stage
from pipeline.volume import atomic_file
from pipeline.workspace import Workspace

def die_at(place, name, number):
    whole = getattr(place, name)
    calls = []
    def dying(*given, **named):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*given, **named)
    setattr(place, name, dying)

workspace = Workspace.open(sys.argv[1])
places = {
    "reading": (reading, "write_nifti"), "flushing": (atomic_file, "_flush"),
    "placing": (filing, "_put_in_place"), "placed": (filing, "_flush_folder"),
    "recording": (filing, "write_case_record"), "ledger": (Workspace, "record_case"),
    "masks": (given_masks, "write_mask"), "mask ledger": (Workspace, "record_masks"),
}
die_at(*places[sys.argv[3]], int(sys.argv[4]))
settings = intake.IntakeSettings(paths=(Path(sys.argv[2]),), isolate=False)
run_stage(intake.STAGE, workspace, settings, SerialEngine())
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, write_ct, ct_values) -> Path:
    root = tmp_path_factory.mktemp("dataset")
    for number in range(3):
        folder = root / f"s000{number}"
        image = nibabel.load(write_ct(folder / "ct.nii.gz", seed=number))
        (folder / "segmentations").mkdir()
        for threshold, name in ((0, "liver"), (600, "spleen")):
            inside = (ct_values(number) > threshold).astype(np.uint8)
            mask = nibabel.Nifti1Image(inside, image.affine)
            nibabel.save(mask, folder / "segmentations" / f"{name}.nii.gz")
    return root


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, dataset) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("undisturbed") / "workspace")
    finish(workspace, dataset)
    return workspace


def finish(workspace: Workspace, source: Path) -> None:
    settings = STAGE.Settings(paths=(source,), isolate=False)
    assert run_stage(STAGE, workspace, settings, SerialEngine()).failures == ()


def killed(workspace: Workspace, source: Path, place: str, number: int) -> None:
    command = [sys.executable, "-c", RUN, str(workspace.path), str(source), place, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def state(workspace: Workspace) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Check every file against its digest and give the content of the workspace."""
    found = {}
    for case in workspace.cases():
        verify_ct(workspace.layout, case)
        masks = workspace.masks(case.id)
        for mask in masks:
            verify_mask(workspace.layout.mask(case.id, mask.structure, mask.id), case)
        found[case.id] = (case.ct_digest, tuple(sorted(mask.id for mask in masks)))
    return found


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("reading", 2),
        ("flushing", 3),
        ("placing", 2),
        ("placed", 2),
        ("recording", 2),
        ("ledger", 2),
        ("masks", 4),
        ("mask ledger", 2),
    ],
)
def test_a_killed_intake_ends_like_an_undisturbed_one(
    workspace, undisturbed, dataset, place, number
):
    killed(workspace, dataset, place, number)
    for case_id, (digest, masks) in state(workspace).items():
        assert state(undisturbed)[case_id][0] == digest
        assert set(masks) <= set(state(undisturbed)[case_id][1])
    finish(workspace, dataset)
    assert state(workspace) == state(undisturbed)
    assert len(state(workspace)) == 3
    assert [path for path in workspace.path.rglob(".*") if is_partial(path)] == []
    cts = sorted(path.relative_to(workspace.path) for path in workspace.path.rglob("ct.nii.gz"))
    assert len(cts) == 3
    for path in cts:
        assert (workspace.path / path).read_bytes() == (undisturbed.path / path).read_bytes()
