"""The page: whole in itself, and nothing from outside becomes HTML."""

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from pipeline.workspace import Workspace
from qc.page import POLICY, SCRIPTS, page_html, script_safe_json, write_page, write_page_files

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


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    write_page_files(tmp_path, {"workspace": "w", "structures": [], "cases": []})
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    [script] = tmp_path.glob("page/gallery-*.js")
    [style] = tmp_path.glob("page/gallery-*.css")
    assert f'src="page/{script.name}"' in page
    assert f'href="page/{style.name}"' in page
    for text in (page, script.read_text(encoding="utf-8"), style.read_text(encoding="utf-8")):
        assert not re.search("https?://", text)
        assert not re.search(r"/\*(STYLE|SCRIPT|DATA|POLICY)\*/", text)


def test_no_script_can_stand_in_the_page_and_none_makes_html() -> None:
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    scripts = resources.files("qc").joinpath("page_files", "scripts")
    assert {path.name for path in scripts.iterdir()} == {f"{name}.js" for name in SCRIPTS}
    for path in scripts.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", text)
        assert len(text.splitlines()) <= 400


def test_a_new_script_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "gallery-000000000000.js").write_text("old")
    write_page_files(tmp_path, {"workspace": "w", "structures": [], "cases": []})
    assert len(list((tmp_path / "page").iterdir())) == 2
    assert not (tmp_path / "page" / "gallery-000000000000.js").exists()


def test_a_workspace_without_cases_has_a_page(workspace: Workspace) -> None:
    write_page(workspace, {})
    page = (workspace.layout.gallery_dir / "index.html").read_text(encoding="utf-8")
    assert data_of(page)["cases"] == []
    assert data_of(page)["workspace"] == "workspace"


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
