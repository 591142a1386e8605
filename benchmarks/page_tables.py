"""Tables in the documentation that a command makes: they stand between two marks of a page."""

import re
from pathlib import Path

from pipeline.volume import write_file_atomically


def write_between_marks(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises
    ------
    ValueError
        If the page lacks the marks; it is left as it is.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    old = page.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page}: lacks the marks {begin} and {end}; put them where tables go")
    new = pattern.sub(lambda _: f"{begin}\n{text}{end}", old)
    write_file_atomically(page, new.encode())
