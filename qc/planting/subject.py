"""What an error is planted into, and what one draw of an error may choose."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import NothingToDo
from pipeline.volume import Box, Grid, grow_box, label_boxes, to_canonical

Labels = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Grade = Literal["gross", "medium", "small"]
Part = Literal["tuning", "held_out"]
GRADES: tuple[Grade, ...] = get_args(Grade)
PARTS: tuple[Part, ...] = get_args(Part)

BODY_HU = -300
_HELD_OUT_EVERY = 3
_BINS = 6
_HELD_OUT_BINS = 2


class CannotPlant(NothingToDo):
    """An error cannot be made here: the structure it needs is absent, cut off or too small."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A label map in canonical orientation (RAS), with what the errors ask of it.

    Attributes
    ----------
    labels : ndarray of integer, shape (I, J, K)
        Values of ``class_map``. Never changed in place.
    grid : Grid
    class_map : ClassMap
    ct : ndarray of int16 or None
        Hounsfield units on the same grid.
    """

    labels: Labels
    grid: Grid
    class_map: ClassMap
    ct: NDArray[np.int16] | None = None

    @classmethod
    def of(
        cls,
        labels: Labels,
        grid: Grid,
        class_map: ClassMap,
        ct: NDArray[np.int16] | None = None,
    ) -> "Subject":
        """Turn a label map and its CT, in any orientation, to the canonical one."""
        turned, canonical = to_canonical(labels, grid)
        turned_ct = None if ct is None else to_canonical(ct, grid)[0]
        return cls(turned, canonical, class_map, turned_ct)

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Size of a voxel along I, J, K."""
        return np.array(self.grid.spacing_mm)

    @cached_property
    def boxes(self) -> dict[str, Box]:
        """The box of every structure that is there, in the class map's order."""
        boxes = label_boxes(self.labels)
        return {s.name: boxes[s.value] for s in self.class_map if s.value in boxes}

    @cached_property
    def volumes_ml(self) -> dict[str, float]:
        """The volume of every structure that is there."""
        counts = np.bincount(self.labels.ravel("K"), minlength=max(self.class_map.values) + 1)
        return {name: float(counts[self.value(name)]) * self.grid.voxel_ml for name in self.boxes}

    @cached_property
    def body(self) -> Mask:
        """Where the body is: whatever is labelled, and on the CT what is denser than air."""
        labelled = self.labels > 0
        return labelled if self.ct is None else labelled | (self.ct > BODY_HU)

    def value(self, name: str) -> int:
        """Give the voxel value of a structure."""
        return self.class_map[name].value

    def values(self, names: Iterable[str]) -> list[int]:
        """Give the voxel values of some structures."""
        return [self.value(name) for name in names]

    def box(self, name: str, margin: int = 0) -> Box:
        """Give the box of a structure, grown by a margin in voxels."""
        return grow_box(self.boxes[name], margin, self.labels.shape)

    def crop(self, name: str, box: Box | None = None) -> Mask:
        """Give a structure's voxels inside its own box, or inside another one."""
        crop: Mask = self.labels[box or self.boxes[name]] == self.value(name)
        return crop

    def is_whole(self, name: str) -> bool:
        """Say whether a structure ends inside the field of view, above and below."""
        rows = self.boxes[name][2]
        return bool(rows.start > 0 and rows.stop < self.labels.shape[2])

    def present(
        self, low_ml: float = 0.0, high_ml: float = np.inf, *, whole: bool = False
    ) -> list[str]:
        """List the structures of some size; `whole` leaves out what the field cuts."""
        return [
            name
            for name, volume in self.volumes_ml.items()
            if low_ml <= volume < high_ml and (not whole or self.is_whole(name))
        ]

    def chain(self, prefix: str) -> list[str]:
        """List what is there of a row, ``rib_left_`` or ``vertebrae_``, from above."""
        return sorted((n for n in self.boxes if n.startswith(prefix)), key=row_number)

    def voxels_of(self, volume_ml: float) -> int:
        """Give how many voxels a volume has, at least one."""
        return max(1, round(volume_ml / self.grid.voxel_ml))


def row_number(name: str) -> int:
    """Give the place of a rib or vertebra in its row, from above.

    Raises
    ------
    ValueError
        If the name is of neither.
    """
    from pipeline.anatomy import vertebra_number

    number = vertebra_number(name)
    if number is not None:
        return number
    return int(name.rpartition("_")[2])


@dataclass(frozen=True, eq=False)
class Draw:
    """The chances of one planted error: how large, where, in which structure.

    Parameters
    ----------
    kind : str
    grade : Grade
    rng : Generator
    part : Part
        Structures and strengths are dealt to one of two parts by name, so that rules which are
        tuned on one part have never seen the other.
    among : collection of str or None
        The only structures that may be chosen.
    """

    kind: str
    grade: Grade
    rng: np.random.Generator
    part: Part = "tuning"
    among: Collection[str] | None = None

    def graded(self, gross: Any, medium: Any, small: Any) -> Any:
        """Give the one of three values that belongs to the grade."""
        return {"gross": gross, "medium": medium, "small": small}[self.grade]

    def strength(
        self,
        gross: tuple[float, float],
        medium: tuple[float, float],
        small: tuple[float, float],
    ) -> float:
        """Draw a number from the range of the grade, on a logarithmic scale.

        Each range is cut into six; two of them, by chance, belong to the held-out part.
        """
        low, high = np.log(self.graded(gross, medium, small))
        dealt = np.random.default_rng(crc32(f"{self.kind}:{self.grade}".encode()))
        held_out = set(dealt.permutation(_BINS)[:_HELD_OUT_BINS].tolist())
        mine = [n for n in range(_BINS) if (n in held_out) == (self.part == "held_out")]
        at = (self.rng.choice(mine) + self.rng.uniform()) / _BINS
        return float(np.exp(low + at * (high - low)))

    def one_of(self, names: Sequence[str], what: str) -> str:
        """Choose a structure.

        Raises
        ------
        CannotPlant
            If there is none: `what` says what was looked for.
        """
        allowed = [name for name in names if self.among is None or name in self.among]
        if not allowed:
            among = f" among {', '.join(self.among)}" if self.among else ""
            raise CannotPlant(f"{self.kind} ({self.grade}): no {what}{among} in this case")
        held_out = {n for n in allowed if crc32(f"{self.kind}/{n}".encode()) % _HELD_OUT_EVERY == 0}
        mine = [name for name in allowed if (name in held_out) == (self.part == "held_out")]
        # Where one part would have nothing to choose from, both have all.
        return str(self.rng.choice(mine or allowed))


@dataclass(frozen=True, eq=False)
class Draft:
    """What an error made of the labels.

    Attributes
    ----------
    labels : ndarray
        A new array.
    targets : tuple of str
        The structures that the error is about.
    figures : mapping
        How large it is, with units in the names.
    words : str
        What was done, for people.
    """

    labels: Labels
    targets: tuple[str, ...]
    figures: dict[str, float]
    words: str
