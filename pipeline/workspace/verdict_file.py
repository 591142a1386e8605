"""Every acknowledged batch of verdicts is also a file: a lost ledger loses no decision."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pipeline.errors import BadInput
from pipeline.volume import is_partial, write_file_atomically
from pipeline.workspace.digest import SHORT_DIGEST_LENGTH, digest_of
from pipeline.workspace.layout import Layout
from pipeline.workspace.words import Verdict


def write_verdicts(
    layout: Layout, verdicts: Sequence[Verdict], client_ids: Sequence[str] = ()
) -> Path:
    """Store a batch of verdicts as one file whose name begins with its time.

    Parameters
    ----------
    client_ids : sequence of str
        The ids that the page or program gave to what it sent: what was taken in once is known.
    """
    values = [verdict.to_dict() for verdict in verdicts]
    moment = verdicts[0].created.replace(":", "").replace("+0000", "Z")
    path = layout.verdicts_dir / f"{moment}-{digest_of(values)[:SHORT_DIGEST_LENGTH]}.json"
    batch: dict[str, object] = {"format": 1, "verdicts": values}
    if client_ids:
        batch["client_ids"] = list(client_ids)
    write_file_atomically(path, json.dumps(batch, indent=1).encode())
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


def known_client_ids(layout: Layout) -> frozenset[str]:
    """List what :func:`write_verdicts` was told of client ids; damaged files are the doctor's."""
    known: set[str] = set()
    for path in verdict_files(layout):
        known.update(_client_ids(path))
    return frozenset(known)


@lru_cache(maxsize=100_000)
def _client_ids(path: Path) -> tuple[str, ...]:
    # A batch is never changed, so a server that asks again and again reads each file once.
    try:
        return tuple(str(each) for each in json.loads(path.read_bytes()).get("client_ids", ()))
    except (OSError, ValueError, TypeError, AttributeError):
        return ()
