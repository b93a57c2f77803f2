"""A node is started as a process of its own, which does not end with the terminal.

In:   the words of a node, valid in any folder. Out: its process, once it is ready; or the reason why it has ended.
Rule: whoever waits here can be interrupted; then the new process ends, too. Nothing that the new process says before it is
ready is lost: warnings are passed on.
Used by: background.
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dir_sync.cli.options import KEY_FILE
from dir_sync.core.named import NamedTuple
from dir_sync.daemon.supervisor import DETACH, SOCKET
from dir_sync.reporting import shell

__all__ = ["Launched", "launch"]

_STEP_S = 0.5
_OUTPUT_MAX = 1_000_000


class Launched(NamedTuple):
    """`is_ready`: it runs. Else `exit_code` says how it ended (None: it is still on its way), and `reason` why."""

    process: int
    is_ready: bool
    exit_code: int | None = None
    reason: str = ""


def launch(words: Sequence[str], within_s: float, key_file: str = "") -> Launched:
    """`key_file`: what the environment names, if not that of this process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind("")  # the kernel chooses a name that is no file
        link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        environment = _environment("@" + os.fsdecode(link.getsockname()[1:]), key_file)
        with _process([*shell.again(), "run", *words], environment) as process:
            return _wait(process, link, within_s)


def _environment(address: str, key_file: str) -> dict[str, str]:
    environment = dict(os.environ)
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        environment.pop(name, None)
    environment |= {SOCKET: address, DETACH: "1"}
    if key_file:
        environment[KEY_FILE] = key_file
    for name in (shell.STARTED_AS, shell.PYTHON, KEY_FILE):
        if "/" in environment.get(name, ""):  # the new process works in another folder
            environment[name] = os.path.abspath(environment[name])
    return environment


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own: no terminal can end it."""
    process = subprocess.Popen(
        command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True, env=environment,
    )  # fmt: skip
    try:
        yield process
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        assert process.stderr is not None
        process.stderr.close()
        process.returncode = process.returncode or 0  # it goes on without us


def _wait(process: subprocess.Popen[bytes], link: socket.socket, within_s: float) -> Launched:
    assert process.stderr is not None
    output, said = process.stderr.fileno(), b""
    os.set_blocking(output, False)
    until_s = time.monotonic() + within_s
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(link, select.POLLIN)
    while (left_s := until_s - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(min(left_s, _STEP_S) * 1000):
            if descriptor == output:
                piece = _read(output)
                if piece == b"":
                    poll.unregister(output)
                said = (said + (piece or b""))[-_OUTPUT_MAX:]
            elif _is_ready(link, process.pid):
                _pass_on(said + (_read(output) or b""))
                return Launched(process.pid, True)
        if process.poll() is not None:
            said += _read(output) or b""
            _pass_on(said)
            return Launched(process.pid, False, process.returncode, _reason(said, process.returncode))
    _pass_on(said)
    return Launched(process.pid, False)


def _read(output: int) -> bytes | None:
    """What is there now; empty at its end, None if nothing is there yet."""
    try:
        return os.read(output, 65536)
    except BlockingIOError:
        return None


def _is_ready(link: socket.socket, process: int) -> bool:
    """True if the datagram says so, and comes from that process: any process of this machine may send one."""
    data, notes, _, _ = link.recvmsg(4096, socket.CMSG_SPACE(12))
    for _, kind, value in notes:
        if kind == socket.SCM_CREDENTIALS and struct.unpack("3i", value[:12])[0] == process:
            return b"READY=1" in data.split(b"\n")
    return False


def _pass_on(said: bytes) -> None:
    """The warnings of a start."""
    for line in said.decode("utf-8", "replace").splitlines():
        if re.match(r"\d\d:\d\d:\d\d  warning: ", line) and sys.stderr is not None:
            sys.stderr.write(line.partition("  ")[2] + "\n")


def _reason(said: bytes, code: int) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    own = [line.removeprefix("dir_sync: ") for line in lines if line.startswith("dir_sync: ")]
    if own:
        return own[-1]
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the node ended with {how}" + (f": {lines[-1]}" if lines and code else "")
