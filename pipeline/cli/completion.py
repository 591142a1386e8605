"""`masksmith completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pipeline.cli.group import Command

VARIABLE = "_MASKSMITH_COMPLETE"


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: masksmith completion bash > ~/.local/share/bash-completion/completions/masksmith

    zsh: masksmith completion zsh > "${fpath[1]}/_masksmith"

    fish: masksmith completion fish > ~/.config/fish/completions/masksmith.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}", context)
    root = context.find_root().command
    click.echo(made(root, {}, "masksmith", VARIABLE).source())
