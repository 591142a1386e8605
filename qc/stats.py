"""Stage stats: volume, Hounsfield units, place and border of every mask in force.

Workers measure; a case is measured anew only when its CT or a mask in force has changed. The tables
are written last, from the records of all cases.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from pipeline.engine import Engine
from pipeline.stage import Outcome, Stage, StageSettings, Status
from pipeline.volume import remove_partial_files
from pipeline.workspace import CaseRecord, Workspace
from qc.measurement_table import CASE_COLUMNS, Row, case_rows, write_table
from qc.measuring import MeasureTask, measure_case, measure_task, read_measurements

_TIMEOUT_S = 900.0


class StatsSettings(StageSettings):
    """What `masksmith stats` can be told."""

    cases: tuple[str, ...] = Field(
        (), description="Cases to measure; none: every case that is not excluded"
    )
    again: bool = Field(False, description="Measure every case anew, also unchanged ones")


def run(workspace: Workspace, settings: StatsSettings, engine: Engine) -> Iterator[Outcome]:
    """Measure what has changed, then write the tables of all that is measured.

    Raises
    ------
    NothingToDo
        If a named case does not exist.
    """
    # What a killed run left half written; no other command writes here meanwhile.
    remove_partial_files(workspace.layout.stats_dir)
    to_measure: list[MeasureTask] = []
    for record in _chosen(workspace, settings.cases):
        known = None if settings.again else read_measurements(workspace.layout, record)
        if known is None:
            to_measure.append(measure_task(workspace.layout, record))
        else:
            yield _outcome(record.case.id, "kept", known)
    for result in engine.map(measure_case, to_measure, timeout_s=_TIMEOUT_S):
        case_id = result.item.case.id
        if result.value is None:
            yield Outcome(case_id, "failed", result.error or "no figures")
        else:
            yield _outcome(case_id, "done", result.value)
    rows = list(measured_rows(workspace))
    for file in (workspace.layout.stats_csv, workspace.layout.stats_parquet):
        write_table(file, CASE_COLUMNS, rows)


def measured_rows(workspace: Workspace) -> Iterator[Row]:
    """Go through the rows of every case that is measured as it is now and not excluded."""
    names = workspace.class_map.names
    for record in workspace.records():
        known = None if record.excluded else read_measurements(workspace.layout, record)
        if known is not None:
            yield from case_rows(record, known, names)


def _chosen(workspace: Workspace, wanted: tuple[str, ...]) -> Iterator[CaseRecord]:
    if wanted:
        yield from (workspace.record(case_id) for case_id in dict.fromkeys(wanted))
        return
    yield from (record for record in workspace.records() if not record.excluded)


def _outcome(case_id: str, status: Status, measurements: dict[str, Any]) -> Outcome:
    found = [each for each in measurements["structures"].values() if each["voxels"]]
    cut = sum(bool(each["border_sides"]) for each in found)
    note = f"{len(found)} structures" + (f", {cut} cut by the border of the CT" if cut else "")
    return Outcome(case_id, status, note, {"structures": len(found), "touch_border": cut})


STAGE = Stage(
    name="stats",
    summary="Measure volume, Hounsfield units and place of every structure.",
    Settings=StatsSettings,
    run=run,
    after=("intake", "bootstrap", "retrain"),
)
