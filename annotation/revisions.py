"""Corrections that came back, stored as revisions: nothing twice, nothing replaced."""

from dataclasses import dataclass, field
from importlib.metadata import version

from annotation.patches import NOTHING, Patch
from pipeline.workspace import CaseRecord, Mask, Provenance, Workspace, write_mask
from pipeline.workspace.in_force import absence, accepted_ids, masks_in_force, verdicts_by_structure

_SESSION, _FILE = "session", "file_name"


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """A structure that came back.

    Attributes
    ----------
    structure : str
    patch : Patch
        What it is now.
    given_id : str
        The mask given out; empty if there was none.
    given : Patch
    session : str
        Digest of the handout.
    file_name : str
        Digest of the file's name: two files of one session may hold one structure.
    """

    structure: str
    patch: Patch
    given_id: str
    given: Patch
    session: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Making:
    """Who made the corrections, how, and how long one took."""

    by: str
    seconds: float | None = None
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """A revision that was stored, and what else counts or came meanwhile."""

    mask: Mask
    note: str


def has_collected(record: CaseRecord, session: str, file_name: str) -> bool:
    """Tell whether anything was collected from a file of a session."""
    return any(_came_from(mask, session, file_name) for mask in record.masks)


def _came_from(mask: Mask, session: str, file_name: str) -> bool:
    sources = mask.provenance.sources
    return sources.get(_SESSION) == session and sources.get(_FILE) == file_name


def collected_before(record: CaseRecord, correction: Correction) -> Mask | None:
    """Find what was collected last of this structure from this file of this session."""
    found = [
        mask
        for mask in record.masks
        if mask.structure == correction.structure
        and _came_from(mask, correction.session, correction.file_name)
    ]
    return max(found, key=lambda mask: (mask.provenance.created, mask.id), default=None)


def is_new(workspace: Workspace, record: CaseRecord, correction: Correction) -> bool:
    """Tell whether a correction differs from what was last known of it, by one voxel or more."""
    before = collected_before(record, correction)
    if before is None:
        return not correction.patch.same_as(correction.given)
    return not correction.patch.same_as(Patch(workspace.mask_crop(before), before.box))


def store(
    workspace: Workspace, record: CaseRecord, correction: Correction, making: Making
) -> Stored:
    """Write a correction as a revision; the caller holds the driver's lock and records it.

    Parameters
    ----------
    workspace : Workspace
    record : CaseRecord
        The case as it is now.
    correction : Correction
        One that :func:`is_new`.
    making : Making
    """
    before = collected_before(record, correction)
    parent = before.id if before is not None else correction.given_id
    about = dict(making.about)
    if making.seconds is not None:
        about["seconds"] = f"{making.seconds:.1f}"
    provenance = Provenance(
        "human",
        f"person:{making.by}",
        parents=(parent,) if parent else (),
        software={"masksmith": version("masksmith")},
        sources={_SESSION: correction.session, _FILE: correction.file_name},
        about=about,
    )
    patch = correction.patch if correction.patch.voxels else NOTHING
    mask = write_mask(
        workspace.layout, record.case, correction.structure, patch.crop, provenance, box=patch.box
    )
    return Stored(mask, _standing(record, correction, mask, parent))


def _standing(record: CaseRecord, correction: Correction, mask: Mask, parent: str) -> str:
    """Say what came meanwhile, and what counts now if it is not the new revision."""
    name, notes = correction.structure, []
    verdicts = verdicts_by_structure(record.verdicts).get(name, [])
    meanwhile = record.in_force().get(name)
    if meanwhile is not None and meanwhile.id != parent:
        notes.append(
            f"meanwhile {meanwhile.id[:12]} by {meanwhile.provenance.maker} came into force: both "
            "are kept"
        )
    if absence(verdicts) is not None:
        notes.append("a verdict calls the structure absent, so no mask of it counts")
    else:
        now = masks_in_force((*record.masks, mask), record.verdicts)[name]
        if now.id != mask.id:
            why = ", being accepted" if now.id in accepted_ids(verdicts) else ""
            notes.append(
                f"{now.id[:12]} by {now.provenance.maker} stays in force{why}: accept or send it "
                "back with 'masksmith verdict'"
            )
    if not mask.voxels:
        notes.append("nothing is left of it: say absent_fov or absent_anatomy if it is not there")
    return "; ".join(notes)
