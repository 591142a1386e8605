"""Tables and JSON documents on stdout."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli.output import cell, plain, write_json, write_table


class Mood(StrEnum):
    GOOD = "good"


@dataclass
class Thing:
    path: Path
    mood: Mood
    sizes: tuple[int, ...]


def test_dataclasses_paths_enums_and_numpy_become_plain(capsys):
    write_json({"thing": Thing(Path("a/b"), Mood.GOOD, (1, 2)), 3: np.float32(0.5), "n": None})
    assert json.loads(capsys.readouterr().out) == {
        "thing": {"path": "a/b", "mood": "good", "sizes": [1, 2]},
        "3": 0.5,
        "n": None,
    }


def test_what_has_no_plain_form_is_refused():
    with pytest.raises(TypeError, match="no JSON form for object"):
        plain(object())


def test_a_table_in_a_pipe_is_never_cut(capsys):
    write_table(("case", "voxels"), [("x" * 150, 12), ("[bold]y", 3000)])
    assert capsys.readouterr().out.splitlines() == [
        "case" + " " * 148 + "voxels",
        "x" * 150 + "      12",
        "[bold]y" + " " * 143 + "    3000",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.12345, "0.12"), (28.34, "28.3"), (12345.6, "12346"), (7, "7"), ("a", "a")],
)
def test_cells(value, text):
    assert cell(value) == text
