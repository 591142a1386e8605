"""The demo's steps: its folder, its commands, what happens when one fails."""

import pytest
import yaml

from pipeline.cli import demo_steps
from pipeline.cli.call import Call
from pipeline.cli.demo_steps import LARGE, MARKER, Demo
from pipeline.errors import UsageError


@pytest.fixture
def demo(tmp_path):
    return Demo(Call(jobs=1), tmp_path / "demo", "tiny")


def test_it_begins_with_a_copy_of_the_settings_without_model_cards(demo):
    demo.prepare(fresh=False)
    assert (demo.configs / "retrain.yaml").is_file()
    assert (demo.configs / "class_map.yaml").is_file()
    assert list((demo.configs / "bootstrap" / "models").iterdir()) == []


def test_the_existing_model_trains_half_as_long(demo):
    demo.prepare(fresh=False)
    profiles = yaml.safe_load((demo.configs / "retrain.yaml").read_text())["profiles"]
    tiny, shorter = profiles["tiny"], profiles["other_hospital"]
    assert shorter["training"]["epochs"] == tiny["training"]["epochs"] // 2
    assert shorter["network"] == tiny["network"]


def test_an_unknown_profile_is_refused_before_anything_is_made(tmp_path):
    demo = Demo(Call(), tmp_path / "demo", "huge")
    with pytest.raises(UsageError, match="profile 'huge' is unknown; known: tiny"):
        demo.prepare(fresh=False)
    assert not demo.configs.exists()


def test_called_again_it_keeps_what_is_there_unless_told_otherwise(demo):
    demo.prepare(fresh=False)
    kept = demo.folder / "workspace" / "x"
    kept.parent.mkdir()
    kept.touch()
    demo.prepare(fresh=False)
    assert kept.exists()
    demo.prepare(fresh=True)
    assert not kept.exists()
    assert (demo.folder / MARKER).is_file()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_other_files_is_never_touched(demo, fresh):
    demo.folder.mkdir()
    (demo.folder / "thesis.tex").write_text("important")
    with pytest.raises(UsageError, match="holds other files"):
        demo.prepare(fresh=fresh)
    assert (demo.folder / "thesis.tex").read_text() == "important"


def test_bodies_are_made_once(demo, monkeypatch):
    demo.prepare(fresh=False)
    monkeypatch.setattr(demo_steps, "SPACING_MM", "18")
    for _ in range(2):
        demo._phantom("bodies", str(demo.folder / "bare"), seed=2, more=["--layout", "plain"])
    (step,) = demo.shell.steps
    assert step.answer == f"phantom: 5 bodies in {demo.folder / 'bare'}"


def test_the_large_structures_are_in_the_class_map(phantom_class_map):
    assert set(LARGE) <= set(phantom_class_map.names)
