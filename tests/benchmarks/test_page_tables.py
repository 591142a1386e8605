from pathlib import Path

import pytest

from benchmarks.page_tables import tell_tables, write_between_marks

BEGIN, END = "<!-- x:begin -->", "<!-- x:end -->"


def test_tables_replace_only_what_stands_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between_marks(page, "x", "new\n")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match=r"page\.md: lacks the marks"):
        write_between_marks(page, "x", "new\n")
    assert page.read_text() == "no marks"


def test_tables_are_told_and_written_only_where_a_page_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\nold\n{END}\n")
    tell_tables(lambda: "new\n", None, "x")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("new\n\n", "0 s\n")
    assert "old" in page.read_text()
    tell_tables(lambda: "new\n", page, "x")
    assert page.read_text() == f"{BEGIN}\nnew\n{END}\n"
