"""Which model counts where two of them cover one structure: the card's priority, nothing else."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from pipeline.bootstrap.card import CardLabels
from pipeline.bootstrap.card_file import CardError, CardFile
from pipeline.bootstrap.policies import Policies

_NAMES_SHOWN = 5


def refuse_equal_priorities(
    cards: Sequence[CardFile], labels: Mapping[str, CardLabels], policies: Policies
) -> None:
    """Refuse two cards that share a structure and a priority: nothing would decide between them.

    A structure whose masks are joined (union) needs no decision.

    Parameters
    ----------
    cards : sequence of CardFile
        The cards about to run.
    labels : mapping of str to CardLabels
        By card name.
    policies : Policies
        What counts where several models see one structure.

    Raises
    ------
    CardError
        Naming both cards, the priority and the structures they share.
    """
    for one, other in combinations(sorted(cards, key=lambda card: card.name), 2):
        if one.card.priority != other.card.priority:
            continue
        theirs = set(labels[other.name].covered)
        shared = [
            name
            for name in labels[one.name].covered
            if name in theirs and policies.of(name) != "union"
        ]
        if shared:
            raise CardError(_explain(one, other, shared))


def _explain(one: CardFile, other: CardFile, shared: Sequence[str]) -> str:
    shown = ", ".join(shared[:_NAMES_SHOWN])
    more = f" and {len(shared) - _NAMES_SHOWN} more" if len(shared) > _NAMES_SHOWN else ""
    return (
        f"the model cards '{one.name}' and '{other.name}' both have priority "
        f"{one.card.priority} and both cover {shown}{more}: give one of them a higher "
        f"priority ({one.path}, {other.path}) or switch one off (enabled: false)"
    )
