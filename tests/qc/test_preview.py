"""What the rules say of files; how they are read and drawn is tested with the command."""

import numpy as np

from pipeline.volume import Grid
from pipeline.volume.claims import Overlapping
from pipeline.volume.label_reading import Segmentation
from qc.drawing import Style
from qc.picture_layout import PictureSettings
from qc.plausibility.thresholds import shipped_thresholds
from qc.preview import Seen, suspicions_about


def test_masks_that_overlap_are_suspected(phantom_class_map):
    grid = Grid((12, 12, 12), np.diag([5.0, 5.0, 5.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8, order="F")
    pair = Overlapping("liver", "spleen", 20.0, 0.5, (10.0, 10.0, 10.0))
    read = Segmentation(labels, grid, frozenset({"liver", "spleen"}), overlaps=(pair,))
    seen = Seen("s1", np.zeros(grid.shape, np.int16), grid, read)
    style = Style(phantom_class_map, (), PictureSettings())
    found = suspicions_about(seen, style, shipped_thresholds())
    assert ("overlapping", ("liver", "spleen")) in [(f.kind, f.structures) for f in found]


def test_the_age_of_the_header_counts(phantom_class_map):
    grid = Grid((30, 30, 30), np.diag([3.0, 3.0, 3.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8, order="F")
    labels[8:22, 8:22, 8:22] = phantom_class_map["liver"].value  # 74 ml
    read = Segmentation(labels, grid, frozenset({"liver"}))
    style = Style(phantom_class_map, (), PictureSettings())
    for facts, expected in (({}, True), ({"age": "6"}, False), ({"age": "60"}, True)):
        seen = Seen("s1", np.full(grid.shape, 50, np.int16), grid, read, facts)
        found = suspicions_about(seen, style, shipped_thresholds())
        assert ("size_unlike_adults" in [f.kind for f in found]) is expected
