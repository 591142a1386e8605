"""The editor in a real browser: draw, next, offline, reload, a killed server, accessibility."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.front_end import WEB
from tests.fixtures.workbench import drag, open_editor, wait_until_saved

IN_LIVER = "window.__editor.scene.named('liver').voxels"
TYPE_AT_ONCE = """keys => {
    for (let at = 0; at < keys.length; at += 2)
        window.dispatchEvent(new KeyboardEvent("keydown", {code: keys[at], key: keys[at + 1]}));
}"""
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def server(lab: Workspace, serve: Callable[..., Any]) -> Any:
    return serve(lab.path)


def stroke(page: Any, shift: float = 0.0) -> None:
    """Draw a short line over the middle of the main plane."""
    box = page.locator(".plane.main").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(page, [(x - 120 + shift, y - 90), (x - 20 + shift, y - 60)])


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
    stroke(page)
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
    stroke(page)
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


def test_offline_and_back_and_reload(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    page.context.set_offline(True)
    stroke(page)
    stroke(page, shift=60)
    until(
        page, "document.getElementById('saved').textContent.includes('offline, 2 edits kept here')"
    )
    drawn = page.evaluate(IN_LIVER)
    page.context.set_offline(False)
    wait_until_saved(page)
    until(page, "document.getElementById('saved').textContent.startsWith('saved')")
    page.reload()
    until(page, "window.__editor?.scene?.named('liver')?.isOpen || false", 90)
    assert page.evaluate(IN_LIVER) == drawn
    assert lab.in_force("s0001")["liver"].origin == "model"


def test_a_killed_server_loses_no_stroke(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    open_editor(page, server, "s0001", "liver")
    stroke(page)
    wait_until_saved(page)
    server.kill()
    stroke(page, shift=60)
    until(page, "window.__editor.desk.outbox.state.kind === 'offline'")
    drawn = page.evaluate(IN_LIVER)
    server.start()
    page.evaluate("window.__editor.desk.outbox.retry()")
    until(page, "window.__editor.desk.outbox.state.kind !== 'offline'", 90)
    assert page.evaluate("window.__editor.desk.outbox.state.kind") in ("saved", "saving")
    wait_until_saved(page)
    page.evaluate("window.__editor.leaveCase()")
    wait_until_saved(page)
    assert Workspace.open(lab.path).in_force("s0001")["liver"].voxels == drawn


def test_no_serious_finding_of_accessibility(
    node: Any, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server)
    source = AXE.read_text(encoding="utf-8")
    for address in ("editor.html#s0001/liver", "index.html", "progress.html"):
        page.goto(f"{server.address}/{address}")
        page.wait_for_selector(
            "button.structure.on" if "editor" in address else "h1", state="attached"
        )
        page.wait_for_timeout(300)
        page.evaluate(source)
        found = page.evaluate("axe.run().then(({violations}) => violations)")
        grave = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
        assert grave == [], address
