"""The bodies of `benchmarks.rough`: abdomens with a few large organs and their ribs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap, Side, Structure, load_class_map, shipped_configs
from pipeline.phantom import BodySettings, DatasetSettings, body_settings, make_body
from pipeline.volume import Grid

SEED = 4300
FIELD_OF_VIEW = "abdomen"
SPINAL_END_MM = 30.0
ORGANS = ("spleen", "kidney_right", "kidney_left", "liver", "aorta")
SIDES: tuple[Side, ...] = ("left", "right")
STRUCTURES = dict(enumerate((*ORGANS, "ribs_left", "ribs_right"), start=1))
RIBS = {n for n, name in STRUCTURES.items() if name.startswith("ribs_")}

Labels = NDArray[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class TrueBody:
    """A scanned body and what is truly in it.

    Attributes
    ----------
    ct, labels : ndarray, shape (I, J, K)
        HU, and values of `STRUCTURES`.
    vertebrae : ndarray of bool, shape (I, J, K)
    """

    ct: NDArray[np.int16]
    labels: Labels
    vertebrae: NDArray[np.bool_]
    grid: Grid

    @cached_property
    def near_spine(self) -> NDArray[np.bool_]:
        """Everything within `SPINAL_END_MM` of a vertebra."""
        from scipy.ndimage import distance_transform_edt

        away = distance_transform_edt(~self.vertebrae, sampling=self.grid.spacing_mm)
        return np.asarray(away <= SPINAL_END_MM)

    @property
    def spinal_ends(self) -> NDArray[np.bool_]:
        """The ends of the ribs at the vertebrae."""
        return np.isin(self.labels, list(RIBS)) & self.near_spine

    @property
    def rest_of_ribs(self) -> NDArray[np.bool_]:
        """The ribs without those ends."""
        return np.isin(self.labels, list(RIBS)) & ~self.near_spine


def class_map() -> ClassMap:
    """Give the class map of the organs and of all ribs of a side in one."""
    shipped = load_class_map(shipped_configs() / "class_map.yaml")
    organs = shipped.subset(ORGANS, name="bench_rough")
    ribs = tuple(
        Structure(f"ribs_{side}", len(organs) + n, None, "bone", side, None, (200, 180, n), None)
        for n, side in enumerate(SIDES, start=1)
    )
    found = ClassMap("bench_rough", (*organs, *ribs))
    assert found.names_by_value == STRUCTURES
    return found


def make_bodies(count: int, spacing_mm: float) -> list[TrueBody]:
    """Make the bodies; the first ones are the same whatever the count is."""
    wish = DatasetSettings(seed=SEED, spacing_mm=spacing_mm, field_of_view=FIELD_OF_VIEW)
    return [make_true_body(body_settings(number, wish)) for number in range(count)]


def make_true_body(settings: BodySettings) -> TrueBody:
    """Make one body and keep what the bench is about."""
    shipped = load_class_map(shipped_configs() / "class_map.yaml")
    body = make_body(settings, shipped)
    values = np.zeros(max(shipped.values) + 1, np.uint8)
    spine = np.zeros(len(values), np.bool_)
    for structure in shipped:
        spine[structure.value] = structure.name.startswith("vertebrae_")
        values[structure.value] = _value(structure.name)
    return TrueBody(body.ct, values[body.labels], spine[body.labels], body.grid)


def _value(name: str) -> int:
    wanted = name
    for side in SIDES:
        if name.startswith(f"rib_{side}_"):
            wanted = f"ribs_{side}"
    return next((value for value, known in STRUCTURES.items() if known == wanted), 0)


def without_spinal_end(labels: Labels, body: TrueBody) -> Labels:
    """Take the ribs' ends at the vertebrae away, as the paper's first rib model lacked them."""
    return np.where(body.near_spine & np.isin(labels, list(RIBS)), 0, labels).astype(labels.dtype)
