"""How sure a model was of each structure, summed up while its logits pass by in slabs.

Runs inside the nnU-Net subprocess, which loads it by path; it imports nothing of ours. What the
sums mean is said in ``pipeline.workspace.Confidence``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSURE = (0.2, 0.8)  # a probability between these, both included, is uncertain
CHUNK_NUMBERS = 8 << 20  # logits looked at in one go, if a plane has fewer: 32 MiB


class ConfidenceSums:
    """Sums over the voxels seen so far, for each head of the network.

    Parameters
    ----------
    values : sequence of int
        The label value each head stands for.
    regions : bool
        Whether heads are regions, each with a sigmoid of its own, instead of classes that share
        a softmax; among classes the first is the background.
    """

    def __init__(self, values: Sequence[int], *, regions: bool) -> None:
        self._values = tuple(values)
        self._regions = regions
        heads = len(self._values)
        self._labelled = np.zeros(heads, np.int64)
        self._probability = np.zeros(heads)
        self._looked_at = np.zeros(heads, np.int64)
        self._entropy = np.zeros(heads)
        self._unsure = np.zeros(heads, np.int64)

    def add(self, logits: Any, cover: Any, labels: NDArray[np.unsignedinteger]) -> None:
        """Look at the finished rows of a slab.

        Parameters
        ----------
        logits : tensor, shape (heads, Z, Y, X)
            Sums of weighted logits.
        cover : tensor, shape (Z, Y, X)
            Sums of the weights; their quotient is the logit.
        labels : ndarray, shape (Z, Y, X)
            Label values of these voxels.
        """
        heads, height, *plane = logits.shape
        look = self._add_regions if self._regions else self._add_classes
        rows = max(1, CHUNK_NUMBERS // (heads * int(np.prod(plane))))
        for start in range(0, height, rows):
            part = slice(start, start + rows)
            numbers = logits[:, part].to(cover.dtype) / cover[part]
            look(numbers.reshape(heads, -1), labels[part].reshape(-1))

    def per_value(self) -> dict[int, dict[str, float]]:
        """Give means and the number of uncertain voxels by label value, background left out."""
        result = {}
        for head, value in enumerate(self._values):
            if head == 0 and not self._regions:
                continue
            result[value] = {
                "probability": float(self._probability[head] / max(1, self._labelled[head])),
                "entropy_bits": float(self._entropy[head] / max(1, self._looked_at[head])),
                "uncertain_voxels": int(self._unsure[head]),
            }
        return result

    def _add_classes(self, logits: Any, labels: NDArray[np.unsignedinteger]) -> None:
        """Softmax of (heads, voxels).

        Where the winner has more than 0.8 no other class reaches 0.2, so the probabilities of
        all classes are worked out only in the few voxels where it has less.
        """
        top = logits.amax(0)
        total = logits.sub_(top).exp_().sum(0)
        winner = (1 / total).cpu().numpy().astype(np.float64)
        found = labels > 0
        self._count_labelled(labels[found], winner[found])
        places = (total >= 1 / UNSURE[1]).nonzero()[:, 0]
        shares = (logits[:, places] / total[places]).cpu().numpy().astype(np.float64)
        places = places.cpu().numpy()
        for head in range(1, len(self._values)):
            self._count_unsure(head, shares[head], labels[places] == head)

    def _add_regions(self, logits: Any, labels: NDArray[np.unsignedinteger]) -> None:
        """Sigmoid of (heads, voxels)."""
        shares = logits.sigmoid().cpu().numpy()
        for head, value in enumerate(self._values):
            found = labels == value
            share = shares[head].astype(np.float64)
            self._count_labelled(np.full(int(found.sum()), head), share[found])
            self._count_unsure(head, share, found)

    def _count_labelled(self, heads: NDArray[np.integer], share: NDArray[np.float64]) -> None:
        """Count voxels labelled as these heads, and the probabilities of their structures."""
        size = len(self._values)
        counts = np.bincount(heads, minlength=size)
        self._labelled += counts
        self._looked_at += counts
        self._probability += np.bincount(heads, share, size)
        self._entropy += np.bincount(heads, _entropy_bits(share), size)

    def _count_unsure(
        self, head: int, share: NDArray[np.float64], found: NDArray[np.bool_]
    ) -> None:
        """Count uncertain voxels of one head; those labelled as it have been looked at before."""
        unsure = (share >= UNSURE[0]) & (share <= UNSURE[1])
        others = share[unsure & ~found]
        self._unsure[head] += int(unsure.sum())
        self._looked_at[head] += others.size
        self._entropy[head] += float(_entropy_bits(others).sum())


def _entropy_bits(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Binary entropy of probabilities, in bits."""
    inside = np.clip(share, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
    return -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
