"""How quick the editor is, in a real browser: `make bench-editor`.

A large CT: seconds until it can be painted on, milliseconds from event to picture, seconds to the
next case. Then many cases one after the other: what the annotator waits for beside drawing, and
whether memory grows. Chromium without a graphics card; the CTs are noise, which packs badly.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.editor_cases import make_workspace
from benchmarks.page_tables import add_page, tell_tables
from benchmarks.process_memory import memory_gib
from benchmarks.served import Served

MARK = "bench-editor"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/google-chrome")
PAINTABLE = (
    "window.__editor?.scene?.active?.isOpen === true && window.__editor.scene.info.id === {}"
)
SAVED = "document.getElementById('saved')?.dataset.waiting === '0'"
NEXT_CASE = "window.__editor.scene.info.next_case"
DRAW_S = 5.0
"""Between opening a case and leaving it; correcting takes a person longer."""


@dataclass
class Opened:
    """A large case, in seconds and milliseconds."""

    paintable_s: float
    paint_ms: list[float]
    next_s: list[float]


@dataclass
class Passage:
    """Many cases: what was waited for in each, and the browser's memory after each."""

    open_s: list[float]
    save_s: list[float]
    browser_gib: list[float]


def wait_for(page: Any, expression: str) -> float:
    """Wait until it is true; the seconds it took."""
    begun = time.perf_counter()
    while not page.evaluate(expression):
        if time.perf_counter() - begun > 300:
            raise TimeoutError(f"not true within 300 s: {expression}")
        page.wait_for_timeout(15)
    return time.perf_counter() - begun


def paint(page: Any, strokes: int) -> list[float]:
    """Draw; the milliseconds from each event to the picture."""
    box = page.locator(".plane.main").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate("window.__drawMs.length = 0")
    for number in range(strokes):
        page.mouse.move(x - 100, y - 100 + 5 * number)
        page.mouse.down()
        for step in range(12):
            page.mouse.move(x - 100 + 15 * step, y - 100 + 5 * number + step)
        page.mouse.up()
    return [float(ms) for ms in page.evaluate("window.__drawMs")]


def open_first(page: Any, served: Served) -> float:
    """Sign in, open the first case; the seconds until it can be painted on."""
    page.goto(served.link)
    page.wait_for_selector("tbody tr")
    page.goto("about:blank")
    begun = time.perf_counter()
    page.goto(f"{served.address}/editor.html?debug#s0000/liver")
    wait_for(page, PAINTABLE.format(json.dumps("s0000")))
    return time.perf_counter() - begun


def go_on(page: Any) -> float:
    """Open the next case; the seconds until it can be painted on."""
    coming = page.evaluate(NEXT_CASE)
    page.keyboard.press("n")
    return wait_for(page, PAINTABLE.format(json.dumps(coming)))


def drive_large(page: Any, served: Served, strokes: int, cases: int) -> Opened:
    """Open, paint, go on as soon as the next case is ready."""
    opened = Opened(open_first(page, served), paint(page, strokes), [])
    for _ in range(cases - 1):
        coming = page.evaluate(NEXT_CASE)
        wait_for(page, f"window.__editor.loader.ready === {json.dumps(coming)}")
        opened.next_s.append(go_on(page))
    return opened


def drive_many(page: Any, served: Served, cases: int) -> Passage:
    """One stroke in each case, which is accepted and left, whether the next is ready or not."""
    passage = Passage([open_first(page, served)], [], [])
    for number in range(cases):
        begun = time.perf_counter()
        paint(page, 1)
        page.wait_for_timeout(max(0.0, DRAW_S - (time.perf_counter() - begun)) * 1000)
        begun = time.perf_counter()
        page.keyboard.press("Enter")
        page.wait_for_timeout(30)  # the mask is on its way before it is waited for
        wait_for(page, SAVED)
        passage.save_s.append(time.perf_counter() - begun)
        passage.browser_gib.append(_browser_gib())
        if number < cases - 1:
            passage.open_s.append(go_on(page))
    return passage


def _browser_gib() -> float:
    mine = psutil.Process().children()
    return sum(memory_gib(child.pid)[1] for child in mine if "serve" not in child.cmdline())


@contextmanager
def opened_page(folder: Path, shape: Sequence[int], cases: int) -> Iterator[tuple[Any, Served]]:
    """Serve a new workspace to a browser."""
    from playwright.sync_api import sync_playwright

    i, j, k = shape
    chromium = next(path for path in CHROMIUM if Path(path).is_file())
    workspace = make_workspace(folder, (i, j, k), cases)
    with Served(workspace.path) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1440, "height": 860}), served
        browser.close()


def large_table(shape: Sequence[int], opened: Opened) -> str:
    """Lay out what a large CT takes."""
    median, high = statistics.median(opened.paint_ms), np.percentile(opened.paint_ms, 95)
    following = [f"{seconds:.2f}" for seconds in opened.next_s]
    return "\n".join(
        (
            f"A CT of {' x '.join(map(str, shape))} voxels:\n",
            "| | measured | goal |",
            "|---|---|---|",
            f"| opened, until it can be painted on | {opened.paintable_s:.1f} s | 3 s |",
            f"| from pen to picture, median of {len(opened.paint_ms)} events | {median:.1f} ms "
            f"(95th percentile {high:.1f} ms) | 16 ms |",
            f"| the next case | {', '.join(following)} s | 0.5 s |",
            "",
        )
    )


def many_table(shape: Sequence[int], passage: Passage) -> str:
    """Lay out what is waited for in many cases."""
    both = [a + b for a, b in zip(passage.open_s, passage.save_s, strict=True)]
    rows = [
        ("image and mask", passage.open_s),
        ("saved and accepted", passage.save_s),
        ("both (goal 2 s)", both),
    ]
    lines = [
        f"{len(both)} cases of {' x '.join(map(str, shape))} voxels one after the other, "
        f"{DRAW_S:g} s of drawing in each; what the annotator waits for:\n",
        "| seconds | least | median | 95th percentile | most |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in rows:
        figures = (min(seconds), statistics.median(seconds), np.percentile(seconds, 95))
        cells = " | ".join(f"{each:.2f}" for each in (*figures, max(seconds)))
        lines.append(f"| {name} | {cells} |")
    early = statistics.median(passage.browser_gib[: max(3, len(both) // 10)])
    late = statistics.median(passage.browser_gib[-max(3, len(both) // 10) :])
    lines.append(
        f"\nMemory of the whole browser: {early:.2f} GiB in the first cases, "
        f"{late:.2f} GiB in the last.\n"
    )
    return "\n".join(lines)


def main() -> int:
    """Measure both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", nargs=3, type=int, default=[512, 512, 600])
    parser.add_argument("--strokes", type=int, default=40)
    parser.add_argument("--large-cases", type=int, default=4)
    parser.add_argument("--many-shape", nargs=3, type=int, default=[512, 512, 200])
    parser.add_argument("--many-cases", type=int, default=50, help="0: leave them out")
    add_page(parser)
    arguments = parser.parse_args()

    def make() -> str:
        tables = []
        with tempfile.TemporaryDirectory() as folder:
            shape, cases = arguments.shape, arguments.large_cases
            with opened_page(Path(folder), shape, cases) as (page, served):
                opened = drive_large(page, served, arguments.strokes, cases)
                tables.append(large_table(shape, opened))
        if arguments.many_cases:
            with tempfile.TemporaryDirectory() as folder:
                shape, cases = arguments.many_shape, arguments.many_cases
                with opened_page(Path(folder), shape, cases) as (page, served):
                    tables.append(many_table(shape, drive_many(page, served, cases)))
        return "\n".join(tables)

    tell_tables(make, arguments.page, MARK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
