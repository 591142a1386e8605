"""Which masks in force still carry a source that nobody corrected."""

import json
import shutil

import pytest
from sqlalchemy import event

from pipeline.errors import NothingToDo
from pipeline.transfer.heart_manifest import HEART_STRUCTURES
from pipeline.workspace import Provenance, Workspace, digest_of_manifest
from pipeline.workspace.lineage import LineageCounts, source_lineage
from pipeline.workspace.lineage_walk import light_masks
from tests.fixtures.lineage_workspaces import FIRST, SECOND, LineageLab, made_from, make_lineage_lab


@pytest.fixture
def lab(tmp_path):
    return LineageLab.make(tmp_path / "ws")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Make the workspace once; the tests that use it only read."""
    return make_lineage_lab(tmp_path_factory.mktemp("full") / "ws")


@pytest.fixture
def damaged(full, tmp_path):
    """Give a copy of the workspace to damage, and where the cards lie in it."""
    full.workspace.ledger.close()
    shutil.copytree(full.workspace.path, tmp_path / "ws")
    return LineageLab(Workspace.open(tmp_path / "ws"), full.cards)


def kinds(lab, word="ribfrac", structure=None):
    found = source_lineage(lab.workspace, word, structure).masks
    return {(mask.case_id, mask.structure): str(mask.kind) for mask in found}


def test_every_way_of_carrying_a_source_is_told_apart(full):
    assert kinds(full) == {
        ("accepted", FIRST): "direct",
        ("direct", FIRST): "direct",
        ("direct", SECOND): "direct",
        ("direct_by_card", FIRST): "direct",
        ("merged", FIRST): "merged",
        ("round_1", FIRST): "learned",
        ("sent_back", FIRST): "direct",
        ("transferred", FIRST): "merged",
        ("transferred_on", FIRST): "merged",
    }


def test_what_a_person_said_stands_beside_it(full):
    lineage = source_lineage(full.workspace, "ribfrac")
    assert {mask.case_id for mask in lineage.masks if mask.accepted} == {"accepted", "round_1"}
    assert {mask.case_id for mask in lineage.masks if mask.sent_back} == {"sent_back"}
    (empty,) = [mask for mask in lineage.masks if mask.voxels == 0]
    assert (empty.case_id, empty.structure, empty.maker) == ("direct", SECOND, "model:ribfrac")
    in_force = full.workspace.in_force("direct")[SECOND]
    assert empty.mask_id == in_force.id


def test_the_counts_say_of_how_many(full):
    lineage = source_lineage(full.workspace, "ribfrac")
    assert lineage.case_count == 11
    assert lineage.counts == LineageCounts(5, 3, 1, 0, accepted=2, in_force=14)
    assert [(item.name, item.counts) for item in lineage.structures] == [
        (FIRST, LineageCounts(4, 3, 1, 0, accepted=2, in_force=10)),
        (SECOND, LineageCounts(1, 0, 0, 0, accepted=0, in_force=4)),
    ]
    assert lineage.gaps == ()


def test_one_structure_can_be_asked_for(full):
    assert kinds(full, structure=SECOND) == {("direct", SECOND): "direct"}
    assert source_lineage(full.workspace, "ribfrac", SECOND).counts.in_force == 4


@pytest.mark.parametrize("word", ["RibFrac", "model:ribfrac", " ribfrac "])
def test_a_source_is_found_however_it_is_written(full, word):
    assert kinds(full, word) == kinds(full)


def test_a_word_of_a_cards_lineage_names_only_the_models_that_have_it(full):
    lineage = source_lineage(full.workspace, "ribseg v2")
    assert [model.maker for model in lineage.models] == ["model:ribfrac"]
    assert ("direct_by_card", FIRST) not in kinds(full, "ribseg v2")


def test_another_source_has_its_own_masks(full):
    assert kinds(full, "verse") == {
        ("accepted", SECOND): "direct",
        ("corrected", SECOND): "direct",
        ("merged", FIRST): "merged",
        ("replaced", FIRST): "direct",
        ("round_1", SECOND): "learned",
        ("transferred", FIRST): "merged",
        ("transferred_on", FIRST): "merged",
    }


def test_a_round_that_learned_from_a_round_has_learned_it_too(lab):
    lab.mask("taught", FIRST, lab.model("ribfrac"), accept=True)
    lab.mask("first", FIRST, lab.round(1, [FIRST]), accept=True)
    human = made_from("human", *lab.workspace.masks("taught"))
    lab.mask("taught", FIRST, human, accept=True)
    lab.mask("second", FIRST, lab.round(2, [FIRST]))
    assert kinds(lab) == {("first", FIRST): "learned", ("second", FIRST): "learned"}


def test_a_mask_merged_from_what_was_learned_is_learned(lab):
    lab.mask("taught", FIRST, lab.model("ribfrac"), accept=True)
    predicted = lab.mask("merged", FIRST, lab.round(1, [FIRST]))
    lab.mask("merged", FIRST, made_from("merged", predicted), accept=True)
    assert kinds(lab)[("merged", FIRST)] == "learned"


def test_structures_carried_together_do_not_taint_each_other(lab):
    source = lab.mask("contrast", FIRST, lab.model("ribfrac"))
    clean = lab.mask("contrast", SECOND, lab.model("verse"))
    for structure in (FIRST, SECOND):
        lab.mask("native", structure, made_from("transfer", source, clean))
    assert kinds(lab) == {("contrast", FIRST): "direct", ("native", FIRST): "merged"}


def test_a_structure_cut_out_of_another_carries_its_source(lab):
    whole = lab.mask("s1", FIRST, lab.model("ribfrac"))
    lab.mask("s1", SECOND, made_from("merged", whole))
    assert kinds(lab) == {("s1", FIRST): "direct", ("s1", SECOND): "merged"}


def test_a_rough_drawing_ends_the_chain(lab):
    model = lab.mask("s1", FIRST, lab.model("ribfrac"))
    lab.mask("s1", FIRST, made_from("rough", model))
    assert kinds(lab) == {}
    assert source_lineage(lab.workspace, "ribfrac").counts.in_force == 1


def test_an_accepted_model_mask_is_in_force_again_over_a_later_human_one(lab):
    model = lab.mask("s1", FIRST, lab.model("ribfrac"))
    lab.mask("s1", FIRST, made_from("human", model))
    lab.say("accept", model)
    assert kinds(lab) == {("s1", FIRST): "direct"}


def test_a_parent_in_an_excluded_case_still_counts(lab):
    lab.mask("s2", FIRST, made_from("transfer", lab.mask("s1", FIRST, lab.model("ribfrac"))))
    lab.exclude("s1")
    assert kinds(lab) == {("s2", FIRST): "merged"}


def test_the_heart_model_learned_what_its_pairs_carry(lab):
    for name in HEART_STRUCTURES:
        source = "everything" if name == HEART_STRUCTURES[0] else "verse"
        mask = lab.mask("contrast", name, lab.model(source))
        lab.mask("native", name, made_from("transfer", mask))
    predicted = lab.heart_model([("contrast", "native")])
    for name in HEART_STRUCTURES:
        lab.mask("new", name, predicted)
    lab.mask("again", HEART_STRUCTURES[0], predicted)
    assert kinds(lab) == {
        ("again", HEART_STRUCTURES[0]): "learned",
        ("contrast", HEART_STRUCTURES[0]): "direct",
        ("native", HEART_STRUCTURES[0]): "merged",
        ("new", HEART_STRUCTURES[0]): "learned",
    }
    assert set(kinds(lab, "heart_transfer").values()) == {"direct"}


def test_a_word_that_names_nothing_lists_the_sources(full):
    with pytest.raises(NothingToDo, match=r"'ribfrak', did you mean ribfrac\? Known") as error:
        source_lineage(full.workspace, "ribfrak")
    assert str(error.value).endswith("sources: everything, own data, ribfrac, RibSeg v2, verse")


def test_an_empty_ledger_has_no_sources(lab):
    with pytest.raises(NothingToDo, match=r"'ribfrac'\. Known sources: none yet$"):
        source_lineage(lab.workspace, "ribfrac")


def test_a_lost_manifest_leaves_it_unknown(damaged):
    path = damaged.workspace.layout.manifest(1)
    path.write_text(path.read_text().replace('"round": 1', '"round": 7'))
    found = kinds(damaged)
    assert found[("round_1", FIRST)] == found[("round_1", SECOND)] == "unknown"
    assert found[("merged", FIRST)] == "merged"
    lineage = source_lineage(damaged.workspace, "ribfrac")
    assert (lineage.counts.unknown, lineage.counts.accepted) == (2, 1)
    (gap,) = lineage.gaps
    assert gap.startswith(f"{path}: is missing or was changed; ")
    path.unlink()
    assert kinds(damaged) == found


@pytest.mark.parametrize("values", [{"models": {"all": {}}}, {"models": []}, {"cases": {"a": 1}}])
def test_a_manifest_that_says_something_else_leaves_it_unknown(lab, values):
    lab.mask("taught", FIRST, lab.model("ribfrac"), accept=True)
    predicted = lab.round(1, [FIRST])
    path = lab.workspace.layout.manifest(1)
    path.write_text(json.dumps(values))
    predicted = predicted.with_sources(manifest=digest_of_manifest(path))
    lab.mask("new", FIRST, predicted)
    assert kinds(lab)[("new", FIRST)] == "unknown"


@pytest.mark.parametrize("text", [None, "lineage: [", "- a list", "lineage: 3", b"\xff\xfe\x00"])
def test_a_card_that_cannot_be_read_leaves_it_unknown(damaged, text):
    path = damaged.card_path("everything")
    path.unlink()
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert kinds(damaged)[("direct_by_card", FIRST)] == "unknown"
    (gap,) = source_lineage(damaged.workspace, "ribfrac").gaps
    assert gap.startswith(f"{path}: the card of model:everything cannot be read; ")
    assert kinds(damaged, "everything") == {("direct_by_card", FIRST): "direct"}
    with pytest.raises(NothingToDo, match=rf"may name it: {path}$"):
        source_lineage(damaged.workspace, "nobody")


def test_a_parent_that_is_not_in_the_ledger_leaves_it_unknown(lab):
    lab.mask("s1", FIRST, lab.model("ribfrac"))
    clean = lab.mask("s2", FIRST, lab.model("verse"))
    lost = Provenance("merged", "merged:union", parents=(clean.id, "ab" * 32))
    lab.mask("s2", FIRST, lost)
    assert kinds(lab) == {("s1", FIRST): "direct", ("s2", FIRST): "unknown"}
    (gap,) = source_lineage(lab.workspace, "ribfrac").gaps
    assert gap.startswith("mask abababababab is not in the ledger; ")


def test_the_light_masks_are_the_ledgers(full):
    light = light_masks(full.workspace.ledger)
    whole = {mask.id: mask for mask in full.workspace.ledger.masks()}
    assert list(light) == list(whole)
    for id_, mask in whole.items():
        made = light[id_].provenance
        assert (light[id_].case_id, light[id_].structure) == (mask.case_id, mask.structure)
        assert light[id_].voxels == mask.voxels
        for name in ("origin", "maker", "round", "priority", "created", "parents", "sources"):
            assert getattr(made, name) == getattr(mask.provenance, name)


def test_it_asks_the_ledger_three_questions(full):
    asked = []
    engine = full.workspace.ledger.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    source_lineage(full.workspace, "ribfrac")
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 3
