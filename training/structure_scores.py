"""How well a model does on the validation cases, structure by structure. Pure numbers.

Words
-----
present, absent
    Cases in which the structure was decided to be there, or not to be there.
missed
    Present cases without a single predicted voxel. They count as Dice 0.
false positive
    An absent case with at least ``FALSE_POSITIVE_ML`` of it predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.volume import Box

FALSE_POSITIVE_ML = 0.1  # some voxels of noise are no false positive


@dataclass(frozen=True, slots=True)
class Score:
    """One structure with one model.

    Attributes
    ----------
    dice : float or None
        Mean over the cases it is present in; None where there is none.
    false_positive_ml : float
        Predicted where it is absent, all cases together.
    """

    present: int = 0
    dice: float | None = None
    missed: int = 0
    absent: int = 0
    false_positives: int = 0
    false_positive_ml: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class Tally:
    """Adds up one structure over cases."""

    dices: list[float] = field(default_factory=list)
    missed: int = 0
    absent: int = 0
    false_positives: int = 0
    false_positive_ml: float = 0.0

    def add_present(self, truth_voxels: int, found_voxels: int, shared_voxels: int) -> None:
        """Count a case in which the structure is there."""
        self.dices.append(2 * shared_voxels / (truth_voxels + found_voxels))
        self.missed += found_voxels == 0

    def add_absent(self, found_ml: float) -> None:
        """Count a case in which it is not there."""
        self.absent += 1
        self.false_positives += found_ml >= FALSE_POSITIVE_ML
        self.false_positive_ml += found_ml

    @property
    def score(self) -> Score:
        """The figures so far."""
        return Score(
            present=len(self.dices),
            dice=round(float(np.mean(self.dices)), 5) if self.dices else None,
            missed=self.missed,
            absent=self.absent,
            false_positives=self.false_positives,
            false_positive_ml=round(self.false_positive_ml, 3),
        )


@dataclass(frozen=True, slots=True)
class TrueMask:
    """What people decided about one structure in one case; no box where it is not there."""

    box: Box | None = None
    crop: NDArray[np.bool_] | None = None


def add_case(
    tallies: Mapping[str, Tally],
    labels: NDArray[np.unsignedinteger],
    values: Mapping[str, int],
    truth: Mapping[str, TrueMask],
    voxel_ml: float,
) -> None:
    """Count one predicted case in.

    Parameters
    ----------
    tallies : mapping of str to Tally
        By structure; others are not counted.
    labels : ndarray, shape (I, J, K)
        The prediction.
    values : mapping
        Structure to its value in `labels`.
    truth : mapping
        Structure to what was decided; undecided ones are missing.
    voxel_ml : float
        Volume of a voxel.
    """
    found = np.bincount(labels.ravel(order="K"), minlength=max(values.values()) + 1)
    for name, mask in truth.items():
        if name not in tallies:
            continue
        voxels = int(found[values[name]])
        if mask.box is None or mask.crop is None:
            tallies[name].add_absent(voxels * voxel_ml)
            continue
        shared = np.count_nonzero((labels[mask.box] == values[name]) & mask.crop)
        tallies[name].add_present(int(np.count_nonzero(mask.crop)), voxels, int(shared))
