"""Which masks a person had before the eyes: one short digest for all of a case.

A whole case is accepted by one key. The digest goes with that verdict, so that masks which came
into force afterwards are never taken for those that were looked at.
"""

from collections.abc import Iterable

from pipeline.workspace.digest import digest_of
from pipeline.workspace.in_force import absence, masks_in_force
from pipeline.workspace.words import Mask, Verdict

_LENGTH = 16


def seen_digest(masks: Iterable[Mask], verdicts: Iterable[Verdict]) -> str:
    """Digest of the masks in force, as if nobody had called a structure absent.

    Calling a structure absent changes no mask, so it leaves the digest as it was.

    Parameters
    ----------
    masks, verdicts
        All of one case, oldest first.
    """
    said = [verdict for verdict in verdicts if absence([verdict]) is None]
    shown = masks_in_force(masks, said)
    return digest_of({name: mask.id for name, mask in shown.items()})[:_LENGTH]
