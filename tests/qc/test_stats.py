"""The stage: measures what changed, keeps the rest, and one bad case fails alone."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from pipeline.engine import SerialEngine
from pipeline.errors import NothingToDo
from pipeline.stage import run_stage
from pipeline.workspace import Provenance, Verdict, write_mask
from qc.measuring import read_measurements
from qc.stats import STAGE, StatsSettings

MODEL = Provenance(origin="model", maker="model:first")
HUMAN = Provenance(origin="human", maker="person:anna")


def measure(workspace, **settings):
    report = run_stage(STAGE, workspace, StatsSettings(**settings), SerialEngine())
    return {outcome.subject: outcome for outcome in report.outcomes}


def statuses(outcomes):
    return {subject: outcome.status for subject, outcome in outcomes.items()}


def table_of(workspace):
    with workspace.layout.stats_csv.open(newline="") as file:
        return {(row["case"], row["structure"]): row for row in csv.DictReader(file)}


@pytest.fixture
def two_cases(workspace, add_case, add_masks):
    facts = {"age": "63", "sex": "f"}
    for case_id in ("s0001", "s0002"):
        case = add_case(case_id, phase="native", meta=facts, patient_id="p1")
        add_masks(case, MODEL)
    return workspace


def test_a_row_holds_what_the_voxels_say(two_cases):
    measure(two_cases)
    row = table_of(two_cases)["s0001", "liver"]
    ct, mask = two_cases.ct("s0001"), two_cases.mask_array(two_cases.in_force("s0001")["liver"])
    hu = ct[mask].astype(float)
    assert int(row["voxels"]) == 12**3
    assert float(row["volume_ml"]) == pytest.approx(12**3 * 0.045)
    assert float(row["mean_hu"]) == pytest.approx(hu.mean(), abs=1e-4)
    assert float(row["median_hu"]) == np.median(hu)
    assert float(row["sd_hu"]) == pytest.approx(hu.std(), abs=1e-4)
    centre = [float(row[f"centroid_{axis}_mm"]) for axis in "xyz"]
    assert centre == pytest.approx([-54 + 25.5 * 3, -36 + 13.5 * 3, 100 + 15.5 * 5])
    assert (row["touches_border"], row["border_sides"]) == ("no", "")
    facts = [row[name] for name in ("patient", "age", "sex", "phase", "presence", "accepted")]
    assert facts == ["p1", "63", "f", "native", "present", "no"]


def test_parquet_says_the_same_with_types(two_cases):
    measure(two_cases)
    rows = parquet.read_table(two_cases.layout.stats_parquet).to_pylist()
    texts = table_of(two_cases)
    assert len(rows) == len(texts) == 6
    for row in rows:
        text = texts[row["case"], row["structure"]]
        assert row["voxels"] == int(text["voxels"])
        assert row["mean_hu"] == pytest.approx(float(text["mean_hu"]), abs=1e-4)
        assert row["accepted"] is False
        assert row["age"] == 63.0


def test_only_what_changed_is_measured_again(two_cases):
    assert statuses(measure(two_cases)) == {"s0001": "done", "s0002": "done"}
    assert statuses(measure(two_cases)) == {"s0001": "kept", "s0002": "kept"}
    case = two_cases.case("s0002")
    box = np.zeros(case.grid.shape, np.bool_)
    box[0:3, 4:6, 5:8] = True
    two_cases.record_masks([write_mask(two_cases.layout, case, "spleen", box, HUMAN)])
    assert read_measurements(two_cases.layout, two_cases.record("s0002")) is None
    outcomes = measure(two_cases)
    assert statuses(outcomes) == {"s0001": "kept", "s0002": "done"}
    assert outcomes["s0002"].figures == {"structures": 3, "touch_border": 1}
    row = table_of(two_cases)["s0002", "spleen"]
    assert (row["voxels"], row["border_sides"], row["origin"]) == ("18", "L", "human")
    assert statuses(measure(two_cases, again=True)) == {"s0001": "done", "s0002": "done"}


def test_absent_empty_and_unknown_are_told_apart(two_cases):
    case = two_cases.case("s0001")
    nothing = np.zeros(case.grid.shape, np.bool_)
    two_cases.record_masks([write_mask(two_cases.layout, case, "pancreas", nothing, MODEL)])
    liver = two_cases.in_force("s0001")["liver"]
    two_cases.record_verdicts(
        [
            Verdict("s0001", "absent_fov", "anna", "urinary_bladder"),
            Verdict("s0001", "accept", "anna", "liver", liver.id),
        ]
    )
    measure(two_cases)
    table = table_of(two_cases)
    assert table["s0001", "liver"]["accepted"] == "yes"
    pancreas, bladder = table["s0001", "pancreas"], table["s0001", "urinary_bladder"]
    assert (pancreas["presence"], pancreas["volume_ml"], pancreas["mean_hu"]) == ("empty", "0", "")
    assert pancreas["touches_border"] == ""
    assert (bladder["presence"], bladder["volume_ml"], bladder["mask"]) == ("absent_fov", "", "")
    assert ("s0001", "brain") not in table


def test_a_verdict_changes_the_table_without_measuring(two_cases):
    measure(two_cases)
    two_cases.record_verdicts([Verdict("s0001", "exclude_case", "anna")])
    assert statuses(measure(two_cases)) == {"s0002": "kept"}
    assert {case for case, _ in table_of(two_cases)} == {"s0002"}


def test_a_damaged_mask_fails_its_case_alone(two_cases):
    mask = two_cases.in_force("s0001")["liver"]
    two_cases.layout.mask("s0001", "liver", mask.id).write_bytes(b"no mask")
    outcomes = measure(two_cases)
    assert statuses(outcomes) == {"s0001": "failed", "s0002": "done"}
    assert "damaged" in outcomes["s0001"].note
    assert {case for case, _ in table_of(two_cases)} == {"s0002"}


def test_a_damaged_record_is_measured_again(two_cases):
    measure(two_cases)
    two_cases.layout.stats_record("s0001").write_text("{")
    assert statuses(measure(two_cases)) == {"s0001": "done", "s0002": "kept"}
    assert "liver" in json.loads(two_cases.layout.stats_record("s0001").read_text())["structures"]


def test_a_case_that_is_not_there_is_an_error(two_cases):
    with pytest.raises(NothingToDo, match="s0009"):
        measure(two_cases, cases=("s0009",))
