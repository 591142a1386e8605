"""What counts where several models see one structure: the policy of that structure.

``priority``: the model whose card has the highest. ``union``: what any of them found, for models
that see a structure in different fields of view. ``vote``: what more than half of them found, from
three models on. Never the order of files, cards or runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.bootstrap.card_file import close_matches
from pipeline.errors import UsageError

Policy = Literal["priority", "union", "vote"]
FEWEST_MODELS: Mapping[Policy, int] = {"priority": 1, "union": 2, "vote": 3}


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy of every structure.

    Attributes
    ----------
    usual : {"priority", "union", "vote"}
        Of structures that are not named.
    named : mapping of str to policy
        By structure.
    """

    usual: Policy = "priority"
    named: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, structure: str) -> Policy:
        """Give the policy of a structure."""
        return self.named.get(structure, self.usual)

    def among(self, structure: str, models: int) -> Policy:
        """Give what is done with the masks of so many models; too few to merge: priority."""
        wanted = self.of(structure)
        return wanted if models >= FEWEST_MODELS[wanted] else "priority"


def refuse_unknown_structures(policies: Policies, known: frozenset[str]) -> None:
    """Refuse a policy for a structure that no class map has.

    Parameters
    ----------
    policies : Policies
    known : frozenset of str
        The structures of every class map there is: a lab's smaller map breaks no settings.

    Raises
    ------
    UsageError
        With names that come close.
    """
    for name in policies.named:
        if name not in known:
            raise UsageError(
                f"setting 'policies': found '{name}', which is a structure of no class map"
                f"{close_matches(name, sorted(known))}"
            )
