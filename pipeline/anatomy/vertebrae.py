"""The numbers of vertebrae: their names put in the order in which they stand in the spine."""

import re

_NAME = re.compile(r"vertebrae_([CTL])(\d+)")
_BEFORE = {"C": -7, "T": 0, "L": 12}


def vertebra_number(name: str) -> int | None:
    """Give a vertebra its number along the spine, from above; None if the name is of none.

    C1 is -6, C7 is 0, T1 is 1, T12 is 12, L1 is 13. A T13 shares 13 with L1.

    Parameters
    ----------
    name : str
        Such as ``vertebrae_T7``.
    """
    found = _NAME.fullmatch(name)
    return _BEFORE[found[1]] + int(found[2]) if found else None
