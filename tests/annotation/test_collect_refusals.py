"""Collecting: what is asked about, and what is refused, without a revision."""

import nibabel
import nrrd
import numpy as np
import pytest

from annotation.export import ExportRequest, export_masks
from annotation.handout import HandoutError
from annotation.sessions import SessionRequest, open_session
from pipeline.errors import UsageError
from pipeline.workspace import WorkspaceBusy
from tests.fixtures.returned_files import (
    add_segment,
    by_subject,
    current,
    edit_label,
    edit_segment,
    take_in,
)


def test_left_and_right_exchanged_is_refused_with_figures(
    workspace, drawn_case, add_mask, model, tmp_path
):
    add_mask(drawn_case, "kidney_right", np.s_[24:29, 3:7, 2:9], model)
    add_mask(drawn_case, "kidney_left", np.s_[6:11, 3:7, 2:9], model)
    request = SessionRequest("s0001", ("kidney_right", "kidney_left"), "slicer", tmp_path / "s")
    path = open_session(workspace, request).folder / "masks.seg.nrrd"
    voxels, header = nrrd.read(str(path))
    header["Segment0_Name"], header["Segment1_Name"] = (
        header["Segment1_Name"],
        header["Segment0_Name"],
    )
    nrrd.write(str(path), voxels, header)
    before = workspace.masks("s0001")
    results = by_subject(take_in(workspace, path.parent))
    for side, other in (("left", "right"), ("right", "left")):
        refused = results[f"s0001 kidney_{side}"]
        assert refused.status == "failed"
        assert f"lies where kidney_{other} is (Dice 1.00" in refused.note
    assert workspace.masks("s0001") == before


def test_a_mirrored_file_is_refused_and_nothing_stored(workspace, snap):
    path = snap / "masks.nii.gz"
    image = nibabel.load(path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    voxels = np.asanyarray(image.dataobj).copy()
    voxels[20, 10, 10] = 0
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    before = workspace.masks("s0001")
    results = take_in(workspace, snap)
    assert {r.status for r in results} == {"failed"}
    assert any(r.subject == "s0001 liver" and "mirrored?" in r.note for r in results)
    assert workspace.masks("s0001") == before


def test_a_damaged_or_missing_file_fails_alone(workspace, session):
    (session / "reference.seg.nrrd").unlink()
    (session / "masks.seg.nrrd").write_bytes(b"NRRD0005\nhalf")
    results = take_in(workspace, session)
    assert [r.status for r in results] == ["failed", "failed"]
    assert "is gone" in results[1].note
    assert "masks.seg.nrrd" in results[0].note


def test_what_cannot_be_collected(workspace, session, tmp_path):
    with pytest.raises(HandoutError, match="no such folder"):
        take_in(workspace, tmp_path / "nowhere")
    with pytest.raises(HandoutError, match="nothing here says what was given out"):
        take_in(workspace, workspace.path / "cases")
    with pytest.raises(UsageError, match="seconds"):
        take_in(workspace, session, seconds=-1.0)
    with workspace.driver_lock("bootstrap"), pytest.raises(WorkspaceBusy, match="bootstrap"):
        take_in(workspace, session)
    record = session / "session.json"
    record.write_text(record.read_text().replace("masks.seg.nrrd", "../../x.seg.nrrd"))
    with pytest.raises(HandoutError, match="does not lie beside"):
        take_in(workspace, session)


def test_a_session_of_another_workspace_is_refused(session, tmp_path):
    from pipeline.workspace import Workspace

    other = Workspace.create(tmp_path / "other")
    (result,) = take_in(other, session)
    assert (result.status, "another workspace" in result.note) == ("failed", True)


def test_a_new_segment_of_an_unknown_name_is_asked_for_once_and_then_taken(workspace, session):
    add_segment(session / "masks.seg.nrrd", "Ding")
    before = workspace.masks("s0001")
    failed = by_subject(take_in(workspace, session))["segment 'Ding'"]
    assert failed.status == "failed"
    names = session / "names.yaml"
    assert str(names) in failed.note
    assert workspace.masks("s0001") == before
    text = names.read_text()
    names.write_text(text.replace('"Ding":', '"Ding": pancreas'))
    done = by_subject(take_in(workspace, session, mapping=names))["s0001 pancreas"]
    assert done.status == "done"
    again = by_subject(take_in(workspace, session, mapping=names))["s0001 pancreas"]
    assert (again.status, again.note) == ("kept", "collected before")


def test_a_label_that_was_not_given_out_is_asked_for(workspace, snap):
    edit_label(snap / "masks.nii.gz", np.s_[1:3, 1:3, 1:3], 77)
    results = by_subject(take_in(workspace, snap))
    assert results["segment '77'"].status == "failed"
    names = snap / "names.yaml"
    names.write_text('"77": aorta\n')
    done = by_subject(take_in(workspace, snap, mapping=names))["s0001 aorta"]
    assert (done.status, done.added) == ("done", 8)


def test_a_segment_erased_is_an_empty_revision_and_one_deleted_is_asked_about(workspace, session):
    path = session / "masks.seg.nrrd"
    edit_segment(path, "liver", np.s_[:, :, :], value=False)
    voxels, header = nrrd.read(str(path))
    number = next(k[7:-5] for k, t in header.items() if k.endswith("_Name") and t == "stomach")
    part, label = int(header[f"Segment{number}_Layer"]), int(header[f"Segment{number}_LabelValue"])
    voxels[part][voxels[part] == label] = 0
    for key in [key for key in header if key.startswith(f"Segment{number}_")]:
        del header[key]
    nrrd.write(str(path), voxels, header)
    results = by_subject(take_in(workspace, session))
    assert results["s0001 liver"].status == "done"
    assert "nothing is left of it" in results["s0001 liver"].note
    assert current(workspace, "liver")[0].voxels == 0
    assert results["s0001 stomach"].status == "failed"
    assert "its segment is gone" in results["s0001 stomach"].note
    assert current(workspace, "stomach")[0].origin == "model"


def test_what_is_only_to_look_at_is_not_collected(workspace, session):
    edit_segment(session / "reference.seg.nrrd", "spleen", np.s_[0:2, 0:2, 0:2])
    before = workspace.masks("s0001")
    notes = [r.note for r in take_in(workspace, session)]
    assert any("only to look at, not collected: spleen" in note for note in notes)
    assert workspace.masks("s0001") == before


def test_another_label_is_not_taken_for_the_only_one_given_out(workspace, drawn_case, tmp_path):
    request = SessionRequest(
        "s0001", ("liver",), "itksnap", tmp_path / "s", by="anna", neighbours=False
    )
    path = open_session(workspace, request).folder / "masks.nii.gz"
    edit_label(path, np.s_[18:32, 6:20, 8:22], 0)
    edit_label(path, np.s_[1:3, 1:3, 1:3], 9)
    results = by_subject(take_in(workspace, path.parent))
    assert results["segment '9'"].status == "failed"
    assert (results["s0001 liver"].status, results["s0001 liver"].removed) == ("done", 14**3)


def test_a_mask_saved_as_255_is_the_same_mask(workspace, drawn_case, tmp_path):
    request = ExportRequest(tmp_path / "out", "nifti", per_structure=True, structures=("liver",))
    (exported,) = export_masks(workspace, request)
    edit_label(exported.files[0], np.s_[18:32, 6:20, 8:22], 255)
    assert [(r.status, r.note) for r in take_in(workspace, tmp_path / "out")] == [
        ("kept", "1 structure unchanged")
    ]
