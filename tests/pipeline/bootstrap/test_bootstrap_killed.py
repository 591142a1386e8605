"""Killed with SIGKILL while it writes, then run again: the same masks as undisturbed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.bootstrap import STAGE
from pipeline.engine import SerialEngine
from pipeline.stage import Outcome, load_settings, run_stage
from pipeline.workspace import Case, Workspace, read_case, verify_mask
from pipeline.workspace.doctor import examine
from tests.pipeline.bootstrap.conftest import prediction

RUN = """
import os, signal, sys
from pathlib import Path
from pipeline.bootstrap import bootstrap
from pipeline.engine import SerialEngine
from pipeline.stage import load_settings, run_stage
from pipeline.volume import atomic_file
from pipeline.workspace import Workspace

place, name = {"files": (atomic_file, "_flush"), "ledger": (Workspace, "record_masks")}[sys.argv[3]]
whole, calls = getattr(place, name), []

def dying(*given, **named):
    calls.append(1)
    if len(calls) == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given, **named)

setattr(place, name, dying)
settings = load_settings(bootstrap.STAGE, Path(sys.argv[2]), {"predictions": sys.argv[5]})
run_stage(bootstrap.STAGE, Workspace.open(sys.argv[1]), settings, SerialEngine())
"""


def state(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Check every mask file against its digest and give their ids by case."""
    found = {}
    for case in workspace.cases():
        masks = workspace.masks(case.id)
        for mask in masks:
            verify_mask(workspace.layout.mask(case.id, mask.structure, mask.id), case)
        found[case.id] = tuple(sorted(mask.id for mask in masks))
    return found


@pytest.mark.parametrize(("place", "number"), [("files", 2), ("files", 9), ("ledger", 2)])
def test_a_killed_bootstrap_ends_like_an_undisturbed_one(
    workspace: Workspace,
    configs: Path,
    add_case: Callable[..., Case],
    write_card: Callable[..., Path],
    write_prediction: Callable[..., Path],
    run_bootstrap: Callable[..., list[Outcome]],
    tmp_path: Path,
    place: str,
    number: int,
) -> None:
    write_card()
    other = Workspace.create(tmp_path / "other")
    for case_id in ("s0001", "s0002"):
        case = add_case(case_id)
        write_prediction(f"{case_id}.nii.gz", prediction(case.grid), case.grid)
        for source in (workspace.layout.ct(case_id), workspace.layout.case_file(case_id)):
            target = other.path / source.relative_to(workspace.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        other.record_case(read_case(other.layout, case_id))
    folder = str(tmp_path / "predictions")
    run_bootstrap(predictions=folder)
    command = [sys.executable, "-c", RUN, str(other.path), str(configs), place, str(number), folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {k: set(v) - set(state(workspace)[k]) for k, v in state(other).items()} == {
        "s0001": set(),
        "s0002": set(),
    }
    (other.layout.scratch_dir / "bootstrap-left").mkdir(parents=True)

    settings = load_settings(STAGE, configs, {"predictions": folder})
    assert run_stage(STAGE, other, settings, SerialEngine()).failures == ()

    assert state(other) == state(workspace)
    assert len(state(other)["s0002"]) == 4
    assert [finding for finding in examine(other) if finding.severity == "error"] == []
    assert not (other.layout.scratch_dir / "bootstrap-left").exists()
