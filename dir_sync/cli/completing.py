"""The command ``completion``: what a shell needs to complete commands and options.

In:   the words after the command. Out: a script for the shell, on stdout. The scripts are files of the package, which
`python -m tests.shell_files` makes from the parsers, as it makes the man page beside them.
"""

from __future__ import annotations

from importlib.resources import files

from dir_sync import config
from dir_sync.cli.parser import Parser
from dir_sync.reporting.output import say

__all__ = ["FILES", "completion"]

FILES = {"bash": "dir-sync.bash", "zsh": "_dir-sync", "fish": "dir-sync.fish"}
"""In the folder `shell` of the package, by the name of the shell."""

_EXAMPLES = """\
examples:
  {program} completion bash > dir-sync
  {program} completion zsh > _dir-sync
  {program} completion fish > dir-sync.fish

where the shells look for these files:
  bash  ~/.local/share/bash-completion/completions/dir-sync
  zsh   a folder that fpath names
  fish  ~/.config/fish/completions/dir-sync.fish

The shell completes the name dir-sync. An installed package has these files where bash, zsh and fish look for them, if it was
installed for all users.
"""


def completion(argv: list[str]) -> int:
    """``completion SHELL``: print the script with which that shell completes commands and options."""
    parser = Parser(
        "completion",
        "Print a script with which a shell completes commands, options and names of folders after dir-sync.",
        _EXAMPLES,
        "completion bash",
    )
    parser.add_argument("shell", metavar="SHELL", choices=tuple(FILES), help=f"one of {', '.join(FILES)}")
    parser.add_argument("-h", "--help", action="help", help="print this help and exit")
    say(files("dir_sync").joinpath("shell", FILES[parser.parse_args(argv).shell]).read_text("utf-8"), end="")
    return config.OK
