"""Work folders of bootstrap inside the workspace, gone when the work is done."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.workspace import Layout

_PREFIX = "bootstrap-"


@contextmanager
def scratch_folder(layout: Layout) -> Iterator[Path]:
    """Give a new empty folder that is deleted at the end, also after an error."""
    layout.scratch_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=layout.scratch_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(layout: Layout) -> None:
    """Delete what a killed run left behind; only for who holds the workspace's lock."""
    for folder in layout.scratch_dir.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
