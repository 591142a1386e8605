"""One pair in a worker: what it reads, checks, writes and says."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MasksmithError
from pipeline.transfer.heart_manifest import CARRIER, HEART_STRUCTURES
from pipeline.transfer.pair_task import PairResult, PairTask, carry_pair
from pipeline.transfer.pairs import ScanPair
from pipeline.transfer.settings import TransferHeartSettings
from pipeline.transfer.transfer_heart import make_task
from pipeline.workspace import Workspace, read_mask
from tests.fixtures.heart_pairs import QUICK, add_exam, heart_pair

SHIFT, BENT_MM = (5.0, -4.0, 11.0), 6.0


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> PairTask:
    workspace = Workspace.create(tmp_path_factory.mktemp("pair") / "workspace")
    contrast, native = add_exam(workspace, "e1", heart_pair(SHIFT, BENT_MM))
    settings = TransferHeartSettings(**QUICK)
    return make_task(workspace, ScanPair(contrast.id, native.id, "test"), settings)


@pytest.fixture(scope="module")
def result(task: PairTask) -> PairResult:
    # As it goes to a worker process and comes back.
    return pickle.loads(pickle.dumps(carry_pair(pickle.loads(pickle.dumps(task)))))


def test_a_mask_of_each_structure_lies_where_the_heart_is(task, result) -> None:
    truth = heart_pair(SHIFT, BENT_MM).truth
    assert {mask.structure for mask in result.masks} == set(HEART_STRUCTURES)
    for mask in result.masks:
        stored, crop = read_mask(task.layout.mask(mask.case_id, mask.structure, mask.id))
        assert stored == mask
        there = np.zeros(truth.shape, np.bool_)
        there[mask.box] = crop
        wanted = truth == HEART_STRUCTURES.index(mask.structure) + 1
        assert 2 * (there & wanted).sum() / (there.sum() + wanted.sum()) > 0.7


def test_the_masks_name_what_they_were_made_from(task, result) -> None:
    made = result.masks[0].provenance
    assert (made.origin, made.maker) == ("transfer", CARRIER)
    assert set(made.parents) == {mask.id for mask in task.masks}
    assert made.sources == {
        "contrast_ct": task.contrast.ct_digest,
        "native_ct": task.native.ct_digest,
        "contrast_case": "c-e1",
    }
    assert set(made.software) == {"masksmith", "SimpleITK"}


def test_the_figures_are_json_and_say_before_and_after(result) -> None:
    figures = json.loads(json.dumps(result.figures))
    pair = heart_pair(SHIFT, BENT_MM)
    moved = np.linalg.norm(pair.displacement_mm[pair.truth > 0], axis=-1).mean()
    assert figures["stages_kept"][0] == "rigid"
    assert figures["displacement_mm"] == pytest.approx(moved, abs=2.5)
    assert figures["after_mutual_information"] > 1.2 * figures["before_mutual_information"]
    assert figures["after_lung_dice"] > figures["before_lung_dice"]
    assert set(figures["tried"]) == {"world", "rigid", "bspline"}
    assert figures["mirror_check"]["as_is"] > figures["mirror_check"]["left_right"]
    assert figures["cut_off"] == {}
    assert figures["blood_hu"]["contrast"] > figures["blood_hu"]["native"] + 100
    for volume in figures["volume_ml"].values():
        assert volume["native"] == pytest.approx(volume["contrast"], rel=0.25)
    assert result.findings == ()
    assert result.refusal == ""


def test_only_what_is_wanted_is_written(task) -> None:
    wanted = ("heart_atrium_left", "pulmonary_artery")
    result = carry_pair(replace(task, wanted=wanted))
    assert {mask.structure for mask in result.masks} == set(wanted)


def test_a_refused_pair_writes_nothing_and_gives_a_finding_with_figures(task, tmp_path) -> None:
    settings = replace(task.settings, least_lung_dice=1.0)
    provenance = replace(task.provenance, settings_digest="strict")
    before = sorted(Path(task.layout.root).rglob("*.nii.gz"))
    result = carry_pair(replace(task, settings=settings, provenance=provenance))
    assert result.masks == ()
    assert result.refusal.startswith("lung Dice 0.9")
    (finding,) = result.findings
    assert finding.kind == "pair_refused"
    assert "c-e1 was not carried onto this scan: lung Dice 0.9" in finding.words
    assert finding.figures["after_lung_dice"] > finding.figures["before_lung_dice"]
    assert sorted(Path(task.layout.root).rglob("*.nii.gz")) == before


def test_without_masks_it_says_how_to_make_some(task) -> None:
    with pytest.raises(MasksmithError, match="c-e1 has no mask of the heart in force; make one"):
        carry_pair(replace(task, masks=()))


@pytest.fixture
def own(tmp_path: Path) -> PairTask:
    """A pair of its own, to be damaged."""
    workspace = Workspace.create(tmp_path / "workspace")
    contrast, native = add_exam(workspace, "e1", heart_pair(SHIFT, BENT_MM))
    settings = TransferHeartSettings(**QUICK)
    return make_task(workspace, ScanPair(contrast.id, native.id, "test"), settings)


def test_a_damaged_ct_is_named(own: PairTask) -> None:
    path = own.layout.ct("n-e1")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MasksmithError, match=r"n-e1.*ct\.nii\.gz"):
        carry_pair(own)


def test_a_ct_that_was_exchanged_is_refused(own: PairTask) -> None:
    own.layout.ct("n-e1").write_bytes(own.layout.ct("c-e1").read_bytes())
    with pytest.raises(MasksmithError, match=r"n-e1.*expected .*changed after intake"):
        carry_pair(own)


def test_a_lent_mask_that_was_changed_is_refused(own: PairTask) -> None:
    first, second = own.masks[:2]
    path = own.layout.mask("c-e1", first.structure, first.id)
    other = own.layout.mask("c-e1", second.structure, second.id)
    path.write_bytes(other.read_bytes())
    with pytest.raises(MasksmithError, match=f"{first.structure}.*expected"):
        carry_pair(own)
