"""Giving cases to people: over HTTP, and on the worklist page."""

from collections.abc import Callable
from typing import Any

import pytest

from annotation.server.leases import Assignments
from annotation.server.server_store import ServerStore
from annotation.server.worklist import filter_words
from pipeline.workspace import Provenance, Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import add_people

LEASE = "/api/cases/s0001/masks/liver/lease"


def give(browser, cases: list[str], to: str | None) -> Any:
    return browser.post("/api/assignments", json={"cases": cases, "to": to})


def shown(browser, q: str) -> set[str]:
    return {each["id"] for each in browser.get("/api/worklist", params={"q": q}).json()["cases"]}


def test_a_case_is_not_taken_from_whom_draws_in_it(browse, bench) -> None:
    anna, rita = browse("anna"), browse("rita")
    anna.post(LEASE, json={})
    answer = give(rita, ["s0001", "s0002", "s0002", "nothing"], "ben").json()
    assert answer == {
        "assigned": 1,
        "to": "ben",
        "refused": [
            {"case": "s0001", "why": "anna is drawing liver there"},
            {"case": "nothing", "why": "no such case"},
        ],
    }
    assert bench.assignments.all() == {"s0002": "ben"}
    anna.request("DELETE", LEASE)
    assert give(rita, ["s0001"], "ben").json()["refused"] == []


@pytest.mark.parametrize(("who", "to"), [("anna", "anna"), ("anna", None), ("rita", "ben")])
def test_who_may_go_on_drawing_is_no_obstacle(browse, bench, who, to) -> None:
    browse(who).post(LEASE, json={})
    answer = give(browse("rita"), ["s0001"], to).json()
    assert (answer["assigned"], answer["refused"]) == (1, [])
    assert bench.assignments.of("s0001") == to


def test_nobody_of_that_name_gets_nothing(browse, bench) -> None:
    answer = give(browse("rita"), ["s0001"], "carl")
    assert (answer.status_code, answer.json()["error"]) == (404, "nobody has this name")
    assert bench.assignments.all() == {}


def test_the_filter_finds_whose_a_case_is(browse, bench) -> None:
    bench.people.add("Anna Kern", "annotator", None)
    rita = browse("rita")
    give(rita, ["s0001"], "Anna Kern")
    assert shown(rita, "assigned:kern") == shown(rita, 'assigned:"anna kern"') == {"s0001"}
    assert shown(rita, "assigned:nobody") == {"s0002"}
    assert shown(rita, "assigned:ann") == shown(rita, "assigned:ben") == set()
    assert shown(rita, "assigned:anna state:flagged") == set()


def test_quotes_keep_words_together() -> None:
    assert filter_words('S1 assigned:"Anna K." liver') == ["s1", "assigned:anna k.", "liver"]
    assert filter_words('assigned:"anna k') == ["assigned:anna k"]
    assert filter_words('  "" ') == [""]


@pytest.fixture
def many(lab: Workspace, add_case: Any, add_masks: Any) -> Workspace:
    """Give five cases, and four people."""
    for number in range(3, 6):
        add_masks(add_case(f"s{number:04d}"), Provenance("model", "model:btcv"))
    add_people(lab, anna="annotator", ben="annotator", rita="reviewer")
    return lab


def assigned(lab: Workspace) -> dict[str, str]:
    return Assignments(ServerStore(lab.layout.server_dir)).all()


def give_in_page(page: Any, to: str) -> str:
    """Choose in the list by keyboard and assign; give what the page says then."""
    page.keyboard.press("a")
    until(page, "document.activeElement.id === 'assign-to'")
    until(page, f"[...document.activeElement.options].some(each => each.value === '{to}')")
    page.select_option("#assign-to", to)
    page.click(".assign button.main")
    page.wait_for_selector("#assigned:not([hidden])")
    return page.inner_text("#assigned")


def test_a_reviewer_assigns_ticked_lines(
    many: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    page = sign_in(serve(many.path), "rita")
    first = page.get_by_label("Select s0001")
    first.click()
    page.get_by_label("Select s0003").click(modifiers=["Shift"])
    assert page.inner_text(".assign b") == "3 selected"
    page.get_by_label("Select s0002").click()
    assert page.inner_text(".assign b") == "2 selected"
    assert page.url.endswith("index.html") or page.url.endswith("/")
    assert give_in_page(page, "person:anna") == "Assigned: 2 cases to anna."
    assert assigned(many) == {"s0001": "anna", "s0003": "anna"}
    assert page.locator("tbody tr", has_text="s0003").locator("td").last.inner_text() == "anna"
    assert page.locator(".assign").count() == 0
    first.click()
    page.wait_for_selector("#assign-to option[value='person:ben']", state="attached")
    assert page.input_value("#assign-to") == ""
    assert page.locator(".assign button.main").is_disabled(), "nobody was chosen for this one yet"


@pytest.mark.slow
def test_by_keyboard_and_what_is_refused_is_named(
    many: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    server = serve(many.path)
    other = sign_in(server, "ben")
    other.goto(f"{server.address}/editor.html#s0002/liver")
    other.wait_for_selector("button.structure.on[data-structure=liver]")
    page = sign_in(server, "rita")
    page.wait_for_selector("text=ben is drawing")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    assert page.inner_text(".assign b") == "2 selected"
    said = give_in_page(page, "person:anna")
    assert said.startswith("Assigned: 1 case to anna. Left as it was: s0002 (ben is drawing ")
    assert assigned(many) == {"s0001": "anna"}
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    assert page.locator(".assign").count() == 0


def test_all_shown_are_shared_out(
    many: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    page = sign_in(serve(many.path), "rita")
    page.get_by_label("Select all shown").check()
    page.wait_for_selector("#assign-to option[value=share]", state="attached")
    page.select_option("#assign-to", "share")
    assert page.locator(".assign button.main").is_disabled()
    for name in ("anna", "ben"):
        page.locator(".assign label", has_text=name).locator("input").check()
    page.click(".assign button.main")
    page.wait_for_selector("#assigned:not([hidden])")
    assert page.inner_text("#assigned") == "Assigned: 3 cases to anna, 2 cases to ben."
    assert sorted(assigned(many).values()) == ["anna"] * 3 + ["ben"] * 2
    page.fill("#filter", "assigned:ben")
    until(page, "document.querySelectorAll('tbody tr').length === 2")


def test_an_annotator_has_no_such_control(
    many: Workspace, serve: Callable[..., Any], sign_in: Callable[..., Any]
) -> None:
    page = sign_in(serve(many.path), "anna")
    assert page.locator("tbody input, thead input, .assign").count() == 0
    page.keyboard.press("Space")
    page.keyboard.press("a")
    assert page.locator("tbody tr").count() == 5
    assert page.locator("tbody input, thead input, .assign").count() == 0
