"""`masksmith stats` on two files: the table by the file's ending, refusals, and no workspace."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from pipeline.cli.main import main
from pipeline.volume import write_nifti
from tests.fixtures.workspaces import BLOBS, small_grid
from tests.fixtures.workspaces import small_ct as water

VOXEL_ML = 0.045


def small_ct() -> np.ndarray:
    """Make a CT with some bone in it, without which intake takes it for no CT."""
    ct = water()
    ct[14:18, 2:5, :] = 600
    return ct


@pytest.fixture
def files(tmp_path, phantom_class_map):
    """Write a CT and its label map, the folder of masks of it; give their folder."""
    ct, grid = small_ct(), small_grid()
    labels = np.zeros(grid.shape, np.uint8, order="F")
    for name, box in BLOBS.items():
        labels[box] = phantom_class_map[name].value
        write_nifti(tmp_path / "masks" / f"{name}.nii.gz", (labels == labels[box].max()), grid)
    write_nifti(tmp_path / "ct.nii.gz", ct, grid)
    write_nifti(tmp_path / "seg.nii.gz", labels, grid)
    return tmp_path


@pytest.fixture
def stats(files, capsys, monkeypatch):
    monkeypatch.setenv("MASKSMITH_WORKSPACE", str(files / "no-workspace"))

    def call(*words, segmentation="seg.nii.gz"):
        paths = ["-i", str(files / "ct.nii.gz"), "-s", str(files / segmentation)]
        code = main(["stats", *paths, *words])
        return code, *capsys.readouterr()

    return call


def test_a_csv_has_every_structure_of_the_class_map(files, stats):
    out = files / "numbers.csv"
    code, said, _ = stats("--out", str(out))
    assert code == 0
    assert said == (
        f"stats: 3 of 104 structures have voxels, 0 of them touch the border of the CT; {out}\n"
    )
    with out.open(newline="") as file:
        rows = {row["structure"]: row for row in csv.DictReader(file)}
    assert len(rows) == 104
    hu = small_ct()[BLOBS["liver"]].astype(float)
    assert float(rows["liver"]["volume_ml"]) == pytest.approx(hu.size * VOXEL_ML)
    assert float(rows["liver"]["mean_hu"]) == pytest.approx(hu.mean(), abs=1e-4)
    assert (rows["brain"]["volume_ml"], rows["brain"]["mean_hu"]) == ("0", "")


def test_json_names_volume_and_intensity_as_totalsegmentator_does(files, stats):
    code, _, _ = stats("--out", str(files / "statistics.json"))
    found = json.loads((files / "statistics.json").read_text())
    assert code == 0
    hu = small_ct()[BLOBS["spleen"]].astype(float)
    assert found["spleen"]["volume"] == pytest.approx(hu.size * VOXEL_ML * 1000)
    assert found["spleen"]["intensity"] == round(hu.mean(), 2)
    assert found["spleen"]["median_hu"] == np.median(hu)
    assert (found["brain"]["volume"], found["brain"]["intensity"]) == (0.0, None)


def test_a_folder_covers_only_what_it_has_files_for(files, stats):
    code, _, _ = stats("--out", str(files / "numbers.parquet"), segmentation="masks")
    rows = parquet.read_table(files / "numbers.parquet").to_pylist()
    assert code == 0
    assert {row["structure"]: row["voxels"] for row in rows} == {
        "liver": 12**3, "spleen": 6 * 6 * 8, "kidney_right": 5 * 4 * 7,
    }  # fmt: skip


def test_without_a_file_the_answer_is_a_table_or_a_document(stats):
    code, said, _ = stats("--no-progress")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == [
        "structure", "spleen", "kidney_right", "liver", "stats:",
    ]  # fmt: skip
    code, said, _ = stats("--json")
    rows = {row["structure"]: row for row in json.loads(said)["rows"]}
    assert rows["liver"]["voxels"] == 12**3


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--out", "numbers.txt"], 2, "expected a name that ends in .csv, .parquet, .json"),
        (["--again"], 2, "again is of a workspace"),
        (["--class-map", "segthor"], 4, "stand for nothing in class map"),
    ],
)
def test_what_does_not_fit_is_refused(stats, words, code, expected):
    found, _, err = stats(*words)
    assert found == code
    assert expected in err


def test_values_that_mean_nothing_are_left_out_when_asked(files, stats):
    words = ("--class-map", "segthor", "--ignore-unknown")
    code, said, err = stats(*words, "--out", str(files / "x.csv"))
    assert code == 0
    assert "left out: " in err
    assert "2 of 4 structures have voxels" in said


def test_a_ct_alone_is_refused(files, capsys):
    code = main(["stats", "-i", str(files / "ct.nii.gz")])
    assert code == 2
    assert "give both, -i CT and -s SEG" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error(files, stats):
    code, _, err = stats("--out", str(files / "ct.nii.gz" / "x.csv"))
    assert code == 4
    assert "cannot be written" in err


@pytest.mark.real_data
def test_volume_and_intensity_are_those_of_totalsegmentator(real_data, tmp_path, monkeypatch):
    """Its own statistics.json of its own masks, 117 of them, is the oracle."""
    monkeypatch.setenv("MASKSMITH_WORKSPACE", str(tmp_path / "no-workspace"))
    folder = real_data / "ct_abdomen_pelvis_native_ts"
    out = tmp_path / "statistics.json"
    code = main(
        [
            "stats", "-i", str(folder / "example_ct_sm.nii.gz"), "-s",
            str(folder / "example_seg_fast_masks"), "--class-map", "totalsegmentator_v2",
            "--out", str(out),
        ]
    )  # fmt: skip
    assert code == 0
    found = json.loads(out.read_text())
    expected = json.loads((folder / "example_seg_fast_masks" / "statistics.json").read_text())
    assert set(found) == set(expected)
    for name, theirs in expected.items():
        assert found[name]["volume"] == theirs["volume"]
        assert (found[name]["intensity"] or 0.0) == pytest.approx(theirs["intensity"], abs=0.006)
