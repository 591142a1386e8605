import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.volume import Grid, vote_labels
from tests.fixtures.tiny_models import STRUCTURES, bright_body
from training import predict
from training.nnunet_model import export_zip
from training.nnunet_process import NnunetError
from training.predict import (
    PredictionInput,
    PredictSettings,
    hounsfield_int16,
    model_grid,
    predict_label_map,
    predict_label_maps,
)


def dice_by_structure(labels, truth, names_by_value):
    scores = {}
    for position, name in enumerate(STRUCTURES, start=1):
        value = next(v for v, n in names_by_value.items() if n == name)
        a, b = labels == value, truth == position
        scores[name] = 2 * (a & b).sum() / (a.sum() + b.sum())
    return scores


def broken():
    raise BadInput("the file is gone")


def test_one_subprocess_predicts_all_cases_and_a_bad_one_stops_nobody(tiny_model, tmp_path):
    ct, truth, grid = bright_body(11)
    turned, turned_truth, turned_grid = bright_body(11, "LPS")
    cases = [
        PredictionInput("ras", lambda: (ct, grid)),
        PredictionInput("broken", broken),
        PredictionInput("wrong", lambda: (ct[1:], grid)),
        PredictionInput("lps", lambda: (turned, turned_grid)),
    ]
    results = {
        each.id: each for each in predict_label_maps(tiny_model, cases, PredictSettings(tmp_path))
    }
    assert list(results) == ["ras", "broken", "wrong", "lps"]
    assert results["broken"].error == "broken: the file is gone"
    assert "shape (39, 32, 36)" in (results["wrong"].error or "")
    scores = dice_by_structure(results["ras"].labels, truth, tiny_model.names_by_value)
    assert min(scores.values()) > 0.7, scores
    assert results["ras"].labels.shape == ct.shape
    assert results["ras"].labels.dtype == np.uint8
    back = results["lps"].labels[::-1, ::-1]
    assert (back != results["ras"].labels).mean() < 0.002
    scores = dice_by_structure(results["lps"].labels, turned_truth, tiny_model.names_by_value)
    assert min(scores.values()) > 0.7
    assert "ready" in (tmp_path / "predict.log").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["predict.log"]


@pytest.mark.slow
def test_an_exported_zip_predicts_the_same_and_the_slabs_agree_with_nnunet(tiny_model, tmp_path):
    """The slab-wise argmax must be nnU-Net's own prediction of the same volume."""
    export_zip(tiny_model, tmp_path / "model.zip")
    ct, _, _ = bright_body(12)
    ct = np.asfortranarray(np.concatenate([ct] * 2, axis=2))
    grid = Grid(ct.shape, np.diag([6.0, 6.0, 6.0, 1.0]))
    labels = predict_label_map(tmp_path / "model.zip", ct, grid, PredictSettings(tmp_path / "w"))
    reference = whole_volume_argmax(tiny_model.folder, ct)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert (labels != reference).mean() < 1e-3


@pytest.mark.slow
def test_confidence_from_slabs_is_that_of_all_logits_at_once(tiny_model, tmp_path):
    ct, _, _ = bright_body(12)
    ct = np.asfortranarray(np.concatenate([ct] * 2, axis=2))
    grid = Grid(ct.shape, np.diag([6.0, 6.0, 6.0, 1.0]))
    case = PredictionInput("a", lambda: (ct, grid))
    settings = PredictSettings(tmp_path, confidence=True)
    first, again = predict_label_maps(tiny_model, [case, case], settings)
    assert first.confidences is not None
    assert first.confidences == again.confidences
    logits = whole_volume_logits(tiny_model.folder, ct)
    share = logits.double().softmax(0).numpy()
    labels = logits.argmax(0).numpy()
    assert set(first.confidences) == set(tiny_model.names_by_value)
    for value, confidence in first.confidences.items():
        inside, unsure = labels == value, (share[value] >= 0.2) & (share[value] <= 0.8)
        mean = share[value][inside].mean()
        assert confidence.mean_probability == pytest.approx(mean, abs=2e-3)
        assert confidence.uncertain_ml == pytest.approx(unsure.sum() * grid.voxel_ml, rel=0.01)
        p = share[value][inside | unsure]
        entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean()
        assert confidence.mean_entropy == pytest.approx(entropy, abs=2e-3)


@pytest.mark.slow
def test_confidence_is_left_out_unless_asked_for(tiny_model, tmp_path):
    ct, _, grid = bright_body(3)
    cases = [PredictionInput("a", lambda: (ct, grid))]
    (made,) = predict_label_maps(tiny_model, cases, PredictSettings(tmp_path))
    assert made.error is None
    assert made.confidences is None


def whole_volume_argmax(folder, ct):
    """Predict as nnU-Net does, with all logits in memory."""
    return whole_volume_logits(folder, ct).argmax(0).numpy().T


def whole_volume_logits(folder, ct):
    """Give the logits of all voxels, shape (heads, Z, Y, X)."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from training.nnunet_trainers.masksmith.trainer import MasksmithTrainer

    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    import nnunetv2.inference.predict_from_raw_data as module

    finder = module.recursive_find_trainer_class_by_name
    try:
        module.recursive_find_trainer_class_by_name = lambda name: MasksmithTrainer
        predictor.initialize_from_trained_model_folder(str(folder), (0,))
    finally:
        module.recursive_find_trainer_class_by_name = finder
    image = ct.T[None].astype(np.float32)
    data, _, _ = predictor.configuration_manager.preprocessor_class(verbose=False).run_case_npy(
        image, None, {"spacing": [6.0, 6.0, 6.0]}, predictor.plans_manager,
        predictor.configuration_manager, predictor.dataset_json,
    )  # fmt: skip
    return predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))


def test_a_model_that_cannot_be_loaded_says_so_at_once(tiny_model, tmp_path):
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(tiny_model.folder, copy)
    (copy / "fold_0" / "checkpoint_final.pth").write_bytes(b"nonsense")
    ct, _, grid = bright_body(1)
    with pytest.raises(NnunetError, match=r"nnU-Net stopped: .*\(log: .*predict\.log\)"):
        predict_label_map(copy, ct, grid, PredictSettings(tmp_path / "w"))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "LAS", "RPI"])
def test_the_models_grid_has_its_orientation_and_the_same_field_of_view(orientation):
    affine = np.array([[0, 0, -2.0, 50], [-3.0, 0, 0, 60], [0, 4.0, 0, 70], [0, 0, 0, 1]])
    grid = Grid((10, 20, 30), affine)
    inner = model_grid(grid, orientation, (2.0, 3.0, 4.0))
    assert inner.orientation == orientation
    assert inner.shape == (30, 10, 20)
    assert np.allclose(inner.spacing_mm, (2, 3, 4))
    centre = grid.affine @ (4.5, 9.5, 14.5, 1)
    assert np.allclose(inner.affine @ (14.5, 4.5, 9.5, 1), centre)


def test_hounsfield_units_are_rounded_and_clipped():
    values = np.array([[[-40000.0, 1.5, 2.4, 40000.0]]])
    assert hounsfield_int16(values).ravel().tolist() == [-32768, 2, 2, 32767]


def test_a_worker_that_dies_of_a_case_is_replaced(tmp_path, monkeypatch):
    """The second case kills the worker, as running out of memory does; the third is predicted."""
    from training import nnunet_process

    worker = tmp_path / "worker.py"
    worker.write_text("""
import json, os, sys
import numpy as np
def report(**fields):
    print("@masksmith " + json.dumps(fields), flush=True)
report(event="ready", spacing_mm=[2, 2, 2])
for line in sys.stdin:
    request = json.loads(line)
    ct = np.load(request["input"])
    if request["id"] == "b":
        os.kill(os.getpid(), 9)
    np.save(request["output"], (ct > 0).astype(np.uint8))
    report(event="predicted", id=request["id"], seconds=0.1)
""")
    monkeypatch.setattr(nnunet_process, "WORKER", worker)
    ct = np.zeros((4, 4, 4), np.int16, order="F")
    ct[1:3] = 100
    grid = Grid(ct.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    model = predict.NnunetModel(tmp_path)
    cases = [PredictionInput(name, lambda: (ct, grid)) for name in "abc"]
    results = list(predict_label_maps(model, cases, PredictSettings(tmp_path / "w")))
    assert [each.id for each in results] == ["a", "b", "c"]
    assert "SIGKILL" in (results[1].error or "")
    for each in (results[0], results[2]):
        assert np.array_equal(each.labels, ct > 0)


@pytest.mark.parametrize("count", [40, 101, 104, 512])
def test_the_models_grid_reaches_to_the_ends_of_thin_scans(count):
    grid = Grid((count, 8, 8), np.diag([0.7, 3.0, 3.0, 1.0]))
    inner = model_grid(grid, "RAS", (3.0, 3.0, 3.0))
    assert np.allclose(inner.extent_mm, grid.extent_mm)
    assert abs(inner.spacing_mm[0] - 3.0) * inner.shape[0] < 1.5
    labels = np.ones(inner.shape, np.uint8, order="F")
    assert vote_labels(labels, inner, grid).all()
