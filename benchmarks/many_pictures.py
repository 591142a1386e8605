"""Many pictures: memory over a long run, pictures a minute by processes, what a picture's time is.

make bench-pictures ARGS="--many 200"
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.case import fill_workspace, make_case
from benchmarks.contender import ROOT
from benchmarks.report import machine
from pipeline.engine import Engine, ProcessEngine, SerialEngine
from pipeline.phantom import BodySettings, make_body
from pipeline.stage import load_settings
from pipeline.workspace import Workspace
from pipeline.workspace.case_file import read_ct
from qc.drawing import DrawTask, PictureFiles, Style, draw_case, paint_masks, write_pictures
from qc.gallery import STAGE, GallerySettings, task_of
from qc.panels import assign_panels
from qc.picture import Subject, render_case, tile_of, warm_renderer
from qc.picture_layout import content_span_mm
from qc.rendering_probe import require_rendering
from qc.scene import Framing
from qc.surfaces import make_body as body_of

FLAT_MIB = 64.0
"""What a process may grow between the first and the last tenth of a long run."""


def main() -> int:
    """Measure, print and write what was asked for; 1 if memory grew."""
    options = read_options()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="masksmith-pictures-") as folder:
        task = prepare(Path(folder), options.spacing_mm)
        results: dict[str, Any] = {"machine": facts, "shares": shares_of(task)}
        print(table_of(results["shares"]))
        results["many"] = measure_many(task, options.many)
        print(words_of(results["many"]))
        results["processes"] = measure_processes(task, options.jobs, options.each)
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"pictures-{time.strftime('%Y%m%dT%H%M%S')}.json"
    path.write_text(json.dumps(results, indent=1))
    print(f"Written: {path}")
    return 0 if results["many"]["grown_mib"] <= FLAT_MIB else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench-pictures", description=__doc__)
    parser.add_argument("--many", type=int, default=200, help="subjects in one process (200)")
    parser.add_argument(
        "--jobs", type=int, nargs="+", default=[1, 2], help="numbers of processes (1 2)"
    )
    parser.add_argument("--each", type=int, default=12, help="pictures for each number (12)")
    parser.add_argument(
        "--spacing-mm", type=float, help="a coarser body than the 270x200x450 voxels of make bench"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    return parser.parse_args()


def prepare(folder: Path, spacing_mm: float | None) -> DrawTask:
    """Make the case and the task of drawing it, as the gallery does."""
    if spacing_mm is None:
        make_case(folder)
        workspace = Workspace.open(folder / "workspace")
    else:
        workspace = Workspace.create(folder / "workspace")
        spacing = (spacing_mm, spacing_mm, spacing_mm)
        body = make_body(BodySettings(seed=7, spacing_mm=spacing), workspace.class_map)
        fill_workspace(workspace, body.ct, body.labels, body.grid)
    settings = load_settings(STAGE, ROOT / "configs", {})
    if not isinstance(settings, GallerySettings):
        raise TypeError(f"settings of the gallery are {type(settings)}")
    style = Style(workspace.class_map, settings.panels, settings.picture())
    [record] = workspace.records()
    return replace(task_of(workspace, record, style, style.digest()), driver=require_rendering())


def copies_of(task: DrawTask, count: int) -> list[DrawTask]:
    """Make tasks that write files of their own."""
    gallery = task.files.gallery
    return [
        replace(task, files=PictureFiles(gallery, f"{task.case.id}-{number}"))
        for number in range(count)
    ]


def draw_and_weigh(task: DrawTask) -> tuple[float, float]:
    """Draw a case; give seconds and what the process holds afterwards in MiB."""
    started = time.perf_counter()
    draw_case(task)
    return time.perf_counter() - started, psutil.Process().memory_info().rss / 2**20


def measure_many(task: DrawTask, count: int) -> dict[str, Any]:
    """Draw one case after the other in this process and compare memory at both ends."""
    draw_and_weigh(task)
    drawn = [draw_and_weigh(each) for each in copies_of(task, count)]
    held = [mib for _, mib in drawn]
    tenth = max(1, count // 10)
    return {
        "subjects": count,
        "median_s": statistics.median(seconds for seconds, _ in drawn),
        "first_mib": statistics.median(held[:tenth]),
        "last_mib": statistics.median(held[-tenth:]),
        "grown_mib": statistics.median(held[-tenth:]) - statistics.median(held[:tenth]),
        "most_mib": max(held),
    }


def measure_processes(task: DrawTask, jobs: Sequence[int], count: int) -> list[dict[str, Any]]:
    """Count pictures a minute with each number of processes, warm-up left out."""
    results: list[dict[str, Any]] = []
    for number in jobs:
        engine: Engine = SerialEngine() if number == 1 else ProcessEngine(number)
        ended = []
        for result in engine.map(draw_and_weigh, copies_of(task, count + number)):
            if result.value is None:
                raise RuntimeError(result.error)
            ended.append(time.perf_counter())
        seconds = ended[-1] - ended[number - 1]
        a_minute = 60 * count / seconds
        results.append({"processes": number, "pictures_a_minute": a_minute})
        first = results[0]["pictures_a_minute"]
        print(f"{number} processes: {a_minute:.1f} pictures a minute ({a_minute / first:.2f}x)")
    return results


def shares_of(task: DrawTask) -> dict[str, dict[str, float]]:
    """Do the parts of one picture one after the other: seconds and processor seconds of each."""
    style, case = task.style, task.case
    panels = assign_panels(style.class_map, style.rules)
    renderer = warm_renderer(tile_of(panels, style.settings), task.driver)
    draw_case(task)
    shares: dict[str, dict[str, float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        value = work()
        shares[name] = {
            "seconds": time.perf_counter() - wall,
            "processor_s": time.process_time() - processor,
        }
        return value

    ct = timed("read the CT", lambda: read_ct(task.ct, case))
    labels = timed(
        "read and paint the masks",
        lambda: paint_masks(case, task.masks, style.class_map.dtype),
    )
    body = timed("boxes, coarser grid", lambda: body_of(labels, case.grid))
    surfaces = timed("surfaces", lambda: {v: body.surface(v) for v in sorted(body.values)})

    def draw_panels() -> None:
        for panel in panels:
            there = [(surfaces[s.value], s.colour) for s in panel.structures if s.value in surfaces]
            span = content_span_mm(panel, body)
            if span is not None:
                renderer.draw(there, Framing((sum(span) / 2, 150.0, 337.0), 1.07))

    timed("draw the views with their pick maps", draw_panels)
    subject = Subject(labels, case.grid, ct, task.info)
    picture = timed(
        "the whole picture, side by side",
        lambda: render_case(
            subject, style.class_map, style.rules, style.settings, driver=task.driver
        ),
    )
    timed("pack and write all files", lambda: write_pictures(picture, task.files, task.digest))
    timed("everything, as a worker does it", lambda: draw_case(task))
    return shares


def table_of(shares: dict[str, dict[str, float]]) -> str:
    """Show where the time goes."""
    lines = [f"{'':40}{'seconds':>9}{'processor':>11}"]
    for name, share in shares.items():
        lines.append(f"{name:40}{share['seconds']:9.2f}{share['processor_s']:11.2f}")
    return "\n".join(lines)


def words_of(many: dict[str, Any]) -> str:
    """Say whether memory stayed flat."""
    flat = "flat" if many["grown_mib"] <= FLAT_MIB else "NOT flat"
    return (
        f"{many['subjects']} subjects in one process: {many['median_s']:.2f} s each; "
        f"{many['first_mib']:.0f} MiB at first, {many['last_mib']:.0f} MiB at last: {flat}"
    )


if __name__ == "__main__":
    sys.exit(main())
