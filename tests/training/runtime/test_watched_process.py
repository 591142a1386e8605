import sys

from training.runtime import watched_process
from training.runtime.watched_process import watch

MIB = 2**20
HOLDS = """
import subprocess, sys, time
block = bytearray({mib} * 2**20)
{more}
time.sleep(0.6)
"""
CHILD = 'child = subprocess.Popen([sys.executable, "-c", {code!r}])'


def test_memory_of_the_program_and_its_children_is_counted(tmp_path):
    alone = watch([sys.executable, "-c", HOLDS.format(mib=80, more="")], tmp_path / "log")
    assert 80 * MIB < alone.ram_bytes < 140 * MIB
    assert 0.6 < alone.seconds < 30
    assert alone.gpu_bytes is None
    assert alone.failure == ""
    child = CHILD.format(code="import time; block = bytearray(90 * 2**20); time.sleep(0.5)")
    both = watch(
        [sys.executable, "-c", HOLDS.format(mib=80, more=child) + "child.wait()"],
        tmp_path / "log",
    )
    assert both.ram_bytes > 170 * MIB


def test_a_program_that_fails_says_how(tmp_path):
    code = "import sys; sys.stderr.write('no model here\\n'); sys.exit(5)"
    taken = watch([sys.executable, "-c", code], tmp_path / "log")
    assert taken.failure == "ended with exit code 5: no model here"
    killed = watch([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], tmp_path / "log")
    assert killed.failure == "was killed, perhaps for memory"


def test_gpu_memory_is_what_the_card_holds_beyond_what_it_held(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    busy = tmp_path / "busy"
    tool.write_text(f'#!/bin/sh\n[ -e "{busy}" ] && echo 2600 || echo 600\n')
    tool.chmod(0o755)
    monkeypatch.setattr(watched_process.shutil, "which", lambda name: str(tool))
    monkeypatch.setattr(watched_process, "_GPU_STEP_S", 0.02)
    code = f"import pathlib, time; pathlib.Path({str(busy)!r}).touch(); time.sleep(1)"
    taken = watch([sys.executable, "-c", code], tmp_path / "log", gpu=0)
    assert taken.gpu_bytes == 2000 * MIB
    monkeypatch.setattr(watched_process.shutil, "which", lambda name: None)
    assert watch([sys.executable, "-c", "pass"], tmp_path / "log", gpu=0).gpu_bytes is None
