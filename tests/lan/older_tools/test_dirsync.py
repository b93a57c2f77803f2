"""DirSync: a client that makes its folder, waits for its server and survives its restarts; a tunnel; few sends of a busy file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
FIXED = ("--no-discovery",)


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_folder_that_does_not_exist_is_made() -> None:
    with Lan(2) as lan:
        server, client = lan
        server.start(*FIXED)
        (server.dir / "a").write_text("a")
        made = client.base / "new" / "deep"
        refused = client.run_to_end(made)
        assert refused.code == 2
        assert "there is no such folder" in refused.err
        client.launch([sys.executable, client.main, made, "--create", *FIXED, "--peer", server.address])
        wait_for(lambda: text_of(made / "a") == "a", SOON_S, "what the server has arrives")


def test_a_client_waits_for_its_server_and_survives_its_restarts() -> None:
    with Lan(2) as lan:
        server, client = lan
        client.start(*FIXED, "--no-listen", "--peer", server.address)
        (client.dir / "early").write_text("1")
        wait_for(lambda: "cannot connect to" in client.log(), SOON_S, "it says that the server is not there")
        server.start(*FIXED)
        wait_for(lambda: text_of(server.dir / "early") == "1", SOON_S, "the server is found once it runs")
        for turn in range(2):
            server.stop()
            (client.dir / f"while off {turn}").write_text("x")
            server.start(*FIXED)
            wait_for(lambda turn=turn: (server.dir / f"while off {turn}").exists(), SOON_S, "it comes back by itself")
        assert client.log().count("cannot connect to") == 1, "said once"


def test_a_file_that_is_saved_all_the_time_is_sent_now_and_then_and_its_last_state_arrives() -> None:
    with Lan(2) as lan:
        server, client = lan
        server.start(*FIXED)
        client.start(*FIXED, "--peer", server.address, "--file-interval", "3s")
        (client.dir / "other").write_text("first")
        wait_for(lambda: text_of(server.dir / "other") == "first", SOON_S, "they are connected")
        end = time.monotonic() + 7
        saved, seen = 0, set()

        def save() -> bool:
            nonlocal saved
            saved += 1
            (client.dir / "busy").write_text(str(saved))
            seen.add(text_of(server.dir / "busy"))
            return time.monotonic() > end

        wait_for(save, SOON_S, "seven seconds of saving")
        (client.dir / "other").write_text("second")
        wait_for(lambda: text_of(server.dir / "busy") == str(saved), SOON_S, "the last state arrives")
        assert saved > 20
        assert len(seen - {""}) <= 5, "one every three seconds, and the one at the end"
        wait_for(lambda: text_of(server.dir / "other") == "second", SOON_S, "other files arrive, too")
        wait_equal(lan.roots, SOON_S)


@contextmanager
def tunnel(server: Node, client: Node) -> Iterator[int]:
    """A port on the client's loopback that leads to TCP port 6000 on the server's, by ssh."""
    keys = client.base / "ssh"
    keys.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    config = keys / "sshd_config"
    options = (
        *(f"HostKey {keys}/host", f"AuthorizedKeysFile {keys}/user.pub", "PermitRootLogin yes", "UsePAM no"),
        *("StrictModes no", f"PidFile {keys}/pid", f"ListenAddress {server.address}:2222"),
    )
    config.write_text("\n".join([*options, ""]))
    ssh = (
        *("ssh", "-N", "-F", "/dev/null", "-i", keys / "user", "-p", "2222", "-o", "StrictHostKeyChecking=no"),
        *("-o", f"UserKnownHostsFile={keys}/known", "-o", "ExitOnForwardFailure=yes"),
        *("-L", "127.0.0.1:7000:127.0.0.1:6000", f"root@{server.address}"),
    )
    processes: list[subprocess.Popen[bytes]] = []

    def is_open(node: Node, port: int) -> bool:
        shown = subprocess.run(node.within("ss", "-Hltn", f"sport = {port}"), capture_output=True, check=True)
        return bool(shown.stdout)

    try:
        assert SSHD is not None
        with (keys / "log").open("ab") as log:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            processes.append(subprocess.Popen(server.within(SSHD, "-D", "-e", "-f", config), **quiet))  # type: ignore[call-overload]
            wait_for(lambda: is_open(server, 2222), 10, "sshd listens")
            processes.append(subprocess.Popen(client.within(*ssh), **quiet))  # type: ignore[call-overload]
            wait_for(lambda: is_open(client, 7000), 10, "the tunnel is there")
        yield 7000
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.skipif(SSHD is None, reason="no sshd is installed")
def test_a_tunnel_by_ssh_between_two_nodes_that_use_loopback_only() -> None:
    with Lan(2) as lan:
        server, client = lan
        server.start("--interface", "lo")
        with tunnel(server, client) as port:
            client.start("--interface", "lo", "--peer", f"localhost:{port}")
            (client.dir / "there").write_bytes(b"x" * 1_000_000)
            (server.dir / "back").write_text("y")
            wait_for(lambda: (server.dir / "there").exists() and (client.dir / "back").exists(), SOON_S, "both arrive")
            wait_equal(lan.roots, SOON_S)
            shown = subprocess.run(
                server.within("ss", "-Hltn", "sport = 6000"), capture_output=True, text=True, check=True
            )
            assert "127.0.0.1:6000" in shown.stdout
            assert server.address not in shown.stdout, "nobody else on the LAN can connect"
