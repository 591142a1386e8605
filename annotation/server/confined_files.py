"""Files by a path from outside: only plain ones below one folder, whatever the path says."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

_LONGEST = 512


def confined_file(root: Path, path: str, suffixes: Container[str]) -> Path | None:
    """Give the file that a path names below a folder, or None.

    Parameters
    ----------
    root : Path
    path : str
        Parts divided by ``/``. Hidden names, ``..``, backslashes and links out lead nowhere.
    suffixes : container of str
        Of the kinds of file that may be given out.
    """
    parts = path.split("/")
    if len(path) > _LONGEST or "\\" in path or not path.isprintable():
        return None
    if any(not part or part.startswith(".") for part in parts):
        return None
    found = root.joinpath(*parts)
    try:
        real = found.resolve(strict=True)
        inside = real.is_relative_to(root.resolve(strict=True)) and real.is_file()
    except (OSError, ValueError, RuntimeError):
        return None
    return real if inside and real.suffix in suffixes else None
