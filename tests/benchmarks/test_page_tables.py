from pathlib import Path

import pytest

from benchmarks.page_tables import write_between_marks

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
