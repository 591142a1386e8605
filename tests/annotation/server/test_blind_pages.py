"""A second reading through the browser: offered, drawn from the proposal, kept beside."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.workspace import Mask, Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import add_people, add_stroke, voxels_of, wait_until_saved

VALUES = "[...new Set(window.__editor.scene.volume.labels)].sort((a, b) => a - b)"


@pytest.fixture
def corrected(lab: Workspace, draw_revision: Callable[..., Mask]) -> Workspace:
    """Give a workspace in which anna corrected the liver of one case, and a spleen of another."""
    add_people(lab, anna="annotator", ben="annotator")
    draw_revision("s0001", "liver", "anna")
    draw_revision("s0002", "spleen", "anna")
    return lab


@pytest.fixture
def server(corrected: Workspace, serve: Callable[..., Any], monkeypatch: Any) -> Any:
    monkeypatch.setenv("MASKSMITH_SERVE_BLIND_SHARE", "1")
    return serve(corrected.path)


def begin(page: Any, server: Any, words: str) -> None:
    """Take what the worklist offers, in debug mode."""
    page.goto(f"{server.address}/index.html?debug")
    page.wait_for_selector("#blind")
    assert page.inner_text("#blind").startswith(words)
    page.click("#blind a")
    page.wait_for_url("**/editor.html?debug#/blind")
    until(page, "window.__editor?.scene?.active?.isOpen || false")


def human(lab: Workspace, case_id: str, structure: str) -> list[Mask]:
    return [
        mask
        for mask in Workspace.open(lab.path).masks(case_id, structure)
        if mask.origin == "human"
    ]


@pytest.mark.slow
def test_offered_drawn_and_kept_beside(
    corrected: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    (first,) = human(corrected, "s0001", "liver")
    proposal = first.provenance.parents[0]
    asked: list[str] = []
    page = sign_in(server, "anna")
    page.on("request", lambda request: asked.append(request.url))
    begin(page, server, "2 masks to draw once more, blind")
    assert page.inner_text("#blind") == "Blind: liver"
    assert page.locator(".structure").count() == 1
    until(page, f"window.__editor.scene.named('liver').voxels === {12**3}")
    liver = corrected.class_map["liver"].value
    assert page.evaluate(VALUES) == [0, liver]
    assert "s0001" not in page.inner_text("#head")
    for key in ("x", "a", "r", "u", "l", "n"):
        page.keyboard.press(key)
        until(page, "document.getElementById('notice').textContent.startsWith('Not in a blind')")
        page.keyboard.press("Escape")
        until(page, "document.getElementById('notice').textContent === ''")
        assert page.locator("#panel.open").count() == 0
    drawn = add_stroke(page, "liver")
    wait_until_saved(page)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('blind')?.textContent === 'Blind: spleen'")
    until(page, "window.__editor.scene.active.isOpen")
    answer = f"/masks/liver?revision={first.id}"
    assert not [url for url in asked if "/labels" in url or "/revisions" in url or answer in url]
    again = human(corrected, "s0001", "liver")[-1]
    assert (again.voxels, again.provenance.maker) == (drawn, "person:anna")
    assert (again.provenance.parents, again.provenance.about["blind"]) == ((proposal,), "yes")
    assert again.provenance.about["strokes"] == "1"
    assert Workspace.open(corrected.path).in_force("s0001")["liver"].id == first.id

    page.keyboard.press("Enter")  # the proposal is right as it is
    page.wait_for_url("**/index.html")
    page.wait_for_selector("tbody tr")
    assert page.locator("#blind").count() == 0
    spleen = human(corrected, "s0002", "spleen")
    assert [mask.provenance.about.get("blind") for mask in spleen] == [None, "yes"]
    assert spleen[1].provenance.about["added"] == spleen[1].provenance.about["removed"] == "0"
    assert Workspace.open(corrected.path).in_force("s0002")["spleen"].id == spleen[0].id


@pytest.mark.slow
def test_left_for_later_it_meets_no_other_draft(
    corrected: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server, "ben")
    begin(page, server, "2 masks")
    drawn = add_stroke(page, "liver")
    wait_until_saved(page)
    page.keyboard.press("Backspace")
    page.wait_for_url("**/index.html")
    assert len(human(corrected, "s0001", "liver")) == 1

    # The same person draws on the mask itself, and leaves that unfinished too.
    page.goto(f"{server.address}/editor.html?debug#s0001/liver")
    until(page, "window.__editor?.scene?.active?.isOpen || false")
    assert voxels_of(page, "liver") == human(corrected, "s0001", "liver")[0].voxels
    ordinary = add_stroke(page, "liver", down=150)
    wait_until_saved(page)

    begin(page, server, "2 masks")
    assert voxels_of(page, "liver") == drawn
    page.keyboard.press("Enter")
    until(page, "document.getElementById('blind')?.textContent === 'Blind: spleen'")
    again = human(corrected, "s0001", "liver")[1:]
    assert [(mask.voxels, mask.provenance.about.get("blind")) for mask in again] == [(drawn, "yes")]
    about = again[0].provenance.about
    assert (about["strokes"], float(about["seconds"]) > 0) == ("1", True)

    page.goto(f"{server.address}/editor.html?debug#s0001/liver")
    until(page, "window.__editor?.scene?.active?.isOpen && !window.__editor.scene.info.blind")
    assert voxels_of(page, "liver") == ordinary
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.named('liver').locked")
    wait_until_saved(page)
    now = Workspace.open(corrected.path).in_force("s0001")["liver"]
    assert (now.voxels, now.provenance.maker) == (ordinary, "person:ben")
