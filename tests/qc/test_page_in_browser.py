"""The page in a real browser, opened from disk, with a thousand generated cases."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import HOSTILE, SHAPES, GallerySite, SiteWriter, generated_data

Open = Callable[..., Any]


@pytest.fixture
def page(open_page: Open, thousand_cases: GallerySite) -> Any:
    return open_page(thousand_cases.page)


def open_case(page: Any, case_id: str) -> None:
    """Find a case by its id and open it; its names are then under the pointer."""
    page.keyboard.press("/")
    page.keyboard.type(case_id)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    until(page, "state.open && state.map")


def point_at(page: Any, structure: str) -> None:
    """Move the pointer onto a structure's middle in the open picture."""
    column, row = SHAPES[structure][:2]
    x, y = page.evaluate(
        """([x, y]) => { const at = state.zoom || whole(), room = pane();
        return [room.left + at.x + x * at.scale, room.top + at.y + y * at.scale]; }""",
        [column, row],
    )
    page.mouse.move(x, y)


def kept(page: Any) -> list[dict]:
    """Give the verdicts that the browser keeps."""
    text = page.evaluate("localStorage.getItem(KEPT_UNDER)")
    return json.loads(text) if text else []


def shown(page: Any) -> list[str]:
    return page.evaluate("state.shown.map((one) => one.id)")


def test_a_thousand_cases_cost_as_little_as_a_few(page: Any) -> None:
    assert page.inner_text("#count") == "1000 cases"
    most = page.evaluate(
        """async () => { let most = 0, seen = new Set();
        for (let y = 0; y <= document.documentElement.scrollHeight; y += 1700) {
          scrollTo(0, y); grid.draw();
          const cards = document.querySelectorAll(".card");
          most = Math.max(most, cards.length);
          for (const card of cards) seen.add(card.dataset.case);
        } return [most, seen.size]; }"""
    )
    assert most[0] <= 60
    assert most[1] == 1000
    assert page.evaluate("document.querySelectorAll('*').length") < 2000


def test_the_most_suspicious_come_first(page: Any, thousand_cases: GallerySite) -> None:
    weights = thousand_cases.data["weights"]
    suspicion = {
        case["id"]: sum(weights[each["severity"]] for each in case["findings"])
        for case in thousand_cases.data["cases"]
    }
    ids = shown(page)
    assert ids == sorted(suspicion, key=lambda case: (-suspicion[case], case))
    assert page.locator(".card").first.locator(".dot.high").inner_text() == "1"
    page.select_option("#order", "id")
    assert shown(page) == sorted(suspicion)


def test_filters_narrow_the_cases(page: Any, thousand_cases: GallerySite) -> None:
    cases = thousand_cases.data["cases"]
    page.select_option("#source", "round 2")
    page.select_option("#site", "Bern")
    page.select_option("#scanner", "Vendor B")
    page.select_option("#state", "in review")
    wanted = [c["id"] for n, c in enumerate(cases) if n % 3 == 1 and n % 2 == 1]
    assert sorted(shown(page)) == wanted
    assert page.inner_text("#count") == f"{len(wanted)} of 1000 cases"
    page.select_option("#kind", "leak")
    assert sorted(shown(page)) == [c for c in wanted if int(c[1:]) % 7 == 1 and int(c[1:]) % 5]
    page.keyboard.press("Escape")
    assert len(shown(page)) == 1000
    page.fill("#structure", "spleen")
    assert sorted(shown(page)) == [c["id"] for n, c in enumerate(cases) if n % 5 == 0]
    page.select_option("#relation", "suspicious")
    assert len(shown(page)) == sum(n % 7 == 1 and n % 5 > 0 for n in range(1000))
    page.fill("#words", "no such case")
    assert "No case fits these filters" in page.inner_text("#empty")


def test_pointing_names_the_structure_and_what_was_found(
    page: Any, thousand_cases: GallerySite
) -> None:
    open_case(page, "s0001")
    point_at(page, "liver")
    page.wait_for_selector("#tip:not([hidden])")
    said = page.inner_text("#tip")
    assert said.startswith("liver")
    assert f"{round(thousand_cases.volume('s0001', 'liver'))} ml" in said
    assert "liver lies in 3 pieces" in said
    point_at(page, "rib_left_4")
    assert page.inner_text("#tip b") == "rib left 4"
    page.mouse.move(60, 200)
    page.wait_for_selector("#tip", state="hidden")


def test_a_click_flags_exactly_what_lies_there_and_a_number_says_why(
    page: Any, thousand_cases: GallerySite
) -> None:
    open_case(page, "s0008")
    point_at(page, "rib_right_4")
    page.mouse.down()
    page.mouse.up()
    masks = thousand_cases.case("s0008")["masks"]
    mask = masks["ids"][masks["places"].index(thousand_cases.place("rib_right_4"))]
    [flag] = kept(page)
    assert (flag["case"], flag["structure"]) == ("s0008", "rib_right_4")
    assert (flag["decision"], flag["mask"], flag["reason"]) == ("fix", mask, "")
    page.keyboard.press("3")
    assert kept(page)[0]["reason"] == "wrong name or side"
    row = page.locator(f'#aside li[data-place="{thousand_cases.place("rib_right_4")}"]')
    assert row.locator("em").inner_text() == "flagged: wrong name or side"
    page.mouse.down()
    page.mouse.up()
    assert kept(page) == []


def test_dragging_moves_the_picture_and_flags_nothing(page: Any) -> None:
    open_case(page, "s0008")
    point_at(page, "liver")
    page.mouse.wheel(0, -600)
    before = page.evaluate("({...state.zoom})")
    page.mouse.down()
    page.mouse.move(500, 300, steps=4)
    page.mouse.up()
    after = page.evaluate("({...state.zoom})")
    assert after["scale"] == before["scale"] > page.evaluate("whole().scale")
    assert (after["x"], after["y"]) != (before["x"], before["y"])
    assert kept(page) == []
    page.keyboard.press("z")
    assert page.evaluate("state.zoom") is None


def test_keys_accept_flag_undo_and_go_on(page: Any) -> None:
    first, second = shown(page)[:2]
    page.keyboard.press("Enter")
    until(page, "state.map")
    page.keyboard.press("w")
    page.keyboard.press("x")
    page.keyboard.press("1")
    page.keyboard.press("q")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Enter")
    assert page.inner_text("#name") == second
    said = [(v["case"], v["structure"], v["decision"], v["reason"]) for v in kept(page)]
    assert said == [
        (first, "kidney_left", "fix", "leaks out"),
        (first, "liver", "accept", ""),
        (first, None, "accept", ""),
    ]
    assert kept(page)[2]["seen"] == f"seen{int(first[1:])}"
    page.keyboard.press("Control+z")
    assert page.inner_text("#name") == first
    assert len(kept(page)) == 2
    page.keyboard.press("Control+Shift+z")
    assert len(kept(page)) == 3
    for key, name in (("n", second), ("p", first), ("ArrowRight", second)):
        page.keyboard.press(key)
        assert page.inner_text("#name") == name
    page.keyboard.press("Escape")
    assert not page.is_visible("#viewer")
    assert "accepted here" in page.inner_text(f'.card[data-case="{first}"]')


def test_absent_is_said_of_what_was_chosen_in_the_list(
    page: Any, thousand_cases: GallerySite
) -> None:
    open_case(page, "s0010")
    page.click(f'#aside li[data-place="{thousand_cases.place("spleen")}"]')
    page.mouse.move(700, 700)
    page.keyboard.press("x")
    assert kept(page) == []
    assert "no mask of spleen to flag" in page.inner_text("#told")
    page.keyboard.press("a")
    page.keyboard.press("2")
    [verdict] = kept(page)
    assert (verdict["structure"], verdict["decision"]) == ("spleen", "absent_anatomy")
    assert verdict["mask"] is None


def test_what_was_decided_survives_a_reload_and_counts_for_these_masks_only(
    page: Any, thousand_cases: GallerySite
) -> None:
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.reload()
    assert "1 kept in this browser, not exported" in page.inner_text("#saved")
    page.select_option("#mine", "accepted")
    assert shown(page) == ["s0001"]
    page.evaluate("caseById.get('s0001').seen = 'other masks'; refresh()")
    assert shown(page) == []


def test_an_earlier_round_stands_beside_the_present_one(page: Any) -> None:
    open_case(page, "s0002")
    page.keyboard.press("c")
    assert not page.is_visible("#before")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    open_case(page, "s0003")
    page.keyboard.press("c")
    assert page.inner_text("#before-words") == "round 1"
    assert page.inner_text("#now-words") == "now, up to round 1"
    until(page, "document.getElementById('before-picture').naturalWidth === 900")
    point_at(page, "kidney_left")
    assert page.inner_text("#tip b") == "kidney left"
    page.mouse.wheel(0, -500)
    styles = page.evaluate(
        "['picture', 'before-picture'].map((id) => document.getElementById(id).style.transform)"
    )
    assert styles[0] == styles[1] != ""
    page.keyboard.down(" ")
    assert page.is_visible("#blink")
    page.keyboard.up(" ")
    assert not page.is_visible("#blink")


def test_one_structure_over_all_cases_shows_the_odd_one_out(
    page: Any, thousand_cases: GallerySite
) -> None:
    page.keyboard.press("g")
    page.keyboard.type("kidney_left")
    page.keyboard.press("Enter")
    assert shown(page)[0] == "s0017"
    first = page.locator(".tile").first
    assert first.locator(".warn").inner_text() == "600 ml"
    until(page, "cut.loading === 0 && cut.waiting.length === 0")
    middles = page.evaluate(
        """() => [...document.querySelectorAll(".tile canvas")].slice(0, 5).map((canvas) => {
        try { canvas.getContext("2d").getImageData(0, 0, 1, 1); return "empty"; }
        catch (error) { return error.name; } })"""
    )
    # Only a canvas on which a file's pixels were drawn refuses to give them back.
    assert middles == ["SecurityError"] * 5
    assert page.locator(".tile").count() < 150
    page.select_option("#order", "smallest")
    ids = [case["id"] for case in thousand_cases.data["cases"]]
    volumes = {each: thousand_cases.volume(each, "kidney_left") for each in ids}
    assert shown(page) == sorted(volumes, key=lambda case: (volumes[case], case))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("2")
    [flag] = kept(page)
    assert (flag["case"], flag["structure"]) == (shown(page)[1], "kidney_left")
    assert flag["reason"] == "incomplete"
    page.keyboard.press("Enter")
    until(page, "state.map && state.zoom")
    assert page.inner_text("#name") == flag["case"]


def test_nothing_from_outside_becomes_html(open_page: Open, tmp_path: Path) -> None:
    site = GallerySite(tmp_path / "gallery", generated_data(2))
    writer = SiteWriter(site.folder)
    for case in site.data["cases"]:
        writer.picture(case["id"])
        case["findings"] = [
            {"kind": HOSTILE, "words": HOSTILE, "severity": 2, "number": 1,
             "structures": [site.place("liver")]},
        ]  # fmt: skip
        for field in ("phase", "site", "scanner", "state", "grid"):
            case[field] = HOSTILE
        case["meta"], case["sources"] = [HOSTILE], {HOSTILE: 3}
    site.data["workspace"] = HOSTILE
    site.data["structures"] = [f"{name}{HOSTILE}" for name in site.data["structures"]]
    site.write_page()
    page = open_page(site.page)
    assert HOSTILE in page.locator(".card").first.inner_text()
    open_case(page, "s0001")
    point_at(page, "liver")
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.keyboard.press("?")
    page.wait_for_timeout(200)
    assert HOSTILE in page.inner_text("#tip")
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert page.title() == f"{HOSTILE} – Masksmith gallery"


def test_a_damaged_pick_map_and_a_full_browser_are_said(open_page: Open, tmp_path: Path) -> None:
    site = GallerySite(tmp_path / "gallery", generated_data(3))
    writer = SiteWriter(site.folder)
    for case in site.data["cases"]:
        writer.picture(case["id"])
    path = site.folder / "pickmaps" / "s0001.js"
    path.write_text(path.read_text().replace('"width": 900', '"width": 901'))
    (site.folder / "pickmaps" / "s0002.js").unlink()
    site.write_page()
    page = open_page(site.page)
    page.evaluate("Storage.prototype.setItem = () => { throw new Error('full'); }")
    page.evaluate("openCase(state.shown.findIndex((one) => one.id === 's0001'))")
    until(page, "document.getElementById('told').textContent.includes('cut off')")
    page.evaluate("openCase(state.shown.findIndex((one) => one.id === 's0002'))")
    until(page, "document.getElementById('told').textContent.includes('cannot be loaded')")
    page.keyboard.press("Enter")
    assert "this browser keeps nothing" in page.inner_text("#saved")
    watched = page.watched
    assert [c for c in watched.complaints if "s0002.js" not in c and "ERR_FILE" not in c] == []
    watched.complaints.clear()
