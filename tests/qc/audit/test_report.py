"""The report's figures, on a made-up workspace."""

import pytest

from pipeline.errors import BadInput, NothingToDo
from pipeline.workspace import Finding, Verdict, Workspace, write_findings
from pipeline.workspace.doctor import examine
from pipeline.workspace.rebuild import rebuild
from qc.audit import audit_report, remove_plants
from qc.audit.catching import is_caught
from qc.audit.truth import PlantTruth, write_truth
from qc.planting.catch_rate import CatchRate


def truth(case_id="p1", **fields) -> PlantTruth:
    given = {
        "case_id": case_id,
        "copy_of": "s0001",
        "kind": "cut",
        "grade": "gross",
        "targets": ("liver",),
        "wrong": ("liver", "kidney_right"),
        "words": "liver is cut off",
        "created": "2026-01-01T00:00:00+00:00",
        "details": {"changes": {"liver": {"after_ml": 800.0}, "kidney_right": {"after_ml": 0.0}}},
    }
    return PlantTruth(**{**given, **fields})


def said(decision, structure=None, reason="", by="anna", case_id="p1", second=0) -> Verdict:
    return Verdict(
        case_id, decision, by, structure, reason=reason, created=f"2026-01-02T00:00:{second:02}Z"
    )


@pytest.mark.parametrize(
    ("verdicts", "caught"),
    [
        ([], False),
        ([said("fix", "liver")], True),
        ([said("fix", "kidney_right")], True),
        ([said("fix", "spleen")], False),
        ([said("fix", "spleen", "the right liver lobe is missing")], True),
        ([said("fix", "spleen", "kidney_right lies here")], True),
        ([said("fix", "spleen", "not spleen but liver.")], True),
        ([said("fix", "spleen", "liver, kidney (right) swapped?")], True),
        ([said("fix", "spleen", "deliverance")], False),
        ([said("accept", "liver", "liver is fine")], False),
        ([said("absent_anatomy", "liver")], True),
        ([said("absent_fov", "kidney_right")], False),
        ([said("exclude_case")], True),
        ([said("exclude_case"), said("include_case", second=1)], False),
        ([said("fix", "liver"), said("accept", "liver", second=1)], False),
        ([said("accept", "liver"), said("fix", "liver", second=1)], True),
    ],
)
def test_what_counts_as_caught(verdicts, caught) -> None:
    assert is_caught(truth(), verdicts) is caught


@pytest.mark.parametrize("reason", ["vena-cava is cut", "the Vena Cava?"])
def test_names_with_a_hyphen_are_known_in_a_reason(reason) -> None:
    assert is_caught(truth(wrong=("vena-cava",)), [said("fix", "spleen", reason)])


@pytest.fixture
def made_up(workspace: Workspace, add_case) -> Workspace:
    """Four planted cases: ben caught two of three, anna one of two."""
    add_case("s0001")
    plants = [
        truth("p1"),
        truth("p2", grade="small", targets=("spleen",), wrong=("spleen",), kind="island"),
        truth("p3", grade="small", targets=("liver",), wrong=("liver",)),
        truth("p4", kind="mirrored", targets=tuple("abcdef"), wrong=tuple("abcdef")),
    ]
    for plant in plants:
        add_case(plant.case_id, source={"planted": "1"})
        write_truth(workspace.layout.planted_dir, plant)
    workspace.record_verdicts(
        [
            said("fix", "liver", by="ben", case_id="p1"),
            said("accept", "spleen", by="ben", case_id="p2"),
            said("exclude_case", by="ben", case_id="p4"),
            said("accept", "liver", case_id="p1"),
            said("fix", "liver", case_id="p3"),
        ]
    )
    return workspace


def test_the_report_counts_by_person_size_structure_and_kind(made_up: Workspace) -> None:
    report = audit_report(made_up)
    anna, ben = report.reviewers
    assert (report.planted, report.removed) == (4, 0)
    assert (anna.by, anna.total, anna.undecided) == ("anna", CatchRate(1, 2), 2)
    assert (ben.by, ben.total, ben.undecided) == ("ben", CatchRate(2, 3), 1)
    assert report.people.total == CatchRate(3, 5)
    assert report.people.by_grade == {"gross": CatchRate(2, 3), "small": CatchRate(1, 2)}
    assert report.people.by_structure == {
        "liver": CatchRate(2, 3),
        "many structures": CatchRate(1, 1),
        "spleen": CatchRate(0, 1),
    }
    assert ben.by_kind["island"] == CatchRate(0, 1)
    assert report.rules.total == CatchRate(0, 0)
    assert report.rules.undecided == 4
    document = report.to_dict()
    assert document["people"]["total"] == {
        "caught": 3, "total": 5, "share": 0.6, "low": 0.2307, "high": 0.8824,
    }  # fmt: skip
    assert {(c["case"], c["by"]): c["caught"] for c in document["cases"]}[("p2", "anna")] is None


def test_undecided_can_count_as_missed(made_up: Workspace) -> None:
    report = audit_report(made_up, count_undecided=True)
    assert report.people.total == CatchRate(3, 8)
    assert report.people.undecided == 0


def test_the_rules_caught_what_is_new_in_the_copy(made_up: Workspace) -> None:
    known = Finding("fragments", "", ("liver",), severity="high")
    new = Finding("too_small", "", ("liver",), severity="medium")
    other = Finding("too_small", "", ("spleen",), severity="low")
    write_findings(made_up.layout, "s0001", "plausibility", [known])
    write_findings(made_up.layout, "p1", "plausibility", [known, new])
    write_findings(made_up.layout, "p2", "plausibility", [known, other])
    write_findings(made_up.layout, "p3", "plausibility", [known])
    report = audit_report(made_up)
    assert report.rules.total == CatchRate(1, 3)
    assert report.rules.by_grade == {"gross": CatchRate(1, 1), "small": CatchRate(0, 2)}


def test_what_is_removed_stays_in_the_report(made_up: Workspace) -> None:
    before = audit_report(made_up)
    picture = made_up.layout.gallery_dir / "images" / "p1.png"
    neighbour = made_up.layout.gallery_dir / "images" / "p11.png"
    panels = made_up.layout.gallery_dir / "panels" / "p1"
    for path in (picture, neighbour, panels / "front.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    removed = remove_plants(made_up, ["p1"])
    assert [plant.case_id for plant in removed] == ["p1"]
    assert {case.id for case in made_up.cases(planted=True)} == {"s0001", "p2", "p3", "p4"}
    assert not made_up.layout.case_dir("p1").exists()
    assert (picture.exists(), panels.exists(), neighbour.exists()) == (False, False, True)
    after = audit_report(made_up)
    assert (after.planted, after.removed) == (3, 1)
    assert after.people == before.people
    assert after.reviewers == before.reviewers
    with pytest.raises(NothingToDo, match="no case 'p1'"):
        made_up.case("p1")


def test_only_pictures_of_the_case_itself_go(made_up: Workspace) -> None:
    gallery = made_up.layout.gallery_dir
    own = ("panels/p1/front.png", "records/p1.json", "images/history/p1-0123456789ab.png")
    others = ("panels/p1.2/front.png", "images/p1.2.png", "images/history/p1-2-0123456789ab.png")
    for name in (*own, *others):
        (gallery / name).parent.mkdir(parents=True, exist_ok=True)
        (gallery / name).write_bytes(b"")
    remove_plants(made_up, ["p1"])
    assert [name for name in (*own, *others) if (gallery / name).exists()] == list(others)


def test_doctor_and_rebuild_know_what_was_removed(made_up: Workspace) -> None:
    remove_plants(made_up)
    assert [finding.kind for finding in examine(made_up)] == []
    assert rebuild(made_up).findings == []
    assert audit_report(Workspace.open(made_up.path)).people.total == CatchRate(3, 5)


def test_what_was_said_of_a_plant_is_never_said_of_a_real_case_of_its_id(
    made_up: Workspace, add_case
) -> None:
    remove_plants(made_up)
    add_case("p1")
    about_real = Verdict("p1", "fix", "anna", "spleen")
    made_up.record_verdicts([about_real])
    assert examine(made_up) == []
    assert rebuild(made_up).findings == []
    again = Workspace.open(made_up.path)
    assert [verdict.id for verdict in again.ledger.verdicts("p1")] == [about_real.id]
    assert audit_report(again).people.total == CatchRate(3, 5)


def test_a_real_case_of_its_id_says_nothing_of_a_plant(made_up: Workspace, add_case) -> None:
    write_truth(made_up.layout.removed_plants_dir, truth("p9"))  # nobody had decided anything
    before = audit_report(made_up).people
    add_case("p9")
    made_up.record_verdicts([said("fix", "liver", case_id="p9")])
    assert audit_report(made_up).people == before


def test_an_interrupted_removal_goes_on(made_up: Workspace) -> None:
    kept = audit_report(made_up)
    write_truth(
        made_up.layout.removed_plants_dir,
        truth("p1", verdicts=made_up.ledger.verdicts("p1")),
    )
    assert audit_report(made_up).people == kept.people
    remove_plants(made_up)
    assert audit_report(made_up).people == kept.people
    assert {case.id for case in made_up.cases(planted=True)} == {"s0001"}


def test_real_cases_are_never_removed(made_up: Workspace) -> None:
    with pytest.raises(NothingToDo, match="s0001: not among the 4 planted cases"):
        remove_plants(made_up, ["p1", "s0001"])
    made_up.forget_planted("s0001")
    assert len(made_up.cases(planted=True)) == 5


def test_a_damaged_file_is_named(made_up: Workspace) -> None:
    (made_up.layout.planted_dir / "p2.json").write_text("{}")
    with pytest.raises(BadInput, match=r"p2\.json: expected what was planted"):
        audit_report(made_up)


def test_intervals_are_wilsons() -> None:
    assert CatchRate(11, 12).interval == pytest.approx((0.6461, 0.9851), abs=1e-4)
    assert CatchRate(0, 4).interval == pytest.approx((0.0, 0.4899), abs=1e-4)
    assert CatchRate().interval == (0.0, 1.0)
    assert str(CatchRate(11, 12)) == "11 of 12, 92% (65–99)"
    assert str(CatchRate()) == "–"
    assert CatchRate(1, 2) + CatchRate(2, 3) == CatchRate(3, 5)
