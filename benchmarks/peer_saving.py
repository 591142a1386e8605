"""Peer: every mask of a case written as a full-size NIfTI with nibabel.

python -m benchmarks.peer_saving FOLDER
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.worker import serve


def save(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], values: dict[str, int], folder: Path
) -> Path:
    """Write one file per label; Fortran order, the faster one for NIfTI, is kept."""
    for name, value in values.items():
        mask = (labels == value).astype(np.uint8, order="F")
        nib.save(nib.Nifti1Image(mask, affine), folder / f"{name}.nii.gz")
    return folder


def facts(folder: Path) -> dict[str, Any]:
    """Return how many files were written and their size, and make room for the next run."""
    files = list(folder.iterdir())
    found = {"masks": len(files), "bytes": sum(file.stat().st_size for file in files)}
    shutil.rmtree(folder)
    folder.mkdir()
    return found


def main(folder: Path) -> None:
    """Save as often as asked."""
    described: dict[str, Any] = json.loads((folder / "case.json").read_text())
    image = nib.load(folder / "labels.nii.gz")
    labels = np.asarray(image.dataobj).astype(np.uint8, order="F")
    out = folder / "peer-out"
    out.mkdir(exist_ok=True)
    serve(lambda: save(labels, image.affine, described["values"], out), facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
