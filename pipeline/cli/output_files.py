"""What commands on files write: label maps and masks that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.volume import Grid

LABELS = "labels.nii.gz"
_ENDINGS = (".nii.gz", ".nii")


def is_label_map(output: Path) -> bool:
    """Return whether an output is one file, by its ending; else it is a folder."""
    return output.name.endswith(_ENDINGS)


def stem_of(path: Path) -> str:
    """Return a NIfTI file's name without its ending."""
    for ending in _ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name


def refuse_existing(output: Path, *, force: bool) -> None:
    """Refuse to write over a file or a folder that holds something.

    Raises
    ------
    UsageError
        Unless `force`.
    """
    if force or not output.exists() or is_empty_folder(output):
        return
    raise UsageError(f"{output}: is there already; name another place, or replace it with --force")


def require_writable(output: Path) -> None:
    """Refuse a place where nothing can be written, before any work; no folder is made for it.

    Raises
    ------
    BadInput
    """
    nearest = next(folder for folder in output.absolute().parents if os.path.exists(folder))
    why = "" if os.access(nearest, os.W_OK | os.X_OK) else f"no right to write in {nearest}"
    if not nearest.is_dir():
        why = f"{nearest} is a file"
    if why:
        raise BadInput(f"{output}: cannot be written ({why}); name a place that may be written")


def is_empty_folder(output: Path) -> bool:
    """Return whether this is a folder without anything in it."""
    return output.is_dir() and not is_label_map(output) and not any(output.iterdir())


def write_label_map(
    path: Path,
    labels: NDArray[np.integer[Any]],
    grid: Grid,
    class_map: str,
    values: Mapping[str, int],
    **more: object,
) -> None:
    """Write a label map; its header names the values, as exported label maps do."""
    from pipeline.volume import write_nifti

    names = {str(value): name for name, value in values.items()}
    extension = {"class_map": class_map, "labels": names, **more}
    write_nifti(path, labels, grid, extension=extension, intent="label")


def write_masks(
    folder: Path, labels: NDArray[np.integer[Any]], grid: Grid, values: Mapping[str, int]
) -> None:
    """Write one mask per structure; an empty one says that it was looked for and not found."""
    from pipeline.volume import write_nifti

    for name, value in values.items():
        write_nifti(folder / f"{name}.nii.gz", labels == value, grid, intent="label")


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `output` when the block has ended well."""
    output.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        _put(part, output)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, output: Path) -> None:
    """Move a finished folder to its place; into a folder that is there, file by file."""
    if not output.exists():
        part.rename(output)
        return
    for path in sorted(part.iterdir()):
        path.replace(output / path.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
