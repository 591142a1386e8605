"""Shapes to make errors of: exact numbers of voxels grown, worn off, cut or blown as a blob."""

import numpy as np
from numpy.typing import NDArray

from qc.planting.subject import CannotPlant, Mask


def distance_mm(mask: Mask, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give every voxel's distance to the nearest voxel of a mask, 0 inside it."""
    from scipy import ndimage

    found: NDArray[np.float64] = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    return found


def depth_mm(mask: Mask, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give every voxel of a mask its distance to the outside, 0 elsewhere.

    What lies beyond the array counts as outside.
    """
    from scipy import ndimage

    padded = np.pad(mask, 1)
    found: NDArray[np.float64] = ndimage.distance_transform_edt(padded, sampling=spacing_mm)
    return found[1:-1, 1:-1, 1:-1]


def lowest(
    scores: NDArray[np.float64], allowed: Mask, count: int, rng: np.random.Generator
) -> Mask:
    """Mark the `count` allowed voxels with the lowest scores; chance decides between equals.

    Raises
    ------
    CannotPlant
        If fewer are allowed.
    """
    places = np.flatnonzero(allowed)
    if len(places) < count or count < 1:
        raise CannotPlant(f"{count} voxels are wanted where {len(places)} are free")
    marked = np.zeros(allowed.size, np.bool_)
    order = np.lexsort((rng.random(len(places)), scores.ravel()[places]))
    marked[places[order[:count]]] = True
    return marked.reshape(allowed.shape)


def away_from_mm(
    shape: tuple[int, ...], place: NDArray[np.int64], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give every voxel of an array its distance to one voxel of it."""
    squares = [
        ((np.arange(size) - at) * step) ** 2
        for size, at, step in zip(shape, place, spacing_mm, strict=True)
    ]
    i, j, k = np.ix_(*squares)
    distance: NDArray[np.float64] = np.sqrt(i + j + k)
    return distance


def along(
    shape: tuple[int, ...], direction: NDArray[np.float64], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give every voxel of an array how far it lies along a direction, in mm."""
    steps = [
        np.arange(size) * step * part
        for size, step, part in zip(shape, spacing_mm, direction, strict=True)
    ]
    i, j, k = np.ix_(*steps)
    distance: NDArray[np.float64] = i + j + k
    return distance


def longest_axis(mask: Mask, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the direction (3,) in which a mask is longest."""
    points = np.argwhere(mask) * spacing_mm
    _, vectors = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))
    longest: NDArray[np.float64] = vectors[:, -1]
    return longest


def random_direction(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a direction (3,) of length 1."""
    drawn = rng.normal(size=3)
    direction: NDArray[np.float64] = drawn / np.linalg.norm(drawn)
    return direction


def some_voxel(allowed: Mask, rng: np.random.Generator, what: str) -> NDArray[np.int64]:
    """Draw one of the allowed voxels (3,); raises CannotPlant if there is none."""
    places = np.flatnonzero(allowed)
    if not len(places):
        raise CannotPlant(f"there is no {what}")
    return np.array(np.unravel_index(rng.choice(places), allowed.shape))


def moved(mask: Mask, steps: NDArray[np.int64]) -> Mask:
    """Move a mask by whole voxels; what leaves the array is lost."""
    result = np.zeros_like(mask)
    source, goal = [], []
    for step, size in zip(steps.tolist(), mask.shape, strict=True):
        source.append(slice(max(-step, 0), max(min(size - step, size), 0)))
        goal.append(slice(max(step, 0), max(min(size + step, size), 0)))
    result[tuple(goal)] = mask[tuple(source)]
    return result
