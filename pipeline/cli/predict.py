"""`masksmith predict`: CTs in, label maps out. Nothing gets into a workspace."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.exit_codes import SOME_FAILED
from pipeline.cli.group import Command
from pipeline.cli.output import write_json
from pipeline.cli.output_files import require_writable
from pipeline.cli.progress import outcome_line, progress_for
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.cli.stage_command import settings_file
from pipeline.errors import BadInput

if TYPE_CHECKING:
    from pipeline.cli.predict_cases import PredictRun
    from pipeline.intake.settings import IntakeSettings
    from pipeline.stage import FileCommand, Outcome
    from pipeline.stages import FileCommandRef

HELP = """Segment CTs with trained models: files in, label maps out.

CT may be a NIfTI file, the folder of a DICOM series, or a folder with any number of them; then each
CT gets a folder of its own, and one that is bad does not stop the others. What is there already
and was made by the same models from the same CT is kept.

OUT is a folder with one mask per structure (with --ml: labels.nii.gz), or, for one CT, a label map
if its name ends in .nii.gz. Labels have the names and values of the class map and lie on the grid
of the CT."""

EPILOG = (
    "Settings: defaults, then configs/predict.yaml, then MASKSMITH_PREDICT_<FIELD>, then the "
    "options above. Exit: 0 ok, 2 something else is at OUT, 3 no CT found, 4 bad input, 5 a model "
    "is missing, 8 some cases failed."
)


def command_of(ref: FileCommandRef, context: click.Context) -> click.Command:
    """Return the command, with one option per field of its settings."""
    command = ref.load()
    options = [*_files(), *options_of(command.Settings, settings_file(ref.name, call_of(context)))]

    @click.pass_context
    def callback(inner: click.Context, /, ct: Path, output: Path, force: bool, **v: Any) -> None:
        flags = flags_given(inner, v)
        inner.exit(run(command, call_of(inner), flags, (ct, output), force=force))

    return Command(ref.name, callback=callback, params=options, help=HELP, epilog=EPILOG)


def _files() -> list[click.Parameter]:
    return [
        click.Option(
            ["-i", "--input", "ct"], required=True, metavar="CT",
            type=click.Path(exists=True, path_type=Path),
            help="A NIfTI file, a folder with a DICOM series, or a folder of CTs.",
        ),
        click.Option(
            ["-o", "--output"], required=True, metavar="OUT", type=click.Path(path_type=Path),
            help="A folder; for one CT also a label map (name it .nii.gz).",
        ),
        click.Option(["--force"], is_flag=True, help="Replace what is at OUT."),
    ]  # fmt: skip


def run(
    command: FileCommand,
    call: Call,
    flags: Mapping[str, Any],
    files: tuple[Path, Path],
    *,
    force: bool,
) -> int:
    """Predict what is at the input, print how it went and return the exit code."""
    from pipeline.cli.models import passing_workspace
    from pipeline.cli.predict_cases import PredictRun, Request
    from pipeline.cli.predict_plan import class_map_file, make_plan, preview_style
    from pipeline.intake.ct_files import find_cts
    from pipeline.stage import load_settings
    from training.predict_settings import PredictFilesSettings

    ct, output = files
    settings = load_settings(command, call.configs_path, flags)
    if not isinstance(settings, PredictFilesSettings):
        raise TypeError(f"expected PredictFilesSettings, found {type(settings).__name__}")
    started = time.monotonic()
    with ExitStack() as stack:
        scratch = stack.enter_context(_scratch_beside(output))
        plan = make_plan(settings, call, scratch)
        style = preview_style(call.configs_path, plan.class_map) if settings.preview else None
        workspace = stack.enter_context(passing_workspace(class_map_file(settings, call), scratch))
        found = find_cts(workspace, ct, _intake_settings(call, ct))
        request = Request(output, found.is_single, settings, style, force=force)
        predict = PredictRun(plan, request)
        progress = stack.enter_context(progress_for(call, command.name))
        progress.expect(len(found.cts) + len(found.refused))
        outcomes = []
        for outcome in chain(found.refused, predict.outcomes(found.cts)):
            progress.hear(outcome)
            outcomes.append(outcome)
    seconds = time.monotonic() - started
    return _end(call, predict, outcomes, seconds)


@contextmanager
def _scratch_beside(output: Path) -> Iterator[Path]:
    """Give a hidden folder where the output will stand, so that finished files only move."""
    require_writable(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=output.parent) as folder:
        yield Path(folder)


def _intake_settings(call: Call, ct: Path) -> IntakeSettings:
    """Return what makes a volume a CT, by the settings of intake."""
    from pipeline.intake.intake import STAGE
    from pipeline.intake.settings import IntakeSettings
    from pipeline.stage import load_settings

    settings = load_settings(STAGE, call.configs_path, {"paths": (ct,)})
    if not isinstance(settings, IntakeSettings):
        raise TypeError(f"expected IntakeSettings, found {type(settings).__name__}")
    return settings


def _end(call: Call, predict: PredictRun, outcomes: list[Outcome], seconds: float) -> int:
    """Print the answer; a single CT that could not be read is an error of its own."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if predict.request.is_single and len(outcomes) == 1 and failed:
        raise BadInput(f"{failed[0].subject}: {failed[0].note}")
    counts = Counter(outcome.status for outcome in outcomes)
    words = ", ".join(f"{counts[status]} {status}" for status in ("done", "kept", "failed"))
    if call.as_json:
        write_json(_document(predict, outcomes, seconds))
    else:
        for outcome in failed if call.quiet or call.no_progress else ():
            click.echo(outcome_line(outcome), err=True)
        covered, models = len(predict.plan.covered), len(predict.plan.models)
        by = "1 model" if models == 1 else f"{models} models"
        click.echo(
            f"predict: {words} in {seconds:.1f} s; {covered} structures by {by}; "
            f"{predict.request.output}"
        )
    return SOME_FAILED if failed else 0


def _document(predict: PredictRun, outcomes: list[Outcome], seconds: float) -> dict[str, object]:
    return {
        "output": predict.request.output,
        "models": predict.models,
        "covered": predict.plan.covered,
        "seconds": round(seconds, 3),
        "outcomes": [
            {"subject": o.subject, "status": o.status, "note": o.note, "figures": dict(o.figures)}
            for o in outcomes
        ],
    }
