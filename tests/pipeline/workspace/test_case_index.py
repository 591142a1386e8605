import pickle
from collections.abc import Callable
from pathlib import Path

from pipeline.workspace import Case, CaseIndex, Workspace
from pipeline.workspace.pseudonym import path_pseudonym, pseudonym


def test_cases_are_found_by_what_intake_hashed(
    workspace: Workspace, add_case: Callable[..., Case], tmp_path: Path
) -> None:
    file, link = tmp_path / "ct.nii.gz", tmp_path / "link.nii.gz"
    file.touch()
    link.symlink_to(file)
    add_case(
        "a",
        series_id=workspace.pseudonym("series", "1.2"),
        exam_id=workspace.pseudonym("exam", "1.1"),
        frame_of_reference_id=workspace.pseudonym("frame_of_reference", "1.9"),
    )
    add_case("b", exam_id=workspace.pseudonym("exam", "1.1"))
    add_case("c", source={"file": workspace.pseudonym("path", str(file.resolve()))})
    index = pickle.loads(pickle.dumps(CaseIndex.of(workspace.layout, workspace.cases())))
    assert index.ids == {"a", "b", "c"}
    assert index.of_series("1.2") == ("a",)
    assert index.of_exam("1.1") == ("a", "b")
    assert index.of_frame("1.9") == ("a",)
    assert index.of_file(file) == index.of_file(link) == ("c",)
    assert index.of_series("1.1") == index.of_series("") == index.of_exam("") == ()
    assert index.of_file(tmp_path / "other.nii") == ()


def test_a_workspaces_pseudonyms_are_the_functions(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.pseudonym("series", "1.2") == pseudonym(workspace.layout, "series", "1.2")
    assert pseudonym(workspace.layout, "series", "1") != pseudonym(workspace.layout, "exam", "1")
    path = tmp_path / "x"
    assert path_pseudonym(workspace.layout, path) == workspace.pseudonym("path", str(path))
