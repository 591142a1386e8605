"""NIfTI and seg.nrrd: other programs' readers find the very same voxels at the same places."""

import json

import nibabel
import nrrd
import numpy as np
import SimpleITK

from annotation.formats.writers import writer_of
from tests.annotation.formats.writers.conftest import GRIDS, NAMES

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of_itk(image: SimpleITK.Image) -> np.ndarray:
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS @ affine


def test_nifti_label_map(grid, make_outgoing, masks, class_map, tmp_path):
    path = tmp_path / "x.nii.gz"
    notes = writer_of("nifti").write(make_outgoing(grid), path)
    image = nibabel.load(path)
    labels = np.asanyarray(image.dataobj)
    assert np.allclose(image.affine, grid.affine, atol=1e-4)
    expected = np.zeros(grid.shape, np.uint8)
    for name in NAMES:
        expected[masks[name]] = class_map[name].value
    assert np.array_equal(labels, expected)
    assert len(notes) == 1
    assert np.allclose(affine_of_itk(SimpleITK.ReadImage(path)), grid.affine, atol=1e-4)


def test_nifti_header_names_the_values_and_nothing_else(make_outgoing, tmp_path):
    path = tmp_path / "x.nii.gz"
    writer_of("nifti").write(make_outgoing(GRIDS["ras"]), path)
    header = nibabel.load(path).header
    (extension,) = header.extensions
    content = json.loads(bytes(extension.get_content()).rstrip(b"\0"))
    labels = content["masksmith"].pop("labels")
    assert labels == {"5": "liver", "3": "kidney_left", "90": "hip_left", "1": "spleen"}
    assert content == {"masksmith": {"class_map": "masksmith_104"}}
    texts = [header[field].item() for field in ("descrip", "aux_file", "intent_name", "db_name")]
    assert texts == [b"", b"", b"", b""]


def test_nifti_of_one_structure_is_zero_and_one(grid, make_outgoing, masks, tmp_path):
    for name in ("kidney_left", "spleen"):
        path = tmp_path / f"{name}.nii.gz"
        assert writer_of("nifti").write(make_outgoing(grid).only(name), path) == ()
        found = np.asanyarray(nibabel.load(path).dataobj)
        assert np.array_equal(found, masks[name].astype(np.uint8))


def test_seg_nrrd_keeps_every_voxel_of_overlapping_segments(
    grid, make_outgoing, masks, class_map, tmp_path
):
    path = tmp_path / "x.seg.nrrd"
    writer_of("seg.nrrd").write(make_outgoing(grid), path)
    voxels, header = nrrd.read(str(path))
    assert header["space"] == "left-posterior-superior"
    assert header["kinds"] == ["list", "domain", "domain", "domain"]
    affine = np.eye(4)
    affine[:3, :3] = header["space directions"][1:].T
    affine[:3, 3] = header["space origin"]
    assert np.allclose(LPS @ affine, grid.affine, atol=1e-9)
    for index, name in enumerate(("spleen", "kidney_left", "liver", "hip_left")):
        field = {key: header[f"Segment{index}_{key}"] for key in ("ID", "Name", "Layer", "Tags")}
        assert (field["ID"], field["Name"]) == (name, name)
        value = int(header[f"Segment{index}_LabelValue"])
        assert value == class_map[name].value
        assert np.array_equal(voxels[int(field["Layer"])] == value, masks[name])


def test_seg_nrrd_says_names_colours_codes_and_extents_as_slicer_does(
    make_outgoing, class_map, tmp_path
):
    path = tmp_path / "x.seg.nrrd"
    writer_of("seg.nrrd").write(make_outgoing(GRIDS["ras"]), path)
    header = nrrd.read_header(str(path))
    kidney = {
        key.partition("_")[2]: value for key, value in header.items() if key.startswith("Segment1_")
    }
    assert kidney["Extent"] == "20 35 18 29 4 10"
    colour = [round(float(part) * 255) for part in kidney["Color"].split()]
    assert tuple(colour) == class_map["kidney_left"].colour
    assert (
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^7771000^Left~"
        in kidney["Tags"]
    )
    assert header["Segment3_Name"] == "hip_left"
    assert "~99MASKSMITH^hip_left^hip left~^^~" in header["Segment3_Tags"]
    assert header["Segment0_Name"] == "spleen"
    assert header["Segment0_Extent"] == "0 -1 0 -1 0 -1"
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert header["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"


def test_seg_nrrd_without_overlap_is_one_label_map_that_itk_reads(
    grid, make_outgoing, masks, class_map, tmp_path
):
    path = tmp_path / "x.seg.nrrd"
    assert writer_of("seg.nrrd").write(make_outgoing(grid).only("liver"), path) == ()
    image = SimpleITK.ReadImage(path)
    assert np.allclose(affine_of_itk(image), grid.affine, atol=1e-6)
    found = SimpleITK.GetArrayFromImage(image).T
    assert np.array_equal(found == class_map["liver"].value, masks["liver"])
    assert image.GetMetaData("Segment0_Name") == "liver"


def test_seg_nrrd_of_layers_is_an_image_of_components_to_itk(make_outgoing, masks, tmp_path):
    path = tmp_path / "x.seg.nrrd"
    writer_of("seg.nrrd").write(make_outgoing(GRIDS["oblique"]), path)
    image = SimpleITK.ReadImage(path)
    assert image.GetNumberOfComponentsPerPixel() == 2
    layer = int(image.GetMetaData("Segment2_Layer"))
    value = int(image.GetMetaData("Segment2_LabelValue"))
    found = SimpleITK.GetArrayFromImage(image)[..., layer].T
    assert np.array_equal(found == value, masks["liver"])
    assert np.allclose(affine_of_itk(image), GRIDS["oblique"].affine, atol=1e-6)
