"""Sheets of a workspace: one for each case with findings, drawn anew only when it changes."""

import numpy as np
import pytest
from PIL import Image

from pipeline.engine import SerialEngine
from pipeline.stage import run_stage
from pipeline.workspace import Finding, Provenance, write_findings, write_mask
from qc.gallery import STAGE, GallerySettings
from qc.sheet_tasks import draw_contact_sheets

MODEL = Provenance(origin="model", maker="model:first")
HUMAN = Provenance(origin="human", maker="person:anna")
LEAK = Finding("leak", "reaches into the lung", ("liver",), severity="high")


@pytest.fixture
def two_cases(workspace, add_case, add_masks):
    for case_id in ("s0001", "s0002"):
        add_masks(add_case(case_id), MODEL)
    write_findings(workspace.layout, "s0001", "plausibility", [LEAK])
    return workspace


def draw(workspace, **keywords):
    outcomes = draw_contact_sheets(workspace, workspace.records(), SerialEngine(), **keywords)
    return {outcome.subject: outcome for outcome in outcomes}


def stamp(workspace, case_id="s0001"):
    return workspace.layout.contact_sheet(case_id).stat().st_mtime_ns


def test_a_case_with_findings_gets_a_sheet(two_cases):
    assert draw(two_cases) == {}
    assert Image.open(two_cases.layout.contact_sheet("s0001")).size == (952, 444)
    assert not two_cases.layout.contact_sheet("s0002").exists()


def test_it_is_drawn_again_when_finding_or_mask_change(two_cases):
    draw(two_cases)
    first = stamp(two_cases)
    draw(two_cases)
    assert stamp(two_cases) == first
    write_findings(
        two_cases.layout, "s0001", "plausibility", [LEAK, Finding("x", "x", ("spleen",))]
    )
    draw(two_cases)
    second = stamp(two_cases)
    assert second > first
    case = two_cases.case("s0001")
    inside = np.zeros(case.grid.shape, np.bool_)
    inside[20:28, 8:20, 10:22] = True
    two_cases.record_masks([write_mask(two_cases.layout, case, "liver", inside, HUMAN)])
    draw(two_cases)
    third = stamp(two_cases)
    assert third > second
    draw(two_cases, again=True)
    assert stamp(two_cases) > third


def test_it_goes_with_the_last_finding(two_cases):
    draw(two_cases)
    write_findings(two_cases.layout, "s0001", "plausibility", [])
    draw(two_cases)
    assert not two_cases.layout.contact_sheet("s0001").exists()


def test_a_damaged_sheet_is_drawn_again(two_cases):
    draw(two_cases)
    two_cases.layout.contact_sheet("s0001").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    draw(two_cases)
    assert Image.open(two_cases.layout.contact_sheet("s0001")).size == (952, 444)


def test_a_case_that_cannot_be_drawn_fails_alone(two_cases):
    write_findings(two_cases.layout, "s0002", "plausibility", [LEAK])
    mask = two_cases.in_force("s0001")["spleen"]
    two_cases.layout.mask("s0001", "spleen", mask.id).unlink()
    outcomes = draw(two_cases)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {"s0001": "failed"}
    assert outcomes["s0001"].note.startswith("contact sheet: ")
    assert two_cases.layout.contact_sheet("s0002").exists()


@pytest.mark.rendering
def test_the_gallery_draws_sheets_beside_its_pictures(driver, two_cases):
    settings = GallerySettings(width_px=900, view_height_px=220, supersampling=1)
    report = run_stage(STAGE, two_cases, settings, SerialEngine())
    assert {o.subject: o.status for o in report.outcomes} == {"s0001": "done", "s0002": "done"}
    assert two_cases.layout.contact_sheet("s0001").exists()
    assert not two_cases.layout.contact_sheet("s0002").exists()
