"""Two readings of one thing: by one person and by two, blind, and never in force."""

import numpy as np
import pytest

from annotation.server.agreement import next_blind, readings
from annotation.server.progress import persons_masks

BOX = (slice(20, 22), slice(8, 20), slice(10, 22))
LIVER = "s0001/masks/liver"


@pytest.fixture
def blind_bench(bench, settings):
    bench.settings = settings.model_copy(update={"blind_share": 1.0})
    return bench


def draw(browser, base: str, depth: int, **more) -> dict:
    box = (slice(20, 20 + depth), slice(8, 20), slice(10, 22))
    browser.stroke(LIVER, 1, box, np.zeros((depth, 12, 12)), base)
    answer = browser.commit(LIVER, 1, base, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_second_reading_is_compared_and_never_counts(blind_bench, browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    base = lab.in_force("s0001")["liver"].id
    assert anna.get("/api/blind").status_code == 204
    first = draw(anna, base, 2)["mask_id"]
    assert anna.get("/api/blind").json() == {"case": "s0001", "structure": "liver", "base": base}
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
    in_force = [mask.id for mask in masks]
    assert next_blind(masks, in_force, "anna", 0.0) is None
    assert next_blind(masks, in_force, "anna", 1.0) is not None
    assert next_blind(masks, [], "anna", 1.0) is None
