"""Drawing through the routes: what is sent is what is stored, once, by whom, in how long."""

import gzip

import numpy as np
import pytest

from annotation.effort import effort_report
from pipeline.workspace import MaskFileError, Workspace, read_mask
from pipeline.workspace.doctor import examine

LIVER = "s0001/masks/liver"
BOX = (slice(2, 6), slice(3, 8), slice(4, 7))
FULL = np.ones((4, 5, 3), bool)


def base_of(lab: Workspace, structure: str = "liver") -> str:
    return lab.in_force("s0001")[structure].id


def test_a_stroke_becomes_a_revision(anna, lab) -> None:
    base = base_of(lab)
    before = lab.mask_array(lab.in_force("s0001")["liver"])
    assert anna.post(f"/api/cases/{LIVER}/lease", json={"take": True}).json()["base"] == base
    assert anna.stroke(LIVER, 1, BOX, FULL, base).json() == {"sequence": 1, "lease": None}
    hole = (slice(20, 22), slice(8, 10), slice(10, 12))
    assert anna.stroke(LIVER, 2, hole, np.zeros((2, 2, 2)), base).status_code == 200
    answer = anna.commit(LIVER, 2, base)
    assert answer.status_code == 201
    done = answer.json()
    assert (done["added"], done["removed"], done["in_force"]) == (60, 8, True)
    now = lab.in_force("s0001")["liver"]
    expected = before.copy()
    expected[BOX], expected[hole] = True, False
    assert now.id == done["mask_id"]
    assert np.count_nonzero(lab.mask_array(now) != expected) == 0
    made = now.provenance
    assert (made.origin, made.maker, made.parents) == ("human", "person:anna", (base,))
    told = {"seconds": "12.5", "strokes": "3", "added": "60", "removed": "8"}
    assert told.items() <= made.about.items()
    assert anna.get(f"/api/cases/{LIVER}/draft").status_code == 204
    assert [f for f in examine(lab) if f.severity == "error"] == []


def test_effort_knows_what_was_drawn_in_the_browser(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    anna.commit(LIVER, 1, base)
    (effort,) = effort_report(lab).efforts
    assert (effort.item.what, effort.item.by, effort.item.seconds) == ("corrected", "anna", 12.5)
    assert (effort.added_voxels, effort.removed_voxels) == (60, 0)
    progress = anna.get("/api/progress").json()
    assert progress["by_structure"][0]["name"] == "liver"
    assert progress["masks_per_hour"] == pytest.approx(3600 / 12.5)
    assert [day["masks"] for day in progress["by_day"]] == [1]


def test_a_draft_is_seen_before_it_is_finished(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    answer = anna.get(f"/api/cases/{LIVER}/draft")
    assert answer.headers["X-Masksmith-Sequence"] == "1"
    assert answer.headers["X-Masksmith-Mask"] == base
    assert np.frombuffer(answer.content, np.uint8).sum() == 12**3 + 60
    lease = anna.post(f"/api/cases/{LIVER}/lease", json={"take": False}).json()
    assert lease["draft"] == {"sequence": 1, "base": base}


def test_a_draft_from_nothing(anna, lab) -> None:
    anna.stroke("s0001/masks/colon", 1, BOX, FULL, None)
    assert anna.commit("s0001/masks/colon", 1, None).status_code == 201
    assert lab.in_force("s0001")["colon"].voxels == 60
    assert effort_report(lab).efforts[0].item.what == "drawn"


def test_what_spilled_over_a_mask_that_another_draws_on_is_no_rival(browse, lab) -> None:
    """Who drew a neighbour across the border comes first, and yet is no rival of who draws it."""
    anna, ben = browse("anna"), browse("ben")
    base = base_of(lab)
    anna.post(f"/api/cases/{LIVER}/lease", json={"take": True})
    ben.stroke(LIVER, 1, (slice(0, 1),) * 3, [[[1]]], base)
    spilled, again = (ben.commit(LIVER, 1, base, strokes=0) for _ in range(2))
    assert spilled.status_code == 201
    assert spilled.json()["note"] == "somebody else is drawing on it: what they make of it counts"
    assert again.json() == spilled.json()
    anna.stroke(LIVER, 1, BOX, FULL, base)
    assert anna.commit(LIVER, 1, base).status_code == 201
    makers = [mask.provenance.maker for mask in lab.masks("s0001", "liver")]
    assert makers == ["model:btcv", "person:ben", "person:anna"]
    assert lab.in_force("s0001")["liver"].provenance.maker == "person:anna"


def test_a_stroke_that_comes_twice_is_kept_once(anna, lab) -> None:
    base = base_of(lab)
    assert anna.stroke(LIVER, 1, BOX, FULL, base).status_code == 200
    assert anna.stroke(LIVER, 1, BOX, FULL, base).json()["sequence"] == 1
    other = anna.stroke(LIVER, 1, BOX, ~FULL, base)
    assert (other.status_code, other.json()["sequence"]) == (409, 1)
    gap = anna.stroke(LIVER, 3, BOX, FULL, base)
    assert (gap.status_code, gap.json()["sequence"]) == (409, 1)
    assert anna.stroke(LIVER, 2, BOX, FULL, None).status_code == 409


def test_a_base_that_is_no_revision_of_the_mask_is_refused(anna, lab) -> None:
    for base in ("0" * 64, base_of(lab, "spleen")):
        assert anna.stroke(LIVER, 1, BOX, FULL, base).status_code == 404
    assert not lab.layout.drafts_dir.exists()


def test_a_commit_whose_answer_was_lost_gives_the_same_answer(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    first, again = anna.commit(LIVER, 1, base), anna.commit(LIVER, 1, base)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(lab.masks("s0001", "liver")) == 2


def test_killed_between_ledger_and_draft_the_draft_is_done(anna, bench, lab, monkeypatch) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    monkeypatch.setattr(bench.drafts, "remove", lambda key: None)
    done = anna.commit(LIVER, 1, base).json()
    monkeypatch.undo()
    assert anna.post(f"/api/cases/{LIVER}/lease", json={}).json()["draft"] is None
    assert anna.get(f"/api/cases/{LIVER}/draft").status_code == 204
    again = anna.commit(LIVER, 1, base)
    assert (again.status_code, again.json()["mask_id"]) == (201, done["mask_id"])


def test_killed_before_the_ledger_the_file_is_taken(anna, bench, lab, monkeypatch) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)

    def die(masks: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr(lab, "record_masks", die)
    assert anna.commit(LIVER, 1, base).status_code == 500
    monkeypatch.undo()
    assert anna.commit(LIVER, 1, base).status_code == 201
    assert len(lab.masks("s0001", "liver")) == 2
    assert [f.kind for f in examine(lab)] == []


def test_nothing_changed_makes_no_revision(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, (slice(21, 23), slice(9, 11), slice(11, 12)), np.ones((2, 2, 1)), base)
    answer = anna.commit(LIVER, 1, base)
    assert (answer.status_code, answer.json()["mask_id"]) == (200, base)
    assert len(lab.masks("s0001", "liver")) == 1


def test_of_two_from_one_base_both_are_kept_and_the_first_counts(browse, lab) -> None:
    anna, ben, base = browse("anna"), browse("ben"), base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    ben.stroke(LIVER, 1, (slice(8, 9), slice(8, 9), slice(8, 9)), np.ones((1, 1, 1)), base)
    first = anna.commit(LIVER, 1, base).json()
    second = ben.commit(LIVER, 1, base)
    assert second.status_code == 409
    assert second.json()["current"] == {"id": first["mask_id"], "by": "anna"}
    yours = second.json()["yours"]["mask_id"]
    assert lab.in_force("s0001")["liver"].id == first["mask_id"]
    assert {mask.id for mask in lab.masks("s0001", "liver")} == {base, first["mask_id"], yours}
    wish = {"mask_id": yours, "over": first["mask_id"]}
    assert anna.post(f"/api/cases/{LIVER}/keep", json=wish).status_code == 404
    kept = ben.post(f"/api/cases/{LIVER}/keep", json=wish)
    assert kept.status_code == 201
    now = lab.in_force("s0001")["liver"]
    assert (now.id, now.voxels) == (kept.json()["mask_id"], 12**3 + 1)
    # The answer was lost: the same request gets the same one.
    again = ben.post(f"/api/cases/{LIVER}/keep", json=wish)
    assert (again.status_code, again.json()) == (201, kept.json())
    late = anna.post(
        f"/api/cases/{LIVER}/keep", json={"mask_id": first["mask_id"], "over": first["mask_id"]}
    )
    assert late.status_code == 409
    assert len(lab.masks("s0001", "liver")) == 4


def test_a_blind_reading_is_never_put_into_force(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    first = anna.commit(LIVER, 1, base).json()["mask_id"]
    anna.stroke(LIVER, 1, BOX, FULL, base, blind=True)
    blind = anna.commit(LIVER, 1, base, blind=True).json()["mask_id"]
    # The very same strokes are a second reading all the same.
    assert blind != first
    answer = anna.post(f"/api/cases/{LIVER}/keep", json={"mask_id": blind, "over": first})
    assert answer.status_code == 404
    assert lab.in_force("s0001")["liver"].id == first


def test_a_prediction_that_came_meanwhile_stops_nobody(anna, lab, add_masks) -> None:
    from pipeline.workspace import Provenance

    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    add_masks(lab.case("s0001"), Provenance("round", "round:1", round=1))
    assert lab.in_force("s0001")["liver"].id != base
    assert anna.commit(LIVER, 1, base).json()["in_force"] is True


def test_an_accepted_mask_stays_in_force(anna, lab) -> None:
    from annotation.verdicts import VerdictRequest, decide

    base = base_of(lab)
    decide(lab, [VerdictRequest("s0001", "accept", structure="liver", by="rita")])
    anna.stroke(LIVER, 1, BOX, FULL, base)
    done = anna.commit(LIVER, 1, base)
    assert (done.status_code, done.json()["in_force"]) == (201, False)
    assert "unlock it" in done.json()["note"]
    assert lab.in_force("s0001")["liver"].id == base


def test_who_draws_on_over_an_accepted_mask_meets_no_rival(anna, lab) -> None:
    """An acceptance was taken back: the one before it holds again, and is nobody's rival."""
    from annotation.verdicts import VerdictRequest, decide

    def say(decision: str, **more: str) -> None:
        (result,) = decide(
            lab, [VerdictRequest("s0001", decision, structure="liver", by="rita", **more)]
        )
        assert result.status == "done", result.note

    accepted = base_of(lab)
    say("accept")
    anna.stroke(LIVER, 1, BOX, FULL, accepted)
    drawn = anna.commit(LIVER, 1, accepted).json()["mask_id"]
    say("accept", mask_id=drawn)
    say("fix", mask_id=drawn)
    assert lab.in_force("s0001")["liver"].id == accepted
    anna.stroke(LIVER, 1, BOX, np.zeros_like(FULL), drawn)
    done = anna.commit(LIVER, 1, drawn)
    assert (done.status_code, done.json()["in_force"]) == (201, False)
    say("accept", mask_id=done.json()["mask_id"])
    assert lab.in_force("s0001")["liver"].id == done.json()["mask_id"]


BODIES = [
    (bytes(60), "", 200),
    (bytes(59), "", 422),
    (bytes(61), "", 422),
    (bytes([2] * 60), "", 422),
    (gzip.compress(bytes(60)), "gzip", 200),
    (gzip.compress(bytes(10**8)), "gzip", 422),
    (gzip.compress(bytes(60))[:-3], "gzip", 422),
    (gzip.compress(bytes(60)) + b"more", "gzip", 422),
    (b"no gzip at all", "gzip", 422),
    (bytes(60), "br", 415),
    (b"", "", 422),
]


def test_the_body_of_a_stroke_is_exactly_its_box(anna, lab) -> None:
    query = {"base": base_of(lab), "box": "2,3,4,6,8,7", "client": "tab"}
    for body, encoding, status in BODIES:
        answer = anna.request(
            "PUT",
            f"/api/cases/{LIVER}/draft/1",
            params=query,
            content=body,
            headers={"Content-Encoding": encoding} if encoding else {},
        )
        assert answer.status_code == status, (len(body), encoding, answer.text)


def test_a_damaged_draft_is_said_and_left_as_it_is(anna, bench, lab) -> None:
    base = base_of(lab)
    for number in (1, 2, 3):
        anna.stroke(LIVER, number, BOX, FULL, base)
    (path,) = lab.layout.drafts_dir.rglob("*.journal")
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    bench.drafts._states.clear()
    answer = anna.stroke(LIVER, 4, BOX, FULL, base)
    assert answer.status_code == 422
    assert "damaged at byte" in answer.json()["error"]
    assert path.read_bytes() == bytes(data)


def test_a_full_disk_acknowledges_nothing(anna, lab, monkeypatch) -> None:
    from annotation.server import drafts

    base = base_of(lab)
    assert anna.stroke(LIVER, 1, BOX, FULL, base).status_code == 200

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafts, "append_to_journal", full)
    assert anna.stroke(LIVER, 2, BOX, ~FULL, base).status_code == 422
    monkeypatch.undo()
    # After a failed flush the same file is never written to again by this server.
    assert anna.stroke(LIVER, 2, BOX, ~FULL, base).status_code == 422
    assert anna.get(f"/api/cases/{LIVER}/draft").headers["X-Masksmith-Sequence"] == "1"


def test_what_a_failed_flush_left_in_the_file_is_not_shown(anna, bench, lab, monkeypatch) -> None:
    from annotation.server import drafts

    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base)
    written = drafts.append_to_journal

    def flush_fails(*record: object) -> int:
        written(*record)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(drafts, "append_to_journal", flush_fails)
    assert anna.stroke(LIVER, 2, BOX, ~FULL, base).status_code == 422
    seen = anna.get(f"/api/cases/{LIVER}/draft")
    assert seen.headers["X-Masksmith-Sequence"] == "1"
    assert np.frombuffer(seen.content, np.uint8).sum() == 12**3 + 60


def test_many_large_strokes_are_played_one_at_a_time(bench, lab) -> None:
    """Each is as large as the volume: together they would need a hundred times its memory."""
    import tracemalloc

    from annotation.patches import NOTHING
    from annotation.server.drafts import DraftKey, Stroke

    key, size = DraftKey("s0001", "colon", "anna"), (128, 128, 128)
    box = tuple(slice(0, n) for n in size)
    for number in range(1, 101):
        voxels = np.zeros(size, bool, order="F")
        voxels[number] = True
        bench.drafts.add(key, Stroke("", "tab", number, box, voxels))
    bench.drafts._states.clear()
    tracemalloc.start()
    try:
        played = bench.drafts.played(key, NOTHING)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (played.voxels, played.box[0]) == (128 * 128, slice(100, 101))
    assert most < 12 * 128**3


def test_a_mask_file_that_is_gone_is_said(anna, lab) -> None:
    mask = lab.in_force("s0001")["liver"]
    lab.layout.mask("s0001", "liver", mask.id).unlink()
    assert anna.get(f"/api/cases/{LIVER}").status_code == 422
    with pytest.raises(MaskFileError):
        read_mask(lab.layout.mask("s0001", "liver", mask.id))


def test_what_nobody_has_drawn_cannot_be_drawn_a_second_time(anna, lab) -> None:
    base = base_of(lab)
    anna.stroke(LIVER, 1, BOX, FULL, base, blind=True)
    answer = anna.commit(LIVER, 1, base, blind=True)
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        "nobody has drawn liver yet, so it cannot be drawn a second time",
    )
    assert lab.in_force("s0001")["liver"].id == base
    assert len(lab.masks("s0001", "liver")) == 1
