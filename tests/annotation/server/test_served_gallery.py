"""The gallery's page behind the workbench: it works under the strict policy, nothing else runs."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.server.guard import CONTENT_POLICY
from pipeline.workspace import Provenance, Workspace
from qc.page import write_page
from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import HOSTILE, draw_without_rendering


@pytest.fixture
def drawn(
    workspace: Workspace, add_case: Callable[..., Any], add_masks: Callable[..., Any]
) -> Workspace:
    """Give a workspace of one case with a hostile phase, its picture and the page."""
    add_masks(add_case("s0001", phase=HOSTILE), Provenance("model", "model:btcv"))
    draw_without_rendering(workspace, ["s0001"])
    write_page(workspace, {})
    return workspace


def test_every_file_comes_under_the_policy_of_the_house(anna, lab) -> None:
    write_page(lab, {})
    for path in ("/gallery/", "/gallery/index.html"):
        answer = anna.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.text == (lab.layout.gallery_dir / "index.html").read_text()
    for file in (lab.layout.gallery_dir / "page").iterdir():
        answer = anna.get(f"/gallery/page/{file.name}")
        assert answer.content == file.read_bytes()
        assert answer.headers["content-security-policy"] == CONTENT_POLICY


def test_a_case_is_accepted_in_it_and_a_script_inside_the_page_does_not_run(
    drawn: Workspace, serve: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    server = serve(drawn.path)
    page = open_page("about:blank")
    assert page.context.request.get(server.link, max_redirects=0).status == 303
    page.goto(f"{server.address}/gallery/")
    until(page, "server.user !== ''")
    title = page.title()
    page.keyboard.press("Enter")
    until(page, "state.open && state.map")
    page.keyboard.press("Enter")
    page.evaluate("sendVerdicts(true)")
    until(page, "document.getElementById('saved').textContent === 'all sent'")
    assert set(drawn.accepted("s0001")) == set(drawn.in_force("s0001"))
    assert page.watched.complaints == []

    index = drawn.layout.gallery_dir / "index.html"
    text = index.read_text(encoding="utf-8")
    # Without the page's own policy: the server's must be enough.
    text = text.replace('http-equiv="Content-Security-Policy"', 'name="none"')
    evil = "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title = 2\">"
    index.write_text(text.replace("</body>", f"{evil}</body>"), encoding="utf-8")
    page.reload()
    until(page, "server.user !== ''")
    assert page.title() == title
    assert len([c for c in page.watched.complaints if "Content Security Policy" in c]) == 2
    page.watched.complaints.clear()
