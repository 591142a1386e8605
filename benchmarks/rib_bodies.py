"""Chests whose ribs are known one by one, for `benchmarks.ribs`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import (
    ClassMap,
    find_class_map,
    load_class_map,
    shipped_configs,
    vertebra_number,
)
from pipeline.phantom import BodySettings, make_body
from pipeline.volume import Box, Grid, label_boxes, read_nifti

REAL_CASE = "ct_abdomen_pelvis_native_ts"
REAL_FILES = ("example_seg_fast_force_split.nii.gz", "example_seg.nii.gz")
Labels = NDArray[Any]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
Crops = dict[str, tuple[Mask, Box]]


@dataclass(frozen=True)
class Chest:
    """Labels of ribs and vertebrae, and what a mask of the ribs holds beyond them.

    Attributes
    ----------
    labels : ndarray of int, shape (I, J, K)
    grid : Grid
    class_map : ClassMap
    added : ndarray of bool, shape (I, J, K), or None
        What the mask holds beside the ribs.
    extras : mapping of str to ndarray of bool, shape (I, J, K)
        Ribs beyond the twelve pairs, by the name they should get.
    """

    labels: Labels
    grid: Grid
    class_map: ClassMap
    added: Mask | None = None
    extras: Mapping[str, Mask] = field(default_factory=dict)

    @property
    def ribs(self) -> dict[str, int]:
        """Value of each rib."""
        return {s.name: s.value for s in self.class_map if s.name.startswith("rib_")}

    @property
    def spacing_mm(self) -> Points:
        """Size of a voxel (3,)."""
        return np.array(self.grid.spacing_mm)

    @property
    def mask(self) -> Mask:
        """All ribs in one."""
        mask = np.isin(self.labels, list(self.ribs.values()))
        for more in ([] if self.added is None else [self.added]) + list(self.extras.values()):
            mask = mask | more
        return mask

    def truth(self) -> Iterator[tuple[str, Mask]]:
        """Give the voxels of every rib in the class map's order."""
        for name, value in self.ribs.items():
            yield name, self.labels == value

    def vertebrae(self) -> Crops:
        """Crop of each vertebra."""
        boxes = label_boxes(self.labels)
        return {
            s.name: (self.labels[boxes[s.value]] == s.value, boxes[s.value])
            for s in self.class_map
            if s.value in boxes and vertebra_number(s.name) is not None
        }

    def rows(self, name: str) -> NDArray[np.int64]:
        """Voxel indices (n, 3) of a structure."""
        return np.argwhere(self.labels == self.class_map[name].value)

    def without(self, *ribs: str) -> "Chest":
        """Give the same chest with some ribs missing."""
        gone = np.isin(self.labels, [self.class_map[name].value for name in ribs])
        return replace(self, labels=np.where(gone, 0, self.labels))

    def between(self, low: float, high: float) -> "Chest":
        """Crop along z; 0 is the lower end of rib 12, 1 the upper end of rib 1."""
        bottom = self.rows("rib_left_12")[:, 2].min()
        height = self.rows("rib_left_1")[:, 2].max() - bottom
        rows = slice(
            max(int(bottom + low * height), 0),
            min(int(bottom + high * height), self.labels.shape[2]),
        )
        labels = self.labels[:, :, rows]
        affine = np.array(self.grid.affine)
        affine[:3, 3] += affine[:3, 2] * rows.start
        i, j, k = labels.shape
        return Chest(labels, Grid((i, j, k), affine), self.class_map)


def make_chest(seed: int, scoliosis_deg: float | None = None) -> Chest:
    """Make one of many chests: both sexes, sizes 0.85 to 1.1, some with a scoliosis."""
    rng = np.random.default_rng(seed)
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    size, bend = float(rng.uniform(0.85, 1.1)), float(rng.choice([0, 0, 15, -25, 35]))
    body = make_body(
        BodySettings(
            seed=seed,
            sex="male" if seed % 2 else "female",
            size=size,
            scoliosis_deg=bend if scoliosis_deg is None else scoliosis_deg,
            spacing_mm=(2.0, 2.0, 2.0) if seed % 2 else (1.5, 1.5, 3.0),
            field_of_view=(215.0, 640.0),
            in_plane_mm=(420.0, 320.0),
        ),
        class_map,
    )
    return Chest(body.labels, body.grid, class_map)


def real_chests(folder: Path) -> Iterator[Chest]:
    """Read the real label maps, in TotalSegmentator's numbering."""
    class_map = find_class_map("totalsegmentator_v2", shipped_configs())
    for name in REAL_FILES:
        volume = read_nifti(folder / REAL_CASE / name)
        yield Chest(volume.array, volume.grid, class_map)
