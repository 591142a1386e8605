"""What a rule is: a name, one line for people, and a function from a scene to findings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.workspace import Finding
from qc.plausibility.cohort import Cohort
from qc.plausibility.scene import CaseScene
from qc.plausibility.thresholds import Thresholds

Check = Callable[[CaseScene, Thresholds, Cohort | None], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold in a body.

    Attributes
    ----------
    name : str
        snake_case, the file's name.
    summary : str
        One line in plain words.
    check : callable
        ``check(scene, thresholds, cohort)`` gives the findings. It may assume nothing of a scene:
        structures may be missing, the class map another one, the CT absent.
    kinds : tuple of str
        The kinds of findings it gives.
    needs_ct : bool
        Whether it says nothing where there are labels only.
    """

    name: str
    summary: str
    check: Check
    kinds: tuple[str, ...]
    needs_ct: bool = False
