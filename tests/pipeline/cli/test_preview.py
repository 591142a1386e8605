"""`masksmith preview`: a CT with its segmentation becomes a picture, or is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.cli.main import main
from pipeline.phantom import Body
from pipeline.volume import write_nifti
from qc.preview import PreviewSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Settings as shipped, but for small pictures."""
    import shutil

    folder = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", folder)
    settings = yaml.safe_load((folder / "gallery.yaml").read_text(encoding="utf-8"))
    small = {"width_px": 1600, "view_height_px": 220, "supersampling": 1}
    (folder / "gallery.yaml").write_text(yaml.safe_dump(settings | small), encoding="utf-8")
    return folder


@pytest.fixture
def files(tmp_path: Path, small_abdomen: Body) -> tuple[Path, Path]:
    ct, labels = tmp_path / "ct.nii.gz", tmp_path / "seg.nii.gz"
    write_nifti(ct, small_abdomen.ct, small_abdomen.grid)
    write_nifti(labels, small_abdomen.labels, small_abdomen.grid)
    return ct, labels


@pytest.fixture
def preview(tmp_path: Path, configs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    monkeypatch.chdir(tmp_path)

    def call(ct: Path, labels: Path, out: Path, *more: str) -> int:
        where = ["-i", str(ct), "-s", str(labels), "-o", str(out), "--configs", str(configs)]
        return main(["preview", *where, *more])

    return call


@pytest.mark.rendering
def test_a_label_map_becomes_a_picture_and_a_pick_map(
    driver: str,
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    small_abdomen: Body,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "seen.png"
    assert preview(*files, out, "--pick-map", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    there = set(np.unique(small_abdomen.labels)) - {0}
    assert len(said["present"]) == len(there)
    assert "liver" in said["present"]
    with Image.open(out) as picture, Image.open(out.with_suffix(".picks.png")) as picks:
        assert picture.size == picks.size
        assert json.loads(picture.text["masksmith"]) == {"case": "ct"}
        shown = set(np.unique(np.asarray(picks))) - {0}
    assert shown <= there
    assert len(shown) > 0.8 * len(there)
    assert not (tmp_path / "workspace").exists()


@pytest.mark.rendering
def test_a_folder_of_masks_is_drawn_and_a_swap_of_sides_is_suspected(
    driver: str,
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    small_abdomen: Body,
    phantom_class_map,
    capsys: pytest.CaptureFixture[str],
) -> None:
    swapped = {"kidney_left": "kidney_right", "kidney_right": "kidney_left"}
    folder = tmp_path / "masks"
    folder.mkdir()
    for structure in phantom_class_map:
        mask = small_abdomen.labels == structure.value
        if mask.any():
            name = swapped.get(structure.name, structure.name)
            write_nifti(folder / f"{name}.nii.gz", mask.astype(np.uint8), small_abdomen.grid)
    out = tmp_path / "seen.png"
    assert preview(files[0], folder, out, "--json") == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    severe = [f for f in found if f["severity"] == "high"]
    assert any(name in f["structures"] for f in severe for name in swapped)
    assert preview(files[0], folder, tmp_path / "silent.png", "--no-findings", "--json") == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.rendering
def test_values_that_mean_nothing_are_told_and_not_drawn(
    driver: str,
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    small_abdomen: Body,
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = small_abdomen.labels.copy(order="F")
    labels[labels == 5] = 200
    write_nifti(files[1], labels, small_abdomen.grid)
    assert preview(*files, tmp_path / "seen.png", "--no-findings") == 0
    said = capsys.readouterr()
    assert "not in class map 'masksmith_104', not drawn: 200" in said.err
    assert "0 high" in said.out


def test_what_cannot_be_drawn_is_refused_in_one_line(
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    small_abdomen: Body,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qc.rendering_probe.require_rendering", lambda: "plain")
    elsewhere = tmp_path / "half.nii.gz"
    half = (slice(0, 20), slice(None), slice(None))
    write_nifti(
        elsewhere,
        small_abdomen.labels[half],
        small_abdomen.grid.crop(
            tuple(
                slice(*s.indices(n)[:2])
                for s, n in zip(half, small_abdomen.grid.shape, strict=True)
            )
        ),
    )
    there = tmp_path / "there.png"
    there.touch()
    for labels, out, code, reason in (
        (elsewhere, tmp_path / "a.png", 4, "not on the grid of the CT"),
        (files[0], tmp_path / "a.png", 4, "is it a CT?"),
        (files[1], tmp_path / "a.jpg", 2, "ends in .png"),
        (files[1], there, 2, "is there already"),
    ):
        assert preview(files[0], labels, out) == code, reason
        said = capsys.readouterr().err.strip().splitlines()
        assert reason in said[-1]
        assert len(said) == 1
    assert not (tmp_path / "a.png").exists()


def test_every_setting_is_an_option_and_in_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--help"]) == 0
    said = capsys.readouterr().out
    page = (ROOT / "docs" / "preview.md").read_text(encoding="utf-8")
    shipped = yaml.safe_load((ROOT / "configs" / "preview.yaml").read_text(encoding="utf-8"))
    assert set(shipped) == set(PreviewSettings.model_fields)
    for name in PreviewSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in said
        assert f"`{name}`" in page


@pytest.mark.rendering
def test_a_sheet_shows_slices_through_what_is_suspected(
    driver: str,
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, sheet = tmp_path / "seen.png", tmp_path / "new" / "sheet.png"
    assert preview(*files, out, "--sheet", str(sheet), "--json") == 0
    capsys.readouterr()
    with Image.open(sheet) as picture:
        assert picture.width in (952, 1896)
        assert json.loads(picture.text["masksmith"]) == {"case": "ct"}
    assert preview(*files, tmp_path / "other.png", "--sheet", str(sheet)) == 2
    assert not (tmp_path / "other.png").exists()
    assert preview(*files, tmp_path / "other.png", "--sheet", "sheet.jpg") == 2


def test_a_pick_map_that_is_there_is_not_replaced_without_being_told(
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picks = tmp_path / "seen.picks.png"
    picks.write_bytes(b"somebody's")
    assert preview(*files, tmp_path / "seen.png", "--pick-map") == 2
    assert "seen.picks.png" in capsys.readouterr().err
    assert picks.read_bytes() == b"somebody's"


def test_two_pictures_in_one_place_are_refused(
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, picks = tmp_path / "seen.png", tmp_path / "seen.picks.png"
    assert preview(*files, output, "--sheet", str(output)) == 2
    assert preview(*files, output, "--sheet", str(picks), "--pick-map") == 2
    assert "seen.picks.png: two pictures would stand there" in capsys.readouterr().err
    assert not output.exists()
    assert not picks.exists()


def test_a_place_that_cannot_be_written_is_said(
    preview: Callable,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    assert preview(*files, tmp_path / "file" / "seen.png") == 4
    assert "seen.png: cannot be written" in capsys.readouterr().err
