"""`masksmith plausibility`: the stage, and on files a CT that intake reads, DICOM too."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.cli.stage_command import stage_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import click

    from pipeline.cli.call import Call
    from pipeline.engine import Engine
    from pipeline.stage import Outcome, Stage
    from pipeline.stages import StageRef
    from qc.plausibility.from_files import FileCt
    from qc.plausibility.settings import PlausibilitySettings


def command_of(ref: StageRef, context: click.Context) -> click.Command:
    """Return the command, with one option per field of the stage's settings."""
    return stage_command(ref, context, _reading_as_intake)


def _reading_as_intake(stage: Stage, call: Call) -> Stage:
    """Hand the stage the reader it cannot import: intake stands above it."""
    return replace(stage, run_on_files=partial(_on_files, call))


def _on_files(call: Call, settings: PlausibilitySettings, engine: Engine) -> Iterator[Outcome]:
    from pipeline.cli.ct_and_labels import class_map_for_files
    from qc.plausibility.plausibility import run_on_files

    _, class_map = class_map_for_files(call, settings.class_map)
    settings = settings.model_copy(update={"class_map": str(class_map)})
    return run_on_files(settings, engine, partial(_read_ct, call, class_map))


def _read_ct(call: Call, class_map: Path, path: Path) -> FileCt:
    from pipeline.cli.ct_and_labels import read_one_ct
    from qc.plausibility.from_files import FileCt

    one = read_one_ct(call, path, class_map)
    return FileCt(one.ct, one.grid, one.facts, one.notes)
