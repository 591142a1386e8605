import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import BadInput, MissingDependency
from training import nnunet_model
from training.nnunet_model import NnunetModel, export_zip, open_model, unzip_safely


def make_model(folder: Path, labels: dict[str, object] | None = None, **dataset: object) -> Path:
    """Write the outline of a model folder: enough to be found, not to predict."""
    labels = labels or {"background": 0, "liver": 1, "spleen": 2}
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text("{}")
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, **dataset}))
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
    (folder / "fold_0" / "debug.json").write_text('{"hostname": "ward-7"}')
    return folder


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_a_model_is_found_below_the_folder_that_is_named(tmp_path):
    made = make_model(tmp_path / "Dataset501_x" / "Trainer__nnUNetPlans__3d_fullres")
    model = open_model(tmp_path)
    assert model.folder == made
    assert model.folds == ("0",)
    assert model.names_by_value == {1: "liver", 2: "spleen"}


def test_region_models_take_their_values_from_the_class_order(tmp_path):
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    made = make_model(tmp_path / "m", labels, regions_class_order=[1, 2])
    assert NnunetModel(made).names_by_value == {1: "whole", 2: "core"}


def test_the_digest_follows_the_weights_and_not_the_debug_file(tmp_path):
    made = make_model(tmp_path / "m")
    before = NnunetModel(made).digest
    (made / "fold_0" / "debug.json").write_text("{}")
    assert NnunetModel(made).digest == before
    (made / "fold_0" / "checkpoint_final.pth").write_bytes(b"other")
    assert NnunetModel(made).digest != before


def test_a_path_that_is_not_there_is_a_missing_dependency(tmp_path):
    with pytest.raises(MissingDependency, match="does not exist"):
        open_model(tmp_path / "nothing")


def test_none_or_two_models_are_refused(tmp_path):
    with pytest.raises(BadInput, match="found 0 nnU-Net v2 models"):
        open_model(tmp_path)
    make_model(tmp_path / "a")
    make_model(tmp_path / "b")
    with pytest.raises(BadInput, match="found 2 nnU-Net v2 models"):
        open_model(tmp_path)


def test_an_unfinished_training_is_no_model(tmp_path):
    made = make_model(tmp_path / "m")
    (made / "fold_0" / "checkpoint_final.pth").rename(made / "fold_0" / "checkpoint_latest.pth")
    with pytest.raises(BadInput, match="is training finished"):
        open_model(made)


def test_an_exported_zip_gives_the_same_model_without_the_hosts_name(tmp_path):
    model = open_model(make_model(tmp_path / "m"))
    archive = tmp_path / "m.zip"
    export_zip(model, archive)
    assert "ward-7" not in archive.read_bytes().decode("latin-1")
    unpacked = open_model(archive, unpack_into=tmp_path / "models")
    assert unpacked.digest == model.digest
    assert not list(unpacked.folder.rglob("debug.json"))
    assert open_model(archive, unpack_into=tmp_path / "models").folder == unpacked.folder


def test_exporting_twice_gives_the_same_bytes(tmp_path):
    model = open_model(make_model(tmp_path / "m"))
    export_zip(model, tmp_path / "a.zip")
    export_zip(model, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "a/b/../../../evil"]
)
def test_entries_that_climb_out_are_refused(tmp_path, name):
    archive = make_zip(tmp_path / "m.zip", {"fine": b"1", name: b"2"})
    with pytest.raises(BadInput, match="points outside"):
        unzip_safely(archive, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.zip"]


def test_links_are_refused(tmp_path):
    entry = zipfile.ZipInfo("plans.json")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = tmp_path / "m.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(entry, "/etc/passwd")
    with pytest.raises(BadInput, match="a link or a special file"):
        unzip_safely(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_than_the_limit_is_refused_before_unpacking(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "m.zip", {"a": bytes(600), "b": bytes(600)})
    monkeypatch.setattr(nnunet_model, "MAX_ZIP_BYTES", 1000)
    with pytest.raises(BadInput, match="unpacks to 1200 bytes"):
        unzip_safely(archive, tmp_path / "out")
    monkeypatch.setattr(nnunet_model, "MAX_ZIP_BYTES", 2000)
    monkeypatch.setattr(nnunet_model, "MAX_ZIP_FILES", 1)
    with pytest.raises(BadInput, match="2 files"):
        unzip_safely(archive, tmp_path / "out")


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", bytes(100_000))
    data = bytearray(buffer.getvalue())
    place = data.rindex(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    data[place : place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "m.zip").write_bytes(data)
    with pytest.raises(BadInput):
        unzip_safely(tmp_path / "m.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_something_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "m.zip").write_bytes(b"PK nonsense")
    with pytest.raises(BadInput, match="not a readable zip"):
        open_model(tmp_path / "m.zip", unpack_into=tmp_path / "models")
    assert not [p for p in (tmp_path / "models").iterdir() if not p.name.startswith(".")]
