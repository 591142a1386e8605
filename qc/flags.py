"""Findings on a picture: which are drawn, under which number and in which colour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.workspace.finding_file import SEVERITIES, Finding, Severity
from qc.look import FLAG_HIGH, FLAG_MEDIUM, Colour

DRAWN: Mapping[Severity, Colour] = {"medium": FLAG_MEDIUM, "high": FLAG_HIGH}
"""What is outlined; a low finding is worth a glance at the list, not at the picture."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding that is drawn.

    Attributes
    ----------
    number : int
        What stands beside it in the views, in the legend and in the list; counts from 1.
    finding : Finding
    """

    number: int
    finding: Finding

    @property
    def colour(self) -> Colour:
        """Of its outline, by severity."""
        return DRAWN[self.finding.severity]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What is said against one structure: the worst severity's colour, and the numbers."""

    colour: Colour
    numbers: tuple[int, ...]


def number_findings(findings: Iterable[Finding]) -> tuple[Flag, ...]:
    """Choose and number the findings to draw: the most severe first, else in their order."""
    drawn = [finding for finding in findings if finding.severity in DRAWN]
    drawn.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    return tuple(Flag(number, finding) for number, finding in enumerate(drawn, start=1))


def suspicions_of(flags: Sequence[Flag]) -> dict[str, Suspicion]:
    """Gather flags by structure; the first flag of a structure is its worst."""
    gathered: dict[str, list[Flag]] = {}
    for flag in flags:
        for name in dict.fromkeys(flag.finding.structures):
            gathered.setdefault(name, []).append(flag)
    return {
        name: Suspicion(found[0].colour, tuple(flag.number for flag in found))
        for name, found in gathered.items()
    }
