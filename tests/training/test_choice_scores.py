"""What each strategy makes of the candidates."""

import numpy as np
import pytest

from pipeline.engine import SerialEngine
from pipeline.workspace import Case, Confidence, Finding, write_findings
from pipeline.workspace.case_findings import case_findings
from tests.fixtures.round_workspaces import cube
from training.choice_cohort import proposal_pair, read_cohort
from training.choice_disagreement import Disagreement
from training.choice_scores import Findings, ForegroundRandom, Rarity, Uncertainty, draws, traits


def test_the_cohort_knows_what_is_undecided_and_what_is_there(round_lab):
    round_lab.case("b")
    round_lab.case("a")
    liver = round_lab.mask("a", "liver", cube(3), sure=Confidence(0.9, 0.2, 1.5))
    round_lab.mask("a", "spleen")
    round_lab.say("b", "absent_fov", structure="colon")
    cohort = read_cohort(round_lab.workspace)
    assert [case.id for case in cohort.cases] == ["a", "b"]
    assert cohort.undecided.tolist() == [[True, True, True], [True, True, False]]
    np.testing.assert_array_equal(cohort.there, [[1, 0, np.nan], [np.nan, np.nan, 0]])
    np.testing.assert_array_equal(cohort.confidence[0, 0], [0.9, 0.2, 1.5])
    assert np.isnan(cohort.confidence[1]).all()
    assert cohort.decided.tolist() == [0, 0, 1]
    assert [case.id for case in cohort.decided_cases] == ["b"]
    round_lab.say("a", "accept", liver)
    again = read_cohort(round_lab.workspace, ["liver"])
    assert ([c.id for c in again.cases], again.decided.tolist()) == (["b"], [1])


def test_a_case_that_likely_holds_what_nobody_decided_is_drawn_more_often(round_lab):
    for number in range(30):
        round_lab.case(f"s{number}")
        round_lab.mask(f"s{number}", "liver", cube(3))
        round_lab.mask(f"s{number}", "colon", cube(3) if number < 5 else None)
        round_lab.mask(f"s{number}", "spleen")
    for number in range(20, 30):
        round_lab.say(f"s{number}", "accept", round_lab.workspace.in_force(f"s{number}")["liver"])
    cohort = read_cohort(round_lab.workspace)
    first = []
    for seed in range(200):
        drawn = draws(cohort.cases, seed, 1)
        first.append(int(np.argmax(ForegroundRandom(cohort, drawn).scores([]))))
    with_colon = [place for place, row in enumerate(cohort.there) if row[2] == 1]
    share = np.isin(first, with_colon).mean()
    # Need: liver 1/11, colon and spleen 1. The chance is 12/11 for the 5 cases with a colon, 1/11
    # for 15 with a liver alone: 60/11 of 75/11 are drawn from the 5 first.
    assert share == pytest.approx(0.8, abs=0.09)


def test_a_structure_that_was_chosen_is_needed_less(round_lab):
    round_lab.case("a")
    round_lab.case("b")
    round_lab.case("c")
    for case_id, name in (("a", "liver"), ("b", "liver"), ("c", "spleen")):
        for structure in ("liver", "spleen", "colon"):
            round_lab.mask(case_id, structure, cube(3) if structure == name else None)
    cohort = read_cohort(round_lab.workspace)
    even = np.full(3, 0.5)
    scorer = ForegroundRandom(cohort, even)
    assert len(set(scorer.scores([]).tolist())) == 1
    after = scorer.scores([0])
    assert after[2] > after[1]
    assert scorer.reason(2) == (
        "drawn; likely holds 1 of 3 undecided; decided in fewest cases: spleen (0)"
    )


def test_draws_belong_to_the_case_and_not_to_its_place():
    def case(name: str) -> Case:
        return Case(name, None, name)  # type: ignore[arg-type]

    a, b = draws([case("a"), case("b")], 1, 1)
    assert draws([case("b")], 1, 1).tolist() == [b]
    assert draws([case("a")], 1, 2)[0] != a
    many = draws([case(str(n)) for n in range(2000)], 1, 1)
    assert 0 < many.min() < 0.01
    assert 0.99 < many.max() < 1
    assert many.mean() == pytest.approx(0.5, abs=0.03)


def test_uncertainty_compares_a_structure_with_its_like(round_lab):
    # A colon is less sure than a liver everywhere; what counts is who is the worst of its kind.
    for number, (liver, colon) in enumerate([(0.10, 0.60), (0.30, 0.50), (0.05, 0.55)]):
        round_lab.case(f"s{number}")
        for name, entropy in (("liver", liver), ("colon", colon)):
            sure = Confidence(1 - entropy / 2, entropy, entropy * 10)
            round_lab.mask(f"s{number}", name, cube(3), sure=sure)
    scorer = Uncertainty(read_cohort(round_lab.workspace))
    np.testing.assert_allclose(
        scorer.by_structure, [[0.5, np.nan, 1.0], [1.0, np.nan, 0.0], [0.0, np.nan, 0.5]]
    )
    np.testing.assert_allclose(scorer.scores([]), [0.75, 0.5, 0.25])
    assert scorer.reason(0) == "least sure of colon (entropy 0.60 bit), liver (entropy 0.10 bit)"


def test_a_structure_surely_not_there_is_no_doubt(round_lab):
    for case_id, volume in (("a", 0.0), ("b", 3.0)):
        round_lab.case(case_id)
        doubt = Confidence(0.0, 0.9 if volume else 0.0, volume)
        round_lab.mask(case_id, "liver", sure=doubt)
    scores = Uncertainty(read_cohort(round_lab.workspace)).scores([])
    np.testing.assert_array_equal(scores, [np.nan, 0.5])


def test_only_findings_about_what_is_undecided_count(round_lab):
    for case_id in ("a", "b", "c"):
        round_lab.case(case_id)
    accepted = round_lab.mask("a", "liver", cube(3))
    round_lab.say("a", "accept", accepted)
    layout = round_lab.workspace.layout
    write_findings(layout, "a", "x", [Finding("overlap", "w", ("liver",))])
    write_findings(
        layout,
        "b",
        "x",
        [
            Finding("overlap", "w", ("liver", "spleen")),
            Finding("vertebra_gap", "w"),
            Finding("rib_touching_separated", "w", ("colon",)),
            Finding("pair_refused", "w"),
        ],
    )
    cohort = read_cohort(round_lab.workspace)
    found = case_findings(layout, ("a", "b", "c"))
    weights = {"pair_refused": 0.0, "rib_touching_separated": 0.25, "vertebra_gap": 3.0}
    scorer = Findings(cohort, found, weights)
    np.testing.assert_array_equal(scorer.scores([]), [np.nan, 4.25, np.nan])
    assert scorer.reason(1) == ("findings: 1 vertebra_gap, 1 overlap, 1 rib_touching_separated")


def test_a_severe_finding_counts_more_than_a_slight_one(round_lab):
    layout = round_lab.workspace.layout
    for case_id, severity in (("a", "low"), ("b", "high"), ("c", "medium")):
        round_lab.case(case_id)
        found = [Finding("leak", "w", ("liver",), severity=severity)]
        write_findings(layout, case_id, "plausibility", found)
    cohort = read_cohort(round_lab.workspace)
    scorer = Findings(cohort, case_findings(layout, ("a", "b", "c")), {"leak": 3.0})
    np.testing.assert_array_equal(scorer.scores([]), [0.75, 6.0, 3.0])


def test_rarity_prefers_what_was_decided_least(round_lab):
    facts = {"manufacturer": "ACME", "scanner_model": "One"}
    for number in range(3):
        round_lab.case(f"done{number}", phase="venous", meta={"age": "54", **facts})
        mask = round_lab.mask(f"done{number}", "liver", cube(3))
        round_lab.say(f"done{number}", "accept", mask)
    round_lab.case("alike", phase="venous", meta={"age": "57", **facts})
    round_lab.case("child", phase="venous", meta={"age": "6", **facts})
    round_lab.case("long", slices=150, phase="native", meta={"age": "55", **facts})
    round_lab.case("unknown")
    cohort = read_cohort(round_lab.workspace, ["liver"])
    assert [case.id for case in cohort.cases] == ["alike", "child", "long", "unknown"]
    scorer = Rarity(cohort)
    quarter = 1 / 4
    np.testing.assert_allclose(
        scorer.scores([]), [quarter, (3 * quarter + 1) / 4, (2 * quarter + 2) / 4, quarter / 4]
    )
    assert scorer.reason(1) == (
        "of 3 decided cases: age 0–9 in 0, field of view 0–200 mm in 3, phase venous in 3, "
        "scanner ACME One in 3"
    )
    chosen = scorer.scores([2])
    assert chosen[2] < scorer.scores([])[2]


def test_rarity_has_nothing_to_go_by_while_nothing_is_decided(round_lab):
    round_lab.case("a", phase="venous")
    round_lab.case("b", phase="native")
    assert np.isnan(Rarity(read_cohort(round_lab.workspace)).scores([])).all()


def test_traits_come_from_the_case_and_the_length_of_its_grid(round_lab):
    case = round_lab.case("a", slices=70, meta={"age": "30", "manufacturer": "ACME"})
    assert traits(case) == {"age": "30–39", "scanner": "ACME", "field of view": "400–600 mm"}
    assert traits(round_lab.case("b", meta={"age": "unknown"})) == {"field of view": "0–200 mm"}


def disagreement(lab, most=200):
    cohort = read_cohort(lab.workspace)
    notes: list[str] = []
    drawn = draws(cohort.cases, 1, 1)
    return Disagreement(lab.workspace, cohort, drawn, SerialEngine(), most, notes)


def test_disagreement_is_one_minus_dice_of_two_rounds(round_lab):
    round_lab.case("a")
    round_lab.mask("a", "liver", cube(4))
    round_lab.mask("a", "liver", cube(4, start=2), round=2, maker="round:2")
    round_lab.mask("a", "spleen", cube(2))
    round_lab.mask("a", "spleen", cube(2), round=2, maker="round:2")
    round_lab.mask("a", "colon")
    round_lab.mask("a", "colon", round=2, maker="round:2")
    scorer = disagreement(round_lab)
    # Livers of 64 voxels share 8; spleens are equal; a colon that neither found is no agreement.
    assert scorer.dice == {0: {"liver": 2 * 8 / 128, "spleen": 1.0}}
    assert scorer.scores([])[0] == pytest.approx((1 - 0.125) / 2)
    assert scorer.reason(0) == (
        "the two newest proposals agree least on liver (Dice 0.12), spleen (Dice 1.00)"
    )


def test_bootstrap_stands_in_for_the_round_before_the_first(round_lab):
    round_lab.case("a")
    round_lab.mask("a", "liver", cube(2), origin="model", maker="model:x")
    round_lab.mask("a", "liver", cube(4, start=4), origin="human", maker="person:anna")
    round_lab.mask("a", "liver", cube(4))
    assert disagreement(round_lab).dice == {0: {"liver": pytest.approx(2 * 8 / (8 + 64))}}


def test_decided_structures_are_not_compared(round_lab):
    round_lab.case("a")
    round_lab.mask("a", "liver", cube(2))
    round_lab.say("a", "accept", round_lab.mask("a", "liver", cube(3), round=2, maker="round:2"))
    assert np.isnan(disagreement(round_lab).scores([])).all()


def test_only_the_cases_with_the_largest_bound_are_read(round_lab):
    for number in range(4):
        round_lab.case(f"s{number}")
        round_lab.mask(f"s{number}", "liver", cube(4))
        size = 4 - number
        round_lab.mask(f"s{number}", "liver", cube(size), round=2, maker="round:2")
    scorer = disagreement(round_lab, most=2)
    expected = [1 - 2 * (4 - n) ** 3 / (64 + (4 - n) ** 3) for n in range(4)]
    np.testing.assert_allclose(scorer.bound, expected)
    assert sorted(scorer.dice) == [2, 3]
    np.testing.assert_allclose(scorer.scores([]), [np.nan, np.nan, *expected[2:]])


def test_a_mask_file_that_is_gone_leaves_only_its_case_out(round_lab):
    for case_id in ("a", "b"):
        round_lab.case(case_id)
        round_lab.mask(case_id, "liver", cube(3))
        newest = round_lab.mask(case_id, "liver", cube(4), round=2, maker="round:2")
    round_lab.workspace.layout.mask("b", "liver", newest.id).unlink()
    scorer = disagreement(round_lab)
    assert np.isfinite(scorer.scores([])).tolist() == [True, False]
    assert len(scorer.notes) == 1
    assert scorer.notes[0].startswith("b: ")
    assert "the mask file is gone" in scorer.notes[0]


def test_the_newest_two_rounds_make_a_pair(round_lab):
    round_lab.case("a")
    masks = [round_lab.mask("a", "liver", cube(n), round=n, maker=f"round:{n}") for n in (3, 1, 2)]
    assert proposal_pair(masks) == (masks[2], masks[0])
    assert proposal_pair(masks[:1]) is None
    assert proposal_pair([]) is None
