"""The stage: findings written, kept while nothing changes, odd cases survived; and on files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.cli.main import main
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.phantom import BodySettings
from pipeline.volume import Grid, write_nifti
from pipeline.workspace import (
    Case,
    Provenance,
    Verdict,
    digest_of_ct,
    read_findings,
    write_case,
    write_label_map_masks,
)
from qc.plausibility.case_check import context_of, paint
from qc.plausibility.checking import apply_rules, check_case
from qc.plausibility.cohort import make_cohort, size_of
from qc.plausibility.plausibility import STAGE, run, run_on_files
from qc.plausibility.rule import Rule
from qc.plausibility.scene import make_scene
from qc.plausibility.settings import PlausibilitySettings
from qc.plausibility.thresholds import shipped_thresholds, with_shipped

COARSE = BodySettings(
    seed=41, spacing_mm=(6.0, 6.0, 6.0), field_of_view="abdomen", in_plane_mm=(360.0, 300.0)
)


@pytest.fixture
def body(phantom):
    return phantom(COARSE)


@pytest.fixture
def swapped(body, phantom_class_map):
    """Labels of a body whose kidneys have each other's name."""
    left, right = (phantom_class_map[f"kidney_{side}"].value for side in ("left", "right"))
    labels = body.labels.copy(order="F")
    labels[body.labels == left], labels[body.labels == right] = right, left
    return labels


@pytest.fixture
def filed(workspace, body, swapped):
    """Give a function that files the body under an id, with exchanged kidneys if wanted."""

    def file(case_id, *, wrong=False, provenance=None):
        ct = np.asfortranarray(body.ct + np.int16(len(workspace.cases())))
        case = Case(case_id, body.grid, digest_of_ct(ct, body.grid), meta={"sex": "f"})
        write_case(workspace.layout, case, ct)
        workspace.record_case(case)
        labels = swapped if wrong else body.labels
        made = provenance or Provenance("model", "model:x")
        masks = write_label_map_masks(workspace.layout, case, labels, workspace.class_map, made)
        workspace.record_masks(masks)
        return case

    return file


def outcomes(workspace, **settings):
    found = list(run(workspace, PlausibilitySettings(**settings), SerialEngine()))
    return {outcome.subject: outcome for outcome in found}


def test_findings_are_written_and_kept_until_something_changes(workspace, filed, body):
    filed("clean")
    wrong = filed("wrong", wrong=True)
    first = outcomes(workspace)
    assert {name: outcome.status for name, outcome in first.items()} == {
        "clean": "done", "wrong": "done",
    }  # fmt: skip
    (found,) = [
        f
        for f in read_findings(workspace.layout, "wrong")["plausibility"]
        if f.kind == "sides_swapped"
    ]
    assert found.structures == ("kidney_left", "kidney_right")
    assert first["wrong"].figures["high"] >= 1
    assert first["clean"].figures["high"] == 0
    assert {outcome.status for outcome in outcomes(workspace).values()} == {"kept"}
    masks = write_label_map_masks(
        workspace.layout, wrong, body.labels, workspace.class_map, Provenance("human", "person:a")
    )
    workspace.record_masks(masks)
    second = outcomes(workspace)
    assert (second["clean"].status, second["wrong"].status) == ("kept", "done")
    kinds = {f.kind for f in read_findings(workspace.layout, "wrong")["plausibility"]}
    assert "sides_swapped" not in kinds


def test_other_thresholds_and_named_cases_are_checked_anew(workspace, filed):
    filed("a", wrong=True)
    filed("b", wrong=True)
    outcomes(workspace)
    wide = {"numbers": {"side_swap_mm": {"value": 500, "source": "a test"}}}
    again = outcomes(workspace, cases=("b",), thresholds=wide, rules=("sides",))
    assert list(again) == ["b"]
    assert again["b"].status == "done"
    assert [f.kind for f in read_findings(workspace.layout, "b")["plausibility"]] == [
        "wrong_side", "wrong_side",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "years"), [("63", 63.0), ("4.5", 4.5), ("sixty", None), ("", None)]
)
def test_ages_may_be_broken(add_case, workspace, said, years):
    add_case("a", meta={"age": said} if said else {})
    assert context_of(workspace.record("a"), workspace.class_map).age_years == years


def test_a_damaged_mask_fails_its_case_alone(workspace, filed):
    case = filed("a")
    filed("b")
    mask = workspace.in_force(case.id)["liver"]
    workspace.layout.mask("a", "liver", mask.id).write_bytes(b"no mask")
    found = outcomes(workspace)
    assert (found["a"].status, found["b"].status) == ("failed", "done")
    assert "damaged" in found["a"].note


def test_an_excluded_case_and_one_without_masks_are_left_out(workspace, filed, add_case):
    filed("a")
    add_case("bare")
    workspace.record_verdicts([Verdict("a", "exclude_case", "anna")])
    assert outcomes(workspace) == {}


def test_rounds_are_compared_and_an_overlap_is_seen(workspace, filed, body):
    case = filed("a")
    liver = np.zeros(body.labels.shape, np.uint8, order="F")
    liver[20:24, 20:24, 20:24] = workspace.class_map["liver"].value
    made = Provenance("round", "round:1", round=1)
    workspace.record_masks(
        write_label_map_masks(workspace.layout, case, liver, workspace.class_map, made)
    )
    outcomes(workspace)
    kinds = {f.kind for f in read_findings(workspace.layout, "a")["plausibility"]}
    assert "changed" in kinds
    crop = np.ones((4, 4, 4), bool)
    box = (slice(0, 4), slice(0, 4), slice(0, 4))
    other = (slice(2, 6), slice(0, 4), slice(0, 4))
    _, overlaps = paint([(1, crop, box), (2, crop, other)], body.grid, workspace.class_map)
    (pair,) = overlaps
    assert (pair.first, pair.second, pair.share_of_smaller) == ("spleen", "kidney_right", 0.5)
    assert pair.volume_ml == pytest.approx(32 * 0.216)


def test_a_structure_unlike_those_of_the_other_cases_is_found(body, phantom_class_map):
    value = phantom_class_map["spleen"].value
    voxels = int((body.labels == value).sum())
    box = (slice(4, 14), slice(4, 14), slice(4, 14))
    spread = np.linspace(0.9, 1.1, 15)
    cohort = make_cohort(
        ("f", {"gallbladder": size_of(int(voxels * share), box, body.grid)}) for share in spread
    )
    known = cohort.spread("gallbladder", "volume_ml", "f", 12)
    assert known.cases == 15
    assert known.median == pytest.approx(voxels * body.grid.voxel_ml, rel=0.01)
    assert cohort.spread("gallbladder", "volume_ml", "m", 16) is None
    scene = make_scene(body.labels, body.grid, phantom_class_map, body.ct)
    found = [f for f in check_case(scene, shipped_thresholds(), cohort) if "size" in f.kind]
    assert [(f.kind, f.structures) for f in found] == [("size_unlike_cohort", ("gallbladder",))]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 30), (40, 1, 30), (40, 30, 1), (20, 20, 20)])
@pytest.mark.parametrize("filling", ["empty", "one voxel", "full", "noise"])
def test_odd_volumes_break_no_rule(phantom_class_map, shape, filling):
    rng = np.random.default_rng(1)
    labels = np.zeros(shape, np.uint8)
    if filling == "one voxel":
        labels[tuple(n // 2 for n in shape)] = 5
    elif filling == "full":
        labels[:] = 2
    elif filling == "noise":
        labels = rng.integers(0, 105, shape, np.uint8)
    turn = np.array([[0, -1, 0.1, 3], [1, 0.1, 0, 5], [0.1, 0, -2, 7], [0, 0, 0, 1]])
    ct = rng.integers(-1000, 1500, shape).astype(np.int16)
    names = frozenset(phantom_class_map.names)
    for given in (ct, None):
        scene = make_scene(labels, Grid(shape, turn), phantom_class_map, given)
        scene = replace(scene, context=replace(scene.context, decided=names))
        from qc.plausibility.rules import RULES

        assert apply_rules(RULES, scene, shipped_thresholds()).failures == {}


def test_turned_volumes_give_the_same_findings(swapped, body, phantom_class_map):
    expected = check_case(
        make_scene(swapped, body.grid, phantom_class_map, body.ct), shipped_thresholds()
    )
    affine = np.array(body.grid.affine)[:, [2, 0, 1, 3]]
    affine[:3, 3] += affine[:3, 0] * (body.labels.shape[2] - 1)
    affine[:3, 0] *= -1
    labels, ct = (a.transpose(2, 0, 1)[::-1] for a in (swapped, body.ct))
    scene = make_scene(labels, Grid(labels.shape, affine), phantom_class_map, ct)
    found = check_case(scene, shipped_thresholds())
    assert [(f.kind, f.structures) for f in found] == [(f.kind, f.structures) for f in expected]
    np.testing.assert_allclose(found[0].place_mm, expected[0].place_mm, atol=0.2)


def test_a_rule_that_fails_stops_no_other(body, phantom_class_map):
    def fail(*_):
        raise ValueError("no spine")

    scene = make_scene(body.labels, body.grid, phantom_class_map)
    checked = apply_rules([Rule("broken", "", fail, ())], scene, shipped_thresholds())
    assert checked.findings == ()
    assert checked.failures == {"broken": "ValueError: no spine"}


def test_unknown_thresholds_and_rules_are_refused():
    with pytest.raises(ValueError, match="did you mean side_share"):
        with_shipped({"numbers": {"side_shar": {"value": 1, "source": "none"}}})
    with pytest.raises(ValueError, match="no rule side; there are sides"):
        PlausibilitySettings(rules=("side",))
    assert shipped_thresholds()["island_ml"] > 0


def test_files_are_checked_without_a_workspace(tmp_path, body, swapped, capsys):
    write_nifti(tmp_path / "ct.nii.gz", body.ct, body.grid)
    write_nifti(tmp_path / "seg.nii.gz", swapped, body.grid)
    words = ["plausibility", "-i", str(tmp_path / "ct.nii.gz"), "-s", str(tmp_path / "seg.nii.gz")]
    assert main([*words, "--json"]) == 0
    (outcome,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert outcome["figures"]["details"][0]["kind"] == "sides_swapped"
    assert outcome["figures"]["high"] >= 1
    assert main(words) == 0
    assert "sides_swapped" in capsys.readouterr().out


def test_a_folder_of_masks_and_files_that_do_not_fit(tmp_path, body, phantom_class_map):
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("kidney_left", "kidney_right"):
        other = phantom_class_map[name].mirror
        mask = (body.labels == phantom_class_map[other].value).astype(np.uint8)
        write_nifti(folder / f"{name}.nii.gz", mask, body.grid)
    write_nifti(folder / "tail.nii.gz", mask, body.grid)
    (outcome,) = run_on_files(PlausibilitySettings(segmentation=folder), SerialEngine())
    assert outcome.figures["unknown"] == ["tail"]
    assert "sides_swapped" in outcome.figures["kinds"]
    with pytest.raises(UsageError, match="--segmentation"):
        list(run_on_files(PlausibilitySettings(input=folder), SerialEngine()))
    with pytest.raises(BadInput, match="--class-map"):
        list(
            run_on_files(
                PlausibilitySettings(segmentation=folder, class_map="lungmask_lobes"),
                SerialEngine(),
            )
        )
    write_nifti(tmp_path / "ct.nii.gz", body.ct[1:], Grid((60, *body.ct.shape[1:]), np.eye(4)))
    wrong = PlausibilitySettings(input=tmp_path / "ct.nii.gz", segmentation=folder)
    with pytest.raises(BadInput, match="not on the grid of the CT"):
        list(run_on_files(wrong, SerialEngine()))
    with pytest.raises(UsageError, match="is a folder, expected a NIfTI file"):
        list(run_on_files(PlausibilitySettings(input=folder, segmentation=folder), SerialEngine()))


def test_masks_of_a_folder_that_overlap_and_lie_turned_are_checked(
    tmp_path, body, phantom_class_map
):
    write_nifti(tmp_path / "ct.nii.gz", body.ct, body.grid)
    liver = body.labels == phantom_class_map["liver"].value
    affine = np.array(body.grid.affine)
    affine[:3, 3] += affine[:3, 0] * (liver.shape[0] - 1)
    affine[:3, 0] *= -1
    for name in ("liver", "spleen"):
        mask = liver.astype(np.uint8)[::-1]
        write_nifti(tmp_path / "masks" / f"{name}.nii.gz", mask, Grid(liver.shape, affine))
    given = PlausibilitySettings(
        input=tmp_path / "ct.nii.gz", segmentation=tmp_path / "masks", rules=("overlap",)
    )
    (outcome,) = run_on_files(given, SerialEngine())
    (found,) = outcome.figures["details"]
    assert (found["kind"], found["figures"]["share_of_smaller"]) == ("overlapping", 1.0)
    voxel = np.linalg.inv(body.grid.affine) @ (*found["place_mm"], 1.0)
    assert liver[tuple(np.rint(voxel[:3]).astype(int))]
    assert "axes turned from" in outcome.note


def test_rules_about_what_a_class_map_lacks_are_silent(body):
    from pipeline.anatomy import find_class_map, shipped_configs

    ribs = find_class_map("ribseg", shipped_configs())
    labels = (body.labels == 62).astype(np.uint8)
    assert check_case(make_scene(labels, body.grid, ribs), shipped_thresholds()) == ()
    assert STAGE.run_on_files is run_on_files
