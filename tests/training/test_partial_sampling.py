"""nnU-Net's own loader on partly decided cases; -1 is what lies outside an image."""

import numpy as np
import pytest
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.utilities.label_handling.label_handling import LabelManager

LABELS = {"background": 0, "liver": 1, "aorta": 2}
PATCH = (8, 8, 8)


class Cases:
    """Gives preprocessed cases as nnU-Net's dataset does, from label maps in memory."""

    def __init__(self, label_maps, labels):
        self.label_maps, self.identifiers = label_maps, list(label_maps)
        self.labels = labels

    def load_case(self, name):
        seg = self.label_maps[name][None]
        collect = list(self.labels.foreground_labels)
        if self.labels.has_ignore_label:
            collect.append([-1, *self.labels.all_labels])
        places = DefaultPreprocessor._sample_foreground_locations(seg, collect)
        return np.zeros(seg.shape, np.float32), seg, None, {"class_locations": places}


def loader(label_maps, *, oversampling=1.0, ignore=None):
    names = LABELS | ({"ignore": ignore} if ignore else {})
    labels = LabelManager(names, None)
    np.random.seed(0)
    return nnUNetDataLoader(Cases(label_maps, labels), 2, PATCH, PATCH, labels, oversampling)


@pytest.fixture
def body():
    """Give a label map with a liver at one end and an aorta at the other."""
    labels = np.zeros((40, 16, 16), np.int16)
    labels[2:6, 4:12, 4:12] = 1
    labels[34:38, 6:9, 6:9] = 2
    return labels


def test_patches_are_drawn_around_decided_structures_only(body):
    """An undecided aorta has no voxels in the label map, so no patch is drawn around it."""
    half = np.where(body == 2, 0, body)
    draw = loader({"half": half})
    for _ in range(20):
        target = next(draw)["target"]
        assert (target == 1).flatten(1).any(1).all()
    whole = loader({"whole": body})
    seen = {int(v) for _ in range(20) for v in next(whole)["target"].unique()}
    assert {1, 2} <= seen


def test_a_batch_says_which_case_each_patch_is_from(body):
    draw = loader({"half": np.where(body == 2, 0, body), "whole": body})
    keys = {str(key) for _ in range(10) for key in next(draw)["keys"]}
    assert keys == {"half", "whole"}


@pytest.mark.parametrize("ignore", [None, 3])
def test_a_case_in_which_only_absence_was_decided_gives_patches_from_anywhere(body, ignore):
    """All its foreground is undecided: the label map is empty."""
    draw = loader({"empty": np.zeros_like(body)}, ignore=ignore)
    for _ in range(10):
        batch = next(draw)
        assert tuple(batch["target"].shape) == (2, 1, *PATCH)
        assert (batch["target"] <= 0).all()


def test_random_patches_avoid_ignored_slices(body):
    """With an ignore label nnU-Net draws around voxels that count."""
    body[8:] = 3
    draw = loader({"a": body}, oversampling=0.0, ignore=3)
    for _ in range(20):
        target = next(draw)["target"]
        assert ((target >= 0) & (target != 3)).flatten(1).any(1).all()
