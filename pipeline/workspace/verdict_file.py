"""Every acknowledged batch of verdicts is also a file: a lost ledger loses no decision."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.volume import is_partial, write_file_atomically
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH, digest_of
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Verdict


def write_verdicts(layout: Layout, verdicts: Sequence[Verdict]) -> Path:
    """Store a batch of verdicts as one file whose name begins with its time."""
    values = [verdict.to_dict() for verdict in verdicts]
    moment = verdicts[0].created.replace(":", "").replace("+0000", "Z")
    path = layout.verdicts_dir / f"{moment}-{digest_of(values)[:SHORT_DIGEST_LENGTH]}.json"
    write_file_atomically(path, json.dumps({"format": 1, "verdicts": values}, indent=1).encode())
    return path


def verdict_files(layout: Layout) -> tuple[Path, ...]:
    """List the verdict files, oldest first."""
    if not layout.verdicts_dir.is_dir():
        return ()
    return tuple(p for p in sorted(layout.verdicts_dir.glob("*.json")) if not is_partial(p))


def read_verdicts(path: Path) -> tuple[Verdict, ...]:
    """Read one verdict file.

    Raises
    ------
    BadInput
        When it is damaged.
    """
    try:
        return tuple(Verdict.from_dict(v) for v in json.loads(path.read_bytes())["verdicts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: no readable verdict file ({error})") from error


def all_verdicts(layout: Layout) -> Iterator[Verdict]:
    """Read every verdict from the files, oldest file first; raises as :func:`read_verdicts`."""
    for path in verdict_files(layout):
        yield from read_verdicts(path)
