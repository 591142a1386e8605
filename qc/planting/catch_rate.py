"""How many of some known errors were caught, with the interval in which the true share lies."""

import math
from dataclasses import dataclass

_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class CatchRate:
    """Caught errors of all that were there.

    Attributes
    ----------
    caught, total : int
    """

    caught: int = 0
    total: int = 0

    def __add__(self, other: "CatchRate") -> "CatchRate":
        """Put two counts together."""
        return CatchRate(self.caught + other.caught, self.total + other.total)

    @property
    def share(self) -> float:
        """Caught by all; NaN where there were none."""
        return self.caught / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share; 0 to 1 where there were none.

        Source: Wilson, J Am Stat Assoc 22 (1927) 209-212.
        """
        if not self.total:
            return 0.0, 1.0
        n, p, squared = self.total, self.share, _Z_95**2
        middle = (p + squared / (2 * n)) / (1 + squared / n)
        half = _Z_95 * math.sqrt(p * (1 - p) / n + squared / (4 * n * n)) / (1 + squared / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def to_dict(self) -> dict[str, float | int | None]:
        """Give plain JSON values."""
        low, high = self.interval
        return {
            "caught": self.caught,
            "total": self.total,
            "share": round(self.share, 4) if self.total else None,
            "low": round(low, 4),
            "high": round(high, 4),
        }

    def __str__(self) -> str:
        """Write it for a table: ``11 of 12, 92 % (65-99)``."""
        if not self.total:
            return "–"
        low, high = self.interval
        return f"{self.caught} of {self.total}, {self.share:.0%} ({low * 100:.0f}–{high * 100:.0f})"
