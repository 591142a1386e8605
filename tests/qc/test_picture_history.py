"""Earlier pictures are kept when a newer round is drawn, and only then."""

import json
from collections.abc import Callable, Iterator

import pytest

from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Provenance, Verdict, Workspace
from qc.drawing import PictureFiles
from qc.gallery import STAGE, GallerySettings
from qc.page_data import page_data
from qc.picture_history import earlier_pictures, history_dir, keep_earlier_picture
from tests.fixtures.gallery_sites import draw_without_rendering


def round_of(number: int) -> Provenance:
    return Provenance(origin="round", maker=f"round:{number}", round=number)


@pytest.fixture
def first(workspace: Workspace, add_case: Callable, add_masks: Callable) -> PictureFiles:
    """Give the files of a case drawn with masks of round 1."""
    add_masks(add_case("s0001"), round_of(1))
    draw_without_rendering(workspace, ["s0001"])
    return PictureFiles(workspace.layout.gallery_dir, "s0001")


def keep(workspace: Workspace, files: PictureFiles) -> object:
    return keep_earlier_picture(workspace.record("s0001"), files, files.read_record())


def test_a_newer_round_keeps_the_picture_of_the_one_before(
    workspace: Workspace, first: PictureFiles, add_masks: Callable
) -> None:
    assert keep(workspace, first) is None
    add_masks(workspace.case("s0001"), round_of(3))
    kept = keep(workspace, first)
    assert kept == history_dir(first.gallery) / "s0001-abababababab.png"
    before = first.picture.read_bytes()
    assert kept.read_bytes() == before
    first.picture.unlink()
    first.picture.write_bytes(b"drawn anew")
    assert kept.read_bytes() == before
    [case] = page_data(workspace, {})["cases"]
    assert case["picture"]["earlier"] == [
        {"version": "abababababab", "round": 1, "size": (900, 390)}
    ]


def test_other_changes_keep_nothing(
    workspace: Workspace, first: PictureFiles, add_masks: Callable
) -> None:
    workspace.record_verdicts([Verdict("s0001", "absent_fov", "anna", structure="spleen")])
    add_masks(workspace.case("s0001"), Provenance(origin="human", maker="person:anna"))
    assert keep(workspace, first) is None
    assert earlier_pictures(first.gallery) == {}


def test_a_case_without_a_picture_or_an_old_record_keeps_nothing(
    workspace: Workspace, first: PictureFiles, add_masks: Callable
) -> None:
    add_masks(workspace.case("s0001"), round_of(2))
    record = workspace.record("s0001")
    assert keep_earlier_picture(record, first, None) is None
    assert keep_earlier_picture(record, first, {"digest": "ab" * 32, "present": []}) is None


def test_the_newest_round_comes_first_and_damaged_notes_are_passed_over(
    first: PictureFiles,
) -> None:
    folder = history_dir(first.gallery)
    folder.mkdir(exist_ok=True)
    for version, number in (("0" * 12, 1), ("1" * 12, None), ("2" * 12, 2)):
        (folder / f"a-b-{version}.png").write_bytes(b"png")
        said = {"case": "a-b", "round": number, "size": [4, 3]}
        (folder / f"a-b-{version}.json").write_text(json.dumps(said))
    (folder / f"a-b-{'3' * 12}.json").write_text('{"round": 3')
    (folder / f"a-b-{'4' * 12}.json").write_text('{"round": 4, "size": [4, 3]}')
    found = earlier_pictures(first.gallery)["a-b"]
    assert [each.round for each in found] == [2, 1, None]


def test_the_stage_keeps_the_picture_before_it_draws(
    workspace: Workspace,
    first: PictureFiles,
    add_masks: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []

    def draw(tasks: list, engine: object) -> Iterator:
        drawn.extend(task.case.id for task in tasks)
        assert len(earlier_pictures(first.gallery)["s0001"]) == 1
        yield from ()

    monkeypatch.setattr("qc.gallery._draw", draw)
    add_masks(workspace.case("s0001"), round_of(2))
    run_stage(STAGE, workspace, GallerySettings(), SerialEngine())
    assert drawn == ["s0001"]
    page = (first.gallery / "index.html").read_text(encoding="utf-8")
    assert '"round":1,"size":[900,390]' in page
