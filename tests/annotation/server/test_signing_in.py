"""Coming in: passwords, the one-time link, a proxy's header; sessions and how they end."""

import time

import pytest

from annotation.server.people import People, Person
from annotation.server.refusals import Refusal
from annotation.server.server_store import ServerStore, ServerStoreError
from annotation.server.sessions import OneTimeLink, Sessions, Throttle
from annotation.server.workbench import open_workbench
from pipeline.errors import NothingToDo, UsageError
from tests.annotation.server.conftest import PASSWORD, Browser


@pytest.fixture
def store(tmp_path) -> ServerStore:
    return ServerStore(tmp_path / "server")


def test_a_password_signs_in_and_out(browse) -> None:
    anna = browse()
    answer = anna.post("/api/login", json={"name": "anna", "password": PASSWORD})
    assert (answer.json()["user"], answer.json()["role"]) == ("anna", "annotator")
    assert len(answer.json()["class_map"]["structures"]) == 104
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    anna.headers = {"X-Masksmith-CSRF": answer.json()["csrf"]}
    assert anna.get("/api/session").json()["user"] == "anna"
    token = anna.client.cookies["masksmith"]
    assert anna.post("/api/logout").status_code == 200
    anna.client.cookies.set("masksmith", token)
    assert anna.get("/api/session").status_code == 401


def test_signing_in_renews_the_session(browse) -> None:
    anna = browse("anna")
    before = anna.client.cookies["masksmith"]
    anna.post("/api/login", json={"name": "anna", "password": PASSWORD})
    assert anna.client.cookies["masksmith"] != before
    anna.client.cookies.clear()
    anna.client.cookies.set("masksmith", before)
    assert anna.get("/api/session").status_code == 401


def test_behind_tls_the_cookie_goes_nowhere_else(bench, settings) -> None:
    bench.settings = settings.model_copy(update={"https": True})
    answer = Browser(bench).post("/api/login", json={"name": "anna", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-masksmith=")
    assert "secure" in cookie


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong password"), ("nobody", PASSWORD), ("anna", "")]
)
def test_wrong_words_are_told_apart_by_nobody(browse, name, password) -> None:
    answer = browse().post("/api/login", json={"name": name, "password": password})
    assert (answer.status_code, answer.json()["error"]) == (401, "name or password is wrong")


def test_guessing_is_slowed_down(bench, browse) -> None:
    bench.throttle = Throttle(3)
    guess = {"name": "anna", "password": "guess number one"}
    codes = [browse().post("/api/login", json=guess).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    right = browse().post("/api/login", json=guess | {"password": PASSWORD})
    assert right.status_code == 429


def test_guesses_at_once_are_no_more_than_one_by_one(bench, browse, monkeypatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    bench.throttle, looked_at = Throttle(3), []

    def slow(name: str, password: str) -> None:
        looked_at.append(password)
        time.sleep(0.05)

    monkeypatch.setattr(bench.people, "with_password", slow)
    browsers = [browse() for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        guess = {"name": "anna", "password": "a guess"}
        jobs = [pool.submit(each.post, "/api/login", json=guess) for each in browsers]
        codes = sorted(job.result().status_code for job in jobs)
    assert codes == [401] * 3 + [429] * 9
    assert len(looked_at) == 3


def test_a_role_that_changes_and_a_person_who_goes_end_sessions(bench, browse) -> None:
    anna, ben = browse("anna"), browse("ben")
    bench.people.set_role("anna", "reviewer")
    bench.people.remove("ben")
    assert anna.get("/api/session").status_code == 401
    assert ben.get("/api/session").status_code == 401
    assert browse("anna").get("/api/session").json()["role"] == "reviewer"


def test_the_link_signs_one_browser_in_once(lab, settings) -> None:
    bench = open_workbench(lab, settings, "olga")
    first, second = Browser(bench), Browser(bench)
    assert first.get("/api/way-in").json() == {"way": "link"}
    answer = first.get(f"/enter?token={bench.link.token}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert first.get("/api/session").json()["role"] == "admin"
    assert second.get(f"/enter?token={bench.link.token}").status_code == 403
    assert second.get("/enter?token=guess").status_code == 403
    assert second.get("/enter").status_code == 403
    # A server that was killed and started again knows its browser.
    again = Browser(open_workbench(lab, settings, "olga"))
    again.client.cookies.set("masksmith", first.client.cookies["masksmith"])
    assert again.get("/api/session").json()["user"] == "olga"


def test_with_accounts_there_is_no_link(bench, lab, settings) -> None:
    assert open_workbench(lab, settings).link is None


def test_a_link_is_taken_once_by_many_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    link = OneTimeLink(Person("olga", "admin"))
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: link.take(link.token), range(200)))
    assert sum(person is not None for person in taken) == 1


def behind_proxy(bench, settings, address: str = "127.0.0.1") -> Browser:
    changes = {"proxy_header": "X-Remote-User", "proxy_addresses": (address,)}
    bench.settings = settings.model_copy(update=changes)
    return Browser(bench)


def test_a_proxy_says_who_it_is(bench, settings) -> None:
    browser = behind_proxy(bench, settings)
    browser.headers = {"X-Remote-User": "anna"}
    csrf = browser.get("/api/session").json()["csrf"]
    assert browser.get("/api/worklist").status_code == 200
    assert browser.post("/api/cases/s0001/prefetch").status_code == 403
    browser.headers["X-Masksmith-CSRF"] = csrf
    assert browser.post("/api/cases/s0001/prefetch").status_code == 202
    # The cookie alone, or with another name, is nobody.
    browser.headers.pop("X-Remote-User")
    assert browser.get("/api/worklist").status_code == 401
    browser.headers["X-Remote-User"] = "ada"
    assert browser.get("/api/worklist").status_code == 401
    # Whoever comes next in the same browser ends the session that was there.
    before = browser.client.cookies["masksmith"]
    assert browser.get("/api/session").json()["user"] == "ada"
    assert bench.sessions.find(before) is None


def test_the_proxys_header_counts_from_the_proxy_only(bench, settings) -> None:
    browser = behind_proxy(bench, settings, "10.1.2.3")
    browser.headers = {"X-Remote-User": "ada"}
    assert browser.get("/api/session").status_code == 401
    assert browser.post("/api/login", json={"name": "ada", "password": PASSWORD}).status_code == 403


def test_whom_the_proxy_knows_and_we_do_not(bench, settings) -> None:
    browser = behind_proxy(bench, settings)
    browser.headers = {"X-Remote-User": "stranger"}
    assert browser.get("/api/session").status_code == 403
    twice = browser.client.get(
        "/api/session", headers=[("X-Remote-User", "anna"), ("X-Remote-User", "ada")]
    )
    assert twice.status_code == 401


def test_a_session_ends_when_nobody_comes(store) -> None:
    now = [1000.0]
    sessions = Sessions(store, 1.0, lambda: now[0])
    token = sessions.begin("anna", "password")
    now[0] += 3000
    assert sessions.find(token) is not None
    now[0] += 3000
    assert sessions.find(token) is not None
    now[0] += 3601
    assert sessions.find(token) is None


def test_what_is_on_disk_opens_no_door(store) -> None:
    token = Sessions(store, 1.0).begin("anna", "password")
    People(store).add("anna", "annotator", PASSWORD)
    data = store.path.read_bytes()
    assert token.encode() not in data
    assert PASSWORD.encode() not in data
    assert b"$argon2id$" in data
    assert store.path.stat().st_mode & 0o077 == 0
    assert store.path.parent.stat().st_mode & 0o077 == 0


def test_accounts(store, quick_hashes) -> None:
    people = People(store)
    people.add("anna", "annotator", PASSWORD)
    people.add("proxy only", "reviewer", None)
    assert [(a.name, a.has_password) for a in people.accounts()] == [
        ("anna", True),
        ("proxy only", False),
    ]
    assert people.with_password("anna", PASSWORD) == Person("anna", "annotator")
    assert people.with_password("proxy only", PASSWORD) is None
    people.set_password("anna", "another good password")
    assert people.with_password("anna", PASSWORD) is None
    with pytest.raises(UsageError, match="there is somebody called 'anna'"):
        people.add("anna", "admin", PASSWORD)
    with pytest.raises(UsageError, match="a password of 5 characters"):
        people.add("ben", "annotator", "short")
    with pytest.raises(NothingToDo):
        people.remove("nobody")
    people.remove("anna")
    assert people.find("anna") is None


def test_a_file_that_is_none_of_ours_is_refused(tmp_path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "server.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(ServerStoreError, match="cannot be used"):
        ServerStore(folder)


def test_a_newer_file_is_refused(store) -> None:
    with store.change() as connection:
        connection.execute("PRAGMA user_version=9")
    with pytest.raises(ServerStoreError, match="newer Masksmith"):
        ServerStore(store.path.parent)


def test_the_throttle_counts_names_and_addresses() -> None:
    throttle = Throttle(2)
    for number in range(2):
        throttle.check(f"10.0.0.{number}", "anna")
        throttle.count(f"10.0.0.{number}", "anna")
    with pytest.raises(Refusal):
        throttle.check("10.0.0.9", "anna")
    throttle.check("10.0.0.9", "ben")
