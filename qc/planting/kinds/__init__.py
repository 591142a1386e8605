"""All kinds of errors that can be planted, by family."""

from qc.planting.kind import ErrorKind
from qc.planting.kinds import growth, numbers, places, removal, sides

KINDS: tuple[ErrorKind, ...] = (
    *sides.KINDS,
    *numbers.KINDS,
    *removal.KINDS,
    *growth.KINDS,
    *places.KINDS,
)
