import os
import time

import numpy as np
import pytest

from pipeline.engine import ProcessEngine, SerialEngine, make_engine
from pipeline.errors import BadInput


def work(item):
    if item == "bad":
        raise BadInput("x.nii: is bad;\n do better")
    if item == "bug":
        raise KeyError("oops")
    if item == "dies":
        os._exit(7)
    if item == "hangs":
        time.sleep(60)
    if item == "eats":
        return np.ones(2**32, np.uint8).sum()
    return item.upper()


def outcomes(engine, items, **keywords):
    return {r.item: r.value or r.error for r in engine.map(work, items, **keywords)}


@pytest.mark.parametrize("engine", [SerialEngine(), ProcessEngine(2)])
def test_one_bad_task_never_stops_the_others(engine):
    found = outcomes(engine, ["a", "bad", "b", "bug", "c"])
    assert found == {
        "a": "A",
        "b": "B",
        "c": "C",
        "bad": "x.nii: is bad; do better",
        "bug": "KeyError: 'oops'",
    }


def test_a_process_that_dies_or_hangs_or_eats_takes_only_its_task_along():
    engine = ProcessEngine(2, max_memory_bytes=3 * 2**30)
    found = outcomes(engine, ["a", "dies", "hangs", "eats", "b", "c"], timeout_s=4)
    assert found["dies"] == "its process died (exit code 7)"
    assert found["hangs"] == "took longer than its time limit and was stopped"
    assert "needs more memory" in found["eats"]
    assert (found["a"], found["b"], found["c"]) == ("A", "B", "C")


def test_no_items_give_no_results():
    assert list(ProcessEngine(2).map(work, [])) == []


def test_a_driver_that_stops_early_stops_its_processes():
    results = ProcessEngine(2).map(work, ["a", "hangs", "hangs", "b"])
    started = time.monotonic()
    assert next(results).value == "A"
    results.close()
    assert time.monotonic() - started < 30


def test_one_job_runs_in_this_process():
    assert isinstance(make_engine(1), SerialEngine)
    assert make_engine(3) == ProcessEngine(3)
