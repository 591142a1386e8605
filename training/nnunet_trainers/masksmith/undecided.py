"""Structures nobody decided in a case, and logits in which they are one with the background."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import distributed

FILE = "undecided.json"


class Undecided:
    """Which label values are undecided in which case, and in the batch at hand.

    Parameters
    ----------
    values : mapping
        Case id to label values; other cases are decided in everything.
    classes : int
        Background and structures.

    Attributes
    ----------
    mask : Tensor of bool, shape (samples, classes), or None
        True where a structure is undecided in a sample of the batch; None if it is nowhere.
    """

    def __init__(self, values: Mapping[str, Sequence[int]], classes: int) -> None:
        self.values = values
        self.classes = classes
        self.mask: torch.Tensor | None = None

    @classmethod
    def read(cls, folder: Path, classes: int) -> "Undecided":
        """Read ``undecided.json`` of a preprocessed dataset.

        Raises
        ------
        FileNotFoundError
            If there is none: without it, undecided structures would be taught as background.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: a trainer for partial labels must know what is undecided "
                "(case id to label values; {} if nothing is)"
            )
        return cls(json.loads(path.read_text()), classes)

    def look_at(self, keys: Sequence[str], device: torch.device) -> None:
        """Set `mask` for a batch.

        With several processes there is always a mask: all must compute the same loss, since
        they wait for each other in it.

        Parameters
        ----------
        keys : sequence of str
            Case of each sample.
        """
        mask = torch.zeros(len(keys), self.classes, dtype=torch.bool)
        for sample, key in enumerate(keys):
            mask[sample, list(self.values.get(str(key), ()))] = True
        together = distributed.is_available() and distributed.is_initialized()
        self.mask = mask.to(device) if together or mask.any() else None


def merge_undecided(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Give logits whose softmax has the undecided structures' probability in the background.

    The merged background is ``log(exp(background) + sum(exp(undecided)))``, in which the
    undecided logits are constants; they themselves become minus infinity. So they get a
    gradient of exactly zero, and so do the weights they are computed with.

    Parameters
    ----------
    logits : Tensor, shape (samples, classes, ...)
    mask : Tensor of bool, shape (samples, classes)
        What is undecided; never the background, class 0.

    Returns
    -------
    Tensor of float32, shape (samples, classes, ...)
    """
    where = mask.reshape(*mask.shape, *[1] * (logits.ndim - 2))
    logits = logits.float()
    constant = logits.detach().masked_fill(~where, -torch.inf).logsumexp(1, keepdim=True)
    background = torch.logaddexp(logits[:, :1], constant)
    return torch.cat([background, logits[:, 1:].masked_fill(where[:, 1:], -torch.inf)], dim=1)
