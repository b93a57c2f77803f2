"""What an open node does without: it imports no cryptography and no OpenSSL, nor what few nodes or commands need. A closed
one loads one OpenSSL, and not the system's, too. A closed one without it does not start, and says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.core.keys import MeshKey
from dir_sync.security import files

ROOT = Path(__file__).resolve().parents[2]

NODE = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "without":
    sys.modules["cryptography"] = None
from dir_sync import cli

def watch():
    while "engine" not in {thread.name for thread in threading.enumerate()}:
        time.sleep(0.02)
    late = {"dir_sync.core.membership", "dir_sync.core.keys"}  # of closed meshes, without cryptography
    found = sorted({name if name in late else name.split(".")[0] for name in sys.modules if sys.modules[name] is not None})
    late |= {"cryptography", "spake2", "_cffi_backend", "_hashlib", "unicodedata", "pathspec", "psutil", "difflib"}
    print("loaded:", *[name for name in found if name in late])
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
folders = sys.argv[3].split(":")
code = cli.main([*folders, "-l", sys.argv[4], "-b", sys.argv[5], "--interface", "lo", "-s", sys.argv[6], *sys.argv[7:]])
print("exit", code)
"""


def started(
    tmp_path: Path, how: str, *more: str, names: tuple[str, ...] = ("shared",)
) -> subprocess.CompletedProcess[str]:
    """A node of folders with these names, until its engine runs."""
    for name in names:
        (tmp_path / name).mkdir(exist_ok=True)
    folders = ":".join(str(tmp_path / name) for name in names)
    ports = [str(port) for port in free_ports()]
    return subprocess.run(
        [sys.executable, "-c", NODE, str(ROOT), how, folders, *ports, str(tmp_path / "s"), *more],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )


def free_ports() -> tuple[int, int]:
    import socket

    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("", 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


@pytest.mark.parametrize("how", ["with", "without"])
def test_an_open_node_needs_no_cryptography(tmp_path: Path, how: str) -> None:
    done = started(tmp_path, how)
    assert done.stdout.splitlines() == ["loaded:", "exit 0"], done.stderr
    assert "the mesh is open: anyone on this LAN can join the folder 'default'; to close it: " in done.stderr


def test_a_closed_node_loads_it_and_one_that_cannot_does_not_start(tmp_path: Path) -> None:
    key_file = str(tmp_path / "key")
    files.create_file(key_file, MeshKey.made_of(b"k" * 32).text.encode())
    done = started(tmp_path, "without", "--key-file", key_file)
    assert done.stdout.splitlines() == ["exit 1"]
    (line,) = done.stderr.splitlines()
    assert "belongs to a closed mesh, and that needs a Python package which is missing" in line
    assert "scripts/setup" in line
    done = started(tmp_path, "with", "--key-file", key_file)
    assert done.stdout.splitlines() == [
        "loaded: _cffi_backend cryptography dir_sync.core.keys dir_sync.core.membership",
        "exit 0",
    ], done.stderr
    assert "closed mesh" in done.stderr
    assert "the mesh is open" not in done.stderr


def test_a_closed_node_loads_one_openssl_and_no_pairing() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import dir_sync.network.sealing;"
        " print([name for name in ('hashlib', 'hmac', 'ssl', 'spake2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
