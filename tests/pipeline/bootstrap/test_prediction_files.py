from pathlib import Path

import pytest

from pipeline.bootstrap.prediction_files import (
    CaseWords,
    PredictionError,
    check_patterns,
    find_by_patterns,
    find_listed,
    read_table,
)

WORDS = CaseWords("s0001", stem="ct_17")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_first_pattern_that_finds_something_wins(tmp_path: Path) -> None:
    touch(tmp_path / "ct_17.nii.gz")
    first = touch(tmp_path / "s0001" / "seg.nii.gz")
    found = find_by_patterns(
        tmp_path, ["no/{case}.nii", "{case}/seg.nii.gz", "{stem}.nii.gz"], WORDS
    )
    assert found is not None
    assert found.label_map == first
    assert found.paths == (first,)


def test_masks_are_found_by_structure(tmp_path: Path) -> None:
    liver = touch(tmp_path / "s0001" / "liver.nii.gz")
    touch(tmp_path / "s0001" / "liver.txt")
    spleen = touch(tmp_path / "s0001" / "spleen.nii.gz")
    found = find_by_patterns(tmp_path, ["{case}/{structure}.nii.gz"], WORDS)
    assert found is not None
    assert found.masks == {"liver": liver, "spleen": spleen}


def test_a_case_name_is_no_wildcard(tmp_path: Path) -> None:
    touch(tmp_path / "sx" / "liver.nii.gz")
    assert find_by_patterns(tmp_path, ["{case}/{structure}.nii.gz"], CaseWords("s[x]")) is None
    assert find_by_patterns(tmp_path, ["{stem}.nii.gz"], CaseWords("s0001")) is None


@pytest.mark.parametrize(
    ("pattern", "cases", "words"),
    [
        ("{caze}.nii.gz", 1, "found {caze}, expected {case}, {stem} or {structure}"),
        ("all.nii.gz", 2, "would give the same file to 2 cases"),
        ("{case}/{structure}/{structure}.nii", 1, "holds {structure} twice"),
    ],
)
def test_bad_patterns_are_refused(pattern: str, cases: int, words: str) -> None:
    with pytest.raises(PredictionError) as caught:
        check_patterns([pattern], cases, "model_a")
    assert words in str(caught.value)


def test_one_file_may_be_named_for_one_case() -> None:
    check_patterns(["all.nii.gz"], 1, "model_a")


def test_a_table_names_files_and_folders(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("﻿case,file\ns0001,a.nii.gz\ns0002, masks \n", encoding="utf-8")
    assert read_table(table) == {"s0001": "a.nii.gz", "s0002": "masks"}
    label_map = touch(tmp_path / "a.nii.gz")
    liver = touch(tmp_path / "masks" / "liver.nii.gz")
    found = find_listed(tmp_path, CaseWords("s0001", listed="a.nii.gz"))
    assert found is not None
    assert found.label_map == label_map
    masks = find_listed(tmp_path, CaseWords("s0002", listed="masks"))
    assert masks is not None
    assert masks.masks == {"liver": liver}
    assert find_listed(tmp_path, CaseWords("s0003")) is None


def test_a_listed_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="the table names it for case 's0001'"):
        find_listed(tmp_path, CaseWords("s0001", listed="gone.nii.gz"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,path\na,b\n", "expected the columns case,file"),
        ("case,file\na,\n", ":2: expected the columns case,file"),
        ("case,file\na,b\na,c\n", ":3: the case 'a' comes twice"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(PredictionError) as caught:
        read_table(table)
    assert words in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="cannot be read as a table"):
        read_table(tmp_path / "none.csv")
