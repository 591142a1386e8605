"""Measure the rib split: `make bench-ribs`, or `python -m benchmarks.ribs --help`.

How many ribs of a mask that holds them all get their right number, with and without vertebrae:
on bodies as they are, with broken, bridged and missing ribs and cropped fields of view, and on a
real abdomen. A rib is right if at least 80 % of its voxels got its name.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import ROOT
from benchmarks.page_tables import write_between_marks
from pipeline.anatomy import ClassMap, find_class_map, load_class_map, shipped_configs
from pipeline.bootstrap.ribs import NAMES, split_ribs, vertebra_number
from pipeline.phantom import BodySettings, make_body
from pipeline.volume import Box, Grid, label_boxes, read_nifti

MARK = "bench-ribs"
RIGHT_SHARE = 0.8
SMALLEST_ML = 0.15
REAL_CASE = "ct_abdomen_pelvis_native_ts"
REAL_FILES = ("example_seg_fast_force_split.nii.gz", "example_seg.nii.gz")
Labels = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Chest:
    """Labels of ribs and vertebrae, and what a mask of the ribs holds beyond them."""

    labels: Labels
    grid: Grid
    class_map: ClassMap
    bridges: Mask | None = None

    @property
    def ribs(self) -> dict[str, int]:
        """Value of each rib."""
        return {s.name: s.value for s in self.class_map if s.name.startswith("rib_")}

    @property
    def mask(self) -> Mask:
        """All ribs in one."""
        ribs = np.isin(self.labels, list(self.ribs.values()))
        return ribs if self.bridges is None else ribs | self.bridges

    def vertebrae(self) -> dict[str, tuple[Mask, Box]]:
        """Crop of each vertebra."""
        boxes = label_boxes(self.labels)
        return {
            s.name: (self.labels[boxes[s.value]] == s.value, boxes[s.value])
            for s in self.class_map
            if s.value in boxes and vertebra_number(s.name) is not None
        }

    def without(self, *ribs: str) -> "Chest":
        """Give the same chest with some ribs missing."""
        gone = np.isin(self.labels, [self.class_map[name].value for name in ribs])
        return Chest(np.where(gone, 0, self.labels), self.grid, self.class_map)

    def between(self, low: float, high: float) -> "Chest":
        """Crop along z; 0 is the lower end of rib 12, 1 the upper end of rib 1."""
        bottom = self._rows("rib_left_12")[:, 2].min()
        height = self._rows("rib_left_1")[:, 2].max() - bottom
        rows = slice(
            max(int(bottom + low * height), 0),
            min(int(bottom + high * height), self.labels.shape[2]),
        )
        labels = self.labels[:, :, rows]
        affine = np.array(self.grid.affine)
        affine[:3, 3] += affine[:3, 2] * rows.start
        i, j, k = labels.shape
        return Chest(labels, Grid((i, j, k), affine), self.class_map)

    def _rows(self, name: str) -> NDArray[np.int64]:
        return np.argwhere(self.labels == self.class_map[name].value)


def main() -> int:
    """Measure, print the table, and write it into the page if asked."""
    options = read_options()
    began = time.monotonic()
    text = phantom_table(options.bodies) + "\n" + real_lines(options.real_data)
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.page is not None:
        write_between_marks(options.page, MARK, text)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-ribs", description=__doc__)
    parser.add_argument("--bodies", type=int, default=12, help="how many bodies (default: 12)")
    parser.add_argument("--page", type=Path, help="page whose marked part takes the table")
    parser.add_argument(
        "--real-data",
        type=Path,
        default=Path(os.environ.get("MASKSMITH_REAL_DATA") or ROOT.parent / "shared" / "data"),
        help="folder with the shared real scans",
    )
    return parser.parse_args()


def phantom_table(bodies: int) -> str:
    """Tabulate the share of right numbers for each sort of trouble."""
    counts: dict[str, NDArray[np.int64]] = {}
    for seed in range(bodies):
        chest = make_chest(seed)
        for name, change in VARIANTS.items():
            changed = change(chest, np.random.default_rng(seed))
            counts[name] = counts.get(name, np.zeros(4, int)) + np.array(
                [*score(changed, changed.vertebrae()), *score(changed, {})]
            )
    lines = ["| ribs | with vertebrae | without |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {a} of {b} ({a / b:.1%}) | {c} of {d} ({c / d:.1%}) |"
        for name, (a, b, c, d) in counts.items()
    ]
    return f"{bodies} bodies:\n\n" + "\n".join(lines) + "\n"


def real_lines(folder: Path) -> str:
    """Say how many ribs of a real abdomen, merged into one mask, are found again."""
    if not (folder / REAL_CASE).is_dir():
        return f"Real abdomen: not measured, {REAL_CASE} is not there.\n"
    lines = []
    for chest, name in zip(real_chests(folder), REAL_FILES, strict=True):
        (a, b), (c, d) = score(chest, chest.vertebrae()), score(chest, {})
        lines.append(
            f"Real abdomen ({REAL_CASE}, {name}), TotalSegmentator's ribs merged and split again: "
            f"{a} of {b} with vertebrae, {c} of {d} without.\n"
        )
    return "\n".join(lines)


def real_chests(folder: Path) -> Iterator[Chest]:
    """Read the real label maps, in TotalSegmentator's numbering."""
    class_map = find_class_map("totalsegmentator_v2", shipped_configs())
    for name in REAL_FILES:
        volume = read_nifti(folder / REAL_CASE / name)
        yield Chest(volume.array, volume.grid, class_map)


def make_chest(seed: int) -> Chest:
    """Make one of many chests: both sexes, sizes 0.85 to 1.1, some with a scoliosis."""
    rng = np.random.default_rng(1000 + seed)
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    body = make_body(
        BodySettings(
            seed=1000 + seed,
            sex="male" if seed % 2 else "female",
            size=float(rng.uniform(0.85, 1.1)),
            scoliosis_deg=float(rng.choice([0, 0, 15, -25, 35])),
            spacing_mm=(2.0, 2.0, 2.0) if seed % 2 else (1.5, 1.5, 3.0),
            field_of_view=(215.0, 640.0),
            in_plane_mm=(420.0, 320.0),
        ),
        class_map,
    )
    return Chest(body.labels, body.grid, class_map)


def score(chest: Chest, vertebrae: Mapping[str, tuple[Mask, Box]]) -> tuple[int, int]:
    """Count the ribs that got their own name, and all ribs."""
    split = split_ribs(chest.mask, chest.grid, vertebrae)
    values = {name: value for value, name in NAMES.items()}
    right = total = 0
    for name, value in chest.ribs.items():
        got = split.label_map[chest.labels == value]
        if len(got) * chest.grid.voxel_ml >= SMALLEST_ML:
            total += 1
            right += int((got == values[name]).mean() >= RIGHT_SHARE)
    return right, total


def broken(chest: Chest, rng: np.random.Generator) -> Chest:
    """Take pieces of 10 to 20 mm out of four ribs."""
    labels, spacing = chest.labels.copy(), np.array(chest.grid.spacing_mm)
    for name in rng.choice(list(chest.ribs), 4, replace=False):
        rows = np.argwhere(labels == chest.ribs[str(name)])
        middle = rows[rng.integers(len(rows))]
        away = np.linalg.norm((rows - middle) * spacing, axis=1)
        labels[tuple(rows[away < rng.uniform(5, 10)].T)] = 0
    return Chest(labels, chest.grid, chest.class_map)


def bridged(chest: Chest, rng: np.random.Generator) -> Chest:
    """Lay five bridges of 6 mm from a rib to the next, where they come near each other."""
    from scipy.spatial import KDTree

    spacing, bridges = np.array(chest.grid.spacing_mm), np.zeros(chest.labels.shape, bool)
    for _ in range(5):
        side, number = rng.choice(["left", "right"]), int(rng.integers(1, 12))
        upper, lower = (
            np.argwhere(chest.labels == chest.ribs[f"rib_{side}_{n}"]) * spacing
            for n in (number, number + 1)
        )
        found = KDTree(lower).query(upper)
        gap, nearest = np.asarray(found[0]), np.asarray(found[1])
        start = int(rng.choice(np.argsort(gap)[: max(len(gap) // 2, 1)]))
        lay_bar(bridges, spacing, upper[start], lower[nearest[start]])
    return Chest(chest.labels, chest.grid, chest.class_map, bridges)


def lay_bar(
    mask: Mask, spacing_mm: NDArray[np.float64], start: Labels, end: Labels, radius_mm: float = 3.0
) -> None:
    """Draw a round bar between two points (mm) into a mask."""
    low = np.maximum((np.minimum(start, end) - radius_mm) // spacing_mm, 0).astype(int)
    high = ((np.maximum(start, end) + radius_mm) // spacing_mm + 2).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    rows = np.argwhere(np.ones_like(mask[box])) + low
    points, way = rows * spacing_mm, end - start
    along = np.clip((points - start) @ way / max(float(way @ way), 1e-9), 0, 1)
    near = np.linalg.norm(points - start - along[:, None] * way, axis=1) <= radius_mm
    mask[tuple(rows[near].T)] = True


VARIANTS: Mapping[str, Callable[[Chest, np.random.Generator], Chest]] = {
    "as they are": lambda chest, _: chest,
    "four fractures of 10 to 20 mm": broken,
    "five bridges of 6 mm to the next rib": bridged,
    "the first pair missing": lambda chest, _: chest.without("rib_left_1", "rib_right_1"),
    "the twelfth pair missing": lambda chest, _: chest.without("rib_left_12", "rib_right_12"),
    "upper half of the chest": lambda chest, rng: chest.between(rng.uniform(0.3, 0.5), 2),
    "lower half of the chest": lambda chest, rng: chest.between(-1, rng.uniform(0.4, 0.7)),
    "neither end in view": lambda chest, _: chest.between(0.25, 0.75),
}


if __name__ == "__main__":
    sys.exit(main())
