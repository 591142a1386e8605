"""What the page knows, from a real workspace: masks, findings, sites, and no more than that."""

import json
import os
from collections.abc import Callable

import pytest

from annotation.verdicts import VerdictRequest, decide
from pipeline.workspace import Finding, Provenance, Workspace, write_findings
from pipeline.workspace.workspace_name import workspace_id
from qc.page_data import page_data
from tests.fixtures.gallery_sites import box_of, draw_without_rendering, generated_data

ROUND = Provenance(origin="round", maker="round:2", round=2)
HUMAN = Provenance(origin="human", maker="person:Anna Blume")


@pytest.fixture
def drawn(workspace: Workspace, add_case: Callable, add_masks: Callable) -> Workspace:
    """Give a workspace of one drawn case with three masks of round 2."""
    meta = {"site": "Bern", "manufacturer": "Vendor", "scanner_model": "Fast 64", "age": "61"}
    add_masks(add_case("s0001", phase="native", meta=meta), ROUND)
    draw_without_rendering(workspace, ["s0001"])
    return workspace


def only_case(workspace: Workspace) -> dict:
    data = page_data(workspace, {})
    [case] = data["cases"]
    return case | {"names": [data["structures"][place] for place in case["masks"]["places"]]}


def test_a_case_names_its_masks_in_force_with_volume_place_and_state(drawn: Workspace) -> None:
    decide(drawn, [VerdictRequest("s0001", "accept", structure="liver", by="Anna")])
    decide(drawn, [VerdictRequest("s0001", "fix", structure="spleen", by="Anna")])
    decide(drawn, [VerdictRequest("s0001", "absent_fov", structure="brain", by="Anna")])
    case = only_case(drawn)
    masks = case["masks"]
    known = {
        name: (masks["ids"][at], masks["states"][at], masks["boxes"][at])
        for at, name in enumerate(case["names"])
    }
    force = drawn.in_force("s0001")
    assert known == {
        "liver": (force["liver"].id[:12], "a", box_of("liver")),
        "spleen": (force["spleen"].id[:12], "f", box_of("spleen")),
        "kidney_right": (force["kidney_right"].id[:12], "p", box_of("kidney_right")),
        "brain": (None, "x", None),
    }
    assert (case["site"], case["scanner"]) == ("Bern", "Vendor Fast 64")
    assert case["sources"] == {"round 2": 3}
    assert case["picture"]["pick"] is True


def test_old_records_are_read_with_what_the_ledger_knows(drawn: Workspace) -> None:
    path = drawn.layout.gallery_dir / "records" / "s0001.json"
    record = json.loads(path.read_text())
    del record["structures"]
    path.write_text(json.dumps(record))
    case = only_case(drawn)
    liver = drawn.in_force("s0001")["liver"]
    at = case["names"].index("liver")
    assert case["masks"]["boxes"][at] is None
    assert case["masks"]["ids"][at] == liver.id[:12]
    assert case["masks"]["volumes"][at] == pytest.approx(liver.voxels * 0.045, rel=1e-3)
    assert case["seen"]


def test_findings_of_every_maker_are_listed_with_severity_and_structures(drawn: Workspace) -> None:
    high = Finding("leak", "liver reaches the lung", ("liver", "lung_lower_lobe_right"),
                   {"ml": 14.0}, "high", (1.0, 2.0, 3.0))  # fmt: skip
    write_findings(drawn.layout, "s0001", "plausibility", [high])
    write_findings(drawn.layout, "s0001", "model:ribs", [Finding("odd", "strange", ("no_such",))])
    path = drawn.layout.gallery_dir / "records" / "s0001.json"
    record = json.loads(path.read_text()) | {"findings": [high.to_dict()]}
    path.write_text(json.dumps(record))
    data = page_data(drawn, {})
    odd, leak = data["cases"][0]["findings"]
    assert [data["structures"][place] for place in leak["structures"]] == [
        "liver",
        "lung_lower_lobe_right",
    ]
    assert (leak["kind"], leak["severity"], leak["number"]) == ("leak", 2, 1)
    assert (odd["severity"], odd["structures"], odd["number"]) == (1, [], 0)
    assert data["weights"] == [1, 3, 10]


def test_a_picture_that_does_not_show_the_masks_in_force_cannot_be_accepted_whole(
    drawn: Workspace, add_mask_of: Callable
) -> None:
    assert only_case(drawn)["seen"]
    add_mask_of("aorta")
    assert only_case(drawn)["seen"] == ""


@pytest.fixture
def add_mask_of(drawn: Workspace) -> Callable:
    from pipeline.workspace import write_mask

    def add(structure: str) -> None:
        box = (slice(2, 5),) * 3
        case = drawn.case("s0001")
        crop = [[[True] * 3] * 3] * 3
        drawn.record_masks([write_mask(drawn.layout, case, structure, crop, HUMAN, box=box)])

    return add


def test_no_person_and_no_way_of_coming_in_is_on_the_page(
    workspace: Workspace, add_case: Callable, add_masks: Callable
) -> None:
    secret = {"file": "Blume^Anna", "planted": "1"}
    meta = {"referring": "Dr. Blume", "patient_name": "Blume", "age": "61"}
    add_masks(add_case("s0001", meta=meta, source=secret, patient_id="Blume"), HUMAN)
    decide(workspace, [VerdictRequest("s0001", "accept", structure="liver", by="Anna Blume")])
    text = json.dumps(page_data(workspace, {"s0001": "no driver"}))
    assert "Blume" not in text
    assert "planted" not in text
    assert '"human": 3' in text


def test_generated_galleries_are_of_the_same_form(drawn: Workspace) -> None:
    write_findings(drawn.layout, "s0001", "plausibility", [Finding("odd", "strange", ("liver",))])
    real, made_up = page_data(drawn, {}), generated_data(2)
    assert real.keys() == made_up.keys()
    for part in (
        lambda data: data["cases"][-1],
        lambda data: data["cases"][-1]["picture"],
        lambda data: data["cases"][-1]["masks"],
        lambda data: data["cases"][-1]["findings"][0],
    ):
        assert part(real).keys() == part(made_up).keys()
    assert real["workspace_id"] == workspace_id(drawn.layout)
    assert len(real["workspace_id"]) == 16


def test_a_contact_sheet_is_named_only_where_there_is_one(drawn: Workspace) -> None:
    assert only_case(drawn)["sheet"] == ""
    sheet = drawn.layout.contact_sheet(only_case(drawn)["id"])
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_bytes(b"png")
    os.utime(sheet, ns=(0x2A, 0x2A))
    assert only_case(drawn)["sheet"] == "2a"
