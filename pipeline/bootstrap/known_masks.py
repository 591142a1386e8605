"""What a model has already given for a case: what is kept, and what comes back.

Masks are immutable, and of one model's revisions the newest counts. So a prediction is kept only
if its masks are complete and nothing newer of the same model stands above them. If something does
(a card was changed and changed back), the masks are written again, and their provenance says what
they replace: else they would be the old files, with their old time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.workspace import Mask, digest_of

REPLACES = "replaces"


@dataclass(frozen=True, slots=True)
class KnownMask:
    """One earlier mask of the model: when it was made, from what, of which structure."""

    created: str
    made_from: str
    structure: str


@dataclass(frozen=True, slots=True)
class KnownMasks:
    """The earlier masks of one model for one case."""

    masks: tuple[KnownMask, ...] = ()

    @classmethod
    def of(cls, masks: Iterable[Mask], maker: str) -> "KnownMasks":
        """Collect what one maker has left among the masks of a case."""
        made = [(mask, mask.provenance) for mask in masks if mask.provenance.maker == maker]
        return cls(
            tuple(
                KnownMask(p.created, made_from_digest(p.sources), mask.structure)
                for mask, p in made
            )
        )

    def holds(self, made_from: str, structures: Iterable[str]) -> bool:
        """Say whether all these structures are there, and are the model's last word."""
        since = self._last_other_than(made_from)
        there = {
            mask.structure
            for mask in self.masks
            if mask.made_from == made_from and (since is None or mask.created > since.created)
        }
        wanted = set(structures)
        return bool(wanted) and there >= wanted

    def replaced_by(self, made_from: str) -> str | None:
        """Give what masks must say they replace, if they come back after others; else None."""
        last = self._last_other_than(made_from)
        if last is None:
            return None
        came_before = any(
            mask.made_from == made_from and mask.created < last.created for mask in self.masks
        )
        return last.made_from if came_before else None

    def _last_other_than(self, made_from: str) -> KnownMask | None:
        others = [mask for mask in self.masks if mask.made_from != made_from]
        return max(others, key=lambda mask: (mask.created, mask.made_from), default=None)


def made_from_digest(sources: Mapping[str, str]) -> str:
    """Give one digest for all that decides a prediction; what it replaces is no part of it.

    The settings of a run are none of it either: they say what is refused, not what it looks like.
    """
    return digest_of({kind: digest for kind, digest in sources.items() if kind != REPLACES})
