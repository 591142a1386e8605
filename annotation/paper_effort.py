"""What one mask took in the paper, the measure for every effort here.

Wasserthal et al. 2023 (TotalSegmentator), supplementary materials, "Improved segmentation
workflow" (our 2.2.3): the urinary bladder of one CT, drawn carefully in MITK or roughly in Nora
with a pencil through three slices, loading and saving included. It is one example, not a mean.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaperEffort:
    """Seconds for one structure in one CT."""

    loading_and_saving_s: float
    drawing_s: float

    @property
    def seconds(self) -> float:
        """The whole of it."""
        return self.loading_and_saving_s + self.drawing_s


BY_HAND = PaperEffort(loading_and_saving_s=45, drawing_s=10 * 60)
ROUGH = PaperEffort(loading_and_saving_s=17, drawing_s=1 * 60 + 25)
SOURCE = "Wasserthal et al. 2023, one urinary bladder, loading and saving included"


def spoken_time(seconds: float) -> str:
    """Say a time as people do: ``12 s``, ``1 min 42 s``, ``3.4 h``."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.1f} h"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
