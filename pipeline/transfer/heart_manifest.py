"""What the heart model is trained on: frozen, named by its own digest.

The cases of the pairs, contrast and native, with the masks in force of the heart structures at
that moment. The model's own earlier predictions never count, or it would learn from itself and
be another model at every run; one that a person accepted is that person's mask and does.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import BadInput, NothingToDo
from pipeline.volume import write_file_atomically
from pipeline.workspace import CaseRecord, Mask, Origin, Workspace, digest_of, now_utc
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH, digest_of_manifest
from training.round_choice import Choice, State, states_of

MAKER = "model:heart_transfer"
CARRIER = "transfer:heart"
HEART_STRUCTURES = (
    "heart_myocardium",
    "heart_atrium_left",
    "heart_ventricle_left",
    "heart_atrium_right",
    "heart_ventricle_right",
    "pulmonary_artery",
)
_FORMAT = 1
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class HeartManifest:
    """What one heart model is trained on.

    Attributes
    ----------
    choice : Choice
        Structures, cases with the masks of each, and what was left out and why.
    roles : mapping
        Case id to ``contrast`` or ``native``.
    recipe : str
        Digest of the training profile.
    class_map_digest : str
        Of the workspace's class map.
    """

    choice: Choice
    roles: Mapping[str, str]
    recipe: str
    class_map_digest: str

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values: what decides the model, and nothing else."""
        return {
            "format": _FORMAT,
            "structures": list(self.choice.structures),
            "cases": {
                case_id: {
                    "role": self.roles[case_id],
                    "masks": {name: state.to_dict() for name, state in states.items()},
                }
                for case_id, states in sorted(self.choice.cases.items())
            },
            "recipe": self.recipe,
            "class_map_digest": self.class_map_digest,
        }

    @property
    def digest(self) -> str:
        """Digest of everything that decides the model; provenance names it."""
        return digest_of(self.to_dict())

    @property
    def folder_name(self) -> str:
        """Name of the model's folder: other training cases, another folder."""
        return self.digest[:SHORT_DIGEST_LENGTH]


def make_manifest(
    workspace: Workspace, pairs: Iterable[tuple[str, str]], recipe: str
) -> HeartManifest:
    """Choose the training cases among the pairs, without writing anything.

    A case is left out if a person excluded it or a heart structure in it is undecided: what
    nobody knows is never taught as background. A structure without a voxel in any case is left
    out as a whole, so that no empty mask claims that the model looked for it.

    Parameters
    ----------
    pairs : iterable of (str, str)
        Contrast and native case id of each pair whose masks were carried.
    recipe : str
        Digest of the training profile.

    Raises
    ------
    BadInput
        If the class map lacks one of the six structures.
    NothingToDo
        If no native case, or no structure, is left to train on.
    """
    structures = _structures(workspace)
    roles: dict[str, str] = {}
    for contrast, native in pairs:
        roles[contrast] = "contrast"
        roles.setdefault(native, "native")
    cases: dict[str, dict[str, State]] = {}
    left_out: dict[str, str] = {}
    for case_id in sorted(roles):
        states, reason = _states(workspace.record(case_id), structures)
        if reason:
            left_out[case_id] = reason
        else:
            cases[case_id] = states
    if "native" not in {roles[case_id] for case_id in cases}:
        raise NothingToDo(
            "no native case to train the heart model on: expected at least one pair whose masks "
            f"were carried, found {len(roles)} cases, left out: {_few(left_out)}"
        )
    taught = tuple(
        name for name in structures if any(s[name].kind == "mask" for s in cases.values())
    )
    if not taught:
        raise NothingToDo("no heart structure has a voxel in any training case")
    without = {name: "no voxel in any training case" for name in structures if name not in taught}
    kept = {case_id: {name: s[name] for name in taught} for case_id, s in cases.items()}
    return HeartManifest(
        Choice(taught, kept, without, left_out), roles, recipe, workspace.class_map.digest
    )


def keep_manifest(manifest: HeartManifest, path: Path) -> None:
    """Write a manifest once; a damaged one is refused, never replaced.

    Raises
    ------
    BadInput
        If the file holds another manifest.
    """
    if not path.exists():
        values = manifest.to_dict() | {"created": now_utc()}
        write_file_atomically(path, (json.dumps(values, indent=1) + "\n").encode())
        return
    try:
        found = digest_of_manifest(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no readable manifest ({error}); restore it") from error
    if found != manifest.digest:
        raise BadInput(
            f"{path}: holds digest {found[:SHORT_DIGEST_LENGTH]}, expected "
            f"{manifest.folder_name}; restore it, or move its folder away to train anew"
        )


def without_own(record: CaseRecord, makers: Collection[str] = (MAKER,)) -> CaseRecord:
    """Give a case without what some makers made, unless a person accepted it.

    Parameters
    ----------
    makers : collection of str
        By default the heart model: it never learns from itself.
    """
    accepted = {mask.id for mask in record.accepted().values()}
    own = {mask.id for mask in record.masks if mask.provenance.maker in makers} - accepted

    def foreign(mask: Mask) -> bool:
        merged = mask.origin == "merged" and bool(own & set(mask.provenance.parents))
        return mask.id not in own and (mask.id in accepted or not merged)

    return CaseRecord(record.case, tuple(filter(foreign, record.masks)), record.verdicts)


def lendable(record: CaseRecord, structures: Sequence[str]) -> dict[str, Mask]:
    """Give the masks that a contrast case can lend, by structure.

    Those in force, once what the transfer and its model made is set aside, unless a person
    accepted it. Empty ones and those that a person sent back with *fix* are not lent.
    """
    foreign = without_own(record, (MAKER, CARRIER))
    states = states_of(foreign, structures, get_args(Origin))
    by_id = {mask.id: mask for mask in foreign.masks}
    return {
        name: by_id[state.mask_id]
        for name, state in states.items()
        if state.kind == "mask" and state.mask_id is not None
    }


def _states(record: CaseRecord, structures: tuple[str, ...]) -> tuple[dict[str, State], str]:
    """Give the state of each structure, or why the case is left out."""
    if record.excluded:
        return {}, "excluded by a person"
    states = states_of(without_own(record), structures, get_args(Origin))
    undecided = [name for name in structures if name not in states]
    if undecided:
        return {}, f"undecided: {', '.join(undecided)}"
    return states, ""


def _structures(workspace: Workspace) -> tuple[str, ...]:
    known = workspace.class_map.names
    missing = [name for name in HEART_STRUCTURES if name not in known]
    if missing:
        raise BadInput(
            f"{workspace.layout.class_map_file}: has no {', '.join(missing)}; the heart model "
            "needs all six heart structures in the class map"
        )
    return tuple(name for name in known if name in HEART_STRUCTURES)


def _few(reasons: Mapping[str, str]) -> str:
    said = [f"{name} ({reason})" for name, reason in list(reasons.items())[:_SHOWN]]
    more = len(reasons) - len(said)
    return "; ".join(said) + (f" and {more} more" if more else "") if said else "none"
