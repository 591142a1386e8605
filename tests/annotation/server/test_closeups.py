"""Close-ups are drawn when asked for, once, and again when another mask is in force."""

import os

import numpy as np

from pipeline.errors import MissingDependency

PATH = "/gallery/closeups/s0001/liver.png"


def test_a_closeup_is_drawn_once_and_anew_for_another_mask(anna, bench, lab) -> None:
    drawn = []

    def draw(workspace, case_id: str, structure: str) -> None:
        drawn.append((case_id, structure))
        image = workspace.layout.gallery_dir / "closeups" / case_id / f"{structure}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"picture %d" % len(drawn))

    bench.draw_closeup = draw
    assert anna.get(PATH).content == b"picture 1"
    assert anna.get(PATH).content == b"picture 1"
    base = lab.in_force("s0001")["liver"].id
    anna.stroke("s0001/masks/liver", 1, (slice(0, 1),) * 3, np.ones((1, 1, 1)), base)
    mask = anna.commit("s0001/masks/liver", 1, base).json()["mask_id"]
    os.utime(lab.layout.mask("s0001", "liver", mask), (2e9, 2e9))
    assert anna.get(PATH).content == b"picture 2"
    assert drawn == [("s0001", "liver")] * 2
    assert anna.get("/gallery/closeups/s0001/colon.png").status_code == 404
    assert anna.get("/gallery/closeups/none/liver.png").status_code == 404


def test_what_cannot_be_drawn_is_said(anna, bench) -> None:
    def draw(*_: object) -> None:
        raise MissingDependency("no graphics driver")

    bench.draw_closeup = draw
    assert anna.get(PATH).status_code == 503
    bench.draw_closeup = None
    assert anna.get(PATH).status_code == 404
