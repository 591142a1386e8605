import pytest

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.volume import read_nifti
from training.runtime.synthetic_ct import scan_grid, write_synthetic_ct


@pytest.mark.parametrize("slices", [280, 458, 824])
def test_the_scans_of_the_paper_lie_within_head_and_knee(slices):
    grid = scan_grid(512, slices)
    assert grid.shape == (512, 512, slices)
    bottom, top = grid.origin_mm[2], grid.origin_mm[2] + slices * 1.5
    assert top <= 850 + 1e-6
    assert bottom >= -390
    assert grid.extent_mm[0] == pytest.approx(400)


def test_a_body_with_noise_is_in_the_picture(tmp_path):
    class_map = find_class_map("class_map", shipped_configs())
    write_synthetic_ct(tmp_path / "ct.nii.gz", class_map, 48, 20)
    ct = read_nifti(tmp_path / "ct.nii.gz")
    assert ct.array.shape == (48, 48, 20)
    body = ct.array > -200
    assert 0.2 < body.mean() < 0.9
    assert ct.array[0, 0].std() == pytest.approx(12, rel=0.6)
    assert ct.array.max() > 200
