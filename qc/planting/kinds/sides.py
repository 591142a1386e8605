"""Left and right, above and below taken for each other."""

from itertools import pairwise

import numpy as np

from qc.planting.kind import ErrorKind
from qc.planting.subject import CannotPlant, Draft, Draw, Labels, Subject, row_number

_PAIRS_SWAPPED = 3


def relabelled(subject: Subject, names: dict[str, str | None]) -> Labels:
    """Give the labels with structures renamed, all at once; None wipes one out."""
    table = np.arange(max(subject.class_map.values) + 1, dtype=subject.labels.dtype)
    for old, new in names.items():
        table[subject.value(old)] = 0 if new is None else subject.value(new)
    renamed: Labels = np.asfortranarray(table[subject.labels])
    return renamed


def pairs(subject: Subject) -> list[tuple[str, str]]:
    """List the pairs of which both sides are there, left first."""
    return [
        (s.name, s.mirror)
        for s in subject.class_map
        if s.side == "left" and s.name in subject.boxes and s.mirror in subject.boxes
    ]


def _exchanged(subject: Subject, chosen: list[tuple[str, str]], words: str) -> Draft:
    names: dict[str, str | None] = {}
    for left, right in chosen:
        names |= {left: right, right: left}
    volume = sum(subject.volumes_ml[name] for name in names)
    figures = {"pairs": float(len(chosen)), "volume_ml": volume}
    return Draft(relabelled(subject, names), tuple(names), figures, words)


def _swap_pair(subject: Subject, draw: Draw) -> Draft:
    low, high = draw.graded((100.0, np.inf), (15.0, 100.0), (0.0, 15.0))
    of = dict(pairs(subject))
    fitting = [left for left in of if low <= subject.volumes_ml[left] < high]
    left = draw.one_of(fitting, "pair of that size")
    return _exchanged(subject, [(left, of[left])], f"{left} and {of[left]} are exchanged")


def _swap_sides(subject: Subject, draw: Draw) -> Draft:
    found = pairs(subject)
    if len(found) < _PAIRS_SWAPPED:
        raise CannotPlant(f"{draw.kind}: {len(found)} pairs are there, expected {_PAIRS_SWAPPED}")
    if draw.grade == "gross":
        return _exchanged(subject, found, "left and right are exchanged in every pair")
    if draw.grade == "medium":
        part = subject.class_map[draw.one_of([left for left, _ in found], "pair")].part
        chosen = [pair for pair in found if subject.class_map[pair[0]].part == part]
        return _exchanged(subject, chosen, f"left and right are exchanged in all pairs of {part}")
    picked = draw.rng.permutation(len(found))[:_PAIRS_SWAPPED]
    chosen = [found[int(n)] for n in sorted(picked)]
    return _exchanged(subject, chosen, "left and right are exchanged in three pairs")


def _rib_on_wrong_side(subject: Subject, draw: Draw) -> Draft:
    of = {a: b for pair in pairs(subject) for a, b in (pair, pair[::-1]) if "rib_" in a}
    first = draw.one_of(sorted(of), "rib with its counterpart")
    side = first.rpartition("_")[0] + "_"
    row = [name for name in subject.chain(side) if name in of]
    at = row.index(first)
    chosen = row[at : at + draw.graded(3, 1, 1)]
    mine = np.isin(subject.labels, subject.values(chosen))
    if draw.grade == "small":
        mine &= _outer_half(subject, first)
    labels = subject.labels.copy(order="F")
    wrong = relabelled(subject, {name: of[name] for name in chosen})
    labels[mine] = wrong[mine]
    targets = (*chosen, *(of[name] for name in chosen))
    share = 0.5 if draw.grade == "small" else 1.0
    words = f"{', '.join(chosen)} got the name of the other side"
    return Draft(labels, targets, {"ribs": float(len(chosen)), "share": share}, words)


def _outer_half(subject: Subject, name: str) -> np.ndarray:
    mine: np.ndarray = subject.labels == subject.value(name)
    x = np.argwhere(mine)[:, 0]
    outer = np.arange(mine.shape[0]) < np.median(x)
    if subject.class_map[name].side == "right":
        outer = ~outer
    return mine & outer[:, None, None]


def _mirrored(subject: Subject, draw: Draw) -> Draft:
    """Mirror all labels, or one mask, about the middle of the body; names stay."""
    inside = np.flatnonzero((subject.labels > 0).any(axis=(1, 2)))
    if not len(inside):
        raise CannotPlant(f"{draw.kind}: the label map is empty")
    low, high = int(inside[0]), int(inside[-1]) + 1
    if draw.grade == "gross":
        labels = subject.labels.copy(order="F")
        labels[low:high] = subject.labels[low:high][::-1]
        words = "the whole label map is mirrored, left for right"
        return Draft(labels, tuple(subject.boxes), {"structures": float(len(subject.boxes))}, words)
    size = draw.graded(None, (100.0, np.inf), (5.0, 100.0))
    aside = [n for n in subject.present(*size) if _lies_aside(subject, n, (low + high - 1) / 2)]
    name = draw.one_of(aside, "structure of that size to one side of the middle")
    mask = subject.labels == subject.value(name)
    other = np.zeros_like(mask)
    other[low:high] = mask[low:high][::-1]
    labels = subject.labels.copy(order="F")
    labels[mask] = 0
    labels[other] = subject.value(name)
    volume = subject.volumes_ml[name]
    return Draft(labels, (name,), {"volume_ml": volume}, f"{name} lies on the other side")


def _lies_aside(subject: Subject, name: str, middle: float) -> bool:
    rows = subject.boxes[name][0]
    return bool(rows.stop <= middle or rows.start >= middle)


def _upside_down(subject: Subject, draw: Draw) -> Draft:
    if draw.grade == "gross":
        labels = np.asfortranarray(subject.labels[:, :, ::-1])
        if not subject.boxes:
            raise CannotPlant(f"{draw.kind}: the label map is empty")
        words = "the whole label map stands on its head"
        return Draft(labels, tuple(subject.boxes), {"structures": float(len(subject.boxes))}, words)
    size = draw.graded(None, (100.0, np.inf), (10.0, 100.0))
    name = draw.one_of(subject.present(*size, whole=True), "whole structure of that size")
    box, value = subject.boxes[name], subject.value(name)
    labels = subject.labels.copy(order="F")
    crop = subject.crop(name)
    labels[box][crop] = 0
    labels[box][crop[:, :, ::-1]] = value
    figures = {"volume_ml": subject.volumes_ml[name]}
    return Draft(labels, (name,), figures, f"{name} stands on its head")


def _front_for_back(subject: Subject, draw: Draw) -> Draft:
    if not subject.boxes:
        raise CannotPlant(f"{draw.kind}: the label map is empty")
    labels = np.asfortranarray(subject.labels[:, ::-1])
    words = "the whole label map is turned front to back"
    return Draft(labels, tuple(subject.boxes), {"structures": float(len(subject.boxes))}, words)


def neighbours_in_row(row: list[str]) -> list[tuple[str, str]]:
    """List the pairs of a row whose numbers follow one another."""
    return [(a, b) for a, b in pairwise(row) if row_number(b) == row_number(a) + 1]


KINDS = (
    ErrorKind("swapped_pair", "a pair with its sides exchanged", _swap_pair),
    ErrorKind("swapped_sides", "left and right exchanged in many pairs", _swap_sides),
    ErrorKind("rib_on_wrong_side", "ribs that bear the other side's name", _rib_on_wrong_side),
    ErrorKind("mirrored", "the label map, or one mask, mirrored", _mirrored),
    ErrorKind("upside_down", "the label map, or one mask, on its head", _upside_down),
    ErrorKind("front_for_back", "the label map turned front to back", _front_for_back, ("gross",)),
)
