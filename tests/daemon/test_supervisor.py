"""sd_notify: what a node says to the program that has started it, and that nobody there can delay it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dir_sync.daemon.supervisor import DETACH, SOCKET, Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.settimeout(20)
        yield link


def at_path(listener: socket.socket, tmp_path: Path) -> str:
    listener.bind(str(tmp_path / "notify"))
    return str(tmp_path / "notify")


def abstract(listener: socket.socket, tmp_path: Path) -> str:
    listener.bind("")  # the kernel chooses a name
    name = listener.getsockname()
    return "@" + os.fsdecode(name[1:])


@pytest.mark.parametrize("where", [at_path, abstract])
def test_what_it_says(listener: socket.socket, tmp_path: Path, where: object) -> None:
    assert callable(where)
    one = Supervisor(where(listener, tmp_path))
    one.is_up("1 folder shared")
    one.is_now("1 folder shared")  # not again
    one.is_now("0 folders shared, 1 folder paused")
    one.reloads()
    one.is_up("1 folder shared")
    one.ends()
    heard = [listener.recv(4096).decode().split("\n") for _ in range(5)]
    heard[2][1] = heard[2][1].rstrip("0123456789")
    assert heard == [
        ["READY=1", "STATUS=1 folder shared"],
        ["STATUS=0 folders shared, 1 folder paused"],
        ["RELOADING=1", "MONOTONIC_USEC="],
        ["READY=1", "STATUS=1 folder shared"],
        ["STOPPING=1"],
    ]


@pytest.mark.parametrize("address", ["", "vsock:1:2", "relative", "/nothing/there", "@nobody-there"])
def test_nobody_listens(address: str) -> None:
    Supervisor(address).is_up("words")


def test_who_does_not_read_does_not_delay_it(listener: socket.socket, tmp_path: Path) -> None:
    one = Supervisor(at_path(listener, tmp_path))
    for number in range(2_000):
        one.is_now(f"{number} folders shared")
    assert listener.recv(4096) == b"STATUS=0 folders shared"


def test_programs_that_it_starts_do_not_inherit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET, "@name")
    monkeypatch.setenv(DETACH, "1")
    assert Supervisor.of_environment().is_there
    assert not {SOCKET, DETACH} & set(os.environ)
    assert not Supervisor.of_environment().is_there


def test_a_node_that_is_up_lets_go_of_the_output_of_who_started_it() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from dir_sync.daemon.supervisor import Supervisor"
        "; one = Supervisor('', True); print('before', flush=True); one.is_up(''); print('after', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"before\n"
