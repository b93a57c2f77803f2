"""PySyncIt: any number of folders by a configuration file, and clients that meet at a server."""

from __future__ import annotations

import sys

import pytest

from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 30.0
FOLDERS = ("documents", "music", "pictures")


def test_clients_with_several_folders_meet_at_their_server() -> None:
    with Lan(3) as lan:
        server, *clients = lan
        lan.cut(*clients)
        for node in lan:
            lines = ["no_discovery = true"]
            if node is not server:
                lines += ["no_listen = true", f'peer = ["{server.address}"]']
            for name in FOLDERS:
                lines += [f"[folders.{name}]", f'dir = "{node.base / name}"', "create = true"]
            (node.home / "sync.toml").write_text("\n".join(lines))
            node.launch([sys.executable, node.main, "--config", node.home / "sync.toml"])
        wait_for(lambda: all((node.base / name).is_dir() for node in lan for name in FOLDERS), SOON_S, "all are made")
        for node in clients:
            for name in FOLDERS:
                (node.base / name / f"of {node}").write_text(name)
        for name in FOLDERS:
            roots = [node.base / name for node in lan]
            wait_for(lambda roots=roots: all(len(list(root.glob("of *"))) == 2 for root in roots), SOON_S, name)
            wait_equal(roots, SOON_S)
