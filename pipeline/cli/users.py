"""`masksmith users`: who may sign in to the workbench."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.call import Call, pass_call
from pipeline.cli.group import Command, Group
from pipeline.cli.output import write_json, write_table
from pipeline.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from annotation.server.people import People

_ROLES = ("annotator", "reviewer", "admin")


@click.group("users", cls=Group)
def command() -> None:
    """Add, list and remove the people who may sign in to the workbench (masksmith serve).

    An annotator draws and decides in cases that are free or assigned to them; a reviewer also in
    everybody's, assigns cases and takes leases over; an admin may what a reviewer may.
    """


@command.command("add", cls=Command)
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="annotator", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--no-password", is_flag=True, help="This person comes in through a proxy only.")
@pass_call
def add(call: Call, /, name: str, role: str, password_stdin: bool, no_password: bool) -> None:
    """Make an account; the password is asked for."""
    from annotation.server.people import ROLES, checked_name

    if password_stdin and no_password:
        raise UsageError("say either --password-stdin or --no-password")
    checked_name(name)
    people = _people(call)
    password = None if no_password else _password(from_stdin=password_stdin)
    person = people.add(name, ROLES[_ROLES.index(role)], password)
    click.echo(f"added {person.name}, {person.role}")


@command.command("list", cls=Command)
@pass_call
def list_(call: Call, /) -> None:
    """List the accounts."""
    accounts = _people(call).accounts()
    if call.as_json:
        write_json({"people": list(accounts)})
        return
    if not accounts:
        raise NothingToDo("nobody has an account; make one with 'masksmith users add NAME'")
    rows = [
        (a.name, a.role, "password" if a.has_password else "proxy", a.created[:10])
        for a in accounts
    ]
    write_table(("name", "role", "signs in by", "since"), rows)


@command.command("remove", cls=Command)
@click.argument("name")
@pass_call
def remove(call: Call, /, name: str) -> None:
    """Take an account away; what this person drew and decided stays."""
    _people(call).remove(name)
    click.echo(f"removed {name}; their sessions have ended")


@command.command("password", cls=Command)
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@pass_call
def password(call: Call, /, name: str, password_stdin: bool) -> None:
    """Change a password; it is asked for."""
    _people(call).set_password(name, _password(from_stdin=password_stdin))
    click.echo(f"{name} has a new password; their sessions have ended")


@command.command("role", cls=Command)
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@pass_call
def role(call: Call, /, name: str, role: str) -> None:
    """Change a role."""
    from annotation.server.people import ROLES

    _people(call).set_role(name, ROLES[_ROLES.index(role)])
    click.echo(f"{name} is {role} now; their sessions have ended")


def _people(call: Call) -> People:
    from annotation.server.people import People
    from annotation.server.server_store import ServerStore

    return People(ServerStore(call.open_workspace().layout.server_dir))


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = click.prompt("password", hide_input=True, confirmation_prompt="once more")
    return asked
