import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from annotation.formats import find_drawn_files, read_drawn_file
from annotation.formats.drawing import DrawnFileError, ReadLimits
from tests.fixtures.drawn_files import (
    SNAP_DESCRIPTION,
    box_labels,
    caret_extension,
    grid_of,
    write_labels,
)

NAMES = {1: "liver", 2: "kidney left", 5: "point"}


def named(drawn):
    return {drawing.value: drawing.name for drawing in drawn.drawings}


def one(labels=None, value=1):
    return ((box_labels() if labels is None else labels) == 1).astype(np.uint8) * np.uint8(value)


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_is_named_by_its_file(tmp_path, value):
    path = write_labels(tmp_path / "aorta.nii.gz", one(value=value))
    (drawing,) = read_drawn_file(path).drawings
    assert (drawing.name, drawing.value) == ("aorta", value)
    assert drawing.shape.crop.all()
    assert drawing.shape.box == (slice(1, 5), slice(2, 5), slice(1, 3))
    assert drawing.shape.grid == grid_of()


def test_an_empty_mask_is_a_drawing_without_voxels(tmp_path):
    path = write_labels(tmp_path / "spleen.nii.gz", np.zeros((12, 10, 8), np.uint8))
    (drawing,) = read_drawn_file(path).drawings
    assert drawing.name == "spleen"
    assert not drawing.shape.crop.any()


def test_a_label_map_without_a_table_has_values_only(tmp_path):
    drawn = read_drawn_file(write_labels(tmp_path / "seg.nii.gz"))
    assert named(drawn) == {1: "", 2: "", 5: ""}
    assert drawn.notes == ()


def test_names_in_the_header_are_taken(tmp_path):
    image = nib.Nifti1Image(box_labels(), grid_of().affine)
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, caret_extension(NAMES)))
    path = tmp_path / "seg.nii.gz"
    nib.save(image, path)
    assert named(read_drawn_file(path)) == NAMES


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".csv", "value,name\n1,liver\n2,kidney left\n5,point\n"),
        (".csv", "label;structure\n1;liver\n2;kidney left\n5;point\n"),
        (".csv", "liver,1\nkidney left,2\npoint,5\n"),
        (".tsv", "index\tname\tcolour\n1\tliver\tred\n2\tkidney left\t\n5\tpoint\t\n"),
        (".json", json.dumps({"1": "liver", "2": "kidney left", "5": "point"})),
        (".json", json.dumps({"liver": 1, "kidney left": 2, "point": 5})),
        (".json", json.dumps({"labels": {"background": 0, **{v: k for k, v in NAMES.items()}}})),
        (".json", json.dumps([{"value": k, "name": v} for k, v in NAMES.items()])),
        (".yaml", "1: liver\n2: kidney left\n5: point\n"),
        (".yml", "structures:\n  liver: 1\n  kidney left: 2\n  point: 5\n"),
        (".txt", "# mine\n1 liver\n2: kidney left\n5, point\n"),
        (".txt", SNAP_DESCRIPTION),
    ],
)
def test_a_table_of_the_files_own_name_names_its_values(tmp_path, ending, text):
    path = write_labels(tmp_path / "seg.nii.gz")
    (tmp_path / f"seg{ending}").write_text(text, encoding="utf-8")
    drawn = read_drawn_file(path)
    assert named(drawn) == NAMES
    assert drawn.notes == (f"names from seg{ending}",)
    (found,) = find_drawn_files(tmp_path).files
    assert found.beside == (tmp_path / f"seg{ending}",)


def test_a_sidecar_that_is_no_table_is_told_and_left(tmp_path):
    path = write_labels(tmp_path / "seg.nii.gz")
    (tmp_path / "seg.json").write_text('{"Modality": "CT", "SliceThickness": 1.5}')
    drawn = read_drawn_file(path)
    assert named(drawn) == {1: "", 2: "", 5: ""}
    assert drawn.notes == ("seg.json beside it is no table of names",)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".json", '{"1": "liver", "1": "spleen"}'),
        (".yaml", "1: liver\n1: spleen\n"),
        (".csv", "value,name\n1,liver\n1,spleen\n"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path, ending, text):
    path = write_labels(tmp_path / "seg.nii.gz")
    (tmp_path / f"seg{ending}").write_text(text)
    with pytest.raises(DrawnFileError, match="value 1 as 'liver' and as 'spleen'"):
        read_drawn_file(path)


def test_a_table_that_refers_to_itself_a_million_times_takes_no_memory(tmp_path):
    path = write_labels(tmp_path / "seg.nii.gz")
    rows = ", ".join(["*a"] * 1000)
    nested = f"a: &a [1, 2]\nb: &b [{rows}]\nc: &c [{rows.replace('*a', '*b')}]\n"
    (tmp_path / "seg.yaml").write_text(nested + f"labels: [{rows.replace('*a', '*c')}]\n")
    drawn = read_drawn_file(path)
    assert drawn.notes == ("seg.yaml beside it is no table of names",)


def test_values_missing_in_the_table_are_told(tmp_path):
    path = write_labels(tmp_path / "seg.nii.gz")
    (tmp_path / "seg.csv").write_text("value,name\n1,liver\n")
    drawn = read_drawn_file(path)
    assert named(drawn) == {1: "liver", 2: "", 5: ""}
    assert "2 values without a name in the table (2, 5)" in drawn.notes


def test_a_table_given_by_a_person_counts_first(tmp_path):
    path = write_labels(tmp_path / "seg.nii.gz")
    (tmp_path / "seg.csv").write_text("value,name\n1,liver\n2,kidney\n")
    (tmp_path / "mine.csv").write_text("value,name\n1,Leber\n")
    drawn = read_drawn_file(path, name_table=tmp_path / "mine.csv")
    assert named(drawn) == {1: "Leber", 2: "kidney", 5: ""}


def test_nnunets_dataset_names_the_labels_below_it(tmp_path):
    folder = tmp_path / "labelsTr"
    folder.mkdir()
    labels = {"background": 0, "liver": 1, "kidney left": 2, "point": 5, "both": [1, 2]}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "numTraining": 1}))
    assert named(read_drawn_file(write_labels(folder / "case_001.nii.gz"))) == NAMES
    mask = read_drawn_file(write_labels(folder / "case_002.nii.gz", one()))
    assert named(mask) == {1: "liver"}


def test_itk_snap_pairs_of_one_name_and_of_one_folder(tmp_path):
    write_labels(tmp_path / "a.nii.gz")
    (tmp_path / "a.label").write_text(SNAP_DESCRIPTION)
    drawn = read_drawn_file(tmp_path / "a.nii.gz")
    assert drawn.format == "itk-snap"
    assert named(drawn) == NAMES
    other = tmp_path / "other"
    other.mkdir()
    (other / "my_labels.txt").write_text(SNAP_DESCRIPTION)
    path = write_labels(other / "seg.nii.gz", one())
    assert named(read_drawn_file(path)) == {1: "liver"}
    # two masks in a folder are named by their files, not by a description of labels
    write_labels(other / "spleen.nii.gz", one())
    assert named(read_drawn_file(path)) == {1: "seg"}


@pytest.mark.parametrize("name", ["ROI_liver.nii.gz", "roi-liver.nii", "mask_liver.nii.gz"])
def test_noras_rois_are_named_by_the_rest_of_the_file_name(tmp_path, name):
    drawn = read_drawn_file(write_labels(tmp_path / name, one()))
    assert drawn.format == "nora"
    assert [drawing.name for drawing in drawn.drawings] == ["liver"]
    with pytest.raises(DrawnFileError, match="3 different values"):
        read_drawn_file(write_labels(tmp_path / name))


def test_voxels_stored_as_whole_real_numbers_are_taken_and_told(tmp_path):
    image = nib.Nifti1Image(box_labels().astype(np.float64), grid_of().affine)
    nib.save(image, tmp_path / "seg.nii.gz")
    drawn = read_drawn_file(tmp_path / "seg.nii.gz")
    assert named(drawn) == {1: "", 2: "", 5: ""}
    assert drawn.notes == ("whole numbers stored as float64",)


def save(path, array=None, affine=None, change=None):
    image = nib.Nifti1Image(
        box_labels() if array is None else array, grid_of().affine if affine is None else affine
    )
    if change is not None:
        change(image)
    nib.save(image, path)
    return path


def _shifted_qform(image):
    shifted = grid_of().affine.copy()
    shifted[0, 3] += 5
    image.set_qform(shifted, code=1)


def _no_codes(image):
    image.header["sform_code"] = image.header["qform_code"] = 0


SHEARED = np.array(grid_of().affine)
SHEARED[0, 1] = 1.0


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"array": np.zeros((4, 4, 4, 3), np.uint8)}, "4-D"),
        ({"array": np.zeros((4, 4), np.uint8)}, "2-D"),
        ({"array": box_labels() + np.float32(0.25)}, "no whole numbers"),
        ({"array": box_labels().astype(np.int16) - np.int16(1000)}, "values from -1000"),
        ({"array": box_labels().astype(np.complex64)}, "voxel type"),
        ({"affine": SHEARED}, "not at right angles"),
        ({"change": _shifted_qform}, "5 mm apart"),
    ],
)
def test_what_is_no_placed_label_map_is_refused(tmp_path, keywords, words):
    path = save(tmp_path / "x.nii.gz", **keywords)
    with pytest.raises(DrawnFileError, match=words) as caught:
        read_drawn_file(path)
    assert str(caught.value).startswith(str(path))
    assert "; expected " in str(caught.value)


def test_no_orientation_is_refused(tmp_path):
    path = save(tmp_path / "x.nii")
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)
    path.write_bytes(bytes(data))
    with pytest.raises(DrawnFileError, match="left and right are unknown"):
        read_drawn_file(path)


def test_a_left_handed_affine_is_placed_as_it_says(tmp_path):
    path = save(tmp_path / "x.nii.gz", affine=grid_of(signs=(-1, 1, 1)).affine)
    shape = read_drawn_file(path).drawings[0].shape
    assert shape.grid.orientation == "LAS"
    assert shape.grid.same_as(grid_of(signs=(-1, 1, 1)))


def test_bombs_and_limits(tmp_path):
    small = gzip.decompress(save(tmp_path / "x.nii.gz").read_bytes())
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(small + bytes(2**22)))
    with pytest.raises(DrawnFileError, match="more data than its header declares"):
        read_drawn_file(tmp_path / "bomb.nii.gz")
    with pytest.raises(DrawnFileError, match="at most 900 voxels"):
        read_drawn_file(tmp_path / "x.nii.gz", ReadLimits(max_voxels=900))
    with pytest.raises(DrawnFileError, match="more than the limit of 500"):
        read_drawn_file(tmp_path / "x.nii.gz", ReadLimits(max_bytes=500))


def test_header_xml_with_entities_is_not_followed(tmp_path):
    text = b'<!DOCTYPE x [<!ENTITY a "liver">]><CaretExtension><Label Key="1">&a;</Label>'

    def add(image):
        content = text + b"</CaretExtension>"
        image.header.extensions.append(nib.nifti1.Nifti1Extension(0, content))

    drawn = read_drawn_file(save(tmp_path / "x.nii.gz", change=add))
    assert named(drawn) == {1: "", 2: "", 5: ""}


@pytest.mark.real_data
def test_a_totalsegmentator_folder_is_one_mask_per_file(real_data):
    folder = real_data / "ct_abdomen_pelvis_native_ts" / "example_seg_fast_masks"
    found = find_drawn_files(folder)
    assert len(found.files) == 117
    assert [entry.path.name for entry in found.ignored] == ["statistics.json"]
    assert found.broken == ()
    voxels = {}
    for file in found.files:
        (drawing,) = read_drawn_file(file.path).drawings
        voxels[drawing.name] = int(drawing.shape.crop.sum())
    assert sum(count > 0 for count in voxels.values()) == 40
    assert voxels["liver"] == 39350
    assert voxels["kidney_right"] == 3996
    assert voxels["urinary_bladder"] == 0


@pytest.mark.real_data
def test_totalsegmentators_label_map_names_itself(real_data):
    drawn = read_drawn_file(real_data / "ct_abdomen_pelvis_native_ts" / "example_seg.nii.gz")
    found = {drawing.name: int(drawing.shape.crop.sum()) for drawing in drawn.drawings}
    assert (found["spleen"], found["liver"], found["costal_cartilages"]) == (9452, 38634, 2100)
    assert len(found) == 41
