"""Known errors, planted on purpose: to measure how many the rules, and people, catch.

Words
-----
kind
    A mistake that people or models make: sides exchanged, a leak, a number too high.
grade
    How large it is made: gross, medium, small.
target
    A structure that the error is about.
part
    ``tuning`` or ``held_out``: the structures and strengths dealt to one are unknown to the other.
"""

from qc.planting.kind import ErrorKind
from qc.planting.kinds import KINDS
from qc.planting.plant import Change, Planted, draw_for, kind_named, plant
from qc.planting.subject import GRADES, PARTS, CannotPlant, Draw, Grade, Part, Subject

__all__ = [
    "GRADES",
    "KINDS",
    "PARTS",
    "CannotPlant",
    "Change",
    "Draw",
    "ErrorKind",
    "Grade",
    "Part",
    "Planted",
    "Subject",
    "draw_for",
    "kind_named",
    "plant",
]
