"""Peer: the NSD of every structure of a case with DeepMind's `surface-distance`.

python -m benchmarks.peer_nsd FOLDER
"""

import sys
from pathlib import Path

from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

from benchmarks.nsd_pair import TOLERANCE_MM, NsdPair, facts, load_pair
from benchmarks.worker import serve


def score(pair: NsdPair) -> dict[int, float]:
    """Compare each structure as the package's users do; it crops by itself."""
    found = {}
    for value in pair.values:
        prediction = pair.prediction == value
        if not prediction.any():
            found[value] = 0.0
            continue
        distances = compute_surface_distances(pair.truth == value, prediction, pair.spacing_mm)
        found[value] = float(compute_surface_dice_at_tolerance(distances, TOLERANCE_MM))
    return found


def main(folder: Path) -> None:
    """Score as often as asked."""
    pair = load_pair(folder)
    serve(lambda: score(pair), facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
