"""The CT column: what is where, in true proportions."""

import numpy as np
import pytest

from pipeline.volume import Grid
from qc.ct_views import (
    centre_of_tissue,
    coronal_projection,
    sagittal_slice,
    width_of_tissue_mm,
)


@pytest.fixture
def body() -> tuple[np.ndarray, Grid]:
    """A body of water with a bone at the right, in front, near the head."""
    ct = np.full((40, 30, 20), -1000, np.int16, order="F")
    ct[10:30, 5:25, :] = 20
    ct[24:28, 18:22, 14:18] = 1200
    return ct, Grid(ct.shape, np.diag([2.0, 2.0, 5.0, 1.0]))


def test_from_the_front_the_patients_right_is_on_the_left(body: tuple) -> None:
    flat = coronal_projection(*body)
    assert flat.grey.shape == (20, 40)
    assert flat.step_mm == (5.0, 2.0)
    rows, columns = np.nonzero(flat.grey == flat.grey.max())
    assert columns.mean() == pytest.approx(39 - 25.5)
    assert rows.mean() == pytest.approx(19 - 15.5)
    assert flat.middle_column == pytest.approx(19.5, abs=0.6)


def test_in_the_slice_the_front_is_on_the_left(body: tuple) -> None:
    flat = sagittal_slice(*body, 25)
    assert flat.grey.shape == (20, 30)
    rows, columns = np.nonzero(flat.grey == flat.grey.max())
    assert columns.mean() == pytest.approx(29 - 19.5)
    assert rows.mean() == pytest.approx(19 - 15.5)
    assert flat.middle_column == pytest.approx(29 - 14.5)


def test_fine_volumes_are_thinned_but_keep_their_proportions(body: tuple) -> None:
    ct, _ = body
    flat = coronal_projection(ct, Grid(ct.shape, np.diag([0.5, 0.5, 0.5, 1.0])))
    assert flat.grey.shape == (10, 20)
    assert flat.step_mm == (1.0, 1.0)


def test_the_body_is_found_and_measured(body: tuple) -> None:
    ct, grid = body
    assert centre_of_tissue(ct) == pytest.approx((19.5, 14.5))
    assert width_of_tissue_mm(ct, grid) == pytest.approx(40.0)


def test_air_alone_is_no_error() -> None:
    ct = np.full((6, 5, 4), -1000, np.int16, order="F")
    grid = Grid(ct.shape, np.eye(4))
    assert coronal_projection(ct, grid).grey.max() == 0
    assert centre_of_tissue(ct) == (2.5, 2.0)
    assert sagittal_slice(ct, grid, 0).middle_column == 2.0
    assert 0 < width_of_tissue_mm(ct, grid) <= 6
