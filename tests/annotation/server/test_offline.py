"""No network, no server, no page: every stroke is kept, and sent by itself when there is a way."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.workspace import Workspace
from pipeline.workspace.doctor import examine
from tests.fixtures.browser import until
from tests.fixtures.workbench import (
    ServedLab,
    draw_stroke,
    in_force,
    on_screen,
    open_editor,
    wait_until_saved,
)

LIVER = "window.__editor.scene.named('liver')"
IS_OPEN = f"window.__editor?.scene && {LIVER}.isOpen"
SAVED = "document.getElementById('saved').textContent"


def draft_strokes(page: Any, lab: ServedLab, case_id: str) -> int:
    """Count the strokes that the server has."""
    answer = page.context.request.get(f"{lab.server.address}/api/cases/{case_id}/masks/liver/draft")
    return int(answer.headers.get("x-masksmith-sequence", 0))


def finish(page: Any, lab: ServedLab, case_id: str, strokes: int, drawn: np.ndarray) -> None:
    """Go on to the next case; the revision must have every stroke and every voxel."""
    page.keyboard.press("n")
    until(page, f"window.__editor.scene.info.id !== '{case_id}'")
    wait_until_saved(page)
    now = Workspace.open(lab.workspace.path)
    revision = now.in_force(case_id)["liver"]
    assert revision.provenance.about["strokes"] == str(strokes)
    assert float(revision.provenance.about["seconds"]) > 0
    assert np.array_equal(in_force(lab.workspace, case_id, "liver"), drawn)
    assert len(now.masks(case_id, "liver")) == 2
    assert [f for f in examine(now) if f.severity == "error"] == []


def test_offline_and_back(served_lab: ServedLab, sign_in: Callable[..., Any]) -> None:
    page = sign_in(served_lab.server, "anna")
    open_editor(page, served_lab.server, "s0001", "liver")
    draw_stroke(page)
    wait_until_saved(page)
    page.context.set_offline(True)
    draw_stroke(page, shift=60)
    draw_stroke(page, shift=120)
    until(page, f"{SAVED}.includes('offline, 2 edits kept here')")
    assert draft_strokes(page, served_lab, "s0001") == 1
    page.context.set_offline(False)
    until(page, f"{SAVED}.startsWith('saved')")
    assert draft_strokes(page, served_lab, "s0001") == 3
    finish(page, served_lab, "s0001", 3, on_screen(page, "liver"))


@pytest.mark.slow
def test_closed_while_offline(served_lab: ServedLab, sign_in: Callable[..., Any]) -> None:
    page = sign_in(served_lab.server, "anna")
    open_editor(page, served_lab.server, "s0002", "liver")
    page.context.set_offline(True)
    draw_stroke(page)
    draw_stroke(page, shift=60)
    until(page, f"{SAVED}.includes('offline, 2 edits kept here')")
    drawn = on_screen(page, "liver")
    # A page that is being closed may be online again for a moment.
    assert draft_strokes(page, served_lab, "s0002") == 0
    context = page.context
    page.close()
    context.set_offline(False)
    page = context.new_page()
    # Whatever page of the workbench comes first sends them.
    page.goto(f"{served_lab.server.address}/index.html")
    for _ in range(200):
        if draft_strokes(page, served_lab, "s0002") == 2:
            break
        page.wait_for_timeout(50)
    open_editor(page, served_lab.server, "s0002", "liver")
    assert np.array_equal(on_screen(page, "liver"), drawn)
    draw_stroke(page, shift=120)
    finish(page, served_lab, "s0002", 3, on_screen(page, "liver"))


@pytest.mark.slow
def test_reloaded_in_the_middle(served_lab: ServedLab, sign_in: Callable[..., Any]) -> None:
    page = sign_in(served_lab.server, "anna")
    open_editor(page, served_lab.server, "s0003", "liver")
    for shift in (0, 60, 120):
        draw_stroke(page, shift=shift)
        # Not a moment for the network: only what the browser kept is sure.
        until(page, "window.__editor.desk.outbox.beingKept.length === 0")
        drawn = on_screen(page, "liver")
        page.reload()
        until(page, IS_OPEN)
        assert np.array_equal(on_screen(page, "liver"), drawn)
    assert draft_strokes(page, served_lab, "s0003") == 3
    finish(page, served_lab, "s0003", 3, drawn)


@pytest.mark.slow
def test_accepted_and_left_at_once(served_lab: ServedLab, sign_in: Callable[..., Any]) -> None:
    """Enter and back to the worklist within a frame: the acceptance is not lost with the page."""
    page = sign_in(served_lab.server, "anna")
    open_editor(page, served_lab.server, "s0004", "liver")
    draw_stroke(page)
    drawn = on_screen(page, "liver")
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.wait_for_url("**/index.html")
    page.wait_for_selector("tbody tr")
    for _ in range(200):
        accepted = Workspace.open(served_lab.workspace.path).accepted("s0004")
        if "liver" in accepted:
            break
        page.wait_for_timeout(50)
    now = Workspace.open(served_lab.workspace.path)
    assert np.array_equal(now.mask_array(now.accepted("s0004")["liver"]), drawn)
    assert "drawing" not in page.inner_text("tbody")


@pytest.mark.slow
def test_the_server_is_killed_while_the_page_draws(
    served_lab: ServedLab, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(served_lab.server, "anna")
    open_editor(page, served_lab.server, "s0005", "liver")
    draw_stroke(page)
    wait_until_saved(page)
    draw_stroke(page, shift=30)
    box = page.locator(".plane.main").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 90)
    page.mouse.down()
    page.mouse.move(x, y - 75)
    served_lab.server.kill()
    page.mouse.move(x + 40, y - 60)
    page.mouse.up()
    draw_stroke(page, shift=90)
    until(page, f"{SAVED}.startsWith('offline')")
    kept = page.evaluate("window.__editor.desk.outbox.state.waiting")
    draw_stroke(page, shift=120)
    drawn = on_screen(page, "liver")
    served_lab.server.start()
    # Nobody touches the page: it comes back by itself.
    until(page, f"{SAVED}.startsWith('saved')")
    assert 1 <= kept <= 3
    assert draft_strokes(page, served_lab, "s0005") == 5
    finish(page, served_lab, "s0005", 5, drawn)
