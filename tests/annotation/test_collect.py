"""Collecting: only changes come in, as revisions of what was given out, once, and none is lost."""

import nibabel
import nrrd
import numpy as np
import pytest

from annotation.collect import CollectRequest, collect
from annotation.export import ExportRequest, export_masks
from annotation.verdicts import VerdictRequest, decide
from pipeline.workspace import Provenance
from tests.annotation.conftest import BOXES
from tests.fixtures.returned_files import (
    add_segment,
    box_mask,
    by_subject,
    current,
    edit_label,
    edit_segment,
    take_in,
)


def test_nothing_changed_is_nothing_collected(workspace, session):
    before = workspace.masks("s0001")
    results = take_in(workspace, session)
    assert [(r.subject, r.status, r.note) for r in results] == [
        ("s0001 masks.seg.nrrd", "kept", "3 structures unchanged")
    ]
    assert workspace.masks("s0001") == before


def test_saved_anew_without_a_change_is_nothing_collected(workspace, session):
    path = session / "masks.seg.nrrd"
    voxels, header = nrrd.read(str(path))
    header["encoding"] = "raw"
    nrrd.write(str(path), voxels, header)
    before = workspace.masks("s0001")
    assert {r.status for r in take_in(workspace, session)} == {"kept"}
    assert workspace.masks("s0001") == before


def test_a_correction_becomes_a_revision_of_the_mask_given_out(workspace, session):
    given, _ = current(workspace, "liver")
    more = np.s_[18:32, 6:20, 22:24]
    edit_segment(session / "masks.seg.nrrd", "liver", more)
    results = by_subject(take_in(workspace, session, seconds=90.0))
    done = results["s0001 liver"]
    assert (done.status, done.added, done.removed) == ("done", 14 * 14 * 2, 0)
    mask, array = current(workspace, "liver")
    assert np.array_equal(array, box_mask(workspace, BOXES["liver"], more))
    made = mask.provenance
    assert (mask.id, made.origin, made.maker) == (done.mask_id, "human", "person:anna")
    assert made.parents == (given.id,)
    assert made.about["seconds"] == "90.0"
    assert workspace.in_force("s0001")["stomach"].origin == "model"
    (run,) = workspace.ledger.runs("collect")
    (outcome,) = workspace.ledger.outcomes(run.id)
    assert outcome.figures["added"] == 14 * 14 * 2
    assert outcome.figures["seconds"] == 90.0


def test_collecting_twice_changes_nothing_whoever_does_it(workspace, session):
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[18:20, 6:8, 22:24])
    take_in(workspace, session)
    before = workspace.masks("s0001")
    again = by_subject(take_in(workspace, session, by="bert", seconds=5))
    assert (again["s0001 liver"].status, again["s0001 liver"].note) == ("kept", "collected before")
    assert workspace.masks("s0001") == before
    assert len(workspace.ledger.runs("collect")) == 1


def test_corrected_again_its_parent_is_what_was_collected_first(workspace, session):
    path = session / "masks.seg.nrrd"
    edit_segment(path, "liver", np.s_[18:20, 6:8, 22:24])
    first = by_subject(take_in(workspace, session))["s0001 liver"].mask_id
    edit_segment(path, "liver", np.s_[18:20, 6:8, 24:25])
    second = by_subject(take_in(workspace, session))["s0001 liver"]
    mask, _ = current(workspace, "liver")
    assert (mask.id, mask.provenance.parents) == (second.mask_id, (first,))


def test_a_correction_taken_back_is_a_revision_too(workspace, session):
    path = session / "masks.seg.nrrd"
    original = path.read_bytes()
    edit_segment(path, "liver", np.s_[18:20, 6:8, 22:24])
    first = by_subject(take_in(workspace, session))["s0001 liver"].mask_id
    path.write_bytes(original)
    take_in(workspace, session)
    mask, array = current(workspace, "liver")
    assert np.array_equal(array, box_mask(workspace, BOXES["liver"]))
    assert mask.provenance.parents == (first,)


def test_a_structure_drawn_anew_has_no_parent(workspace, session):
    edit_segment(session / "masks.seg.nrrd", "aorta", np.s_[16:18, 16:18, 0:30])
    done = by_subject(take_in(workspace, session, by="bert"))["s0001 aorta"]
    mask, array = current(workspace, "aorta")
    assert (done.status, done.added) == ("done", 4 * 30)
    assert (mask.provenance.parents, mask.provenance.maker) == ((), "person:bert")
    assert np.array_equal(array, box_mask(workspace, np.s_[16:18, 16:18, 0:30]))


def test_slicer_may_save_a_part_of_the_grid(workspace, session):
    """Slicer saves only the box around the segments."""
    path = session / "masks.seg.nrrd"
    voxels, header = nrrd.read(str(path))
    edited = voxels.copy()
    number = next(k[7:-5] for k, text in header.items() if k.endswith("_Name") and text == "liver")
    edited[int(header[f"Segment{number}_Layer"])][25, 10, 22] = int(
        header[f"Segment{number}_LabelValue"]
    )
    offset = np.array([5, 4, 6])
    cut = edited[:, 5:34, 4:22, 6:26]
    header["space origin"] = header["space origin"] + offset @ header["space directions"][1:]
    header["Segmentation_ReferenceImageExtentOffset"] = "5 4 6"
    nrrd.write(str(path), cut, header)
    results = by_subject(take_in(workspace, session))
    assert (results["s0001 liver"].added, results["s0001 liver"].removed) == (1, 0)
    assert "s0001 stomach" not in results


def test_a_mask_that_changed_meanwhile_is_kept_beside_the_correction(
    workspace, session, drawn_case, add_mask
):
    given, _ = current(workspace, "liver")
    meanwhile = add_mask(
        drawn_case, "liver", np.s_[20:30, 8:18, 8:22], Provenance("human", "person:bert")
    )
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[18:20, 6:8, 22:24])
    done = by_subject(take_in(workspace, session))["s0001 liver"]
    assert f"meanwhile {meanwhile.id[:12]} by person:bert came into force" in done.note
    revisions = {mask.id for mask in workspace.masks("s0001", "liver")}
    assert revisions == {given.id, meanwhile.id, done.mask_id}
    assert current(workspace, "liver")[0].id == done.mask_id


def test_an_accepted_mask_stays_in_force(workspace, session):
    given, _ = current(workspace, "liver")
    decide(workspace, [VerdictRequest("s0001", "accept", "liver", by="bert")])
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[18:20, 6:8, 22:24])
    done = by_subject(take_in(workspace, session))["s0001 liver"]
    assert done.status == "done"
    assert f"{given.id[:12]} by model:btcv stays in force, being accepted" in done.note
    assert current(workspace, "liver")[0].id == given.id
    assert workspace.masks("s0001", "liver")[-1].id == done.mask_id


def test_a_structure_called_absent_meanwhile_stays_so(workspace, session):
    decide(workspace, [VerdictRequest("s0001", "absent_anatomy", "liver", by="bert")])
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[18:20, 6:8, 22:24])
    done = by_subject(take_in(workspace, session))["s0001 liver"]
    assert "a verdict calls the structure absent" in done.note
    assert "liver" not in workspace.in_force("s0001")


def test_a_new_segment_is_known_by_its_name(workspace, session):
    add_segment(session / "masks.seg.nrrd", "Pancreas")
    done = by_subject(take_in(workspace, session))["s0001 pancreas"]
    assert (done.status, done.added) == ("done", 8)
    assert np.array_equal(
        current(workspace, "pancreas")[1], box_mask(workspace, np.s_[1:3, 1:3, 1:3])
    )


def test_a_file_saved_beside_is_collected_too(workspace, session):
    other = session / "Segmentation_1.seg.nrrd"
    other.write_bytes((session / "masks.seg.nrrd").read_bytes())
    edit_segment(other, "liver", np.s_[18:20, 6:8, 22:24])
    assert by_subject(take_in(workspace, session))["s0001 liver"].status == "done"
    before = workspace.masks("s0001")
    take_in(workspace, session)
    assert workspace.masks("s0001") == before


def test_two_files_that_changed_one_structure_are_both_kept_and_collected_once(workspace, session):
    other = session / "Segmentation_1.seg.nrrd"
    other.write_bytes((session / "masks.seg.nrrd").read_bytes())
    edit_segment(other, "liver", np.s_[18:20, 6:8, 22:24])
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[30:32, 6:8, 22:24])
    done = [r for r in take_in(workspace, session) if r.status == "done"]
    assert len(done) == 2
    assert "came into force: both are kept" in done[1].note
    before = workspace.masks("s0001")
    take_in(workspace, session)
    assert workspace.masks("s0001") == before


def test_a_label_map_gives_back_changes_without_losing_what_lay_hidden(workspace, snap):
    """Stomach lies over two columns of the liver; both are corrected elsewhere."""
    path = snap / "masks.nii.gz"
    more, less = np.s_[18:32, 6:20, 22:24], np.s_[6:8, 6:18, 12:24]
    edit_label(path, more, workspace.class_map["liver"].value)
    edit_label(path, less, 0)
    results = by_subject(take_in(workspace, snap))
    # What was painted over the stomach went away from it.
    painted_over = 2 * 12 * 2
    assert (results["s0001 liver"].added, results["s0001 liver"].removed) == (14 * 14 * 2, 0)
    assert (results["s0001 stomach"].added, results["s0001 stomach"].removed) == (
        0,
        2 * 12 * 12 + painted_over,
    )
    expected = box_mask(workspace, BOXES["liver"], more)
    assert np.array_equal(current(workspace, "liver")[1], expected)
    stomach = box_mask(workspace, BOXES["stomach"])
    stomach[less], stomach[more] = False, False
    assert np.array_equal(current(workspace, "stomach")[1], stomach)


def test_a_label_erased_in_a_label_map_is_an_empty_revision(workspace, snap):
    path = snap / "masks.nii.gz"
    labels = np.asanyarray(nibabel.load(path).dataobj)
    edit_label(path, labels == workspace.class_map["stomach"].value, 0)
    done = by_subject(take_in(workspace, snap))["s0001 stomach"]
    assert (done.status, "nothing is left" in done.note) == ("done", True)


@pytest.mark.parametrize("format_name", ["nifti", "seg.nrrd"])
@pytest.mark.parametrize("per_structure", [True, False])
def test_an_export_comes_back_with_its_parents(
    format_name, per_structure, workspace, drawn_case, tmp_path
):
    folder = tmp_path / "out"
    request = ExportRequest(folder, format_name, per_structure=per_structure)
    (exported,) = export_masks(workspace, request)
    given, _ = current(workspace, "liver")
    assert {r.status for r in take_in(workspace, folder)} == {"kept"}
    path = next(p for p in exported.files if "liver" in p.name or not per_structure)
    more = np.s_[18:32, 6:20, 26:28]
    if format_name == "nifti":
        edit_label(path, more, 1 if per_structure else workspace.class_map["liver"].value)
    else:
        edit_segment(path, "liver", more)
    results = by_subject(take_in(workspace, folder, by="anna"))
    assert results["s0001 liver"].status == "done"
    mask, array = current(workspace, "liver")
    assert mask.provenance.parents == (given.id,)
    assert np.array_equal(array, box_mask(workspace, BOXES["liver"], more))
    assert {r.status for r in take_in(workspace, folder)} == {"kept"}


def test_a_file_is_read_in_a_process_of_its_own(workspace, session):
    edit_segment(session / "masks.seg.nrrd", "liver", np.s_[18:20, 6:8, 22:24])
    results = by_subject(collect(workspace, CollectRequest(session)))
    assert results["s0001 liver"].status == "done"
