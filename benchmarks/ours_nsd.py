"""Ours: the NSD of every structure of a case, from two label maps.

python -m benchmarks.ours_nsd FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.nsd_pair import TOLERANCE_MM, NsdPair, facts, load_pair
from benchmarks.worker import serve
from pipeline.volume import label_boxes, normalised_surface_dice, on_union_box


def score(pair: NsdPair) -> dict[int, float]:
    """Crop each structure, as `masksmith evaluate` does, and compare."""
    ours, theirs = label_boxes(pair.truth), label_boxes(pair.prediction)
    found = {}
    for value in pair.values:
        if value not in theirs:
            found[value] = 0.0
            continue
        truth = np.asfortranarray(pair.truth[ours[value]] == value)
        prediction = np.asfortranarray(pair.prediction[theirs[value]] == value)
        placed = on_union_box(truth, ours[value], prediction, theirs[value])
        found[value] = normalised_surface_dice(*placed, pair.spacing_mm, TOLERANCE_MM)
    return found


def main(folder: Path) -> None:
    """Score as often as asked."""
    pair = load_pair(folder)
    serve(lambda: score(pair), facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
