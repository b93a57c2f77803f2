"""What the commands about the mesh have in common: how they ask a node, a person, and read their words.

In:   questions for a node or a person. Out: answers, or ConfigError.
Rule: where nobody can be asked, nothing is done without --yes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.parser import Parser, checked
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.folder import root
from dir_sync.network.control import BEGINS_S, Answer, NoDaemon, ask
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many
from dir_sync.utils import interfaces, parse_host_port

__all__ = [
    "RESTART_S",
    "NoNode",
    "add_network",
    "add_yes",
    "address_of",
    "agree",
    "answer_of",
    "answer_or_none",
    "ask_node",
    "ask_running",
    "ask_until",
    "consent",
    "duration",
    "has_terminal",
    "is_agreed",
    "line_of_person",
    "no_answer",
    "no_node",
    "peer_of",
    "refuse_if_paused",
    "time_words",
]

RESTART_S = 30.0  # until a node that goes over to another key answers again
_AGAIN_S = 0.1


def add_yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask; for scripts")


def add_network(parser: Parser, listens: bool = True) -> None:
    """How others are reached. A node that runs has options of its own."""
    add = parser.add_argument_group("as for a node; only where no node runs for DIR").add_argument
    add("-b", "--broadcast-port", metavar="PORT", type=checked(config.checked_port), default=config.BROADCAST_PORT,
        help="UDP port on which machines find each other (default: %(default)s)")  # fmt: skip
    if listens:
        add("-l", "--listen-port", metavar="PORT", type=checked(config.checked_port), default=config.LISTEN_PORT,
            help="TCP port for connections (default: %(default)s)")  # fmt: skip
        add("--interface", metavar="ADDRESS|NAME", type=checked(config.checked_name),
            help="use this network interface only (default: all)")  # fmt: skip
    add("--name", type=checked(config.checked_name), help="name of this machine (default: the host name)")


def ask_node(folder: str, question: Answer) -> Answer | None:
    """The answer of the node that runs on a folder; None if there is none. ConfigError if it is paused, or the answer is an
    error."""
    refuse_if_paused(folder)
    return answer_or_none(folder, question, folder)


def refuse_if_paused(folder: str) -> None:
    """ConfigError if the node of this folder waits for it."""
    if reason := root.paused(folder):
        raise ConfigError(f"the node is paused: {reason}; it will resume by itself")


def answer_or_none(folder: str, question: Answer, named: str, begins_s: float = BEGINS_S) -> Answer | None:
    """What a node says that is not paused; None if none runs. `named`: the folder, as the user calls it. `begins_s`: how long
    one that begins or ends just now is waited for. ConfigError if the answer is an error."""
    try:
        answer = ask(folder, question, begins_s)
    except NoDaemon:
        return None
    except OSError as error:
        raise no_answer(named, error) from None
    if "error" in answer:
        raise ConfigError(str(answer["error"]), config.USAGE if answer.get("exit_code") == config.USAGE else 1)
    return answer


def ask_running(text: str, question: Answer) -> Answer:
    """The answer of the node that runs on a folder; ConfigError if there is none."""
    text = config.existing(text)
    refuse_if_paused(text)  # before anything else: its folder may be gone
    folder = config.checked_folder(text)
    answer = answer_or_none(folder, question, text)
    if answer is None:
        raise no_node(text, folder)
    return answer


class NoNode(ConfigError):
    """No node runs for the folder."""


def no_node(text: str, folder: str) -> ConfigError:
    """The error if none runs. `text`: the folder, as the user calls it."""
    name, reason = show(os.fsencode(text)), root.reason_against(folder)
    return NoNode(
        f"no node is running for {name}: {reason}"
        if reason
        else f"no node is running for {name}; to start one: {shell.command(text)}"
    )


def no_answer(text: str, error: OSError) -> ConfigError:
    """The error if one runs, and says nothing that can be read. `text`: as for `no_node`."""
    return ConfigError(f"the node for {show(os.fsencode(text))} does not answer: {error.strerror or error}")


def answer_of(folder: str, question: Answer) -> Answer:
    answer = ask_node(folder, question)
    if answer is None:
        raise ConfigError("the node has ended meanwhile")
    return answer


def ask_until(
    folder: str,
    question: Answer,
    is_enough: Callable[[Answer], bool],
    within_s: float,
    each: Callable[[Answer], None] = lambda answer: None,
) -> Answer:
    """Ask until the answer is enough. The node may begin anew meanwhile. ConfigError if it takes too long."""
    until = time.monotonic() + within_s
    while True:
        try:
            answer = ask_node(folder, question)
        except ConfigError:
            answer = None
            if time.monotonic() > until:
                raise
        if answer is not None:
            each(answer)
            if is_enough(answer):
                return answer
        if time.monotonic() > until:
            raise ConfigError("the node took too long")
        time.sleep(_AGAIN_S)


def agree(text: str, yes: bool) -> None:
    """ConfigError unless a person says yes, or the command line did."""
    if not yes and not is_agreed(text):
        raise ConfigError("nothing was changed")


def consent(plan: Callable[[], str], yes: bool, is_needed: bool = False) -> None:
    """Show the plan, and ask; ConfigError if the answer is no. Without a terminal nobody is asked: nothing is shown, unless
    consent `is_needed`; then the plan is shown as well, and it is a ConfigError. `plan`: "": nothing would be done."""
    if yes or not (is_needed or has_terminal()):
        return
    text = plan()
    if text:
        sys.stderr.write(f"{text}\n")
        if not has_terminal():
            raise ConfigError("nothing was changed: this needs your consent: run it in a terminal, or with --yes")
        if not _says_yes("Go on?"):
            raise ConfigError("nothing was changed")


def is_agreed(text: str, what: str = "Go on?") -> bool:
    if not has_terminal():
        raise ConfigError(f"nothing was changed. {text} This needs your consent: run it in a terminal, or with --yes")
    return _says_yes(f"{text} {what}" if what else text)


def _says_yes(question: str) -> bool:
    return line_of_person(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def line_of_person(prompt: str) -> str:
    """What a person types at the terminal. The prompt goes to stderr: stdout is for results."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline()


def duration(text: str) -> int:
    seconds = config.seconds_of(text, 10, 24 * 3_600)
    if seconds is None:
        raise ConfigError("a time from 10s to 24h, like 10m", config.USAGE)
    return seconds


def time_words(seconds: int) -> str:
    for unit, size in (("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return how_many(seconds // size, unit)
    return how_many(seconds, "second")


def peer_of(text: str) -> tuple[str, int]:
    return parse_host_port(text, config.LISTEN_PORT)


def address_of(interface: str) -> str:
    try:
        return interfaces(interface)[0].address
    except ValueError as error:
        raise ConfigError(str(error)) from error
