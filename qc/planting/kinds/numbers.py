"""Numbers and names taken for others: ribs, vertebrae, organs."""

from collections.abc import Sequence

import numpy as np

from qc.planting.kind import ErrorKind
from qc.planting.kinds.sides import neighbours_in_row, relabelled
from qc.planting.subject import CannotPlant, Draft, Draw, Subject, row_number

_SIDES = ("left", "right")
_SHORTEST_ROW = 3


def _renumber_vertebrae(subject: Subject, draw: Draw) -> Draft:
    """Name all, or those below a level, or the last two, one further up or down."""
    row = _row(subject, "vertebrae_", draw)
    if draw.grade == "gross":
        moving = row
    elif draw.grade == "medium":
        moving = row[len(row) // 2 :] if draw.rng.random() < 0.5 else row[: len(row) // 2]
    else:
        moving = row[-2:] if draw.rng.random() < 0.5 else row[:2]
    return _one_further(subject, draw, moving, "vertebrae")


def _renumber_ribs(subject: Subject, draw: Draw) -> Draft:
    rows = {side: subject.chain(f"rib_{side}_") for side in _SIDES}
    rows = {side: row for side, row in rows.items() if len(row) >= _SHORTEST_ROW}
    if not rows:
        raise CannotPlant(f"{draw.kind}: no side has {_SHORTEST_ROW} ribs")
    if draw.grade == "gross":
        return _one_further(subject, draw, [name for row in rows.values() for name in row], "ribs")
    row = rows[str(draw.rng.choice(sorted(rows)))]
    return _one_further(subject, draw, row if draw.grade == "medium" else row[-3:], "ribs")


def _row(subject: Subject, prefix: str, draw: Draw) -> list[str]:
    row = subject.chain(prefix)
    # From slivers at the ends of the field of view nobody, and no rule, can count.
    whole = sum(subject.is_whole(name) for name in row)
    if whole < _SHORTEST_ROW:
        raise CannotPlant(f"{draw.kind}: {whole} whole {prefix}*, expected {_SHORTEST_ROW}")
    return row


def _one_further(subject: Subject, draw: Draw, moving: Sequence[str], what: str) -> Draft:
    """Shift the numbers of some ribs or vertebrae by one, up or down.

    A name that runs off the end of the class map is wiped out. One that runs into a structure
    that does not move takes it over, as a person would who counts wrongly from there on.
    """
    step = int(draw.rng.choice((-1, 1)))
    known = {(_prefix(name), row_number(name)): name for name in subject.class_map.names
             if name.startswith(("rib_", "vertebrae_"))}  # fmt: skip
    names: dict[str, str | None] = {
        name: known.get((_prefix(name), row_number(name) + step)) for name in moving
    }
    run_into = {new for new in names.values() if new in subject.boxes and new not in names}
    labels = relabelled(subject, {**names, **dict.fromkeys(run_into)})
    new_names = [new for new in names.values() if new is not None]
    targets = tuple(dict.fromkeys([*moving, *new_names]))
    way = "up" if step < 0 else "down"
    words = f"{len(moving)} {what} are numbered one further {way}"
    return Draft(labels, targets, {what: float(len(moving)), "step": float(step)}, words)


def _prefix(name: str) -> str:
    return "vertebrae" if name.startswith("vertebrae_") else name.rpartition("_")[0]


def _swap_vertebrae(subject: Subject, draw: Draw) -> Draft:
    return _swap_in_row(subject, draw, subject.chain("vertebrae_"))


def _swap_ribs(subject: Subject, draw: Draw) -> Draft:
    return _swap_in_row(subject, draw, subject.chain(f"rib_{draw.rng.choice(_SIDES)}_"))


def _swap_in_row(subject: Subject, draw: Draw, row: list[str]) -> Draft:
    low, high = draw.graded((4, 99), (2, 3), (1, 1))
    partners = {
        name: [o for o in row if low <= abs(row_number(o) - row_number(name)) <= high]
        for name in row
    }
    fitting = [name for name, others in partners.items() if others]
    one = draw.one_of(fitting, f"two in a row that are {low} to {high} apart")
    other = str(draw.rng.choice(partners[one]))
    apart = abs(row_number(one) - row_number(other))
    labels = relabelled(subject, {one: other, other: one})
    return Draft(labels, (one, other), {"apart": float(apart)}, f"{one} and {other} are exchanged")


def _two_with_one_number(subject: Subject, draw: Draw) -> Draft:
    """Give a rib or vertebra the number of the one before it: one number is missing then."""
    prefix = draw.graded("vertebrae_", "vertebrae_", f"rib_{draw.rng.choice(_SIDES)}_")
    follows = {b: a for a, b in neighbours_in_row(subject.chain(prefix))}
    one = draw.one_of(sorted(follows), "two in a row")
    names: dict[str, str | None] = {one: follows[one]}
    if draw.grade == "gross" and follows[one] in follows:
        names = {one: follows[follows[one]], follows[one]: follows[follows[one]]}
    targets = tuple(dict.fromkeys([*names, *(n for n in names.values() if n)]))
    words = f"{', '.join(sorted(targets))} bear one number"
    return Draft(relabelled(subject, names), targets, {"in_one": float(len(targets))}, words)


def _exchanged_names(subject: Subject, draw: Draw) -> Draft:
    """Exchange the names of two unlike structures, such as spleen and stomach."""
    low, high = draw.graded((80.0, np.inf), (20.0, 80.0), (0.0, 20.0))
    organs = [n for n in subject.present(low, high) if _is_soft(subject, n)]
    one = draw.one_of(organs, "soft structure of that size")
    others = [n for n in organs if n not in (one, subject.class_map[one].mirror)]
    if not others:
        raise CannotPlant(f"{draw.kind} ({draw.grade}): only {one} has that size")
    near = [n for n in others if n in subject.class_map[one].neighbours]
    other = str(draw.rng.choice(near or others))
    volume = subject.volumes_ml[one] + subject.volumes_ml[other]
    labels = relabelled(subject, {one: other, other: one})
    words = f"{one} and {other} have exchanged their names"
    return Draft(labels, (one, other), {"volume_ml": volume}, words)


def _wrong_name(subject: Subject, draw: Draw) -> Draft:
    """Give a structure the name of another one, which keeps its own voxels too."""
    low, high = draw.graded((100.0, np.inf), (20.0, 100.0), (1.0, 20.0))
    soft = [n for n in subject.boxes if _is_soft(subject, n)]
    fitting = [n for n in soft if low <= subject.volumes_ml[n] < high]
    one = draw.one_of(fitting, "soft structure of that size")
    near = [n for n in subject.class_map[one].neighbours if n in soft]
    if not near:
        raise CannotPlant(f"{draw.kind} ({draw.grade}): no soft neighbour of {one} is there")
    other = str(draw.rng.choice(near))
    labels = relabelled(subject, {one: other})
    figures = {"volume_ml": subject.volumes_ml[one]}
    return Draft(labels, (one, other), figures, f"{one} is called {other}, as its neighbour is")


def _is_soft(subject: Subject, name: str) -> bool:
    return subject.class_map[name].category != "bone" and not name.startswith("lung_")


KINDS = (
    ErrorKind("renumbered_vertebrae", "vertebrae one number too high or low", _renumber_vertebrae),
    ErrorKind("renumbered_ribs", "ribs one number too high or low", _renumber_ribs),
    ErrorKind("swapped_vertebrae", "two vertebrae that bear each other's name", _swap_vertebrae),
    ErrorKind("swapped_ribs", "two ribs that bear each other's name", _swap_ribs),
    ErrorKind("shared_number", "two ribs or vertebrae with one number", _two_with_one_number),
    ErrorKind("exchanged_names", "two organs that bear each other's name", _exchanged_names),
    ErrorKind("merged_neighbours", "two neighbours with one name", _wrong_name),
)
