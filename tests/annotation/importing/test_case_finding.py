from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotation.formats.drawing import Drawing, DrawnFile, References, VoxelShape
from annotation.importing.case_finding import CaseFinder
from annotation.importing.case_table import CaseTableError, case_in_table, read_case_table
from annotation.importing.path_hints import HintGiver, Hints, ids_in, stem_of, without_ids
from annotation.importing.refusal import ImportRefused
from pipeline.volume import Grid
from pipeline.workspace import Case, CaseIndex, Workspace
from tests.fixtures.workspaces import small_grid

AddCase = Callable[..., Case]
SERIES, OTHER_SERIES, EXAM, FRAME = "1.2.3", "1.2.4", "1.9", "1.8"


def drawn(grid: Grid | None = None, **references: object) -> DrawnFile:
    drawings: tuple[Drawing, ...] = ()
    if grid is not None:
        box = (slice(0, 1), slice(0, 1), slice(0, 1))
        drawings = (Drawing("liver", VoxelShape(grid, box, np.ones((1, 1, 1), np.bool_))),)
    return DrawnFile(Path("x.nii.gz"), "nifti", drawings, References(**references))  # type: ignore[arg-type]


@pytest.fixture
def finder(workspace: Workspace, add_case: AddCase) -> Callable[..., CaseFinder]:
    """One DICOM CT, another of the same exam, and a NIfTI CT that names no series."""

    def known(kind: str, uid: str) -> str:
        return workspace.pseudonym(kind, uid)

    add_case(
        "ct-a",
        series_id=known("series", SERIES),
        exam_id=known("exam", EXAM),
        frame_of_reference_id=known("frame_of_reference", FRAME),
    )
    add_case("ct-b", series_id=known("series", OTHER_SERIES), exam_id=known("exam", EXAM))
    add_case("plain")

    def make(**settings: bool) -> CaseFinder:
        return CaseFinder(CaseIndex.of(workspace.layout, workspace.cases()), **settings)

    return make


def refused(finder: CaseFinder, file: DrawnFile, hints: Hints | None = None) -> ImportRefused:
    with pytest.raises(ImportRefused) as raised:
        finder.find(file, hints or Hints())
    return raised.value


def test_by_series(finder: Callable[..., CaseFinder]) -> None:
    found = finder().find(drawn(series_uids=(SERIES,), study_uid=EXAM), Hints())
    assert (found.case.id, found.note) == ("ct-a", "")


def test_by_frame_of_reference_and_by_exam(finder: Callable[..., CaseFinder]) -> None:
    assert finder().find(drawn(frame_of_reference_uid=FRAME), Hints()).case.id == "ct-a"
    error = refused(finder(), drawn(study_uid=EXAM))
    assert error.kind == "several_cases"
    assert "ct-a, ct-b" in error.words


def test_by_path_and_by_name(finder: Callable[..., CaseFinder]) -> None:
    assert finder().find(drawn(), Hints(beside=("plain",))).case.id == "plain"
    assert finder().find(drawn(), Hints(named=("plain",))).case.id == "plain"
    both = Hints(beside=("plain", "ct-a"), named=("plain",))
    assert finder().find(drawn(), both).case.id == "plain"


def test_nothing_known_says_what_was_looked_for(finder: Callable[..., CaseFinder]) -> None:
    error = refused(finder(), drawn(series_uids=("9.9",), study_uid="9.8"))
    assert error.kind == "no_case"
    assert "no case is known of its series or exam; no CT that was taken in lies" in error.words
    assert "--case" in error.words
    assert "9.9" not in error.words


def test_evidence_that_disagrees_is_refused(finder: Callable[..., CaseFinder]) -> None:
    error = refused(finder(), drawn(series_uids=(SERIES,)), Hints(named=("plain",)))
    assert error.kind == "contradiction"
    assert "the series it was drawn on says ct-a, the case id in its name says plain" in error.words


def test_another_series_of_the_exam_is_refused(finder: Callable[..., CaseFinder]) -> None:
    file = drawn(series_uids=("1.2.99",), study_uid=EXAM)
    error = refused(finder(), file, Hints(named=("ct-a",)))
    assert error.kind == "other_series"
    assert "of the same exam are ct-a, ct-b" in error.words
    assert "1.2.99" not in error.words
    found = finder(allow_other_series=True).find(file, Hints(named=("ct-a",)))
    assert found.case.id == "ct-a"
    assert "drawn on another series, #" in found.note
    assert "1.2.99" not in found.note


def test_a_case_told_is_checked_against_the_series(finder: Callable[..., CaseFinder]) -> None:
    on_b = drawn(series_uids=(OTHER_SERIES,), study_uid=EXAM)
    error = refused(finder(), on_b, Hints(told="ct-a"))
    assert error.kind == "other_series"
    assert "the series of ct-b, not of ct-a" in error.words
    found = finder(allow_other_series=True).find(on_b, Hints(told="ct-a"))
    assert (found.case.id, "(ct-b)" in found.note) == ("ct-a", True)
    assert finder().find(drawn(), Hints(told="ct-a", named=("plain",))).case.id == "ct-a"
    unknown = drawn(series_uids=("7.7",))
    assert refused(finder(), unknown, Hints(told="ct-a")).kind == "other_series"
    assert finder().find(unknown, Hints(told="plain")).case.id == "plain"
    assert refused(finder(), drawn(), Hints(told="none")).kind == "no_case"


def test_another_frame_of_reference_is_refused_whatever_is_allowed(
    finder: Callable[..., CaseFinder],
) -> None:
    file = drawn(series_uids=("1.2.99",), study_uid=EXAM, frame_of_reference_uid="1.77")
    allowing = finder(allow_other_series=True)
    for hints in (Hints(told="ct-a"), Hints(named=("ct-a",))):
        error = refused(allowing, file, hints)
        assert error.kind == "other_frame"
        assert "1.77" not in error.words
    same = drawn(series_uids=("1.2.99",), study_uid=EXAM, frame_of_reference_uid=FRAME)
    assert allowing.find(same, Hints(told="ct-a")).case.id == "ct-a"


def test_a_series_unknown_here_never_comes_onto_another_by_its_name(
    finder: Callable[..., CaseFinder],
) -> None:
    assert (
        refused(finder(), drawn(series_uids=("7.7",)), Hints(named=("ct-a",))).kind
        == "other_series"
    )


def test_the_grid_singles_one_case_out(
    workspace: Workspace, add_case: AddCase, finder: Callable[..., CaseFinder]
) -> None:
    turned = np.diag([-1.0, 1.0, 1.0, 1.0]) @ small_grid().affine
    elsewhere = Grid((5, 5, 5), turned)
    hints = Hints(beside=("plain", "ct-a"))
    assert refused(finder(), drawn(elsewhere), hints).kind == "several_cases"
    assert refused(finder(), drawn(small_grid()), hints).kind == "several_cases"
    assert finder().find(drawn(small_grid()), Hints(beside=("plain",))).case.id == "plain"


def test_ids_in_names() -> None:
    ids = frozenset({"s0001", "case-1a2b3c4d", "case", "12", "ab"})
    assert ids_in("s0001_liver", ids) == ("s0001",)
    assert ids_in("liver-case-1a2b3c4d", ids) == ("case-1a2b3c4d",)
    assert ids_in("s00012", ids) == ()
    assert ids_in("rib_12", ids) == ()
    assert ids_in("12", ids) == ("12",)
    assert ids_in("ab_liver", ids) == ()
    assert without_ids("s0001_liver", ids) == "liver"
    assert without_ids("s0001", ids) == "s0001"
    assert stem_of(Path("a.seg.nrrd")) == stem_of(Path("a.nii.gz")) == "a"


def test_paths_give_hints(tmp_path: Path, workspace: Workspace, add_case: AddCase) -> None:
    files = {
        "one": tmp_path / "a" / "ct.nii.gz",
        "two": tmp_path / "flat" / "x.nii.gz",
        "three": tmp_path / "flat" / "x_2.nii.gz",
        "four": tmp_path / "nnunet" / "imagesTr" / "k_0000.nii.gz",
    }
    for case_id, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        add_case(case_id, source={"file": workspace.pseudonym("path", str(path.resolve()))})
    giver = HintGiver(CaseIndex.of(workspace.layout, workspace.cases()), [tmp_path])
    assert giver.hints(tmp_path / "a" / "segmentations" / "liver.nii.gz").beside == ("one",)
    assert giver.hints(tmp_path / "flat" / "x-label.nii.gz").beside == ("two",)
    assert giver.hints(tmp_path / "flat" / "x_2_seg.nrrd").beside == ("three",)
    assert set(giver.hints(tmp_path / "flat" / "y.nii.gz").beside) == {"two", "three"}
    assert giver.hints(tmp_path / "nnunet" / "labelsTr" / "k.nii.gz").beside == ("four",)
    assert giver.hints(tmp_path / "three" / "liver.nii.gz").named == ("three",)
    assert giver.hints(files["one"]).is_ct_of == "one"
    assert giver.hints(tmp_path / "b.nii", "two").told == "two"


def test_a_folder_above_what_was_named_says_nothing(
    tmp_path: Path, workspace: Workspace, add_case: AddCase
) -> None:
    add_case("upper")
    (tmp_path / "upper" / "files").mkdir(parents=True)
    index = CaseIndex.of(workspace.layout, workspace.cases())
    file = tmp_path / "upper" / "files" / "liver.nii.gz"
    assert HintGiver(index, [tmp_path / "upper" / "files"]).hints(file).named == ()
    assert HintGiver(index, [tmp_path / "upper"]).hints(file).named == ("upper",)


def test_a_table_names_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.nii", "in/b.nii"):
        (tmp_path / name).touch()
    path = tmp_path / "table.csv"
    path.write_text("File;Case\na.nii;s1\nin;s2\n")
    table = read_case_table(path, frozenset({"s1", "s2"}))
    assert case_in_table(table, tmp_path / "a.nii") == "s1"
    assert case_in_table(table, tmp_path / "in" / "b.nii") == "s2"
    assert case_in_table(table, tmp_path / "c.nii") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,case\n", "line 1: no column file"),
        ("file,case\nnone.nii,s1\n", "line 2: there is no file"),
        ("file,case\na.nii,s9\n", "line 2: there is no case 's9'"),
        ("file,case\na.nii,s1\na.nii,s1\n", "line 3: this file is there already"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.nii").touch()
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(CaseTableError, match=message):
        read_case_table(path, frozenset({"s1"}))
