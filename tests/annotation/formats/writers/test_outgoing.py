"""Painting a label map and reporting what it cannot hold; layers; how a mask was made."""

import numpy as np
import pytest

from annotation.formats.writers import WRITERS, paint, writer_of
from annotation.formats.writers.outgoing import layers_of, making_of
from pipeline.errors import UsageError
from pipeline.workspace import Mask, Provenance
from tests.annotation.formats.writers.conftest import GRIDS


def test_the_later_one_gets_the_voxel_and_the_loss_is_counted(make_outgoing, masks, class_map):
    painted = paint(make_outgoing(GRIDS["ras"]))
    both = masks["liver"] & masks["kidney_left"]
    assert both.sum() > 0
    assert (painted.labels[both] == class_map["kidney_left"].value).all()
    assert painted.lost == {("liver", "kidney_left"): both.sum()}
    assert painted.notes() == (f"liver gives {both.sum()} voxels to kidney_left",)


def test_no_voxel_is_lost_where_nothing_overlaps(make_outgoing, masks, class_map):
    labels = paint(make_outgoing(GRIDS["ras"]).only("liver")).labels
    assert np.array_equal(labels, masks["liver"].astype(np.uint8))


def test_overlapping_segments_get_layers_of_their_own(make_outgoing):
    segments = make_outgoing(GRIDS["ras"]).segments
    layers = layers_of(segments)
    names = [[segments[index].name for index in layer] for layer in layers]
    assert sorted(name for layer in names for name in layer) == sorted(s.name for s in segments)
    assert len(layers) == 2
    assert not any({"liver", "kidney_left"} <= set(layer) for layer in names)


def test_boxes_that_overlap_without_a_common_voxel_share_a_layer(make_outgoing):
    from dataclasses import replace

    first = make_outgoing(GRIDS["ras"]).segments[0]
    other = replace(first, crop=~first.crop)
    assert len(layers_of([first, other])) == 1


def _mask(mask_id, origin, maker, parents=()):
    made = Provenance(origin, maker, parents=parents, software={"masksmith": "9.9"})
    box = (slice(0, 1), slice(0, 1), slice(0, 1))
    return Mask(mask_id, "s0001", "liver", made, box, 1)


def test_how_a_mask_was_made_is_followed_down_to_the_algorithm():
    model = _mask("m", "model", "model:btcv")
    first = _mask("a", "human", "person:anna", ("m",))
    second = _mask("b", "human", "person:bert", ("a",))
    drawn = _mask("c", "rough", "person:anna")
    known = {mask.id: mask for mask in (model, first, second, drawn)}
    assert making_of(model, known).how == "AUTOMATIC"
    assert making_of(drawn, known).how == "MANUAL"
    corrected = making_of(second, known)
    assert (corrected.how, corrected.algorithm, corrected.version) == (
        "SEMIAUTOMATIC",
        "model:btcv",
        "9.9",
    )


def test_a_parent_that_is_gone_or_its_own_ancestor_ends_the_walk():
    assert making_of(_mask("a", "human", "person:anna", ("gone",)), {}).how == "MANUAL"
    loop = _mask("a", "human", "person:anna", ("a",))
    assert making_of(loop, {"a": loop}).how == "MANUAL"


def test_writers_have_different_names_and_an_unknown_one_names_them_all():
    assert [writer.name for writer in WRITERS] == ["nifti", "seg.nrrd", "dicom-seg", "rtstruct"]
    assert writer_of("nifti").suffix == ".nii.gz"
    with pytest.raises(UsageError, match=r"nifti, seg\.nrrd, dicom-seg, rtstruct"):
        writer_of("stl")
