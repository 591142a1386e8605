"""Identifiers as keyed hashes: equal for equal values, not to be reversed without the key."""

import hashlib
import hmac
from pathlib import Path

from pipeline.workspace.layout import Layout


def pseudonym(layout: Layout, kind: str, value: str) -> str:
    """Turn an identifier into a keyed hash of 32 hex digits.

    Parameters
    ----------
    layout : Layout
        Of the workspace whose secret key is used.
    kind : str
        Such as ``"patient"`` or ``"series"``; the same value of two kinds differs.
    value : str
    """
    key = layout.key_file.read_bytes()
    return hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


def path_pseudonym(layout: Layout, path: Path) -> str:
    """Hash a path as intake does when it records where a CT came from; links are followed."""
    return pseudonym(layout, "path", str(path.resolve()))
