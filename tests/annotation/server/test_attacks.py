"""What an attacker would try: every route with every role and none, forged words, bombs, paths."""

import json
import re

import pytest
from fastapi.routing import APIRoute

from annotation.server.app import make_routes
from annotation.server.guard import CONTENT_POLICY
from annotation.server.workbench import open_workbench
from pipeline.errors import UsageError
from tests.annotation.server.conftest import ADDRESS, PEOPLE, Browser

OPEN = {"/api/way-in", "/api/login", "/enter"}
"""Routes that answer people who are not signed in."""
REVIEWERS = {"/api/assignments", "/api/people"}


def every_route(bench) -> list[tuple[str, str]]:
    """List method and path of every route of the OpenAPI document, its parameters filled in."""
    document = make_routes(bench).openapi()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    ]


def filled(path: str) -> str:
    values = {"case_id": "s0001", "structure": "liver", "sequence": "1", "path": "index.html"}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)


def test_the_document_holds_every_route(bench) -> None:
    routes = make_routes(bench)
    documented = {path for _, path in every_route(bench)}
    own = {route.path.replace(":path", "") for route in _flat(routes) if route.include_in_schema}
    hidden = {route.path for route in _flat(routes) if not route.include_in_schema}
    assert own == documented
    assert hidden == {"/{path:path}"}


def _flat(routes) -> list[APIRoute]:
    found, waiting = [], list(routes.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        else:
            waiting += getattr(route, "routes", [])
            inner = getattr(route, "original_router", None)
            waiting += inner.routes if inner is not None else []
    return found


def test_nobody_gets_anything(bench, browse) -> None:
    nobody = browse()
    for method, path in every_route(bench):
        answer = nobody.request(method, filled(path), json={})
        if path not in OPEN:
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.json()["error"] == "not signed in"


def test_a_forged_cookie_is_nobody(bench, browse) -> None:
    forged = browse()
    forged.client.cookies.set("masksmith", "x" * 43)
    for method, path in every_route(bench):
        if path not in OPEN:
            assert forged.request(method, filled(path), json={}).status_code == 401


@pytest.mark.parametrize("name", PEOPLE)
def test_every_role_gets_what_it_may(bench, browse, name) -> None:
    browser = browse(name)
    for method, path in every_route(bench):
        if path in OPEN or path == "/api/logout":
            continue
        answer = browser.request(method, filled(path), json={})
        refused = path in REVIEWERS and PEOPLE[name] == "annotator"
        assert (answer.status_code == 403) == refused, (method, path, answer.text)
        assert answer.status_code != 401, (method, path)
        assert answer.status_code < 500, (method, path, answer.text)


def test_without_the_csrf_token_nothing_changes(bench, browse) -> None:
    anna = browse("anna")
    for headers in ({}, {"X-Masksmith-CSRF": "guess"}):
        anna.headers = headers
        for method, path in every_route(bench):
            if method != "GET" and path not in OPEN:
                answer = anna.request(method, filled(path), json={})
                assert (answer.status_code, answer.json()["stale_session"]) == (403, True), path


def test_another_site_changes_nothing(anna) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = anna.post("/api/cases/s0001/prefetch", headers=headers)
        assert answer.status_code == 403, headers
        assert answer.json()["error"] == "the request came from another site"
        assert anna.post("/api/login", json={}, headers=headers).status_code == 403
    same = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    assert anna.post("/api/cases/s0001/prefetch", headers=same).status_code == 202


STRANGE_HOSTS = ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example",
                 "[", "10.1.1.1"]  # fmt: skip
OWN_HOSTS = ["127.0.0.1", "localhost:8104", "[::1]:8104", "LOCALHOST"]


def test_only_own_names_are_answered(anna) -> None:
    for host in STRANGE_HOSTS:
        assert anna.get("/api/session", headers={"Host": host}).status_code == 400, host
    for host in OWN_HOSTS:
        assert anna.get("/api/session", headers={"Host": host}).status_code == 200, host


PATHS = [
    "../workspace.yaml",
    "..%2fworkspace.yaml",
    "%2e%2e/workspace.yaml",
    "..%5cworkspace.yaml",
    "images/..%2f..%2fpseudonym.key",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    ".hidden.png",
    "a%00.png",
    "link.png",
    "linked/secret.json",
    "secret.key",
    "x" * 600 + ".png",
    "",
]


def test_the_gallery_gives_only_its_own_files(anna, lab, tmp_path, built_pages) -> None:
    gallery = lab.layout.gallery_dir
    (gallery / "images").mkdir(parents=True)
    (gallery / "images" / "s0001.png").write_bytes(b"a picture")
    (gallery / ".hidden.png").write_bytes(b"secret")
    (gallery / "secret.key").write_bytes(b"secret")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_bytes(b"secret")
    (gallery / "linked").symlink_to(outside)
    (gallery / "link.png").symlink_to(lab.layout.key_file)
    answer = anna.get("/gallery/images/s0001.png")
    assert (answer.status_code, answer.content) == (200, b"a picture")
    assert answer.headers["cache-control"] == "no-store"
    for path in PATHS:
        answer = anna.get(f"/gallery/{path}")
        assert answer.status_code in (404, 414), path
        assert b"secret" not in answer.content


def test_pages_are_confined_too(browse, built_pages) -> None:
    nobody = browse()
    assert "the workbench" in nobody.get("/").text
    assert "the workbench" in nobody.get("/index.html").text
    (built_pages.parent / "secret.json").write_text("secret")
    for path in ("%2e%2e/secret.json", "..%2fsecret.json", "%2fetc/passwd", "nothing.html"):
        answer = nobody.get(f"/{path}")
        assert answer.status_code == 404, path
        assert "secret" not in answer.text


def test_without_a_build_the_page_says_how_to_make_one(browse, tmp_path, monkeypatch) -> None:
    from annotation.server.routes import pages

    monkeypatch.setattr(pages, "STATIC", tmp_path / "nothing")
    answer = browse().get("/")
    assert (answer.status_code, "make setup" in answer.text) == (503, True)


IDS = ["...", "..%2f..", "s0001%2f..", "%00", "s0001'--", "s0001%0a", "<script>", "a" * 65, "S0001"]


def test_no_id_is_a_path(anna, built_pages) -> None:
    for word in IDS:
        for path in (
            f"/api/cases/{word}",
            f"/api/cases/{word}/ct",
            f"/api/cases/{word}/masks/liver",
            f"/api/cases/s0001/masks/{word}",
            f"/api/cases/s0001/masks/{word}/revisions",
        ):
            answer = anna.get(path)
            assert answer.status_code in (404, 422), path
            assert "<script>" not in answer.text


def test_nothing_is_made_for_names_that_are_none(anna, lab) -> None:
    query = {"base": "none", "box": "0,0,0,1,1,1", "client": "t"}
    for word in IDS:
        for mask in (f"{word}/masks/liver", f"s0001/masks/{word}"):
            answer = anna.request("PUT", f"/api/cases/{mask}/draft/1", params=query, content=b"\1")
            assert answer.status_code in (404, 405, 422), mask
    assert not lab.layout.drafts_dir.exists()


def test_answers_never_repeat_what_was_sent(anna) -> None:
    word = "<img src=x onerror=alert(1)>"
    wishes = {"base": word, "client": word, "sequence": word, "seconds": word}
    answer = anna.post("/api/cases/s0001/masks/liver/commit", json=wishes)
    assert answer.status_code == 422
    assert "onerror" not in answer.text
    assert set(answer.json()) == {"error", "what_to_do"}


def test_every_answer_carries_the_headers(anna, browse) -> None:
    for answer in (
        anna.get("/api/session"),
        browse().get("/api/session"),
        anna.get("/"),
        anna.get("/api/nothing"),
        anna.get("/api/session", headers={"Host": "evil.example"}),
    ):
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "unsafe-inline" not in CONTENT_POLICY
    assert anna.get("/api/session").headers["cache-control"] == "no-store"


def test_no_interactive_document_is_served(anna) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert anna.get(path).status_code in (404, 503)


def test_a_fault_tells_nothing(anna, bench, monkeypatch) -> None:
    def broken() -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(bench.cards, "all", broken)
    answer = anna.get("/api/worklist")
    assert (answer.status_code, answer.json()["error"]) == (500, "the server made a mistake")
    assert "secret" not in answer.text


def test_the_log_names_no_case(anna, caplog) -> None:
    with caplog.at_level("INFO"):
        anna.get("/api/cases/s0001")
        anna.get("/api/cases/s0001/masks/liver")
    ours = [record.getMessage() for record in caplog.records if "annotation" in record.name]
    assert any("/api/cases/{case_id} 200" in line for line in ours)
    assert not any("s0001" in line for line in ours)


def test_another_persons_case_is_only_looked_at(browse, lab) -> None:
    anna, ben, rita = browse("anna"), browse("ben"), browse("rita")
    wish = {"cases": ["s0001"], "to": "ben"}
    assert anna.post("/api/assignments", json=wish).status_code == 403
    given = rita.post("/api/assignments", json=wish).json()
    assert given == {"assigned": 1, "to": "ben", "refused": []}
    assert anna.get("/api/cases/s0001").json()["editable"] is False
    assert anna.post("/api/cases/s0001/masks/liver/lease", json={}).status_code == 403
    box = (slice(0, 1),) * 3
    assert anna.stroke("s0001/masks/liver", 1, box, [[[1]]], None).status_code == 403
    assert anna.commit("s0001/masks/liver", 1, None).status_code == 403
    keep = {"mask_id": "0" * 64, "over": "0" * 64}
    assert anna.post("/api/cases/s0001/masks/liver/keep", json=keep).status_code == 403
    for browser in (ben, rita):
        assert browser.stroke("s0001/masks/liver", 1, box, [[[1]]], None).status_code == 200
    assert not lab.layout.drafts_dir.joinpath("s0002").exists()


def test_nobody_sees_another_persons_draft(browse) -> None:
    anna, ben = browse("anna"), browse("ben")
    anna.stroke("s0001/masks/liver", 1, (slice(0, 1),) * 3, [[[1]]], None)
    assert anna.get("/api/cases/s0001/masks/liver/draft").status_code == 200
    assert ben.get("/api/cases/s0001/masks/liver/draft").status_code == 204


def test_beyond_loopback_nobody_comes_in_without_an_account(lab, settings) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "radiology.example"):
        with pytest.raises(UsageError, match="users add"):
            open_workbench(lab, settings.model_copy(update={"host": host}))


def test_names_with_script_stay_text(bench, browse) -> None:
    from annotation.server.people import checked_name

    for name in ("<script>", "a\nb", "x" * 65, "", " anna", "a  b", "anna/../..", "a;b"):
        with pytest.raises(UsageError):
            checked_name(name)
    for name in ("anna", "Anna K.", "a.k@clinic.example", "Zoë"):
        assert checked_name(name) == name


def test_json_errors_have_two_keys(anna, browse) -> None:
    answers = [
        browse().get("/api/session"),
        anna.get("/api/cases/none"),
        anna.get("/api/cases/s0001/masks/liver?revision=" + "0" * 64),
        anna.request("DELETE", "/api/worklist"),
        anna.post("/api/login", content=b"{", headers={"Content-Type": "application/json"}),
    ]
    for answer in answers:
        document = json.loads(answer.content)
        assert {"error", "what_to_do"} <= set(document)
        assert "\n" not in document["error"]
    assert ADDRESS.startswith("http://127.0.0.1")
    assert isinstance(anna, Browser)
