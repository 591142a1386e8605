"""Close-ups of one structure, drawn when the gallery asks for them."""

from __future__ import annotations

import logging

from annotation.server.refusals import Refusal, words_of
from annotation.server.workbench import Workbench
from pipeline.errors import MasksmithError

log = logging.getLogger(__name__)


def see_to_closeup(bench: Workbench, path: str) -> None:
    """Have ``closeups/CASE/STRUCTURE.png`` drawn unless it is there and of the masks in force.

    Raises
    ------
    Refusal
        503 when it cannot be drawn here, with what to install.
    """
    parts = path.split("/")
    if bench.draw_closeup is None or len(parts) != 3 or parts[0] != "closeups":
        return
    case = bench.case(parts[1])
    structure = bench.structure(parts[2].removesuffix(".png"))
    if structure.name not in bench.workspace.in_force(case.id):
        raise Refusal(404, f"no mask of {structure.name} is in force", "draw one")
    try:
        bench.draw_closeup(bench.workspace, case.id, structure.name)
    except MasksmithError as error:
        log.warning("a close-up could not be drawn: %s", error)
        raise Refusal(503, *words_of(error, "run 'masksmith gallery' to see why")) from None
