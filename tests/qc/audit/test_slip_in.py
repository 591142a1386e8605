"""Slipping errors in: what a planted case is, and that nothing but the gallery ever meets it."""

import json

import numpy as np
import pytest

from annotation.effort_items import read_work
from annotation.export import ExportRequest, _records
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, NothingToDo, UsageError
from pipeline.transfer.settings import TransferHeartSettings
from pipeline.transfer.transfer_heart import run as transfer_heart
from pipeline.workspace import CaseIndex, Verdict, Workspace, read_mask
from pipeline.workspace.doctor import examine
from pipeline.workspace.lineage_walk import light_masks
from pipeline.workspace.rebuild import rebuild
from pipeline.workspace.status import workspace_status
from qc.audit import PlantRequest, audit_report, remove_plants, slip_in
from qc.audit.truth import read_truths
from qc.gallery import chosen_records
from qc.page import write_page
from qc.plausibility.plausibility import _chosen, _cohort
from tests.fixtures.audited_workspaces import IDS
from tests.fixtures.tiny_models import tiny_settings
from training.choice_cohort import read_cohort
from training.final_split import patients_of, read_split
from training.round_manifest import freeze_round


def planted_ids(workspace: Workspace) -> set[str]:
    return {case.id for case in workspace.cases(planted=True)} - {
        case.id for case in workspace.cases()
    }


@pytest.fixture
def audited(abdomens: Workspace) -> Workspace:
    slip_in(abdomens, PlantRequest(count=2, grades=("gross",), kinds=("deleted", "cut")))
    return abdomens


def test_a_planted_case_is_the_real_one_with_its_error(abdomens: Workspace) -> None:
    result = slip_in(
        abdomens, PlantRequest(count=1, grades=("gross",), kinds=("cut",), structures=("liver",))
    )
    [truth] = result.planted
    assert (result.refused, truth.targets, truth.grade) == ((), ("liver",), "gross")
    record, real = abdomens.record(truth.case_id), abdomens.record(truth.copy_of)
    before, after = abdomens.label_map(truth.copy_of), abdomens.label_map(truth.case_id)
    liver = abdomens.class_map["liver"].value
    assert 0.2 < (after == liver).sum() / (before == liver).sum() < 0.55
    assert np.array_equal(np.where(before == liver, 0, before), np.where(after == liver, 0, after))
    ct, real_ct = abdomens.ct(truth.case_id), abdomens.ct(truth.copy_of)
    assert np.count_nonzero(ct != real_ct) == 1
    assert np.abs(ct.astype(int) - real_ct).max() == 1
    assert {m.provenance.maker for m in record.masks} == {"round:1"}
    assert (record.case.phase, record.case.meta) == (real.case.phase, real.case.meta)
    assert (record.case.patient_id, record.verdicts) == (None, ())
    assert read_truths(abdomens.layout.planted_dir) == (truth,)


def test_a_structure_that_was_deleted_is_an_empty_mask(abdomens: Workspace) -> None:
    request = PlantRequest(count=1, grades=("gross",), kinds=("deleted",), structures=("stomach",))
    [truth] = slip_in(abdomens, request).planted
    [mask] = abdomens.masks(truth.case_id, "stomach")
    assert mask.voxels == 0
    path = abdomens.layout.mask(truth.case_id, "stomach", mask.id)
    assert not read_mask(path)[1].any()


def test_ids_look_like_the_others(audited: Workspace) -> None:
    assert planted_ids(audited) == {"s0002", "s0003"}


def test_nothing_that_gathers_cases_meets_a_planted_one(audited: Workspace) -> None:
    planted = planted_ids(audited)
    assert len(planted) == 2
    real = set(IDS)
    audited.record_verdicts(
        [
            Verdict(case_id, "accept", "ben", mask.structure, mask.id)
            for case_id in planted
            for mask in audited.masks(case_id)
        ]
    )
    assert {record.case.id for record in audited.records()} == real
    assert {mask.case_id for mask in audited.ledger.masks()} == real
    assert {verdict.case_id for verdict in audited.verdicts()} == real
    assert {case.id for case in workspace_status(audited).cases} == real
    assert {mask.case_id for mask in light_masks(audited.ledger).values()} == real
    assert {r.case.id for r in _records(audited, ExportRequest(audited.path, "nifti"))} == real
    assert set(CaseIndex.of(audited.layout, audited.cases()).ids) == real
    assert {item.by for item in read_work(audited).items} == {"anna"}
    assert {case.id for case in read_cohort(audited).cases} <= real
    rounds = workspace_status(audited, planted=True)
    assert {case.id for case in rounds.cases} == real | planted


def test_a_planted_case_is_never_trained_on(audited: Workspace) -> None:
    for case_id in planted_ids(audited):
        masks = audited.masks(case_id)
        audited.record_verdicts(
            [Verdict(case_id, "accept", "ben", m.structure, m.id) for m in masks]
        )
    settings = tiny_settings(structures=("liver", "spleen"), allow_fewer=True)
    manifest = freeze_round(audited, settings)
    choice = next(iter(manifest.models.values()))
    assert set(choice.cases) | set(choice.left_out_cases) == set(IDS)
    written = audited.layout.manifest(settings.round).read_text()
    assert not any(case_id in written for case_id in planted_ids(audited))


def test_a_planted_case_that_a_table_names_is_refused(audited: Workspace, tmp_path) -> None:
    """By hand it comes into no pairs that train the heart, and on no side of a split."""
    planted = sorted(planted_ids(audited))[0]
    table = tmp_path / "table.csv"
    table.write_text(f"contrast,native\n{planted},{IDS[0]}\n")
    with pytest.raises(BadInput, match=f":2: contrast case '{planted}' is not in the workspace"):
        list(transfer_heart(audited, TransferHeartSettings(pairs=table), SerialEngine()))
    table.write_text(f"case_id,split\n{planted},test\n")
    with pytest.raises(BadInput, match=f"case '{planted}' is not in the workspace"):
        read_split(table, patients_of(audited.cases()))


def test_the_gallery_shows_it_and_does_not_tell(audited: Workspace) -> None:
    planted = planted_ids(audited)
    assert {record.case.id for record in chosen_records(audited, ())} == set(IDS) | planted
    write_page(audited, {})
    page = (audited.layout.gallery_dir / "index.html").read_text()
    data = page[page.index('"cases":') :]
    assert all(f'"id":"{case_id}"' in data for case_id in planted)
    for word in ("planted", "copy_of", "audit", "gross"):
        assert word not in data
    cases = json.loads(page[page.index('{"workspace"') :].partition("</script>")[0])["cases"]
    keys = [set(case) for case in cases]
    assert keys.count(keys[0]) == len(keys) == 4
    assert {case["state"] for case in cases if case["id"] in planted} == {"proposed"}


def test_rules_look_at_it_and_compare_nothing_with_it(audited: Workspace) -> None:
    planted = planted_ids(audited)
    assert {record.case.id for record in _chosen(audited, ())} == set(IDS) | planted
    assert max(map(len, _cohort(audited).sexes.values())) == len(IDS)


def test_doctor_finds_nothing_and_rebuilding_keeps_it_apart(audited: Workspace) -> None:
    planted = planted_ids(audited)
    assert examine(audited) == []
    rebuild(audited)
    again = Workspace.open(audited.path)
    assert planted_ids(again) == planted
    assert examine(again) == []


def test_the_same_request_twice_plants_other_errors(abdomens: Workspace) -> None:
    request = PlantRequest(count=1, grades=("medium",), kinds=("eroded",))
    [first], [second] = (slip_in(abdomens, request).planted for _ in range(2))
    assert first.details["seed"] != second.details["seed"]
    assert first.case_id != second.case_id


def test_an_id_that_was_taken_out_is_never_given_again(abdomens: Workspace) -> None:
    request = PlantRequest(count=3, grades=("medium",), kinds=("eroded",))
    first = {truth.case_id for truth in slip_in(abdomens, request).planted}
    remove_plants(abdomens)
    second = {truth.case_id for truth in slip_in(abdomens, request).planted}
    assert len(first) == len(second) == 3
    assert not first & second
    report = audit_report(abdomens)
    assert (report.planted, report.removed) == (3, 3)


def test_what_cannot_be_planted_is_said_and_the_rest_goes_on(abdomens: Workspace) -> None:
    request = PlantRequest(count=2, grades=("gross", "medium"), kinds=("front_for_back",), seed=1)
    result = slip_in(abdomens, request)
    assert len(result.planted) == 1
    assert result.refused == (
        "one medium error could not be planted in any case: no kind of error comes medium",
    )


def test_planted_cases_are_never_copied(audited: Workspace) -> None:
    result = slip_in(audited, PlantRequest(count=6, grades=("small",)))
    assert {truth.copy_of for truth in result.planted} <= set(IDS)
    with pytest.raises(NothingToDo, match="of 1 cases none has 3 masks"):
        slip_in(audited, PlantRequest(count=1, cases=tuple(planted_ids(audited))[:1]))


def test_an_empty_workspace_and_a_wrong_kind_are_refused(workspace: Workspace) -> None:
    with pytest.raises(NothingToDo, match="masksmith bootstrap"):
        slip_in(workspace, PlantRequest())
    with pytest.raises(UsageError, match="no kind of error 'nonsense'"):
        slip_in(workspace, PlantRequest(kinds=("nonsense",)))
