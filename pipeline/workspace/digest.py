"""Digests and times: how things made twice are recognised as one."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SHORT_DIGEST_LENGTH = 12


def canonical_json(values: Any) -> bytes:
    """Give JSON with sorted keys and no spaces, so that equal values have equal bytes."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(values: Any, *blocks: bytes | memoryview) -> str:
    """Give the SHA-256 (hex) of JSON values followed by blocks of bytes."""
    digest = hashlib.sha256(canonical_json(values))
    for block in blocks:
        digest.update(b"\0")
        digest.update(block)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Give the SHA-256 (hex) of a file's bytes.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_manifest(path: Path) -> str:
    """Give the digest of a round's manifest: of all it says but the time it was frozen.

    Raises
    ------
    OSError, ValueError
        When it cannot be read, or is no JSON object.
    """
    values = json.loads(path.read_bytes())
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object")
    return digest_of({name: value for name, value in values.items() if name != "created"})


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Give a short digest of settings, as provenance records it."""
    return digest_of(settings)[:SHORT_DIGEST_LENGTH]


def now_utc() -> str:
    """Give the present time as ISO 8601 in UTC with microseconds, so that text order is time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
