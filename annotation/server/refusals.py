"""What the server says no to: a status, one line, what to do, and what the page needs to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import BadInput, MasksmithError, NothingToDo, UsageError
from pipeline.workspace import WorkspaceBusy


class Refusal(MasksmithError):  # noqa: N818 - an answer, not a fault
    """An answer that is no success.

    Parameters
    ----------
    status : int
        Of HTTP.
    message, what_to_do : str
    facts : mapping, optional
        Further keys of the answer.
    """

    def __init__(
        self, status: int, message: str, what_to_do: str, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{message}; {what_to_do}")
        self.status = status
        self.document = {"error": message, "what_to_do": what_to_do, **(facts or {})}


def not_signed_in() -> Refusal:
    """Say that nobody is known behind this request."""
    return Refusal(401, "not signed in", "sign in, or open the link that 'masksmith serve' printed")


def not_allowed(what: str) -> Refusal:
    """Say that this person may not do this."""
    return Refusal(403, f"you may not {what}", "ask an administrator of this workspace")


def conflict(message: str, what_to_do: str, **facts: Any) -> Refusal:
    """Say that somebody else was first, or that the page is behind."""
    return Refusal(409, message, what_to_do, facts)


def answer_to(error: MasksmithError) -> tuple[int, dict[str, Any]]:
    """Give status and document of the answer to an error a person can act on."""
    if isinstance(error, Refusal):
        return error.status, error.document
    known = {UsageError: 400, NothingToDo: 404, BadInput: 422, WorkspaceBusy: 503}
    status = next((code for kind, code in known.items() if isinstance(error, kind)), 500)
    said, advice = words_of(error, "load the page anew; if it stays, tell an administrator")
    return status, {"error": said, "what_to_do": advice}


def words_of(error: MasksmithError, otherwise: str) -> tuple[str, str]:
    """Divide an error's text into what is wrong and what to do, else `otherwise`."""
    said, _, advice = " ".join(str(error).split()).rpartition("; ")
    return (said, advice) if said else (advice, otherwise)
