"""Grey-value windows in which people look at a CT."""

from dataclasses import dataclass

from pipeline.anatomy.structure import Structure


@dataclass(frozen=True, slots=True)
class Window:
    """A range of Hounsfield units shown from black to white.

    Attributes
    ----------
    level_hu, width_hu : float
        Middle and width.
    """

    name: str
    level_hu: float
    width_hu: float

    @property
    def range_hu(self) -> tuple[float, float]:
        """What is shown black, and what white."""
        return self.level_hu - self.width_hu / 2, self.level_hu + self.width_hu / 2


WINDOWS = {
    "soft": Window("soft", 40.0, 400.0),
    "lung": Window("lung", -600.0, 1500.0),
    "bone": Window("bone", 400.0, 1800.0),
    "brain": Window("brain", 40.0, 80.0),
}
"""The presets of radiology's workstations (W/L 400/40, 1500/-600, 1800/400, 80/40)."""


def window_for(structures: list[Structure]) -> Window:
    """Choose the window in which the first structure is seen best."""
    first = structures[0]
    if first.category == "bone":
        return WINDOWS["bone"]
    words = set(first.name.split("_"))
    if words & {"lung", "lungs", "trachea"}:
        return WINDOWS["lung"]
    return WINDOWS["brain" if "brain" in words else "soft"]
