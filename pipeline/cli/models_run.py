"""`masksmith models run`: read one CT, predict it, write what came out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call
from pipeline.cli.output import write_json, write_table
from pipeline.cli.output_files import (
    LABELS,
    is_label_map,
    refuse_existing,
    require_writable,
    whole_folder,
    write_label_map,
    write_masks,
)
from pipeline.errors import BadInput, UsageError

if TYPE_CHECKING:
    from pipeline.anatomy import ClassMap
    from pipeline.bootstrap.single_prediction import SinglePrediction, SingleRun
    from pipeline.workspace import Case, Workspace


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
    BadInput
        If nothing can be written there, also before.
    MasksmithError
        If the CT cannot be read, the model is not ready, or the prediction failed; nothing is
        written then.
    """
    from pipeline.bootstrap.single_prediction import predict_one
    from pipeline.cli.models import passing_workspace, some_workspace

    refuse_existing(output, force=force)
    require_writable(output)
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
    output.parent.mkdir(parents=True, exist_ok=True)
    values = {name: class_map[name].value for name in made.covered}
    if is_label_map(output):
        write_label_map(output, made.labels, made.grid, class_map.name, values)
        return
    with whole_folder(output) as part:
        write_masks(part, made.labels, made.grid, values)
        write_label_map(part / LABELS, made.labels, made.grid, class_map.name, values)


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
