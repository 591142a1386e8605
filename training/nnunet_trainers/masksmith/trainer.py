"""A short nnU-Net trainer without mirroring, for models that must be ready in minutes.

nnU-Net ships no-mirroring trainers of 250 to 8000 epochs; this one reads everything from the
entry ``masksmith`` of the plans, so the settings travel with the model:

``epochs, iterations, validation_iterations, learning_rate, weight_decay, oversampling,
deep_supervision, augment, quick_augment, voxels_per_structure, bfloat16, seed``.

Left and right are told apart by where they are, so nothing is ever mirrored: not in augmentation
and, since the checkpoint says so, not at prediction either (paper, section 2.3).

The file imports nothing of ours: nnU-Net finds it by ``nnUNet_extTrainer`` and puts its own
package folder, which also holds a package named ``training``, first on the path.
"""

import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from .quick_augmentation import quickly_augmented
from .sampled_loss import SampledLoss

DEFAULTS = {
    "epochs": 4,
    "iterations": 50,
    "validation_iterations": 2,
    "learning_rate": 3e-3,
    "weight_decay": 1e-4,
    "oversampling": 0.66,
    "deep_supervision": True,
    "augment": False,
    "quick_augment": True,
    "voxels_per_structure": 300,
    "bfloat16": True,
    "seed": 1234,
}
WARM_UP = 0.05  # share of all iterations in which the learning rate rises


class MasksmithTrainer(nnUNetTrainer):
    """AdamW with warm-up and cosine decay, no mirroring, a checkpoint after every epoch.

    Each epoch starts from its own seed, so on one device a run that was killed and resumed sees
    the same patches as one that was left alone.
    """

    loss: Any
    network: Any

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's own signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.short = DEFAULTS | plans.get("masksmith", {})
        self.num_epochs = int(self.short["epochs"])
        self.num_iterations_per_epoch = int(self.short["iterations"])
        self.num_val_iterations_per_epoch = int(self.short["validation_iterations"])
        self.initial_lr = float(self.short["learning_rate"])
        self.weight_decay = float(self.short["weight_decay"])
        self.oversample_foreground_percent = float(self.short["oversampling"])
        self.enable_deep_supervision = bool(self.short["deep_supervision"])
        self.save_every = 1
        self.iteration = 0
        self.logger.plot_progress_png = _no_plot

    def initialize(self) -> None:
        """Build network and optimizer from the seed."""
        if not self.was_initialized:
            self._seed(0)
        super().initialize()

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """AdamW; the scheduler only satisfies nnU-Net, ``train_step`` sets the rate."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.initial_lr, weight_decay=self.weight_decay
        )
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(  # noqa: N802
        self,
    ) -> tuple:
        """Never mirror; without augmentation the loader cuts the final patch at once."""
        rotation, dummy_2d, initial, _ = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        self.inference_allowed_mirroring_axes = None
        if not self.short["augment"]:
            dummy_2d, initial = False, self.configuration_manager.patch_size
        return rotation, dummy_2d, initial, None

    def get_training_transforms(self, *args: object, **kwargs: object) -> object:
        """nnU-Net's augmentation, or none at all where every second counts."""
        if self.short["augment"]:
            return nnUNetTrainer.get_training_transforms(*args, **kwargs)
        scales = kwargs.get("deep_supervision_scales", args[2] if len(args) > 2 else None)
        kept = ("is_cascaded", "foreground_labels", "regions", "ignore_label")
        return self.get_validation_transforms(
            scales, **{name: kwargs[name] for name in kept if name in kwargs}
        )

    def on_train_epoch_start(self) -> None:
        """Leave the last layers to the loss while training, where that is wanted."""
        super().on_train_epoch_start()
        if not self._samples_voxels():
            return
        heads = self.network.decoder.seg_layers
        self.whole = (self.loss, list(heads))
        self.loss = self.loss_on_drawn_voxels(list(heads)[::-1])
        for place in range(len(heads)):
            heads[place] = torch.nn.Identity()

    def loss_on_drawn_voxels(self, layers: list[Any]) -> SampledLoss:
        """Give the loss of the training steps; `layers` are the last ones, finest first."""
        each = int(self.short["voxels_per_structure"])
        return SampledLoss(layers, each, ignore=self.label_manager.ignore_label)

    def on_validation_epoch_start(self) -> None:
        """Put the last layers back: validation, checkpoints, prediction see the whole network."""
        if self._samples_voxels():
            self.loss, layers = self.whole
            for place, layer in enumerate(layers):
                self.network.decoder.seg_layers[place] = layer
        super().on_validation_epoch_start()

    def on_epoch_start(self) -> None:
        """Start every epoch from its own seed."""
        super().on_epoch_start()
        self._seed(self.current_epoch + 1)
        self.iteration = 0

    def train_step(self, batch: dict) -> dict:
        """One step at the learning rate of this very iteration."""
        done = self.current_epoch * self.num_iterations_per_epoch + self.iteration
        rate = self.initial_lr * _schedule(done / (self.num_epochs * self.num_iterations_per_epoch))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.iteration += 1
        if self.short["quick_augment"] and not self.short["augment"]:
            batch = quickly_augmented(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._uses_bfloat16()):
            result: dict = super().train_step(batch)
        return result

    def save_checkpoint(self, filename: str) -> None:
        """Write beside and rename, so that a kill never leaves half a checkpoint."""
        if self.disable_checkpointing or self.local_rank != 0:
            return
        part = Path(f"{filename}.part")
        super().save_checkpoint(str(part))
        os.replace(part, filename)

    def plot_network_architecture(self) -> None:
        """Nothing: the drawing library is not installed."""

    def _save_debug_information(self) -> None:
        """Nothing: nnU-Net's file would carry the host's name into every exported model."""

    def _uses_bfloat16(self) -> bool:
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return self.device.type == "cpu" and bool(self.short["bfloat16"]) and native()

    def _samples_voxels(self) -> bool:
        plain = not self._do_i_compile() and not self.is_ddp
        return plain and int(self.short["voxels_per_structure"]) > 0

    def _seed(self, step: int) -> None:
        seed = int(self.short["seed"]) + 7919 * step
        random.seed(seed)
        np.random.seed(seed % 2**32)  # nnU-Net's loaders draw from the global state
        torch.manual_seed(seed)


def _schedule(progress: float) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine down to 1 %."""
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    rest = (progress - WARM_UP) / (1 - WARM_UP)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest))


def _no_plot(_folder: str) -> None:
    """Stand in for nnU-Net's progress picture, which costs a second per epoch."""
