"""Parts of a body, and the canvas they are painted on in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.phantom.coordinates import Coordinates
from pipeline.phantom.intensities import TISSUES, hu_of
from pipeline.phantom.settings import Phase
from pipeline.phantom.shapes import Shape

CODES: Mapping[str, int] = {name: code for code, name in enumerate(TISSUES)}


@dataclass(frozen=True)
class Part:
    """One thing to paint.

    Parameters
    ----------
    tissue
        A name of `TISSUES`: a structure (labelled if the class map has it) or other tissue.
    shape
        Where it is.
    over
        Tissues it may replace; None means anything.
    rim_mm
        Thickness of an outer layer with its own HU (cortical bone, renal cortex, bowel wall).
    content
        If given, the label of what is there stays and only the HU becomes this tissue's.
    """

    tissue: str
    shape: Shape
    over: tuple[str, ...] | None = None
    rim_mm: float = 0.0
    content: bool = False


@lru_cache(maxsize=256)
def _allowed(names: tuple[str, ...]) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[[CODES[name] for name in names]] = True
    return table


@dataclass(frozen=True)
class Canvas:
    """A block of voxels being painted.

    Parameters
    ----------
    at
        Body coordinates of the voxels.
    tissues
        (K, J, I) uint8 codes of `TISSUES`.
    hu
        (K, J, I) int16.
    """

    at: Coordinates
    tissues: NDArray[np.uint8]
    hu: NDArray[np.int16]

    def paint(self, parts: Sequence[Part], phase: Phase, removed: frozenset[str]) -> None:
        """Paint the parts one after the other; later ones lie over earlier ones."""
        for part in parts:
            if part.tissue not in removed:
                self._paint_one(part, phase)

    def _paint_one(self, part: Part, phase: Phase) -> None:
        box = self.at.box(*part.shape.bounds)
        if box is None:
            return
        at = self.at.cut(box, part.rim_mm + 1.0)
        distance = part.shape.distance(at)
        inside = distance < 0
        tissues, hu = self.tissues[box], self.hu[box]
        if part.over is not None:
            inside &= _allowed(part.over).take(tissues)
        if not part.content:
            np.copyto(tissues, np.uint8(CODES[part.tissue]), where=inside)
        np.copyto(hu, np.int16(hu_of(part.tissue, phase)), where=inside)
        if part.rim_mm:
            inside &= distance > -part.rim_mm
            np.copyto(hu, np.int16(hu_of(part.tissue + ":rim", phase)), where=inside)
