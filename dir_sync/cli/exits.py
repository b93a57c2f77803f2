"""The exit codes: one table for all commands. The end of each --help and docs/cli.md are made from it.

In:   the name of a command. Out: what each of its codes means.
Rule: a code means the same for all commands: 0 done, 1 trouble, 2 wrong command line, 3 not in time, 4 done, and the answer is
that something is not as it should be. A new command needs its row here.
Used by: cli.parser.
"""

from __future__ import annotations

from dir_sync.config import ENVIRONMENT, OK, TIMEOUT, UNFINISHED, USAGE

__all__ = ["EXITS", "GENERAL", "INTERRUPTED", "exits_of", "words"]

INTERRUPTED = 130  # SIGINT

GENERAL = {
    OK: "Done.",
    ENVIRONMENT: "The command failed. One line on stderr says why.",
    USAGE: "The command line is wrong: an unknown option, a folder that does not exist, a time in the future.",
    TIMEOUT: "Under way, but not finished in time. A running node goes on with it.",
    UNFINISHED: "Done, and the answer is that something is not as it should be.",
    129: "SIGHUP ended a command.",
    INTERRUPTED: "SIGINT (Ctrl-C) ended a command, or, as a later signal, a node at once.",
    143: "SIGTERM did the same.",
}
"""What each code means for every command."""

_NO_NODE = "no node is running for DIR, or it waits for a DIR that is gone"

EXITS: dict[str, dict[int, str]] = {
    "run": {OK: "ended cleanly by a signal", ENVIRONMENT: "trouble, such as a port in use"},
    "start": {
        OK: "it runs, or it ran already",
        ENVIRONMENT: "it cannot run: one line says why",
        TIMEOUT: "not ready in time",
    },
    "stop": {OK: "it has ended, or none was running", TIMEOUT: "it did not end in time"},
    "restart": {
        OK: "it runs again",
        ENVIRONMENT: "it does not run: one line says why",
        TIMEOUT: "not ended or not ready in time",
    },
    "service": {
        OK: "done; status: it runs",
        ENVIRONMENT: "it could not be done, or no service is installed",
        UNFINISHED: "status: it does not run",
    },
    "once": {
        OK: "the same on both sides; with --dry-run: it would be",
        TIMEOUT: "not in time, or nobody was there, or not all that --peer names",
        UNFINISHED: "something cannot be the same, and is listed",
    },
    "status": {
        OK: "answered",
        ENVIRONMENT: _NO_NODE,
        UNFINISHED: "with --check: not all in sync, something is held, or a machine went over to a closed mesh",
    },
    "wait": {
        OK: "everything is there",
        ENVIRONMENT: _NO_NODE,
        TIMEOUT: "not in time",
        UNFINISHED: "something is held, paused or in trouble, and is listed; or this machine is read-only",
    },
    "doctor": {OK: "nothing fails; there may be warnings", ENVIRONMENT: "something fails"},
    "why": {
        OK: "told",
        ENVIRONMENT: "no such path is known, or DIR was never shared",
        UNFINISHED: "with --check: something waits, or it is not shared",
    },
    "verify": {
        OK: "everything is as recorded, and the same everywhere; with --repair: by now",
        ENVIRONMENT: "DIR was never shared or is gone, or with --repair: no node is running for it",
        UNFINISHED: "something was found that is not repaired, or a connected machine did not take part to the end",
        INTERRUPTED: "Ctrl-C ended it, and everything is as it was",
    },
    "events": {OK: "the node has ended, or --no-wait", ENVIRONMENT: _NO_NODE},
    "held": {OK: "listed", ENVIRONMENT: _NO_NODE, UNFINISHED: "with --check: something is held"},
    "approve": {
        OK: "approved, or nothing is held",
        ENVIRONMENT: "only another machine can approve this, nothing is held at PATH, or no node runs",
    },
    "reject": {OK: "rejected, or nothing is held", ENVIRONMENT: f"nothing is held at PATH, {_NO_NODE}"},
    "history": {OK: "listed", ENVIRONMENT: "no such path was ever known, or DIR was never shared"},
    "restore": {OK: "restored", ENVIRONMENT: "no such version", TIMEOUT: "still coming from another machine"},
    "undo": {
        OK: "done, or nothing has changed",
        ENVIRONMENT: "some old versions are not to be had, or the answer was no",
        TIMEOUT: "some files are still coming from other machines",
    },
    "conflicts": {OK: "listed or resolved", UNFINISHED: "with --check: there are conflicts"},
    "diverged": {OK: "listed", ENVIRONMENT: _NO_NODE, UNFINISHED: "with --check: something differs"},
    "override": {
        OK: "done, or nothing differs",
        ENVIRONMENT: "no node runs, it is not send-only, or the answer was no",
    },
    "revert": {
        OK: "done, or nothing differs",
        ENVIRONMENT: "no node runs, it announces its changes, or the answer was no",
    },
    "pause": {OK: "paused"},
    "resume": {OK: "resumed, or it was not paused"},
    "ignore": {OK: "done", ENVIRONMENT: "a file cannot be read", UNFINISHED: "with PATH: it is shared"},
    "invite": {OK: "a machine has joined", ENVIRONMENT: "none has", INTERRUPTED: "Ctrl-C ended the invitation"},
    "join": {OK: "joined", ENVIRONMENT: "not joined"},
    "members": {OK: "listed", ENVIRONMENT: "DIR is open, or the node does not answer"},
    "remove": {OK: "removed", ENVIRONMENT: "not removed"},
    "new-key": {OK: "done", ENVIRONMENT: "FILE exists already, or cannot be written"},
    "key": {OK: "printed", ENVIRONMENT: "DIR is open, or its key is not on this machine"},
    "leave": {
        OK: "DIR is open",
        ENVIRONMENT: "it was open already, a node runs with --key-file, or the answer was no",
    },
    "config": {OK: "the file is right, or the example was printed", USAGE: "it is wrong: one line says where"},
    "reload": {OK: "the file counts", ENVIRONMENT: "no node runs with it", USAGE: "it is wrong, and nothing changes"},
    "web": {OK: "ended by Ctrl-C or SIGTERM", ENVIRONMENT: "trouble, such as a port in use"},
    "completion": {OK: "printed"},
    "help": {OK: "printed"},
    "version": {OK: "printed"},
}
"""What the codes of a command mean. The general words count for 1 and 2 where nothing is said."""


def exits_of(name: str) -> dict[int, str]:
    """All codes of a command and what they mean."""
    return dict(sorted(({ENVIRONMENT: "trouble", USAGE: "wrong command line"} | EXITS[name]).items()))


def words(name: str) -> str:
    """They in one paragraph, for --help."""
    return "exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in exits_of(name).items())
