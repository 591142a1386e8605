"""How to bring one mask onto another grid: Dice against the same shape drawn on that grid.

Shapes of known formula are drawn on a mask's grid, brought to a CT's grid by each method, and
compared with the shape drawn on the CT's grid. `python -m benchmarks.mask_resampling --page PAGE`
writes the table between the marks of a page.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.page_tables import write_between_marks
from pipeline.volume import Grid, resample_labels
from pipeline.volume.mask_resample import resample_mask

Spacing = tuple[float, float, float]
Mask = NDArray[np.bool_]

PAIRS: tuple[tuple[Spacing, Spacing], ...] = (
    ((0.8, 0.8, 5), (1, 1, 3)),
    ((1.5, 1.5, 1.5), (0.8, 0.8, 1)),
    ((3, 3, 3), (1.5, 1.5, 1.5)),
    ((1.5, 1.5, 1.5), (1.5, 1.5, 1.5)),
    ((1, 1, 1), (1.5, 1.5, 1.5)),
    ((1, 1, 1), (3, 3, 3)),
    ((0.8, 0.8, 1), (0.8, 0.8, 5)),
)
EXTENT_MM = 100.0
SHAPES = ("ellipsoid", "tube", "shell")
PER_SHAPE = 6
MARK = "mask-resampling"


def grid(spacing: Spacing, rng: np.random.Generator) -> Grid:
    """Make a grid of about 100 mm, shifted by up to a voxel."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = rng.uniform(-1, 1, 3) * spacing
    sizes = [int(np.ceil(EXTENT_MM / step)) for step in spacing]
    return Grid((sizes[0], sizes[1], sizes[2]), affine)


def draw(kind: str, seed: int, on: Grid) -> Mask:
    """Draw a shape, the same for the same seed, on a grid."""
    rng = np.random.default_rng(seed)
    centre, radii = 50 + rng.uniform(-3, 3, 3), rng.uniform(15, 30, 3)
    index = np.indices(on.shape).reshape(3, -1)
    world = on.affine[:3, :3] @ index + on.affine[:3, 3:] - centre[:, None]
    squared = ((world / radii[:, None]) ** 2).sum(axis=0)
    if kind == "tube":
        x, y, z = world
        bent = (x - 8 * np.sin(z / 15)) ** 2 + (y - 6 * np.cos(z / 20)) ** 2
        inside = (bent < radii[0] ** 2 / 9) & (np.abs(z) < 40)
    else:
        inside = squared < 1 if kind == "ellipsoid" else (squared < 1) & (squared > 0.6)
    return np.asarray(inside.reshape(on.shape), np.bool_)


def linear(mask: Mask, source: Grid, target: Grid) -> Mask:
    """Interpolate linearly and cut at one half, as SimpleITK and nibabel users do."""
    from scipy import ndimage

    step = np.linalg.inv(source.affine) @ target.affine
    values = ndimage.affine_transform(
        mask.astype(np.float32),
        step[:3, :3],
        offset=step[:3, 3],
        output_shape=target.shape,
        order=1,
        mode="grid-constant",
    )
    return np.asarray(values > 0.5 - 1e-6, np.bool_)


METHODS: dict[str, Callable[[Mask, Grid, Grid], Mask]] = {
    "nearest": resample_labels,
    "linear": linear,
    "ours": resample_mask,
}


def dice(one: Mask, other: Mask) -> float:
    """Give the Dice of two masks."""
    return float(2 * np.count_nonzero(one & other) / (one.sum() + other.sum()))


def measure(pair: tuple[Spacing, Spacing]) -> dict[str, float]:
    """Give the mean Dice of each method over all shapes between two spacings."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for kind in SHAPES:
        for seed in range(PER_SHAPE):
            rng = np.random.default_rng(seed)
            source, target = grid(pair[0], rng), grid(pair[1], rng)
            mask, truth = draw(kind, seed, source), draw(kind, seed, target)
            for name, method in METHODS.items():
                found[name].append(dice(method(mask, source, target), truth))
    return {name: float(np.mean(values)) for name, values in found.items()}


def table() -> str:
    """Measure all pairs of spacings and write them as a table."""
    lines = ["| mask → CT, mm | " + " | ".join(METHODS) + " |", "|---" * 4 + "|"]
    for pair in PAIRS:
        spacings = " → ".join("×".join(f"{step:g}" for step in spacing) for spacing in pair)
        found = measure(pair)
        lines.append(f"| {spacings} | " + " | ".join(f"{d:.3f}" for d in found.values()) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    page = parser.parse_args().page
    text = table()
    print(text)
    if page is not None:
        write_between_marks(page, MARK, text)


if __name__ == "__main__":
    main()
