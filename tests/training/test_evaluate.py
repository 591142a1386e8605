"""The stage on files, against figures worked out another way."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from pipeline.anatomy import find_class_map, shipped_configs
from pipeline.cli.main import main
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import run_stage_on_files
from pipeline.volume import read_nifti
from tests.fixtures.label_pairs import BLOBS, SPACING_MM, VALUES, blob_map, write_labels
from tests.fixtures.nsd_oracle import oracle_nsd
from training.evaluate import STAGE
from training.evaluation.settings import EvaluateSettings

ML = math.prod(SPACING_MM) / 1000
SPLEEN_ML = 2 * 3 * 2 * ML


def settings_of(folder, class_map, **changes):
    given = {
        "truth": folder / "truth",
        "predictions": str(folder / "predictions"),
        "out": folder / "out",
        "class_map": class_map,
        "resamples": 200,
        "figures": False,
    }
    return EvaluateSettings.model_validate({**given, **changes})


def evaluate(folder, class_map, **changes):
    settings = settings_of(folder, class_map, **changes)
    return run_stage_on_files(STAGE, settings, SerialEngine())


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rows_of(folder, name="metrics.csv"):
    return {(row["case"], row["structure"]): row for row in table(folder / "out" / name)}


def summary_of(folder):
    return json.loads((folder / "out" / "summary.json").read_text())


def test_every_row_is_that_of_dice_and_nsd_done_by_hand(label_pairs, few_structures):
    assert evaluate(label_pairs, few_structures).failures == ()
    rows = rows_of(label_pairs)
    assert len(rows) == 3 * 4
    for case in ("a1", "a2", "b1"):
        truth = read_nifti(label_pairs / "truth" / f"{case}.nii.gz").array
        prediction = read_nifti(label_pairs / "predictions" / f"{case}.nii.gz").array
        for name, value in VALUES.items():
            a, b, row = truth == value, prediction == value, rows[case, name]
            assert float(row["truth_ml"]) == pytest.approx(a.sum() * ML)
            assert float(row["prediction_ml"]) == pytest.approx(b.sum() * ML)
            if not a.any():
                assert (row["dice"], row["nsd"]) == ("", "")
                continue
            assert float(row["dice"]) == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
            nsd = oracle_nsd(a, b, SPACING_MM, 3.0)
            assert float(row["nsd"]) == pytest.approx(nsd, abs=1e-9)
            assert float(row["both_ml"]) == pytest.approx((a & b).sum() * ML)


def test_missed_counts_as_0_and_a_false_positive_is_counted_and_never_averaged(
    label_pairs, few_structures
):
    evaluate(label_pairs, few_structures)
    rows, summary = rows_of(label_pairs), summary_of(label_pairs)
    assert rows["a2", "rib_left_3"]["found"] == "missed"
    assert rows["a2", "rib_left_3"]["dice"] == rows["a2", "rib_left_3"]["nsd"] == "0"
    assert rows["b1", "spleen"]["found"] == "false_positive"
    assert rows["a2", "spleen"]["found"] == "absent"
    counted = [float(row["dice"]) for row in rows.values() if row["dice"]]
    overall = summary["overall"]
    assert len(counted) == overall["rows"] == 7
    assert overall["dice"] == pytest.approx(np.mean(counted), abs=1e-6)
    assert overall["dice_low"] <= overall["dice"] <= overall["dice_high"]
    assert (overall["missed"], overall["false_positives"], overall["absent"]) == (1, 1, 5)
    assert overall["false_positive_ml"] == pytest.approx(SPLEEN_ML, abs=1e-4)
    assert summary["false_positives"] == [
        {"case": "b1", "structure": "spleen", "ml": pytest.approx(SPLEEN_ML, abs=1e-4)}
    ]
    spleen = summary["structures"]["spleen"]
    assert (spleen["rows"], spleen["dice"], spleen["false_positives"]) == (0, None, 1)


def test_groups_are_those_of_class_map_and_table(label_pairs, few_structures):
    cases = label_pairs / "cases.csv"
    cases.write_text("case,patient,age,site\na1,p1,63,north\na2,p1,64,north\nb1,p2,41,\n")
    evaluate(label_pairs, few_structures, cases=cases)
    groups = {(row["kind"], row["name"]): row for row in table(label_pairs / "out" / "groups.csv")}
    rows = rows_of(label_pairs)
    assert (groups["all", "all"]["cases"], groups["all", "all"]["patients"]) == ("3", "2")
    assert groups["site", "north"]["rows"] == "5"
    assert groups["age", "40-49"]["rows"] == "2"
    assert groups["part", "ribs"]["rows"] == groups["family", "rib"]["rows"] == "2"
    assert groups["site", "north"]["dice_low"] == ""  # one patient
    organs = [r for r in rows.values() if r["part"] == "organs" and r["nsd"]]
    expected = np.mean([float(row["nsd"]) for row in organs])
    assert float(groups["category", "organ"]["nsd"]) == pytest.approx(expected, abs=1e-6)
    assert rows["a1", "liver"]["site"] == "north"
    assert rows["a1", "liver"]["patient"] == "p1"


def test_two_predictions_are_compared_on_what_both_cover(label_pairs, few_structures, tmp_path):
    two = tmp_path / "two.yaml"
    two.write_text("name: two\nstructures: {5: liver, 9: kidney_left, 7: tooth}\n")
    for case, shift in (("a1", 2), ("a2", 0), ("b1", 1)):
        labels = np.zeros((24, 20, 18), np.uint8, order="F")
        labels[BLOBS["liver"]], labels[BLOBS["kidney_left"]] = 5, 9
        write_labels(tmp_path / "other" / f"{case}.nii.gz", np.roll(labels, shift, axis=0))
    evaluate(
        label_pairs, few_structures, compare=str(tmp_path / "other"), compare_class_map=str(two)
    )
    ours, theirs = rows_of(label_pairs), rows_of(label_pairs, "metrics_compare.csv")
    pairs = {(r["kind"], r["name"]): r for r in table(label_pairs / "out" / "comparison.csv")}
    common = [key for key, row in ours.items() if row["dice"] and key in theirs]
    assert {name for _, name in common} == {"liver", "kidney_left"}
    whole = pairs["all", "all"]
    gaps = [float(ours[key]["nsd"]) - float(theirs[key]["nsd"]) for key in common]
    assert int(whole["rows"]) == len(common) == 5
    assert float(whole["nsd_difference"]) == pytest.approx(np.mean(gaps), abs=1e-6)
    assert float(whole["other_dice"]) == pytest.approx(
        np.mean([float(theirs[key]["dice"]) for key in common]), abs=1e-6
    )
    assert ("structure", "rib_left_3") not in pairs
    assert summary_of(label_pairs)["not_covered"]["compare"] == ["rib_left_3", "spleen"]


def test_a_bad_case_stops_no_other(label_pairs, few_structures):
    truth, predictions = label_pairs / "truth", label_pairs / "predictions"
    write_labels(predictions / "a1.nii.gz", blob_map("liver"), shift_mm=4)
    strange = blob_map("liver")
    strange[0, 0, 0] = 77
    write_labels(predictions / "a2.nii.gz", strange)
    write_labels(truth / "only_truth.nii.gz", blob_map("liver"))
    write_labels(predictions / "only_prediction.nii.gz", blob_map("liver"))
    write_labels(truth / "broken.nii.gz", blob_map("liver"))
    (predictions / "broken.nii.gz").write_bytes(b"\x1f\x8bno")
    report = evaluate(label_pairs, few_structures)
    reasons = {outcome.subject: outcome.note for outcome in report.failures}
    assert sorted(reasons) == ["a1", "a2", "broken", "only_prediction", "only_truth"]
    for words in ("truth/a1.nii.gz", "predictions/a1.nii.gz", "origin (-10.00", "origin (-6.00"):
        assert words in reasons["a1"]
    assert "label values 77, which stand for nothing in class map 'few'" in reasons["a2"]
    assert "no prediction in" in reasons["only_truth"]
    assert "without truth in" in reasons["only_prediction"]
    assert "broken.nii.gz" in reasons["broken"]
    assert {case for case, _ in rows_of(label_pairs)} == {"b1"}
    assert summary_of(label_pairs)["failures"] == reasons


def test_unknown_values_can_be_left_out(label_pairs, few_structures):
    strange = blob_map("liver", "rib_left_3")
    strange[0, 0, 0] = 77
    write_labels(label_pairs / "predictions" / "a2.nii.gz", strange)
    assert evaluate(label_pairs, few_structures, ignore_unknown=True).failures == ()
    assert rows_of(label_pairs)["a2", "rib_left_3"]["dice"] == "1"


def test_masks_without_a_file_are_unknown_in_the_truth_and_empty_in_a_prediction(
    label_pairs, few_structures
):
    for side in ("truth", "predictions"):
        for case in ("a1", "b1"):
            labels = read_nifti(label_pairs / side / f"{case}.nii.gz").array
            for name in ("liver", "kidney_left", "spleen"):
                mask = ((labels == VALUES[name]) * 255).astype(np.uint8)
                write_labels(label_pairs / f"{side}_masks" / case / f"{name}.nii.gz", mask)
    (label_pairs / "truth_masks" / "a1" / "liver.nii.gz").unlink()
    (label_pairs / "predictions_masks" / "b1" / "kidney_left.nii.gz").unlink()
    report = evaluate(
        label_pairs,
        few_structures,
        truth=label_pairs / "truth_masks",
        predictions=str(label_pairs / "predictions_masks"),
    )
    rows = rows_of(label_pairs)
    assert ("a1", "liver") not in rows
    assert rows["b1", "kidney_left"]["found"] == "missed"
    notes = {outcome.subject: outcome.note for outcome in report.outcomes}
    assert notes["b1"].endswith("no mask of kidney_left: counted as 0")
    # As label maps: the same figures.
    kept = {key: row["nsd"] for key, row in rows.items() if key != ("b1", "kidney_left")}
    evaluate(label_pairs, few_structures)
    again = rows_of(label_pairs)
    assert {key: again[key]["nsd"] for key in kept} == kept


def test_several_values_in_a_mask_are_refused(label_pairs, few_structures):
    write_labels(label_pairs / "m" / "a1" / "liver.nii.gz", blob_map("liver", "rib_left_3"))
    report = evaluate(label_pairs, few_structures, predictions=str(label_pairs / "m"))
    reasons = {outcome.subject: outcome.note for outcome in report.failures}
    assert "found several values, expected a mask" in reasons["a1"]


def test_two_files_are_one_case_whatever_they_are_called(label_pairs, few_structures):
    other = write_labels(label_pairs / "fast.nii.gz", blob_map("liver"))
    truth = label_pairs / "truth" / "a2.nii.gz"
    report = evaluate(label_pairs, few_structures, truth=truth, predictions=str(other))
    assert report.failures == ()
    assert rows_of(label_pairs)["a2", "liver"]["dice"] == "1"


def test_only_the_structures_that_were_asked_for_are_scored(label_pairs, few_structures):
    evaluate(label_pairs, few_structures, structures=("kidney_left",))
    assert {name for _, name in rows_of(label_pairs)} == {"kidney_left"}
    with pytest.raises(BadInput, match="did you mean kidney_left"):
        evaluate(label_pairs, few_structures, structures=("kidney_lefd",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"predictions": None, "out": None}, "--predictions PATH and --out DIR"),
        ({"split": "all"}, "--split belongs to a workspace"),
    ],
)
def test_what_does_not_fit_together_is_said(label_pairs, few_structures, changes, words):
    with pytest.raises(UsageError, match=words):
        evaluate(label_pairs, few_structures, **changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,patient\na1,p\n", "found the columns name, patient, expected 'case'"),
        ("case,patient\na1,p\na1,q\n", ":3: found the case 'a1' a second time"),
    ],
)
def test_a_table_of_cases_that_is_none_is_refused(label_pairs, few_structures, text, words):
    (label_pairs / "cases.csv").write_text(text)
    with pytest.raises(BadInput, match=words):
        evaluate(label_pairs, few_structures, cases=label_pairs / "cases.csv")


def test_figures_are_drawn_and_old_ones_taken_away(label_pairs, few_structures):
    evaluate(label_pairs, few_structures, figures=True, compare=str(label_pairs / "truth"))
    drawn = summary_of(label_pairs)["figures"]
    assert drawn == [
        "figure_overall.png",
        "figure_families.png",
        "figure_structures.png",
        "figure_comparison.png",
    ]
    for name in drawn:
        picture = np.asarray(Image.open(label_pairs / "out" / name).convert("RGB")).astype(int)
        blue, orange = ((31, 111, 180), (232, 134, 42))
        for colour in (blue, orange):
            assert (abs(picture - colour).sum(axis=2) < 20).sum() > 30, name
    evaluate(label_pairs, few_structures)
    left = sorted(path.name for path in (label_pairs / "out").iterdir())
    assert left == ["groups.csv", "metrics.csv", "summary.json"]


def test_the_command_answers_with_a_table_and_exit_code_8(label_pairs, few_structures, capsys):
    write_labels(label_pairs / "truth" / "c1.nii.gz", blob_map("liver"))
    arguments = ["evaluate", "--truth", str(label_pairs / "truth"), "--predictions"]
    arguments += [str(label_pairs / "predictions"), "--class-map", few_structures, "--no-figures"]
    code = main([*arguments, "--out", str(label_pairs / "out"), "--jobs", "1", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 8
    assert document["workspace"] is None
    assert document["counts"] == {"done": 4, "kept": 0, "failed": 1}
    code = main([*arguments, "--out", str(label_pairs / "out"), "--jobs", "1"])
    said = capsys.readouterr()
    assert code == 8
    head, *lines, _ = said.out.splitlines()
    assert head.split()[:3] == ["group", "rows", "dice"]
    shown = document["outcomes"][-1]["figures"]["rows"]
    assert len(shown) == len(lines)
    assert all(row["rows"] or row["false_positives"] for row in shown)
    assert "c1: has truth, but no prediction in" in said.err


@pytest.mark.real_data
def test_a_real_pair_is_as_in_the_oracle(real_data, tmp_path):
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    truth, fast = folder / "example_seg.nii.gz", folder / "example_seg_fast.nii.gz"
    settings = EvaluateSettings(
        truth=truth, predictions=str(fast), out=tmp_path, class_map="totalsegmentator_v2",
        figures=False,
    )  # fmt: skip
    assert run_stage_on_files(STAGE, settings, SerialEngine()).failures == ()
    labels, predicted = read_nifti(truth), read_nifti(fast)
    rows = {row["structure"]: row for row in table(tmp_path / "metrics.csv")}
    class_map = find_class_map("totalsegmentator_v2", shipped_configs())
    assert sum(row["dice"] != "" for row in rows.values()) == len(np.unique(labels.array)) - 1 > 30
    for name, row in rows.items():
        a, b = (v.array == class_map[name].value for v in (labels, predicted))
        if a.any():
            dice = 2 * (a & b).sum() / (a.sum() + b.sum())
            assert float(row["dice"]) == pytest.approx(dice, abs=1e-9)
            nsd = oracle_nsd(a, b, labels.grid.spacing_mm, 3.0)
            assert float(row["nsd"]) == pytest.approx(nsd, abs=1e-9)
