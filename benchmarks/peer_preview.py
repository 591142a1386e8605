"""Peer: TotalSegmentator's own preview, as its command line calls it (runs in .venv-bench).

python -m benchmarks.peer_preview FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.worker import serve

TASK = "total"
SMOOTHING = 20  # what totalsegmentator/nnunet.py passes


def in_peer_numbers(
    labels: NDArray[np.uint8], values: dict[str, int]
) -> tuple[NDArray[np.uint8], int]:
    """Renumber by name; what the peer does not draw becomes background and costs it nothing."""
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.preview import roi_groups

    drawn = {name for group in roi_groups[TASK] for name in group}
    theirs = {name: value for value, name in class_map[TASK].items() if name in drawn}
    table = np.zeros(256, np.uint8)
    for name, value in values.items():
        table[value] = theirs.get(name, 0)
    return table[labels], len(theirs.keys() & values.keys())


def main(folder: Path) -> None:
    """Draw as often as asked."""
    from totalsegmentator.preview import generate_preview

    described: dict[str, Any] = json.loads((folder / "case.json").read_text())
    ct = nib.load(folder / "ct.nii.gz")
    labels, structures = in_peer_numbers(
        np.asarray(nib.load(folder / "labels.nii.gz").dataobj), described["values"]
    )
    picture = folder / "peer-preview.png"

    def draw() -> None:
        ct.uncache()
        generate_preview(ct, picture, labels, SMOOTHING, TASK)

    serve(draw, lambda _: {"structures": structures, "bytes": picture.stat().st_size})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
