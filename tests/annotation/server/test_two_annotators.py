"""Two people in two browsers: side by side, one mask at a time, and whose counts in the end."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import (
    Served,
    ServedLab,
    draw_stroke,
    in_force,
    make_lab,
    on_screen,
    open_editor,
    wait_until_saved,
)

LIVER = "window.__editor.scene.named('liver')"
PANEL = "window.__editor.state.panel?.kind"
NOTICE = "window.__editor.state.notice?.words ?? ''"


def look_at(page: Any, lab: ServedLab, case_id: str, structure: str) -> None:
    """Open a structure that somebody else draws."""
    page.goto(f"{lab.server.address}/editor.html?debug#{case_id}/{structure}")
    until(page, f"window.__editor?.scene?.named('{structure}').takenBy")


def open_when_free(page: Any) -> None:
    """Choose the liver again and again until it can be drawn."""
    for _ in range(100):
        page.click("[data-structure=spleen]")
        page.click("[data-structure=liver]")
        page.wait_for_timeout(200)
        if page.evaluate(f"{LIVER}.isOpen"):
            return
    pytest.fail("nobody gave the liver back")


def leave(page: Any) -> None:
    """Go on to the next case, and wait for what comes of it."""
    page.keyboard.press("n")
    until(page, "window.__editor.state.save.kind !== 'saving' || window.__editor.state.panel")


def choose(page: Any, words: str) -> None:
    page.get_by_role("button", name=words).click()
    wait_until_saved(page)


def history(lab: ServedLab, case_id: str) -> list[str]:
    """Give the makers of a liver's revisions, oldest first."""
    masks = Workspace.open(lab.workspace.path).masks(case_id, "liver")
    return [mask.provenance.maker.removeprefix("person:") for mask in masks]


@pytest.mark.slow
def test_two_structures_of_one_case_at_once(
    served_lab: ServedLab, sign_in: Callable[..., Any]
) -> None:
    anna, ben = (sign_in(served_lab.server, name) for name in ("anna", "ben"))
    open_editor(anna, served_lab.server, "s0001", "liver")
    open_editor(ben, served_lab.server, "s0001", "spleen")
    draw_stroke(anna)
    draw_stroke(ben, shift=200)
    draw_stroke(anna, shift=40)
    drawn = {"liver": on_screen(anna, "liver"), "spleen": on_screen(ben, "spleen")}
    leave(ben)
    leave(anna)
    wait_until_saved(anna)
    wait_until_saved(ben)
    now = Workspace.open(served_lab.workspace.path).in_force("s0001")
    for structure, name in (("liver", "anna"), ("spleen", "ben")):
        assert now[structure].provenance.maker == f"person:{name}"
        assert now[structure].provenance.about["strokes"] == ("2" if name == "anna" else "1")
        stored = in_force(served_lab.workspace, "s0001", structure)
        assert np.array_equal(stored, drawn[structure])


def test_who_comes_second_sees_who_draws_and_cannot(
    served_lab: ServedLab, sign_in: Callable[..., Any]
) -> None:
    anna, ben = (sign_in(served_lab.server, name) for name in ("anna", "ben"))
    open_editor(anna, served_lab.server, "s0002", "liver")
    look_at(ben, served_lab, "s0002", "liver")
    until(ben, f"({NOTICE}).includes('anna is drawing liver')")
    ben.wait_for_selector("[data-structure=liver][title$='anna is drawing']")
    before = on_screen(ben, "liver")
    draw_stroke(ben)
    assert np.array_equal(on_screen(ben, "liver"), before)
    assert ben.evaluate(PANEL) is None, "an annotator is not offered to take over"
    assert ben.evaluate("window.__editor.obstacle") == "anna is drawing liver now."
    anna.goto(f"{served_lab.server.address}/index.html")
    open_when_free(ben)
    draw_stroke(ben)
    assert not np.array_equal(on_screen(ben, "liver"), before)


@pytest.mark.slow
@pytest.mark.parametrize(("case_id", "answer"), [("s0003", "take theirs"), ("s0004", "keep mine")])
def test_a_reviewer_takes_over_and_who_lost_the_mask_is_asked(
    served_lab: ServedLab, sign_in: Callable[..., Any], case_id: str, answer: str
) -> None:
    anna, rita = (sign_in(served_lab.server, name) for name in ("anna", "rita"))
    open_editor(anna, served_lab.server, case_id, "liver")
    draw_stroke(anna)
    wait_until_saved(anna)
    look_at(rita, served_lab, case_id, "liver")
    until(rita, f"{PANEL} === 'taken'")
    rita.keyboard.press("m")
    until(rita, f"{LIVER}.isOpen")
    draw_stroke(rita, shift=60)
    theirs = on_screen(rita, "liver")

    draw_stroke(anna, shift=30)
    until(anna, f"({NOTICE}).includes('rita is drawing liver')")
    mine = on_screen(anna, "liver")
    draw_stroke(anna, shift=90)
    assert np.array_equal(on_screen(anna, "liver"), mine), "she draws no further"

    leave(rita)
    wait_until_saved(rita)
    assert np.array_equal(in_force(served_lab.workspace, case_id, "liver"), theirs)
    leave(anna)
    until(anna, f"{PANEL} === 'conflict'")
    until(anna, "document.getElementById('panel').textContent.includes('rita saved liver')")
    assert history(served_lab, case_id) == ["model:btcv", "rita", "anna"]
    # Asked once more where she reloads before she answers.
    anna.goto(f"{served_lab.server.address}/editor.html?debug#{case_id}/liver")
    anna.reload()
    until(anna, f"window.__editor?.scene && {LIVER}.isOpen && {PANEL} === 'conflict'")
    choose(anna, answer)

    now = Workspace.open(served_lab.workspace.path)
    revisions = now.masks(case_id, "liver")
    by = {mask.provenance.maker: mask for mask in revisions[:3]}
    assert np.array_equal(now.mask_array(by["person:rita"]), theirs)
    assert np.array_equal(now.mask_array(by["person:anna"]), mine)
    counts = theirs if answer == "take theirs" else mine
    assert np.array_equal(in_force(served_lab.workspace, case_id, "liver"), counts)
    until(anna, f"{PANEL} === undefined")
    until(anna, f"{LIVER}.isOpen")
    assert np.array_equal(on_screen(anna, "liver"), counts)
    more = ["anna"] if answer == "keep mine" else []
    assert history(served_lab, case_id) == ["model:btcv", "rita", "anna", *more]


@pytest.fixture
def short_leases(tmp_path: Any) -> Iterator[ServedLab]:
    """Serve a lab in which a mask is free again after four seconds without a stroke."""
    workspace = make_lab(tmp_path / "workspace", cases=2)
    with Served(workspace.path, settings={"lease_minutes": str(4 / 60)}) as server:
        yield ServedLab(workspace, server)


@pytest.mark.slow
def test_a_lapsed_lease_is_anothers_and_both_revisions_are_kept(
    short_leases: ServedLab, sign_in: Callable[..., Any]
) -> None:
    anna, ben = (sign_in(short_leases.server, name) for name in ("anna", "ben"))
    open_editor(anna, short_leases.server, "s0001", "liver")
    draw_stroke(anna)
    wait_until_saved(anna)
    ben.goto(f"{short_leases.server.address}/editor.html?debug#s0001/spleen")
    until(ben, "window.__editor?.scene?.active.isOpen")
    open_when_free(ben)
    draw_stroke(ben, shift=60)
    theirs = on_screen(ben, "liver")
    ben.keyboard.press("Enter")
    wait_until_saved(ben)
    mine = on_screen(anna, "liver")
    anna.keyboard.press("Enter")
    until(anna, f"{PANEL} === 'conflict'")
    assert np.array_equal(in_force(short_leases.workspace, "s0001", "liver"), theirs)
    choose(anna, "keep mine")
    now = Workspace.open(short_leases.workspace.path)
    assert np.array_equal(now.mask_array(now.accepted("s0001")["liver"]), mine)
    assert history(short_leases, "s0001") == ["model:btcv", "ben", "anna", "anna"]
    decisions = [(v.by, v.decision) for v in now.verdicts("s0001")]
    assert decisions == [("ben", "accept"), ("anna", "accept")]
