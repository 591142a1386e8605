"""Sessions laid out for 3D Slicer and ITK-SNAP: whole, right, and never over others."""

import os
from xml.etree import ElementTree

import nibabel
import nrrd
import numpy as np
import pytest

from annotation.handout import SESSION_FILE, read_handout
from annotation.sessions import SessionRequest, command_for, open_session, start
from pipeline.anatomy import ClassMapError
from pipeline.errors import BadInput, MissingDependency, NothingToDo, UsageError
from tests.annotation.conftest import BOXES, saved


def opened(workspace, folder, program="slicer", names=("liver", "aorta"), **words):
    return open_session(workspace, SessionRequest("s0001", names, program, folder, **words))


def test_a_slicer_session_holds_ct_masks_reference_and_scene(workspace, drawn_case, tmp_path):
    folder = tmp_path / "session"
    session = opened(workspace, folder)
    assert saved(folder) == [
        "ct.nii.gz", "masks.seg.nrrd", "reference.seg.nrrd", "session.json", "session.mrml",
    ]  # fmt: skip
    assert session.command == ("Slicer", str(folder / "session.mrml"))
    assert (session.masks, session.to_draw) == (("liver",), ("aorta",))
    assert session.reference == ("gallbladder", "stomach")
    ct = nibabel.load(folder / "ct.nii.gz")
    assert np.array_equal(np.asanyarray(ct.dataobj), workspace.ct("s0001"))
    header = nrrd.read_header(str(folder / "masks.seg.nrrd"))
    assert [header[f"Segment{n}_Name"] for n in (0, 1)] == ["liver", "aorta"]
    assert header["Segment1_Extent"] == "0 -1 0 -1 0 -1"
    mask = workspace.in_force("s0001")["liver"]
    assert f"Masksmith.Mask:{mask.id}|" in header["Segment0_Tags"]


def test_the_scene_refers_to_files_that_are_there_and_to_nodes_that_exist(
    workspace, drawn_case, tmp_path
):
    folder = tmp_path / "session"
    opened(workspace, folder)
    scene = ElementTree.parse(folder / "session.mrml").getroot()
    nodes = {node.get("id"): node for node in scene}
    assert len(nodes) == len(list(scene))
    files = [name for node in scene if (name := node.get("fileName"))]
    assert files == ["ct.nii.gz", "masks.seg.nrrd", "reference.seg.nrrd"]
    assert all((folder / name).is_file() for name in files)
    known = {*nodes, "vtkMRMLColorTableNodeGrey"}
    for node in scene:
        for reference in filter(None, (node.get("references") or "").split(";")):
            assert reference.partition(":")[2] in known
    display = nodes["vtkMRMLScalarVolumeDisplayNode1"]
    assert (display.get("window"), display.get("level"), display.get("autoWindowLevel")) == (
        "400", "40", "0",
    )  # fmt: skip
    names = [node.get("name") for node in scene if node.tag == "Segmentation"]
    assert names == ["masks", "reference (not collected)"]


def test_an_itksnap_session_shows_what_is_to_correct_above_the_rest(
    workspace, drawn_case, tmp_path
):
    folder = tmp_path / "session"
    session = opened(workspace, folder, "itksnap", ("liver",))
    assert saved(folder) == [
        "ct.nii.gz", "labels.txt", "masks.nii.gz", "session.itksnap", "session.json",
    ]  # fmt: skip
    assert session.command == ("itksnap", "-w", str(folder / "session.itksnap"))
    labels = np.asanyarray(nibabel.load(folder / "masks.nii.gz").dataobj)
    liver = np.zeros(labels.shape, np.bool_)
    liver[BOXES["liver"]] = True
    assert np.array_equal(labels == 5, liver)  # whole, over gallbladder and stomach
    lines = [
        line.split(maxsplit=7)
        for line in (folder / "labels.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert [(int(line[0]), line[7]) for line in lines] == [
        (0, '"Clear Label"'), (5, '"liver"'), (4, '"gallbladder"'), (6, '"stomach"'),
    ]  # fmt: skip
    colour = tuple(int(part) for part in lines[1][1:4])
    assert colour == workspace.class_map["liver"].colour
    (file,) = read_handout(folder / SESSION_FILE).files
    assert file.locked == ("gallbladder", "stomach")


def test_the_itksnap_workspace_names_files_labels_and_the_window(workspace, drawn_case, tmp_path):
    folder = tmp_path / "session"
    opened(workspace, folder, "itksnap", ("liver",), window="bone")
    root = ElementTree.parse(folder / "session.itksnap").getroot()

    def find(*keys):
        node = root
        for key in keys:
            node = next(child for child in node if child.get("key") == key)
        return node

    for layer, name in (("Layer[000]", "ct.nii.gz"), ("Layer[001]", "masks.nii.gz")):
        assert find("Layers", layer, "AbsolutePath").get("value") == str(folder / name)
    state = find("Layers", "Layer[000]", "ProjectMetaData", "IRIS", "LabelState", "DrawingLabel")
    assert state.get("value") == "5"
    table = find("Layers", "Layer[000]", "ProjectMetaData", "IRIS", "LabelTable", "Element[0]")
    assert {entry.get("key"): entry.get("value") for entry in table}["Label"] == "liver"
    curve = ("Layers", "Layer[000]", "LayerMetaData", "DisplayMapping", "Curve")
    ct = workspace.ct("s0001")
    smallest, largest = int(ct.min()), int(ct.max())
    middle = float(find(*curve, "ControlPoint[1]", "tValue").get("value"))
    assert middle == pytest.approx(min((400 - smallest) / (largest - smallest), 1), abs=1e-5)


@pytest.mark.parametrize(
    ("structure", "expected"),
    [("rib_left_3", "bone"), ("lung_upper_lobe_left", "lung"), ("liver", "soft")],
)
def test_the_window_fits_what_is_corrected(structure, expected, workspace, drawn_case, tmp_path):
    opened(workspace, tmp_path / "s", names=(structure,))
    assert read_handout(tmp_path / "s" / SESSION_FILE).about["window"] == expected


def test_the_record_says_who_got_which_masks(workspace, drawn_case, tmp_path):
    opened(workspace, tmp_path / "s", by=" Anna  B. ")
    handout = read_handout(tmp_path / "s" / SESSION_FILE)
    assert (handout.case_id, handout.by, handout.about["program"]) == ("s0001", "Anna B.", "slicer")
    in_force = workspace.in_force("s0001")
    assert handout.masks() == {
        "liver": in_force["liver"].id,
        "aorta": "",
        "gallbladder": in_force["gallbladder"].id,
        "stomach": in_force["stomach"].id,
    }


def test_a_folder_that_holds_something_is_refused_and_left_alone(workspace, drawn_case, tmp_path):
    folder = tmp_path / "s"
    opened(workspace, folder)
    before = (folder / "masks.seg.nrrd").stat().st_mtime_ns
    with pytest.raises(BadInput, match="may hold work; collect it"):
        opened(workspace, folder)
    assert (folder / "masks.seg.nrrd").stat().st_mtime_ns == before
    (tmp_path / "empty").mkdir()
    opened(workspace, tmp_path / "empty")
    assert "session.json" in saved(tmp_path / "empty")


def test_what_cannot_be_opened_leaves_nothing(workspace, drawn_case, tmp_path):
    with pytest.raises(ClassMapError, match="livre"):
        opened(workspace, tmp_path / "s", names=("livre",))
    with pytest.raises(UsageError, match="which structures"):
        opened(workspace, tmp_path / "s", names=())
    with pytest.raises(UsageError, match="window 'teeth'"):
        opened(workspace, tmp_path / "s", window="teeth")
    with pytest.raises(NothingToDo, match="s0007"):
        open_session(workspace, SessionRequest("s0007", ("liver",), "slicer", tmp_path / "s"))
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be"):
        opened(workspace, tmp_path / "file" / "s")
    mask = workspace.in_force("s0001")["liver"]
    workspace.layout.mask("s0001", "liver", mask.id).unlink()
    with pytest.raises(BadInput, match="mask file is gone"):
        opened(workspace, tmp_path / "s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "workspace"]


def test_the_program_is_started_if_it_is_there(tmp_path, monkeypatch):
    command = command_for("slicer", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match=r"not on PATH.*session\.mrml"):
        start("slicer", command)
    program = tmp_path / "Slicer"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/started\n')
    program.chmod(0o755)
    start("slicer", command)
    for _ in range(200):
        if (tmp_path / "started").exists() and (tmp_path / "started").read_text():
            break
        os.sched_yield()
        __import__("time").sleep(0.02)
    assert (tmp_path / "started").read_text().strip() == command[1]
