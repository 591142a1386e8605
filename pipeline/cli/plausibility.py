"""`masksmith plausibility`: the stage, and on files a CT that intake reads, DICOM too."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.cli.stage_command import stage_command

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from pipeline.cli.call import Call
    from pipeline.stage import Stage
    from pipeline.stages import StageRef
    from qc.plausibility.from_files import FileCt


def command_of(ref: StageRef, context: click.Context) -> click.Command:
    """Return the command, with one option per field of the stage's settings."""
    return stage_command(ref, context, _reading_as_intake)


def _reading_as_intake(stage: Stage, call: Call) -> Stage:
    """Hand the stage the reader it cannot import: intake stands above it."""
    from qc.plausibility.plausibility import run_on_files

    return replace(stage, run_on_files=partial(run_on_files, read_ct=partial(_read_ct, call)))


def _read_ct(call: Call, path: Path) -> FileCt:
    from pipeline.cli.ct_and_labels import read_one_ct
    from qc.plausibility.from_files import FileCt

    one = read_one_ct(call, path, call.configs_path / "class_map.yaml")
    return FileCt(one.ct, one.grid, one.facts, one.notes)
