"""Where a mask comes from: from the mask in force down to a person, a dataset or a model.

A chain is a list of steps with a depth: a mask stands above what it was made from (its parent
masks, the manifest and the model of its round, the card and the weights of its model).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import NothingToDo
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH, digest_of_manifest
from pipeline.workspace.in_force import absence, verdicts_by_structure
from pipeline.workspace.words import Mask, Verdict
from pipeline.workspace.workspace import Workspace

DEEPEST = 20


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One link of a chain.

    Attributes
    ----------
    depth : int
        0 for the mask in force; a step is made from those after it that lie one deeper.
    kind : str
        "mask", "verdict", "manifest", "model_card", "weights", ... (as provenance names it).
    what : str
        One line for a person.
    digest : str
        Of the mask, file or weights; empty where there is none.
    created : str
        ISO 8601, UTC; empty where unknown.
    path : str
        The file in the workspace; empty where there is none.
    found : bool or None
        Whether that file is there as it was; None where there is no file.
    """

    depth: int
    kind: str
    what: str
    digest: str = ""
    created: str = ""
    path: str = ""
    found: bool | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The chain of one mask in force, and the revisions it was chosen from."""

    case_id: str
    structure: str
    steps: tuple[HistoryStep, ...]
    revisions: tuple[Mask, ...]


def mask_history(workspace: Workspace, case_id: str, structure: str) -> History:
    """Follow the mask in force of a structure down to where it comes from.

    Parameters
    ----------
    workspace : Workspace
    case_id, structure : str

    Raises
    ------
    NothingToDo
        If the case is unknown, or no mask of the structure is in force; it says why.
    """
    record = workspace.record(case_id)
    said = verdicts_by_structure(record.verdicts).get(structure, [])
    mask = record.in_force().get(structure)
    if mask is None:
        raise NothingToDo(_why_none(case_id, structure, said))
    revisions = tuple(found for found in record.masks if found.structure == structure)
    steps = _Chain(workspace).below(mask, said, depth=0)
    return History(case_id, structure, tuple(steps), revisions)


def _why_none(case_id: str, structure: str, said: list[Verdict]) -> str:
    """Say why no mask of a structure is in force."""
    if absence(said) is None:
        return f"case {case_id} has no mask of '{structure}', and nobody has called it absent"
    last = said[-1]
    return (
        f"case {case_id}: {last.by} called '{structure}' {last.decision} on {last.created}"
        f"{f' ({last.reason})' if last.reason else ''}; no mask is in force"
    )


class _Chain:
    """Walks down from a mask; knows where each kind of source lies in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.layout = workspace.layout

    def below(self, mask: Mask, said: list[Verdict], depth: int) -> Iterator[HistoryStep]:
        """Yield a mask, the verdicts about it, its sources and its parents."""
        yield self._mask_step(mask, depth)
        for verdict in said:
            if verdict.mask_id == mask.id:
                yield _verdict_step(verdict, depth + 1)
        for kind, digest in mask.provenance.sources.items():
            yield self._source_step(mask, kind, digest, depth + 1)
        for parent_id in mask.provenance.parents:
            parent = self.workspace.ledger.mask(parent_id)
            if parent is None or depth >= DEEPEST:
                yield HistoryStep(depth + 1, "mask", "a mask not in the ledger", parent_id)
            else:
                yield from self.below(parent, said, depth + 1)

    def _mask_step(self, mask: Mask, depth: int) -> HistoryStep:
        made = mask.provenance
        path = self.layout.mask(mask.case_id, mask.structure, mask.id)
        software = ", ".join(f"{name} {version}" for name, version in made.software.items())
        what = f"{mask.voxels} voxels of {mask.structure}, origin {made.origin}, by {made.maker}"
        return HistoryStep(
            depth,
            "mask",
            f"{what}{f', with {software}' if software else ''}",
            mask.id,
            made.created,
            str(path),
            path.is_file(),
        )

    def _source_step(self, mask: Mask, kind: str, digest: str, depth: int) -> HistoryStep:
        """Say what a digest in a mask's provenance stands for."""
        if kind == "manifest" and mask.provenance.round is not None:
            return self._manifest_step(mask.provenance.round, digest, mask.structure, depth)
        if kind == "model_card":
            path = self.layout.models_dir / "cards" / f"{digest[:SHORT_DIGEST_LENGTH]}.yaml"
            name = mask.provenance.maker.removeprefix("model:")
            what = f"the card of the model {name} as it was used"
            return HistoryStep(depth, kind, what, digest, path=str(path), found=path.is_file())
        if kind == "model_folder":
            path = self.layout.root / digest
            what = f"the model of {mask.provenance.maker}"
            return HistoryStep(depth, kind, what, path=str(path), found=path.is_dir())
        what = f"the {kind.replace('_', ' ')} of {mask.provenance.maker}"
        return HistoryStep(depth, kind, what, digest)

    def _manifest_step(self, number: int, digest: str, structure: str, depth: int) -> HistoryStep:
        path = self.layout.manifest(number)
        values = _read_manifest(path, digest)
        what = f"what round {number} was trained on"
        if values is None:
            return HistoryStep(depth, "manifest", what, digest, path=str(path), found=False)
        trained = _cases_with(values, structure)
        what += f": {structure} in {len(trained)} cases ({_few(trained)})"
        created = str(values.get("created", ""))
        return HistoryStep(depth, "manifest", what, digest, created, str(path), found=True)


def _read_manifest(path: Path, digest: str) -> Mapping[str, Any] | None:
    """Read a manifest; None if it is not there as it was frozen."""
    try:
        if digest_of_manifest(path) != digest:
            return None
        values: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values


def _cases_with(values: Mapping[str, Any], structure: str) -> list[str]:
    """List the cases in which a manifest trains on a structure."""
    models = values.get("models", {}).values()
    return sorted({c for m in models for c, states in m["cases"].items() if structure in states})


def _few(names: list[str], shown: int = 5) -> str:
    """Name some, and say how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}" if names else "none"


def _verdict_step(verdict: Verdict, depth: int) -> HistoryStep:
    reason = f": {verdict.reason}" if verdict.reason else ""
    what = f"{verdict.decision} by {verdict.by}{reason}"
    return HistoryStep(depth, "verdict", what, created=verdict.created)
