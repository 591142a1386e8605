import numpy as np
import pytest

from pipeline.errors import BadInput, NothingToDo
from pipeline.intake.ct_files import find_cts
from pipeline.intake.settings import IntakeSettings
from pipeline.volume import write_nifti
from pipeline.workspace import Workspace
from tests.fixtures.dicom_series import write_ct_series
from tests.fixtures.tiny_models import bright_body


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "passing")


def found(workspace, path):
    return find_cts(workspace, path, IntakeSettings(paths=(path,)))


def test_a_ct_is_named_by_where_it_lies_and_each_name_is_taken_once(workspace, tmp_path):
    ct, _, grid = bright_body(1)
    for name in ("a.nii.gz", "b/a.nii", "b-a.nii.gz", "Mr. X/ct.nii.gz", "._a.nii.gz"):
        write_nifti(tmp_path / "in" / name, ct, grid)
    turned, _, lps = bright_body(1, "LPS")
    write_ct_series(tmp_path / "in" / "series", turned, lps)
    cts = found(workspace, tmp_path / "in")
    assert sorted(each.name for each in cts.cts) == ["Mr._X-ct", "a", "b-a", "b-a-2", "series"]
    assert not cts.is_single


def test_a_file_or_a_single_series_is_the_ct_itself(workspace, tmp_path):
    ct, _, grid = bright_body(1)
    write_nifti(tmp_path / "one" / "ct.nii.gz", ct, grid)
    assert found(workspace, tmp_path / "one" / "ct.nii.gz").is_single
    assert not found(workspace, tmp_path / "one").is_single
    turned, _, lps = bright_body(1, "LPS")
    write_ct_series(tmp_path / "series", turned, lps)
    cts = found(workspace, tmp_path / "series")
    assert cts.is_single
    taken = cts.cts[0].take()
    values, grid = taken.load()
    assert np.array_equal(values, turned)
    assert grid.same_as(lps, 0.01)
    taken.forget()
    assert not taken.file.exists()
    assert not workspace.cases()


def test_what_is_no_ct_says_why(workspace, tmp_path):
    with pytest.raises(NothingToDo, match="no NIfTI file and no DICOM"):
        found(workspace, tmp_path)
    _, labels, grid = bright_body(1)
    write_nifti(tmp_path / "labels.nii.gz", labels, grid)
    (ct,) = found(workspace, tmp_path / "labels.nii.gz").cts
    with pytest.raises(BadInput, match=r"labels\.nii\.gz: .*label map"):
        ct.take()


def test_a_folder_with_broken_series_alone_is_bad_input(workspace, tmp_path):
    turned, _, lps = bright_body(1, "LPS")
    write_ct_series(tmp_path / "series", turned, lps)
    slices = sorted((tmp_path / "series").iterdir())
    slices[len(slices) // 2].unlink()
    with pytest.raises(BadInput, match=r"no CT: .*series"):
        found(workspace, tmp_path / "series")


def test_a_path_that_is_not_there_is_named_once(workspace, tmp_path):
    with pytest.raises(NothingToDo, match=r"^\S*/gone\.nii\.gz: no such file or folder$"):
        found(workspace, tmp_path / "gone.nii.gz")
