"""Close-ups are drawn when asked for; what cannot be drawn is said with what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import MasksmithError, MissingDependency
from pipeline.workspace import Provenance, Workspace
from qc.page import write_page
from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import draw_without_rendering

PATH = "/gallery/closeups/s0001/liver.png"


def test_whoever_draws_is_asked_and_the_file_is_sent(anna, bench) -> None:
    asked = []

    def draw(workspace: Workspace, case_id: str, structure: str) -> None:
        asked.append((case_id, structure))
        image = workspace.layout.gallery_dir / "closeups" / case_id / f"{structure}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"picture %d" % len(asked))

    bench.draw_closeup = draw
    assert anna.get(PATH).content == b"picture 1"
    assert anna.get(PATH).content == b"picture 2"
    assert anna.get("/gallery/closeups/s0001/colon.png").status_code == 404
    assert anna.get("/gallery/closeups/none/liver.png").status_code == 404
    assert asked == [("s0001", "liver")] * 2


def test_what_cannot_be_drawn_is_said_with_what_to_install(anna, bench) -> None:
    errors: list[MasksmithError] = [
        MissingDependency(
            "no graphics driver to draw pictures with (x; y); install one: apt-get z"
        ),
        MasksmithError("odd"),
    ]

    def draw(*_: object) -> None:
        raise errors.pop(0)

    bench.draw_closeup = draw
    answer = anna.get(PATH)
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "no graphics driver to draw pictures with (x; y)",
        "what_to_do": "install one: apt-get z",
    }
    answer = anna.get(PATH)
    assert answer.status_code == 503
    assert answer.json()["error"] == "odd"
    bench.draw_closeup = None
    assert anna.get(PATH).status_code == 404


@pytest.mark.slow
def test_a_served_gallery_draws_a_close_up(
    workspace: Workspace,
    add_case: Callable[..., Any],
    add_masks: Callable[..., Any],
    serve: Callable[..., Any],
    sign_in: Callable[..., Any],
    driver: str,
) -> None:
    add_masks(add_case("s0001"), Provenance("model", "model:btcv"))
    draw_without_rendering(workspace, ["s0001"])
    write_page(workspace, {})
    server = serve(workspace.path)
    page = sign_in(server)
    page.goto(f"{server.address}/gallery/#s0001")
    until(page, "state.open && state.map && server.user")
    page.evaluate("choose([placeOf.get('liver')])")
    page.keyboard.press("u")
    until(page, "!document.getElementById('plate-picture').hidden", 120)
    assert page.evaluate("document.getElementById('plate-picture').naturalWidth") > 500
    drawn = workspace.layout.gallery_dir / "closeups" / "s0001" / "liver.png"
    written = drawn.stat().st_mtime_ns
    page.evaluate("async (path) => (await fetch(path)).arrayBuffer()", PATH)
    assert drawn.stat().st_mtime_ns == written
