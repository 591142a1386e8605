"""Cross entropy and Dice on drawn voxels: cheap with many structures, fair to rare ones."""

from collections.abc import Sequence
from typing import Any

import torch

BACKGROUND_SHARE = 25  # background voxels drawn, as a multiple of those of one structure


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
    per_structure : int
        Voxels drawn of each structure.
    ignore : int or None
        Label of voxels that count for nothing; they are never drawn.
    """

    def __init__(
        self, layers: Sequence[torch.nn.Module], per_structure: int, *, ignore: int | None = None
    ) -> None:
        self.layers = layers
        self.per_structure = per_structure
        self.ignore = ignore

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
        counted = None if self.ignore is None else labels != self.ignore
        sizes = torch.bincount(labels if counted is None else labels[counted], minlength=classes)
        limits = torch.full_like(sizes, self.per_structure)
        limits[0] *= BACKGROUND_SHARE
        shares = torch.minimum(sizes, limits) / sizes.clamp(min=1)
        share = shares[labels] if counted is None else shares[labels * counted] * counted
        drawn = (torch.rand(labels.shape, device=labels.device) < share).nonzero()[:, 0]
        labels = labels[drawn]
        rows = features.movedim(1, -1).flatten(0, -2)[drawn].float()
        with torch.autocast(rows.device.type, enabled=False):
            logits = rows @ layer.weight.flatten(1).T + layer.bias
        if not len(drawn):
            return logits.sum()  # every voxel is ignored: 0, with a gradient of 0
        logits = self.seen_by_loss(logits, drawn // target[0].numel())
        counts = torch.bincount(labels, minlength=classes).clamp(min=1)
        stands_for = (sizes / counts)[labels]
        entropy = _entropy(logits, labels, stands_for, self.evened(sizes))
        return entropy - _dice(logits, labels, stands_for, sizes)

    def evened(self, sizes: torch.Tensor) -> torch.Tensor:
        """Give the sizes (C,) by whose square root the cross entropy evens out structures."""
        return sizes

    def seen_by_loss(self, logits: torch.Tensor, _samples: torch.Tensor) -> torch.Tensor:
        """Give the logits (N, C) the loss is computed of; `_samples` (N,): whose patch each is."""
        return logits


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
