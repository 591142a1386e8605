"""Who did something: the name that was given, else the login name."""

import getpass

from pipeline.errors import UsageError

LONGEST_NAME = 200


def person_or_login(given: str) -> str:
    """Give the name of the person: as given, else the login name.

    Raises
    ------
    UsageError
        When it is too long, or nothing is given and this system knows no login name.
    """
    name = " ".join(given.split())
    if len(name) > LONGEST_NAME:
        raise UsageError(f"the name '{name[:20]}...' is longer than {LONGEST_NAME} characters")
    if name:
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UsageError("this system knows no login name; say who: --by NAME") from None
