"""Move a label map from one numbering to another, by the names of the structures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.anatomy.class_map import ClassMap
from pipeline.errors import BadInput

_CHUNK_VOXELS = 1 << 18
"""Voxels handled at once: look-ups and counts widen to 64 bits, but only this many of them."""

_TABLE_LENGTH = 1 << 16
"""Values below this are looked up in a table; larger ones are rare and sorted instead."""


@dataclass(frozen=True, eq=False)
class Relabelled:
    """A label map in a new numbering, and what found no place in it.

    Attributes
    ----------
    label_map : numpy.ndarray
        Same shape and memory order as the input, values and type of the target class map.
        Voxels without a target are 0 here.
    unmatched : dict of int to int
        Value in the input -> number of voxels, for every value that has no name, or whose name
        the target does not have. Empty if nothing was left behind. The caller must report it.
    """

    label_map: NDArray[np.unsignedinteger]
    unmatched: dict[int, int]


def relabel(
    label_map: NDArray[Any], names_by_value: Mapping[int, str], target: ClassMap
) -> Relabelled:
    """Renumber a label map by the names of its values.

    Parameters
    ----------
    label_map : numpy.ndarray
        Any shape; whole numbers (a float type is taken if every voxel is whole). 0 is background.
    names_by_value : mapping of int to str
        What the input's values mean. Two values may share a name: they become one structure.
    target : ClassMap
        The numbering to move to.

    Returns
    -------
    Relabelled
        The renumbered map, and every value left behind with its voxel count.

    Raises
    ------
    BadInput
        If the map holds fractions or is no array of numbers, or if 0 is given a name.

    Notes
    -----
    Works through the map in pieces, so that it needs the output and a few megabytes, whatever
    the input's type (`numpy.bincount` and indexing would each copy uint8 to 8 bytes a voxel).
    """
    if 0 in names_by_value:
        raise BadInput(
            f"value 0 is named '{names_by_value[0]}', but 0 is background; give it another value"
        )
    source = np.asarray(label_map)
    if source.dtype.kind not in "biuf":
        raise BadInput(f"a label map must hold whole numbers, found type {source.dtype}")
    order: Literal["C", "F"] = "F" if source.flags.f_contiguous else "C"
    source = np.asarray(source, order=order)
    result = np.empty(source.shape, dtype=target.dtype, order=order)
    values_to = {
        value: target[name].value for value, name in names_by_value.items() if name in target
    }
    counts = _renumber(source.reshape(-1, order=order), result.reshape(-1, order=order), values_to)
    unmatched = {
        value: voxels
        for value, voxels in sorted(counts.items())
        if value != 0 and value not in values_to
    }
    return Relabelled(result, unmatched)


def _renumber(
    source: NDArray[Any], result: NDArray[np.unsignedinteger], values_to: Mapping[int, int]
) -> dict[int, int]:
    """Fill `result` from `source`, both 1-D; return how often each input value occurs."""
    table = np.zeros(_TABLE_LENGTH, dtype=result.dtype)
    for value, new_value in values_to.items():
        if 0 <= value < _TABLE_LENGTH:
            table[value] = new_value
    counts: Counter[int] = Counter()
    for start in range(0, source.size, _CHUNK_VOXELS):
        piece = slice(start, start + _CHUNK_VOXELS)
        labels = _whole_numbers(source[piece])
        if labels.min() >= 0 and labels.max() < _TABLE_LENGTH:
            voxels = np.bincount(labels)
            present = np.flatnonzero(voxels)
            counts.update(dict(zip(present.tolist(), voxels[present].tolist(), strict=True)))
            np.take(table, labels, out=result[piece], mode="clip")
        else:
            values, where, voxels = np.unique(labels, return_inverse=True, return_counts=True)
            counts.update(dict(zip(values.tolist(), voxels.tolist(), strict=True)))
            new_values = [values_to.get(value, 0) for value in values.tolist()]
            result[piece] = np.array(new_values, dtype=result.dtype)[where]
    return dict(counts)


def _whole_numbers(chunk: NDArray[Any]) -> NDArray[np.int64]:
    if chunk.dtype.kind == "f":
        odd = chunk[~np.isfinite(chunk) | (chunk != np.trunc(chunk))]
        if odd.size:
            raise BadInput(
                f"a label map must hold whole numbers, found {float(odd[0])}; "
                "was it resampled with interpolation?"
            )
    return chunk.astype(np.int64)
