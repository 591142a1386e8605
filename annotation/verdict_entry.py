"""One verdict of a verdict document, read with suspicion: types, lengths, letters, clocks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.verdict_request import VerdictRequest
from pipeline.errors import BadInput

DECISIONS = ("accept", "fix", "absent_fov", "absent_anatomy", "exclude_case", "include_case")
_LONGEST_NAME = 200
_LONGEST_REASON = 2000
_MOST_SECONDS = 24 * 3600.0
_FIRST_YEAR = 2000


class EntryError(BadInput):
    """A field that is not what it must be."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a document says of itself.

    Attributes
    ----------
    sent : datetime or None
        The page's clock when it sent the document at once; None in a file.
    """

    version: int
    workspace: str
    workspace_id: str
    by: str
    sent: datetime | None


def read_heading(document: Mapping[str, Any]) -> Heading:
    """Read the head of a document.

    Raises
    ------
    EntryError
        If a field has the wrong type or is too long.
    """
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise EntryError(f"version is {str(version)[:40]!r}, expected 1")
    sent = _text(document, "sent", _LONGEST_NAME)
    return Heading(
        version=version,
        workspace=_text(document, "workspace", _LONGEST_NAME),
        workspace_id=_text(document, "workspace_id", _LONGEST_NAME),
        by=_text(document, "by", _LONGEST_NAME),
        sent=_moment("sent", sent) if sent else None,
    )


def read_entry(raw: Any, shift: timedelta, now: datetime) -> VerdictRequest:
    """Read one verdict.

    Parameters
    ----------
    raw : object
        What JSON gave.
    shift : timedelta
        Added to the page's clock.
    now : datetime
        A clock that runs ahead is set back to this.

    Raises
    ------
    EntryError
        With the field, what was found and what was expected.
    """
    if not isinstance(raw, Mapping):
        raise EntryError(f"expected an object, found {type(raw).__name__}")
    decision = _text(raw, "decision", _LONGEST_NAME)
    if decision not in DECISIONS:
        raise EntryError(f"decision is {decision!r}, expected one of {', '.join(DECISIONS)}")
    case_id = _text(raw, "case", _LONGEST_NAME)
    if not case_id:
        raise EntryError("case is empty")
    created = _text(raw, "created", _LONGEST_NAME)
    return VerdictRequest(
        case_id=case_id,
        decision=decision,
        structure=_text(raw, "structure", _LONGEST_NAME) or None,
        reason=_text(raw, "reason", _LONGEST_REASON),
        seconds=_seconds(raw.get("seconds")),
        mask_id=_text(raw, "mask", _LONGEST_NAME) or None,
        created=_given(created, shift, now) if created else "",
        seen=_text(raw, "seen", _LONGEST_NAME),
        client_id=_text(raw, "id", _LONGEST_NAME),
    )


def _text(values: Mapping[str, Any], field: str, longest: int) -> str:
    """Read a text on one line; letters that would move a terminal's cursor are refused."""
    value = values.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise EntryError(f"{field} is of type {type(value).__name__}, expected text")
    if len(value) > longest:
        raise EntryError(f"{field} has {len(value)} letters, expected at most {longest}")
    text = " ".join(value.split())
    if not text.isprintable():
        raise EntryError(f"{field} holds letters that cannot be shown: {ascii(text)[:60]}")
    return text


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EntryError(f"seconds is of type {type(value).__name__}, expected a number")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 <= seconds <= _MOST_SECONDS:
        raise EntryError(f"seconds is {seconds:g}, expected 0 to {_MOST_SECONDS:g}")
    return seconds


def _given(text: str, shift: timedelta, now: datetime) -> str:
    """Give the moment of a verdict as the ledger writes it, never in the future."""
    moment = min(_moment("created", text) + shift, now)
    return moment.isoformat(timespec="microseconds")


def _moment(field: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise EntryError(
            f"{field} is {text[:40]!r}, expected a time such as 2026-03-01T10:00:00.000Z"
        ) from None
    if moment.tzinfo is None or not _FIRST_YEAR <= moment.year < 9000:
        raise EntryError(f"{field} is {text[:40]!r}, expected a time of this century with its zone")
    return moment.astimezone(UTC)
