"""Ours: what a gallery worker does for one case: files in; pictures, pick map and panels out.

python -m benchmarks.ours_rendering FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.contender import ROOT
from benchmarks.worker import serve
from pipeline.stage import load_settings
from pipeline.workspace import Workspace
from qc.drawing import Style, draw_case
from qc.gallery import STAGE, GallerySettings, task_of
from qc.rendering_probe import require_rendering


def main(folder: Path) -> None:
    """Draw as often as asked: read the CT and all masks, render, write picture and thumbnail."""
    workspace = Workspace.open(folder / "workspace")
    settings = load_settings(STAGE, ROOT / "configs", {})
    if not isinstance(settings, GallerySettings):
        raise TypeError(f"settings of the gallery are {type(settings)}")
    style = Style(workspace.class_map, settings.panels, settings.picture())
    [record] = workspace.records()
    task = replace(task_of(workspace, record, style, style.digest()), driver=require_rendering())

    def facts(drawn: dict[str, Any]) -> dict[str, Any]:
        return {
            "structures": len(drawn["present"]),
            "bytes": drawn["bytes"],
            "panels": len(drawn["panels"]),
            "picked": sum(told["box_px"] is not None for told in drawn["structures"].values()),
        }

    serve(lambda: draw_case(task), facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
