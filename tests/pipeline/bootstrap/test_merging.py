"""Merged masks: which voxels, when they are made anew, and that no order decides."""

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest

from pipeline.bootstrap.merging import MAKER, masks_of_cards, merge_crops, plan_merges, write_merge
from pipeline.bootstrap.policies import Policies, Policy, refuse_unknown_structures
from pipeline.errors import UsageError
from pipeline.workspace import Case, Mask, Provenance, Workspace, write_mask

BOX = (slice(2, 6), slice(0, 1), slice(0, 1))


def row(*filled: int) -> tuple[np.ndarray, tuple[slice, slice, slice]]:
    """Make a mask of some voxels in a row, cropped to them."""
    low, high = min(filled), max(filled) + 1
    crop = np.isin(np.arange(low, high), filled).reshape(-1, 1, 1)
    return crop, (slice(low, high), slice(0, 1), slice(0, 1))


def voxels(merged: tuple[np.ndarray, tuple[slice, slice, slice]]) -> list[int]:
    crop, box = merged
    return [int(place) + box[0].start for place in np.flatnonzero(crop[:, 0, 0])]


@pytest.mark.parametrize(
    ("policy", "rows", "expected"),
    [
        ("union", [(1, 2), (7, 8)], [1, 2, 7, 8]),
        ("union", [(1, 2), (2, 3), (5,)], [1, 2, 3, 5]),
        ("vote", [(1, 2, 3), (2, 3, 4), (3, 4, 5)], [2, 3, 4]),
        ("vote", [(1, 2), (2, 3), (3, 4), (4, 5)], [2]),  # ties go to the first
        ("priority", [(1, 2), (2, 3)], [1, 2]),
    ],
)
def test_the_policy_decides_which_voxels_count(
    policy: Policy, rows: Sequence[tuple[int, ...]], expected: list[int]
) -> None:
    assert voxels(merge_crops([row(*filled) for filled in rows], policy)) == expected


@pytest.mark.parametrize(
    ("wanted", "models", "done"),
    [
        ("union", 1, "priority"),
        ("union", 2, "union"),
        ("vote", 2, "priority"),
        ("vote", 3, "vote"),
        ("priority", 5, "priority"),
    ],
)
def test_too_few_models_are_not_merged(wanted: Policy, models: int, done: Policy) -> None:
    assert Policies("priority", {"aorta": wanted}).among("aorta", models) == done
    assert Policies(wanted).among("liver", models) == done


def test_a_policy_for_no_structure_is_refused() -> None:
    known = frozenset({"aorta", "esophagus"})
    refuse_unknown_structures(Policies("priority", {"aorta": "union"}), known)
    with pytest.raises(UsageError, match=r"found 'aorto'.*did you mean aorta"):
        refuse_unknown_structures(Policies("priority", {"aorto": "union"}), known)


@pytest.fixture
def case(add_case: Callable[..., Case]) -> Case:
    return add_case("s0001")


@pytest.fixture
def seen(workspace: Workspace, case: Case) -> Callable[..., Mask]:
    """Give a function that stores a model's mask of the aorta."""

    def store(model: str, priority: int, *filled: int, **made: object) -> Mask:
        crop, box = row(*filled)
        provenance = Provenance(
            "model",
            f"model:{model}",
            priority=priority,
            sources={"model_card": f"digest of {model}", **made.pop("sources", {})},
            **made,
        )
        mask = write_mask(workspace.layout, case, "aorta", crop, provenance, box=box)
        workspace.record_masks([mask])
        return mask

    return store


def merged(workspace: Workspace, case: Case, policies: Policies) -> list[Mask]:
    """Make and record what is missing."""
    made = [
        write_merge(workspace.layout, case, merge)
        for merge in plan_merges(workspace.masks(case.id), policies)
    ]
    workspace.record_masks(made)
    return made


UNION, VOTE = Policies("priority", {"aorta": "union"}), Policies("priority", {"aorta": "vote"})


def test_a_union_is_a_mask_with_its_parents(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    one, other = seen("btcv", 20, 1, 2), seen("segthor", 10, 5, 6)
    (mask,) = merged(workspace, case, UNION)
    assert (mask.origin, mask.provenance.maker) == ("merged", MAKER)
    assert mask.provenance.parents == tuple(sorted([one.id, other.id]))
    assert mask.provenance.sources["policy"] == "union"
    assert mask.voxels == 4
    assert workspace.in_force(case.id)["aorta"].id == mask.id
    assert merged(workspace, case, UNION) == []


def test_one_model_alone_is_not_merged(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    seen("btcv", 20, 1, 2)
    assert merged(workspace, case, UNION) == []


def test_a_model_seen_again_makes_the_union_anew(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    seen("btcv", 20, 1, 2)
    seen("segthor", 10, 5, 6)
    merged(workspace, case, UNION)
    newer = seen("segthor", 10, 7, sources={"weights": "others"})
    (mask,) = merged(workspace, case, UNION)
    assert newer.id in mask.provenance.parents
    assert mask.voxels == 3
    assert workspace.in_force(case.id)["aorta"].id == mask.id


def test_another_policy_takes_effect_and_so_does_the_way_back(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    high = seen("btcv", 20, 1, 2)
    seen("segthor", 10, 5, 6)
    (union,) = merged(workspace, case, UNION)
    (copy,) = merged(workspace, case, Policies())
    assert copy.provenance.parents == (high.id,)
    in_force = workspace.in_force(case.id)["aorta"]
    assert in_force.id == copy.id
    assert np.array_equal(workspace.mask_array(in_force), workspace.mask_array(high))
    (again,) = merged(workspace, case, UNION)
    assert again.id != union.id  # a revision of its own, which says what it replaces
    assert workspace.in_force(case.id)["aorta"].id == again.id
    assert np.array_equal(workspace.mask_array(again), workspace.mask_array(union))
    assert merged(workspace, case, UNION) == []


def test_what_a_person_did_stands_above_a_merged_mask(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    seen("btcv", 20, 1, 2)
    seen("segthor", 10, 5, 6)
    merged(workspace, case, UNION)
    drawn = write_mask(
        workspace.layout, case, "aorta", *row(3)[:1], Provenance("human", "person:anna"),
        box=row(3)[1],
    )  # fmt: skip
    workspace.record_masks([drawn])
    assert workspace.in_force(case.id)["aorta"].id == drawn.id


def test_masks_of_no_card_are_not_merged(
    workspace: Workspace, case: Case, seen: Callable[..., Mask]
) -> None:
    seen("btcv", 20, 1, 2)
    other = write_mask(
        workspace.layout, case, "aorta", row(5)[0], Provenance("model", "model:heart_transfer"),
        box=row(5)[1],
    )  # fmt: skip
    workspace.record_masks([other])
    assert [m.provenance.maker for m in masks_of_cards(workspace.masks(case.id))["aorta"]] == [
        "model:btcv"
    ]
    assert merged(workspace, case, UNION) == []


@pytest.mark.parametrize("policies", [UNION, VOTE])
def test_no_order_of_models_changes_a_bit(
    workspace: Workspace, add_case: Callable[..., Case], policies: Policies
) -> None:
    models = [("a", 10, (1, 2, 3)), ("b", 10, (2, 3, 4)), ("c", 30, (3, 4)), ("d", 20, (1, 4, 9))]
    case = add_case("s0001")
    masks = []
    for name, priority, filled in models:
        provenance = Provenance(
            "model", f"model:{name}", priority=priority, sources={"model_card": name}
        )
        crop, box = row(*filled)
        masks.append(write_mask(workspace.layout, case, "aorta", crop, provenance, box=box))
    found = {
        write_merge(workspace.layout, case, merge).id
        for order in permutations(masks)
        for merge in plan_merges(order, policies)
    }
    assert len(found) == 1
