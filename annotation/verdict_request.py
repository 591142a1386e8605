"""What a person asks to be recorded, and what became of it."""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import UsageError
from pipeline.workspace import Decision, Verdict

DECISIONS: dict[str, Decision] = {
    "accept": "accept",
    "fix": "fix",
    "absent_fov": "absent_fov",
    "absent_anatomy": "absent_anatomy",
    "exclude": "exclude_case",
    "exclude_case": "exclude_case",
    "include": "include_case",
    "include_case": "include_case",
}
"""The words people use, and the decisions they stand for."""


@dataclass(frozen=True, slots=True)
class VerdictRequest:
    """One thing a person decided, in the person's words.

    Attributes
    ----------
    case_id : str
    decision : str
        ``accept``, ``fix``, ``absent_fov``, ``absent_anatomy``, ``exclude`` or ``include``.
    structure : str or None
        None means the whole case (accept, exclude and include only).
    by : str
        Who decided; empty means the login name.
    reason : str
        Free text; needed to exclude.
    seconds : float or None
        How long the person took; over a whole case it is shared out among its verdicts.
    mask_id : str or None
        The revision that was looked at, or the beginning of its id. If another one is in force
        by now, the request is refused.
    rest_absent : {"fov", "anatomy"} or None
        With a whole case accepted: call the structures without voxels absent, out of the field
        of view or anatomically.
    source : str
        Where the request stands, for messages: ``verdicts.csv, line 3``.
    created : str
        When it was decided, ISO 8601 in UTC; empty means now. Where somebody decided later, the
        request is refused: the last decision counts, not the last import.
    seen : str
        With a whole case accepted: `pipeline.workspace.seen_masks.seen_digest` of the masks that
        were looked at. If others are in force by now, the request is refused.
    client_id : str
        The id that a page gave to it; kept with the verdicts it became.
    """

    case_id: str
    decision: str
    structure: str | None = None
    by: str = ""
    reason: str = ""
    seconds: float | None = None
    mask_id: str | None = None
    rest_absent: Literal["fov", "anatomy"] | None = None
    source: str = ""
    created: str = ""
    seen: str = ""
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class VerdictResult:
    """What became of one request.

    Attributes
    ----------
    status : {"done", "kept", "failed"}
        ``kept``: this very verdict is already the last one; nothing was added.
    note : str
        One line: what was recorded, or what is wrong and what to do.
    recorded : tuple of Verdict
        The verdicts that were added; a whole case makes many.
    kept : int
        How many verdicts of the request were there already.
    """

    request: VerdictRequest
    status: Literal["done", "kept", "failed"]
    note: str
    recorded: tuple[Verdict, ...] = ()
    kept: int = 0

    @property
    def subject(self) -> str:
        """The case, and the structure if there is one."""
        structure = self.request.structure
        return f"{self.request.case_id} {structure}" if structure else self.request.case_id


def decision_of(word: str) -> Decision:
    """Return the decision a word stands for; blanks and hyphens count as underscores.

    Raises
    ------
    UsageError
        If it stands for none, with the words there are.
    """
    plain = "_".join(word.lower().replace("-", " ").replace("_", " ").split())
    if plain in DECISIONS:
        return DECISIONS[plain]
    if plain == "absent":
        raise UsageError(
            "absent is not enough: say absent_fov (outside the field of view) or "
            "absent_anatomy (not in this body)"
        )
    known = "accept, fix, absent_fov, absent_anatomy, exclude, include"
    raise UsageError(f"decision '{word}' is unknown; expected one of {known}")
