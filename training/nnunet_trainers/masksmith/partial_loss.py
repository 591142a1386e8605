"""The losses of a batch in which structures are undecided.

The loss of a sample is that of a problem without its undecided structures: their probability is
the background's (see ``undecided.py``), and they are left out of the Dice. A structure's Dice is
computed over the samples in which it is decided. nnU-Net's loss and ours each have one such form;
where nothing is undecided, they are the ordinary loss itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from nnunetv2.utilities.ddp_allgather import AllGatherGrad
from torch import distributed

from .sampled_loss import SampledLoss
from .undecided import Undecided, merge_undecided


@dataclass(frozen=True)
class DiceRule:
    """How nnU-Net computes its Dice.

    Attributes
    ----------
    batch : bool
        One Dice per structure for the whole batch instead of one per sample.
    smooth : float
        Added above and below the fraction.
    together : bool
        Sum over all processes of a distributed training.
    """

    batch: bool
    smooth: float
    together: bool


class PartialLoss(torch.nn.Module):
    """nnU-Net's Dice and cross entropy at one resolution, with undecided structures.

    Parameters
    ----------
    whole : DC_and_CE_loss
        nnU-Net's own; used as it is for batches without undecided structures.
    undecided : Undecided
        Holds the mask of the batch at hand.
    """

    def __init__(self, whole: Any, undecided: Undecided, *, compiled: bool = False) -> None:
        super().__init__()
        self.whole = whole
        self.undecided = undecided
        self.rule = DiceRule(whole.dc.batch_dice, whole.dc.smooth, whole.dc.ddp)
        self.sums = torch.compile(sums_of) if compiled else sums_of

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Take logits (B, C, Z, Y, X) and labels (B, 1, Z, Y, X)."""
        mask = self.undecided.mask
        if mask is None:
            loss: torch.Tensor = self.whole(logits, target)
            return loss
        merged = merge_undecided(logits, mask)
        ignore = self.whole.ignore_label
        counted = torch.ones_like(target, dtype=torch.bool) if ignore is None else target != ignore
        sums = self.sums(merged, torch.where(counted, target, 0), counted)
        dice = dice_where_decided(sums, ~mask[:, 1:], self.rule)
        if ignore is not None and not counted.any():
            return -self.whole.weight_dice * dice
        entropy = self.whole.ce(merged, target[:, 0])
        return self.whole.weight_ce * entropy - self.whole.weight_dice * dice


def sums_of(logits: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Sum over the voxels what a Dice is made of.

    Parameters
    ----------
    logits : Tensor, shape (B, C, Z, Y, X)
    target : Tensor, shape (B, 1, Z, Y, X)
        Labels; 0 where not counted.
    counted : Tensor of bool, shape (B, 1, Z, Y, X)

    Returns
    -------
    Tensor, shape (3, B, structures)
        Probability in the right place, probability, voxels; the background is left out.
    """
    axes = tuple(range(2, logits.ndim))
    chances = logits.softmax(1)[:, 1:] * counted
    with torch.no_grad():
        truth = torch.zeros_like(logits).scatter_(1, target.long(), 1)[:, 1:] * counted
    return torch.stack([(chances * truth).sum(axes), chances.sum(axes), truth.sum(axes)])


def dice_where_decided(sums: torch.Tensor, decided: torch.Tensor, rule: DiceRule) -> torch.Tensor:
    """Mean Dice over the decided structures (of a batch, or over decided pairs of its samples).

    Parameters
    ----------
    sums : Tensor, shape (3, B, structures)
        What `sums_of` gave. Of undecided structures they are 0: they leave their sample out.
    decided : Tensor of bool, shape (B, structures)
    """
    right, predicted, truth = sums
    count = decided.float()
    if rule.batch:
        count = count.sum(0, keepdim=True)
        if rule.together:
            right, predicted, truth = (AllGatherGrad.apply(s).sum(0) for s in sums)
            distributed.all_reduce(count)
        right, predicted, truth = right.sum(0), predicted.sum(0), truth.sum(0)
    known = (count > 0).float().reshape(right.shape)
    dice = (2 * right + rule.smooth) / (truth + predicted + rule.smooth).clamp_min(1e-8)
    return (dice * known).sum() / known.sum().clamp_min(1)


class PartialSampledLoss(SampledLoss):
    """Our loss on drawn voxels, with undecided structures."""

    def __init__(
        self,
        layers: Sequence[torch.nn.Module],
        per_structure: int,
        undecided: Undecided,
        *,
        ignore: int | None = None,
    ) -> None:
        super().__init__(layers, per_structure, ignore=ignore)
        self.undecided = undecided

    def seen_by_loss(self, logits: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        """Give the background what is undecided in the patch a row was drawn from."""
        mask = self.undecided.mask
        return logits if mask is None else merge_undecided(logits, mask[samples])

    def evened(self, sizes: torch.Tensor) -> torch.Tensor:
        """Leave every voxel its own weight in a dataset in which something is undecided.

        A structure that is undecided in half of the cases sees the background of the other half
        only. Evened out, that background is too light to keep it in its place.
        """
        return torch.ones_like(sizes) if any(self.undecided.values.values()) else sizes
