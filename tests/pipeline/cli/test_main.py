"""The front door: help, versions, shared options, errors and exit codes."""

import json
import os
import re
import subprocess
import sys
import time

import click
import pytest

from pipeline.cli import main as front
from pipeline.cli.call import pass_call
from pipeline.cli.group import Command, CommandRef
from pipeline.errors import BadInput, MissingDependency, NothingToDo, UsageError
from pipeline.stages import STAGES


@pytest.fixture
def seen(monkeypatch):
    """A command `probe` that notes what it was called with and then does what `seen` says."""
    notes = {}

    @click.command("probe", cls=Command)
    @pass_call
    def probe(call):
        notes["call"] = call
        if "error" in notes:
            raise notes["error"]

    ref = CommandRef("probe", "Probe.", lambda context: probe)
    monkeypatch.setitem(front.cli._refs, "probe", ref)
    monkeypatch.setattr(front.cli, "_loaded", {})
    monkeypatch.delenv("MASKSMITH_WORKSPACE", raising=False)
    return notes


def test_help_lists_every_command_in_under_half_a_second():
    command = [sys.executable, "-c", "from pipeline.cli.main import main; main(['--help'])"]
    seconds = []
    for _ in range(5):  # the fastest counts: the others share a busy machine
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5
    for ref in STAGES:
        assert re.search(rf"^  {ref.name} +{re.escape(ref.summary[:30])}", done.stdout, re.M)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from pipeline.cli.main import main; main(['--help']);"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('numpy','pydantic','torch','rich','sqlalchemy','nibabel')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version(capsys):
    assert front.main(["--version"]) == 0
    assert re.fullmatch(r"masksmith \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "words",
    [
        ["--workspace", "there", "-j", "3", "-vv", "probe"],
        ["probe", "--workspace", "there", "-j", "3", "-vv"],
        ["--workspace", "elsewhere", "-vv", "probe", "--workspace", "there", "-j", "3"],
    ],
)
def test_shared_options_stand_before_or_after_the_command(seen, words):
    assert front.main(words) == 0
    call = seen["call"]
    assert (str(call.workspace_path), call.jobs, call.verbose) == ("there", 3, 2)


def test_workspace_falls_back_to_the_variable_then_to_the_folder(seen, monkeypatch):
    front.main(["probe"])
    assert str(seen["call"].workspace_path) == "workspace"
    monkeypatch.setenv("MASKSMITH_WORKSPACE", "from-variable")
    assert str(seen["call"].workspace_path) == "from-variable"
    front.main(["probe", "--workspace", "flag"])
    assert str(seen["call"].workspace_path) == "flag"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("words do not fit"), 2),
        (NothingToDo("no work"), 3),
        (BadInput("bad\nfile"), 4),
        (MissingDependency("no model"), 5),
        (KeyboardInterrupt(), 130),
        (RuntimeError("surprise"), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(seen, capsys, error, code):
    seen["error"] = error
    assert front.main(["probe"]) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line]
    assert out == ""
    assert len(lines) == 1
    assert lines[0].startswith("masksmith: error: ")
    assert "Traceback" not in err


def test_an_unexpected_error_points_to_debug_and_debug_shows_the_traceback(seen, capsys):
    seen["error"] = RuntimeError("surprise")
    front.main(["probe"])
    assert "RuntimeError: surprise; run again with --debug" in capsys.readouterr().err
    front.main(["probe", "--debug"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_with_json_an_error_is_one_document_too(seen, capsys):
    seen["error"] = BadInput("x.nii.gz is no CT")
    assert front.main(["--json", "probe"]) == 4
    expected = {"error": "x.nii.gz is no CT", "exit_code": 4}
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["staus"], "there is no command 'staus'. Did you mean 'status'? See: masksmith --help"),
        (["probe", "--jobs", "0"], "Invalid value for '-j' / '--jobs': 0 is not in the range"),
        (["probe", "--wrong"], "No such option '--wrong'"),
    ],
)
def test_wrong_usage_is_one_line_with_code_2(seen, capsys, words, message):
    assert front.main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_no_words_at_all_show_the_help(capsys):
    assert front.main([]) == 2
    assert "Usage: masksmith" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, capsys):
    assert front.main(["completion", shell]) == 0
    assert "_MASKSMITH_COMPLETE" in capsys.readouterr().out


def test_completion_completes_a_command():
    words = {"COMP_WORDS": "masksmith ga", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli.main import main; main()"],
        env={**os.environ, "_MASKSMITH_COMPLETE": "bash_complete", **words},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain,gallery"]
