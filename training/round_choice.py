"""Which structures of which cases a round may learn from. Pure rules, no files.

Words
-----
state
    What is known about one structure in one case: a mask, or that it is not there.
undecided
    No state: nobody accepted a mask and nobody said that it is absent. An undecided
    structure is never trained as background.
partial
    Learning from a case whatever is decided in it, though other structures are undecided.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.errors import NothingToDo
from pipeline.workspace import CaseRecord, Presence, Verdict
from training.retrain_settings import Undecided

Kind = Literal["mask", "empty", "absent_fov", "absent_anatomy"]
_SHOWN = 3


class TooFewCases(NothingToDo):
    """A round needs more decided cases than there are."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known about one structure in one case.

    Attributes
    ----------
    kind : str
        ``mask``: there is one. ``empty``: a mask without voxels, its maker found nothing.
        ``absent_*``: a person's verdict.
    mask_id : str or None
        For ``mask`` and ``empty``.
    unreviewed : str or None
        The mask's origin when nobody accepted it and a setting admitted it.
    """

    kind: Kind
    mask_id: str | None = None
    unreviewed: str | None = None

    def to_dict(self) -> dict[str, str]:
        """Give JSON values, without the parts that say nothing."""
        values = {"state": self.kind, "mask": self.mask_id, "unreviewed": self.unreviewed}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "State":
        """Read what :meth:`to_dict` gave."""
        return cls(values["state"], values.get("mask"), values.get("unreviewed"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What one model is trained on, and why the rest is not.

    Attributes
    ----------
    structures : tuple of str
        In the order of the class map.
    cases : mapping
        Case id to structure to state; a structure that is missing is undecided in that case.
    left_out_structures, left_out_cases : mapping
        Name to reason.
    """

    structures: tuple[str, ...]
    cases: Mapping[str, Mapping[str, State]]
    left_out_structures: Mapping[str, str] = field(default_factory=dict)
    left_out_cases: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_partial(self) -> bool:
        """Whether a structure is undecided in a case."""
        return any(self.undecided_in(case) for case in self.cases)

    def undecided_in(self, case: str) -> frozenset[str]:
        """Name the structures that are undecided in a case."""
        return frozenset(self.structures) - set(self.cases[case])


def states_of(
    record: CaseRecord, names: Sequence[str], admitted: Collection[str]
) -> dict[str, State]:
    """Collect what is known about each structure of a case; undecided ones are missing.

    Parameters
    ----------
    record : CaseRecord
    names : sequence of str
        Structures asked about.
    admitted : collection of str
        Origins whose masks count without a verdict. A mask a person marked *fix* never does.
    """
    in_force, accepted = record.in_force(), record.accepted()
    presence = record.presence(names)
    to_fix = _masks_to_fix(record.verdicts)
    states: dict[str, State] = {}
    for name in names:
        if presence[name] is Presence.ABSENT_FOV:
            states[name] = State("absent_fov")
        elif presence[name] is Presence.ABSENT_ANATOMY:
            states[name] = State("absent_anatomy")
        elif name in accepted:
            mask = accepted[name]
            states[name] = State("mask" if mask.voxels else "empty", mask.id)
        elif name in in_force and in_force[name].origin in admitted:
            mask = in_force[name]
            if mask.id not in to_fix:
                states[name] = State("mask" if mask.voxels else "empty", mask.id, mask.origin)
    return states


def choose(
    states: Mapping[str, Mapping[str, State]],
    names: Sequence[str],
    *,
    rule: Undecided,
    at_least: int,
) -> Choice:
    """Choose cases and structures.

    ``partial``: every case in which anything is decided, and every structure that is present
    in one of them; what is undecided in a case stays undecided.
    ``leave_out_case``: all of `names`, in the cases where each of them is decided.
    ``leave_out_structure``: cases with most decided structures first, as many as give the
    most decided pairs of case and structure while there are `at_least` so many cases; then
    every other case in which the remaining structures are decided too.
    With the last two nothing undecided is left. In all three, a structure that is present in
    none of the cases is left out: there is nothing to learn from.

    Parameters
    ----------
    states : mapping
        Case id to structure to state.
    names : sequence of str
        Structures asked for, in the order of the class map.
    at_least : int
        Cases the round needs; the result may have fewer if there are fewer.
    """
    if rule == "partial":
        return _choose_partial(states, names)
    wanted = list(names) if rule == "leave_out_case" else _widely_decided(states, names, at_least)
    chosen = sorted(case for case in states if wanted and all(n in states[case] for n in wanted))
    present = [n for n in wanted if any(states[case][n].kind == "mask" for case in chosen)]
    return Choice(
        structures=tuple(present),
        cases={case: {name: states[case][name] for name in present} for case in chosen},
        left_out_structures=_why_structures(states, names, wanted, present, chosen),
        left_out_cases=_why_cases(states, wanted, chosen),
    )


def require_enough(choice: Choice, states: Mapping[str, Mapping[str, State]], needed: int) -> None:
    """Refuse a choice with fewer cases than needed.

    Raises
    ------
    TooFewCases
        Naming how many are missing, which cases come closest, and what to do.
    """
    found = len(choice.cases) if choice.structures else 0
    if found >= max(needed, 1):
        return
    close = sorted(choice.left_out_cases, key=lambda case: (-len(states[case]), case))[:_SHOWN]
    hints = "; ".join(f"{case}: {choice.left_out_cases[case]}" for case in close)
    raise TooFewCases(
        f"the round needs {needed} decided cases, found {found}: {needed - found} missing. "
        "Accept masks or say what is absent (masksmith verdict), admit unreviewed masks "
        "(--admit-unreviewed model)"
        + (", or train on fewer (--allow-fewer)" if found else "")
        + (f". Closest: {hints}" if hints else "")
    )


def _choose_partial(states: Mapping[str, Mapping[str, State]], names: Sequence[str]) -> Choice:
    present = [
        name
        for name in names
        if any(name in known and known[name].kind == "mask" for known in states.values())
    ]
    cases = {
        case: {name: states[case][name] for name in present if name in states[case]}
        for case in sorted(states)
    }
    chosen = {case: known for case, known in cases.items() if known}
    return Choice(
        structures=tuple(present),
        cases=chosen,
        left_out_structures=_why_structures(states, names, names, present, list(chosen)),
        left_out_cases=_why_cases(states, present or names, list(chosen)),
    )


def _widely_decided(
    states: Mapping[str, Mapping[str, State]], names: Sequence[str], at_least: int
) -> list[str]:
    decided = {case: {n for n in names if n in states[case]} for case in states}
    order = sorted((c for c in decided if decided[c]), key=lambda case: (-len(decided[case]), case))
    best: set[str] = set()
    best_pairs, common = 0, set(names)
    for count, case in enumerate(order, start=1):
        common = common & decided[case]
        if count >= min(at_least, len(order)) and count * len(common) > best_pairs:
            best_pairs, best = count * len(common), set(common)
    return [name for name in names if name in best]


def _why_structures(
    states: Mapping[str, Mapping[str, State]],
    names: Sequence[str],
    wanted: Sequence[str],
    present: Sequence[str],
    chosen: Sequence[str],
) -> dict[str, str]:
    reasons = {}
    for name in names:
        if name not in wanted:
            count = sum(name in known for known in states.values())
            reasons[name] = f"undecided in {len(states) - count} of {len(states)} cases"
        elif name not in present:
            reasons[name] = f"present in none of the {len(chosen)} training cases"
            if not any(name in known for known in states.values()):
                reasons[name] = f"undecided in all {len(states)} cases"
    return reasons


def _why_cases(
    states: Mapping[str, Mapping[str, State]], wanted: Sequence[str], chosen: Sequence[str]
) -> dict[str, str]:
    reasons = {}
    for case in sorted(set(states) - set(chosen)):
        undecided = [name for name in wanted if name not in states[case]]
        more = len(undecided) - _SHOWN
        shown = ", ".join(undecided[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        reasons[case] = f"undecided: {shown or 'everything'}"
    return reasons


def _masks_to_fix(verdicts: Sequence[Verdict]) -> set[str]:
    last = {verdict.mask_id: verdict.decision for verdict in verdicts if verdict.mask_id}
    return {mask_id for mask_id, decision in last.items() if decision == "fix"}
