"""Peer: volume, HU, centroid and border of every structure, one whole mask after the other.

The loop that statistics of label maps are usually written as; in memory order, as is best for it.

python -m benchmarks.peer_measuring FOLDER
"""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring_facts import Figures, measuring_facts
from benchmarks.worker import serve


def measure(
    labels: NDArray[np.uint8],
    ct: NDArray[np.int16],
    affine: NDArray[np.float64],
    values: list[int],
) -> Figures:
    """Measure one structure after the other."""
    voxel_ml = float(abs(np.linalg.det(affine[:3, :3]))) / 1000
    found: Figures = {}
    for value in values:
        mask = labels == value
        hu = ct[mask].astype(np.float64)
        places = np.argwhere(mask)
        centre = affine[:3, :3] @ places.mean(axis=0) + affine[:3, 3]
        border = bool((places == 0).any() or (places == np.array(mask.shape) - 1).any())
        found[value] = (
            hu.size * voxel_ml, hu.mean(), float(np.median(hu)), hu.std(), *centre, float(border),
        )  # fmt: skip
    return found


def main(folder: Path) -> None:
    """Measure as often as asked."""
    image = nib.load(folder / "labels.nii.gz")
    labels = np.asarray(image.dataobj).astype(np.uint8)
    ct = np.asarray(nib.load(folder / "ct.nii.gz").dataobj).astype(np.int16)
    values = sorted(json.loads((folder / "case.json").read_text())["values"].values())
    serve(lambda: measure(labels, ct, image.affine, values), measuring_facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
