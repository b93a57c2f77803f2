"""What was recorded on the LAN is sent again; other users of a machine look for its key; clocks are a century off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dir_sync.core.link_handshake import HEAD_BYTES, SECOND_BYTES

from ..changes import write
from ..checker import wait_equal, wait_for
from ..lan import Lan, faketime_library
from .mesh import SOON_S, inviting, join, key_of, on_one_key, start
from .tools import answers, key_file, sniffed

pytestmark = pytest.mark.lan

NOBODY = 65534
_SECOND_FRAME = HEAD_BYTES + SECOND_BYTES
YEAR_S = 365 * 86400 + 21_600
CENTURY = (("1970", -56 * YEAR_S), ("2100", 74 * YEAR_S))


def test_a_recorded_session_that_is_sent_again_is_not_answered(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    with sniffed(lan[0]) as sniffer:
        for node in lan.nodes[:2]:
            write(node.dir / f"from {node}", node.name.encode())
            node.start("--key-file", key_file(lan))
        wait_equal([node.dir for node in lan.nodes[:2]], SOON_S)
    recorded = [
        (flow, b"".join(pieces[at] for at in sorted(pieces))) for flow, pieces in sniffer.tcp.items() if 6000 in flow
    ]
    members = {node.address: node for node in lan.nodes[:2]}
    assert any(len(stream) > 500 for _, stream in recorded)
    # To the node that heard them the frames come again; to one that has started anew they are the first of their kind.
    for is_new in (False, True):
        if is_new:
            for node in members.values():
                node.stop()
                node.start("--key-file", key_file(lan))
                wait_for(lambda node=node: "TCP port" in node.log(this_run=True), SOON_S, "it runs again")
        for (source, _, target, port), stream in recorded:
            has_called = port == 6000
            answer = answers(lan[2], members[target if has_called else source], stream)
            # A second message at most, which only the maker of that ephemeral key can open; nothing after it.
            assert len(answer) <= (_SECOND_FRAME if is_new and has_called else 0)
    write(lan[1].dir / "after", b"all that")
    wait_equal([node.dir for node in lan.nodes[:2]], SOON_S)


def test_other_users_of_the_machine_read_no_key(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(1)
    node = lan[0]
    node.start("--key-file", key_file(lan))
    wait_for(lambda: "closed mesh" in node.log(), SOON_S, "it runs")
    key = key_file(lan).read_bytes().strip()
    for folder in (lan.work, node.base, node.home, node.home / ".local", node.home / ".local/state"):
        folder.chmod(0o755)  # whatever the user's own folders allow
    look = (
        "import os, sys\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        sys.stdout.buffer.write(open(path, 'rb').read() if os.path.isfile(path) else repr(os.listdir(path)).encode())\n"
        "    except OSError as error:\n"
        "        print(type(error).__name__)\n"
    )
    keys = node.home / ".local/state/dir_sync/keys"
    paths = [key_file(lan), keys, *keys.iterdir(), Path(f"/proc/{node.pid}/environ"), Path(f"/proc/{node.pid}/mem")]
    assert len(paths) > 4
    ended = subprocess.run(
        [sys.executable, "-I", "-c", look, *map(str, paths)], capture_output=True, check=True, timeout=30
    )
    assert ended.stdout.split() == [b"PermissionError"] * len(paths)
    for path in [*keys.rglob("*"), keys]:
        assert path.stat().st_mode & 0o077 == 0, path
    for folder in (node.signatures, node.dir, node.base / "tmp", Path("/proc/self/fd/0")):
        for path in folder.rglob("*"):
            if path.is_file() and os.access(path, os.R_OK):
                assert key not in path.read_bytes(), path


@pytest.mark.parametrize(("year", "offset_s"), CENTURY, ids=[year for year, _ in CENTURY])
def test_members_join_and_leave_a_century_off(new_lan: Callable[..., Lan], year: str, offset_s: int) -> None:
    """The first machine's clock is wrong: whom it lets in, and whom it removes, counts all the same."""
    if not faketime_library():
        pytest.skip("libfaketime is not installed")
    lan = new_lan(3)
    host, guest, lost = lan
    write(host.dir / "early", b"or late")
    host.start("--name", host.name, clock_offset=offset_s)
    wait_for(lambda: "TCP port" in host.log(this_run=True), SOON_S, "it runs")
    for joiner in (guest, lost):
        joiner.make_folders()
        with inviting(host, "--yes") as invitation:
            done = join(joiner, invitation.code, "--yes")
            assert done.code == 0, done.err
            assert invitation.end()[0] == 0
    start(guest, lost)
    wait_equal(lan.roots, SOON_S)
    first = key_of(host)
    done = host.run_to_end("remove", host.dir, lost.name, "--yes")
    assert done.code == 0, done.err
    on_one_key(host, guest, but=first)
    write(guest.dir / "later", b"for those who stay")
    wait_equal([host.dir, guest.dir], SOON_S)
    assert not (lost.dir / "later").exists(), year
