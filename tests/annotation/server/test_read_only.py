"""A case that is assigned to somebody else: looked at in the editor, and not changed."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.server.leases import Assignments
from annotation.server.server_store import ServerStore
from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import add_people, draw_stroke, open_editor

IN_LIVER = "window.__editor.scene.named('liver').voxels"
NOTICE = "document.getElementById('notice').textContent"


@pytest.fixture
def server(lab: Workspace, serve: Callable[..., Any]) -> Any:
    """Serve two cases, of which s0001 is ben's."""
    add_people(lab, anna="annotator", ben="annotator", rita="reviewer")
    Assignments(ServerStore(lab.layout.server_dir)).assign(["s0001"], "ben", "rita")
    return serve(lab.path)


@pytest.mark.slow
def test_others_may_look_and_are_told_whose_it_is(
    lab: Workspace, server: Any, sign_in: Callable[..., Any]
) -> None:
    page = sign_in(server, "anna")
    sent: list[str] = []
    page.goto(f"{server.address}/editor.html?debug#s0001/liver")
    until(page, "window.__editor?.scene?.active?.name === 'liver'")
    page.on("request", lambda request: request.method != "GET" and sent.append(request.url))
    page.wait_for_selector("#read-only")
    assert page.inner_text("#read-only") == "read only: ben has this case"
    before = page.evaluate(IN_LIVER)
    draw_stroke(page)
    until(page, f"{NOTICE}.startsWith('read only: ben has this case')")
    page.keyboard.press("Escape")
    for key in ("Enter", "x", "a", "u", "r", "s"):
        until(page, f"{NOTICE} === ''")
        page.keyboard.press(key)
        until(page, f"{NOTICE}.startsWith('read only: ben has this case')")
        assert page.locator("#panel.open").count() == 0
        page.keyboard.press("Escape")
    page.click("[data-structure=spleen]")
    until(page, "window.__editor.scene.active.name === 'spleen'")
    assert page.evaluate(IN_LIVER) == before
    assert page.evaluate("window.__editor.desk.outbox.state.waiting") == 0
    assert [url for url in sent if "prefetch" not in url] == []
    now = Workspace.open(lab.path)
    assert (now.verdicts("s0001"), now.in_force("s0001")["liver"].origin) == ((), "model")
    page.keyboard.press("n")
    until(page, "window.__editor.scene.info.id === 's0002'")
    until(page, "window.__editor.scene.active.isOpen && !document.getElementById('read-only')")


@pytest.mark.parametrize("name", ["ben", "rita"])
def test_whose_it_is_and_reviewers_draw(
    server: Any, sign_in: Callable[..., Any], name: str
) -> None:
    page = sign_in(server, name)
    open_editor(page, server, "s0001", "liver")
    assert page.locator("#read-only").count() == 0
    before = page.evaluate(IN_LIVER)
    draw_stroke(page)
    until(page, f"{IN_LIVER} > {before}")
