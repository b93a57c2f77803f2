"""What a node tells the program that has started it: that it is ready, reads its configuration again, stops, and how it is.

In:   the environment variable NOTIFY_SOCKET, as systemd, `start` and others set it. Out: datagrams there (sd_notify, see
https://www.freedesktop.org/software/systemd/man/sd_notify.html).
Rule: nobody who listens there can delay the node. Without that variable nothing is sent. There is no watchdog: a node whose
disk hangs waits for it, and would wait again after a restart.
Used by: entry, launch, process.
"""

from __future__ import annotations

import os
import socket
import time

__all__ = ["DETACH", "SOCKET", "Supervisor"]

SOCKET = "NOTIFY_SOCKET"
DETACH = "DIR_SYNC_DETACH"  # set by `start`: once the node is ready, nobody reads its output any more


class Supervisor:
    """Main thread only."""

    def __init__(self, address: str = "", detach: bool = False) -> None:
        """`address`: a path, or @ and a name without a file; "": there is nobody."""
        self._address = address
        self._detach = detach
        self._said = ""

    @classmethod
    def of_environment(cls) -> Supervisor:
        """Programs that this one starts do not inherit it."""
        return cls(os.environ.pop(SOCKET, ""), bool(os.environ.pop(DETACH, "")))

    @property
    def is_there(self) -> bool:
        return bool(self._address)

    def is_up(self, words: str) -> None:
        """The node runs. `words`: how it is, in one line."""
        if self._detach:
            _let_go()
            self._detach = False
        self._said = words
        self._send("READY=1", f"STATUS={words}")

    def is_now(self, words: str) -> None:
        """How it is, if that is not what was said last."""
        if words != self._said:
            self._said = words
            self._send(f"STATUS={words}")

    def reloads(self) -> None:
        """It reads its configuration again; `is_up` follows."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def ends(self) -> None:
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = os.fsencode(self._address)
        if self._address.startswith("@"):
            address = b"\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
                link.setblocking(False)
                link.connect(address)
                link.send("\n".join(lines).encode("utf-8", "surrogateescape"))
        except OSError:
            pass  # it has gone, or does not read


def _let_go() -> None:
    """The output goes nowhere from now on. Before, it went to the `start` that waits for this node."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
