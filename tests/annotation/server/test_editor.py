"""The editor in a real browser: draw, next, accept, and an acceptance taken back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import (
    add_stroke,
    draw_stroke,
    in_force,
    on_screen,
    open_editor,
    wait_until_saved,
)

NOTICE = "(window.__editor.state.notice?.words ?? '')"
IN_LIVER = "window.__editor.scene.named('liver').voxels"
TYPE_AT_ONCE = """keys => {
    for (let at = 0; at < keys.length; at += 2)
        window.dispatchEvent(new KeyboardEvent("keydown", {code: keys[at], key: keys[at + 1]}));
}"""


@pytest.fixture
def server(lab: Workspace, serve: Callable[..., Any]) -> Any:
    return serve(lab.path)


def test_list_open_draw_next(lab: Workspace, server: Any, sign_in: Callable[..., Any]) -> None:
    page = sign_in(server)
    page.goto(f"{server.address}/index.html?debug")
    page.wait_for_selector("tbody tr.on")
    first = page.locator("tbody tr.on a").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/editor.html**")
    until(page, "window.__editor?.scene?.active?.isOpen")
    page.click("[data-structure=liver]")
    until(
        page, "window.__editor.scene.active.name === 'liver' && window.__editor.scene.active.isOpen"
    )
    before = page.evaluate(IN_LIVER)
    assert page.evaluate("window.__editor.state.slices") == 3
    draw_stroke(page)
    until(page, f"{IN_LIVER} > {before}")
    drawn = page.evaluate(IN_LIVER)
    page.keyboard.press("n")
    until(page, f"window.__editor.scene.info.id !== '{first}'")
    wait_until_saved(page)
    saved = Workspace.open(lab.path).in_force(first)["liver"]
    given = lab.in_force(first)
    assert saved.origin == "human"
    assert saved.voxels == drawn
    assert saved.provenance.about["strokes"] == "1"
    assert saved.provenance.about["added"] == str(drawn - before)
    assert [parent[:12] for parent in saved.provenance.parents] != []
    assert given["spleen"].origin == "model"


def test_accept_locks_and_goes_on(lab: Workspace, server: Any, sign_in: Callable[..., Any]) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    draw_stroke(page)
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    wait_until_saved(page)
    now = Workspace.open(lab.path)
    assert now.accepted("s0001")["liver"].origin == "human"
    assert page.evaluate("window.__editor.scene.named('liver').locked")
    name = page.evaluate("window.__editor.scene.active.name")
    page.evaluate(TYPE_AT_ONCE, ["KeyA", "a", "Digit2", "2"])
    until(page, f"window.__editor.scene.named('{name}').state === 'absent_anatomy'")
    assert page.evaluate("window.__editor.state.slices") == 3
    for _ in range(200):  # the verdict is on its way
        if Workspace.open(lab.path).presence("s0001")[name] == "absent_anatomy":
            break
        page.wait_for_timeout(100)
    assert Workspace.open(lab.path).presence("s0001")[name] == "absent_anatomy"


def test_a_reason_typed_right_after_a_flag_is_taken(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    page.evaluate(TYPE_AT_ONCE, ["KeyX", "x", "Digit2", "2"])
    wait_until_saved(page)
    (verdict,) = Workspace.open(lab.path).verdicts("s0001")
    said = (verdict.structure, verdict.decision, verdict.reason)
    assert said == ("liver", "fix", "part is missing")
    assert page.evaluate("window.__editor.state.slices") == 3


@pytest.mark.slow
def test_undo_takes_an_acceptance_back(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    entry = "window.__editor.scene.named('liver')"
    draw_stroke(page)
    drawn = on_screen(page, "liver")
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    page.keyboard.press("Control+z")
    until(page, "window.__editor.scene.active.name === 'liver'")
    wait_until_saved(page)
    assert page.evaluate(f"[{entry}.locked, {entry}.state]") == [False, "flagged"]
    assert np.array_equal(on_screen(page, "liver"), drawn)
    now = Workspace.open(lab.path)
    assert now.accepted("s0001") == {}
    assert [v.decision for v in now.verdicts("s0001")] == ["accept", "fix"]
    assert len(now.masks("s0001", "liver")) == 2, "no second revision of equal voxels"
    assert np.array_equal(in_force(lab, "s0001", "liver"), drawn)

    page.keyboard.press("Control+Shift+Z")
    wait_until_saved(page)
    assert page.evaluate(f"{entry}.locked")
    accepted = Workspace.open(lab.path).accepted("s0001")["liver"]
    assert accepted.id == now.in_force("s0001")["liver"].id
    for _ in range(2):
        page.keyboard.press("Control+z")
    assert page.evaluate(f"{entry}.voxels") == 12**3, "then the stroke before it"
    page.evaluate("window.__editor.leaveCase()")
    wait_until_saved(page)
    assert len(Workspace.open(lab.path).masks("s0001", "liver")) == 3


@pytest.mark.slow
def test_taken_back_the_mask_accepted_before_counts_and_the_page_says_so(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    page.click("[data-structure=liver]")
    page.keyboard.press("l")
    add_stroke(page, "liver")
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    page.keyboard.press("Control+z")
    until(
        page, "window.__editor.state.notice?.words.startsWith('The liver accepted before counts')"
    )
    assert Workspace.open(lab.path).in_force("s0001")["liver"].origin == "model"

    drawn = add_stroke(page, "liver", down=150)
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    wait_until_saved(page)
    assert page.locator("#panel.open").count() == 0, "the mask accepted before is no rival"
    now = Workspace.open(lab.path).accepted("s0001")["liver"]
    assert (now.origin, now.voxels) == ("human", drawn)


def test_a_refused_verdict_does_not_stay_on_the_page(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    page.evaluate(f"window.__editor.scene.named('liver').maskId = '{'0' * 64}'")
    page.keyboard.press("Enter")
    until(page, "window.__editor.state.notice?.words.includes('is not the one in force')")
    until(page, "window.__editor.scene.named('liver').state === 'proposed'")
    assert not page.evaluate("window.__editor.scene.named('liver').locked")
    assert Workspace.open(lab.path).verdicts("s0001") == ()
