import pickle
import shutil
import stat
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from pipeline.errors import BadInput, NothingToDo
from pipeline.volume import Grid, GridMismatch, read_nifti, write_nifti
from pipeline.workspace import (
    Case,
    CaseFileError,
    Layout,
    MaskFileError,
    Presence,
    Provenance,
    Verdict,
    Workspace,
    WorkspaceBusy,
    WorkspaceError,
    digest_of_ct,
    read_mask,
    verify_mask,
    write_case,
    write_mask,
)
from tests.fixtures.workspaces import BLOBS, blob_labels, small_ct, small_grid

MODEL = Provenance("model", "model:old", sources={"model_card": "abc"}, software={"x": "1"})


def test_a_new_workspace_is_whole_and_its_key_private(workspace):
    assert len(workspace.class_map) == 104
    assert stat.S_IMODE(workspace.layout.key_file.stat().st_mode) == 0o600
    assert workspace.cases() == ()
    again = Workspace.create(workspace.path)
    assert again.pseudonym("patient", "Meier") == workspace.pseudonym("patient", "Meier")
    assert workspace.pseudonym("patient", "1") != workspace.pseudonym("exam", "1")


def test_no_workspace_and_a_full_folder_are_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="masksmith init"):
        Workspace.open(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="other files"):
        Workspace.create(tmp_path)
    with pytest.raises(WorkspaceError, match=r"notes\.txt is a file, expected a folder"):
        Workspace.create(tmp_path / "notes.txt" / "lab")


def test_another_class_map_comes_along(tmp_path):
    custom = tmp_path / "two.yaml"
    custom.write_text(
        "name: two\nstructures:\n- {name: bone, value: 1, colour: '#ffffff'}\n"
        "- {name: fat, value: 7, colour: '#ffff00'}\n"
    )
    workspace = Workspace.create(tmp_path / "w", custom)
    custom.unlink()
    assert Workspace.open(workspace.path).class_map.names == ("bone", "fat")


def test_masks_come_back_voxel_for_voxel(workspace, add_case, add_masks):
    case = add_case("s0001")
    masks = add_masks(case, MODEL)
    assert np.array_equal(workspace.label_map("s0001"), blob_labels(workspace, case))
    liver = workspace.mask_array(masks["liver"])
    assert liver.dtype == np.bool_
    assert liver.sum() == masks["liver"].voxels == 12**3
    assert masks["liver"].box == BLOBS["liver"]
    assert np.array_equal(workspace.ct("s0001"), small_ct_of(workspace, case))


def small_ct_of(workspace, case):
    return np.asarray(nib.load(workspace.layout.ct(case.id)).dataobj)


def test_a_mask_file_is_cropped_and_opens_at_the_right_place_elsewhere(
    workspace, add_case, add_masks
):
    case = add_case("s0001")
    mask = add_masks(case, MODEL)["spleen"]
    image = nib.load(workspace.layout.mask(case.id, "spleen", mask.id))
    assert image.shape == (6, 6, 8)
    assert np.allclose(image.affine[:3, 3], (case.grid.affine @ [4, 6, 12, 1])[:3])
    stored, crop = read_mask(workspace.layout.mask(case.id, "spleen", mask.id))
    assert stored == mask
    assert stored.provenance.sources == {"model_card": "abc"}
    assert crop.all()


def test_the_same_mask_made_again_keeps_its_file(workspace, add_case, add_masks):
    case = add_case("s0001")
    first = add_masks(case, MODEL)
    path = workspace.layout.mask(case.id, "liver", first["liver"].id)
    before = path.read_bytes()
    later = Provenance(**{**vars_of(MODEL), "created": "2031-01-01T00:00:00.000000+00:00"})
    second = add_masks(case, later)
    assert second["liver"] == first["liver"]
    assert path.read_bytes() == before
    assert len(workspace.masks("s0001")) == len(BLOBS)


def vars_of(provenance):
    return {name: getattr(provenance, name) for name in provenance.__dataclass_fields__}


def test_another_maker_or_other_voxels_make_another_revision(workspace, add_case):
    case = add_case("s0001")
    array = np.zeros(case.grid.shape, bool)
    array[3:5, 3:5, 3:5] = True
    first = write_mask(workspace.layout, case, "liver", array, MODEL)
    other_maker = write_mask(workspace.layout, case, "liver", array, Provenance("human", "p:anna"))
    array[3, 3, 3] = False
    other_voxels = write_mask(workspace.layout, case, "liver", array, MODEL)
    assert len({first.id, other_maker.id, other_voxels.id}) == 3


def test_an_empty_mask_is_a_revision_that_decides_nothing(workspace, add_case, add_masks):
    case = add_case("s0001")
    masks = add_masks(case, MODEL, include_empty={"stomach"})
    assert masks["stomach"].voxels == 0
    assert workspace.in_force("s0001")["stomach"].voxels == 0
    presence = workspace.presence("s0001")
    assert presence["liver"] is Presence.PRESENT
    assert presence["stomach"] is Presence.UNDECIDED
    assert presence["brain"] is Presence.UNDECIDED
    assert not workspace.mask_array(masks["stomach"]).any()


def test_verdicts_count_from_the_ledger(workspace, add_case, add_masks):
    case = add_case("s0001")
    masks = add_masks(case, MODEL)
    workspace.record_verdicts(
        [
            Verdict("s0001", "accept", "anna", "liver", masks["liver"].id, seconds=2.5),
            Verdict("s0001", "absent_fov", "anna", "brain"),
        ]
    )
    assert set(workspace.accepted("s0001")) == {"liver"}
    assert workspace.presence("s0001")["brain"] is Presence.ABSENT_FOV
    before = workspace.digest_in_force("s0001")
    workspace.record_verdicts([Verdict("s0001", "absent_anatomy", "anna", "spleen")])
    assert "spleen" not in workspace.in_force("s0001")
    assert workspace.digest_in_force("s0001") != before
    workspace.record_verdicts([Verdict("s0001", "exclude_case", "anna", reason="motion")])
    assert workspace.excluded() == {"s0001"}


def test_the_same_verdict_recorded_twice_is_recorded_once(workspace, add_case):
    add_case("s0001")
    verdict = Verdict("s0001", "absent_fov", "anna", "brain")
    workspace.record_verdicts([verdict])
    workspace.record_verdicts([verdict])
    assert workspace.verdicts("s0001") == (verdict,)


def test_an_overlap_is_painted_by_standing(workspace, add_case):
    case = add_case("s0001")
    array = np.ones((4, 4, 4), bool)
    box = (slice(0, 4),) * 3
    by_model = write_mask(workspace.layout, case, "spleen", array, MODEL, box=box)
    drawn = write_mask(workspace.layout, case, "liver", array, Provenance("human", "p:a"), box=box)
    workspace.record_masks([by_model, drawn])
    assert set(np.unique(workspace.label_map("s0001"))) == {0, workspace.class_map["liver"].value}


def test_records_give_every_case_at_once(workspace, add_case, add_masks):
    for name in ("s0002", "s0001", "s0003"):
        add_masks(add_case(name), MODEL)
    records = list(workspace.records())
    assert [record.case.id for record in records] == ["s0001", "s0002", "s0003"]
    assert all(set(record.in_force()) == set(BLOBS) for record in records)


def test_an_unknown_case_names_close_ones(workspace, add_case):
    add_case("s0001")
    with pytest.raises(NothingToDo, match="close: s0001"):
        workspace.case("s0010")


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b", "x" * 65, "a..b"])
def test_names_that_could_leave_the_folder_are_refused(workspace, name):
    with pytest.raises(BadInput, match="no valid name"):
        workspace.layout.ct(name)


def test_a_case_keeps_its_name(workspace, add_case):
    case = add_case("s0001")
    other = small_ct(99)
    with pytest.raises(CaseFileError, match="another CT already has this name"):
        write_case(
            workspace.layout, Case("s0001", case.grid, digest_of_ct(other, case.grid)), other
        )


def test_the_digest_of_a_ct_does_not_depend_on_memory_order():
    ct, grid = small_ct(), small_grid()
    assert digest_of_ct(np.ascontiguousarray(ct), grid) == digest_of_ct(ct, grid)
    changed = ct.copy()
    changed[0, 0, 0] += 1
    assert digest_of_ct(changed, grid) != digest_of_ct(ct, grid)


def test_a_ct_on_another_grid_than_its_record_is_refused(workspace, add_case):
    case = add_case("s0001")
    moved = case.grid.crop((slice(1, 37), slice(0, 24), slice(0, 30)))
    write_nifti(workspace.layout.ct("s0001"), small_ct(), moved)
    with pytest.raises(GridMismatch, match=r"ct\.nii\.gz"):
        workspace.ct("s0001")


def test_damaged_and_foreign_mask_files_are_named(workspace, add_case, add_masks):
    case = add_case("s0001")
    mask = add_masks(case, MODEL)["liver"]
    path = workspace.layout.mask(case.id, "liver", mask.id)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(MaskFileError, match=path.name):
        read_mask(path)
    stored = read_nifti_bytes(whole, path)
    write_nifti(path, np.zeros_like(stored.array), stored.grid, extension=stored.extension)
    with pytest.raises(MaskFileError, match="was changed after it was written"):
        verify_mask(path, case)
    write_nifti(path, stored.array, stored.grid)
    with pytest.raises(MaskFileError, match="no Masksmith record"):
        read_mask(path)
    path.unlink()
    with pytest.raises(MaskFileError, match="is gone"):
        workspace.mask_array(mask)


def read_nifti_bytes(data, path):
    path.write_bytes(data)
    return read_nifti(path)


def test_only_one_command_changes_a_workspace(workspace):
    with workspace.driver_lock("intake"):
        other = Workspace.open(workspace.path)
        with pytest.raises(WorkspaceBusy, match="'masksmith intake'"), other.driver_lock("x"):
            pass
    with workspace.driver_lock("gallery"):
        pass


def test_words_travel_between_processes(workspace, add_case, add_masks):
    case = add_case("s0001")
    mask = add_masks(case, MODEL)["liver"]
    again = pickle.loads(pickle.dumps((case, mask, workspace.layout, workspace.ledger)))
    assert again[:3] == (case, mask, workspace.layout)
    assert again[3].cases() == (case,)


def test_a_label_map_of_another_shape_or_with_unknown_values_is_refused(
    workspace, add_case, add_masks
):
    from pipeline.workspace import write_label_map_masks

    case = add_case("s0001")
    with pytest.raises(BadInput, match="shape"):
        write_label_map_masks(
            workspace.layout, case, np.zeros((2, 2, 2), int), workspace.class_map, MODEL
        )
    labels = np.full(case.grid.shape, 250, np.uint8)
    with pytest.raises(BadInput, match=r"\[250\]"):
        write_label_map_masks(workspace.layout, case, labels, workspace.class_map, MODEL)


def test_each_mask_of_a_label_map_keeps_how_sure_its_model_was(workspace, add_case):
    from pipeline.workspace import Confidence, write_label_map_masks
    from pipeline.workspace.mask_file import read_mask_record

    case, liver = add_case("s0001"), workspace.class_map["liver"].value
    labels = np.zeros(case.grid.shape, np.uint8)
    labels[3:6, 3:6, 3:6] = liver
    sure = {"liver": Confidence(0.9, 0.1, 2.0)}
    masks = write_label_map_masks(
        workspace.layout,
        case,
        labels,
        workspace.class_map,
        lambda name: sure[name].added_to(MODEL) if name in sure else MODEL,
        include_empty=("liver", "spleen"),
    )
    read = {
        mask.structure: Confidence.of(
            read_mask_record(workspace.layout.mask(case.id, mask.structure, mask.id))
        )
        for mask in masks
    }
    assert read == {"liver": Confidence(0.9, 0.1, 2.0), "spleen": None}


def test_a_workspace_of_another_version_is_refused(workspace):
    workspace.layout.settings_file.write_text("format: 9\n")
    with pytest.raises(WorkspaceError, match="another version"):
        Workspace.open(workspace.path)


def test_a_ledger_of_a_newer_version_is_refused(workspace):
    from sqlalchemy import text

    from pipeline.workspace.database import LedgerError

    with workspace.ledger.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    workspace.ledger.close()
    with pytest.raises(LedgerError, match="newer"):
        workspace.cases()


def test_sqlite_runs_with_the_settings_that_lose_nothing(workspace):
    from sqlalchemy import text

    with workspace.ledger.engine.connect() as connection:

        def pragma(name):
            return connection.execute(text(f"PRAGMA {name}")).scalar()

        assert pragma("journal_mode") == "delete"
        assert pragma("synchronous") == 2
        assert pragma("secure_delete") == 1
        assert pragma("foreign_keys") == 1


def test_the_tables_are_what_the_migrations_make(workspace):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from pipeline.workspace.tables import metadata

    with workspace.ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_a_moved_workspace_still_opens(workspace, add_case, add_masks, tmp_path):
    add_masks(add_case("s0001"), MODEL)
    workspace.ledger.close()
    shutil.move(workspace.path, tmp_path / "elsewhere")
    moved = Workspace.open(tmp_path / "elsewhere")
    assert set(moved.in_force("s0001")) == set(BLOBS)


def test_a_mask_without_further_facts_keeps_the_id_it_had_before_there_were_any(tmp_path):
    """The id was computed by the version that did not know `Provenance.about`."""
    grid = Grid((4, 5, 6), np.diag([1.0, 2.0, 3.0, 1.0]))
    case = Case("golden", grid, "0" * 64)
    array = np.zeros((4, 5, 6), np.uint8)
    array[1:3, 2:4, 3:5] = 1
    made = Provenance(
        "rough",
        "person:anna",
        parents=("p1",),
        priority=3,
        settings_digest="abc",
        software={"slicer": "5.6"},
        sources={"file": "ffffffff"},
        created="2026-01-01T00:00:00.000000+00:00",
    )
    layout = Layout(tmp_path)
    mask = write_mask(layout, case, "liver", array, made)
    assert mask.id == "bf946bea5def2f71fc074edd19f84442d2acfe4145e6973c1df5c285f13de49e"
    assert "about" not in made.to_dict()
    told = replace(made, about={"drawn_axis": "k"})
    other = write_mask(layout, case, "liver", array, told)
    assert other.id != mask.id
    assert Provenance.from_dict(told.to_dict()) == told
    path = layout.mask("golden", "liver", other.id)
    assert verify_mask(path, case).provenance.about == {"drawn_axis": "k"}
