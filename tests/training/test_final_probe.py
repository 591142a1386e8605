"""The planned network tried out for real; some seconds each, so they are slow tests."""

import numpy as np
import pytest

from pipeline.volume import Grid
from tests.fixtures.final_models import final_settings
from training.final_probe import run_probe

pytestmark = pytest.mark.slow
BODY = Grid((160, 160, 200), np.diag([2.5, 2.5, 3.0, 1.0]))


def test_a_small_network_is_planned_and_timed_on_the_cpu(tmp_path, workspace):
    profile = final_settings().training_profile()
    class_map = workspace.class_map.subset(["liver", "spleen"])
    found = run_probe(tmp_path / "work", [BODY] * 6, class_map, profile)
    assert (found.patch_size, found.batch_size) == ((32, 32, 32), 2)
    assert (found.epochs, found.steps_per_epoch) == (2, 25)
    assert found.seconds_per_step is not None
    assert 0 < found.seconds_per_step < 30
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["probe.log"]


def test_the_form_for_partial_labels_is_timed_too(tmp_path, workspace):
    profile = final_settings().training_profile().for_partial_labels()
    class_map = workspace.class_map.subset(["liver", "spleen"])
    found = run_probe(tmp_path, [BODY] * 6, class_map, profile)
    assert found.why == ""
    assert found.seconds_per_step is not None


def test_without_a_gpu_the_full_network_is_planned_and_that_is_said(tmp_path, workspace):
    profile = final_settings(model="full").training_profile()
    class_map = workspace.class_map.subset(workspace.class_map.names)
    found = run_probe(tmp_path, [BODY] * 6, class_map, profile)
    if found.gpu is not None:
        pytest.skip("there is a GPU here")
    assert found.why == "no GPU is visible to torch on this machine"
    assert found.seconds_per_step is None
    # 400 x 400 x 600 mm at 6 mm: the patch is nearly the whole body, in steps of the network.
    assert found.patch_size is not None
    assert min(found.patch_size) >= 64
    assert found.batch_size is not None
    assert found.batch_size >= 2
