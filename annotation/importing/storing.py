"""What becomes of a drawing that is placed: kept, stored as a revision, in force or not.

Runs in the driver only: files first, the ledger after them. Nothing is overwritten; which mask
counts is decided by the one rule in `pipeline.workspace.in_force`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from annotation.importing.reading import ReadFile, Reading
from annotation.importing.settings import ImportRoughSettings
from pipeline.volume import Box
from pipeline.workspace import Mask, Origin, Provenance, Verdict, Workspace, now_utc, write_mask
from pipeline.workspace.in_force import absence, accepted_ids, mask_in_force

SOURCE = "drawn_file"
"""Entry of a provenance's sources by which an imported mask is known: the digest of its file."""

UNKNOWN_PERSON = "unknown"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one drawing.

    Attributes
    ----------
    status : str
        ``stored`` or ``kept``.
    words : str
        One line for people.
    mask : Mask or None
        As it stands now; None in a dry run that would store one.
    in_force : bool
        Whether it is (or would be) the mask in force.
    """

    status: str
    words: str
    mask: Mask | None
    in_force: bool


@dataclass
class Shelf:
    """One structure of one case: its revisions and verdicts, growing while drawings come in."""

    workspace: Workspace
    case_id: str
    structure: str
    masks: list[Mask]
    verdicts: list[Verdict]

    @property
    def in_force(self) -> Mask | None:
        """The revision that counts."""
        return mask_in_force(self.masks, self.verdicts)

    @property
    def is_decided(self) -> bool:
        """Whether a person accepted the mask in force, or called the structure absent."""
        counting = self.in_force
        accepted = counting is not None and counting.id in accepted_ids(self.verdicts)
        return accepted or absence(self.verdicts) is not None

    @property
    def imports(self) -> list[Mask]:
        """The revisions that were imported, oldest first."""
        return [mask for mask in self.masks if SOURCE in mask.provenance.sources]

    @property
    def head(self) -> Mask | None:
        """The import that no later one was made from; the newest of several."""
        replaced = {parent for mask in self.imports for parent in mask.provenance.parents}
        heads = [mask for mask in self.imports if mask.id not in replaced]
        return max(heads, key=lambda mask: (mask.provenance.created, mask.id), default=None)

    def equal(self, mask: Mask | None, crop: NDArray[np.bool_], box: Box) -> bool:
        """Say whether a revision has just these voxels."""
        if mask is None or mask.voxels != np.count_nonzero(crop):
            return False
        if mask.voxels == 0:
            return True
        return mask.box == box and bool(np.array_equal(self.workspace.mask_crop(mask), crop))


@dataclass(frozen=True, slots=True)
class Storing:
    """Stores drawings by the settings of one call.

    Attributes
    ----------
    software : mapping
        Version of masksmith.
    who : str
        Who commands; for verdicts.
    """

    workspace: Workspace
    settings: ImportRoughSettings
    who: str
    software: Mapping[str, str] = field(default_factory=dict)

    def store(self, read: ReadFile, reading: Reading, shelf: Shelf) -> Stored:
        """Store one drawing, or find that it is there already."""
        assert reading.mask is not None
        crop, box = reading.mask.crop, reading.mask.box
        known = self._known(read, shelf, crop, box)
        if known is not None and not (self.settings.supersede and shelf.is_decided):
            return Stored(
                "kept", _kept_words(known, read, shelf), known, _same(shelf.in_force, known)
            )
        if known is not None and _same(shelf.in_force, known):
            return Stored("kept", _kept_words(known, read, shelf), known, True)
        made = self._provenance(read, reading, shelf)
        if self.settings.dry_run:
            return self._foretold(made, shelf)
        if known is None or not self._would_count(known, shelf):
            case = self.workspace.case(shelf.case_id)
            known = write_mask(self.workspace.layout, case, shelf.structure, crop, made, box=box)
            self.workspace.record_masks([known])
            shelf.masks.append(known)
        if self.settings.supersede and shelf.is_decided and not _same(shelf.in_force, known):
            verdicts = self._superseding(known, shelf)
            self.workspace.record_verdicts(verdicts)
            shelf.verdicts += verdicts
        return Stored("stored", _stored_words(known, shelf), known, _same(shelf.in_force, known))

    def _known(
        self, read: ReadFile, shelf: Shelf, crop: NDArray[np.bool_], box: Box
    ) -> Mask | None:
        """Find the revision that already says this: of the same file, the last, or in force."""
        same_file = [
            mask for mask in shelf.imports if mask.provenance.sources[SOURCE] == read.digest
        ]
        for mask in (*reversed(same_file), shelf.head, shelf.in_force):
            if shelf.equal(mask, crop, box):
                return mask
        return None

    def _provenance(self, read: ReadFile, reading: Reading, shelf: Shelf) -> Provenance:
        origin: Origin = self.settings.origin
        about = {"format": read.format, "placed": reading.how}
        about["drawn_at"] = utc_moment(reading.drawn_at) or ""
        if reading.slices is not None:
            about["drawn_axis"] = reading.slices.axis_name
            about["drawn_slices"] = reading.slices.text
        if self.settings.supersede and shelf.is_decided and shelf.in_force is not None:
            about["supersedes"] = shelf.in_force.id
        who = " ".join(reading.drawn_by.split()) or self.settings.by or UNKNOWN_PERSON
        return Provenance(
            origin,
            f"person:{who}",
            parents=(shelf.head.id,) if shelf.head else (),
            created=self._moment(reading.drawn_at, shelf),
            software={**read.software, **self.software},
            sources={SOURCE: read.digest},
            about={name: value for name, value in about.items() if value},
        )

    def _moment(self, drawn_at: str, shelf: Shelf) -> str:
        """Give the time a drawing counts from: when it was drawn, unless that would mislead.

        A corrected file often carries the date of the first one, and must still be the newer.
        """
        now, drawn = now_utc(), utc_moment(drawn_at)
        if drawn is None or drawn > now or (self.settings.supersede and shelf.is_decided):
            return now
        head = shelf.head
        if head is None or drawn > head.provenance.created:
            return drawn
        before = utc_moment(head.provenance.about.get("drawn_at", ""))
        return drawn if before is not None and drawn < before else now

    def _would_count(self, known: Mask, shelf: Shelf) -> bool:
        verdicts = [*shelf.verdicts, *self._superseding(known, shelf)]
        return _same(mask_in_force(shelf.masks, verdicts), known)

    def _superseding(self, new: Mask, shelf: Shelf) -> list[Verdict]:
        """Take back what keeps a drawing out of force; accepting it remains a person's act."""
        reason = f"superseded by the import {new.id[:12]}"
        back = [new.id] if absence(shelf.verdicts) else accepted_ids(shelf.verdicts)
        return [
            Verdict(shelf.case_id, "fix", self.who, shelf.structure, mask_id, reason)
            for mask_id in back
        ]

    def _foretold(self, made: Provenance, shelf: Shelf) -> Stored:
        """Say what storing would do, without doing it."""
        new = Mask("f" * 64, shelf.case_id, shelf.structure, made, _NOWHERE, 1)
        verdicts = shelf.verdicts
        if self.settings.supersede and shelf.is_decided:
            verdicts = [*verdicts, *self._superseding(new, shelf)]
        after = replace(shelf, masks=[*shelf.masks, new], verdicts=verdicts)
        counts = _same(after.in_force, new)
        return Stored("stored", f"would be {_stored_words(new, after)}", None, counts)


_NOWHERE: Box = (slice(0, 1), slice(0, 1), slice(0, 1))


def shelves(workspace: Workspace, case_id: str, structures: Sequence[str]) -> dict[str, Shelf]:
    """Take what a case has of some structures from the ledger."""
    record = workspace.record(case_id)
    return {
        name: Shelf(
            workspace,
            case_id,
            name,
            [mask for mask in record.masks if mask.structure == name],
            [verdict for verdict in record.verdicts if verdict.structure == name],
        )
        for name in structures
    }


def utc_moment(text: str) -> str | None:
    """Read a time of ISO 8601 as text that sorts by time; None if it is none.

    A time without a zone counts as UTC: files rarely say where they were drawn.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        return None


def _same(mask: Mask | None, other: Mask) -> bool:
    return mask is not None and mask.id == other.id


def _kept_words(mask: Mask, read: ReadFile, shelf: Shelf) -> str:
    if mask.provenance.sources.get(SOURCE) == read.digest:
        words = f"already in as {mask.id[:12]}"
    elif SOURCE in mask.provenance.sources:
        words = f"unchanged since {mask.id[:12]}"
    else:
        words = f"the same voxels as {mask.id[:12]} by {mask.provenance.maker}, which stays"
    return f"{words}{_not_in_force(mask, shelf)}"


def _stored_words(mask: Mask, shelf: Shelf) -> str:
    parents = mask.provenance.parents
    words = f"a revision of {parents[0][:12]}" if parents else "new"
    return f"{words}{_not_in_force(mask, shelf)}"


def _not_in_force(mask: Mask, shelf: Shelf) -> str:
    """Say why a drawing does not count; empty if it does."""
    counting = shelf.in_force
    if _same(counting, mask):
        return ""
    if counting is None:
        last = shelf.verdicts[-1]
        return f", not in force: {last.by} called it {last.decision} (--supersede takes that back)"
    by = counting.provenance.maker
    if counting.id in accepted_ids(shelf.verdicts):
        words = f"{counting.id[:12]} by {by} is accepted"
        return f", not in force: {words} (--supersede takes that back)"
    return f", not in force: {counting.id[:12]} by {by} is newer"
