"""A server that is killed while people draw: what it acknowledged is there when it comes back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from annotation.patches import Patch
from annotation.server.drafts import Stroke, play
from benchmarks.served import Annotator, Served, add_annotators
from pipeline.workspace import Workspace, WorkspaceBusy
from pipeline.workspace.doctor import examine
from pipeline.workspace.rebuild import rebuild

SHAPE = (36, 24, 30)
MASK = "s0001/masks/liver"


def random_strokes(seed: int, count: int, base: str) -> list[Stroke]:
    random = np.random.default_rng(seed)
    strokes = []
    for number in range(1, count + 1):
        low = [int(random.integers(0, n - 1)) for n in SHAPE]
        high = [int(random.integers(a + 1, n + 1)) for a, n in zip(low, SHAPE, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        voxels = random.random([b - a for a, b in zip(low, high, strict=True)]) < 0.5
        strokes.append(Stroke(base, "bench", number, box, voxels))
    return strokes


def send_until_killed(
    person: Annotator, strokes: list[Stroke], first: int, killer: threading.Timer
) -> int:
    """Send strokes, the kill under way after the first, and return the last acknowledged number."""
    last = first
    for stroke in strokes[first:]:
        try:
            answer = person.stroke(MASK, stroke.sequence, stroke.box, stroke.voxels, stroke.base)
        except httpx.TransportError:
            return last
        assert answer.status_code == 200, answer.text
        if last == first:
            killer.start()
        last = stroke.sequence
    return last


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_while_drawing_every_acknowledged_stroke_is_there(lab: Workspace, rounds) -> None:
    (name,) = add_annotators(lab, 1)
    base = lab.in_force("s0001")["liver"]
    strokes, last = random_strokes(1, 4000, base.id), 0
    served = Served(lab.path)
    whole = Patch(lab.mask_array(base), tuple(slice(0, n) for n in SHAPE))
    for number in range(rounds):
        served.start()
        person = Annotator(served.address, name)
        if last:
            answer = person.client.get(f"/api/cases/{MASK}/draft")
            known = int(answer.headers["X-Masksmith-Sequence"])
            # One more may be on disk whose answer the kill cut off; never one fewer.
            assert last <= known <= last + 1
            box = answer.headers["X-Masksmith-Box"].split(",")
            low, high = [int(n) for n in box[:3]], [int(n) for n in box[3:]]
            shape = [b - a for a, b in zip(low, high, strict=True)]
            crop = np.frombuffer(answer.content, np.uint8).reshape(shape, order="F") > 0
            found = Patch(crop, tuple(slice(a, b) for a, b in zip(low, high, strict=True)))
            assert found.same_as(play(whole, strokes[:known], whole.box))
            last = known
        killer = threading.Timer(0.2 + 0.05 * number, served.kill)
        now = send_until_killed(person, strokes, last, killer)
        killer.join()
        assert now > last
        last = now
    with served:
        person = Annotator(served.address, name)
        known = person.lease("s0001", "liver")["draft"]["sequence"]
        assert last <= known <= last + 1
        done = person.commit(MASK, known, base.id)
        assert done.status_code == 201
    stored = lab.in_force("s0001")["liver"]
    assert stored.id == done.json()["mask_id"]
    now = Patch(lab.mask_array(stored), whole.box)
    assert now.same_as(play(whole, strokes[:known], whole.box))
    assert [f for f in examine(lab) if f.severity == "error"] == []


@pytest.mark.slow
def test_killed_while_revisions_are_made_none_is_lost_or_made_twice(lab: Workspace) -> None:
    (name,) = add_annotators(lab, 1)
    served, acknowledged, number = Served(lab.path), [], 0
    for life in range(12):
        served.start()
        person = Annotator(served.address, name)
        killer = threading.Timer(0.3 + 0.07 * life, served.kill)
        killer.start()
        try:
            while True:
                lease = person.lease("s0001", "liver")
                base = lease["base"]
                if lease["draft"] is None:
                    number += 1
                    box = (slice(0, 2), slice(0, 2), slice(0, 2))
                    bits = np.array([number >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)
                    person.stroke(MASK, 1, box, bits, base).raise_for_status()
                else:
                    base = lease["draft"]["base"]
                answer = person.commit(MASK, 1, base)
                assert answer.status_code in (200, 201), answer.text
                acknowledged.append(answer.json()["mask_id"])
        except httpx.TransportError:
            killer.join()
    history = [mask.id for mask in lab.masks("s0001", "liver")]
    assert set(acknowledged) <= set(history)
    assert len(history) == len(set(history))
    assert [f for f in examine(lab) if f.severity == "error"] == []


@pytest.mark.parametrize(
    ("clients", "saves"), [(4, 5), pytest.param(8, 200, marks=pytest.mark.slow)]
)
def test_saves_from_one_base_are_all_in_the_history(lab: Workspace, clients, saves) -> None:
    """Everybody draws from the same base; one is in force, the others got a 409 and are kept."""
    names, base = add_annotators(lab, clients), lab.in_force("s0001")["liver"]
    cube = (slice(0, 3), slice(0, 3), slice(0, 3))

    def work(address: str, number: int) -> list[tuple[int, str]]:
        person, random = Annotator(address, names[number]), np.random.default_rng(number)
        answers = []
        for _ in range(saves):
            person.stroke(MASK, 1, cube, random.random((3, 3, 3)) < 0.5, base.id).raise_for_status()
            done = person.commit(MASK, 1, base.id)
            document = done.json()
            yours = document["yours"] if done.status_code == 409 else document
            answers.append((done.status_code, yours["mask_id"]))
        return answers

    with Served(lab.path) as served, ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(work, served.address, number) for number in range(clients)]
        answers = [answer for job in jobs for answer in job.result()]
    codes = [code for code, _ in answers]
    history = {mask.id for mask in lab.masks("s0001", "liver")}
    assert (codes.count(201), codes.count(409)) == (1, clients * saves - 1)
    assert len({mask_id for _, mask_id in answers}) == clients * saves
    assert {mask_id for _, mask_id in answers} | {base.id} == history
    (first,) = [mask_id for code, mask_id in answers if code == 201]
    assert lab.in_force("s0001")["liver"].id == first
    assert [f for f in examine(lab) if f.severity == "error"] == []


def test_one_server_at_a_time_and_no_new_ledger_beside_it(lab: Workspace) -> None:
    with Served(lab.path) as served:
        with pytest.raises(WorkspaceBusy, match="masksmith serve"):
            rebuild(lab)
        second = Served(Path(lab.path))
        with pytest.raises(RuntimeError, match="ended with 1"):
            second.start()
        # A stage may run: its lock is another one.
        with lab.driver_lock("retrain"):
            browser = httpx.Client(base_url=served.address, follow_redirects=False)
            assert browser.get(served.link or "").status_code == 303
            assert browser.get("/api/worklist").json()["progress"]["total"] == 2
            csrf = {"X-Masksmith-CSRF": browser.get("/api/session").json()["csrf"]}
            query = {"base": "none", "box": "0,0,0,1,1,1", "client": "t"}
            path = "/api/cases/s0001/masks/colon"
            stroke = browser.put(f"{path}/draft/1", params=query, content=b"\1", headers=csrf)
            assert stroke.status_code == 200
            wish = {"client": "t", "sequence": 1}
            assert browser.post(f"{path}/commit", json=wish, headers=csrf).status_code == 201
    assert lab.in_force("s0001")["colon"].voxels == 1
    contents = rebuild(lab)
    assert contents.findings == []
    again = Workspace.open(lab.path)
    assert again.in_force("s0001")["colon"].voxels == 1
