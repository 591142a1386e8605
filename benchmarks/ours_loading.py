"""Ours: the masks in force of a case as one label map, through the public API.

python -m benchmarks.ours_loading FOLDER
"""

import sys
from pathlib import Path

from benchmarks.digest import label_map_facts
from benchmarks.worker import serve
from pipeline.workspace import Workspace


def main(folder: Path) -> None:
    """Load as often as asked; each time asks the ledger what is in force."""
    workspace = Workspace.open(folder / "workspace")
    [case] = workspace.cases()
    serve(lambda: workspace.label_map(case.id), label_map_facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
