"""The picture of effort: written whole, refused with reason."""

import numpy as np
import pytest
from PIL import Image

from annotation.effort import effort_report
from annotation.effort_plot import write_effort_plot
from pipeline.errors import BadInput, NothingToDo, UsageError
from tests.fixtures.effort_workspaces import make_effort_lab, save


@pytest.fixture
def lab(tmp_path):
    return make_effort_lab(tmp_path)


def colours(path):
    return {tuple(c) for c in np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).tolist()}


def test_the_picture_shows_time_masks_change_and_agreement(lab, tmp_path):
    path = tmp_path / "pictures" / "effort.png"
    write_effort_plot(effort_report(lab.workspace), path)
    with Image.open(path) as picture:
        assert picture.size == (1320, 960)
    # Accepted, corrected, drawn, removed, and the paper's two lines.
    shown = {(0x5F, 0xBF, 0x7A), (0x2A, 0x7F, 0x93), (0x8A, 0x5A, 0x44), (0xC0, 0x58, 0x4B)}
    assert shown <= colours(path)


def test_effort_without_any_time_is_drawn_too(round_lab, tmp_path):
    round_lab.case("a")
    save(round_lab, "a", "liver", 3)
    write_effort_plot(effort_report(round_lab.workspace), tmp_path / "effort.png")
    assert (tmp_path / "effort.png").stat().st_size > 10_000


def test_without_masks_there_is_nothing_to_draw(round_lab, tmp_path):
    with pytest.raises(NothingToDo, match="nobody has saved or accepted a mask"):
        write_effort_plot(effort_report(round_lab.workspace), tmp_path / "effort.png")


def test_another_ending_or_a_place_that_cannot_be_written_is_refused(lab, tmp_path):
    report = effort_report(lab.workspace)
    with pytest.raises(UsageError, match=r"ends in \.png"):
        write_effort_plot(report, tmp_path / "effort.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"effort\.png: cannot be written"):
        write_effort_plot(report, tmp_path / "file" / "effort.png")
