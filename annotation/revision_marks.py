"""What the workbench notes on a revision that does not count like any other."""

from pipeline.workspace import Mask


def is_blind(mask: Mask) -> bool:
    """Tell whether a mask was drawn a second time without the first answer in sight."""
    return "blind" in mask.provenance.about


def is_aside(mask: Mask) -> bool:
    """Tell whether a mask changed as a neighbour was drawn, while somebody else drew on it."""
    return "aside" in mask.provenance.about
