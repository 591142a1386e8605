"""`masksmith benchmark-runtime`: the table around predictions of a real, untrained network."""

import json

import pytest

from benchmarks.untrained_models import write_untrained_model
from pipeline.cli.main import main


@pytest.mark.slow
def test_a_prediction_is_measured_and_a_missing_model_is_told(tmp_path, capsys):
    write_untrained_model(tmp_path / "Dataset297_x", {1: "liver", 2: "aorta"}, "nnUNetTrainer", 8.0)
    arguments = ["benchmark-runtime", "--out", str(tmp_path / "out"), "--json", "--no-progress"]
    arguments += ["--matrix", "48", "--slices", "24", "--workspace", str(tmp_path / "none")]
    code = main([*arguments, "--fast-models", str(tmp_path / "Dataset297_x")])
    document = json.loads(capsys.readouterr().out)
    whole, fast = document["predictions"]
    assert code == 8
    assert whole["runtime_s"] is None
    assert "ended with exit code" in whole["note"]
    assert fast["note"] == ""
    assert fast["shape"] == [48, 48, 24]
    assert fast["runtime_s"] > 0.5
    assert 0.2 < fast["ram_gb"] < 20
    assert "| 48x48x24 |" in (tmp_path / "out" / "runtime.md").read_text()
    assert list((tmp_path / "out").glob(".runtime-*")) == []


def test_words_that_fit_nothing_are_refused_before_any_work(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["benchmark-runtime", "--out", str(out), "--device", "tpu"]) == 2
    assert "use cpu, gpu or gpu:N" in capsys.readouterr().err
    assert not out.exists()
