"""Who and what a dataset is of: every case is in each panel once, also where nothing is known."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.main import main
from pipeline.workspace import Verdict
from qc.cohort import cohort_of
from qc.cohort_figure import MOST_BARS, shown_bars
from tests.fixtures.workspaces import hash_of

FACTS = (
    ("63", "f", "A", "ct abdomen"),
    ("67.0", "m", "A", "ct abdomen"),
    ("41", "m", "B", "ct thorax"),
    ("", "", "", ""),
    ("103", "o", "B", "ct abdomen"),
    ("60", "f", "A", "ct head"),
)


@pytest.fixture
def dataset(workspace, add_case):
    for number, values in enumerate(FACTS):
        names = ("age", "sex", "site", "study_type")
        meta = {name: value for name, value in zip(names, values, strict=True) if value}
        patient = None if number == 3 else f"p{number // 2}"
        add_case(f"s{number}", seed=hash_of(f"s{number}"), meta=meta, patient_id=patient)
    workspace.record_verdicts([Verdict("s5", "exclude_case", "anna")])
    return workspace


def test_every_case_is_in_each_panel_once(dataset):
    cohort = cohort_of(dataset)
    assert (cohort.cases, cohort.excluded, cohort.patients, cohort.without_patient) == (5, 1, 4, 1)
    panels = {panel.name: panel for panel in cohort.panels}
    assert list(panels) == ["age", "sex", "site", "image_type"]
    for panel in panels.values():
        assert sum(count for _, count in panel.counts) + panel.unknown == 5
        assert panel.unknown == 1
    ages = dict(panels["age"].counts)
    assert list(ages) == ["40-49", "50-59", "60-69", "70-79", "80-89", "90-99", "100+"]
    assert (ages["40-49"], ages["50-59"], ages["60-69"], ages["100+"]) == (1, 0, 2, 1)
    assert panels["sex"].counts == (("female", 1), ("male", 2), ("other", 1))
    assert panels["site"].counts == (("A", 2), ("B", 2))
    assert panels["image_type"].counts == (("ct abdomen", 3), ("ct thorax", 1))


def test_phases_are_drawn_where_more_cases_have_one(workspace, add_case):
    add_case("a", phase="native", meta={"study_type": "ct head"})
    add_case("b", phase="portal_venous")
    panel = cohort_of(workspace).panels[3]
    assert panel.title == "Image type: contrast phase"
    assert panel.counts == (("native", 1), ("portal_venous", 1))


def test_rare_values_share_a_bar(workspace, add_case):
    for number in range(MOST_BARS + 3):
        add_case(f"s{number:02d}", meta={"site": f"site {number:02d}"})
    add_case("last")
    bars = shown_bars(cohort_of(workspace).panels[2])
    assert len(bars) == MOST_BARS + 2
    assert bars[-2:] == [("3 others", 3, "others"), ("not known", 1, "unknown")]


def test_figure_and_tables_are_written(dataset, tmp_path, capsys):
    dataset.ledger.close()
    out = tmp_path / "out"
    code = main(["cohort", "--workspace", str(dataset.path), "--out", str(out)])
    said = capsys.readouterr().out
    assert code == 0
    assert said.startswith(
        "5 cases of 4 patients (1 without a patient's pseudonym, counted singly; 1 excluded, not "
        "shown)\nAge (years): 7 values, known of 4 cases\n"
    )
    with (out / "cohort.csv").open(newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert ("sex", "male", "2") in rows
    assert ("site", "not known", "1") in rows
    document = json.loads((out / "cohort.json").read_text())
    assert [panel["unknown"] for panel in document["panels"]] == [1, 1, 1, 1]
    picture = np.asarray(Image.open(out / "cohort.png").convert("RGB")).astype(int)
    assert picture.shape[1] == 1380
    for colour in ((213, 94, 0), (0, 114, 178), (31, 111, 180)):
        assert (np.abs(picture - colour).max(axis=2) < 4).sum() > 500


def test_a_workspace_without_cases_is_said(workspace, tmp_path, capsys):
    workspace.ledger.close()
    code = main(["cohort", "--workspace", str(workspace.path), "--out", str(tmp_path / "out")])
    assert code == 3
    assert "no case" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_said(dataset, tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert main(["cohort", "--workspace", str(dataset.path), "--out", str(out)]) == 4
    assert f"{out / 'cohort.png'}: cannot be written" in capsys.readouterr().err
