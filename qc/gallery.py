"""Stage gallery: one picture per case, and a page to look through them all.

Workers draw; each keeps its renderer warm. A picture is drawn anew only when something it shows
has changed: the CT, a mask in force, a verdict, the class map, the look. The page is written last,
from the records beside the pictures, and works from disk.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import Field

from pipeline.engine import Engine
from pipeline.stage import Outcome, Stage, StageSettings, Status
from pipeline.volume import remove_partial_files
from pipeline.workspace import CaseRecord, Presence, Workspace
from pipeline.workspace.in_force import paint_order
from qc.drawing import DrawTask, PictureFiles, Style, draw_case, picture_digest, source_of
from qc.legend import CaseInfo, count_sources
from qc.page import write_page
from qc.panels import PanelRule
from qc.picture_history import keep_earlier_picture
from qc.picture_layout import PictureSettings
from qc.rendering_probe import require_rendering
from qc.surfaces import FINEST_MM

_TIMEOUT_S = 900.0


class GallerySettings(StageSettings):
    """What `masksmith gallery` can be told."""

    cases: tuple[str, ...] = Field(
        (), description="Cases to draw; none: every case that is not excluded"
    )
    again: bool = Field(False, description="Draw every picture anew, also unchanged ones")
    width_px: int = Field(3600, ge=800, le=12000, description="Width of a picture in pixels")
    view_height_px: int = Field(
        720, ge=220, le=4000, description="Largest height of each of the two rows of views"
    )
    supersampling: int = Field(
        2, ge=1, le=4, description="Each pixel is the mean of this number squared"
    )
    finest_mm: float = Field(
        FINEST_MM, gt=0, le=20, description="Finer voxels are merged before drawing"
    )
    panels: tuple[PanelRule, ...] = Field(
        (),
        description="Columns of a picture and the structures in each, see configs/gallery.yaml",
        json_schema_extra={"cli": "hidden"},
    )

    def picture(self) -> PictureSettings:
        """Give the part that the drawing obeys."""
        return PictureSettings(
            width_px=self.width_px,
            view_height_px=self.view_height_px,
            supersampling=self.supersampling,
            finest_mm=self.finest_mm,
        )


def run(workspace: Workspace, settings: GallerySettings, engine: Engine) -> Iterator[Outcome]:
    """Draw what has changed, then write the page.

    Raises
    ------
    MissingDependency
        If there is something to draw and this machine has no graphics driver.
    NothingToDo
        If a named case does not exist.
    """
    # What a killed run left half written; no other command writes here meanwhile.
    remove_partial_files(workspace.layout.gallery_dir)
    style = Style(workspace.class_map, settings.panels, settings.picture())
    look = style.digest()
    to_draw: list[DrawTask] = []
    for record in chosen_records(workspace, settings.cases):
        task = task_of(workspace, record, style, look)
        known = task.files.read_record()
        if known is not None and known.get("digest") == task.digest and not settings.again:
            yield _outcome(task.case.id, "kept", known)
        else:
            keep_earlier_picture(record, task.files, known)
            to_draw.append(task)
    failures: dict[str, str] = {}
    for outcome in _draw(to_draw, engine):
        if outcome.status == "failed":
            failures[outcome.subject] = outcome.note
        yield outcome
    write_page(workspace, failures)


def chosen_records(workspace: Workspace, wanted: tuple[str, ...]) -> Iterator[CaseRecord]:
    """Go through the cases that were named, else through all that are not excluded."""
    if wanted:
        yield from (workspace.record(case_id) for case_id in dict.fromkeys(wanted))
        return
    yield from (record for record in workspace.records() if not record.excluded)


def task_of(workspace: Workspace, record: CaseRecord, style: Style, look: str) -> DrawTask:
    """Collect what a worker needs to draw a case."""
    case, layout, class_map = record.case, workspace.layout, workspace.class_map
    in_force = {name: mask for name, mask in record.in_force().items() if name in class_map}
    accepted = {mask.id for mask in record.accepted().values()}
    info = CaseInfo(
        case_id=case.id,
        phase=case.phase,
        sources=count_sources([source_of(mask) for mask in in_force.values()]),
        accepted=len(accepted),
        absent=absent_in(record, class_map.names),
    )
    return DrawTask(
        case=case,
        ct=layout.ct(case.id),
        masks=tuple(
            (class_map[mask.structure].value, layout.mask(case.id, mask.structure, mask.id))
            for mask in paint_order(in_force, accepted)
        ),
        info=info,
        style=style,
        files=PictureFiles(layout.gallery_dir, case.id),
        digest=picture_digest(case, {n: m.id for n, m in in_force.items()}, info, look),
    )


def absent_in(record: CaseRecord, names: tuple[str, ...]) -> tuple[str, ...]:
    """List the structures of which a person said that they are not there."""
    absent = (Presence.ABSENT_FOV, Presence.ABSENT_ANATOMY)
    return tuple(name for name, there in record.presence(names).items() if there in absent)


def _draw(tasks: list[DrawTask], engine: Engine) -> Iterator[Outcome]:
    if not tasks:
        return
    driver = require_rendering()
    ready = [replace(task, driver=driver) for task in tasks]
    for result in engine.map(draw_case, ready, timeout_s=_TIMEOUT_S):
        case_id = result.item.case.id
        if result.value is None:
            yield Outcome(case_id, "failed", result.error or "no picture")
        else:
            yield _outcome(case_id, "done", result.value)


def _outcome(case_id: str, status: Status, record: dict[str, Any]) -> Outcome:
    figures = {name: record[name] for name in ("seconds", "bytes", "unknown_values")}
    note = f"{len(record['present'])} structures"
    if record["unknown_values"]:
        note += f"; label values not in the class map: {record['unknown_values']}"
    return Outcome(case_id, status, note, {"present": len(record["present"]), **figures})


STAGE = Stage(
    name="gallery",
    summary="Draw one picture per case and a page to look through them.",
    Settings=GallerySettings,
    run=run,
    after=("intake", "bootstrap", "retrain"),
)
