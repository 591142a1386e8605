"""From which revisions a mask was made, over any number of steps."""

from collections.abc import Iterable, Mapping

from pipeline.workspace import Mask


def is_made_of(mask: Mask, ancestor: Mask, revisions: Iterable[Mask]) -> bool:
    """Tell whether a mask was made of another one, through revisions of the same structure.

    Parameters
    ----------
    mask, ancestor : Mask
    revisions : iterable of Mask
        Those of the case.
    """
    by_id: Mapping[str, Mask] = {each.id: each for each in revisions}
    waiting, seen = [mask], {mask.id}
    while waiting:
        for parent_id in waiting.pop().provenance.parents:
            parent = by_id.get(parent_id)
            if parent is None or parent.id in seen or parent.structure != mask.structure:
                continue
            if parent.id == ancestor.id:
                return True
            seen.add(parent.id)
            waiting.append(parent)
    return False
