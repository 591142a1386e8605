"""The worklist: states, order, filters, leases, assignments, and changes made by others."""

import json

import pytest

from annotation.server.case_cards import CaseCards
from annotation.server.leases import Leases
from annotation.server.refusals import Refusal
from annotation.server.server_store import ServerStore
from annotation.verdicts import VerdictRequest, decide
from pipeline.volume import write_file_atomically
from pipeline.workspace import Finding, Provenance, write_findings, write_mask
from pipeline.workspace.words import PLANTED


def lines(browser, query: str = "") -> dict[str, dict]:
    return {c["id"]: c for c in browser.get(f"/api/worklist?{query}").json()["cases"]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    """Look at the ledger at every request, as a patient person would see it."""
    monkeypatch.setattr("annotation.server.case_cards._LOOK_AGAIN_S", -1.0)


def say(lab, decision: str, structure: str | None = None, case_id: str = "s0001", **more) -> None:
    (result,) = decide(lab, [VerdictRequest(case_id, decision, structure, by="rita", **more)])
    assert result.status == "done", result.note


def draw(lab, structure: str, case_id: str = "s0001", seconds: str = "30.0"):
    case, base = lab.case(case_id), lab.in_force(case_id)[structure]
    crop = lab.mask_crop(base).copy()
    crop[0, 0, 0] = False
    made = Provenance("human", "person:anna", parents=(base.id,), about={"seconds": seconds})
    mask = write_mask(lab.layout, case, structure, crop, made, box=base.box)
    lab.record_masks([mask])
    return mask


def test_states_of_structures_follow_what_people_do(anna, lab) -> None:
    first = lines(anna)["s0001"]
    assert (first["state"], first["to_check"]) == ("proposed", 3)
    assert first["counts"] == {"proposed": 3, "undecided": 101}
    say(lab, "fix", "liver")
    assert lines(anna)["s0001"]["counts"] == {"proposed": 2, "flagged": 1, "undecided": 101}
    draw(lab, "liver")
    assert lines(anna)["s0001"]["counts"] == {"proposed": 2, "corrected": 1, "undecided": 101}
    say(lab, "accept", "liver", seconds=4.0)
    say(lab, "absent_anatomy", "spleen")
    line = lines(anna)["s0001"]
    assert line["counts"] == {"proposed": 1, "accepted": 1, "absent": 1, "undecided": 101}
    assert (line["to_check"], line["seconds"], line["last_by"]) == (1, 34.0, "rita")


def test_a_time_that_cannot_be_read_is_none(anna, lab) -> None:
    """One mask that says nonsense must not take the whole list away."""
    for structure, seconds in (("liver", "nan"), ("spleen", "inf"), ("kidney_right", "-5 min")):
        draw(lab, structure, seconds=seconds)
    assert lines(anna)["s0001"]["seconds"] == 0.0


def test_a_case_that_cannot_be_told_is_excluded_with_its_reason(anna, lab) -> None:
    say(lab, "exclude", reason="metal artefacts")
    line = lines(anna)["s0001"]
    assert (line["state"], line["reason"]) == ("excluded", "metal artefacts")
    assert set(lines(anna, "open=true")) == {"s0002"}


def test_words_narrow_the_list(anna, lab) -> None:
    say(lab, "fix", "liver", case_id="s0002")
    assert set(lines(anna, "q=state:flagged")) == {"s0002"}
    assert set(lines(anna, "q=state:flagged&structure=spleen")) == set()
    assert set(lines(anna, "q=state:proposed&structure=spleen")) == {"s0001", "s0002"}
    assert set(lines(anna, "q=S0001")) == {"s0001"}
    assert set(lines(anna, "q=kidney")) == {"s0001", "s0002"}
    assert set(lines(anna, "q=colon")) == set()
    assert set(lines(anna, "structure=nothing")) == set()


def test_findings_come_first_and_the_choice_before_them(anna, lab) -> None:
    assert list(lines(anna)) == ["s0001", "s0002"]
    finding = Finding("wrong_side", "lies on the left", ("liver",), severity="high")
    write_findings(lab.layout, "s0002", "plausibility", [finding])
    line = lines(anna)
    assert list(line) == ["s0002", "s0001"]
    assert (line["s0002"]["findings"], line["s0002"]["grave_findings"]) == (1, 1)
    choice = {"chosen": [{"case": "s0001", "reason": "drawn at random"}]}
    write_file_atomically(lab.layout.next_cases(0), json.dumps(choice).encode())
    answer = anna.get("/api/worklist").json()
    assert [case["id"] for case in answer["cases"]] == ["s0001", "s0002"]
    assert answer["cases"][0]["chosen"] == "drawn at random"
    assert answer["progress"] == {"round": 0, "decided": 0, "total": 1}
    say(lab, "exclude", reason="moved")
    assert anna.get("/api/worklist").json()["progress"]["decided"] == 1


def test_a_damaged_choice_is_no_choice(anna, lab) -> None:
    write_file_atomically(lab.layout.next_cases(0), b"{")
    assert anna.get("/api/worklist").json()["progress"]["total"] == 2


def test_the_case_page_says_where_everything_is(anna, lab) -> None:
    finding = Finding("wrong_side", "odd", ("liver",), severity="low", place_mm=(-54, -36, 100))
    write_findings(lab.layout, "s0001", "plausibility", [finding])
    page = anna.get("/api/cases/s0001").json()
    assert page["dims"] == [36, 24, 30]
    assert page["spacing_mm"] == [3.0, 3.0, 5.0]
    assert page["affine"][:4] == [3.0, 0.0, 0.0, -54.0]
    assert page["next_case"] == "s0002"
    liver = next(s for s in page["structures"] if s["name"] == "liver")
    assert liver["box"] == [20, 8, 10, 32, 20, 22]
    assert liver["volume_ml"] == pytest.approx(12**3 * 0.045)
    assert liver["window"] == {"low_hu": -160.0, "high_hu": 240.0, "name": "soft"}
    assert liver["findings"][0]["place_voxel"] == [0, 0, 0]
    names = {s["name"]: s["window"]["name"] for s in page["structures"]}
    chosen = (names["lung_upper_lobe_left"], names["rib_left_1"], names["aorta"], names["colon"])
    assert chosen == ("lung", "bone", "vessels", "soft")


def test_ct_and_labels_come_as_voxels(anna, lab) -> None:
    import numpy as np

    answer = anna.get("/api/cases/s0001/ct")
    assert answer.headers["X-Masksmith-Dtype"] == "int16"
    ct = np.frombuffer(answer.content, "<i2").reshape((36, 24, 30), order="F")
    assert np.array_equal(ct, lab.ct("s0001"))
    answer = anna.get("/api/cases/s0001/labels")
    assert answer.headers["Content-Encoding"] == "gzip"
    labels = np.frombuffer(answer.content, np.uint8).reshape((36, 24, 30), order="F")
    assert np.array_equal(labels, lab.label_map("s0001"))
    packed = anna.get("/api/cases/s0001/ct", headers={"Accept-Encoding": "identity"})
    assert packed.content == lab.ct("s0001").tobytes(order="F")


def test_memory_of_cts_is_bounded(bench, lab) -> None:
    from annotation.server.volumes import Volumes

    one = lab.ct("s0001").nbytes
    volumes = Volumes(lab, one)
    for _ in range(3):
        for case_id in ("s0001", "s0002"):
            assert volumes.ct(case_id).shape == (36, 24, 30)
            assert volumes.kept_bytes == one


def test_two_people_never_draw_on_one_mask(browse) -> None:
    anna, ben, rita = browse("anna"), browse("ben"), browse("rita")
    lease = "/api/cases/s0001/masks/liver/lease"
    assert anna.post(lease, json={}).status_code == 200
    refused = ben.post(lease, json={})
    assert (refused.status_code, refused.json()["by"]) == (409, "anna")
    assert ben.post("/api/cases/s0001/masks/spleen/lease", json={}).status_code == 200
    shown = lines(ben)["s0001"]["leases"]
    assert {(each["by"], each["structure"]) for each in shown} == {
        ("anna", "liver"),
        ("ben", "spleen"),
    }
    assert ben.post(lease, json={"force": True}).status_code == 403
    assert rita.post(lease, json={"force": True}).status_code == 200
    assert anna.post(lease, json={}).json()["by"] == "rita"
    assert anna.request("DELETE", lease).json() == {"released": False}
    assert rita.request("DELETE", lease).json() == {"released": True}
    assert anna.post(lease, json={}).status_code == 200


def test_a_stroke_drawn_offline_is_kept_though_another_has_the_lease(browse, lab) -> None:
    anna, ben = browse("anna"), browse("ben")
    anna.post("/api/cases/s0001/masks/liver/lease", json={})
    base = lab.in_force("s0001")["liver"].id
    answer = ben.stroke("s0001/masks/liver", 1, (slice(0, 1),) * 3, [[[1]]], base)
    assert (answer.status_code, answer.json()["lease"]["by"]) == (200, "anna")


def test_a_lapsed_lease_returns(tmp_path) -> None:
    now = [0.0]
    leases = Leases(ServerStore(tmp_path / "server"), 10, lambda: now[0])
    leases.take("s1", "liver", "anna")
    now[0] += 599
    with pytest.raises(Refusal):
        leases.take("s1", "liver", "ben")
    assert leases.renew("s1", "liver", "anna") is None
    now[0] += 599
    assert leases.of_mask("s1", "liver").name == "anna"
    now[0] += 2
    assert leases.of_mask("s1", "liver") is None
    assert leases.take("s1", "liver", "ben").name == "ben"
    assert leases.renew("s1", "liver", "anna").name == "ben"


def test_who_comes_between_look_and_taking_keeps_the_lease(tmp_path, monkeypatch) -> None:
    leases = Leases(ServerStore(tmp_path / "server"), 10)
    leases.take("s1", "liver", "ben")
    with monkeypatch.context() as patch:
        patch.setattr(leases, "of_mask", lambda *_: None)
        assert leases.renew("s1", "liver", "anna").name == "ben"
        assert leases.renew("s1", "liver", "ben") is None
    assert leases.of_mask("s1", "liver").name == "ben"


def test_strokes_of_many_at_once_are_all_answered_as_kept(browse, lab) -> None:
    """Nobody has the lease yet and everybody draws: a kept stroke is never called a conflict."""
    from concurrent.futures import ThreadPoolExecutor

    people = [browse(name) for name in ("anna", "ben", "rita", "ada")]
    box, base = (slice(0, 1),) * 3, lab.in_force("s0002")["liver"].id

    def draw(person) -> int:
        return person.stroke("s0002/masks/liver", 1, box, [[[1]]], base).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, people)) == [200] * 4


def test_many_at_once_get_one_lease(tmp_path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    leases = Leases(ServerStore(tmp_path / "server"), 10)

    def take(number: int) -> bool:
        try:
            leases.take("s1", "liver", f"person {number}")
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(32))) == 1


def test_mine_are_those_assigned_to_me(browse) -> None:
    anna, rita = browse("anna"), browse("rita")
    rita.post("/api/assignments", json={"cases": ["s0002"], "to": "anna"})
    assert set(lines(anna, "mine=true")) == {"s0002"}
    assert lines(anna)["s0002"]["assigned"] == "anna"
    rita.post("/api/assignments", json={"cases": ["s0002"], "to": None})
    assert set(lines(anna, "mine=true")) == set()
    nobody = rita.post("/api/assignments", json={"cases": ["s0002"], "to": "nobody"})
    assert nobody.status_code == 404


def test_next_passes_by_cases_of_others_and_those_somebody_draws_in(browse) -> None:
    anna, ben, rita = browse("anna"), browse("ben"), browse("rita")
    assert anna.get("/api/cases/s0001").json()["next_case"] == "s0002"
    ben.post("/api/cases/s0002/masks/liver/lease", json={})
    assert anna.get("/api/cases/s0001").json()["next_case"] is None
    ben.request("DELETE", "/api/cases/s0002/masks/liver/lease")
    rita.post("/api/assignments", json={"cases": ["s0002"], "to": "ben"})
    assert anna.get("/api/cases/s0001").json()["next_case"] is None


def test_many_changes_are_read_in_one_pass(lab, add_case, add_masks, monkeypatch) -> None:
    """A planted case is a line like any other, however the lines were made."""
    planted = add_case("s0003", source={PLANTED: "yes"})
    add_masks(planted, Provenance("model", "model:btcv"))
    draw(lab, "liver")
    say(lab, "fix", "liver", "s0003")
    one_by_one = CaseCards(lab).all()
    monkeypatch.setattr("annotation.server.case_cards._MANY_CHANGED", 1)
    assert CaseCards(lab).all() == one_by_one
    assert one_by_one["s0003"].counts == {"proposed": 2, "flagged": 1, "undecided": 101}


def test_verdicts_are_by_whoever_is_signed_in(browse, lab) -> None:
    anna, rita = browse("anna"), browse("rita")
    who = anna.get("/api/session").json()
    verdict = {"case": "s0001", "structure": "liver", "decision": "fix", "reason": "leaks"}
    verdict |= {"mask": lab.in_force("s0001")["liver"].id, "seconds": 3.5, "id": "v-1"}
    document = {
        "format": "masksmith-verdicts",
        "version": 1,
        "workspace": who["workspace"],
        "workspace_id": who["workspace_id"],
        "by": "the pope",
        "verdicts": [verdict],
    }
    first = anna.post("/api/verdicts", json=document).json()
    assert first["counts"] == {"done": 1, "kept": 0, "failed": 0}
    assert anna.post("/api/verdicts", json=document).json()["counts"]["kept"] == 1
    (recorded,) = lab.verdicts("s0001")
    assert (recorded.by, recorded.decision, recorded.seconds) == ("anna", "fix", 3.5)
    assert lines(anna)["s0001"]["counts"]["flagged"] == 1
    rita.post("/api/assignments", json={"cases": ["s0001"], "to": "ben"})
    verdict |= {"id": "v-2", "decision": "accept"}
    answer = anna.post("/api/verdicts", json=document).json()
    assert (answer["counts"]["done"], answer["counts"]["failed"]) == (0, 1)
    assert answer["results"][0]["note"] == "the case is assigned to somebody else"
    for number, word in enumerate((" s0001", "s0001 ", "\ts0001\n", "\u00a0s0001")):
        verdict |= {"id": f"v-blank-{number}", "case": word}
        answer = anna.post("/api/verdicts", json=document).json()
        assert answer["counts"] == {"done": 0, "kept": 0, "failed": 1}, word
    verdict["case"] = "s0001"
    assert len(lab.verdicts("s0001")) == 1


def test_a_document_that_is_none_is_refused(anna) -> None:
    assert anna.post("/api/verdicts", json=[1, 2]).status_code == 422
    assert anna.post("/api/verdicts", json={"verdicts": [1]}).status_code == 422
    assert anna.post("/api/verdicts", content=b"x").status_code == 415
