"""How long drawing takes a person: a time model with the paper's figures as its fixed points.

Section 2.2.3 of the paper: the urinary bladder of one subject takes 45 s to load and save and
10 min to draw in the traditional way, 17 s and 1 min 25 s roughly: 10 min 45 s against 1 min 42 s.
Other structures are larger or smaller than a bladder, and a correction is a part of a structure,
so the time to draw is spread over strokes and the area they fill, half and half (our assumption).
Everything is in mm and ml: the time of a structure does not depend on the voxels it is stored in.
"""

from dataclasses import dataclass

from annotation.paper_effort import BY_HAND as PAPER_BY_HAND
from annotation.paper_effort import ROUGH as PAPER_ROUGH
from annotation.paper_effort import PaperEffort

SLICE_MM = 1.5
"""Slices of the paper's dataset; by hand each is drawn, roughly every third."""

BLADDER_ML = 170.0
BLADDER_HEIGHT_MM = 64.5
"""The bladder of the phantom's mean body, to which the paper's times are applied."""

STROKE_SHARE = 0.5
"""Share of the drawing time that goes with the number of strokes; the rest with their area."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a person draws.

    Attributes
    ----------
    load_save_s : float
        Seconds to open a structure and to save it.
    stroke_mm : float
        Height that one stroke covers.
    per_stroke_s, per_cm2_s : float
        Seconds for each stroke, and for each cm2 that strokes fill or clear.
    """

    load_save_s: float
    stroke_mm: float
    per_stroke_s: float
    per_cm2_s: float

    def seconds(self, height_mm: float, volume_ml: float) -> float:
        """Give the time to draw or change something of this height and volume.

        Parameters
        ----------
        height_mm : float
            Of the slices touched, together; at least one stroke is drawn.
        volume_ml : float
            Filled or cleared.
        """
        strokes = max(1.0, height_mm / self.stroke_mm)
        return (
            self.load_save_s
            + strokes * self.per_stroke_s
            + _area_cm2(volume_ml, self.stroke_mm) * self.per_cm2_s
        )

    @classmethod
    def of_bladder(cls, paper: PaperEffort, stroke_mm: float) -> "Pace":
        """Derive a pace from the time that the reference bladder takes."""
        strokes = BLADDER_HEIGHT_MM / stroke_mm
        area = _area_cm2(BLADDER_ML, stroke_mm)
        return cls(
            paper.loading_and_saving_s,
            stroke_mm,
            per_stroke_s=STROKE_SHARE * paper.drawing_s / strokes,
            per_cm2_s=(1 - STROKE_SHARE) * paper.drawing_s / area,
        )


def _area_cm2(volume_ml: float, stroke_mm: float) -> float:
    return volume_ml * 10 / stroke_mm


BY_HAND = Pace.of_bladder(PAPER_BY_HAND, SLICE_MM)
"""Each slice, to the pixel."""

ROUGHLY = Pace.of_bladder(PAPER_ROUGH, 3 * SLICE_MM)
"""Three slices at a time."""
