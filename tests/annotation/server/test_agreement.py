"""Two readings of one thing: by one person and by two, blind, and never in force."""

import numpy as np
import pytest

from annotation.server.agreement import blind_tasks, readings
from annotation.server.progress import persons_masks
from annotation.verdicts import VerdictRequest, decide
from pipeline.workspace import Finding, write_findings

BOX = (slice(20, 22), slice(8, 20), slice(10, 22))
LIVER = "s0001/masks/liver"


@pytest.fixture
def blind_bench(bench, settings):
    bench.settings = settings.model_copy(update={"blind_share": 1.0})
    return bench


def draw(browser, base: str, depth: int, **more) -> dict:
    box = (slice(20, 20 + depth), slice(8, 20), slice(10, 22))
    blind = more.get("blind", False)
    browser.stroke(LIVER, 1, box, np.zeros((depth, 12, 12)), base, blind=blind)
    answer = browser.commit(LIVER, 1, base, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_second_reading_is_compared_and_never_counts(blind_bench, browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    base = lab.in_force("s0001")["liver"].id
    assert anna.get("/api/blind").status_code == 204
    first = draw(anna, base, 2)["mask_id"]
    asked = {"case": "s0001", "structure": "liver", "base": base, "left": 1, "more": False}
    assert anna.get("/api/blind").json() == asked
    again = draw(anna, base, 3, blind=True)
    assert again["in_force"] is False
    draw(ben, base, 4, blind=True)
    assert lab.in_force("s0001")["liver"].id == first
    assert anna.get("/api/blind").status_code == 204
    agreement = anna.get("/api/progress").json()["agreement"]
    assert agreement["intra"]["pairs"] == 1
    assert agreement["intra"]["dice"] == pytest.approx(2 * 9 / (10 + 9))
    assert agreement["inter"]["pairs"] == 2
    assert agreement["inter"]["dice"] == pytest.approx((2 * 8 / (10 + 8) + 2 * 8 / (9 + 8)) / 2)
    assert agreement["inter"]["structures"]["liver"]["pairs"] == 2


def test_two_who_drew_at_once_are_two_readings(browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    base = lab.in_force("s0001")["liver"].id
    for browser, depth in ((anna, 1), (ben, 2)):
        box = (slice(20, 20 + depth), slice(8, 20), slice(10, 22))
        browser.stroke(LIVER, 1, box, np.zeros((depth, 12, 12)), base)
    codes = [browser.commit(LIVER, 1, base).status_code for browser in (anna, ben)]
    assert codes == [201, 409]
    assert [pair.kind for pair in readings(persons_masks(lab))] == ["inter"]


def test_two_masks_are_compared_once(blind_bench, browse, lab, monkeypatch) -> None:
    from annotation.server import agreement, progress

    monkeypatch.setattr(progress, "_LOOK_AGAIN_S", -1.0)
    compared, compare = [], agreement.mask_change

    def counted(layout, first, second, spacing_mm):
        compared.append((first.id, second.id))
        return compare(layout, first, second, spacing_mm)

    monkeypatch.setattr(agreement, "mask_change", counted)
    anna, base = browse("anna"), lab.in_force("s0001")["liver"].id
    draw(anna, base, 2)
    draw(anna, base, 3, blind=True)
    first, again = (anna.get("/api/progress").json()["agreement"] for _ in range(2))
    assert first == again
    assert len(compared) == first["intra"]["pairs"] == 1


def test_the_share_decides_how_much_is_shown_again(browse, lab) -> None:
    anna, base = browse("anna"), lab.in_force("s0001")["liver"].id
    draw(anna, base, 2)
    masks = persons_masks(lab)
    assert list(blind_tasks(masks, "anna", 0.0, lambda _: True)) == []
    assert len(list(blind_tasks(masks, "anna", 1.0, lambda _: True))) == 1
    assert list(blind_tasks(masks, "anna", 1.0, lambda _: False)) == []


def test_who_went_on_later_still_began_from_the_proposal(blind_bench, browse, lab) -> None:
    """Nobody begins a blind drawing from somebody's correction, be it their own."""
    anna, rita, base = browse("anna"), browse("rita"), lab.in_force("s0001")["liver"].id
    first = draw(anna, base, 2)["mask_id"]
    second = draw(anna, first, 3)["mask_id"]
    assert rita.get("/api/blind").json()["base"] == base
    draw(rita, base, 4, blind=True)
    pair = [(pair.kind, pair.first.id) for pair in readings(persons_masks(lab))]
    assert pair == [("inter", second)]
    draw(rita, second, 5)
    assert anna.get("/api/blind").status_code == 204


def test_a_blind_drawing_and_the_ordinary_draft_do_not_meet(blind_bench, browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    base = lab.in_force("s0001")["liver"].id
    first = draw(anna, base, 2)["mask_id"]
    box = (slice(20, 21), slice(8, 20), slice(10, 22))
    anna.request("DELETE", f"/api/cases/{LIVER}/lease")
    assert ben.post(f"/api/cases/{LIVER}/lease", json={}).status_code == 200
    kept = anna.stroke(LIVER, 1, box, np.ones((1, 12, 12)), first)
    assert kept.json()["lease"]["by"] == "ben"
    lease = anna.post(f"/api/cases/{LIVER}/lease", json={"blind": base}).json()
    assert lease == {"until": None, "base": base, "locked": False, "draft": None}
    answer = anna.stroke(LIVER, 1, box, np.zeros((1, 12, 12)), base, blind=True)
    assert answer.json() == {"sequence": 1, "lease": None}
    lease = anna.post(f"/api/cases/{LIVER}/lease", json={"blind": base}).json()
    assert lease["draft"] == {"sequence": 1, "base": base}
    drafts = [anna.get(f"/api/cases/{LIVER}/draft", params=p) for p in ({}, {"blind": True})]
    assert [sum(each.content) for each in drafts] == [12**3 - 144, 12**3 - 144]
    assert [each.headers["X-Masksmith-Mask"] for each in drafts] == [first, base]
    assert ben.post(f"/api/cases/{LIVER}/lease", json={}).status_code == 200
    assert anna.commit(LIVER, 1, base, blind=True).json()["in_force"] is False
    assert anna.commit(LIVER, 1, base, blind=True).json()["in_force"] is False
    assert len(lab.masks("s0001", "liver")) == 3
    assert anna.get(f"/api/cases/{LIVER}/draft", params={"blind": True}).status_code == 204
    assert anna.get(f"/api/cases/{LIVER}/draft").status_code == 200
    assert anna.commit(LIVER, 1, first).json()["in_force"] is True


def test_the_same_tab_may_draw_the_same_mask_both_ways(blind_bench, browse, lab) -> None:
    """One client, base and number of strokes: two drawings all the same."""
    anna, base = browse("anna"), lab.in_force("s0001")["liver"].id
    ordinary = draw(anna, base, 2)
    blind = draw(anna, base, 2, blind=True)
    assert anna.commit(LIVER, 1, base).json()["mask_id"] == ordinary["mask_id"]
    assert anna.commit(LIVER, 1, base, blind=True).json()["mask_id"] == blind["mask_id"]


def test_the_blind_case_holds_the_proposal_and_nothing_else(blind_bench, browse, lab) -> None:
    anna, base = browse("anna"), lab.in_force("s0001")["liver"]
    found = Finding("rough", "steps at the rim", ("liver",), severity="high")
    write_findings(lab.layout, "s0001", "plausibility", [found])
    first = draw(anna, base.id, 2)
    answer = anna.get(f"/api/cases/{LIVER}/blind", params={"base": base.id})
    (shown,) = answer.json()["structures"]
    assert (shown["name"], shown["mask_id"], shown["voxels"]) == ("liver", base.id, 12**3)
    assert (shown["state"], shown["findings"], shown["locked"]) == ("proposed", [], False)
    assert (answer.json()["blind"], answer.json()["next_case"]) == (base.id, None)
    assert first["mask_id"] not in answer.text
    assert "steps at the rim" not in answer.text
    other = lab.in_force("s0001")["spleen"].id
    for wrong, code in ((other, 404), ("x", 422)):
        path = f"/api/cases/{LIVER}/blind"
        assert anna.get(path, params={"base": wrong}).status_code == code
    wish = {"blind": other}
    assert anna.post(f"/api/cases/{LIVER}/lease", json=wish).status_code == 404


def test_who_may_not_change_a_case_draws_nothing_blind_in_it(blind_bench, browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    base = lab.in_force("s0001")["liver"].id
    draw(anna, base, 2)
    assert ben.get("/api/blind").status_code == 200
    blind_bench.assignments.assign(["s0001"], "anna", "rita")
    assert ben.get("/api/blind").status_code == 204
    assert ben.post(f"/api/cases/{LIVER}/lease", json={"blind": base}).status_code == 403


def test_a_case_that_was_left_out_is_not_drawn_once_more(blind_bench, browse, lab) -> None:
    anna = browse("anna")
    draw(anna, lab.in_force("s0001")["liver"].id, 2)
    assert anna.get("/api/blind").status_code == 200
    decide(lab, [VerdictRequest("s0001", "exclude_case", reason="too noisy", by="rita")])
    assert anna.get("/api/blind").status_code == 204
