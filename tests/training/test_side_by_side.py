"""Models spread over GPUs. No GPU is needed: places are only names here, processes are real."""

import threading
import time

import pytest

from pipeline.errors import MissingDependency, UsageError
from training import nnunet_process, side_by_side
from training.nnunet_process import NnunetError, NnunetFolders, NnunetProcess, ProcessSettings
from training.side_by_side import require_devices, run_side_by_side

GPUS = ("gpu:0", "gpu:1")


def test_one_device_runs_everything_in_order_in_this_thread():
    def story(number):
        def tell(place):
            yield number, place, threading.current_thread()

        return tell

    told = list(run_side_by_side([story(n) for n in range(3)], ["cpu"]))
    assert told == [(n, "cpu", threading.current_thread()) for n in range(3)]


def test_two_gpus_work_at_once_and_the_next_model_takes_the_first_free_one():
    both = threading.Barrier(2, timeout=20)
    quick_is_over = threading.Event()

    def slow(place):
        both.wait()
        assert quick_is_over.wait(20)
        yield "slow", place

    def quick(place):
        both.wait()
        yield "quick", place

    def third(place):
        yield "third", place
        quick_is_over.set()

    told = dict(run_side_by_side([slow, quick, third], GPUS))
    assert set(told) == {"slow", "quick", "third"}
    assert told["third"] == told["quick"] != told["slow"]
    assert {told["slow"], told["quick"]} == set(GPUS)


def test_no_thread_runs_far_ahead_of_the_driver():
    made = []

    def busy(place):
        for number in range(50):
            made.append(number)
            yield number

    told = run_side_by_side([busy, busy], GPUS)
    next(told)
    time.sleep(0.3)
    assert len(made) <= 6
    assert len(list(told)) == 99


def test_an_error_of_one_story_comes_back_and_stops_the_others():
    def broken(place):
        yield "began"
        raise MissingDependency("nnU-Net is not installed")

    def endless(place):
        while True:
            yield "still here"

    with pytest.raises(MissingDependency, match="not installed"):
        list(run_side_by_side([broken, endless], GPUS))
    assert not [t for t in threading.enumerate() if t.name in GPUS]


def test_leaving_early_kills_what_the_threads_started(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(
        'import time\nprint(\'@masksmith {"event": "ready"}\', flush=True)\ntime.sleep(60)\n'
    )
    monkeypatch.setattr(nnunet_process, "WORKER", worker)
    pids = []

    def waits_for_its_child(place):
        settings = ProcessSettings(tmp_path / f"{place}.log")
        process = NnunetProcess({}, NnunetFolders(tmp_path), settings, tmp_path / f"{place}.json")
        with process:
            process.next_event("ready")
            pids.append(process.pid)
            yield place
            with pytest.raises(NnunetError, match="SIGKILL"):
                process.next_event("never")

    told = run_side_by_side([waits_for_its_child, waits_for_its_child], GPUS)
    assert {next(told), next(told)} == set(GPUS)
    started = time.monotonic()
    told.close()
    assert time.monotonic() - started < 20
    assert len(pids) == 2
    assert not set(pids) & set(nnunet_process._started_by)
    assert not [t for t in threading.enumerate() if t.name in GPUS]


@pytest.mark.parametrize(
    ("places", "count", "words"),
    [
        (["gpu"], 0, r"device gpu: torch sees no GPU.*--profile tiny.*--device cpu"),
        (["gpu:1"], 0, r"device gpu:1: torch sees no GPU"),
        (["gpu:0", "gpu:2"], 2, r"device gpu:2: this machine has gpu:0, gpu:1"),
    ],
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, places, count, words):
    monkeypatch.setattr(side_by_side, "visible_gpus", lambda: count)
    with pytest.raises(MissingDependency, match=words):
        require_devices(places)


def test_devices_that_are_there_pass_and_a_cpu_is_not_asked_for_gpus(monkeypatch):
    monkeypatch.setattr(side_by_side, "visible_gpus", lambda: 2)
    require_devices(["gpu", "gpu:1"])
    monkeypatch.delattr(side_by_side, "visible_gpus")
    require_devices(["cpu"])
    with pytest.raises(UsageError, match="use cpu, gpu or gpu:N"):
        require_devices(["cuda"])
