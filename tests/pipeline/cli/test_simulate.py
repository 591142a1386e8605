"""`masksmith simulate`: what it says, and what it refuses before anything is made."""

from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.simulation.settings import SimulationSettings


def test_every_setting_is_an_option(capsys):
    assert main(["simulate", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--out DIR" in said
    for name in SimulationSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in said


def test_the_page_names_every_setting():
    page = (Path(__file__).parents[3] / "docs" / "rounds.md").read_text(encoding="utf-8")
    assert [name for name in SimulationSettings.model_fields if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing option '--out'"),
        (["--strategies", "best"], 2, "strategy 'best' is unknown"),
        (["--factor", "90"], 2, "divided by 90 give 1, 1, 1"),
        (["--cases", "3"], 2, "3 cases are fewer than the 20"),
        (["--field-of-view", "leg"], 2, "field_of_view is 'leg'"),
        (["--good-enough-dice", "2"], 2, "setting 'good_enough_dice'"),
        (["--structures", "livr"], 4, "did you mean liver"),
        (
            ["--structures", "brain", "--spacing-mm", "12"],
            2,
            "none of the structures is in the field of view thorax_abdomen",
        ),
    ],
)
def test_what_makes_no_simulation_is_one_line(tmp_path, capsys, words, code, message):
    out = tmp_path / "out"
    where = ["--out", str(out)] if words else []
    assert main(["simulate", *where, *words]) == code
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not (out / "first_round").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").touch()
    assert main(["simulate", "--out", str(tmp_path)]) == 4
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
