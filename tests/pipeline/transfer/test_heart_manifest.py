from collections.abc import Callable

import numpy as np
import pytest

from pipeline.errors import BadInput, NothingToDo
from pipeline.transfer.heart_manifest import (
    HEART_STRUCTURES,
    MAKER,
    keep_manifest,
    make_manifest,
    without_own,
)
from pipeline.workspace import (
    Case,
    Mask,
    Provenance,
    Verdict,
    Workspace,
    digest_of_manifest,
    write_label_map_masks,
)

CONTRAST = Provenance("model", "model:totalsegmentator_heartchambers")
CARRIED = Provenance("transfer", "transfer:heart")
OWN = Provenance("model", MAKER, priority=99)
PAIRS = [("contrast", "native")]


def add_heart(
    workspace: Workspace, case: Case, made: Provenance, names: tuple[str, ...] = HEART_STRUCTURES
) -> dict[str, Mask]:
    class_map = workspace.class_map.subset(HEART_STRUCTURES)
    labels = np.zeros(case.grid.shape, np.uint8, order="F")
    for place, name in enumerate(names):
        labels[4 * place : 4 * place + 3, 5:9, 5:9] = class_map[name].value
    masks = write_label_map_masks(
        workspace.layout, case, labels, class_map, made, include_empty=HEART_STRUCTURES
    )
    workspace.record_masks(masks)
    return {mask.structure: mask for mask in masks}


@pytest.fixture
def pair(workspace: Workspace, add_case: Callable[..., Case]) -> tuple[Case, Case]:
    contrast, native = add_case("contrast"), add_case("native")
    add_heart(workspace, contrast, CONTRAST)
    add_heart(workspace, native, CARRIED)
    return contrast, native


def test_the_manifest_names_the_masks_of_both_scans(
    workspace: Workspace, pair: tuple[Case, Case]
) -> None:
    manifest = make_manifest(workspace, PAIRS, "recipe")
    assert manifest.roles == {"contrast": "contrast", "native": "native"}
    assert set(manifest.choice.structures) == set(HEART_STRUCTURES)
    for case in pair:
        named = {name: s.mask_id for name, s in manifest.choice.cases[case.id].items()}
        assert named == {name: mask.id for name, mask in workspace.in_force(case.id).items()}
    assert manifest.choice.left_out_cases == {}


def test_the_models_own_predictions_do_not_change_what_it_learns(
    workspace: Workspace, pair: tuple[Case, Case]
) -> None:
    before = make_manifest(workspace, PAIRS, "recipe")
    for case in pair:
        add_heart(workspace, case, OWN)
    assert workspace.in_force("contrast")["pulmonary_artery"].provenance.maker == MAKER
    assert make_manifest(workspace, PAIRS, "recipe").digest == before.digest


def test_an_own_prediction_that_a_person_accepted_is_learnt(
    workspace: Workspace, pair: tuple[Case, Case]
) -> None:
    before = make_manifest(workspace, PAIRS, "recipe")
    mask = add_heart(workspace, pair[0], OWN)["pulmonary_artery"]
    workspace.record_verdicts([Verdict("contrast", "accept", "anna", mask.structure, mask.id)])
    after = make_manifest(workspace, PAIRS, "recipe")
    assert after.choice.cases["contrast"]["pulmonary_artery"].mask_id == mask.id
    assert after.folder_name != before.folder_name


def test_a_merge_with_an_own_prediction_counts_as_own(
    workspace: Workspace, pair: tuple[Case, Case]
) -> None:
    parent = add_heart(workspace, pair[0], OWN)["pulmonary_artery"]
    merged = Provenance("merged", "merge:union", parents=(parent.id,))
    add_heart(workspace, pair[0], merged)
    makers = {m.provenance.maker for m in without_own(workspace.record("contrast")).masks}
    assert makers == {CONTRAST.maker}


def test_undecided_and_excluded_cases_are_left_out_with_the_reason(
    workspace: Workspace, pair: tuple[Case, Case], add_case: Callable[..., Case]
) -> None:
    add_case("bare")
    add_heart(workspace, add_case("moved"), CARRIED)
    fixed = add_heart(workspace, add_case("fixed"), CARRIED)["heart_atrium_left"]
    workspace.record_verdicts(
        [
            Verdict("moved", "exclude_case", "anna", reason="motion"),
            Verdict("fixed", "fix", "anna", fixed.structure, fixed.id),
        ]
    )
    pairs = [*PAIRS, ("contrast", "bare"), ("contrast", "moved"), ("contrast", "fixed")]
    choice = make_manifest(workspace, pairs, "recipe").choice
    assert set(choice.cases) == {"contrast", "native"}
    assert choice.left_out_cases["moved"] == "excluded by a person"
    assert choice.left_out_cases["fixed"] == "undecided: heart_atrium_left"
    assert choice.left_out_cases["bare"].startswith("undecided: heart_myocardium, heart_")


def test_a_structure_without_a_voxel_anywhere_is_not_taught(
    workspace: Workspace, add_case: Callable[..., Case]
) -> None:
    names = tuple(name for name in HEART_STRUCTURES if name != "pulmonary_artery")
    add_heart(workspace, add_case("contrast"), CONTRAST, names)
    add_heart(workspace, add_case("native"), CARRIED, names)
    choice = make_manifest(workspace, PAIRS, "recipe").choice
    assert set(choice.structures) == set(names)
    assert choice.left_out_structures == {"pulmonary_artery": "no voxel in any training case"}
    assert set(choice.cases["native"]) == set(names)


def test_without_a_native_case_nothing_is_trained(
    workspace: Workspace, add_case: Callable[..., Case]
) -> None:
    add_heart(workspace, add_case("contrast"), CONTRAST)
    add_case("native")
    with pytest.raises(NothingToDo, match=r"no native case .* native \(undecided"):
        make_manifest(workspace, PAIRS, "recipe")


def test_other_pairs_or_another_recipe_make_another_folder(
    workspace: Workspace, pair: tuple[Case, Case], add_case: Callable[..., Case]
) -> None:
    add_heart(workspace, add_case("later"), CARRIED)
    first = make_manifest(workspace, PAIRS, "recipe")
    more = make_manifest(workspace, [*PAIRS, ("contrast", "later")], "recipe")
    other = make_manifest(workspace, PAIRS, "other")
    assert len({first.folder_name, more.folder_name, other.folder_name}) == 3


def test_a_manifest_is_written_once_and_a_changed_one_refused(
    workspace: Workspace, pair: tuple[Case, Case]
) -> None:
    manifest = make_manifest(workspace, PAIRS, "recipe")
    path = workspace.layout.models_dir / "heart_transfer" / manifest.folder_name / "manifest.json"
    keep_manifest(manifest, path)
    written = path.read_bytes()
    keep_manifest(manifest, path)
    assert path.read_bytes() == written
    assert digest_of_manifest(path) == manifest.digest
    path.write_text(written.decode().replace('"recipe": "recipe"', '"recipe": "x"'))
    with pytest.raises(BadInput, match=r"manifest\.json: holds digest .* expected"):
        keep_manifest(manifest, path)
    path.write_text("{")
    with pytest.raises(BadInput, match="no readable manifest"):
        keep_manifest(manifest, path)
