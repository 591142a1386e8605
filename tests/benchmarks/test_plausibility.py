import numpy as np
import pytest

from benchmarks.plausibility import Task, measure_case
from benchmarks.plausibility_bodies import Clean, body_settings, real_cases
from benchmarks.plausibility_tables import CleanCount, Row, tables
from pipeline.workspace import Finding
from qc.planting import Subject
from qc.planting.given_away import given_away


def finding(kind="k", severity="medium", *structures):
    return Finding(kind, "", structures or ("liver",), severity=severity)


@pytest.mark.parametrize(
    ("before", "after", "caught"),
    [
        ([], [finding()], 1),
        ([], [finding("k", "low")], 0),
        ([], [finding("k", "high", "spleen")], 0),
        ([], [finding("k", "high", "spleen", "liver")], 1),
        ([finding()], [finding()], 0),
        ([finding()], [finding("k", "high")], 1),
        ([finding("k", "low")], [finding()], 1),
        ([finding("other")], [finding()], 1),
        ([finding("k", "medium", "liver", "spleen")], [finding()], 1),
    ],
)
def test_only_what_is_new_and_about_it_gives_an_error_away(before, after, caught) -> None:
    assert len(given_away(before, after, {"liver"})) == caught


def test_a_case_is_measured_and_says_what_caught_it(trunk: Subject) -> None:
    case = Clean("trunk", trunk, "f", "portal_venous", is_real=False)
    task = Task("tuning", ("swapped_sides", "swapped_vertebrae"), 1, None, clean=case)
    rows, count = measure_case(task)
    assert [(row.kind, row.grade) for row in rows] == [
        (kind, grade)
        for kind in ("swapped_sides", "swapped_vertebrae")
        for grade in ("gross", "medium", "small")
    ]
    assert all(row.is_caught for row in rows if row.grade == "gross")
    assert all(bool(row.by) == row.is_caught for row in rows)
    assert (count.case, count.is_real) == ("trunk", False)
    assert count.high == 0


def test_the_tables_count_what_was_caught() -> None:
    rows = [Row("a", "tuning", False, "cut", "gross", n < 3, "cut_off", "") for n in range(4)] + [
        Row("a", "held_out", False, "cut", "gross", False, "", "")
    ]
    clean = [CleanCount("a", "tuning", False, 1, 3), CleanCount("b", "tuning", False, 0, 0)]
    text = tables(rows, clean)
    assert "| gross | 95% | 3 of 4, 75% (30–95) | 0 of 1, 0% (0–79) |" in text
    assert "| `cut`: a structure cut off by a plane | 3 of 4, 75% (30–95) | – | – | 0 of 1" in text
    assert "tuning: 0.50 high and 1.50 medium a case (2 cases)" in text
    assert "Real scan: not measured" in text


def test_the_parts_have_different_bodies_of_every_sort() -> None:
    tuning, held_out = ([body_settings(s + n) for n in range(6)] for s in (8000, 9000))
    assert len({s.field_of_view for s in tuning}) == 6
    assert {s.seed for s in tuning}.isdisjoint({s.seed for s in held_out})
    assert {s.sex for s in (*tuning, *held_out)} == {"female", "male"}


@pytest.mark.real_data
def test_the_real_label_maps_lie_on_their_scans(real_data) -> None:
    for case in real_cases(real_data):
        assert case.subject.labels.shape == case.subject.ct.shape
        assert len(case.subject.boxes) >= 35
        bone = case.subject.ct[case.subject.labels == case.subject.value("vertebrae_L1")]
        assert np.median(bone) > 100


def test_no_real_data_is_no_real_case(tmp_path) -> None:
    assert list(real_cases(tmp_path)) == []
