"""One label map from those of several models, where two may claim the same voxel.

Each model takes the argmax over its own structures and knows nothing of the others'. Who gets a
voxel that two claim is a policy, never the order in which models or files came.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy import ClassMap
from pipeline.errors import UsageError

Overlap = Literal["smaller", "priority"]
_CHUNK_VOXELS = 1 << 22


class PartMerger:
    """Takes in one model's label map after the other.

    Parameters
    ----------
    class_map : ClassMap
        Says the values of the result.
    ranks : ndarray of int, shape (largest value + 1,)
        By value of the class map; in an overlap the lower one wins. All differ.

    Attributes
    ----------
    overlap_voxels : int
        Voxels that two or more models claimed.
    """

    def __init__(
        self, class_map: ClassMap, shape: tuple[int, ...], ranks: NDArray[np.int64]
    ) -> None:
        self.labels: NDArray[np.unsignedinteger] = np.zeros(shape, class_map.dtype, order="F")
        self._ranks = ranks
        self._claimed_twice = np.zeros(shape, np.bool_, order="F")

    @property
    def overlap_voxels(self) -> int:
        """Count the voxels that two or more models claimed."""
        return int(np.count_nonzero(self._claimed_twice))

    def add(self, labels: NDArray[np.unsignedinteger]) -> None:
        """Take in a label map in the values of the class map."""
        ours = self.labels.reshape(-1, order="F")
        twice = self._claimed_twice.reshape(-1, order="F")
        theirs = labels.reshape(-1, order="F")
        for start in range(0, ours.size, _CHUNK_VOXELS):
            part = slice(start, start + _CHUNK_VOXELS)
            have, come = ours[part], theirs[part]
            both = (have > 0) & (come > 0)
            twice[part] |= both
            wins = (come > 0) & ~both
            wins[both] = self._ranks[come[both]] < self._ranks[have[both]]
            have[wins] = come[wins]


def ranks_of(
    class_map: ClassMap,
    overlap: Overlap,
    *,
    voxels: Mapping[int, int],
    priority: Sequence[str] = (),
) -> NDArray[np.int64]:
    """Rank the structures of a case: in an overlap the lower rank wins.

    Parameters
    ----------
    overlap : {"smaller", "priority"}
        ``smaller``: the structure with fewer voxels, so that a vessel is not swallowed by the
        organ around it. ``priority``: the body part that stands earlier in `priority`, then the
        structure that stands earlier in the class map.
    voxels : mapping of int to int
        Value to the voxels that its own model gave it.
    priority : sequence of str
        Body parts; those not named come last.

    Raises
    ------
    UsageError
        If `priority` names a part that the class map does not have.
    """
    unknown = [part for part in priority if part not in class_map.parts]
    if unknown and overlap == "priority":
        raise UsageError(
            f"priority names '{unknown[0]}', which is no part of the class map {class_map.name} "
            f"({', '.join(class_map.parts)})"
        )
    place = {part: number for number, part in enumerate(priority)}
    places = {name: number for number, name in enumerate(class_map.names)}

    def key(value: int) -> tuple[int, int]:
        structure = class_map.by_value(value)
        if overlap == "priority":
            first = place.get(structure.part or "", len(place))
        else:
            first = voxels.get(value, 0)
        return first, places[structure.name]

    ranks = np.zeros(max(class_map.values) + 1, np.int64)
    for rank, value in enumerate(sorted(class_map.values, key=key), start=1):
        ranks[value] = rank
    return ranks
