import numpy as np
import pytest

from annotation.formats import read_drawn_file
from annotation.formats.drawing import DrawnFileError
from tests.fixtures.drawn_files import LIST_FIELDS, box_labels, layered, nrrd_bytes, write_mitk


def label(value, name, **keys):
    return {"name": name, "value": value, "color": [1.0, 0.0, 0.0], "locked": True} | keys


def counts(drawn):
    return {drawing.name: int(drawing.shape.crop.sum()) for drawing in drawn.drawings}


def test_groups_of_labels_may_overlap(tmp_path):
    second = np.zeros_like(box_labels())
    second[0:6, 0:6, 0:4] = 9
    groups = [
        {"labels": [label(1, 'liver "big"'), label(2, "Niere"), label(5, "p")], "name": "organs"},
        {"labels": [label(9, "body")]},
    ]
    path = write_mitk(tmp_path / "a.nrrd", layered(box_labels(), second), groups, LIST_FIELDS)
    drawn = read_drawn_file(path)
    assert drawn.format == "mitk"
    assert counts(drawn) == {'liver "big"': 24, "Niere": 18, "p": 1, "body": 144}


def test_one_group_is_a_plain_volume_and_codes_are_taken(tmp_path):
    codes = {
        "segmented_property_type.scheme": "SCT",
        "segmented_property_type.value": "64033007",
        "segmented_property_type.modifier.[0].scheme": "SCT",
        "segmented_property_type.modifier.[0].value": "24028007",
    }
    typed = {"type": "StringProperty", "value": "SRT"}
    older = {
        "DICOM.0062.0002.0062.000F.0008.0102": typed,
        "DICOM.0062.0002.0062.000F.0008.0100": "T-62000",
    }
    groups = [{"labels": [label(1, "a", **codes), label(2, "b", **older), label(8, "empty")]}]
    drawn = read_drawn_file(write_mitk(tmp_path / "a.nrrd", box_labels(), groups))
    found = {drawing.name: drawing for drawing in drawn.drawings}
    assert (found["a"].snomed, found["a"].side) == ("64033007", "right")
    assert found["b"].snomed == "10200004"
    assert not found["empty"].shape.crop.any()
    assert found[""].value == 5
    assert drawn.notes == ("value 5 in group 0 has no label; kept without a name",)


def old_label(value, name):
    return (
        f'<Label><property key="name" type="StringProperty"><string value="{name}" /></property>'
        f'<property key="value" type="UShortProperty"><ushort value="{value}" /></property></Label>'
    )


def write_old(path, labels, array=None, fields=None):
    texts = {"modality": "org.mitk.image.multilabel", "layers": "2", **labels}
    path.write_bytes(nrrd_bytes(box_labels() if array is None else array, fields or {}, texts))
    return path


def test_older_files_describe_labels_in_xml_and_count_anew_in_each_layer(tmp_path):
    second = (box_labels() == 2).astype(np.uint8)
    labels = {
        "label_000_00000": old_label(0, "exterior"),
        "label_000_00001": old_label(1, "liver"),
        "label_000_00002": old_label(2, "kidney"),
        "label_000_00003": old_label(5, "point"),
        "label_001_00000": old_label(1, "cyst &amp; wall"),
    }
    path = write_old(tmp_path / "a.nrrd", labels, layered(box_labels(), second), LIST_FIELDS)
    drawn = read_drawn_file(path)
    assert counts(drawn) == {"liver": 24, "kidney": 18, "point": 1, "cyst & wall": 18}


def test_xml_that_would_fetch_or_multiply_is_refused(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Label>&b;</Label>'
    outside = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Label>&e;</Label>'
    for text in (bomb, outside, "<Label>", ""):
        path = write_old(tmp_path / "a.nrrd", {"label_000_00000": text or " "})
        with pytest.raises(DrawnFileError, match="no plain XML"):
            read_drawn_file(path)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([{"labels": [label("one", "a")]}], "a label of value 'one'"),
        ([{"labels": [label(1, "a"), label(1, "b")]}], "'a' and 'b' both as value 1"),
        ([{}, {"labels": [label(1, "a")]}], "in group 1 of 1"),
        ([3], "not as MITK writes them"),
        ("x", "not as MITK writes them"),
    ],
)
def test_labels_that_contradict_themselves_are_refused(tmp_path, groups, words):
    path = write_mitk(tmp_path / "a.nrrd", box_labels(), groups)
    with pytest.raises(DrawnFileError, match=words):
        read_drawn_file(path)


def test_a_version_of_the_future_is_refused(tmp_path):
    path = write_mitk(tmp_path / "a.nrrd", box_labels(), [{"labels": [label(1, "a")]}])
    content = path.read_bytes().replace(b"segmentation.version:=1", b"segmentation.version:=9")
    path.write_bytes(content)
    with pytest.raises(DrawnFileError, match="version '9'"):
        read_drawn_file(path)
