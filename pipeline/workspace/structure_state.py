"""How one structure of one case stands, from its masks and what people said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.workspace.in_force import (
    accepted_ids,
    mask_in_force,
    presence_of,
    verdicts_by_structure,
)
from pipeline.workspace.words import Mask, Presence, Verdict


@dataclass(frozen=True, slots=True)
class StructureState:
    """How one structure of one case stands.

    Attributes
    ----------
    mask : Mask or None
        The one in force; its box is not filled in.
    """

    structure: str
    presence: Presence
    mask: Mask | None
    accepted: bool
    sent_back: bool

    @property
    def proposed(self) -> bool:
        """Whether a mask with voxels waits for a person."""
        return self.mask is not None and self.mask.voxels > 0 and not self.accepted

    @property
    def empty(self) -> bool:
        """Whether the maker looked, found nothing, and nobody has decided."""
        return self.mask is not None and self.mask.voxels == 0 and not self.accepted


def case_structures(
    names: Sequence[str], masks: Iterable[Mask], verdicts: Iterable[Verdict]
) -> list[StructureState]:
    """Say how each structure of one case stands, in the order of the names.

    Parameters
    ----------
    names : sequence of str
        The structures of the class map.
    masks, verdicts
        All of the case, oldest first.
    """
    revisions: dict[str, list[Mask]] = {}
    for mask in masks:
        revisions.setdefault(mask.structure, []).append(mask)
    said = verdicts_by_structure(verdicts)
    return [_structure_state(n, revisions.get(n, ()), said.get(n, ())) for n in names]


def _structure_state(
    name: str, masks: Sequence[Mask], verdicts: Sequence[Verdict]
) -> StructureState:
    if not masks and not verdicts:
        return StructureState(name, Presence.UNDECIDED, None, accepted=False, sent_back=False)
    mask = mask_in_force(masks, verdicts)
    accepted = mask is not None and mask.id in accepted_ids(verdicts)
    last = verdicts[-1] if verdicts else None
    back = last is not None and last.decision == "fix"
    return StructureState(name, presence_of(mask, verdicts), mask, accepted, sent_back=back)
