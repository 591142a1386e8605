"""The bench on rough masks: its bodies, its degradations, its tables."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.rough import (
    BIASED,
    GAPS_EMPTY,
    GAPS_IGNORED,
    ROUGH,
    Bench,
    Learned,
    dice_table,
    gaps_table,
    mean_dice,
    share_of_ribs,
    spinal_end_table,
    training_masks,
)
from benchmarks.rough_bodies import RIBS, STRUCTURES, TrueBody, class_map, make_bodies
from training.nnunet_dataset import ignore_value

BENCH = Bench(1, 0, 6.0, 5.0, 100, Path("unused"))


@pytest.fixture(scope="module")
def body() -> TrueBody:
    return make_bodies(1, BENCH.spacing_mm)[0]


@pytest.fixture(scope="module")
def masks(body: TrueBody) -> dict[str, list[np.ndarray]]:
    return training_masks([body], BENCH)


def test_the_bodies_show_every_structure_and_ribs_with_a_spinal_end(body: TrueBody) -> None:
    assert set(np.unique(body.labels)) == {0, *STRUCTURES}
    assert class_map().names_by_value == STRUCTURES
    assert body.spinal_ends.sum() > 20
    assert body.rest_of_ribs.sum() > body.spinal_ends.sum()
    ribs = np.isin(body.labels, list(RIBS))
    assert (body.spinal_ends ^ body.rest_of_ribs == ribs).all()


def test_rough_masks_are_near_the_truth_and_biased_ones_lack_only_the_ends(
    body: TrueBody, masks: dict[str, list[np.ndarray]]
) -> None:
    liver = next(value for value, name in STRUCTURES.items() if name == "liver")
    assert mean_dice([body.labels], [body.labels], liver) == 1.0
    assert 0.7 < mean_dice([body.labels], masks[ROUGH], liver) < 0.95
    changed = masks[ROUGH][0] != masks[BIASED][0]
    assert changed.any()
    assert np.isin(masks[ROUGH][0][changed], list(RIBS)).all()
    assert body.near_spine[changed].all()
    assert share_of_ribs([body.spinal_ends], masks[BIASED]) == 0.0
    assert share_of_ribs([body.spinal_ends], [body.labels]) == 1.0


def test_of_sparse_masks_only_what_lies_between_drawn_slices_is_ignored(
    body: TrueBody, masks: dict[str, list[np.ndarray]]
) -> None:
    (rough,), (sparse,), (ignored,) = masks[ROUGH], masks[GAPS_EMPTY], masks[GAPS_IGNORED]
    liver = next(value for value, name in STRUCTURES.items() if name == "liver")
    slices = np.flatnonzero((rough == liver).any(axis=(0, 1)))
    drawn = np.flatnonzero((sparse == liver).any(axis=(0, 1)))
    assert set(drawn) == {*slices[::3], slices[-1]}
    assert (rough[..., drawn] == liver).sum() == (sparse == liver).sum()
    value = ignore_value(class_map())
    assert (ignored[sparse > 0] == sparse[sparse > 0]).all()
    lost = (rough == liver) & (sparse == 0)
    assert lost.any()
    assert (ignored[lost] == value).all()
    assert not (ignored[..., : min(np.flatnonzero((sparse > 0).any(axis=(0, 1))))] == value).any()


def test_the_tables_say_what_was_found(body: TrueBody, masks: dict[str, list[np.ndarray]]) -> None:
    truth = [body.labels, body.labels]
    learned = {name: Learned(shown, [body.labels, shown[0]]) for name, shown in masks.items()}
    rows = dice_table(truth, learned, 1).splitlines()
    assert len(rows) == 2 + len(STRUCTURES) + 1
    rough = mean_dice([body.labels], masks[ROUGH], 1)
    assert rows[2] == f"| spleen | {rough:.3f} | 1.000 | {rough:.3f} |"
    ends = spinal_end_table([body, body], learned, 1).splitlines()
    kept = share_of_ribs([body.spinal_ends], masks[ROUGH])
    assert 0.3 < kept <= 1
    assert ends[2].startswith(f"| {ROUGH} | {kept:.0%} | {kept:.0%} | ")
    assert ends[-1].startswith(f"| {BIASED} | 0% | 0% | ")
    gaps = gaps_table(truth, learned, 1).splitlines()
    sparse = mean_dice([body.labels], masks[GAPS_EMPTY], 1)
    assert sparse < rough
    assert gaps[2] == f"| spleen | {rough:.3f} | {sparse:.3f} | {sparse:.3f} |"


def test_the_profile_takes_the_steps_that_were_asked_for() -> None:
    training = Bench(1, 1, 4.0, 5.0, 800, Path("unused")).profile.training
    assert training is not None
    assert training.epochs * training.iterations == 800
