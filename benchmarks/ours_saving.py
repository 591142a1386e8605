"""Ours: every structure of a label map stored as a revision, synced to disk and in the ledger.

python -m benchmarks.ours_saving FOLDER
"""

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.worker import serve
from pipeline.volume import read_nifti
from pipeline.workspace import Case, Mask, Provenance, Workspace, write_label_map_masks


def save(
    workspace: Workspace, case: Case, labels: NDArray[np.integer[Any]], run: int
) -> list[Mask]:
    """Store all structures as new revisions, as a stage does."""
    provenance = Provenance(origin="model", maker="model:benchmark", settings_digest=f"run {run}")
    masks = write_label_map_masks(workspace.layout, case, labels, workspace.class_map, provenance)
    with workspace.driver_lock("bench"):
        workspace.record_masks(masks)
    return masks


def main(folder: Path) -> None:
    """Save as often as asked."""
    workspace = Workspace.open(folder / "workspace")
    [case] = workspace.cases()
    labels = read_nifti(folder / "labels.nii.gz").array.astype(workspace.class_map.dtype)
    runs = itertools.count()

    def facts(masks: list[Mask]) -> dict[str, Any]:
        paths = [workspace.layout.mask(case.id, mask.structure, mask.id) for mask in masks]
        return {"masks": len(masks), "bytes": sum(path.stat().st_size for path in paths)}

    serve(lambda: save(workspace, case, labels, next(runs)), facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
