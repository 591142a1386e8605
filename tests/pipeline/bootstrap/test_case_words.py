from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bootstrap.case_words import words_of_cases
from pipeline.bootstrap.prediction_files import PredictionError
from pipeline.workspace import Case, Workspace


@pytest.fixture
def taken_in(
    tmp_path: Path, workspace: Workspace, add_case: Callable[..., Case]
) -> dict[str, Path]:
    """Three cases, two of which came from files in a folder; their ids say nothing."""
    files = {"case-1": tmp_path / "cts" / "anna.nii.gz", "case-2": tmp_path / "cts" / "x" / "b.nii"}
    for case_id, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        add_case(case_id, source={"file": workspace.pseudonym("path", str(path.resolve()))})
    add_case("case-3")
    return files


def test_shown_files_give_stems(workspace: Workspace, taken_in: dict[str, Path]) -> None:
    words = words_of_cases(workspace, cts=[taken_in["case-1"].parent])
    assert words.of("case-1").stem == "anna"
    assert words.of("case-2").stem == "b"
    assert words.of("case-3").stem is None


def test_a_table_may_name_cases_stems_and_paths(
    workspace: Workspace, taken_in: dict[str, Path], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("case,file\ncts/x/b.nii,two\nanna,one\ncase-3,three\nother,four\n")
    words = words_of_cases(workspace, [taken_in["case-1"]], table)
    assert words.listed == {"case-1": "one", "case-2": "two", "case-3": "three"}
    assert words.strangers == ("other",)


def test_a_case_named_in_two_ways_is_refused(
    workspace: Workspace, taken_in: dict[str, Path], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"case,file\ncase-1,a\n{taken_in['case-1']},b\n")
    with pytest.raises(PredictionError, match="the case 'case-1' comes twice"):
        words_of_cases(workspace, table=table)


def test_files_to_be_shown_must_be_there(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="no such CT or folder of CTs"):
        words_of_cases(workspace, cts=[tmp_path / "none"])
