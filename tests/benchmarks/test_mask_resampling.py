import numpy as np

from benchmarks import mask_resampling


def test_ours_is_nearest_to_the_drawn_shape() -> None:
    found = mask_resampling.measure(((1, 1, 1), (3, 3, 3)))
    assert found["ours"] > found["linear"] > found["nearest"]
    assert found["ours"] > 0.98


def test_a_shape_is_the_same_on_every_grid() -> None:
    rng = np.random.default_rng(0)
    fine = mask_resampling.grid((1.0, 1.0, 1.0), rng)
    coarse = mask_resampling.grid((2.0, 2.0, 2.0), rng)
    for kind in mask_resampling.SHAPES:
        ml = [
            np.count_nonzero(mask_resampling.draw(kind, 3, on)) * on.voxel_ml
            for on in (fine, coarse)
        ]
        assert abs(ml[0] / ml[1] - 1) < 0.05
