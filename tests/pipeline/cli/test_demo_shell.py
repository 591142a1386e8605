"""The commands of the demo: shown, run, noted; what happens when one fails."""

import sys

import pytest

from pipeline.cli import demo_shell
from pipeline.cli.call import Call
from pipeline.cli.demo_shell import Shell
from pipeline.errors import MasksmithError


@pytest.fixture
def shell(tmp_path):
    return Shell(Call(jobs=1), tmp_path / "trusted.json")


def test_a_step_is_shown_run_and_noted(shell, tmp_path, capsys):
    shell.masksmith("what there is", "phantom", str(tmp_path / "x"), "--count", "1",
                    "--spacing-mm", "15", "--layout", "plain")  # fmt: skip
    (step,) = shell.steps
    assert step.command.startswith("masksmith phantom ")
    assert step.answer == f"phantom: 1 bodies in {tmp_path / 'x'}"
    assert f"$ {step.command}\n{step.answer}\n" in capsys.readouterr().out
    assert (tmp_path / "x" / "s0000_labels.nii.gz").is_file()


def test_a_step_that_fails_stops_the_demo_and_says_where(shell, tmp_path, capfd):
    with pytest.raises(MasksmithError, match=r"stopped at 'masksmith .*status' \(exit code 3\)"):
        shell.masksmith("too early", "--workspace", str(tmp_path / "ws"), "status")
    assert "no workspace" in capfd.readouterr().err


def test_approvals_of_the_demo_stay_in_its_folder(shell, tmp_path, monkeypatch):
    code = "import os; print(os.environ['MASKSMITH_TRUST_FILE'])"
    monkeypatch.setattr(demo_shell, "COMMAND", (sys.executable, "-c", code))
    _, answer = shell._run(())
    assert answer == str((tmp_path / "trusted.json").resolve())
