"""What becomes of a CT that was read: a new case, one that is there, or a duplicate.

Runs in the driver only. Order of writing: the CT moves from scratch to its place, the
record is written beside it, the ledger learns of it. Killed in between, the next run finds
no record and does it again, or finds the record and only tells the ledger.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.intake.arrivals import Arrival
from pipeline.intake.identity import Identity
from pipeline.intake.reading import ReadCt, case_id_of
from pipeline.stage import Outcome
from pipeline.volume import is_partial
from pipeline.workspace import Case, Layout, Workspace
from pipeline.workspace.case_file import kept_case, write_case_record

_VOXELS = "voxels"  # entry of a case's source


@dataclass
class FilingCabinet:
    """The cases of a workspace by content, growing while CTs come in.

    Attributes
    ----------
    write : bool
        False in a dry run: decide, but change nothing.
    by_digest, by_voxels : dict
        Digest of a CT, and of its voxels alone, to its case.
    """

    workspace: Workspace
    write: bool = True
    by_digest: dict[str, Case] = field(default_factory=dict)
    by_voxels: dict[str, Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Learn what is there already."""
        for case in self.workspace.cases():
            self._learn(case)

    def _learn(self, case: Case) -> None:
        self.by_digest[case.ct_digest] = case
        self.by_voxels[case.source.get(_VOXELS, "")] = case

    def file(self, arrival: Arrival, read: ReadCt) -> tuple[Outcome, Case | None]:
        """File a CT that was read.

        Returns
        -------
        outcome : Outcome
        case : Case or None
            The case the CT is now, also when it was there before; None if it is refused.
        """
        if read.refused or read.grid is None:
            return Outcome(arrival.subject, "failed", read.refused), None
        known = self.by_digest.get(read.digest)
        if known is not None:
            return _already_in(arrival, known), known
        turned = self.by_voxels.get(read.voxels_digest)
        if turned is not None:
            return _placed_otherwise(arrival, turned), None
        case = _case_of(arrival, read)
        try:
            kept = kept_case(self.workspace.layout, case)
            if kept is None and self.write:
                _put_in_place(self.workspace.layout, case, read.scratch_file)
        except BadInput as error:
            return Outcome(arrival.subject, "failed", str(error)), None
        case = kept or case
        self._learn(case)
        if self.write:
            self.workspace.record_case(case)
        return _taken_in(case, (*arrival.notes, *read.notes), dry=not self.write), case


def _case_of(arrival: Arrival, read: ReadCt) -> Case:
    assert read.grid is not None
    who = arrival.identity
    return Case(
        id=arrival.task.case_id or case_id_of(read.digest),
        grid=read.grid,
        ct_digest=read.digest,
        patient_id=who.patient_id,
        exam_id=who.exam_id,
        series_id=who.series_id,
        frame_of_reference_id=who.frame_of_reference_id,
        phase=who.phase,
        source={**arrival.source, _VOXELS: read.voxels_digest},
        meta=who.meta,
    )


def _already_in(arrival: Arrival, known: Case) -> Outcome:
    """Tell a CT met again under its own name from the same CT under another."""
    same_file = arrival.source.get("file") == known.source.get("file")
    same_series = arrival.identity.series_id == known.series_id
    differs = _differs(arrival.identity, known)
    if same_file and same_series:
        return Outcome(known.id, "kept", f"already in{differs}")
    return Outcome(arrival.subject, "kept", f"duplicate of {known.id}: the same CT{differs}")


def _differs(now: Identity, known: Case) -> str:
    """Say what is known otherwise of a CT that is in: a wrong patient splits a dataset wrongly."""
    words = {"patient_id": "patient", "exam_id": "exam", "phase": "phase"}
    others = [
        word
        for name, word in words.items()
        if getattr(now, name) not in (None, getattr(known, name))
        and not (name == "patient_id" and "patient_assumed" in now.meta)
    ]
    if not others:
        return ""
    return f"; given otherwise this time and not taken over: {', '.join(others)}"


def _placed_otherwise(arrival: Arrival, known: Case) -> Outcome:
    """Keep the same voxels with another orientation or place from becoming a second case."""
    note = f"duplicate of {known.id}: the same voxels in another orientation or place"
    if not arrival.masks:
        return Outcome(arrival.subject, "kept", note)
    return Outcome(
        arrival.subject,
        "failed",
        f"{note}; its {len(arrival.masks)} masks were not taken in: they do not lie on the case's "
        "grid; bring them there first",
    )


def _taken_in(case: Case, notes: tuple[str, ...], *, dry: bool) -> Outcome:
    figures = {
        "shape": list(case.grid.shape),
        "spacing_mm": [round(step, 4) for step in case.grid.spacing_mm],
        "orientation": case.grid.orientation,
    }
    would = ("would come in",) if dry else ()
    return Outcome(case.id, "done", "; ".join((*would, *notes)), figures)


def _put_in_place(layout: Layout, case: Case, scratch_file: Path | None) -> None:
    if scratch_file is None:
        raise BadInput(f"case {case.id}: its record vanished while the CT was read; run it again")
    folder = layout.case_dir(case.id)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if is_partial(path):
            path.unlink(missing_ok=True)
    scratch_file.replace(layout.ct(case.id))
    _flush_folder(folder)
    write_case_record(layout, case)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
