"""train-final without a training: what is refused, what a dry run says, what is frozen."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.anatomy import shipped_configs
from pipeline.cli.main import main
from pipeline.engine import SerialEngine
from pipeline.errors import BadInput, UsageError
from pipeline.stage import load_settings, run_stage
from pipeline.workspace import Workspace
from tests.fixtures.final_models import final_settings, final_workspace
from tests.fixtures.tiny_models import STRUCTURES, add_bright_case
from training.final_manifest import (
    FinalFrozen,
    final_models,
    freeze,
    manifest_of,
    read_final_manifest,
    split_of,
)
from training.final_settings import FinalSettings, epochs_of
from training.nnunet_process import NnunetError
from training.train_final import STAGE


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = final_workspace(tmp_path_factory.mktemp("final") / "workspace")
    workspace.ledger.close()
    return workspace.path


@pytest.fixture
def lab(original: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(original, tmp_path / "workspace"))


def frozen(lab: Workspace, **changes: object) -> None:
    for model in final_models(lab, final_settings(**changes)):
        split = split_of(model)
        freeze(model, split, manifest_of(model, split))


def shipped(**flags: object) -> FinalSettings:
    settings = load_settings(STAGE, shipped_configs(), flags)
    assert isinstance(settings, FinalSettings)
    return settings


@pytest.mark.parametrize(
    ("model", "trainer", "epochs", "spacing_mm"),
    [
        ("1.5mm", "nnUNetTrainer_4000epochs_NoMirroring", 4000, 1.5),
        ("3mm", "nnUNetTrainer_8000epochs_NoMirroring", 8000, 3.0),
    ],
)
def test_the_shipped_models_are_the_papers(model, trainer, epochs, spacing_mm):
    profile = shipped(model=model).training_profile()
    assert (profile.trainer, profile.spacing_mm) == (trainer, spacing_mm)
    assert epochs_of(profile) == epochs
    assert profile.network is None


def test_the_papers_five_parts_and_the_one_model_get_folders_and_numbers(workspace: Workspace):
    five = final_models(workspace, shipped(model="1.5mm"))
    assert [model.name for model in five] == [
        f"final-1.5mm-{part}" for part in workspace.class_map.parts
    ]
    assert sorted(len(model.structures) for model in five) == [17, 18, 21, 24, 24]
    assert [model.dataset_number for model in five] == [511, 512, 513, 514, 515]
    assert five[0].folder == workspace.layout.models_dir / "final-1.5mm" / five[0].name[12:]
    (ribs,) = final_models(workspace, shipped(model="1.5mm", parts=("ribs",)))
    assert ribs.dataset_number == {m.name: m for m in five}["final-1.5mm-ribs"].dataset_number
    (whole,) = final_models(workspace, shipped(model="3mm", profile="tiny"))
    assert (whole.name, len(whole.structures)) == ("final-3mm-tiny", 104)
    assert whole.folder == whole.whole_folder == workspace.layout.models_dir / "final-3mm-tiny"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "say which model: --model NAME, one of whole, parts, full"),
        ({"model": "2mm"}, "model '2mm' is unknown; known: whole, parts, full"),
        ({"profile": "huge"}, "profile 'huge' is unknown; known: tiny"),
        ({"parts": ("organs",)}, "model 'whole' is one network .* leave --parts out"),
        ({"model": "parts", "parts": ("heads",)}, "heads"),
    ],
)
def test_words_that_do_not_fit_are_refused(lab: Workspace, changes, words):
    with pytest.raises(UsageError, match=words):
        run_stage(STAGE, lab, final_settings(**changes), SerialEngine())
    assert not lab.layout.final_model_dir("whole").exists()


def test_a_refused_model_leaves_nothing_behind_and_says_why(lab: Workspace):
    add_bright_case(lab, "half", 9, ["liver"])
    with pytest.raises(BadInput, match=r"final-whole cannot begin: undecided: 2 pairs .*--dry-run"):
        run_stage(STAGE, lab, final_settings(), SerialEngine())
    assert not lab.layout.final_model_dir("whole").exists()


def test_a_dry_run_says_what_it_takes_and_changes_nothing(lab: Workspace):
    before = sorted(lab.path.rglob("*"))
    settings = final_settings(model="parts", dry_run=True)
    report = run_stage(STAGE, lab, settings, SerialEngine())
    organs, bones, together = report.outcomes
    assert [each.subject for each in report.outcomes] == [
        "final-parts-organs", "final-parts-bones", "all parts",
    ]  # fmt: skip
    assert (organs.status, bones.status, together.note) == (
        "done", "done", "2 models, unknown length",
    )  # fmt: skip
    names = [row["check"] for row in organs.figures["rows"]]
    assert names == [
        "patients (cases)", "left aside", "undecided", "empty classes", "rare classes",
        "unreviewed masks", "grids", "CT files", "class map", "licence", "plan", "disk",
        "GPU memory", "time",
    ]  # fmt: skip
    rows = {row["check"]: row for row in organs.figures["rows"]}
    assert rows["patients (cases)"]["found"] == "train 4 (4), val 1 (1), test 1 (1)"
    new = set(lab.path.rglob("*")) - set(before)
    assert {path.name for path in new} <= {"driver.lock"}


def test_the_command_prints_the_table_and_ends_with_8_where_it_would_refuse(
    lab: Workspace, tmp_path, capsys
):
    add_bright_case(lab, "half", 9, ["liver"])
    values = final_settings(dry_run=True).model_dump(
        mode="json", by_alias=True, include={"models", "profiles", "probe"}
    )
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "train_final.yaml").write_text(yaml.safe_dump(values))
    lab.ledger.close()
    shared = ["--configs", str(configs), "--workspace", str(lab.path), "--no-progress"]
    assert main(["train-final", "--model", "whole", "-n", *shared]) == 8
    said = capsys.readouterr()
    assert "2 pairs of case and structure: aorta in 1, sacrum in 1" in said.out
    assert "decide them (masksmith verdict)" in said.out
    assert main(["train-final", "--model", "whole", *shared]) == 4
    assert main(["train-final", "--model", "whole", "-n", "--json", *shared]) == 8
    found = json.loads(capsys.readouterr().out)["outcomes"][0]["figures"]["preflight"]
    assert found["undecided"]["pairs"] == 2


def test_a_frozen_model_is_refused_other_settings(lab: Workspace):
    frozen(lab)
    with pytest.raises(FinalFrozen, match="seed was 1234, now 7"):
        frozen(lab, seed=7)
    with pytest.raises(FinalFrozen, match="undecided was refuse, now leave_out_case"):
        frozen(lab, undecided="leave_out_case")
    frozen(lab, profile="tiny")  # stands in a folder of its own
    assert lab.layout.final_model_dir("whole-tiny").is_dir()


def test_parts_share_one_split_even_when_they_begin_on_different_days(lab: Workspace):
    frozen(lab, model="parts", parts=("organs",))
    for number in range(5):
        add_bright_case(lab, f"late{number}", 50 + number, STRUCTURES)
    frozen(lab, model="parts", parts=("bones",))
    folder = lab.layout.final_model_dir("parts")
    manifests = [
        read_final_manifest(folder / part / "manifest.json") for part in ("organs", "bones")
    ]
    assert manifests[0].split == manifests[1].split
    assert (folder / "organs" / "split.csv").read_bytes() == (folder / "split.csv").read_bytes()


def test_a_test_case_is_in_no_training(lab: Workspace):
    model = final_models(lab, final_settings())[0]
    split = split_of(model)
    manifest = manifest_of(model, split)
    (held_out,) = split.cases("test")
    assert held_out not in manifest.choice.cases
    assert set(manifest.test) == {held_out}
    (validates,) = split.cases("val")
    assert model.plan(manifest).dataset.held_out == {split.patients[validates]}


def test_a_changed_split_a_damaged_manifest_and_a_gone_mask_are_refused(lab: Workspace):
    frozen(lab)
    folder = lab.layout.final_model_dir("whole")
    split, manifest = folder / "split.csv", folder / "manifest.json"
    kept, said = split.read_text(), manifest.read_text()
    split.write_text(kept.replace(",test", ",train"))
    with pytest.raises(BadInput, match="was changed since it was frozen"):
        frozen(lab)
    split.write_text(kept)
    manifest.write_text(said[:50])
    with pytest.raises(BadInput, match=r"manifest\.json"):
        frozen(lab)
    manifest.write_text(said)
    states = read_final_manifest(manifest).choice.cases
    case = next(iter(states))
    lab.layout.mask(case, "liver", states[case]["liver"].mask_id or "").unlink()
    with pytest.raises(BadInput, match=f"1 masks it names are gone, such as {case}/liver/"):
        frozen(lab)


def test_a_csv_split_is_obeyed_and_must_stay_what_it_was(lab: Workspace, tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("case_id,split\nf1,train\nf2,train\nf3,val\nf4,test\n")
    frozen(lab, split=path)
    folder = lab.layout.final_model_dir("whole")
    manifest = read_final_manifest(folder / "manifest.json")
    assert (manifest.training, manifest.validation) == (("f1", "f2"), ("f3",))
    assert tuple(manifest.test) == ("f4",)
    path.write_text("case_id,split\nf1,train\nf2,test\nf3,val\nf4,test\n")
    with pytest.raises(FinalFrozen, match="the CSV names other sides"):
        frozen(lab, split=path)


def test_a_probe_that_is_not_wanted_leaves_time_and_memory_unknown(lab: Workspace):
    settings = final_settings(model="full", dry_run=True)
    (outcome,) = run_stage(STAGE, lab, settings, SerialEngine()).outcomes
    found = {row["check"]: (row["state"], row["found"]) for row in outcome.figures["rows"]}
    assert found["GPU memory"] == ("unknown", "not looked at: no probe was wanted")
    assert found["time"] == ("unknown", "4000 epochs of unknown length (no probe was wanted)")
    assert outcome.status == "done"


def test_another_class_map_than_the_frozen_one_is_refused(lab: Workspace):
    frozen(lab)
    text = lab.layout.class_map_file.read_text()
    lab.layout.class_map_file.write_text(text.replace("value: 3", "value: 4"))
    with pytest.raises(BadInput, match="made with another class map than the workspace has now"):
        frozen(Workspace.open(lab.path))


def test_one_refused_part_does_not_stop_the_other(lab: Workspace, monkeypatch):
    add_bright_case(lab, "half", 9, ["liver", "aorta"])
    begun: list[str] = []

    def train_model(plan, *_: object) -> None:
        begun.append(plan.name)
        raise NnunetError("nnU-Net stopped: CUDA out of memory")

    monkeypatch.setattr("training.train_final.train_model", train_model)
    report = run_stage(STAGE, lab, final_settings(model="parts"), SerialEngine())
    assert begun == ["final_parts_organs"]
    assert [(each.subject, each.status) for each in report.outcomes] == [
        ("final-parts-organs", "failed"), ("final-parts-bones", "failed"),
    ]  # fmt: skip
    assert report.outcomes[0].note == "nnU-Net stopped: CUDA out of memory"
    assert "sacrum in 1" in report.outcomes[1].note
    folder = lab.layout.final_model_dir("parts")
    assert (folder / "organs" / "manifest.json").is_file()
    assert not (folder / "bones").exists()
