"""The whole way in one browser: list, editor, next, flagged in the gallery, corrected, accepted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.workspace import Workspace
from tests.fixtures.browser import until
from tests.fixtures.workbench import (
    ServedLab,
    click_structure,
    draw_stroke,
    in_force,
    on_screen,
    open_editor,
    wait_until_saved,
)

LIVER_IS_OPEN = "(({active}) => active?.name === 'liver' && active.isOpen)(window.__editor.scene)"


def flag_in_gallery(page: Any, lab: ServedLab) -> None:
    """Click the liver's pixels, because it leaks, and go to the editor."""
    page.goto(f"{lab.server.address}/gallery/")
    until(page, "server.user !== ''")
    page.keyboard.press("Enter")
    until(page, "state.open && state.map")
    assert page.evaluate("openOne().id") == "s0001"
    click_structure(page, "liver")
    page.keyboard.press("1")
    page.keyboard.press("e")
    page.wait_for_url("**/editor.html#s0001/liver")
    page.wait_for_selector("button.structure.on[data-structure=liver]")


def draw_from_list(page: Any, lab: ServedLab) -> np.ndarray:
    """Open the first case of the list, draw on the liver through three slices, go on; the mask."""
    page.goto(f"{lab.server.address}/index.html?debug")
    page.wait_for_selector("tbody tr.on")
    page.keyboard.press("Enter")
    page.wait_for_url("**/editor.html**")
    until(page, "window.__editor?.scene?.info.id === 's0001'")
    page.click("[data-structure=liver]")
    until(page, LIVER_IS_OPEN)
    page.keyboard.press("3")
    draw_stroke(page)
    drawn = on_screen(page, "liver")
    page.keyboard.press("n")
    until(page, "window.__editor.scene.info.id === 's0002'")
    wait_until_saved(page)
    return drawn


def correct_and_accept(page: Any, lab: ServedLab, drawn: np.ndarray) -> np.ndarray:
    """Erase some of the flagged liver and accept it; the mask."""
    open_editor(page, lab.server, "s0001", "liver")
    entry = "window.__editor.scene.named('liver')"
    assert page.evaluate(f"[{entry}.state, {entry}.locked]") == ["flagged", False]
    assert np.array_equal(on_screen(page, "liver"), drawn)
    draw_stroke(page, shift=40, button="right")
    corrected = on_screen(page, "liver")
    assert (drawn & ~corrected).any()
    page.keyboard.press("Enter")
    until(page, "window.__editor.scene.active.name !== 'liver'")
    wait_until_saved(page)
    return corrected


def test_from_the_list_to_an_accepted_mask(
    served_lab: ServedLab, sign_in: Callable[..., Any]
) -> None:
    lab = served_lab.workspace
    given = in_force(lab, "s0001", "liver")
    page = sign_in(served_lab.server, "anna")
    drawn = draw_from_list(page, served_lab)
    assert np.array_equal(in_force(lab, "s0001", "liver"), drawn)
    added = np.argwhere(drawn & ~given)
    assert np.unique(added[:, 2]).size == 3
    first = Workspace.open(lab.path).in_force("s0001")["liver"]
    assert (first.origin, first.provenance.maker) == ("human", "person:anna")

    served_lab.draw_gallery()
    flag_in_gallery(page, served_lab)
    (verdict,) = Workspace.open(lab.path).verdicts("s0001")
    said = (verdict.structure, verdict.decision, verdict.reason, verdict.by, verdict.mask_id)
    assert said == ("liver", "fix", "leaks out", "anna", first.id)

    corrected = correct_and_accept(page, served_lab, drawn)
    now = Workspace.open(lab.path)
    last = now.accepted("s0001")["liver"]
    assert now.in_force("s0001")["liver"].id == last.id
    assert last.provenance.parents == (first.id,)
    assert np.array_equal(now.mask_array(last), corrected)
    assert [v.decision for v in now.verdicts("s0001")] == ["fix", "accept"]
    assert len(now.masks("s0001", "liver")) == 3

    page.goto(f"{served_lab.server.address}/gallery/#s0001")
    until(page, "state.open && openOne().live")
    liver = "openOne(), placeOf.get('liver')"
    assert page.evaluate(f"stateAt({liver})") == "a newer mask is accepted"
    assert page.evaluate(f"decisionOf({liver})") is None
