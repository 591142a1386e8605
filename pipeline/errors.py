"""The errors a user meets: each says what is wrong, in which file, and what to do."""

from typing import ClassVar


class MasksmithError(Exception):
    """Something a person can act on; the message is one line without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(MasksmithError):
    """The command was called with words that do not fit together."""

    exit_code: ClassVar[int] = 2


class NothingToDo(MasksmithError):  # noqa: N818 - an outcome, not a fault
    """What was asked for is not there, or there is no work left."""

    exit_code: ClassVar[int] = 3


class BadInput(MasksmithError):  # noqa: N818 - reads as a statement about the input
    """A file or value from outside is not what it must be."""

    exit_code: ClassVar[int] = 4


class MissingDependency(MasksmithError):  # noqa: N818 - names what is missing
    """A model, program or system library that the work needs is not there."""

    exit_code: ClassVar[int] = 5
