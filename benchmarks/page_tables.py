"""Tables in the documentation that a command makes: they stand between two marks of a page."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.contender import ROOT
from pipeline.volume import write_file_atomically


def add_page(parser: argparse.ArgumentParser) -> None:
    """Add the option for the page that takes what is measured."""
    parser.add_argument("--page", type=Path, help="page whose marked part takes the tables")


def add_real_data(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder with the shared real scans."""
    parser.add_argument(
        "--real-data",
        type=Path,
        default=Path(os.environ.get("MASKSMITH_REAL_DATA") or ROOT.parent / "shared" / "data"),
        help="folder with the shared real scans",
    )


def tell_tables(make: Callable[[], str], page: Path | None, name: str) -> None:
    """Make tables, print them and how long it took, and write them into the page if there is one.

    Parameters
    ----------
    make : callable
        Measures and gives the text.
    page : Path, optional
    name : str
        Of the marks in the page, see :func:`write_between_marks`.
    """
    began = time.monotonic()
    text = make()
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if page is not None:
        write_between_marks(page, name, text)


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
