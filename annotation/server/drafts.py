"""Drafts: what a person drew and has not finished, stroke by stroke, on disk before it is answered.

One journal per mask and person (:mod:`annotation.server.journal`). A stroke is a box and its voxels
after the stroke, so that playing them in order gives the mask as the person saw it. Strokes have
running numbers: one that comes twice is kept once, one that comes too early is refused.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.patches import Patch, around, trimmed
from annotation.server.journal import (
    JournalError,
    append_to_journal,
    flush_folder,
    read_journal,
)
from annotation.server.refusals import conflict
from pipeline.volume import Box
from pipeline.workspace import Layout, now_utc

log = logging.getLogger(__name__)
_REMEMBERED = 512
NO_BASE = ""
_BLIND = "-blind"


@dataclass(frozen=True, slots=True)
class DraftKey:
    """Whose draft of which mask.

    Attributes
    ----------
    blind : bool
        Of a second reading, which has a draft of its own beside the ordinary one.
    """

    case_id: str
    structure: str
    by: str
    blind: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """One stroke as the browser sent it.

    Attributes
    ----------
    base : str
        Id of the mask that is being changed; empty where there was none.
    client : str
        The tab that drew.
    sequence : int
        From 1 on, without gaps.
    box : tuple of slice
        In RAS order.
    voxels : ndarray of bool, shape of the box
        After the stroke.
    created : str
    """

    base: str
    client: str
    sequence: int
    box: Box
    voxels: NDArray[np.bool_]
    created: str = field(default_factory=now_utc)

    @property
    def checksum(self) -> int:
        """Tells this stroke from another one under the same number."""
        numbers = [*(s.start for s in self.box), *(s.stop for s in self.box)]
        placed = zlib.crc32(repr(numbers).encode())
        return zlib.crc32(np.packbits(self.voxels, axis=None).tobytes(), placed)

    def to_record(self, by: str) -> bytes:
        """Give the bytes that stand in the journal."""
        head = {
            "base": self.base,
            "client": self.client,
            "sequence": self.sequence,
            "box": [[side.start, side.stop] for side in self.box],
            "by": by,
            "created": self.created,
        }
        bits = np.packbits(self.voxels.reshape(-1, order="F")).tobytes()
        return json.dumps(head).encode() + b"\n" + zlib.compress(bits, 1)

    @classmethod
    def from_record(cls, record: bytes) -> Stroke:
        """Read what :meth:`to_record` gave."""
        head, box, packed = _opened(record)
        shape = tuple(side.stop - side.start for side in box)
        size = int(np.prod(shape, dtype=np.int64))
        bits = np.frombuffer(zlib.decompress(packed), np.uint8)
        voxels = np.unpackbits(bits, count=size).view(np.bool_).reshape(shape, order="F")
        number = int(head["sequence"])
        return cls(head["base"], head["client"], number, box, voxels, head["created"])


@dataclass(slots=True)
class DraftState:
    """How far a draft is.

    Attributes
    ----------
    begun : str
        When the first stroke came: tells this draft from a later one of the same strokes.
    acknowledged : dict
        Sequence number to (client, checksum).
    """

    base: str
    begun: str
    end: int = 0
    acknowledged: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def sequence(self) -> int:
        """The number of the last stroke."""
        return len(self.acknowledged)


class Drafts:
    """All drafts of a workspace; safe to use from many threads of one process."""

    def __init__(self, layout: Layout, author_of: Callable[[str], str]) -> None:
        self._layout, self._author_of = layout, author_of
        self._states: OrderedDict[Path, DraftState] = OrderedDict()
        self._locks: dict[Path, RLock] = {}
        self._refused_by_disk: set[Path] = set()
        self._lock = Lock()

    def path(self, key: DraftKey) -> Path:
        """Give the path of a draft's journal."""
        author = self._author_of(key.by) + (_BLIND if key.blind else "")
        return self._layout.draft(key.case_id, key.structure, author)

    @contextmanager
    def held(self, key: DraftKey) -> Iterator[None]:
        """Keep everybody else from a draft, as while a revision is made of it."""
        with self._lock:
            lock = self._locks.setdefault(self.path(key), RLock())
        with lock:
            yield

    def state(self, key: DraftKey) -> DraftState | None:
        """Say how far a draft is; None where there is none.

        Raises
        ------
        JournalError
            When its journal is damaged.
        """
        with self.held(key):
            return self._state(self.path(key))

    def add(self, key: DraftKey, stroke: Stroke) -> int:
        """Keep a stroke and return its number, once it is on disk.

        Raises
        ------
        Refusal
            409 on a gap, on another base than the draft's, and where another stroke has the number.
        JournalError
            When the disk refused it.
        """
        with self.held(key):
            path = self.path(key)
            state = self._state(path) or DraftState(stroke.base, stroke.created)
            if _is_known(state, stroke):
                return stroke.sequence
            _check_order(state, stroke)
            self._append(path, state, stroke, key.by)
            return stroke.sequence

    def played(self, key: DraftKey, base: Patch) -> Patch:
        """Give the mask as it stands: its base, in RAS order, with every stroke on it."""
        with self.held(key):
            path = self.path(key)
            state = self._state(path)
            if state is None:
                return base
            # What a failed flush left behind the last acknowledged stroke is none.
            records = read_journal(path).records[: state.sequence]
            outer = around(base.box, *(_opened(record)[1] for record in records))
            return play(base, map(Stroke.from_record, records), outer)

    def remove(self, key: DraftKey) -> None:
        """Forget a draft that has become a revision."""
        with self.held(key):
            path = self.path(key)
            self._states.pop(path, None)
            if path.exists():
                path.unlink()
                flush_folder(path.parent)

    def _append(self, path: Path, state: DraftState, stroke: Stroke, by: str) -> None:
        if path in self._refused_by_disk:
            raise _disk_refused(path)
        try:
            state.end = append_to_journal(path, stroke.to_record(by), state.end)
        except OSError as error:
            # Whatever a later flush says, this one failed: nothing more goes into this file.
            self._refused_by_disk.add(path)
            log.error("a draft could not be written: %s", error.strerror)
            raise _disk_refused(path) from error
        state.acknowledged[stroke.sequence] = (stroke.client, stroke.checksum)
        self._remember(path, state)

    def _state(self, path: Path) -> DraftState | None:
        state = self._states.get(path)
        if state is None and path.exists():
            content = read_journal(path)
            # One after the other: together they may fill the memory.
            for stroke in map(Stroke.from_record, content.records):
                state = state or DraftState(stroke.base, stroke.created, content.end)
                state.acknowledged[stroke.sequence] = (stroke.client, stroke.checksum)
            if state is not None:
                self._remember(path, state)
        return state

    def _remember(self, path: Path, state: DraftState) -> None:
        with self._lock:
            self._states[path] = state
            self._states.move_to_end(path)
            while len(self._states) > _REMEMBERED:
                self._states.popitem(last=False)


def play(base: Patch, strokes: Iterable[Stroke], box: Box) -> Patch:
    """Play strokes on a mask, in order; all in one voxel order.

    Parameters
    ----------
    base : Patch
    strokes : iterable of Stroke
        Taken one at a time.
    box : tuple of slice
        Holds the mask and every stroke.
    """
    voxels = base.within(box)
    for stroke in strokes:
        i, j, k = (
            slice(own.start - side.start, own.stop - side.start)
            for own, side in zip(stroke.box, box, strict=True)
        )
        voxels[i, j, k] = stroke.voxels
    return trimmed(voxels, box)


def _opened(record: bytes) -> tuple[dict[str, Any], Box, bytes]:
    """Give head, box and packed voxels of a stroke's record."""
    line, _, packed = record.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    i, j, k = (slice(int(start), int(stop)) for start, stop in head["box"])
    return head, (i, j, k), packed


def _is_known(state: DraftState, stroke: Stroke) -> bool:
    known = state.acknowledged.get(stroke.sequence)
    return stroke.base == state.base and known == (stroke.client, stroke.checksum)


def _check_order(state: DraftState, stroke: Stroke) -> None:
    where = {"sequence": state.sequence, "base": state.base or None}
    if stroke.base != state.base:
        raise conflict(
            "your draft of this mask began from another revision",
            "load the draft and go on from it",
            **where,
        )
    if stroke.sequence != state.sequence + 1:
        raise conflict(
            f"stroke {stroke.sequence} came, expected {state.sequence + 1}",
            "load the draft and send what is missing",
            **where,
        )


def _disk_refused(path: Path) -> JournalError:
    return JournalError(
        f"{path.name}: the disk did not take the stroke, and nothing was acknowledged; keep the "
        "page open, see to the disk of the server and start it again"
    )
