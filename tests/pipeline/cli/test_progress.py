"""Progress on stderr: lines, a bar, or nothing."""

import logging
from types import SimpleNamespace

import pytest

from pipeline.cli import progress as module
from pipeline.cli.call import Call
from pipeline.cli.log import set_up_log
from pipeline.cli.progress import WatchedEngine, progress_for

GOOD = SimpleNamespace(subject="s0001", status="done", note="", figures={})
BAD = SimpleNamespace(subject="s0002", status="failed", note="no CT", figures={})


@pytest.fixture(autouse=True)
def _quiet_log_afterwards():
    yield
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h).__name__ == "StderrHandler"]:
        root.removeHandler(handler)


def test_in_a_pipe_it_is_one_line_a_case(capsys):
    with progress_for(Call(), "intake") as progress:
        progress.expect(2)
        progress.hear(GOOD)
        progress.hear(BAD)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["done   s0001", "failed s0002: no CT"]


@pytest.mark.parametrize("call", [Call(quiet=True), Call(no_progress=True)])
def test_it_is_silent_when_asked(call, capsys):
    with progress_for(call, "intake") as progress:
        progress.expect(1)
        progress.hear(BAD)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_it_is_a_bar_with_failures_and_log_above_it(capsys, monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    set_up_log(Call())
    with progress_for(Call(), "intake") as progress:
        progress.expect(2)
        progress.hear(GOOD)
        logging.getLogger("pipeline.intake").warning("odd spacing")
        progress.hear(BAD)
    out, err = capsys.readouterr()
    assert out == ""
    assert "intake" in err
    assert "2/2" in err
    assert "WARNING pipeline.intake: odd spacing\n" in err
    assert "failed s0002: no CT" in err


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (Call(), ["       round 1: epoch 2 of 5"]),
        (Call(verbose=1), ["INFO training.retrain: round 1: epoch 2 of 5"]),
        (Call(quiet=True), []),
        (Call(no_progress=True), []),
    ],
)
def test_a_long_training_says_how_far_it_is(call, shown, capsys):
    set_up_log(call)
    with progress_for(call, "retrain"):
        logging.getLogger("training.retrain").info("round 1: epoch %d of %d", 2, 5)
    logging.getLogger("training.retrain").info("over")
    assert capsys.readouterr().err.splitlines()[:1] == shown


def test_the_bar_shows_how_far_a_training_is(capsys, monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    set_up_log(Call())
    with progress_for(Call(), "retrain"):
        logging.getLogger("training.retrain").info("epoch 2 of 5")
    assert "epoch 2 of 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (Call(), ["WARNING"]),
        (Call(quiet=True), []),
        (Call(verbose=1), ["INFO", "WARNING"]),
        (Call(verbose=2), ["DEBUG", "INFO", "WARNING"]),
    ],
)
def test_quiet_and_verbose_choose_what_the_log_says(call, shown, capsys):
    set_up_log(call)
    log = logging.getLogger("training.retrain")
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == shown


@pytest.mark.parametrize(("verbose", "shown"), [(1, ["WARNING"]), (2, ["INFO", "WARNING"])])
def test_libraries_only_warn_unless_everything_is_asked_for(verbose, shown, capsys):
    set_up_log(Call(verbose=verbose))
    logging.getLogger("alembic").info("a")
    logging.getLogger("alembic").warning("b")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == shown


def test_an_engine_that_is_watched_says_how_much_work_it_got():
    heard = []
    engine = SimpleNamespace(jobs=3, map=lambda f, items, timeout_s=None: iter(map(f, items)))
    progress = SimpleNamespace(expect=heard.append)
    watched = WatchedEngine(engine, progress)
    assert list(watched.map(str, [1, 2])) == ["1", "2"]
    assert (heard, watched.jobs) == ([2], 3)
