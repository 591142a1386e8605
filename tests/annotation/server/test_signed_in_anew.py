"""Somebody signs in anew in another tab while the editor is open, as themselves or as another."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.server.leases import Assignments
from annotation.server.server_store import ServerStore
from benchmarks.served import PASSWORD
from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import (
    add_people,
    add_stroke,
    open_editor,
    voxels_of,
    wait_until_saved,
)

SAVED = "document.getElementById('saved').textContent"


def sign_in_beside(page: Any, address: str, name: str) -> None:
    """Sign in in another tab of the same browser, and come back."""
    other = page.context.new_page()
    other.goto(f"{address}/login.html")
    other.fill("[name=name]", name)
    other.fill("[name=password]", PASSWORD)
    other.click("button.main")
    other.wait_for_selector("tbody tr")
    other.close()


@pytest.mark.slow
def test_strokes_go_on_and_never_in_another_name(
    lab: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    add_people(lab, anna="annotator", ben="annotator")
    server = serve(lab.path)
    page = sign_in(server, "anna")
    open_editor(page, server, "s0001", "liver")
    sign_in_beside(page, server.address, "anna")
    add_stroke(page, "liver")
    wait_until_saved(page)
    sign_in_beside(page, server.address, "ben")
    drawn = add_stroke(page, "liver", down=150)
    until(page, f"{SAVED} === 'signed out, 1 edit kept here'")
    sign_in_beside(page, server.address, "anna")
    page.evaluate("window.__editor.desk.outbox.retry()")
    wait_until_saved(page)
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.named('liver').locked")
    wait_until_saved(page)
    mask = Workspace.open(lab.path).in_force("s0001")["liver"]
    assert (mask.voxels, mask.provenance.maker) == (drawn, "person:anna")
    assert mask.provenance.about["strokes"] == "2"


@pytest.mark.slow
def test_a_case_given_away_meanwhile_keeps_what_was_drawn(
    lab: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    add_people(lab, anna="annotator", ben="annotator")
    server = serve(lab.path)
    assignments = Assignments(ServerStore(lab.layout.server_dir))
    page = sign_in(server, "anna")
    open_editor(page, server, "s0001", "liver")
    assignments.assign(["s0001"], "ben", "rita")
    drawn = add_stroke(page, "liver")
    until(page, f"{SAVED} === '1 edit kept here, not sent'")
    said = page.inner_text("#notice")
    assert said.startswith("liver: you may not change this case: it is assigned to somebody else")
    assert said.endswith("; what you drew is kept in this browser")
    assignments.assign(["s0001"], "anna", "rita")
    page.reload()
    until(page, "window.__editor?.scene?.named('liver')?.isOpen || false")
    wait_until_saved(page)
    assert voxels_of(page, "liver") == drawn
