"""From a click in a real browser to the ledger of a real workspace: by a file, and by a server."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotation.verdict_document import apply_verdict_document
from pipeline.cli.main import main
from pipeline.workspace import Provenance, Workspace
from qc.page import write_page
from tests.fixtures.browser import until
from tests.fixtures.gallery_sites import SHAPES, draw_without_rendering

ROUND = Provenance(origin="round", maker="round:2", round=2)
Open = Callable[..., Any]


@pytest.fixture
def drawn(workspace: Workspace, add_case: Callable, add_masks: Callable) -> Workspace:
    """Give a workspace of two cases with pictures and the page."""
    for case_id in ("s0001", "s0002"):
        add_masks(add_case(case_id), ROUND)
    draw_without_rendering(workspace, ["s0001", "s0002"])
    write_page(workspace, {})
    return workspace


def flag_and_accept(page: Any) -> None:
    """Flag the spleen of s0001 by a click, because of 2, and accept the case and the next."""
    page.keyboard.press("Enter")
    until(page, "state.open && state.map")
    column, row = SHAPES["spleen"][:2]
    x, y = page.evaluate(
        """([x, y]) => { const at = whole(), room = pane();
        return [room.left + at.x + x * at.scale, room.top + at.y + y * at.scale]; }""",
        [column, row],
    )
    page.mouse.click(x, y)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")


def recorded(workspace: Workspace) -> list[tuple]:
    return [(v.case_id, v.structure, v.decision, v.reason, v.by) for v in workspace.verdicts()]


def wanted(by: str) -> list[tuple]:
    accepted = [("s0001", name, "accept", "", by) for name in ("liver", "kidney_right")]
    accepted += [("s0002", name, "accept", "", by) for name in ("liver", "spleen", "kidney_right")]
    return sorted([("s0001", "spleen", "fix", "incomplete", by), *accepted])


def test_an_exported_file_is_taken_in_once(
    drawn: Workspace, open_page: Open, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    page = open_page(drawn.layout.gallery_dir / "index.html")
    page.fill("#by", "Anna")
    page.keyboard.press("Escape")
    flag_and_accept(page)
    page.keyboard.press("Escape")
    with page.expect_download() as downloading:
        page.keyboard.press("s")
    download = downloading.value
    assert download.suggested_filename.startswith("verdicts-workspace-20")
    path = tmp_path / download.suggested_filename
    download.save_as(path)
    assert "3 exported" in page.inner_text("#saved")
    page.keyboard.press("Control+z")
    assert "exported already" in page.inner_text("#told")

    words = ["verdicts", "import", str(path), "--workspace", str(drawn.path)]
    assert main(words) == 0
    assert sorted(recorded(drawn)) == wanted("Anna")
    seconds = [v.seconds for v in drawn.verdicts()]
    assert all(each is not None and 0 <= each < 600 for each in seconds)
    assert main(words) == 0
    assert "0 done, 3 kept, 0 failed; 0 verdicts recorded" in capsys.readouterr().out
    assert len(drawn.verdicts()) == 6

    write_page(drawn, {})
    page.reload()
    assert page.evaluate("caseById.get('s0002').state") == "reviewed"
    page.click("#forget")
    assert page.inner_text("#saved") == "no verdicts yet"


def test_enter_held_down_accepts_nothing_unseen(drawn: Workspace, open_page: Open) -> None:
    page = open_page(drawn.layout.gallery_dir / "index.html")
    assert not page.is_visible("#home")
    page.keyboard.down("Enter")
    page.keyboard.down("Enter")
    assert page.evaluate("[state.open, verdicts.list.length]") == [True, 0]
    page.keyboard.up("Enter")
    for _ in range(3):
        page.keyboard.down("Enter")
    assert page.evaluate("verdicts.list.map((each) => each.case)") == ["s0001"]
    page.keyboard.up("Enter")
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("ArrowLeft")
    page.keyboard.up("ArrowLeft")
    assert page.evaluate("openOne().id") == "s0001"


def test_an_empty_workspace_says_what_fills_it(workspace: Workspace, open_page: Open) -> None:
    write_page(workspace, {})
    page = open_page(workspace.layout.gallery_dir / "index.html")
    assert "masksmith intake" in page.inner_text("#empty")
    for key in ("Enter", "ArrowRight", "g", "Escape", "x", "s", "Control+z"):
        page.keyboard.press(key)


class Served(SimpleHTTPRequestHandler):
    """The routes that the page uses, as the workbench answers them."""

    workspace: Workspace
    trouble: list[str]
    seen: list[dict]

    def do_GET(self) -> None:
        if self.path == "/api/session":
            self.answer(200, {"user": "ben", "role": "annotator", "csrf": "token"})
        elif self.path.startswith("/api/cases/"):
            self.answer(200, {"excluded": False, "structures": []})
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/verdicts" or self.headers.get("X-Masksmith-CSRF") != "token":
            self.answer(403, {"error": "no token"})
        elif self.trouble:
            self.answer(503, {"error": self.trouble.pop()})
        else:
            document = json.loads(body)
            self.seen.append(document)
            self.answer(200, apply_verdict_document(self.workspace, document, by="ben").to_dict())

    def end_headers(self) -> None:
        allowed = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
        self.send_header("Content-Security-Policy", f"default-src 'none'; {allowed}")
        super().end_headers()

    def answer(self, status: int, document: dict) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(drawn: Workspace) -> Iterator[str]:
    """Serve the workspace's folder and the two routes; give the address."""
    Served.workspace, Served.trouble, Served.seen = drawn, [], []
    handler = partial(Served, directory=str(drawn.path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_from_a_server_verdicts_go_to_the_ledger(
    drawn: Workspace, address: str, open_page: Open
) -> None:
    Served.trouble.append("the disk is full")
    page = open_page(f"{address}/gallery/index.html")
    until(page, "server.user === 'ben'")
    assert not page.is_visible("#by")
    assert not page.is_visible("#export")
    assert page.get_attribute("#home:visible", "href") == "/index.html"
    address_of_liver = "editorAddress(caseById.get('s0001'), placeOf.get('liver'))"
    assert page.evaluate(address_of_liver) == "/editor.html#s0001/liver"
    flag_and_accept(page)
    assert "3 kept here, sent in a moment" in page.inner_text("#saved")
    page.keyboard.press("Control+z")
    page.evaluate("sendVerdicts(true)")
    until(page, "server.trouble !== ''")
    assert "offline, 2 kept here, retrying (the disk is full)" in page.inner_text("#saved")
    assert drawn.verdicts() == ()
    page.evaluate("sendVerdicts(true)")
    until(page, "document.getElementById('saved').textContent === 'all sent'")
    assert sorted(recorded(drawn)) == [v for v in wanted("ben") if v[0] == "s0001"]
    assert page.evaluate("sendVerdicts(true).then(() => 1)") == 1
    assert len(Served.seen) == 1
    page.watched.complaints[:] = [c for c in page.watched.complaints if "503" not in c]


def test_what_the_server_refuses_is_said_and_counts_no_more(
    drawn: Workspace, address: str, open_page: Open
) -> None:
    page = open_page(f"{address}/gallery/index.html")
    until(page, "server.user === 'ben'")
    page.evaluate("caseById.get('s0001').seen = 'other masks'")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("decisionOf(caseById.get('s0001'), null).decision") == "accept"
    page.evaluate("sendVerdicts(true)")
    until(page, "document.getElementById('told').textContent.includes('looked at any more')")
    assert page.evaluate("decisionOf(caseById.get('s0001'), null)") is None
    assert drawn.verdicts() == ()
