"""`masksmith models`: what there is, why it cannot run, what it covers, runs and trust."""

import json
import sys

import numpy as np
import pytest
import yaml

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.cli.main import main
from pipeline.volume import Grid, read_nifti, write_nifti
from tests.fixtures.tiny_models import bright_body
from tests.pipeline.intake.conftest import dicom_slice
from training.nnunet_model import export_zip


@pytest.fixture
def masksmith(workspace, tmp_path, monkeypatch):
    """Run `masksmith WORDS` with an empty folder of cards; `masksmith.add` writes one."""
    configs = tmp_path / "configs"
    cards = configs / "bootstrap" / "models"
    cards.mkdir(parents=True)
    monkeypatch.setenv("MASKSMITH_TRUST_FILE", str(tmp_path / "trusted.json"))

    def call(*words):
        return main(["--workspace", str(workspace.path), "--configs", str(configs), *words])

    def add(name, **card):
        given = {"name": name, "licence": "CC0-1.0", "reference": "tests", "priority": 1} | card
        (cards / f"{name}.yaml").write_text(yaml.safe_dump(given))

    call.add = add
    return call


def test_no_cards_at_all(masksmith, capsys):
    assert masksmith("models", "list") == 0
    assert capsys.readouterr().out.startswith("no model cards in ")


def test_a_model_that_is_not_there_says_what_to_do(masksmith, capsys):
    masksmith.add("btcv", runner="nnunet", weights={"path": "gone.zip"}, labels={1: "liver"})
    assert masksmith("models", "list") == 0
    out = capsys.readouterr().out
    assert "btcv cannot run: model 'btcv': weights missing" in out
    assert masksmith("models", "trust", "btcv") == 5
    assert masksmith("models", "trust", "btvc") == 4
    assert "did you mean btcv?" in capsys.readouterr().err


def test_weights_are_trusted_by_their_digest(masksmith, capsys, tiny_model, tmp_path):
    archive = tmp_path / "model.zip"
    export_zip(tiny_model, archive)
    masksmith.add(
        "elsewhere", runner="nnunet", weights={"path": str(archive)},
        labels=tiny_model.names_by_value,
    )  # fmt: skip
    masksmith("models", "list", "--json")
    (before,) = json.loads(capsys.readouterr().out)["models"]
    assert (before["trusted"], before["state"]) == (False, "not approved")
    assert masksmith("models", "trust", "elsewhere", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == before["digest"]
    masksmith("models", "list", "--json")
    (after,) = json.loads(capsys.readouterr().out)["models"]
    assert (after["trusted"], after["problem"]) == (True, "")
    masksmith("models", "list")
    assert f"{before['digest'][:12]}, trusted" in capsys.readouterr().out


def test_a_check_says_what_is_missing_and_exits_5_only_for_what_was_named(masksmith, capsys):
    weights = {"path": "gone", "advice": "train your own"}
    masksmith.add(
        "maybe", runner="nnunet", enabled="if_found", weights=weights, labels={1: "liver"}
    )
    masksmith.add("off", runner="nnunet", enabled=False, priority=2, labels={1: "liver"})
    assert masksmith("models", "check") == 0
    off, maybe = capsys.readouterr().out.splitlines()
    assert off == "off: off (enabled: false)"
    assert maybe.startswith("maybe: not here: weights missing: nothing at ")
    assert "; train your own, or say where they are" in maybe
    assert masksmith("models", "check", "maybe") == 5
    assert masksmith("models", "check", "off") == 5
    assert "off: off: weights missing: the card names no place" in capsys.readouterr().out
    masksmith.add("needed", runner="nnunet", priority=3, labels={1: "liver"})
    assert masksmith("models", "check", "--json") == 5
    said = json.loads(capsys.readouterr().out)
    assert [model["state"] for model in said["models"]] == ["missing", "off", "not here"]


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"labels": {1: "livre"}}, "labels.1: found 'livre'"),
        ({"labels": {1: "liver"}, "review": ["vertebrae_L6"]}, "review: found 'vertebrae_L6'"),
        ({"labels": {1: "liver"}, "priority": "x"}, "priority: "),
    ],
)
def test_a_bad_card_exits_4(masksmith, capsys, card, words):
    masksmith.add("odd", runner="nnunet", enabled=False, **card)
    assert masksmith("models", "check") == 4
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("odd: bad: ")
    assert words in line
    assert masksmith("models", "check", "odd") == 4


def test_two_cards_that_do_not_go_together_exit_4(masksmith, capsys, tmp_path):
    for name in ("one", "other"):
        masksmith.add(
            name, runner="labelmaps", weights={"path": str(tmp_path)}, labels={1: "liver"}
        )
    assert masksmith("models", "check") == 4
    assert "together: the model cards 'one' and 'other'" in capsys.readouterr().out
    assert masksmith("models", "check", "one") == 0


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Run `masksmith models` in a folder where no workspace is, with the shipped settings."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MASKSMITH_WORKSPACE", raising=False)
    monkeypatch.setenv("MASKSMITH_TRUST_FILE", str(tmp_path / "trusted.json"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("MASKSMITH_LEDGER_URL", "sqlite:////nowhere/at/all.sqlite")
    return lambda *words: main(["--configs", str(shipped_configs()), "models", *words])


def test_the_shipped_cards_need_neither_workspace_nor_weights(outside, capsys):
    assert outside("list", "--json") == 0
    models = {m["name"]: m for m in json.loads(capsys.readouterr().out)["models"]}
    assert models["verse"]["state"] == "not here"
    assert models["nnunet_template"]["state"] == "off"
    assert outside("check") == 0
    assert outside("check", "btcv_task017") == 5
    assert "nnunet==1.7.1" in capsys.readouterr().out
    assert outside("trust", "verse") == 5


def test_coverage_says_67_and_why_the_paper_says_68(outside, capsys):
    assert outside("coverage") == 0
    out = capsys.readouterr().out
    assert "paper: 67 of 104 structures; 37 left for people, of which 6 by heart transfer" in out
    assert "The paper counts 68: " in out
    assert "= 71, less 2 that two have (aorta, esophagus), less 1 " in out
    assert "(heart). Of those, 1 more has no structure here either (vertebrae_L6" in out
    (aorta,) = [line for line in out.splitlines() if line.startswith("aorta ")]
    assert aorta.split()[1:] == [
        "totalsegmentator_v2,", "totalsegmentator_v2_labelmaps,", "btcv_task017,",
        "segthor_task055,", "totalsegmentator_heartchambers",
    ]  # fmt: skip
    assert outside("coverage", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["paper"]["covered"], said["paper"]["claimed"]) == (67, 68)
    assert len(said["paper"]["left_for_people"]) == 37
    assert len(said["paper"]["left_for_heart_transfer"]) == 6
    assert said["left_for_people"] == ["face"]
    assert outside("coverage", "verse") == 0
    assert "all these cards: 24 of 104 structures" in capsys.readouterr().out


HAND_OUT = (
    "import shutil, sys; shutil.copyfile(sys.argv[3], sys.argv[2]); sys.exit(len(sys.argv) - 4)"
)
GRID = Grid(
    (24, 20, 16), np.array([[-2.5, 0, 0, 20], [0, -2, 0, 15], [0, 0, 3, 100], [0, 0, 0, 1]])
)


@pytest.fixture
def prepared(masksmith, tmp_path):
    """Write a CT and two cards for a program that hands out its labels, or fails."""
    rng = np.random.default_rng(0)
    ct = np.full(GRID.shape, -1000, np.int16)
    ct[3:-3, 3:-3] = 40
    ct[8:12, 8:12] = 700
    ct += rng.integers(-30, 30, GRID.shape).astype(np.int16)
    write_nifti(tmp_path / "ct.nii.gz", np.asfortranarray(ct), GRID)
    labels = np.zeros(GRID.shape, np.uint8, order="F")
    labels[4:8, 4:8, 2:6], labels[12:16, 4:8, 2:6], labels[12:14, 12:14, 2:4] = 1, 2, 3
    write_nifti(tmp_path / "labels.nii.gz", labels, GRID)
    words = [sys.executable, "-S", "-B", "-c", HAND_OUT, "{input}", "{output}"]
    named = {1: "liver", 2: "spleen", 3: "heart", 4: "pancreas"}
    for name, more in (("good", []), ("bad", ["fail"])):
        argv = [*words, str(tmp_path / "labels.nii.gz"), *more]
        masksmith.add(name, runner="command", options={"argv": argv}, labels=named,
                      without_target=["heart"])  # fmt: skip
    return ct, labels


def test_a_place_that_cannot_be_written_is_refused_before_any_work(masksmith, prepared, tmp_path,
                                                                   capsys):  # fmt: skip
    ct = tmp_path / "ct.nii.gz"
    assert masksmith("models", "run", "bad", "-i", str(ct), "-o", str(ct / "out.nii.gz")) == 4
    assert "out.nii.gz: cannot be written" in capsys.readouterr().err


def test_a_run_writes_a_label_map_on_the_grid_of_the_ct(masksmith, prepared, tmp_path, capsys):
    _, labels = prepared
    out = tmp_path / "made" / "out.nii.gz"
    words = ("models", "run", "good", "-i", str(tmp_path / "ct.nii.gz"), "-o", str(out))
    assert masksmith(*words) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said[1:3]] == [["spleen", "1.00"], ["liver", "1.00"]]
    assert said[3] == "no structure in the class map for heart (0.1 ml); not written"
    assert said[4] == f"good: 2 of 3 structures found; {out}"
    written = read_nifti(out)
    assert written.grid.same_as(GRID)
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    for value, name in ((1, "liver"), (2, "spleen")):
        np.testing.assert_array_equal(written.array == class_map[name].value, labels == value)
    assert np.count_nonzero(written.array) == 2 * 4 * 4 * 4
    before = out.read_bytes()
    assert masksmith(*words) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert masksmith(*words, "--force", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["volume_ml"] == {"spleen": 0.96, "liver": 0.96}
    assert document["without_target_ml"] == {"heart": 0.12}
    assert [path.name for path in out.parent.iterdir()] == ["out.nii.gz"]


def test_a_run_into_a_folder_writes_a_mask_per_structure(masksmith, prepared, tmp_path):
    _, labels = prepared
    out = tmp_path / "out"
    words = ("models", "run", "good", "-i", str(tmp_path / "ct.nii.gz"), "-o", str(out))
    assert masksmith(*words) == 0
    files = {path.name: read_nifti(path).array for path in out.iterdir()}
    assert set(files) == {f"{n}.nii.gz" for n in ("labels", "liver", "spleen", "pancreas")}
    np.testing.assert_array_equal(files["liver.nii.gz"], labels == 1)
    assert not files["pancreas.nii.gz"].any()
    assert masksmith(*words) == 2
    (out / "mine.txt").write_text("notes")
    assert masksmith(*words, "--force") == 0
    assert (out / "mine.txt").read_text() == "notes"


def test_a_run_that_fails_writes_nothing(masksmith, prepared, workspace, tmp_path, capsys):
    out = tmp_path / "made" / "out.nii.gz"
    ct = str(tmp_path / "ct.nii.gz")
    assert masksmith("models", "run", "bad", "-i", ct, "-o", str(out)) == 4
    assert "ended with exit code 1" in capsys.readouterr().err
    assert masksmith("models", "run", "god", "-i", ct, "-o", str(out)) == 4
    assert "did you mean good" in capsys.readouterr().err
    labels = str(tmp_path / "labels.nii.gz")
    assert masksmith("models", "run", "good", "-i", labels, "-o", str(out)) == 4
    assert "no CT: " in capsys.readouterr().err
    assert masksmith("models", "run", "good", "-i", ct, "-o", str(out), "-d", "cuda") == 2
    assert not out.parent.exists()
    assert workspace.cases() == ()


def test_a_run_reads_a_dicom_series(masksmith, prepared, tmp_path):
    ct, labels = prepared
    folder = tmp_path / "series"
    folder.mkdir()
    for k in range(GRID.shape[2]):
        # From RAS to LPS; voxel 0 of GRID lies at (20, 15, 100), x and y fall from there.
        dataset = dicom_slice(ct[:, :, k], (-20.0, -15.0, 100.0 + 3 * k), f"1.2.3.4.{k}")
        dataset.SeriesInstanceUID = "1.2.3.4"
        dataset.save_as(folder / f"{k}", enforce_file_format=True)
    out = tmp_path / "out.nii.gz"
    assert masksmith("models", "run", "good", "-i", str(folder), "-o", str(out)) == 0
    assert np.count_nonzero(read_nifti(out).array) == np.count_nonzero(labels % 3)


@pytest.mark.slow
def test_a_run_with_a_real_nnunet_model_needs_approval(masksmith, tiny_model, tmp_path, capsys):
    ct, labels, grid = bright_body(100)
    write_nifti(tmp_path / "ct.nii.gz", ct, grid)
    masksmith.add(
        "net", runner="nnunet", weights={"path": str(tiny_model.folder)},
        labels=tiny_model.names_by_value,
    )  # fmt: skip
    out = tmp_path / "out.nii.gz"
    words = ("models", "run", "net", "-i", str(tmp_path / "ct.nii.gz"), "-o", str(out))
    assert masksmith(*words) == 5
    assert "masksmith models trust net" in capsys.readouterr().err
    assert not out.exists()
    assert masksmith("models", "trust", "net") == 0
    assert masksmith(*words) == 0
    class_map = load_class_map(shipped_configs() / "class_map.yaml")
    found, truth = read_nifti(out).array == class_map["liver"].value, labels == 1
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6
