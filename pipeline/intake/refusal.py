"""Why something from outside is not taken in."""

from pipeline.errors import BadInput


class Refused(BadInput):
    """What was found, what is expected, and what a person can do about it."""


def refusal(found: str, expected: str, advice: str) -> Refused:
    """Make a refusal whose message always has the same three parts.

    Parameters
    ----------
    found : str
        What the file holds, with figures.
    expected : str
        What a CT of this dataset holds.
    advice : str
        What to do.
    """
    return Refused(f"{found}; expected {expected}; {advice}")
