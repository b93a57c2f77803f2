"""The command line: its options, its commands, and their output.

What is in it: `entry` finds the command, and turns every error into one line and an exit code; `options` has the
options of a node and the layout of help; `commands` the other commands; `status_words` the text of `status`.
It may import everything but the engine: it runs a node through `dir_sync.daemon`, and asks one through
`dir_sync.network.control`. Who calls it: main.py.
"""

from dir_sync.cli.asked import read_configs
from dir_sync.cli.entry import COMMANDS, main

__all__ = ["COMMANDS", "main", "read_configs"]
