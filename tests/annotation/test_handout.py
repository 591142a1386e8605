"""Records of what was given out: read as written, and refused when they are not."""

import json
from pathlib import Path

import pytest

from annotation.handout import (
    HandedFile,
    HandedSegment,
    Handout,
    HandoutError,
    find_handouts,
    read_handout,
    write_handout,
)


@pytest.fixture
def handout() -> Handout:
    made = {"origin": "model", "maker": "model:btcv", "created": "2026-01-01T00:00:00+00:00"}
    segments = (HandedSegment("liver", 5, "ab" * 32, 7, made), HandedSegment("aorta", 7))
    file = HandedFile("masks.nii.gz", "0" * 64, segments, ("aorta", "liver"), ("aorta",))
    return Handout("s0001", "nifti", (file,), "anna", about={"window": "soft"})


def test_a_record_is_read_as_it_was_written(handout: Handout, tmp_path: Path) -> None:
    write_handout(tmp_path / "session.json", handout)
    assert read_handout(tmp_path / "session.json") == handout
    assert read_handout(tmp_path / "session.json").id == handout.id
    assert handout.masks() == {"liver": "ab" * 32, "aorta": ""}


def test_a_record_of_one_label_map_is_a_table_of_its_names(
    handout: Handout, tmp_path: Path
) -> None:
    write_handout(tmp_path / "masks.json", handout)
    assert json.loads((tmp_path / "masks.json").read_text())["labels"] == {
        "5": "liver",
        "7": "aorta",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"masks.nii.gz"', '"/etc/masks.nii.gz"'),
        ('"masks.nii.gz"', '"../masks.nii.gz"'),
        ('"masksmith_handout": 1', '"masksmith_handout": 2'),
        ('"case"', '"caze"'),
        ('"value": 5', '"value": "five"'),
        ("{", "["),
    ],
)
def test_a_record_that_was_changed_is_refused(
    old: str, new: str, handout: Handout, tmp_path: Path
) -> None:
    path = tmp_path / "session.json"
    write_handout(path, handout)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(HandoutError, match=r"session\.json: no readable record"):
        read_handout(path)


def test_records_are_found_below_a_folder_and_others_passed_over(
    handout: Handout, tmp_path: Path
) -> None:
    write_handout(tmp_path / "a" / "session.json", handout)
    write_handout(tmp_path / "b.json", handout)
    (tmp_path / "c.json").write_text("{}")
    found = [path.name for path, _ in find_handouts(tmp_path)]
    assert found == ["session.json", "b.json"]
    with pytest.raises(HandoutError, match="nothing here says"):
        find_handouts(tmp_path / "c")
