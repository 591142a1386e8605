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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

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
BACKGROUND_SHARE = 25  # background voxels drawn, as a multiple of those of one structure
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
        self.loss = SampledLoss(list(heads)[::-1], int(self.short["voxels_per_structure"]))
        for place in range(len(heads)):
            heads[place] = torch.nn.Identity()

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


def quickly_augmented(batch: dict) -> dict:
    """Turn, scale and re-expose a batch, and cut some fields of view short; never mirror.

    One resampling of the finished patch in torch: a hundredth of the cost of nnU-Net's
    augmentation on a CPU, for trainings of minutes on a handful of cases. A field cut short is
    filled as nnU-Net pads cases smaller than the patch: 0 in the image, background.
    """
    data, target = batch["data"], batch["target"]
    targets = target if isinstance(target, list) else [target]
    turn = _small_turns(len(data), data.device)
    grid = torch.nn.functional.affine_grid(turn, list(data.shape), align_corners=False)
    data = _sampled(data, grid, "bilinear")
    shape = (len(data), 1, 1, 1, 1)
    data = data * (1 + 0.1 * torch.randn(shape)).to(data) + (0.1 * torch.randn(shape)).to(data)
    data = data + 0.1 * torch.rand(shape).to(data) * torch.randn_like(data)
    turned = []
    for each in targets:
        size = [len(data), 1, *each.shape[2:]]
        coarse = torch.nn.functional.affine_grid(turn, size, align_corners=False)
        turned.append(_sampled(targets[0].float(), coarse, "nearest").to(each.dtype))
    for sample in range(len(data)):
        _cut_field_of_view([data, *turned], sample)
    return batch | {"data": data, "target": turned if isinstance(target, list) else turned[0]}


def _sampled(values: torch.Tensor, grid: torch.Tensor, mode: str) -> torch.Tensor:
    return torch.nn.functional.grid_sample(
        values, grid, mode=mode, padding_mode="border", align_corners=False
    )


def _small_turns(count: int, device: torch.device) -> torch.Tensor:
    """Affine matrices (count, 3, 4): up to 8 degrees about each axis, 15 % larger or smaller."""
    angles = (torch.rand(count, 3) * 2 - 1) * math.radians(8)
    turn = torch.eye(3).repeat(count, 1, 1)
    for axis, (first, second) in enumerate(((1, 2), (0, 2), (0, 1))):
        cos, sin = angles[:, axis].cos(), angles[:, axis].sin()
        single = torch.eye(3).repeat(count, 1, 1)
        single[:, first, first], single[:, second, second] = cos, cos
        single[:, first, second], single[:, second, first] = -sin, sin
        turn = turn @ single
    scale = torch.exp((torch.rand(count, 1, 3) * 2 - 1) * 0.06)
    scale = scale * torch.exp((torch.rand(count, 1, 1) * 2 - 1) * 0.09)
    return torch.cat([turn * scale, torch.zeros(count, 3, 1)], dim=2).to(device)


def _cut_field_of_view(tensors: Sequence[torch.Tensor], sample: int) -> None:
    """Empty, in three of ten samples, a part of up to half the height at one end."""
    chance, part, end = torch.rand(3).tolist()
    if chance > 0.3:
        return
    for tensor in tensors:
        height = tensor.shape[2]
        rows = round(height * part / 2)
        cut = slice(0, rows) if end < 0.5 else slice(height - rows, height)
        tensor[sample, :, cut] = 0


class SampledLoss:
    """Cross entropy and Dice on a draw of voxels that has every structure of the patch in it.

    With 104 structures the last layer and the loss on all voxels cost more than the rest of a
    small network, and rare structures hardly count at first. Here up to `per_structure` voxels
    of each structure (and a multiple of it of background) are drawn, and only there the last
    layer is computed. Dice weighs each voxel by how many it stands for, so it estimates the
    Dice of the whole patch over the structures in it; cross entropy weighs each structure by
    the square root of its size, between all voxels alike and all structures alike. With deep
    supervision every resolution counts the same: where things are is learned at the coarse ones.

    Parameters
    ----------
    layers : sequence of Conv3d
        The last layers (1 x 1 x 1), finest resolution first.
    """

    def __init__(self, layers: Sequence[torch.nn.Module], per_structure: int) -> None:
        self.layers = layers
        self.per_structure = per_structure

    def __call__(self, features: Any, target: Any) -> torch.Tensor:
        """Take features before the last layers (B, F, Z, Y, X) and labels (B, 1, Z, Y, X).

        Both are lists, finest first, with deep supervision; surplus resolutions are ignored.
        """
        if not isinstance(features, list | tuple):
            features, target = [features], [target]
        losses = [
            self.at_one_resolution(*each)
            for each in zip(features, target, self.layers, strict=False)
        ]
        return torch.stack(losses).mean()

    def at_one_resolution(
        self, features: torch.Tensor, target: torch.Tensor, layer: Any
    ) -> torch.Tensor:
        """Draw voxels, compute the last layer there, and the loss."""
        labels = target.flatten().long()
        classes = layer.weight.shape[0]
        sizes = torch.bincount(labels, minlength=classes)
        limits = torch.full_like(sizes, self.per_structure)
        limits[0] *= BACKGROUND_SHARE
        share = (torch.minimum(sizes, limits) / sizes.clamp(min=1))[labels]
        drawn = (torch.rand(labels.shape, device=labels.device) < share).nonzero()[:, 0]
        labels = labels[drawn]
        rows = features.movedim(1, -1).flatten(0, -2)[drawn].float()
        with torch.autocast(rows.device.type, enabled=False):
            logits = rows @ layer.weight.flatten(1).T + layer.bias
        counts = torch.bincount(labels, minlength=classes).clamp(min=1)
        stands_for = (sizes / counts)[labels]
        entropy = _entropy(logits, labels, stands_for, sizes)
        return entropy - _dice(logits, labels, stands_for, sizes)


def _entropy(
    logits: torch.Tensor, labels: torch.Tensor, stands_for: torch.Tensor, sizes: torch.Tensor
) -> torch.Tensor:
    weights = stands_for * sizes.clamp(min=1)[labels].rsqrt()
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    return (each * weights).sum() / weights.sum()


def _dice(
    logits: torch.Tensor, labels: torch.Tensor, stands_for: torch.Tensor, sizes: torch.Tensor
) -> torch.Tensor:
    chances = logits.softmax(1)
    here = sizes > 0
    here[0] = False
    predicted = (chances * stands_for[:, None]).sum(0)
    right = chances.gather(1, labels[:, None])[:, 0] * stands_for
    common = torch.zeros_like(predicted).index_add(0, labels, right)
    return ((2 * common + 1) / (predicted + sizes + 1))[here].mean() if here.any() else common.sum()


def _schedule(progress: float) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine down to 1 %."""
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    rest = (progress - WARM_UP) / (1 - WARM_UP)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest))


def _no_plot(_folder: str) -> None:
    """Stand in for nnU-Net's progress picture, which costs a second per epoch."""
