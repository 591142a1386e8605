"""`masksmith phantom`."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.cli.phantom import FIELDS, PHASES
from pipeline.phantom import FIELDS_OF_VIEW_MM
from pipeline.phantom import PHASES as KNOWN_PHASES
from pipeline.volume import read_nifti, read_nifti_grid

SMALL = ["--spacing-mm", "15", "--count", "2", "-q"]


def test_it_offers_every_field_of_view_and_phase():
    assert set(FIELDS) == {"mixed", *FIELDS_OF_VIEW_MM}
    assert set(PHASES) == {"mixed", *KNOWN_PHASES}


def test_it_writes_the_layout_of_totalsegmentator(tmp_path, capsys):
    assert main(["phantom", str(tmp_path), *SMALL, "--field-of-view", "abdomen"]) == 0
    assert capsys.readouterr().out == f"phantom: 2 bodies in {tmp_path}\n"
    assert len(list(tmp_path.glob("s000?/segmentations/*.nii.gz"))) == 208
    assert (tmp_path / "meta.csv").read_text().startswith("image_id;age;gender;")
    assert read_nifti_grid(tmp_path / "s0001" / "ct.nii.gz").spacing_mm == pytest.approx([15] * 3)


def test_the_same_seed_gives_the_same_bodies_with_and_without_masks(tmp_path, capsys):
    words = [*SMALL, "--layout", "plain", "--seed", "4", "--json"]
    assert main(["phantom", str(tmp_path / "a"), *words]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [body["image_id"] for body in document["bodies"]] == ["s0000", "s0001"]
    assert main(["phantom", str(tmp_path / "b"), *words, "--no-masks"]) == 0
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "s0000.nii.gz",
        "s0001.nii.gz",
    ]
    first, second = (read_nifti(tmp_path / name / "s0000.nii.gz").array for name in "ab")
    assert (first == second).all()


def test_a_spacing_no_scanner_has_is_refused_in_one_line(tmp_path, capsys):
    assert main(["phantom", str(tmp_path), "--spacing-mm", "0.01"]) == 2
    assert "expected three of 0.3 to 20 mm" in capsys.readouterr().err


def test_the_help_names_an_argument_once(capsys):
    assert main(["phantom", "--help"]) == 0
    assert capsys.readouterr().out.count("The folder to write into") == 1
