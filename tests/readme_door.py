"""Stands for main.py where the commands of the README are tried: the same words, but nothing leaves this machine.

A node gets ports of its own and talks on the loopback interface only. A command about a folder finds what its reader would
have by then: a node that runs there, another machine that shares it, a version of the file that it asks for.

    python readme_door.py WORDS...      as python main.py WORDS...
    python readme_door.py --wait PID WORDS...      until the node that was started so answers, or has ended
    python readme_door.py --stop        all nodes end
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PLACE = Path(os.environ["README_PLACE"])  # the test's own folder
ROOT = Path(os.environ["README_ROOT"])  # of the project
sys.path.insert(0, str(ROOT))

from dir_sync.cli import COMMANDS  # noqa: E402
from dir_sync.network.control import NoDaemon, ask  # noqa: E402

STARTED = PLACE / "nodes"  # a folder in each line
PORTS = json.loads(os.environ["README_PORTS"])  # as the README has them -> free ones
PEER = PLACE / "peer"  # the folder of another machine
WITHIN_S = 30.0
TAKES_PORT = ("-b", "--broadcast-port", "-l", "--listen-port")
MODE_OF = {
    "diverged": "send-only",
    "override": "send-only",
    "revert": "receive-only",
}  # commands that are for nodes with this mode alone
DOCUMENTED = (0, 3, 4)  # exit codes that say how things are, not that something is wrong


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"not within {WITHIN_S:g} s: {what}")
        time.sleep(0.02)


def process_on(folder: str | Path) -> int:
    """The process id of the node that runs on a folder; 0: none does."""
    try:
        return int(ask(os.path.realpath(folder), {"command": "status"})["process"])
    except (NoDaemon, OSError, KeyError):
        return 0


def stop(folder: str | Path) -> None:
    process = process_on(folder)
    if process:
        os.kill(process, signal.SIGTERM)
        wait_for(lambda: not process_on(folder), f"the node on {folder} ends")


def has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def port(text: str) -> str:
    return str(PORTS[text] if text in PORTS else PORTS["6009"])


def node_words(words: list[str]) -> list[str]:
    """The same for this machine alone."""
    made: list[str] = []
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if before in TAKES_PORT:
            word = port(word)
        elif before == "--peer" or word.startswith("--peer="):
            word = word[: -len(word.partition("=")[2])] if "=" in word else ""
            word += f"127.0.0.1:{PORTS['6009']}"
        elif before == "--interface":
            word = "lo"
        made.append(word)
    if not {"-b", "--broadcast-port"} & set(made):
        made += ["-b", port("5000")]
    if not {"-l", "--listen-port"} & set(made):
        made += ["-l", port("6000")]
    if not {"-s", "--signature-dir"} & set(made):
        made += ["-s", str(PLACE / "signatures")]
    if "--interface" not in made:
        made += ["--interface", "lo"]
    return made


def folder_of(words: list[str]) -> str:
    """The folder that a command is about."""
    after = words[1:] if words and words[0] in COMMANDS else words
    if "--create" in words:
        return next((word for word in after if word.startswith("/")), str(Path.cwd() / "Storage"))
    names = (name for word in after for name in (word, word.partition("=")[2]))  # DIR, NAME=DIR
    return next((name for name in names if os.path.isdir(name)), "")


def stop_others(folder: str) -> None:
    """A node that was started aside has the port that the next one wants."""
    for each in set(STARTED.read_text().splitlines()) if STARTED.exists() else ():
        if each not in (os.path.realpath(folder), os.path.realpath(PEER)):
            stop(each)


def start_aside(folder: str | Path, *words: str) -> None:
    """A node, as in another terminal."""
    with open(PLACE / "aside.log", "ab") as log:
        command = [sys.executable, str(ROOT / "main.py"), str(folder), *node_words(list(words))]
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    wait_for(lambda: process_on(folder) > 0, f"a node on {folder}")
    note(folder)


def note(folder: str | Path) -> None:
    with STARTED.open("a") as file:
        file.write(f"{os.path.realpath(folder)}\n")


def is_there(folder: str, name: str, content: str | None) -> bool:
    try:
        return (Path(folder) / name).read_text() == content
    except OSError:
        return content is None


def give_it_a_past(folder: str, name: str) -> None:
    """Another machine makes a file, and deletes it again: this one has a version of it."""
    if not process_on(PEER):
        PEER.mkdir(exist_ok=True)
        start_aside(PEER, "-l", "6008", "--name", "anna")
    if os.path.lexists(Path(folder) / name):
        return
    (PEER / name).parent.mkdir(parents=True, exist_ok=True)
    (PEER / f"{name}.new").write_text("as it was")
    os.utime(PEER / f"{name}.new", (1, time.time() - 3600))  # so that it was there ten minutes ago, as one may ask
    (PEER / f"{name}.new").rename(PEER / name)
    wait_for(lambda: is_there(folder, name, "as it was"), f"{name} in {folder}")
    (PEER / name).unlink()
    wait_for(lambda: is_there(folder, name, None), f"{name} goes from {folder}")


def newest_version(folder: str, path: str) -> str:
    command = [sys.executable, str(ROOT / "main.py"), "history", folder, path]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return lines[1].split()[0] if len(lines) > 1 else "ID"


def main(words: list[str]) -> int:
    if words[:1] == ["--wait"]:
        starting, folder = int(words[1]), folder_of(words[2:])
        wait_for(lambda: has_ended(starting) or process_on(folder) == starting, f"a node on {folder}")
        return int(has_ended(starting))
    if words == ["--stop"]:
        for folder in set(STARTED.read_text().splitlines()) if STARTED.exists() else ():
            stop(folder)
        for process in (PLACE / "processes").read_text().split():  # those that had just been started
            try:
                if str(PLACE).encode() in Path(f"/proc/{process}/cmdline").read_bytes():
                    os.kill(int(process), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return 0
    folder = folder_of(words)
    is_run = not words or words[0] not in COMMANDS or words[0] == "run"
    is_question = bool({"-h", "--help"} & set(words)) or (is_run and "--version" in words)
    is_node = is_run and not is_question
    if words[:2] == ["service", "install"] and not is_question:
        words = [*words, "--print"]  # nothing of this machine is changed
    elif words[:1] == ["service"] and not is_question:
        return 0
    elif words[:1] in (["start"], ["restart"]) and not is_question:
        if words[0] == "start":
            stop(folder)
        note(folder)
        words = [words[0], *node_words(words[1:])]
    elif is_node and words:
        if folder:
            stop(folder)  # as its reader would, before starting it in another way
            note(folder)
        with (PLACE / "processes").open("a") as file:
            file.write(f"{os.getpid()}\n")
        words = node_words(words)
    elif folder and not is_question:
        if words[0] == "once" and "--dry-run" in words:  # it looks for the other machine itself
            words = [*words, "-b", port("5000"), "--interface", "lo"]
        if os.environ["README_STARTS"]:  # nodes, in these very lines: it may be on its way
            wait_for(lambda: process_on(folder) > 0, f"a node on {folder}")
        elif words[0] in MODE_OF:
            stop(folder)
            start_aside(folder, "--mode", MODE_OF[words[0]])
        elif not process_on(folder):
            stop_others(folder)
            start_aside(folder)
        path = words[2] if words[0] in ("restore", "why") and len(words) > 2 and words[2] != "." else "notes.txt"
        if words[0] not in MODE_OF:
            give_it_a_past(folder, path)
        some = "all" if words[0] == "conflicts" else newest_version(folder, path) if "ID" in words else ""
        words = [some if word == "ID" else word for word in words]
    if words[:1] == ["doctor"] and not is_question:  # it sends and listens where the node does
        words += ["--interface", "lo", "-b", port("5000"), "-l", port("6000")]
    command = [sys.executable, str(ROOT / "main.py"), *words]
    if is_node:
        os.execv(sys.executable, command)
    code = subprocess.run(command, check=False).returncode
    if words and words[0] in MODE_OF and folder and not is_question:  # the next line is about an ordinary node
        stop(folder)
    if words[:1] == ["pause"] and folder and not is_question:  # the next line is about a folder that is exchanged
        subprocess.run([sys.executable, str(ROOT / "main.py"), "resume", folder], check=True)
    return 0 if code in DOCUMENTED else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
