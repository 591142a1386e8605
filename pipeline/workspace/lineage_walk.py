"""The walk from a mask down to its sources: each mask and each lesson is looked at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any

from pipeline.workspace.digest import SHORT_DIGEST_LENGTH, digest_of_manifest
from pipeline.workspace.layout import Layout
from pipeline.workspace.ledger import Ledger, not_planted
from pipeline.workspace.source_models import Source, SourceModel, model_of
from pipeline.workspace.words import Mask, Origin, Provenance

_NOWHERE = (slice(0, 0), slice(0, 0), slice(0, 0))
_ENDS_THE_CHAIN = ("human", "rough")


class Kind(StrEnum):
    """How a mask carries a source, from the plainest way on; see `pipeline.workspace.lineage`."""

    DIRECT = "direct"
    MERGED = "merged"
    LEARNED = "learned"
    UNKNOWN = "unknown"


_ORDER = tuple(Kind)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a frozen manifest taught a model about one structure."""

    manifest: Path
    digest: str
    structure: str


class LineageWalk:
    """Tells of any mask how it carries one source, and remembers.

    Parameters
    ----------
    layout : Layout
    masks : mapping of str to Mask
        Every mask of the ledger by id; see :func:`light_masks`.
    source : Source
    """

    def __init__(self, layout: Layout, masks: Mapping[str, Mask], source: Source) -> None:
        self._layout = layout
        self._masks = masks
        self._own = frozenset(source.models)
        self._unread = source.unread
        self._found: dict[str | Lesson, Kind | None] = {}
        self._taught: dict[tuple[Path, str], Mapping[str, tuple[str, ...]] | None] = {}
        self._manifests: dict[tuple[int | None, str, str], Path | None] = {}
        self._models: dict[int, SourceModel | None] = {}
        self._gaps: dict[str, None] = {}

    @property
    def gaps(self) -> tuple[str, ...]:
        """What was not found so far: one line each, and what to do."""
        return tuple(self._gaps)

    def kind_of(self, mask_id: str) -> Kind | None:
        """Tell how a mask carries the source; None if it does not."""
        begun: set[str | Lesson] = set()
        waiting: list[str | Lesson] = [mask_id]
        while waiting:
            node = waiting[-1]
            deeper = [] if node in self._found else self._not_found_yet(node)
            if deeper and node not in begun:
                begun.add(node)
                waiting += deeper
            else:
                waiting.pop()
                if node not in self._found:
                    self._found[node] = self._decide(node)
        return self._found[mask_id]

    def _not_found_yet(self, node: str | Lesson) -> list[str | Lesson]:
        return [below for below in self._below(node) if below not in self._found]

    def _below(self, node: str | Lesson) -> tuple[str | Lesson, ...]:
        """Give what a mask was made from, or the masks of a lesson."""
        if isinstance(node, Lesson):
            return self._masks_of(node) or ()
        mask = self._masks.get(node)
        if mask is None or mask.origin in _ENDS_THE_CHAIN or self._model(mask) in self._own:
            return ()
        return (*self._parents(mask), *self._lessons(mask))

    def _parents(self, mask: Mask) -> tuple[str, ...]:
        """Give the parents of a mask's own structure if it has any, else all of them.

        Structures that were carried or merged together name each other's masks as parents too;
        what was made from another structure (a rib from a mask of all ribs) has no parent of
        its own.
        """
        structures = {
            id_: self._masks[id_].structure if id_ in self._masks else ""
            for id_ in mask.provenance.parents
        }
        if mask.structure not in structures.values():
            return tuple(structures)
        return tuple(id_ for id_, name in structures.items() if name in ("", mask.structure))

    def _decide(self, node: str | Lesson) -> Kind | None:
        """Tell how a node carries the source once everything below it is known."""
        if isinstance(node, Lesson):
            return self._decide_lesson(node)
        mask = self._masks.get(node)
        if mask is None:
            self._miss(f"mask {node[:SHORT_DIGEST_LENGTH]} is not in the ledger")
            return Kind.UNKNOWN
        if mask.origin in _ENDS_THE_CHAIN:
            return None
        model = self._model(mask)
        if model in self._own:
            return Kind.DIRECT
        kinds = [self._found.get(below) for below in self._below(node)]
        if model is not None and model in self._unread:
            self._miss(f"{self._unread[model]}: the card of {model.maker} cannot be read")
            kinds.append(Kind.UNKNOWN)
        best = _plainest(kinds)
        return Kind.MERGED if best is Kind.DIRECT else best

    def _decide_lesson(self, lesson: Lesson) -> Kind | None:
        taught = self._masks_of(lesson)
        if taught is None:
            self._miss(f"{lesson.manifest}: is missing or was changed")
            return Kind.UNKNOWN
        best = _plainest(self._found.get(mask_id) for mask_id in taught)
        return best if best in (None, Kind.UNKNOWN) else Kind.LEARNED

    def _lessons(self, mask: Mask) -> tuple[Lesson, ...]:
        """Name the lesson that a mask's model or round had in its structure."""
        made = mask.provenance
        digest = made.sources.get("manifest")
        if digest is None:
            return ()
        key = (made.round, made.maker, digest)
        if key not in self._manifests:
            self._manifests[key] = self._manifest(made, digest)
        path = self._manifests[key]
        return () if path is None else (Lesson(path, digest, mask.structure),)

    def _manifest(self, made: Provenance, digest: str) -> Path | None:
        """Say where the manifest of a round or of a trained model lies."""
        model = model_of(made)
        if made.round is not None:
            return self._layout.manifest(made.round)
        if model is None:
            return None
        folder = self._layout.models_dir / model.name / digest[:SHORT_DIGEST_LENGTH]
        return folder / "manifest.json"

    def _masks_of(self, lesson: Lesson) -> tuple[str, ...] | None:
        """Give the masks of a lesson; None if its manifest is not there as it was frozen."""
        key = (lesson.manifest, lesson.digest)
        if key not in self._taught:
            self._taught[key] = _masks_by_structure(*key)
        taught = self._taught[key]
        return None if taught is None else taught.get(lesson.structure, ())

    def _model(self, mask: Mask) -> SourceModel | None:
        # By identity: masks made together share a provenance, and the masks keep it alive.
        key = id(mask.provenance)
        if key not in self._models:
            self._models[key] = model_of(mask.provenance)
        return self._models[key]

    def _miss(self, what: str) -> None:
        self._gaps[f"{what}; restore it from a backup, or correct the masks that need it"] = None


def light_masks(ledger: Ledger) -> dict[str, Mask]:
    """Read every mask of real cases by id in one query, by case, oldest first, with empty boxes.

    Of the provenance it holds what the rule of what is in force and the walk need; masks made
    together share one.
    """
    from sqlalchemy import select

    from pipeline.workspace.tables import mask_table as table

    record = table.c.record
    columns = [table.c[name] for name in ("id", "case_id", "structure", "origin", "maker", "round")]
    query = select(
        *columns,
        table.c.created,
        record["voxels"].as_integer(),
        record[("provenance", "priority")].as_integer(),
        record[("provenance", "sources")].as_string(),
        record[("provenance", "parents")].as_string(),
    ).where(not_planted(table.c.case_id))
    query = query.order_by(table.c.case_id, table.c.created, table.c.id)
    with ledger.engine.connect().execution_options(yield_per=10_000) as connection:
        return {row[0]: _light_mask(*row) for row in connection.execute(query)}


def _light_mask(id_: str, case_id: str, structure: str, *made: Any) -> Mask:
    *who_and_when, voxels, priority, sources, parents = made
    provenance = _provenance(tuple(who_and_when), priority, sources, parents)
    return Mask(id_, intern(case_id), intern(structure), provenance, _NOWHERE, voxels)


@lru_cache(maxsize=1024)
def _provenance(
    made: tuple[Origin, str, int | None, str], priority: int, sources: str, parents: str
) -> Provenance:
    origin, maker, number, created = made
    return Provenance(
        origin,
        maker,
        parents=() if parents == "[]" else tuple(json.loads(parents)),
        round=number,
        priority=priority,
        created=created,
        sources=_sources(sources),
    )


@lru_cache(maxsize=1024)
def _sources(text: str) -> Mapping[str, str]:
    sources: dict[str, str] = json.loads(text)
    return sources


def _masks_by_structure(path: Path, digest: str) -> Mapping[str, tuple[str, ...]] | None:
    """Read which masks a manifest teaches, by structure; None if it is not as it was frozen."""
    try:
        if digest_of_manifest(path) != digest:
            return None
        return _taught_masks(json.loads(path.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _taught_masks(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Collect the masks of a manifest, of a round (several models) or of one model."""
    taught: dict[str, list[str]] = {}
    for model in values.get("models", {"": values}).values():
        for case in model["cases"].values():
            for structure, state in case.get("masks", case).items():
                if "mask" in state:
                    taught.setdefault(structure, []).append(state["mask"])
    return {structure: tuple(ids) for structure, ids in taught.items()}


def _plainest(kinds: Iterable[Kind | None]) -> Kind | None:
    """Give the plainest of several kinds."""
    found = set(kinds)
    return next((kind for kind in _ORDER if kind in found), None)
