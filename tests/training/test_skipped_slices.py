import numpy as np
import pytest

from pipeline.errors import BadInput
from pipeline.workspace import Provenance, Verdict, write_mask
from tests.fixtures.tiny_models import STRUCTURES, add_bright_case, bright_body
from training.round_cases import training_cases
from training.round_choice import Choice, State
from training.skipped_slices import skipped_boxes


def drawn(workspace, voxels, slices, axis="k"):
    """Store a rough liver of which these slices were drawn, accepted."""
    case = workspace.case("a")
    made = Provenance("rough", "person:eva", about={"drawn_axis": axis, "drawn_slices": slices})
    mask = write_mask(workspace.layout, case, "liver", voxels, made)
    workspace.record_masks([mask])
    workspace.record_verdicts([Verdict("a", "accept", "eva", "liver", mask.id)])
    return mask


@pytest.fixture
def liver(workspace):
    """Give a workspace with one bright body, and its liver drawn on every third slice."""
    add_bright_case(workspace, "a", 1, STRUCTURES)
    voxels = bright_body(1)[1] == 1
    layers = np.flatnonzero(voxels.any((0, 1)))[::3]
    some = np.zeros_like(voxels)
    some[:, :, layers] = voxels[:, :, layers]
    return workspace, some, layers


def test_boxes_lie_between_the_drawn_slices_within_the_masks_own_box(liver):
    workspace, some, layers = liver
    mask = drawn(workspace, some, ",".join(map(str, layers)))
    boxes = skipped_boxes(mask, workspace.mask_crop(mask))
    assert [box[2] for box in boxes] == [slice(a + 1, a + 3) for a in layers[:-1]]
    assert all(box[:2] == mask.box[:2] for box in boxes)


def test_slices_filled_between_contours_and_unknown_masks_skip_nothing(liver):
    workspace, _, layers = liver
    whole = bright_body(1)[1] == 1
    filled = drawn(workspace, whole, ",".join(map(str, layers)))
    assert skipped_boxes(filled, workspace.mask_crop(filled)) == ()
    model = next(m for m in workspace.record("a").masks if m.provenance.origin == "model")
    assert skipped_boxes(model, workspace.mask_crop(model)) == ()


def test_a_damaged_record_of_slices_is_named(liver):
    workspace, some, _ = liver
    mask = drawn(workspace, some, "3;4")
    with pytest.raises(BadInput, match="drawn slices '3;4'"):
        skipped_boxes(mask, workspace.mask_crop(mask))


def frozen(workspace, mask, skipped):
    accepted = workspace.accepted("a")
    states = {
        "liver": State("mask", mask.id),
        "aorta": State("mask", accepted["aorta"].id),
        "sacrum": State("mask", accepted["sacrum"].id),
    }
    names = tuple(n for n in workspace.class_map.names if n in STRUCTURES)
    class_map = workspace.class_map.subset(names)
    (case,) = training_cases(workspace, Choice(names, {"a": states}), class_map, skipped)
    return case, case.load()[1]


def test_skipped_slices_are_ignored_where_no_other_decided_mask_lies(liver):
    workspace, some, layers = liver
    some[12, 16, layers] = True  # the box of the drawing now reaches over the aorta
    mask = drawn(workspace, some, ",".join(map(str, layers)))
    case, labels = frozen(workspace, mask, "ignore")
    assert case.may_ignore
    truth = bright_body(1)[1]
    gap = slice(layers[0] + 1, layers[0] + 3)
    inside = labels[mask.box[0], mask.box[1], gap]
    others = truth[mask.box[0], mask.box[1], gap] > 1
    assert others.any()
    assert (inside[others] == 2).all()
    assert (inside[~others] == 4).all()
    outside = labels.copy()
    outside[mask.box] = 0
    assert 4 not in outside
    assert (labels[some & (truth == 1)] == 1).all()


def test_or_are_background_when_told_so(liver):
    workspace, some, layers = liver
    mask = drawn(workspace, some, ",".join(map(str, layers)))
    case, labels = frozen(workspace, mask, "background")
    assert not case.may_ignore
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert not (labels[:, :, layers[0] + 1] == 1).any()
