"""An append-only file of records: what was acknowledged is there after any kind of death.

A record is its length, its CRC-32 and its bytes. It is on disk before `append` returns. Only the
last record can be half-written; it is cut off when the next one comes. A damaged record with whole
ones behind it is no half-written tail: such a file is refused and left as it is.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadInput

_MAGIC = b"MSKJ0001"
_HEAD = struct.Struct("<II")
LARGEST_RECORD_BYTES = 1 << 28


class JournalError(BadInput):
    """A journal that is damaged, or that the disk refused to keep."""


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The whole records of a journal, and where the next one goes."""

    records: tuple[bytes, ...]
    end: int


def read_journal(path: Path) -> JournalContent:
    """Read every acknowledged record; a half-written tail is left out.

    Raises
    ------
    JournalError
        When the file is no journal, or a record is damaged and others follow it.
    """
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        if _MAGIC.startswith(data.rstrip(b"\0")):
            return JournalContent((), 0)
        raise JournalError(f"{path}: no journal of strokes; move it away, it holds something else")
    records: list[bytes] = []
    place = len(_MAGIC)
    while place < len(data):
        record = _record_at(data, place)
        if record is None:
            _require_tail(path, data, place)
            break
        records.append(record)
        place += _HEAD.size + len(record)
    return JournalContent(tuple(records), place)


def append_to_journal(path: Path, record: bytes, end: int) -> int:
    """Add a record behind the last whole one, and return where it ends, once it is on disk.

    Parameters
    ----------
    path : Path
        Made with its folder when it is not there.
    record : bytes
    end : int
        What :func:`read_journal` or the last call gave; 0 for a new journal.

    Raises
    ------
    OSError
        When the disk did not take it. Nothing was acknowledged then, and nothing may be added
        before the journal was read anew: after a failed flush the kernel may have dropped data.
    """
    if not 0 < len(record) <= LARGEST_RECORD_BYTES:
        raise JournalError(f"a record of {len(record)} bytes, expected 1 to {LARGEST_RECORD_BYTES}")
    is_new = end == 0
    if is_new:
        _make_folder(path.parent)
    data = _HEAD.pack(len(record), zlib.crc32(record)) + record
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        _write_all(descriptor, _MAGIC + data if is_new else data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        flush_folder(path.parent)
    return end + len(data) + (len(_MAGIC) if is_new else 0)


def flush_folder(folder: Path) -> None:
    """Flush a folder, so that names made or removed in it outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        flush_folder(each.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _record_at(data: bytes, place: int) -> bytes | None:
    if place + _HEAD.size > len(data):
        return None
    length, checksum = _HEAD.unpack_from(data, place)
    start = place + _HEAD.size
    if not 0 < length <= LARGEST_RECORD_BYTES or start + length > len(data):
        return None
    record = data[start : start + length]
    return record if zlib.crc32(record) == checksum else None


def _require_tail(path: Path, data: bytes, place: int) -> None:
    """Refuse a journal whose damaged record is not the last one."""
    if place + _HEAD.size > len(data) or not data[place:].strip(b"\0"):
        return
    length, _ = _HEAD.unpack_from(data, place)
    is_last = 0 < length <= LARGEST_RECORD_BYTES and place + _HEAD.size + length >= len(data)
    # The length itself may be what is damaged, so whole records are looked for at every byte.
    anywhere = range(place + 1, len(data) - _HEAD.size)
    if is_last and not any(_record_at(data, behind) for behind in anywhere):
        return
    raise JournalError(
        f"{path}: damaged at byte {place} of {len(data)} with more behind it; keep a copy, then "
        "move it away: the strokes before that byte can be read, and the browser keeps its own"
    )
