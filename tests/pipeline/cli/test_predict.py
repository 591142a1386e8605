import csv
import json
import shutil

import numpy as np
import pytest

from pipeline.anatomy import load_class_map, shipped_configs
from pipeline.cli.main import main
from pipeline.volume import Grid, read_nifti, resample_image, vote_labels, write_nifti
from tests.fixtures.dicom_series import write_ct_series
from tests.fixtures.pretended_models import times_loaded, write_pretended_model
from tests.fixtures.tiny_models import bright_body
from training.predict import hounsfield_int16

CLASS_MAP = load_class_map(shipped_configs() / "class_map.yaml")
HU = {"liver": (100, 420), "aorta": (300, 500), "sacrum": (800, 1000)}

pytestmark = pytest.mark.usefixtures("pretended_worker")


@pytest.fixture
def models(tmp_path):
    """Three models of three parts, at the spacing of the CTs."""
    for name, limits in HU.items():
        write_pretended_model(tmp_path / "models" / name, {name: limits})
    return tmp_path / "models"


@pytest.fixture
def ct_file(tmp_path):
    ct, _, grid = bright_body(3)
    write_nifti(tmp_path / "in" / "body.nii.gz", ct, grid)
    return tmp_path / "in" / "body.nii.gz"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in a folder without a workspace."""
    monkeypatch.chdir(tmp_path)
    for name in ("MASKSMITH_WORKSPACE", "MASKSMITH_CONFIGS"):
        monkeypatch.delenv(name, raising=False)


def predict(ct, output, *more, models):
    words = ["predict", "-i", ct, "-o", output, "--models", models, "-j", "1", *more]
    return main([str(word) for word in words])


def expected(ct):
    labels = np.zeros(ct.shape, np.uint8)
    for name in ("liver", "sacrum", "aorta"):
        low, high = HU[name]
        labels[(ct >= low) & (ct < high)] = CLASS_MAP[name].value
    return labels


def test_a_label_map_has_the_names_in_its_header_and_the_grid_of_the_ct(
    models, ct_file, tmp_path, capsys
):
    assert predict(ct_file, tmp_path / "out.nii.gz", models=models) == 0
    made, ct = read_nifti(tmp_path / "out.nii.gz"), read_nifti(ct_file)
    assert made.grid == ct.grid
    assert made.array.dtype == np.uint8
    assert np.array_equal(made.array, expected(ct.array))
    assert made.extension is not None
    assert made.extension["class_map"] == "masksmith_104"
    names = {str(CLASS_MAP[name].value): name for name in HU}
    assert made.extension["labels"] == names
    said = capsys.readouterr().out
    assert "predict: 1 done, 0 kept, 0 failed" in said
    assert "3 structures by 3 models" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "models", "out.nii.gz"]


def test_a_folder_gets_one_mask_per_structure_and_the_statistics_are_those_of_the_voxels(
    models, ct_file, tmp_path
):
    assert predict(ct_file, tmp_path / "out", "--statistics", models=models) == 0
    ct = read_nifti(ct_file)
    truth = expected(ct.array)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "aorta.nii.gz", "liver.nii.gz", "prediction.json", "sacrum.nii.gz", "statistics.csv",
        "statistics.json",
    ]  # fmt: skip
    with (tmp_path / "out" / "statistics.csv").open() as file:
        rows = {row["structure"]: row for row in csv.DictReader(file)}
    values = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert list(rows) == list(values) == ["liver", "aorta", "sacrum"]
    for name in HU:
        mask = read_nifti(tmp_path / "out" / f"{name}.nii.gz").array
        voxels = truth == CLASS_MAP[name].value
        assert np.array_equal(mask > 0, voxels)
        volume_ml = voxels.sum() * ct.grid.voxel_ml
        assert float(rows[name]["volume_ml"]) == pytest.approx(volume_ml, abs=1e-3)
        assert values[name]["mean_hu"] == pytest.approx(ct.array[voxels].mean(), abs=0.01)
    record = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert record["overlap_voxels"] == ((ct.array >= 300) & (ct.array < 420)).sum()
    assert [model["structures"] for model in record["models"]] == [1, 1, 1]
    assert str(tmp_path) not in json.dumps(record)


def test_a_structure_that_was_not_found_is_an_empty_mask_without_a_mean(models, tmp_path):
    ct, _, grid = bright_body(3)
    write_nifti(tmp_path / "flat.nii.gz", np.minimum(ct, 600).astype(np.int16), grid)
    out = tmp_path / "out"
    assert predict(tmp_path / "flat.nii.gz", out, "--statistics", models=models) == 0
    assert not read_nifti(out / "sacrum.nii.gz").array.any()
    values = json.loads((out / "statistics.json").read_text())
    assert values["sacrum"] == {"volume_ml": 0.0, "mean_hu": None}


def test_a_place_that_cannot_be_written_is_refused(models, ct_file, capsys):
    assert predict(ct_file, ct_file / "out.nii.gz", models=models) == 4
    assert "out.nii.gz: cannot be written" in capsys.readouterr().err


def test_what_is_there_from_the_same_is_kept_and_all_else_is_refused(
    models, ct_file, tmp_path, capsys
):
    out = tmp_path / "out.nii.gz"
    assert predict(ct_file, out, models=models) == 0
    before = out.stat().st_mtime_ns
    loaded = times_loaded(models / "liver" / "Trainer__nnUNetPlans__3d_fullres")
    assert predict(ct_file, out, models=models) == 0
    assert "0 done, 1 kept" in capsys.readouterr().out
    assert out.stat().st_mtime_ns == before
    assert predict(ct_file, out, "--overlap", "priority", models=models) == 2
    assert "made otherwise" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before
    other = tmp_path / "drawn.nii.gz"
    ct = read_nifti(ct_file)
    write_nifti(other, np.zeros(ct.array.shape, np.uint8), ct.grid)
    drawn = other.read_bytes()
    assert predict(ct_file, other, models=models) == 2
    assert "something else is there" in capsys.readouterr().err
    assert other.read_bytes() == drawn
    assert predict(ct_file, other, "--force", models=models) == 0
    assert read_nifti(other).array.any()
    assert times_loaded(models / "liver" / "Trainer__nnUNetPlans__3d_fullres") > loaded


def test_in_a_folder_a_bad_file_does_not_stop_the_others(models, ct_file, tmp_path, capsys):
    folder = tmp_path / "in"
    ct, _, grid = bright_body(5)
    write_nifti(folder / "ward" / "second.nii.gz", ct, grid)
    (folder / "broken.nii.gz").write_bytes(ct_file.read_bytes()[:4000])
    (folder / "notes.txt").write_text("none")
    code = predict(folder, tmp_path / "out", "--ml", "--json", models=models)
    assert code == 8
    found = json.loads(capsys.readouterr().out)
    by_subject = {each["subject"]: each for each in found["outcomes"]}
    assert by_subject[str(folder / "broken.nii.gz")]["status"] == "failed"
    assert "cannot be read to its end" in by_subject[str(folder / "broken.nii.gz")]["note"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["body", "ward-second"]
    made = read_nifti(tmp_path / "out" / "ward-second" / "labels.nii.gz")
    assert np.array_equal(made.array, expected(ct))
    for folder_of_model in models.iterdir():
        assert times_loaded(folder_of_model / "Trainer__nnUNetPlans__3d_fullres") == 1
    shutil.rmtree(tmp_path / "out" / "body")
    (folder / "broken.nii.gz").unlink()
    assert predict(folder, tmp_path / "out", "--ml", "--json", models=models) == 0
    counts = [each["status"] for each in json.loads(capsys.readouterr().out)["outcomes"]]
    assert sorted(counts) == ["done", "kept"]


def test_the_folder_of_a_dicom_series_is_one_ct(models, tmp_path):
    ct, _, grid = bright_body(4, "LPS")
    write_ct_series(tmp_path / "series", ct, grid)
    assert predict(tmp_path / "series", tmp_path / "out.nii.gz", models=models) == 0
    made = read_nifti(tmp_path / "out.nii.gz")
    assert made.grid.same_as(grid, 0.01)
    assert np.array_equal(made.array, expected(ct))


def test_a_single_ct_that_is_none_is_bad_input(models, ct_file, tmp_path, capsys):
    labels = tmp_path / "labels.nii.gz"
    grid = read_nifti(ct_file).grid
    write_nifti(labels, np.ones(grid.shape, np.uint8), grid)
    assert predict(labels, tmp_path / "out", models=models) == 4
    said = capsys.readouterr().err
    assert "labels.nii.gz" in said
    assert "looks like a label map" in said
    assert not (tmp_path / "out").exists()


def test_several_cts_do_not_fit_into_one_label_map(models, ct_file, tmp_path, capsys):
    shutil.copy(ct_file, tmp_path / "in" / "copy.nii.gz")
    assert predict(tmp_path / "in", tmp_path / "out.nii.gz", models=models) == 2
    assert "one label map for several CTs" in capsys.readouterr().err


def test_only_the_models_of_the_structures_asked_for_are_run(models, ct_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict(ct_file, out, "--structures", "sacrum", models=models) == 0
    assert [p.name for p in out.glob("*.nii.gz")] == ["sacrum.nii.gz"]
    assert times_loaded(models / "liver" / "Trainer__nnUNetPlans__3d_fullres") == 0
    assert predict(ct_file, out, "--structures", "sacrun", models=models) == 4
    assert "sacrum" in capsys.readouterr().err
    assert predict(ct_file, out, "--parts", "bones", models=models) == 4
    assert "no part 'bones'" in capsys.readouterr().err
    assert predict(ct_file, tmp_path / "o", "--structures", "spleen", models=models) == 5
    assert "no model for spleen; there are models for" in capsys.readouterr().err


def test_without_models_the_error_says_how_to_get_them(ct_file, tmp_path, capsys):
    call = ["predict", "-i", str(ct_file), "-o", str(tmp_path / "out")]
    assert main(call) == 5
    assert "masksmith train-final --model 1.5mm" in capsys.readouterr().err
    assert main([*call, "--fast"]) == 5
    assert "final-3mm" in capsys.readouterr().err


def test_the_final_models_of_the_workspace_are_found_and_must_be_complete(
    ct_file, tmp_path, capsys
):
    final = tmp_path / "workspace" / "models" / "final-1.5mm"
    write_pretended_model(final / "organs", {"liver": HU["liver"]}, card={"part": "organs"})
    fast = tmp_path / "workspace" / "models" / "final-3mm"
    everything = {name: HU.get(name, (-9000, -9000)) for name in CLASS_MAP.names}
    write_pretended_model(fast, everything)
    call = ["predict", "-i", str(ct_file), "-o", str(tmp_path / "out.nii.gz"), "-j", "1"]
    assert main(call) == 5
    assert "there are models for liver" in capsys.readouterr().err
    assert main([*call, "--fast"]) == 0
    assert len(read_nifti(tmp_path / "out.nii.gz").extension["labels"]) == 104


def test_a_damaged_checkpoint_stops_before_any_work(models, ct_file, tmp_path, capsys):
    path = next((models / "aorta").rglob("checkpoint_final.pth"))
    path.write_bytes(path.read_bytes()[:50])
    assert predict(ct_file, tmp_path / "out", models=models) == 4
    said = capsys.readouterr().err
    assert "checkpoint_final.pth: damaged checkpoint" in said
    assert times_loaded(models / "liver" / "Trainer__nnUNetPlans__3d_fullres") == 0


def test_a_model_that_fails_on_its_only_ct_says_why(models, tmp_path, capsys):
    ct, _, grid = bright_body(3)
    ct = ct.copy(order="F")
    ct[4, 4, 4] = 20000
    write_nifti(tmp_path / "metal.nii.gz", ct, grid)
    assert predict(tmp_path / "metal.nii.gz", tmp_path / "out", models=models) == 4
    assert "metal.nii.gz: RuntimeError: metal" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_spacing_comes_back_to_the_grid_of_the_ct(models, tmp_path):
    ct, _, _ = bright_body(3)
    fine = Grid((80, 64, 72), np.diag([2.5, 2.5, 2.5, 1.0]))
    doubled = np.asfortranarray(ct.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    write_nifti(tmp_path / "fine.nii.gz", doubled, fine)
    assert predict(tmp_path / "fine.nii.gz", tmp_path / "out.nii.gz", models=models) == 0
    made = read_nifti(tmp_path / "out.nii.gz")
    assert made.grid == fine
    coarse = fine.with_spacing(5.0)
    at_5_mm = hounsfield_int16(resample_image(doubled, fine, coarse))
    assert np.array_equal(made.array, vote_labels(expected(at_5_mm), coarse, fine))


@pytest.mark.rendering
def test_a_preview_is_drawn(models, ct_file, tmp_path):
    from PIL import Image

    configs = tmp_path / "configs"
    shutil.copytree(shipped_configs(), configs)
    look = (configs / "gallery.yaml").read_text()
    small = "width_px: 800\nview_height_px: 220\nsupersampling: 1\n"
    (configs / "gallery.yaml").write_text(look + "\n" + small)
    out = tmp_path / "out"
    assert predict(ct_file, out, "--preview", "--configs", configs, models=models) == 0
    with Image.open(out / "preview.png") as picture:
        assert 1000 < picture.width < 2000
        assert len(set(picture.convert("L").getdata())) > 20
