"""How quick the editor is: to paintable, from event to picture, to the next case; in the browser.

    python -m benchmarks.editor [--shape 512 512 600] [--strokes 40] [--cases 3]

Chromium without a graphics card. The CT is noise in a body of water: it packs badly.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.volume import Grid
from pipeline.workspace import Case, Provenance, Workspace, digest_of_ct, write_case
from pipeline.workspace.mask_file import write_label_map_masks

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/google-chrome")
PAINTABLE = (
    "window.__editor?.scene?.active?.isOpen === true && window.__editor.scene.info.id === {}"
)


def make_workspace(folder: Path, shape: tuple[int, int, int], cases: int) -> Workspace:
    """Make cases with a large liver and a spleen."""
    workspace = Workspace.create(folder / "workspace")
    generator = np.random.default_rng(0)
    affine = np.diag([0.75, 0.75, 1.0, 1.0])
    inside = tuple(slice(size // 10, -(size // 10)) for size in shape[:2])
    noise = generator.integers(-40, 40, shape, dtype=np.int16)
    for number in range(cases):
        ct = np.full(shape, -1000, np.int16, order="F")
        ct[inside] = 40 + np.roll(noise, number, 0)[inside]
        case = Case(f"s{number:04d}", Grid(shape, affine), digest_of_ct(ct, Grid(shape, affine)))
        write_case(workspace.layout, case, ct)
        workspace.record_case(case)
        labels = np.zeros(shape, workspace.class_map.dtype, order="F")
        i, j, k = (size // 2 for size in shape)
        labels[i : i + i // 2, j : j + j // 2, k : k + k // 2] = workspace.class_map["liver"].value
        labels[i // 3 : i // 2, j : j + j // 3, k : k + k // 3] = workspace.class_map[
            "spleen"
        ].value
        maker = Provenance("model", "model:bench")
        written = write_label_map_masks(workspace.layout, case, labels, workspace.class_map, maker)
        workspace.record_masks(written)
    return workspace


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


def drive(page: Any, link: str, address: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Open, paint, go on; the figures."""
    page.goto(link)
    page.wait_for_selector("tbody tr")
    page.goto("about:blank")
    begun = time.perf_counter()
    page.goto(f"{address}/editor.html?debug#s0000/liver")
    wait_for(page, PAINTABLE.format(json.dumps("s0000")))
    paintable_s = time.perf_counter() - begun
    latencies = paint(page, arguments.strokes)
    following = []
    for _ in range(arguments.cases - 1):
        coming = page.evaluate("window.__editor.scene.info.next_case")
        wait_for(page, f"window.__editor.loader.ready === {json.dumps(coming)}")
        page.keyboard.press("n")
        following.append(wait_for(page, PAINTABLE.format(json.dumps(coming))))
    return {
        "shape": arguments.shape,
        "paintable_s": round(paintable_s, 2),
        "paint_median_ms": round(statistics.median(latencies), 1),
        "paint_p95_ms": round(float(np.percentile(latencies, 95)), 1),
        "next_s": [round(seconds, 2) for seconds in following],
    }


def main() -> None:
    """Measure and print one line of JSON."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", nargs=3, type=int, default=[512, 512, 600])
    parser.add_argument("--strokes", type=int, default=40)
    parser.add_argument("--cases", type=int, default=3)
    arguments = parser.parse_args()
    i, j, k = arguments.shape
    chromium = next(path for path in CHROMIUM if Path(path).is_file())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = make_workspace(Path(folder), (i, j, k), arguments.cases)
        command = [
            sys.executable,
            "-m",
            "pipeline.cli",
            "--workspace",
            str(workspace.path),
            "--json",
        ]
        server = subprocess.Popen(
            [*command, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            opening = json.loads("".join(iter_document(server)))
            page = browser.new_page(viewport={"width": 1440, "height": 860})
            print(json.dumps(drive(page, opening["link"], opening["address"], arguments)))
        finally:
            browser.close()
            server.terminate()
            server.wait(timeout=60)


def iter_document(server: "subprocess.Popen[str]") -> list[str]:
    """Read the one JSON document that the server prints when it is ready."""
    assert server.stdout is not None
    lines: list[str] = []
    for line in server.stdout:
        lines.append(line)
        if line.startswith("}"):
            break
    return lines


if __name__ == "__main__":
    main()
