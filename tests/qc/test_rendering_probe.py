"""The probe: a missing driver is an error that names the remedy, never a crash."""

import subprocess
from collections.abc import Iterator

import pytest

from pipeline.errors import MissingDependency
from qc import rendering_probe
from qc.rendering_probe import INSTALL_COMMAND, WAYS, main, require_rendering


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    require_rendering.cache_clear()
    yield
    require_rendering.cache_clear()


def answers(monkeypatch: pytest.MonkeyPatch, *codes: int, stderr: str = "") -> list[str]:
    """Let the probe's processes end with these codes; return the ways that were tried."""
    tried: list[str] = []
    remaining = list(codes)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        tried.append(command[-1])
        return subprocess.CompletedProcess(command, remaining.pop(0), "", stderr)

    monkeypatch.setattr(rendering_probe.subprocess, "run", run)
    return tried


def test_the_plain_way_is_tried_first_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = answers(monkeypatch, 0)
    assert require_rendering() == require_rendering() == WAYS[0]
    assert tried == [WAYS[0]]


def test_drivers_without_a_feature_get_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = answers(monkeypatch, 1, 0)
    assert require_rendering() == WAYS[1]
    assert tried == list(WAYS)


def test_a_crash_is_reported_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, -11, 1)
    with pytest.raises(MissingDependency, match="crashed with signal 11") as caught:
        require_rendering()
    assert INSTALL_COMMAND in str(caught.value)


def test_the_command_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, 1, 1, stderr="Traceback\nRuntimeError: no adapter\n")
    assert main() == 1
    assert "RuntimeError: no adapter" in capsys.readouterr().err


def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(rendering_probe.subprocess, "run", run)
    with pytest.raises(MissingDependency, match="took longer"):
        require_rendering()


@pytest.mark.rendering
def test_here_pictures_can_be_drawn(driver: str) -> None:
    assert driver in WAYS
    assert main() == 0
