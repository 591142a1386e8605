"""Many crumbs are found, a few are not, and a correct trunk has none."""

import numpy as np
import pytest

from qc.plausibility.rules import scattered
from qc.plausibility.scene import CaseScene, make_scene
from qc.plausibility.thresholds import shipped_thresholds


def scene_of(trunk, crumbs: int) -> CaseScene:
    labels = trunk.labels.copy()
    free = np.argwhere(labels[2:-2, 2:-2, 2:-2] == 0) + 2
    grid = free[((free % 4) == 0).all(axis=1)][:crumbs]
    for i, j, k in grid:
        labels[i : i + 2, j : j + 2, k] = np.where(
            labels[i : i + 2, j : j + 2, k] == 0,
            trunk.value("duodenum"),
            labels[i : i + 2, j : j + 2, k],
        )
    return make_scene(labels, trunk.grid, trunk.class_map, trunk.ct)


@pytest.mark.parametrize(("crumbs", "severity"), [(40, "high"), (0, None), (3, None)])
def test_crumbs_are_counted(trunk, crumbs, severity) -> None:
    found = list(scattered.check(scene_of(trunk, crumbs), shipped_thresholds(), None))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert finding.structures == ("duodenum",)
        assert finding.figures["pieces"] >= 25
        assert finding.place_mm is not None
