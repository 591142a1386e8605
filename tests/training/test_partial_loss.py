"""What our loss weighs where structures are undecided."""

import torch

from training.nnunet_trainers.masksmith.partial_loss import PartialSampledLoss
from training.nnunet_trainers.masksmith.undecided import Undecided


def test_where_something_is_undecided_the_background_has_its_full_weight():
    """Else the background of the cases that decide a structure cannot keep it in its place."""
    torch.manual_seed(0)
    features = torch.randn(2, 6, 8, 8, 8)
    target = torch.randint(0, 5, (2, 1, 8, 8, 8))
    layer = torch.nn.Conv3d(6, 5, 1)
    sizes = torch.tensor([900, 100, 25, 4, 0])
    evened, losses = [], []
    for values in ({}, {"elsewhere": [2, 4]}):
        undecided = Undecided(values, 5)
        undecided.look_at(("a", "b"), torch.device("cpu"))
        loss = PartialSampledLoss([layer], 40, undecided)
        evened.append(loss.evened(sizes).tolist())
        torch.manual_seed(2)
        losses.append(loss(features, target).item())
    assert evened == [[900, 100, 25, 4, 0], [1, 1, 1, 1, 1]]
    assert losses[0] != losses[1]
