"""What an attacker would send: too much, too deep, too many pieces, nothing at all."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from annotation.server.app import make_app
from annotation.server.guard import TOO_MUCH

JSON = {"Content-Type": "application/json"}


def test_thousands_of_ranges_give_no_more_than_the_file(anna, lab) -> None:
    picture = lab.layout.gallery_dir / "images" / "s0001.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(bytes(range(256)) * 64)
    for ranges in (
        ",".join(f"{2 * i}-{2 * i}" for i in range(5000)),
        ",".join(["0-"] * 5000),
        ",".join(["0-16383"] * 90),
    ):
        answer = anna.get("/gallery/images/s0001.png", headers={"Range": f"bytes={ranges}"})
        assert answer.status_code in (200, 206, 416)
        assert len(answer.content) <= 16384
    assert anna.get("/gallery/images/s0001.png", headers={"Range": "bytes=1-2"}).content == b"\1\2"


def test_thousands_of_fields_are_refused(anna) -> None:
    assert anna.get("/api/worklist?" + "&".join(f"q{i}=1" for i in range(5000))).status_code == 414
    many = {f"field{i}": i for i in range(20_000)}
    assert anna.post("/api/cases/s0001/masks/liver/lease", json=many).status_code == 413
    assert anna.post("/api/login", json=many).status_code == 413


def test_deep_json_is_refused(anna) -> None:
    for path in ("/api/verdicts", "/api/login", "/api/assignments"):
        answer = anna.post(path, content=b"[" * 60_000, headers=JSON)
        assert answer.status_code in (400, 403, 422), (path, answer.text)


def test_a_large_body_is_refused_whatever_it_says_of_its_length(bench, anna) -> None:
    limit = bench.settings.max_stroke_mb << 20
    url = "/api/cases/s0001/masks/liver/draft/1?base=none&box=0,0,0,1,1,1&client=t"
    assert anna.request("PUT", url, content=b"\0" * (limit + 1)).status_code == 413

    def pieces():
        for _ in range(40):
            yield b"\0" * (1 << 20)

    answer = anna.request("PUT", url, content=pieces())
    assert (answer.status_code, answer.json()["error"]) == (413, TOO_MUCH)
    assert anna.post("/api/verdicts", content=pieces(), headers=JSON).status_code == 413
    assert anna.post("/api/login", content=pieces(), headers=JSON).status_code == 413
    for length in ("-1", "abc", "9" * 40):
        answer = anna.request("PUT", url, content=b"x", headers={"Content-Length": length})
        assert answer.status_code == 413


def test_a_large_body_of_nobody_is_not_even_read(bench) -> None:
    """Else a few hundred connections without an account would fill the memory."""
    answers = []

    async def receive() -> dict:
        raise AssertionError("the body was asked for")

    async def send(message: dict) -> None:
        answers.append(message)

    for method, path in (
        ("PUT", "/api/cases/s0001/masks/liver/draft/1"),
        ("PUT", "/nothing/draft/1"),
        ("POST", "/api/verdicts"),
    ):
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(),
                 "query_string": b"base=none&box=0,0,0,1,1,1&client=t", "headers": headers,
                 "client": ("127.0.0.1", 1), "scheme": "http"}  # fmt: skip
        # A browser test before this one leaves Playwright's loop running in the main thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, make_app(bench)(scope, receive, send)).result()
    codes = [each["status"] for each in answers if "status" in each]
    assert codes == [401, 405, 401]


def test_a_stalled_body_holds_no_worker(bench, monkeypatch) -> None:
    """A client that never sends what it announced is let go, and others are served meanwhile."""
    import uvicorn

    from annotation.server import guard

    monkeypatch.setattr(guard, "_BODY_TIMEOUT_S", 0.5)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(bench), log_config=None, lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        with socket.create_connection(listening.getsockname(), timeout=30) as slow:
            head = "POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{"
            slow.sendall(head.encode())
            first, _, _ = slow.recv(4096).partition(b"\r\n")
        assert first.split()[1] == b"413"
    finally:
        server.should_exit = True
        thread.join(30)
