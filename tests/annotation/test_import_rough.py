"""The whole way of a drawing on small bodies: twice, corrected, accepted, superseded, refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.importing.storing import SOURCE
from pipeline.errors import BadInput, NothingToDo
from pipeline.volume import Grid
from pipeline.workspace import Case, Mask, Provenance, Workspace, digest_of_file
from tests.fixtures.import_runs import LIVER, SMALLER, blob, files_of, only, row, run, save
from tests.fixtures.workspaces import BLOBS, small_grid

AddCase = Callable[..., Case]
AddMasks = Callable[..., dict[str, Mask]]


@pytest.fixture
def case(add_case: AddCase) -> Case:
    return add_case("s1")


@pytest.fixture
def liver(tmp_path: Path, case: Case) -> Path:
    return save(tmp_path / "in" / "liver.nii.gz", blob(LIVER))


def test_a_drawing_becomes_a_mask_that_says_where_it_is_from(
    workspace: Workspace, liver: Path
) -> None:
    report = run(workspace, liver, by="anna")
    outcome = only(report)
    assert (outcome.status, outcome.note) == ("done", "s1; liver new")
    mask = workspace.in_force("s1")["liver"]
    assert np.array_equal(workspace.mask_array(mask), blob(LIVER) > 0)
    made = mask.provenance
    assert (made.origin, made.maker, made.parents) == ("rough", "person:anna", ())
    assert made.sources == {SOURCE: digest_of_file(liver)}
    assert made.about == {
        "format": "nifti",
        "placed": "same grid",
        "drawn_axis": "k",
        "drawn_slices": "10-21",
    }
    assert "masksmith" in made.software
    shown = row(report)
    assert (shown["file"], shown["case"], shown["structure"]) == ("liver.nii.gz", "s1", "liver")
    assert (shown["voxels"], shown["ml"]) == (12 * 12 * 12, round(12**3 * 0.045, 3))
    assert (shown["slices"], shown["placed"]) == ("12 along k", "same grid")


def test_a_dry_run_says_the_same_and_changes_nothing(workspace: Workspace, liver: Path) -> None:
    before = files_of(workspace)
    report = run(workspace, liver, dry_run=True)
    assert row(report)["what"] == "would be new"
    assert row(report)["voxels"] == 12**3
    assert report.run_id is None
    assert files_of(workspace) == before
    assert workspace.masks("s1") == ()
    assert not (workspace.path / "import_names.yaml").exists()


def test_names_that_are_not_matched_go_to_a_mapping_file(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    drawn = tmp_path / "in"
    save(drawn / "liver.nii.gz", blob(LIVER))
    save(drawn / "GTV.nii.gz", blob(BLOBS["spleen"]))
    save(drawn / "heart.nii.gz", blob(BLOBS["spleen"]))
    report = run(workspace, drawn)
    assert [outcome.status for outcome in report.outcomes] == ["failed", "kept", "done"]
    mapping = workspace.path / "import_names.yaml"
    assert str(mapping) in report.outcomes[0].note
    mapping.write_text(mapping.read_text().replace('"GTV": ', '"GTV": spleen'))
    second = run(workspace, drawn, mapping=mapping)
    assert [outcome.status for outcome in second.outcomes] == ["done", "kept", "kept"]
    assert workspace.in_force("s1")["spleen"].voxels == blob(BLOBS["spleen"]).sum()
    mapping.write_text("GTV: ignore\n")
    assert run(workspace, drawn / "GTV.nii.gz", mapping=mapping).outcomes[0].status == "kept"


def test_two_drawings_of_one_structure(workspace: Workspace, case: Case, tmp_path: Path) -> None:
    labels = blob(LIVER)
    labels[BLOBS["spleen"]] = 2
    path = save(tmp_path / "labels.nii.gz", labels)
    table = tmp_path / "names.json"
    table.write_text(json.dumps({"1": "liver", "2": "Leber"}))
    report = run(workspace, path, name_table=table)
    assert only(report).status == "failed"
    assert only(report).figures["kinds"] == {"one_structure_twice": 2}
    assert workspace.masks("s1") == ()
    mapping = tmp_path / "names.yaml"
    mapping.write_text("liver: liver\nLeber: liver\n")
    joined = run(workspace, path, name_table=table, mapping=mapping)
    assert row(joined)["drawing"] == "liver + Leber"
    assert "2 drawings joined" in str(row(joined)["placed"])
    assert workspace.in_force("s1")["liver"].voxels == (labels > 0).sum()


def test_two_files_of_one_structure_are_both_refused(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a" / "liver.nii.gz", blob(LIVER))
    save(tmp_path / "in" / "b" / "Leber.nii.gz", SMALLER)
    report = run(workspace, tmp_path / "in")
    assert [outcome.status for outcome in report.outcomes] == ["failed", "failed"]
    assert "also in Leber.nii.gz of this run" in report.outcomes[0].note
    assert workspace.masks("s1") == ()


def test_an_empty_drawing_is_not_stored_unless_asked(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    path = save(tmp_path / "liver.nii.gz", blob())
    assert only(run(workspace, path)).status == "kept"
    assert workspace.masks("s1") == ()
    assert only(run(workspace, path, store_empty=True)).status == "done"
    assert workspace.in_force("s1")["liver"].voxels == 0
    assert only(run(workspace, path, store_empty=True)).status == "kept"


def test_every_fifth_slice_is_recorded(workspace: Workspace, case: Case, tmp_path: Path) -> None:
    array = blob(LIVER)
    array[:, :, [k for k in range(30) if k % 5]] = 0
    report = run(workspace, save(tmp_path / "liver.nii.gz", array))
    about = workspace.in_force("s1")["liver"].provenance.about
    assert (about["drawn_axis"], about["drawn_slices"]) == ("k", "10,15,20")
    assert row(report)["slices"] == "3 along k, 8 skipped"


def test_one_bad_file_never_stops_the_others(workspace: Workspace, liver: Path) -> None:
    (liver.parent / "broken.nii.gz").write_bytes(b"\x1f\x8b no gzip")
    save(liver.parent / "spleen.nii.gz", blob(BLOBS["spleen"]), moved(0, 0, 2.5))
    report = run(workspace, liver.parent)
    by_name = {Path(outcome.subject).name: outcome for outcome in report.outcomes}
    assert by_name["broken.nii.gz"].status == "failed"
    assert by_name["liver.nii.gz"].status == "done"
    assert "half a voxel off: +0.50 voxel (+2.5 mm) along k" in by_name["spleen.nii.gz"].note
    assert by_name["spleen.nii.gz"].figures["kinds"] == {"half_voxel": 1}


def moved(*mm: float) -> Grid:
    affine = np.array(small_grid().affine)
    affine[:3, 3] += mm
    return Grid(small_grid().shape, affine)


def test_a_mask_in_the_air_is_refused_and_one_that_touches_it_reported(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    air = save(tmp_path / "a" / "liver.nii.gz", blob((slice(0, 3), slice(0, 20), slice(0, 20))))
    refused = only(run(workspace, air))
    assert refused.figures["kinds"] == {"in_air": 1}
    assert "lie in the air around the body, expected at most 50%" in refused.note
    edge = blob((slice(0, 12), slice(4, 20), slice(0, 20)))
    touching = run(workspace, save(tmp_path / "b" / "colon.nii.gz", edge))
    assert only(touching).status == "done"
    assert "17% of it in the air around the body" in str(row(touching)["placed"])


def test_swapped_sides_are_refused_unless_accepted(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    right, left = BLOBS["kidney_right"], (slice(6, 11), slice(3, 7), slice(2, 9))
    save(tmp_path / "in" / "kidney_left.nii.gz", blob(right))
    save(tmp_path / "in" / "kidney_right.nii.gz", blob(left))
    report = run(workspace, tmp_path / "in")
    assert {outcome.status for outcome in report.outcomes} == {"failed"}
    assert all(outcome.figures["kinds"] == {"wrong_side": 1} for outcome in report.outcomes)
    taken = run(workspace, tmp_path / "in", accept_sides=True)
    assert {outcome.status for outcome in taken.outcomes} == {"done"}
    assert "taken although kidney_left lies at x" in str(row(taken)["what"])
    alone = run(workspace, tmp_path / "in" / "kidney_left.nii.gz", case="s1", dry_run=True)
    assert only(alone).status == "failed"


def test_the_ledger_keeps_no_name_of_a_file_or_drawing(
    workspace: Workspace, case: Case, tmp_path: Path
) -> None:
    folder = tmp_path / "MUELLER_ERNA"
    save(folder / "Mueller Leber links.nii.gz", blob(LIVER))
    save(folder / "liver.nii.gz", blob(LIVER))
    (folder / "MUELLER.txt").write_text("report")
    report = run(workspace, folder, by="anna")
    assert "Mueller Leber links" in report.outcomes[1].subject
    assert report.run_id is not None
    workspace.ledger.close()
    told = workspace.layout.ledger_file.read_bytes().lower()
    assert b"mueller" not in told
    for outcome in workspace.ledger.outcomes(report.run_id):
        assert outcome.subject.startswith("file ")
    masks = b"".join(files_of(workspace).values())
    assert b"mueller" not in masks.lower()


def test_a_case_is_found_beside_the_file(
    workspace: Workspace, add_case: AddCase, tmp_path: Path
) -> None:
    ct = save(tmp_path / "data" / "ct.nii.gz", blob())
    add_case("x001", source={"file": workspace.pseudonym("path", str(ct.resolve()))})
    add_case("x002")
    save(ct.parent / "segmentations" / "liver.nii.gz", blob(LIVER))
    save(ct.parent / "segmentations" / "x002_spleen.nii.gz", blob(BLOBS["spleen"]))
    report = run(workspace, ct.parent, case=None)
    by_name = {Path(outcome.subject).name: outcome for outcome in report.outcomes}
    assert by_name["liver.nii.gz"].status == "done"
    assert by_name["x002_spleen.nii.gz"].figures["refused"] == "contradiction"
    assert "liver" in workspace.in_force("x001")
    table = tmp_path / "table.csv"
    table.write_text("file,case\ndata/segmentations/x002_spleen.nii.gz,x002\n")
    run(workspace, ct.parent, case=None, table=table)
    assert "spleen" in workspace.in_force("x002")


def test_the_drawn_time_counts_unless_it_would_mislead(workspace: Workspace, case: Case) -> None:
    from annotation.importing.storing import utc_moment

    assert utc_moment("2024-05-01T10:00:00+02:00") == "2024-05-01T08:00:00.000000+00:00"
    assert utc_moment("2024-05-01") == "2024-05-01T00:00:00.000000+00:00"
    assert utc_moment("") is None
    assert utc_moment("yesterday") is None


def test_what_cannot_run_at_all(workspace: Workspace, liver: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match="no case 's9'"):
        run(workspace, liver, case="s9")
    with pytest.raises(NothingToDo, match="nothing there"):
        run(workspace, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDo, match="no file of drawings"):
        run(workspace, tmp_path / "empty")
    wrong = tmp_path / "names.yaml"
    wrong.write_text("a: livver\n")
    with pytest.raises(BadInput, match="line 1: structure 'livver'"):
        run(workspace, liver, mapping=wrong)
    with pytest.raises(BadInput, match="no class map 'vers'"):
        run(workspace, liver, numbering="vers")


def test_a_drawing_that_hardly_meets_the_mask_in_force_is_reported(
    workspace: Workspace, case: Case, tmp_path: Path, add_masks: AddMasks
) -> None:
    add_masks(case, Provenance("model", "model:x"))
    beside = blob((slice(20, 32), slice(8, 20), slice(22, 30)))
    report = run(workspace, save(tmp_path / "a" / "liver.nii.gz", beside))
    assert "Dice only 0.00 with" in str(row(report)["what"])
    assert only(report).status == "done"
    partly = blob((slice(20, 32), slice(8, 20), slice(14, 24)))
    second = run(workspace, save(tmp_path / "b" / "liver.nii.gz", partly))
    assert "Dice only 0.22" in str(row(second)["what"])
    third = run(workspace, save(tmp_path / "c" / "liver.nii.gz", blob(LIVER)))
    assert "Dice" not in str(row(third)["what"])
