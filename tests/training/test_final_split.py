from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadInput
from pipeline.volume import Grid
from pipeline.workspace import Case
from training.final_split import (
    SIDES,
    draw_split,
    patients_of,
    read_frozen_split,
    read_split,
    write_split,
)

PAPER = (1082, 57, 65)
PATIENTS = {"a1": "anna", "a2": "anna", "b1": "berta", "c1": "carla", "d1": "dora"}


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def sides_of_patients(split) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case, side in split.sides.items():
        found.setdefault(split.patients[case], set()).add(side)
    return found


def test_the_papers_numbers_come_out_for_the_papers_patients():
    split = draw_split({f"c{n}": f"p{n}" for n in range(1204)}, PAPER, 1)
    assert [split.count_patients(side) for side in SIDES] == [1082, 57, 65]


@given(
    st.lists(st.integers(0, 20), min_size=3, max_size=60).filter(lambda them: len(set(them)) > 2),
    st.integers(0, 5),
)
def test_a_patient_never_stands_on_two_sides(owners, seed):
    split = draw_split({f"c{n}": f"p{owner}" for n, owner in enumerate(owners)}, PAPER, seed)
    assert all(len(sides) == 1 for sides in sides_of_patients(split).values())
    assert all(split.cases(side) for side in SIDES)
    assert set(split.sides) == {f"c{n}" for n in range(len(owners))}


def test_the_seed_decides_and_the_order_of_cases_does_not():
    patients = {f"c{n}": f"p{n}" for n in range(60)}
    turned = dict(reversed(patients.items()))
    assert draw_split(patients, PAPER, 1).sides == draw_split(turned, PAPER, 1).sides
    assert draw_split(patients, PAPER, 1).sides != draw_split(patients, PAPER, 2).sides


def test_adding_patients_moves_few():
    few = draw_split({f"c{n}": f"p{n}" for n in range(500)}, PAPER, 1).sides
    more = draw_split({f"c{n}": f"p{n}" for n in range(520)}, PAPER, 1).sides
    assert sum(more[case] != side for case, side in few.items()) <= 5


def test_a_proportion_of_nought_leaves_a_side_empty():
    split = draw_split({f"c{n}": f"p{n}" for n in range(9)}, (2, 1, 0), 1)
    assert [split.count_patients(side) for side in SIDES] == [6, 3, 0]


def test_fewer_than_three_patients_are_refused():
    with pytest.raises(BadInput, match=r"found 2 patients .* needs 3"):
        draw_split({"a": "p", "b": "p", "c": "q"}, PAPER, 1)


def test_a_case_without_patient_belongs_to_its_exams():
    grid = Grid((2, 2, 2), np.eye(4))
    cases = [
        Case("native", grid, "1", patient_id="p", exam_id="e"),
        Case("contrast", grid, "2", exam_id="e"),
        Case("first", grid, "3", exam_id="f"),
        Case("second", grid, "4", exam_id="f"),
        Case("alone", grid, "5"),
    ]
    assert patients_of(cases) == {
        "native": "p", "contrast": "p", "first": "f", "second": "f", "alone": "alone",
    }  # fmt: skip


def test_a_csv_may_name_cases_patients_or_both(tmp_path):
    path = write(
        tmp_path / "s.csv", "case_id,patient_id,split", ",anna,train", "b1,,val", "c1,carla,test"
    )
    split = read_split(path, PATIENTS)
    assert split.sides == {"a1": "train", "a2": "train", "b1": "val", "c1": "test"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a2,,test", r"line 3: patient anna \(case a2\) stands in test, and in train in line 2"),
        ("x9,,test", r"line 3: case 'x9' is not in the workspace"),
        ("b1,,validation", r"line 3: split 'validation' is unknown, expected train, val, test"),
        ("b1,anna,val", r"line 3: case b1 is said to be of patient anna, .* of berta"),
        (",zoe,val", r"line 3: patient 'zoe' has no case here"),
    ],
)
def test_a_csv_that_cannot_be_is_refused_by_its_line(tmp_path, line, words):
    path = write(tmp_path / "s.csv", "case_id,patient_id,split", "a1,,train", line)
    with pytest.raises(BadInput, match=words):
        read_split(path, PATIENTS)


def test_a_planted_patient_on_two_sides_is_found_through_patient_lines(tmp_path):
    path = write(tmp_path / "s.csv", "patient_id,split", "anna,train", "berta,val", "anna,test")
    with pytest.raises(BadInput, match="line 4: patient anna"):
        read_split(path, PATIENTS)


@pytest.mark.parametrize("head", ["case,side", "split", ""])
def test_a_csv_without_its_columns_is_refused(tmp_path, head):
    with pytest.raises(BadInput, match="expected 'split' and 'case_id' or 'patient_id'"):
        read_split(write(tmp_path / "s.csv", head, "a1,train"), PATIENTS)


def test_an_empty_or_missing_csv_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no line below its header"):
        read_split(write(tmp_path / "s.csv", "case_id,split"), PATIENTS)
    with pytest.raises(BadInput, match="cannot be read"):
        read_split(tmp_path / "none.csv", PATIENTS)


def test_a_written_split_reads_back(tmp_path):
    split = draw_split(PATIENTS, PAPER, 1)
    write_split(split, tmp_path / "split.csv")
    assert read_frozen_split(tmp_path / "split.csv") == split
    assert (tmp_path / "split.csv").read_text().startswith("case_id,patient_id,split\na1,anna,")
