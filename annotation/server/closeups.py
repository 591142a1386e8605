"""Close-ups of one structure, drawn when the gallery asks for them."""

from __future__ import annotations

import logging
from threading import Semaphore

from annotation.server.refusals import Refusal
from annotation.server.workbench import Workbench
from pipeline.errors import MasksmithError

log = logging.getLogger(__name__)
_one_at_a_time = Semaphore(1)


def see_to_closeup(bench: Workbench, path: str) -> None:
    """Draw ``closeups/CASE/STRUCTURE.png`` unless it is there and of the mask in force.

    Raises
    ------
    Refusal
        503 when it cannot be drawn here.
    """
    parts = path.split("/")
    if bench.draw_closeup is None or len(parts) != 3 or parts[0] != "closeups":
        return
    case = bench.case(parts[1])
    structure = bench.structure(parts[2].removesuffix(".png"))
    mask = bench.workspace.in_force(case.id).get(structure.name)
    if mask is None:
        raise Refusal(404, f"no mask of {structure.name} is in force", "draw one")
    image = bench.workspace.layout.gallery_dir / "closeups" / case.id / f"{structure.name}.png"
    made_from = bench.workspace.layout.mask(case.id, structure.name, mask.id)
    with _one_at_a_time:
        if image.is_file() and image.stat().st_mtime_ns >= made_from.stat().st_mtime_ns:
            return
        try:
            bench.draw_closeup(bench.workspace, case.id, structure.name)
        except MasksmithError as error:
            log.warning("a close-up could not be drawn: %s", error)
            raise Refusal(503, "the close-up cannot be drawn", "run 'masksmith gallery'") from None
