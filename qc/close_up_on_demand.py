"""Close-ups drawn one at a time while somebody waits for them, in a process of its own.

The process stays between requests, so that its renderer stays warm. A driver that crashes takes
that process along and nothing else; the next request gets another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.engine import describe_error
from pipeline.errors import MasksmithError
from pipeline.workspace import Workspace
from qc.close_up import CloseUpTask, draw_close_up
from qc.close_up_tasks import CloseUpPlan
from qc.gallery import GallerySettings
from qc.panels import assign_panels
from qc.picture import tile_of
from qc.rendering_probe import require_rendering

_TIMEOUT_S = 120.0
_DRAWN_PER_PROCESS = 50


@dataclass
class CloseUpDesk:
    """Draws the close-ups that are missing or show other masks than those in force.

    Attributes
    ----------
    settings : GallerySettings
        Those of the gallery, so that neither draws anew what the other drew.
    find_driver : callable
    draw : callable
        Called in the other process, so a function of a module.
    """

    settings: GallerySettings
    find_driver: Callable[[], str] = require_rendering
    draw: Callable[[CloseUpTask], Path] = draw_close_up
    timeout_s: float = _TIMEOUT_S
    _lock: Lock = field(default_factory=Lock)
    _pool: Any = None

    def see_to(self, workspace: Workspace, case_id: str, structure: str) -> None:
        """Draw the close-up of a mask in force, unless it is there and shows just that.

        Raises
        ------
        MissingDependency
            If this machine has no graphics driver, with what to install.
        MasksmithError
            If it could not be drawn.
        """
        if self._task(workspace, case_id, structure) is None:
            return
        with self._lock:
            # Whoever held the lock may have drawn it.
            task = self._task(workspace, case_id, structure)
            if task is not None:
                self._draw(replace(task, driver=self.find_driver()))

    def close(self) -> None:
        """End the process that draws."""
        with self._lock:
            if self._pool is not None:
                self._pool.stop()
                self._pool.join()
                self._pool = None

    def _task(self, workspace: Workspace, case_id: str, structure: str) -> CloseUpTask | None:
        rules = assign_panels(workspace.class_map, self.settings.panels)
        tile = tile_of(rules, self.settings.picture())
        plan = CloseUpPlan(workspace, (structure,), tile)
        return next(plan.tasks(workspace.record(case_id)), None)

    def _draw(self, task: CloseUpTask) -> None:
        if self._pool is None:
            self._pool = _one_process()
        try:
            self._pool.schedule(self.draw, args=[task], timeout=self.timeout_s).result()
        except Exception as error:
            raise MasksmithError(
                f"{task.case.id}: the close-up of {task.subject} could not be drawn: "
                f"{describe_error(error)}; 'masksmith gallery --cases {task.case.id} --close-ups "
                f"{task.structure}' shows whether it can be drawn at all"
            ) from error


def _one_process() -> Any:
    import multiprocessing

    from pebble import ProcessPool

    return ProcessPool(
        max_workers=1,
        max_tasks=_DRAWN_PER_PROCESS,
        initializer=_leave_interrupts,
        context=multiprocessing.get_context("spawn"),
    )


def _leave_interrupts() -> None:
    """Leave an interrupt to the server: it ends this process when it is done."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
