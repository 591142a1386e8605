"""Every served page, and every panel on it, without a serious finding of axe."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.browser import until
from tests.fixtures.front_end import WEB
from tests.fixtures.workbench import ServedLab, click_structure

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
FINDINGS = """() => axe.run().then(({violations}) => violations
    .filter(({impact}) => ["serious", "critical"].includes(impact))
    .map(({id, nodes}) => id + " " + nodes.map(({target}) => target.join(" ")).slice(0, 3)))"""
PANELS = {"?": "keys", "x": "flag", "a": "absent", "u": "cant-tell", "r": "copy"}


@pytest.fixture
def findings(node: Any) -> Callable[[Any], list[str]]:
    """Give a function that lists what axe finds serious on a page as it is now."""
    source = AXE.read_text(encoding="utf-8")

    def look(page: Any) -> list[str]:
        page.wait_for_timeout(250)
        page.evaluate(f"if (!window.axe) {{ {source} }}")
        return page.evaluate(FINDINGS)

    return look


@pytest.mark.slow
def test_the_editor_and_its_panels(
    served_lab: ServedLab, sign_in: Callable[..., Any], findings: Callable[[Any], list[str]]
) -> None:
    page = sign_in(served_lab.server, "anna")
    page.goto(f"{served_lab.server.address}/editor.html?debug#s0001/liver")
    until(page, "window.__editor?.scene?.active?.isOpen")
    found = {"editor": findings(page)}
    for key, kind in PANELS.items():
        page.keyboard.press(key)
        until(page, f"window.__editor.state.panel?.kind === '{kind}'")
        found[kind] = findings(page)
        page.keyboard.press("Escape")
    conflict = "{kind: 'conflict', conflict: {caseId: 's0001', structure: 'liver'}}"
    for panel in (conflict, "{kind: 'taken', by: 'ben'}"):
        page.evaluate(f"window.__editor.state.panel = {panel}; window.__editor.changed()")
        found[panel] = findings(page)
    assert {name: what for name, what in found.items() if what} == {}


def test_the_other_pages(
    served_lab: ServedLab, sign_in: Callable[..., Any], findings: Callable[[Any], list[str]]
) -> None:
    page = sign_in(served_lab.server, "rita")
    found = {}
    for name in ("index", "progress"):
        page.goto(f"{served_lab.server.address}/{name}.html")
        page.wait_for_selector("h1", state="attached")
        found[name] = findings(page)
    page.context.clear_cookies()
    page.goto(f"{served_lab.server.address}/login.html")
    page.wait_for_selector("input[type=password]")
    found["login"] = findings(page)
    assert {name: what for name, what in found.items() if what} == {}


def test_the_served_gallery(
    served_lab: ServedLab, sign_in: Callable[..., Any], findings: Callable[[Any], list[str]]
) -> None:
    served_lab.draw_gallery()
    page = sign_in(served_lab.server, "anna")
    page.goto(f"{served_lab.server.address}/gallery/")
    until(page, "server.user !== ''")
    found = {"cases": findings(page)}
    page.keyboard.press("?")
    found["keys"] = findings(page)
    page.keyboard.press("?")
    page.keyboard.press("Enter")
    until(page, "state.open && state.map && openOne().live")
    found["picture"] = findings(page)
    click_structure(page, "liver")
    found["reasons"] = findings(page)
    page.keyboard.press("a")
    found["absent"] = findings(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.fill("#structure", "liver")
    until(page, "document.querySelector('.tile') !== null")
    found["column"] = findings(page)
    assert {name: what for name, what in found.items() if what} == {}
