"""`masksmith stats`: numbers of every structure, of a workspace or of two files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.call import Call, call_of
from pipeline.cli.ct_and_labels import (
    class_map_for_files,
    ct_and_labels_options,
    read_ct_and_labels,
)
from pipeline.cli.group import Command
from pipeline.cli.output import write_json, write_table
from pipeline.cli.settings_options import flags_given, options_of
from pipeline.cli.stage_command import run, settings_file
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.stages import StageRef
    from qc.measurement_table import Row

HELP = """Measure volume, Hounsfield units and place of every structure.

Volume in ml; mean, median and sd in HU; centroid; whether it touches the border of the CT.

Of a workspace: every mask in force, into stats/measurements.csv and .parquet; only what has changed
is measured anew. Of two files: -i CT -s SEG --out FILE, where SEG is a label map or a folder with
one mask per structure, and FILE ends in .csv, .parquet or .json."""

EPILOG = (
    "Settings: defaults, then configs/stats.yaml, then MASKSMITH_STATS_<FIELD>, then the options "
    "above. Exit: 0 ok, 2 wrong usage, 3 nothing to do, 4 bad input, 8 some cases failed."
)
_SHOWN = ("structure", "volume_ml", "mean_hu", "median_hu", "sd_hu", "border_sides")


@dataclass(frozen=True, slots=True)
class _Files:
    """What was typed for files without a workspace."""

    ct: Path | None
    segmentation: Path | None
    out: Path | None
    class_map: str | None
    ignore_unknown: bool

    @property
    def is_asked_for(self) -> bool:
        return any((self.ct, self.segmentation, self.out, self.class_map, self.ignore_unknown))


def command_of(ref: StageRef, context: click.Context) -> click.Command:
    """Return the command: the stage's options, and those of two files."""
    stage = ref.load()
    settings = options_of(stage.Settings, settings_file(stage.name, call_of(context)))

    @click.pass_context
    def callback(inner: click.Context, /, **values: Any) -> None:
        names = ("ct", "segmentation", "out", "class_map", "ignore_unknown")
        files = _Files(**{name: values.pop(name) for name in names})
        flags = flags_given(inner, values)
        if not files.is_asked_for:
            inner.exit(run(stage, call_of(inner), flags))
        if flags:
            raise UsageError(f"stats: {', '.join(flags)} is of a workspace; leave it out with -i")
        _measure_files(call_of(inner), files)

    return Command(
        ref.name, callback=callback, params=[*_file_options(), *settings], help=HELP, epilog=EPILOG
    )


def _file_options() -> list[click.Parameter]:
    files = ct_and_labels_options()
    for option in files:
        option.required = False
    return [
        *files,
        click.Option(
            ["--out"], metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
            help="With -i and -s: the table to write, .csv, .parquet or .json.",
        ),
        click.Option(
            ["--class-map"], metavar="NAME",
            help="With -i and -s: what label values and names mean, such as totalsegmentator_v2.",
        ),
        click.Option(
            ["--ignore-unknown"], is_flag=True,
            help="With -i and -s: leave out values and names that are not in the class map.",
        ),
    ]  # fmt: skip


def _measure_files(call: Call, files: _Files) -> None:
    """Measure one CT with its segmentation, write the table and say what was found."""
    from pipeline.volume import measure_labels
    from qc.measurement_table import FILE_COLUMNS, measured_row, table_ending
    from qc.measurement_table import write_table as write_file

    if files.ct is None or files.segmentation is None:
        raise UsageError("stats: on files give both, -i CT and -s SEG; without them a workspace")
    if files.out is not None:
        table_ending(files.out)
    started = time.monotonic()
    class_map, path = class_map_for_files(call, files.class_map)
    both = (files.ct, files.segmentation)
    read = read_ct_and_labels(call, both, (class_map, path), ignore_unknown=files.ignore_unknown)
    covered = [each for each in class_map if each.name in read.segmentation.covered]
    measured = measure_labels(
        read.segmentation.labels, read.ct, read.grid, [each.value for each in covered]
    )
    rows = [{"structure": s.name, **measured_row(measured[s.value])} for s in covered]
    if files.out is not None:
        write_file(files.out, FILE_COLUMNS, rows)
    unknown = read.segmentation.unknown
    notes = [*read.notes, *([f"left out: {', '.join(unknown)}"] if unknown else [])]
    _answer(call, files, rows, notes, time.monotonic() - started)


def _answer(call: Call, files: _Files, rows: list[Row], notes: list[str], seconds: float) -> None:
    if call.as_json:
        write_json(
            {"output": files.out, "notes": notes, "seconds": round(seconds, 3), "rows": rows}
        )
        return
    for note in notes:
        click.echo(f"stats: {note}", err=True)
    found = [row for row in rows if row["voxels"]]
    if files.out is None:
        write_table(_SHOWN, [[row[name] for name in _SHOWN] for row in found])
    cut = sum(bool(row["touches_border"]) for row in found)
    written = f"; {files.out}" if files.out else ""
    click.echo(
        f"stats: {len(found)} of {len(rows)} structures have voxels, {cut} of them touch the "
        f"border of the CT{written}"
    )
