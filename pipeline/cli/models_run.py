"""`masksmith models run`: read one CT, predict it, write what came out."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.output import write_json, write_table
from pipeline.errors import BadInput, UsageError

if TYPE_CHECKING:
    from pipeline.anatomy import ClassMap
    from pipeline.bootstrap.single_prediction import SinglePrediction, SingleRun
    from pipeline.workspace import Case, Workspace

LABELS = "labels.nii.gz"


def run_model(call: Call, run: SingleRun, ct: Path, output: Path, *, force: bool) -> None:
    """Predict one CT with one model, write the result and say what was found.

    Parameters
    ----------
    call : Call
    run : SingleRun
    ct : Path
        NIfTI file, or folder with one DICOM series.
    output : Path
        Ends in `.nii` or `.nii.gz`: a label map; else a folder.
    force : bool
        Whether what is there may be replaced.

    Raises
    ------
    UsageError
        If something is there already, before any work.
    MasksmithError
        If the CT cannot be read, the model is not ready, or the prediction failed; nothing is
        written then.
    """
    from pipeline.bootstrap.single_prediction import predict_one
    from pipeline.cli.models import passing_workspace, some_workspace

    _refuse_existing(output, force=force)
    with some_workspace(call) as lab:
        class_map = lab.layout.class_map_file
        with passing_workspace(class_map) as workspace:
            case = _take_in(workspace, ct)
            made = predict_one(run, workspace, case)
    _write(made, workspace.class_map, output)
    if call.as_json:
        write_json(_document(made, run, output))
        return
    _say(made, run, output)


def _refuse_existing(output: Path, *, force: bool) -> None:
    if force or not output.exists():
        return
    if output.is_dir() and not _is_label_map(output) and not any(output.iterdir()):
        return
    raise UsageError(f"{output}: is there already; name another place, or replace it with --force")


def _is_label_map(output: Path) -> bool:
    return output.name.endswith((".nii", ".nii.gz"))


def _take_in(workspace: Workspace, ct: Path) -> Case:
    """Read a CT as intake does, with all its checks.

    Raises
    ------
    BadInput
        Saying what is wrong with it.
    UsageError
        If there are several.
    """
    from pipeline.engine import SerialEngine
    from pipeline.intake.intake import STAGE
    from pipeline.intake.settings import IntakeSettings
    from pipeline.stage import run_stage

    report = run_stage(
        STAGE, workspace, IntakeSettings.model_validate({"paths": (ct,)}), SerialEngine()
    )
    cases = workspace.cases()
    if len(cases) > 1:
        raise UsageError(f"{ct}: holds {len(cases)} CTs; name one of them")
    if not cases:
        reasons = " / ".join(outcome.note for outcome in report.failures)
        raise BadInput(f"{ct}: no CT: {reasons or 'nothing that could be one'}")
    return cases[0]


def _write(made: SinglePrediction, class_map: ClassMap, output: Path) -> None:
    from pipeline.volume import write_nifti

    output.parent.mkdir(parents=True, exist_ok=True)
    if _is_label_map(output):
        write_nifti(output, made.labels, made.grid, intent="label")
        return
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        for name in made.covered:
            mask = made.labels == class_map[name].value
            write_nifti(part / f"{name}.nii.gz", mask, made.grid, intent="label")
        write_nifti(part / LABELS, made.labels, made.grid, intent="label")
        part.chmod(0o777 & ~_umask())
        _put(part, output)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, output: Path) -> None:
    """Move a finished folder to its place; into a folder that is there, file by file."""
    if not output.exists():
        part.rename(output)
        return
    for path in sorted(part.iterdir()):
        path.replace(output / path.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _say(made: SinglePrediction, run: SingleRun, output: Path) -> None:
    rows = [(name, round(made.volume_ml(voxels), 1)) for name, voxels in made.voxels.items()]
    if rows:
        write_table(("structure", "ml"), rows)
    for line in _words(made):
        click.echo(line)
    click.echo(f"{run.name}: {len(rows)} of {len(made.covered)} structures found; {output}")


def _words(made: SinglePrediction) -> Iterator[str]:
    for name, voxels in made.without_target.items():
        volume_ml = made.volume_ml(voxels)
        yield f"no structure in the class map for {name} ({volume_ml:.1f} ml); not written"
    yield from made.notes


def _document(made: SinglePrediction, run: SingleRun, output: Path) -> dict[str, object]:
    def ml(counts: dict[str, int]) -> dict[str, float]:
        return {name: round(made.volume_ml(voxels), 3) for name, voxels in counts.items()}

    return {
        "model": run.name,
        "output": output,
        "covered": made.covered,
        "volume_ml": ml(dict(made.voxels)),
        "without_target_ml": ml(dict(made.without_target)),
        "notes": made.notes,
    }
