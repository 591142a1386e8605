import signal
import subprocess
import sys

import pytest

from pipeline.workspace import Workspace

DIE_AT_TABLE = """
import os, signal, sys
from alembic.ddl.impl import DefaultImpl
from pipeline.workspace import Workspace

create, made = DefaultImpl.create_table, []

def dying(self, table, **named):
    made.append(table.name)
    create(self, table, **named)
    if len(made) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

DefaultImpl.create_table = dying
Workspace.open(sys.argv[1]).cases()
"""


@pytest.mark.parametrize("table", [1, 3, 6])
def test_a_ledger_killed_while_its_tables_are_made_can_be_used_again(workspace, table):
    command = [sys.executable, "-c", DIE_AT_TABLE, str(workspace.path), str(table)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Workspace.open(workspace.path).cases() == ()
    number = Workspace.open(workspace.path).ledger.begin_run("intake", {}, "")
    assert [run.id for run in Workspace.open(workspace.path).ledger.runs()] == [number]
