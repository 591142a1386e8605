"""Ours: volume, HU, centroid and border of every structure of a case, in one pass.

python -m benchmarks.ours_measuring FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.measuring_facts import Figures, measuring_facts
from benchmarks.worker import serve
from pipeline.volume import Measurement, measure_labels, read_nifti


def figures_of(measured: dict[int, Measurement]) -> Figures:
    """Give what both sides are compared by."""
    return {
        value: (
            each.volume_ml,
            each.mean_hu or 0.0,
            each.median_hu or 0.0,
            each.sd_hu or 0.0,
            *(each.centroid_mm or ()),
            float(each.touches_border),
        )
        for value, each in measured.items()
    }


def main(folder: Path) -> None:
    """Measure as often as asked."""
    volume, ct = (
        read_nifti(folder / "labels.nii.gz"),
        read_nifti(folder / "ct.nii.gz").array.astype(np.int16),
    )
    labels, grid = volume.array.astype(np.uint8, copy=False), volume.grid
    values = sorted(json.loads((folder / "case.json").read_text())["values"].values())
    serve(
        lambda: measure_labels(labels, ct, grid, values),
        lambda measured: measuring_facts(figures_of(measured)),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
