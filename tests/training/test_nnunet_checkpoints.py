from pathlib import Path

import pytest
import torch

from training.nnunet_checkpoints import (
    digest_of_weights,
    finished_model,
    newest_readable,
    refuse_mirroring,
    require_checkpoint,
)


def write(path: Path, **changes: object) -> Path:
    """Write a checkpoint as nnU-Net does."""
    values = {
        "network_weights": {"a": torch.arange(4.0), "b": torch.ones(2, 2)},
        "inference_allowed_mirroring_axes": None,
    } | changes
    torch.save(values, path)
    return path


@pytest.fixture
def said():
    """Collect what is reported to the parent."""
    return []


def test_the_newest_in_nnunets_order_is_continued_from(tmp_path, said):
    assert newest_readable(tmp_path, lambda **event: said.append(event)) is None
    best = write(tmp_path / "checkpoint_best.pth")
    assert newest_readable(tmp_path, lambda **event: said.append(event)) == best
    latest = write(tmp_path / "checkpoint_latest.pth")
    assert newest_readable(tmp_path, lambda **event: said.append(event)) == latest
    assert said == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x02}q\x00."])
def test_a_damaged_checkpoint_is_set_aside_and_said_when_an_older_one_is_there(
    tmp_path, said, content
):
    best = write(tmp_path / "checkpoint_best.pth")
    (tmp_path / "checkpoint_latest.pth").write_bytes(content)
    assert newest_readable(tmp_path, lambda **event: said.append(event)) == best
    (event,) = said
    assert event["event"] == "unreadable"
    assert event["instead"] == "checkpoint_best.pth"
    assert "checkpoint_latest.pth is unreadable" in event["error"]
    assert (tmp_path / "checkpoint_latest.unreadable").read_bytes() == content


def test_no_readable_checkpoint_is_an_error_and_nothing_is_moved(tmp_path, said):
    (tmp_path / "checkpoint_latest.pth").write_bytes(b"half")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"latest\.pth is unreadable.*from a backup.*delete"):
            newest_readable(tmp_path, lambda **event: said.append(event))
    assert said == []


@pytest.mark.parametrize(("begun", "refused"), [(0, False), (1, False), (2, True), (30, True)])
def test_beginning_again_is_refused_once_a_checkpoint_must_be_there(tmp_path, begun, refused):
    require_checkpoint(tmp_path / "checkpoint_latest.pth", tmp_path, begun)
    if not refused:
        require_checkpoint(None, tmp_path, begun)
        return
    with pytest.raises(RuntimeError, match=rf"had reached epoch {begun}, but .* no checkpoint"):
        require_checkpoint(None, tmp_path, begun)


def test_a_finished_model_is_named_by_its_weights_alone(tmp_path):
    first = finished_model(write(tmp_path / "a.pth", logging={"time": 1}))
    second = finished_model(write(tmp_path / "b.pth", logging={"time": 2}))
    assert first["digest"] == second["digest"]
    assert first["checkpoint_sha256"] != second["checkpoint_sha256"]
    other = {"a": torch.arange(4.0) + 1, "b": torch.ones(2, 2)}
    assert digest_of_weights(other) != first["digest"]


@pytest.mark.parametrize("axes", [None, (), []])
def test_a_checkpoint_without_mirroring_passes(tmp_path, axes):
    path = write(tmp_path / "checkpoint_final.pth", inference_allowed_mirroring_axes=axes)
    assert len(finished_model(path)["digest"]) == 64


def test_a_checkpoint_that_allows_mirroring_fails_the_round(tmp_path):
    path = write(tmp_path / "checkpoint_final.pth", inference_allowed_mirroring_axes=(0, 1, 2))
    with pytest.raises(
        RuntimeError, match=r"final\.pth was trained with mirroring.*\[0, 1, 2\].*NoMirroring"
    ):
        finished_model(path)


def test_a_checkpoint_that_does_not_say_fails_too(tmp_path):
    path = tmp_path / "checkpoint_final.pth"
    torch.save({"network_weights": {}}, path)
    with pytest.raises(RuntimeError, match="does not say whether prediction may mirror"):
        finished_model(path)


class Trainer:
    """As much of a trainer as is asked before it starts."""

    def __init__(self, in_training: object, in_prediction: object) -> None:
        self.in_training = in_training
        self.inference_allowed_mirroring_axes = in_prediction

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:  # noqa: N802
        """Give what nnU-Net's method gives."""
        return (0, 1), False, (8, 8, 8), self.in_training


@pytest.mark.parametrize(
    ("axes", "what"), [(((0, 1), None), "training"), ((None, (2,)), "prediction")]
)
def test_a_mirroring_trainer_is_stopped_before_it_trains(axes, what):
    refuse_mirroring(Trainer(None, None))
    with pytest.raises(RuntimeError, match=rf"Trainer mirrors axes .* in {what}"):
        refuse_mirroring(Trainer(*axes))
