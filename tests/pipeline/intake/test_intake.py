import shutil

import nibabel
import numpy as np
import pytest

from pipeline.anatomy import shipped_configs
from pipeline.engine import ProcessEngine
from pipeline.errors import NothingToDo
from pipeline.intake.intake import STAGE
from pipeline.intake.refusal import Refused
from pipeline.stage import load_settings, run_stage
from pipeline.workspace.case_file import verify_ct


def by_status(outcomes, status):
    return [outcome for outcome in outcomes if outcome.status == status]


@pytest.fixture
def dataset(tmp_path, write_ct, ct_values):
    """Write a small TotalSegmentator dataset of two subjects and give its root."""
    root = tmp_path / "dataset"
    for number, name in enumerate(("s0001", "s0002")):
        write_ct(root / name / "ct.nii.gz", seed=number)
        affine = nibabel.load(root / name / "ct.nii.gz").affine
        values = ct_values(number)
        masks = {"liver": values > 0, "spleen": values > 9999, "third_kidney": values > 600}
        for structure, inside in masks.items():
            path = root / name / "segmentations" / f"{structure}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8), affine), path)
    (root / "meta.csv").write_bytes(
        b"\xef\xbb\xbfimage_id;age;gender;institute;study_type;split;birth_date\n"
        b"s0001;61;m;B;ct abdomen;train;1960-02-29\n"
    )
    return root


def test_a_nifti_file_becomes_a_case(workspace, take_in, tmp_path, write_ct, ct_values):
    path = write_ct(tmp_path / "Mueller_Erna.nii.gz", seed=4)
    (outcome,) = take_in(path, site="north", phase="arterial")
    (case,) = workspace.cases()
    assert (outcome.subject, outcome.status) == (case.id, "done")
    assert outcome.figures["spacing_mm"] == [2.0, 2.0, 3.0]
    assert case.id == f"case-{case.ct_digest[:8]}"
    assert (case.phase, case.meta, case.patient_id) == ("arterial", {"site": "north"}, None)
    assert np.array_equal(workspace.ct(case.id), ct_values(4))
    assert np.array_equal(case.grid.affine, nibabel.load(path).affine)
    verify_ct(workspace.layout, case)
    assert not (workspace.layout.scratch_dir / "intake").exists()
    for stored in workspace.path.rglob("*"):
        if stored.is_file():
            assert b"Mueller" not in stored.read_bytes()


def test_again_keeps_everything(workspace, take_in, tmp_path, write_ct):
    write_ct(tmp_path / "in" / "a.nii.gz", seed=1)
    write_ct(tmp_path / "in" / "b.nii", seed=2)
    take_in(tmp_path / "in")
    before = {path: path.read_bytes() for path in workspace.layout.cases_dir.rglob("*.*")}
    again = take_in(tmp_path / "in")
    assert {(outcome.status, outcome.note) for outcome in again} == {("kept", "already in")}
    after = {path: path.read_bytes() for path in workspace.layout.cases_dir.rglob("*.*")}
    assert after == before


def test_the_same_ct_under_other_names_is_one_case(
    workspace, take_in, tmp_path, write_ct, ct_values
):
    paths = [
        write_ct(tmp_path / "a.nii.gz"),
        write_ct(tmp_path / "b.nii"),
        write_ct(tmp_path / "c.nii", ct_values().astype(np.float64)),
    ]
    outcomes = take_in(*paths)
    (case,) = workspace.cases()
    assert [outcome.status for outcome in outcomes] == ["done", "kept", "kept"]
    assert outcomes[1].subject == str(paths[1])
    assert outcomes[1].note == f"duplicate of {case.id}: the same CT"
    assert [folder.name for folder in workspace.layout.cases_dir.iterdir()] == [case.id]


def test_the_same_voxels_turned_or_moved_are_no_second_case(
    workspace, take_in, tmp_path, write_ct, write_series
):
    write_series(tmp_path / "dicom", seed=8)
    take_in(tmp_path / "dicom")
    (case,) = workspace.cases()
    source = nibabel.load(workspace.layout.ct(case.id))
    turned = nibabel.as_closest_canonical(source)
    assert nibabel.aff2axcodes(turned.affine) == ("R", "A", "S")
    moved = np.array(source.affine)
    moved[2, 3] += 100
    for name, image in {
        "turned": turned,
        "moved": nibabel.Nifti1Image(source.dataobj, moved),
    }.items():
        path = tmp_path / f"{name}.nii"
        nibabel.save(image, path)
        (outcome,) = take_in(path)
        assert outcome.status == "kept"
        assert outcome.note == (
            f"duplicate of {case.id}: the same voxels in another orientation or place"
        )
    mirrored = np.asarray(source.dataobj)[::-1]
    (outcome,) = take_in(write_ct(tmp_path / "mirrored.nii", mirrored, source.affine))
    assert outcome.status == "done"
    assert len(workspace.cases()) == 2


def test_masks_of_a_turned_duplicate_are_not_dropped_silently(
    workspace, take_in, dataset, tmp_path
):
    path = dataset / "s0001" / "ct.nii.gz"
    nibabel.save(nibabel.as_closest_canonical(nibabel.load(path)), tmp_path / "turned.nii")
    take_in(tmp_path / "turned.nii")
    (failed,) = by_status(take_in(dataset), "failed")
    assert failed.subject == str(path)
    assert "its 3 masks were not taken in" in failed.note


def test_what_is_refused_does_not_stop_the_rest(workspace, take_in, tmp_path, write_ct):
    write_ct(tmp_path / "in" / "b.nii.gz")
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"\x1f\x8bno gzip")
    write_ct(tmp_path / "in" / "c.nii.gz", np.zeros((16, 16, 16), np.uint8))
    (tmp_path / "in" / "._b.nii.gz").write_bytes(b"Mac OS X")
    outcomes = take_in(tmp_path / "in", tmp_path / "none")
    assert len(by_status(outcomes, "done")) == 1
    failed = {
        outcome.subject.rsplit("/")[-1]: outcome.note for outcome in by_status(outcomes, "failed")
    }
    assert set(failed) == {"a.nii.gz", "c.nii.gz", "none"}
    assert failed["none"] == "no such file or folder"
    assert "looks like a label map or an empty image" in failed["c.nii.gz"]
    assert "1 file left alone: '._' files" in by_status(outcomes, "kept")[0].note


def test_a_folder_without_images_is_nothing_to_do(take_in, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(NothingToDo, match="no NIfTI file and no DICOM"):
        take_in(tmp_path / "in")


def test_a_table_says_more_about_nifti_files(workspace, take_in, tmp_path, write_ct):
    write_ct(tmp_path / "in" / "a.nii.gz", seed=1)
    write_ct(tmp_path / "in" / "b.nii.gz", seed=2)
    table = tmp_path / "cases.csv"
    table.write_text(
        "path;patient;exam;phase;age;name\nin/a.nii.gz;P1;E1;Native;61;Muster\nx.nii;P2;;;;\n"
    )
    outcomes = take_in(tmp_path / "in", table=table)
    known = {case.phase: case for case in workspace.cases()}
    assert set(known) == {"native", None}
    assert known["native"].patient_id == workspace.pseudonym("patient", "P1")
    assert known["native"].exam_id == workspace.pseudonym("exam", "E1")
    assert known["native"].meta == {"age": "61"}
    assert by_status(outcomes, "kept")[0].note == "columns of the table not taken over: name"
    assert by_status(outcomes, "failed")[0].subject == str(tmp_path / "x.nii")
    with pytest.raises(Refused, match="no such file"):
        take_in(tmp_path / "in", table=tmp_path / "none.csv")
    table.write_text("path;patient;phase\nin/a.nii.gz;P9;native\n")
    note = take_in(tmp_path / "in", table=table)[0].note
    assert note == "already in; given otherwise this time and not taken over: patient"


def test_the_shipped_settings_are_the_defaults():
    shipped = load_settings(STAGE, shipped_configs(), {"paths": ("a",)})
    assert shipped == STAGE.Settings(paths=("a",))


def test_a_dataset_comes_in_with_its_masks(workspace, take_in, dataset):
    outcomes = take_in(dataset)
    done = by_status(outcomes, "done")
    assert [outcome.subject for outcome in done] == ["s0001", "s0002"]
    assert done[0].figures["masks"] == 2
    assert done[0].figures["empty_masks"] == 1
    assert done[0].figures["unknown_structures"] == ["third_kidney"]
    assert "1 masks of structures not in the class map, not taken in: third_kidney" in done[0].note
    liver = workspace.in_force("s0001")["liver"]
    assert (liver.origin, liver.provenance.maker) == ("rough", "dataset:totalsegmentator")
    assert np.array_equal(workspace.mask_array(liver), workspace.ct("s0001") > 0)
    assert workspace.in_force("s0001")["spleen"].voxels == 0
    case = workspace.case("s0001")
    assert case.meta == {
        "age": "61",
        "sex": "m",
        "site": "B",
        "study_type": "ct abdomen",
        "split": "train",
        "patient_assumed": "one per image",
    }
    assert case.patient_id == workspace.pseudonym("patient", "totalsegmentator/s0001")
    assert by_status(outcomes, "kept")[0].note == "columns of the table not taken over: birth_date"


def test_the_origin_and_maker_of_given_masks_are_settings(workspace, take_in, dataset):
    take_in(dataset, given_origin="human", dataset="our-lab")
    liver = workspace.in_force("s0001")["liver"]
    assert (liver.origin, liver.provenance.maker) == ("human", "dataset:our-lab")


def test_a_dataset_again_keeps_its_masks(workspace, take_in, dataset):
    take_in(dataset)
    masks = workspace.masks("s0001")
    again = take_in(dataset)
    assert [outcome.status for outcome in again if outcome.subject == "s0001"] == ["kept"]
    assert workspace.masks("s0001") == masks


def test_a_bad_mask_is_named_while_its_case_comes_in(workspace, take_in, dataset):
    path = dataset / "s0002" / "segmentations" / "liver.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 5, 5), np.uint8), np.eye(4)), path)
    (failed,) = by_status(take_in(dataset), "failed")
    assert failed.subject == str(path)
    assert failed.note.startswith("grids differ: the CT has 24 x 20 x 16 voxels of 2 x 2 x 3 mm")
    assert set(workspace.in_force("s0002")) == {"spleen"}


def test_another_ct_under_a_known_name_is_refused(workspace, take_in, dataset, write_ct):
    take_in(dataset)
    kept = workspace.case("s0001")
    write_ct(dataset / "s0001" / "ct.nii.gz", seed=77)
    (failed,) = by_status(take_in(dataset), "failed")
    assert "another CT already has this name" in failed.note
    assert workspace.case("s0001") == kept
    verify_ct(workspace.layout, kept)


def test_masks_of_a_duplicate_go_to_the_case_that_is_there(workspace, take_in, dataset):
    take_in(dataset / "s0001" / "ct.nii.gz")
    (case,) = workspace.cases()
    outcomes = take_in(dataset)
    assert [each.id for each in workspace.cases()] == [case.id, "s0002"]
    (kept,) = [outcome for outcome in outcomes if outcome.subject == case.id]
    assert (kept.status, kept.figures["masks"]) == ("kept", 2)
    assert set(workspace.in_force(case.id)) == {"liver", "spleen"}


def test_a_broken_meta_csv_is_named_and_the_images_come_in(workspace, take_in, dataset):
    (dataset / "meta.csv").write_bytes(b"image_id;age\ns0001;1\ns0001;2\n")
    outcomes = take_in(dataset)
    assert "s0001 is there twice" in by_status(outcomes, "failed")[0].note
    assert len(workspace.cases()) == 2


def test_a_series_becomes_a_case_that_names_nobody(
    workspace, take_in, tmp_path, write_series, ct_values
):
    write_series(tmp_path / "in", seed=6)
    (outcome,) = take_in(tmp_path / "in")
    (case,) = workspace.cases()
    assert (outcome.subject, outcome.status) == (case.id, "done")
    assert np.array_equal(workspace.ct(case.id), ct_values(6))
    assert case.grid.orientation == "LPS"
    assert case.patient_id == workspace.pseudonym("patient", "PID4711")
    assert case.exam_id == workspace.pseudonym("exam", "1.2.3")
    assert case.series_id == workspace.pseudonym("series", "1.2.3.4")
    assert case.frame_of_reference_id == workspace.pseudonym("frame_of_reference", "1.2.3.9")
    assert case.meta["contrast_agent"] == "given"
    planted = [b"Muster", b"PID4711", b"19600229", b"20200229", b"Beispiel", b"Abdomen"]
    planted += [b"Schmidt", b"1.2.3.4", b"1.2.3.9"]
    for path in workspace.path.rglob("*.*"):
        content = path.read_bytes() if path.is_file() else b""
        assert [word for word in planted if word in content] == []


def test_the_same_series_again_in_another_folder_is_a_duplicate(
    workspace, take_in, tmp_path, write_series
):
    write_series(tmp_path / "one")
    take_in(tmp_path / "one")
    write_series(tmp_path / "two", series="1.2.3.99")
    (outcome,) = take_in(tmp_path / "two")
    (case,) = workspace.cases()
    assert (outcome.subject, outcome.status) == (str(tmp_path / "two"), "kept")
    assert outcome.note == f"duplicate of {case.id}: the same CT"
    assert take_in(tmp_path / "one")[0].note == "already in"


def test_series_that_are_no_straight_ct_are_refused_and_objects_noted(
    workspace, take_in, tmp_path, write_series
):
    write_series(tmp_path / "in" / "pet", series="1.5", Modality="PT")
    write_series(tmp_path / "in" / "plan", series="1.6", Modality="RTSTRUCT")
    write_series(tmp_path / "in" / "ct", series="1.7")
    gaps = [(0, 0, 3 * k + (k > 9)) for k in range(16)]
    write_series(tmp_path / "in" / "gap", series="1.8", positions=gaps)
    (tmp_path / "in" / "bad.dcm").write_bytes(b"nothing")
    notes = {outcome.subject.rsplit("/")[-1]: outcome for outcome in take_in(tmp_path / "in")}
    assert notes["pet"].note.startswith("PT, 16 files: modality PT; expected modality CT")
    assert (notes["plan"].status, notes["plan"].note) == (
        "kept",
        "RTSTRUCT, 16 files: not a CT image, left for import",
    )
    assert "gaps 3.00-4.00 mm" in notes["gap"].note
    assert notes["bad.dcm"].status == "failed"
    assert len(workspace.cases()) == 1


def test_broken_and_copied_files_beside_a_series_are_noted(take_in, tmp_path, write_series):
    first = write_series(tmp_path / "in")[0]
    shutil.copy(first, tmp_path / "in" / "copy")
    (tmp_path / "in" / "IM0099.dcm").write_bytes(first.read_bytes()[:140])
    failed, done = take_in(tmp_path / "in")
    assert failed.subject == str(tmp_path / "in" / "IM0099.dcm")
    assert done.note == (
        "1 copies of slices left out; "
        "1 broken files beside it: check that its first and last slices are there"
    )


def test_of_two_equal_subjects_the_first_by_name_is_the_case(workspace, take_in, dataset, write_ct):
    write_ct(dataset / "s0002" / "ct.nii.gz", seed=0)
    (dataset / "s0000").mkdir()
    write_ct(dataset / "s0000" / "ct.nii.gz", seed=9)
    outcomes = take_in(dataset, layout="totalsegmentator")
    assert [case.id for case in workspace.cases()] == ["s0000", "s0001"]
    assert [o.note.split(";")[0] for o in by_status(outcomes, "kept")][1:] == [
        "duplicate of s0001: the same CT"
    ]


def test_a_dry_run_says_the_same_and_writes_no_case(
    workspace, take_in, dataset, tmp_path, write_ct
):
    write_ct(tmp_path / "small.nii.gz", np.zeros((4, 4, 4), np.int16))
    outcomes = take_in(dataset, tmp_path / "small.nii.gz", dry_run=True)
    assert [outcome.subject for outcome in by_status(outcomes, "done")] == ["s0001", "s0002"]
    assert by_status(outcomes, "done")[0].note.startswith("would come in; 2 masks (1 empty)")
    assert len(by_status(outcomes, "failed")) == 1
    assert workspace.cases() == ()
    assert not workspace.layout.cases_dir.exists() or not any(workspace.layout.cases_dir.iterdir())


def test_a_worker_that_is_stopped_or_dies_fails_alone(workspace, take_in, tmp_path, write_ct):
    write_ct(tmp_path / "in" / "a.nii.gz")
    (outcome,) = take_in(tmp_path / "in", isolate=True, timeout_s=0.001)
    assert outcome.status == "failed"
    assert "took longer than its time limit" in outcome.note


def test_files_are_parsed_in_other_processes(workspace, tmp_path, write_ct, write_series, dataset):
    write_ct(tmp_path / "in" / "a.nii.gz", seed=11)
    write_ct(tmp_path / "in" / "b.nii.gz", seed=11)
    write_series(tmp_path / "in" / "scan", seed=12)
    settings = STAGE.Settings(paths=(tmp_path / "in", dataset))
    report = run_stage(STAGE, workspace, settings, ProcessEngine(2))
    assert sorted(outcome.status for outcome in report.outcomes) == ["done"] * 4 + ["kept"] * 2
    assert len(workspace.cases()) == 4
