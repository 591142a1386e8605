"""Why a drawing or a file of drawings is not taken in."""

from pipeline.errors import BadInput


class ImportRefused(BadInput):
    """Something about a drawing that must not pass unseen.

    Parameters
    ----------
    kind : str
        snake_case, the same for all of its sort; it goes into the ledger, the words do not.
    words : str
        What was found, what was expected, what to do.
    """

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words

    def __reduce__(self) -> tuple[type["ImportRefused"], tuple[str, str]]:
        """Travel between processes with both parts."""
        return (ImportRefused, (self.kind, self.words))
