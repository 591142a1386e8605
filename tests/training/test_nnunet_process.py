import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import MissingDependency, UsageError
from training import nnunet_process
from training.nnunet_process import (
    NnunetError,
    NnunetFolders,
    NnunetProcess,
    ProcessSettings,
    child_environment,
    device_kind,
    last_words,
    parse_line,
    run_steps,
)

WORKER_HEAD = """
import json, os, sys, time
job = json.load(open(sys.argv[1]))
def report(**fields):
    print("@masksmith " + json.dumps(fields), flush=True)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Give a function that makes a process whose worker is the given code."""

    def make(code: str, **job: object) -> NnunetProcess:
        worker = tmp_path / "worker.py"
        worker.write_text(WORKER_HEAD + code)
        monkeypatch.setattr(nnunet_process, "WORKER", worker)
        settings = ProcessSettings(log=tmp_path / "nnunet.log")
        folders = NnunetFolders(tmp_path / "nnunet")
        return NnunetProcess(job, folders, settings, tmp_path / "job.json")

    return make


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> bool:
    for _ in range(100):
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False


def test_the_environment_is_explicit_and_ours_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "/somebody/elses")
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    before = dict(os.environ)
    folders = NnunetFolders(tmp_path)
    child = child_environment(folders, ProcessSettings(tmp_path / "log", "cpu", threads=3))
    assert dict(os.environ) == before
    assert child["nnUNet_raw"] == str(tmp_path / "raw")
    assert child["nnUNet_preprocessed"] == str(tmp_path / "preprocessed")
    assert child["nnUNet_results"] == str(tmp_path / "results")
    assert Path(child["nnUNet_extTrainer"]).name == "nnunet_trainers"
    assert child["nnUNet_compile"] == "f"
    assert child["CUDA_VISIBLE_DEVICES"] == ""
    assert child["OMP_NUM_THREADS"] == "3"
    assert "SECRET_TOKEN" not in child


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", ("cpu", None)), ("gpu", ("gpu", None)), ("gpu:2", ("gpu", 2))]
)
def test_devices(device, expected, tmp_path):
    assert device_kind(device) == expected
    child = child_environment(NnunetFolders(tmp_path), ProcessSettings(tmp_path / "log", device))
    if device == "gpu:2":
        assert child["CUDA_VISIBLE_DEVICES"] == "2"
        assert child["nnUNet_compile"] == "t"


@pytest.mark.parametrize("device", ["cuda", "gpu:", "gpu:x", "", "CPU"])
def test_unknown_devices_are_refused(device):
    with pytest.raises(UsageError, match="use cpu, gpu or gpu:N"):
        device_kind(device)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("2026-11-23 09:45:39.671996: Epoch 12\n", {"event": "epoch", "epoch": 12}),
        ("2026-11-23 09:45:39.671996: Epoch 12 \n", {"event": "epoch", "epoch": 12}),
        ("Epoch time: 3.4 s\n", None),
        ("in Epoch 3 of the world\n", None),
        ('@masksmith {"event": "step", "step": "train"}\n', {"event": "step", "step": "train"}),
        ("@masksmith {broken\n", None),
        ("@masksmith 7\n", None),
    ],
)
def test_lines_of_the_log_become_events(line, event):
    assert parse_line(line) == event


def test_last_words_are_the_error_and_not_the_noise():
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "RuntimeError: CUDA out of memory",
        "",
        "100%|####| 3/3 [00:01<00:00,  2.1it/s]",
        "resource_tracker: There appear to be 6 leaked semaphore objects",
    ]
    assert last_words(lines) == "RuntimeError: CUDA out of memory"
    assert last_words(["a", "b", "", "c", "d"]) == "b | c | d"
    assert last_words([""]) == "it printed nothing"


def test_events_come_in_order_and_everything_is_logged(start, tmp_path):
    events = []
    run_steps(
        start(
            "print('hello'); print('2026: Epoch 0'); report(event='step', step=job['what'])",
            what="x",
        ),
        events.append,
    )
    assert events == [{"event": "epoch", "epoch": 0}, {"event": "step", "step": "x"}]
    assert "hello\n" in (tmp_path / "nnunet.log").read_text()


def test_an_error_carries_what_the_worker_reported_and_the_log(start, tmp_path):
    code = "report(event='error', error='ValueError: no such planner'); sys.exit(1)"
    with pytest.raises(NnunetError, match="no such planner") as caught:
        run_steps(start(code), lambda _: None)
    assert str(tmp_path / "nnunet.log") in str(caught.value)


def test_a_worker_killed_by_the_system_is_named_with_its_signal(start):
    with pytest.raises(NnunetError, match=r"SIGKILL.*about to use much memory"):
        run_steps(
            start("print('about to use much memory', flush=True); os.kill(os.getpid(), 9)"),
            lambda _: None,
        )


def test_a_missing_nnunet_is_a_missing_dependency(start):
    code = "raise ModuleNotFoundError(\"No module named 'nnunetv2'\")"
    with pytest.raises(MissingDependency, match="pip install nnunetv2"):
        run_steps(start(code), lambda _: None)


def test_leaving_early_kills_the_child_and_its_children(start, tmp_path):
    code = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
report(event="ready", child=child.pid)
time.sleep(60)
"""
    process = start(code)

    def interrupted() -> int:
        with process:
            child = int(process.next_event("ready")["child"])
            seen.append(child)
            assert is_running(child)
            raise KeyboardInterrupt

    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert wait_until_gone(process.pid)
    assert wait_until_gone(seen[0])


def test_requests_reach_the_worker_and_a_dead_one_is_noticed(start):
    code = """
for line in sys.stdin:
    request = json.loads(line)
    if request["id"] == "bad":
        sys.exit(3)
    report(event="predicted", id=request["id"])
"""
    with start(code) as process:
        process.send({"id": "a"})
        assert process.next_event("predicted")["id"] == "a"
        process.send({"id": "bad"})
        with pytest.raises(NnunetError):
            process.next_event("predicted")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_worker_dies_with_its_parent(tmp_path: Path):
    """A parent that is killed cannot clean up: the real worker must go on its own."""
    parent = tmp_path / "parent.py"
    parent.write_text(f"""
import json, os, subprocess, sys, time
job = {{"parent_pid": os.getpid(), "threads": 1, "steps": ["sleep"]}}
open("job.json", "w").write(json.dumps(job))
code = (
    "import runpy, sys, time; sys.argv = ['w', 'job.json'];"
    "import json; steps = runpy.run_path({str(nnunet_process.WORKER)!r}, run_name='__mp_main__');"
    "print('ready', flush=True); time.sleep(60)"
)
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\\n"
print(child.pid, flush=True)
time.sleep(60)
""")
    running = subprocess.Popen(
        [sys.executable, str(parent)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert running.stdout is not None
    child = int(running.stdout.readline())
    assert is_running(child)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert wait_until_gone(child)
