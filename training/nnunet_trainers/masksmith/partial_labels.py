"""Training on cases in which not every structure was decided: a mixin, and trainers made with it.

A structure that is undecided in a case is neither foreground nor background there: it gets a
gradient of exactly zero from this case, and neither the Dice while training nor the scores of the
validation count it. What is undecided stands in ``undecided.json`` of the preprocessed dataset,
and there alone: plans and checkpoints, which are passed on, name no cases.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoMirroring import (
    nnUNetTrainerNoMirroring,
)
from nnunetv2.training.nnUNetTrainer.variants.training_length import (
    nnUNetTrainer_Xepochs_NoMirroring as long_trainers,
)

from .partial_loss import PartialLoss, PartialSampledLoss
from .trainer import MasksmithTrainer
from .undecided import Undecided, merge_undecided


class PartialLabels(nnUNetTrainer):
    """Adds partial labels to a trainer: ``class X_PartialLabels(PartialLabels, X)``."""

    undecided: Undecided
    network: Any

    def _build_loss(self) -> Any:
        """Put the partial form around nnU-Net's loss, inside deep supervision."""
        if self.label_manager.has_regions:
            raise ValueError("partial labels need structures of their own, not regions")
        classes = self.label_manager.num_segmentation_heads
        self.undecided = Undecided.read(Path(self.preprocessed_dataset_folder_base), classes)
        loss: Any = super()._build_loss()
        compiled = self._do_i_compile()
        if isinstance(loss, DeepSupervisionWrapper):
            loss.loss = PartialLoss(loss.loss, self.undecided, compiled=compiled)
            return loss
        return PartialLoss(loss, self.undecided, compiled=compiled)

    def train_step(self, batch: dict) -> dict:
        """Tell the loss what is undecided in this batch."""
        self.undecided.look_at(batch["keys"], self.device)
        result: dict = super().train_step(batch)
        return result

    def validation_step(self, batch: dict) -> dict:
        """Let nnU-Net see undecided structures as background, so that none is a false positive."""
        self.undecided.look_at(batch["keys"], self.device)
        network, self.network = self.network, lambda data: self._merged(network(data))
        try:
            result: dict = super().validation_step(batch)
        finally:
            self.network = network
        return result

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Take the undecided structures out of the scores nnU-Net's full validation wrote."""
        super().perform_actual_validation(save_probabilities)
        if self.local_rank == 0:
            summary = Path(self.output_folder) / "validation" / "summary.json"
            mean = leave_out_undecided(summary, self.undecided, self.dataset_json["file_ending"])
            self.print_to_log_file("Mean Validation Dice of what is decided: ", mean)

    def save_checkpoint(self, filename: str) -> None:
        """Name the trainer this one is made from, with which anyone can use the model."""
        super().save_checkpoint(filename)
        if self.disable_checkpointing or self.local_rank != 0:
            return
        checkpoint = torch.load(filename, map_location="cpu", weights_only=False)
        checkpoint["trainer_name"] = type(self).__bases__[1].__name__
        part = Path(f"{filename}.part")
        torch.save(checkpoint, part)
        os.replace(part, filename)

    def _merged(self, output: Any) -> Any:
        mask = self.undecided.mask
        if mask is None:
            return output
        if isinstance(output, list | tuple):
            return [merge_undecided(each, mask) for each in output]
        return merge_undecided(output, mask)


def leave_out_undecided(summary: Path, undecided: Undecided, file_ending: str) -> float:
    """Make undecided structures NaN in nnU-Net's ``summary.json`` and compute its means anew.

    Returns
    -------
    float
        Mean Dice over the structures that are decided somewhere.
    """
    scores = json.loads(summary.read_text())
    for case in scores["metric_per_case"]:
        name = Path(case["reference_file"]).name.removesuffix(file_ending)
        for value in undecided.values.get(name, ()):
            case["metrics"][str(value)] = dict.fromkeys(case["metrics"][str(value)], math.nan)
    every = [case["metrics"] for case in scores["metric_per_case"]]
    for value, means in scores["mean"].items():
        for metric in means:
            means[metric] = _mean([metrics[value][metric] for metrics in every])
    for metric in scores["foreground_mean"]:
        per_structure = [means[metric] for value, means in scores["mean"].items() if value != "0"]
        scores["foreground_mean"][metric] = _mean(per_structure)
    part = summary.with_suffix(".part")
    part.write_text(json.dumps(scores, indent=4, sort_keys=True))
    os.replace(part, summary)
    return float(scores["foreground_mean"]["Dice"])


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


class MasksmithTrainer_PartialLabels(PartialLabels, MasksmithTrainer):  # noqa: N801
    """Our short trainer on partly decided cases."""

    def loss_on_drawn_voxels(self, layers: list[Any]) -> PartialSampledLoss:
        """Give the partial form of our loss."""
        each, ignore = int(self.short["voxels_per_structure"]), self.label_manager.ignore_label
        return PartialSampledLoss(layers, each, self.undecided, ignore=ignore)


class nnUNetTrainerNoMirroring_PartialLabels(  # noqa: N801
    PartialLabels, nnUNetTrainerNoMirroring
):
    """1000 epochs."""


class nnUNetTrainer_250epochs_NoMirroring_PartialLabels(  # noqa: N801
    PartialLabels, long_trainers.nnUNetTrainer_250epochs_NoMirroring
):
    """250 epochs."""


class nnUNetTrainer_2000epochs_NoMirroring_PartialLabels(  # noqa: N801
    PartialLabels, long_trainers.nnUNetTrainer_2000epochs_NoMirroring
):
    """2000 epochs."""


class nnUNetTrainer_4000epochs_NoMirroring_PartialLabels(  # noqa: N801
    PartialLabels, long_trainers.nnUNetTrainer_4000epochs_NoMirroring
):
    """4000 epochs."""


class nnUNetTrainer_8000epochs_NoMirroring_PartialLabels(  # noqa: N801
    PartialLabels, long_trainers.nnUNetTrainer_8000epochs_NoMirroring
):
    """8000 epochs."""
