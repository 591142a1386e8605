"""The gallery's page behind the workbench: it works under the strict policy, nothing else runs."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.server.guard import CONTENT_POLICY
from annotation.verdicts import VerdictRequest, decide
from pipeline.workspace import Provenance, Workspace
from qc.page import write_page
from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import HOSTILE, draw_without_rendering
from tests.fixtures.workbench import ServedLab


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


LIVER = "openOne(), placeOf.get('liver')"
TYPE_AT_ONCE = """keys => keys.forEach(key =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})))"""


def open_picture(page: Any, lab: ServedLab, case_id: str) -> None:
    """Open a case's picture, and wait until it is known how the case stands now."""
    page.goto(f"{lab.server.address}/gallery/#{case_id}")
    page.reload()
    until(page, "state.open && state.map && openOne().live")


@pytest.fixture
def gallery(served_lab: ServedLab, sign_in: Callable[..., Any]) -> Any:
    """Give Anna's page with the pictures of the lab."""
    if not (served_lab.workspace.layout.gallery_dir / "index.html").is_file():
        served_lab.draw_gallery()
    return sign_in(served_lab.server, "anna")


def test_a_refused_verdict_gives_way_to_how_it_is(gallery: Any, served_lab: ServedLab) -> None:
    lab = served_lab.workspace
    open_picture(gallery, served_lab, "s0001")
    (result,) = decide(lab, [VerdictRequest("s0001", "absent_fov", "liver", by="rita")])
    assert result.status == "done"
    gallery.evaluate(
        f"amend(decide({LIVER}, 'accept').id,"
        "{created: new Date(Date.now() - 60000).toISOString()}); afterDecision()"
    )
    assert gallery.evaluate(f"stateAt({LIVER})") == "accepted"
    gallery.evaluate("sendVerdicts(true)")
    until(gallery, f"stateAt({LIVER}) === 'out of view'")
    said = gallery.inner_text("#aside")
    assert "Not recorded: s0001 liver accepted: rita decided absent_fov" in said
    row = gallery.locator("#aside li", has_text="liver").first
    assert "out of view" in row.inner_text()
    assert "1 not recorded" in gallery.locator("[data-case=s0001]").text_content()
    assert gallery.evaluate(f"decisionOf({LIVER})") is None
    assert lab.presence("s0001")["liver"] == "absent_fov"
    gallery.evaluate(f"decide({LIVER}, 'accept'); afterDecision(); sendVerdicts(true)")
    until(gallery, "document.getElementById('saved').textContent === 'all sent'")
    assert "Not recorded" not in gallery.inner_text("#aside")
    assert "liver" in lab.accepted("s0001")


def test_what_others_decided_since_is_seen_when_a_case_is_opened(
    gallery: Any, served_lab: ServedLab
) -> None:
    open_picture(gallery, served_lab, "s0002")
    gallery.evaluate(f"decide({LIVER}, 'accept'); sendVerdicts(true)")
    until(gallery, "document.getElementById('saved').textContent === 'all sent'")
    assert gallery.evaluate(f"stateAt({LIVER})") == "accepted"
    decide(served_lab.workspace, [VerdictRequest("s0002", "fix", "liver", by="rita")])
    gallery.keyboard.press("n")
    until(gallery, "openOne().id === 's0003' && openOne().live")
    gallery.keyboard.press("p")
    until(gallery, f"openOne().id === 's0002' && stateAt({LIVER}) === 'sent back'")
    assert gallery.evaluate(f"decisionOf({LIVER})") is None


def test_keys_typed_within_a_frame_are_all_taken(gallery: Any, served_lab: ServedLab) -> None:
    open_picture(gallery, served_lab, "s0003")
    for place, (name, keys) in enumerate(
        (("liver", ["x", "3"]), ("spleen", ["a", "2"]), ("kidney_right", ["a", "1"]))
    ):
        click = f"choose([placeOf.get('{name}')])"
        gallery.evaluate(click)
        gallery.evaluate(TYPE_AT_ONCE, keys)
        assert gallery.evaluate("verdicts.list.length") == place + 1
    gallery.evaluate("sendVerdicts(true)")
    until(gallery, "document.getElementById('saved').textContent === 'all sent'")
    said = {v.structure: (v.decision, v.reason) for v in served_lab.workspace.verdicts("s0003")}
    assert said == {
        "liver": ("fix", "wrong name or side"),
        "spleen": ("absent_anatomy", ""),
        "kidney_right": ("absent_fov", ""),
    }


def test_a_click_and_u_show_the_structure_close_up(gallery: Any, served_lab: ServedLab) -> None:
    """The server's part, drawing, is tested beside; here its file is there already."""
    open_picture(gallery, served_lab, "s0004")
    asked = []
    picture = served_lab.workspace.layout.gallery_dir / "images" / "s0004.png"
    gallery.route(
        "**/gallery/closeups/**",
        lambda route: (asked.append(route.request.url), route.fulfill(path=str(picture))),
    )
    gallery.keyboard.press("u")
    assert "Point at a structure first" in gallery.inner_text("#told")
    gallery.evaluate("choose([placeOf.get('liver')])")
    gallery.keyboard.press("u")
    until(gallery, "!document.getElementById('plate-picture').hidden")
    assert "/gallery/closeups/s0004/liver.png" in asked[0]
    assert gallery.get_attribute("#plate-picture", "alt") == "liver of s0004, close up"
    gallery.keyboard.press("Escape")
    assert not gallery.is_visible("#plate")
    assert gallery.evaluate("state.open")
