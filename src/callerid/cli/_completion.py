"""``callerid completion``: what makes a shell complete commands, options and file names."""

from __future__ import annotations

from typing import TextIO

import click
from click.shell_completion import get_completion_class

from callerid.cli._frame import COMPLETE, MISSING, PROGRAM, cli_command

__all__ = ["command"]

SHELLS = ("bash", "zsh", "fish")


@cli_command("completion", codes={0: "the script was printed", 2: MISSING})
@click.argument("shell", type=click.Choice(SHELLS))
def command(out: TextIO, shell: str) -> int:
    """Print a script that makes a shell complete commands, options and files.

    \b
    bash: eval "$(callerid completion bash)"          in ~/.bashrc
    zsh:  eval "$(callerid completion zsh)"           in ~/.zshrc
    fish: callerid completion fish | source           in config.fish
    """  # noqa: D301 - click reads the character that is meant
    group = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all of SHELLS
    out.write(kind(group.command, {}, PROGRAM, COMPLETE).source() + "\n")
    return 0
