import nibabel
import numpy as np
import pytest

from pipeline.intake.given_masks import (
    GivenTask,
    read_binary_mask,
    store_given_masks,
    sweep_partial_masks,
)
from pipeline.intake.refusal import Refused
from pipeline.volume import GridMismatch, NiftiError
from pipeline.workspace import Case, Provenance, read_mask

MADE = Provenance("rough", "dataset:totalsegmentator")


@pytest.fixture
def case(add_case) -> Case:
    return add_case("s0001")


@pytest.fixture
def write_mask_file(tmp_path, case):
    """Give a function that writes a mask of a box of ones on the case's grid."""

    def write(
        name, box=(slice(4, 9), slice(5, 7), slice(10, 20)), *, affine=None, ones=1, kind="u1"
    ):
        values = np.zeros(case.grid.shape, kind)
        if box is not None:
            values[box] = ones
        path = tmp_path / "segmentations" / f"{name}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        nibabel.save(
            nibabel.Nifti1Image(values, case.grid.affine if affine is None else affine), path
        )
        return path

    return write


@pytest.fixture
def store(workspace, case):
    def run(*files, write=True):
        names = frozenset(workspace.class_map.names)
        task = GivenTask(workspace.layout, case, files, names, MADE, 2**30, write)
        return store_given_masks(task)

    return run


def test_masks_are_stored_where_they_lie_with_their_provenance(
    workspace, case, store, write_mask_file
):
    given = store(write_mask_file("liver"), write_mask_file("spleen", kind="f4"))
    assert given.read == 2
    mask, crop = read_mask(workspace.layout.mask(case.id, "liver", given.masks[0].id))
    assert mask.box == (slice(4, 9), slice(5, 7), slice(10, 20))
    assert crop.all()
    assert mask.voxels == 5 * 2 * 10
    assert (mask.provenance.origin, mask.provenance.maker) == ("rough", "dataset:totalsegmentator")


def test_an_empty_mask_is_stored_as_one(store, write_mask_file):
    given = store(write_mask_file("liver", None))
    assert (given.read, given.empty, given.masks[0].voxels) == (1, 1, 0)


def test_unknown_names_are_reported(store, write_mask_file):
    given = store(write_mask_file("liver"), write_mask_file("third_kidney"))
    assert given.unknown == ("third_kidney",)
    assert [mask.structure for mask in given.masks] == ["liver"]


def test_one_bad_mask_does_not_stop_the_others(tmp_path, case, store, write_mask_file):
    torn = write_mask_file("spleen")
    torn.write_bytes(torn.read_bytes()[:60])
    given = store(torn, write_mask_file("liver"))
    assert [path.name for path, _ in given.refused] == ["spleen.nii.gz"]
    assert "cannot be read to its end" in given.refused[0][1]
    assert given.read == 1


def test_a_mask_on_another_grid_is_refused_with_both_grids(case, write_mask_file):
    moved = np.array(case.grid.affine)
    moved[0, 3] += 3
    with pytest.raises(GridMismatch, match=r"the CT has .* this mask has .* resample the mask"):
        read_binary_mask(write_mask_file("liver", affine=moved), case)


def test_a_header_rounded_in_the_last_digits_is_the_same_grid(case, write_mask_file):
    near = np.array(case.grid.affine)
    near[0, 3] += 0.004
    assert read_binary_mask(write_mask_file("liver", affine=near), case).sum() == 100


@pytest.mark.parametrize(("ones", "kind"), [(2, "u1"), (255, "u1"), (0.5, "f4"), (np.nan, "f4")])
def test_anything_but_0_and_1_is_refused(case, write_mask_file, ones, kind):
    with pytest.raises(Refused, match="100 voxels neither 0 nor 1"):
        read_binary_mask(write_mask_file("liver", ones=ones, kind=kind), case)


def test_a_missing_file_is_refused(tmp_path, case):
    with pytest.raises(NiftiError, match="no such file"):
        read_binary_mask(tmp_path / "none.nii.gz", case)


def test_again_keeps_the_same_files_and_sweeps_half_written_ones(
    workspace, case, store, write_mask_file
):
    file = write_mask_file("liver")
    first = store(file).masks[0]
    path = workspace.layout.mask(case.id, "liver", first.id)
    before = path.read_bytes()
    (path.parent / ".x.nii.gz.99-abcd.part").write_bytes(b"half")
    sweep_partial_masks(workspace.layout, case.id)
    assert store(file).masks == (first,)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_dry_run_checks_and_writes_nothing(workspace, case, store, write_mask_file):
    given = store(write_mask_file("liver"), write_mask_file("spleen", ones=7), write=False)
    assert (given.read, len(given.refused), given.masks) == (1, 1, ())
    assert not workspace.layout.masks_dir(case.id).exists()
