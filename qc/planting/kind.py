"""One kind of annotation error."""

from collections.abc import Callable
from dataclasses import dataclass

from qc.planting.subject import GRADES, Draft, Draw, Grade, Subject


@dataclass(frozen=True)
class ErrorKind:
    """A mistake that people or models make, and how to make it on purpose.

    Attributes
    ----------
    name : str
        snake_case.
    summary : str
        For people.
    make : callable
        Takes the labels and the draw, gives new labels; raises CannotPlant where impossible.
    grades : tuple of Grade
        The sizes in which it can be made.
    """

    name: str
    summary: str
    make: Callable[[Subject, Draw], Draft]
    grades: tuple[Grade, ...] = GRADES
