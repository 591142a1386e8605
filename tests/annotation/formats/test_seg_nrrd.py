import numpy as np
import pytest

from annotation.formats import read_drawn_file
from annotation.formats.drawing import DrawnFileError, ReadLimits
from tests.fixtures.drawn_files import (
    LIST_FIELDS,
    box_labels,
    grid_of,
    layered,
    nrrd_bytes,
    slicer_texts,
    terminology,
    write_seg_nrrd,
)


def full(drawing):
    mask = np.zeros(drawing.shape.grid.shape, bool)
    mask[drawing.shape.box] = drawing.shape.crop
    return mask


def test_one_layer_gives_named_segments_with_codes_and_places(tmp_path):
    drawn = read_drawn_file(write_seg_nrrd(tmp_path / "a.seg.nrrd"))
    liver, kidney, point = drawn.drawings
    assert drawn.format == "seg.nrrd"
    assert (liver.name, liver.snomed, liver.side) == ("Liver", "10200004", "")
    assert (kidney.name, kidney.snomed, kidney.side) == ("kidney links", "64033007", "left")
    assert (point.name, point.snomed, point.value) == ("Punkt", "", 5)
    labels = box_labels()
    for drawing, value in ((liver, 1), (kidney, 2), (point, 5)):
        assert np.array_equal(full(drawing), labels == value)
    # LPS (20, -10) is RAS (-20, 10); both axes run to the left and back
    assert liver.shape.grid.same_as(grid_of(signs=(-1, -1, 1)))


def test_overlapping_segments_lie_in_layers(tmp_path):
    first, second = np.zeros((12, 10, 8), np.uint8), np.zeros((12, 10, 8), np.uint8)
    first[2:6, 2:6, 2:4] = 1
    second[4:8, 4:8, 3:5] = 1
    second[0, 0, 0] = 7
    segments = (
        {"Name": "a", "Layer": 0, "LabelValue": 1},
        {"Name": "b", "Layer": 1, "LabelValue": 1},
        {"Name": "c", "Layer": 1, "LabelValue": 7},
    )
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", layered(first, second), segments, LIST_FIELDS)
    drawn = read_drawn_file(path)
    assert [drawing.name for drawing in drawn.drawings] == ["a", "b", "c"]
    assert np.array_equal(full(drawn.drawings[0]), first == 1)
    assert np.array_equal(full(drawn.drawings[1]), second == 1)
    assert full(drawn.drawings[2]).sum() == 1


def test_before_layers_each_segment_has_a_component_of_its_own(tmp_path):
    first, second = (box_labels() == 1).astype(np.uint8), (box_labels() == 2).astype(np.uint8)
    path = write_seg_nrrd(
        tmp_path / "a.seg.nrrd", layered(first, second), ({"Name": "a"}, {"Name": "b"}), LIST_FIELDS
    )
    drawn = read_drawn_file(path)
    assert [int(drawing.shape.crop.sum()) for drawing in drawn.drawings] == [24, 18]


def test_the_first_generation_counts_from_the_reference_image_in_ras(tmp_path):
    labels = (box_labels() == 1).astype(np.uint8)[..., None]
    fields = {
        "space": None,
        "space dimension": "4",
        "space directions": "(-1.5,0,0,0) (0,-2,0,0) (0,0,3,0) (0,0,0,1)",
        "space origin": "(50,60,-70,0)",
    }
    texts = {"Segmentation_Extent": "4 15 3 12 2 9", "Segment0_Extent": "4 15 3 12 2 9"}
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(nrrd_bytes(labels, fields, texts | {"Segment0_Name": "Blase"}))
    (drawing,) = read_drawn_file(path).drawings
    assert drawing.name == "Blase"
    assert drawing.shape.grid.orientation == "LPS"
    # index 4, 3, 2 of the reference image is the first voxel stored
    assert drawing.shape.grid.origin_mm == pytest.approx((50 - 6, 60 - 6, -70 + 6))
    texts["Segmentation_Extent"] = "4 16 3 12 2 9"
    path.write_bytes(nrrd_bytes(labels, fields, texts))
    with pytest.raises(DrawnFileError, match="extent of 13 x 10 x 8 voxels for sizes 12 x 10 x 8"):
        read_drawn_file(path)


def test_the_region_tells_what_a_piece_of_tissue_is(tmp_path):
    tags = terminology("SCT^85756007^Tissue", region="SRT^T-62000^Liver")
    path = write_seg_nrrd(
        tmp_path / "a.seg.nrrd", segments=({"Name": "x", "Layer": 0, "Tags": tags},)
    )
    drawn = read_drawn_file(path)
    assert drawn.drawings[0].snomed == "10200004"
    assert [drawing.value for drawing in drawn.drawings] == [1, 2, 5]
    assert "value 2 in layer 0 belongs to no segment; kept without a name" in drawn.notes


def test_a_segment_without_voxels_stays_a_segment(tmp_path):
    segments = ({"Name": "a", "Layer": 0}, {"Name": "nothing", "Layer": 0, "LabelValue": 9})
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", segments=segments)
    found = {drawing.name: drawing for drawing in read_drawn_file(path).drawings}
    assert not found["nothing"].shape.crop.any()


def test_voxels_beyond_a_lying_extent_are_kept_and_told(tmp_path):
    segments = ({"Name": "a", "Layer": 0, "LabelValue": 1, "Extent": "1 2 2 4 1 2"},)
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", segments=segments)
    drawn = read_drawn_file(path)
    assert drawn.drawings[0].shape.crop.sum() == 24
    assert "'a' reaches beyond the extent it declares; all voxels kept" in drawn.notes


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (({"Name": "a", "Layer": 3},), "layer 3; expected a value above 0 in one of 1 layers"),
        (({"Name": "a", "Layer": 0, "LabelValue": 0},), "as value 0 of layer 0"),
        (({"Name": "a", "Layer": 0, "LabelValue": "x"},), "LabelValue 'x'; expected whole"),
        (({"Name": "a", "Layer": 0, "Extent": "1 2 3"},), "six numbers"),
        (({"Name": "a", "Layer": 0}, {"Name": "b", "Layer": 0}), "'a' and 'b' both as value 1"),
        (tuple({"Name": str(n), "Layer": 0} for n in range(40)), "40 different labels"),
    ],
)
def test_segments_that_contradict_themselves_are_refused(tmp_path, segments, words):
    path = write_seg_nrrd(tmp_path / "a.seg.nrrd", segments=segments)
    with pytest.raises(DrawnFileError, match=words) as caught:
        read_drawn_file(path, ReadLimits(max_drawings=30))
    assert str(path) in str(caught.value)


def test_names_keep_their_letters_and_lose_control_signs(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    texts = slicer_texts({"Name": "Gallenbläse \\n\x07rechts", "Layer": 0})
    path.write_bytes(nrrd_bytes(box_labels(), {}, texts))
    assert read_drawn_file(path).drawings[0].name == "Gallenbläse rechts"


VOXELS = {
    "Bladder_Intersect_PTV": 8,
    "Bladder_Intersect_PTV_ApplyTransform": 3205,
    "Bladder_Subtract_PTV": 49348,
    "Bladder_Union_PTV": 69989,
    "Expanded_5_5_5_Bladder": 84024,
    "Expanded_5_5_5_Rectum": 34608,
    "Shrunk_5_5_5_Bladder": 25171,
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", VOXELS)
def test_real_files_of_slicer(real_data, name):
    drawn = read_drawn_file(real_data / "slicer_segnrrd" / f"EclipseProstate_{name}.seg.nrrd")
    (drawing,) = drawn.drawings
    assert drawn.format == "seg.nrrd"
    assert drawing.name == name.removesuffix("_ApplyTransform")
    assert drawing.shape.crop.sum() == VOXELS[name]
    assert drawn.notes == ()


@pytest.mark.real_data
def test_a_bladder_shrunk_lies_inside_the_same_one_expanded(real_data):
    """The origin in these files is not the first voxel's: read as such, they miss each other."""
    worlds = {}
    for name in ("Shrunk_5_5_5_Bladder", "Expanded_5_5_5_Bladder"):
        path = real_data / "slicer_segnrrd" / f"EclipseProstate_{name}.seg.nrrd"
        shape = read_drawn_file(path).drawings[0].shape
        index = np.argwhere(shape.crop) + [side.start for side in shape.box]
        world = index @ shape.grid.affine[:3, :3].T + shape.grid.affine[:3, 3]
        worlds[name] = {tuple(place) for place in np.round(world, 2) + 0.0}
    assert worlds["Shrunk_5_5_5_Bladder"] <= worlds["Expanded_5_5_5_Bladder"]
