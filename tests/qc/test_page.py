"""The page: whole in itself, and nothing from outside becomes HTML."""

import json
from collections.abc import Callable

import pytest

from pipeline.workspace import Workspace
from qc.page import page_html, script_safe_json, write_page

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&\u2028<!--'


def data_of(page: str) -> dict:
    return json.loads(page.partition('id="data">')[2].partition("</script>")[0])


def test_what_comes_from_outside_cannot_leave_its_place() -> None:
    text = script_safe_json({"id": EVIL, EVIL: [EVIL]})
    assert "<" not in text
    assert ">" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"id": EVIL, EVIL: [EVIL]}


def test_the_page_holds_its_data_whatever_they_say() -> None:
    marks = {"workspace": EVIL + "/*STYLE*/ /*SCRIPT*/ /*DATA*/", "structures": [], "cases": []}
    page = page_html(marks)
    plain = page_html({"workspace": "w", "structures": [], "cases": []})
    assert data_of(page) == marks
    assert page.count("</script>") == plain.count("</script>") == 2
    assert page.count("alert(") == 2
    assert "innerHTML" not in page
    assert "insertAdjacentHTML" not in page


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = page_html({"workspace": "w", "structures": [], "cases": []})
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    for mark in ("/*STYLE*/", "/*SCRIPT*/", "/*DATA*/"):
        assert mark not in page


def test_a_workspace_without_cases_has_a_page_that_says_so(workspace: Workspace) -> None:
    write_page(workspace, {})
    page = (workspace.layout.gallery_dir / "index.html").read_text(encoding="utf-8")
    assert data_of(page)["cases"] == []
    assert "masksmith intake" in page


def test_the_page_knows_cases_that_are_not_drawn(workspace: Workspace, add_case: Callable) -> None:
    add_case("s0001", phase="native <b>", meta={"age": "61", "weight": "80"})
    write_page(workspace, {"s0001": "no CT"})
    page = (workspace.layout.gallery_dir / "index.html").read_text(encoding="utf-8")
    [case] = data_of(page)["cases"]
    assert case["picture"] is None
    assert case["failure"] == "no CT"
    assert case["phase"] == "native <b>"
    assert case["meta"] == ["age 61"]
    assert case["state"] == "new"
    assert len(data_of(page)["structures"]) == 104


@pytest.mark.parametrize("name", ["gallery.html", "gallery.css", "gallery.js"])
def test_the_parts_come_with_the_package(name: str) -> None:
    from importlib import resources

    assert (resources.files("qc") / "page_files" / name).is_file()
