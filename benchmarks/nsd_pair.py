"""Truth and prediction for the NSD: the benchmark's labels, and the same bent by some mm."""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

TOLERANCE_MM = 3.0
_BEND_MM = 2.5
_COARSE_VOXELS = 18


@dataclass(frozen=True)
class NsdPair:
    """Two label maps on one grid and the values that stand for structures."""

    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    values: tuple[int, ...]


def load_pair(folder: Path) -> NsdPair:
    """Read the labels and bend a copy of them; the same in every process."""
    image = nib.load(folder / "labels.nii.gz")
    truth = np.asfortranarray(np.asarray(image.dataobj).astype(np.uint8))
    x, y, z = (float(side) for side in image.header.get_zooms())
    described = json.loads((folder / "case.json").read_text())
    values = tuple(sorted(described["values"].values()))
    return NsdPair(truth, _bent(truth, (x, y, z)), (x, y, z), values)


def _bent(labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    from scipy import ndimage

    rng = np.random.default_rng(11)
    coarse = [size // _COARSE_VOXELS + 2 for size in labels.shape]
    places = np.indices(labels.shape, dtype=np.float32)
    at = places / np.float32(_COARSE_VOXELS)
    for axis, step in enumerate(spacing_mm):
        field = rng.normal(0, _BEND_MM / step, coarse).astype(np.float32)
        places[axis] += ndimage.map_coordinates(field, at, order=1)
    bent: NDArray[np.uint8] = ndimage.map_coordinates(labels, places, order=0)
    return np.asfortranarray(bent)


def facts(scores: dict[int, float]) -> dict[str, float | int]:
    """Give what both sides must agree on: how many, and their mean to nine decimals."""
    return {"structures": len(scores), "mean": round(float(np.mean(list(scores.values()))), 9)}
