"""`once` with real processes: against a node, against another `once`, alone, and where something is in the way."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .changes import blob, write
from .checker import wait_equal, wait_for
from .lan import Ended, Lan, Node

pytestmark = pytest.mark.lan

LIMIT_S = 90.0
ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--inh-caps=-all")


def once(node: Node, *more: str) -> Ended:
    ended = node.run_to_end("once", node.dir, "-s", node.signatures, "--name", node.name, *more, limit_s=LIMIT_S)
    assert "Traceback" not in ended.err
    return ended


def both(lan: Lan, *more: str) -> list[Ended]:
    with ThreadPoolExecutor(len(lan.nodes)) as pool:
        return list(pool.map(lambda node: once(node, *more), lan.nodes))


def said(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_against_a_node(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    node, other = lan
    write(node.dir / "theirs", b"theirs")
    for number in range(300):
        write(other.dir / "many" / f"{number}", b"%d" % number)
    write(other.dir / "large", blob(9 << 20, "large"))
    node.start("--name", "node")
    ended = once(other)
    assert ended.code == 0, ended
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0].startswith("in sync with node: 302 files")
    assert "received: 1 path (6 B): theirs" in lines
    assert any(line.startswith("sent: 301 paths") for line in lines)
    wait_equal(lan.roots, 0)  # it is so when the command has ended
    # what was changed on both sides meanwhile; nothing was running here
    (other.dir / "many" / "1").unlink()
    (node.dir / "theirs").unlink()
    again = said(once(other, "--json", "--peer", node.address, "--no-discovery"))
    assert again["result"] == "equal"
    assert again["peers"] == ["node"]
    assert again["removed"]["paths"] == ["theirs"]
    assert again["deleted"]["paths"] == ["many/1"]
    assert again["sent"]["count"] == again["received"]["count"] == 0
    wait_equal(lan.roots, 0)
    node.stop()


@pytest.mark.parametrize("way", [(), ("--no-discovery",)])
def test_two_against_each_other(new_lan: Callable[..., Lan], way: tuple[str, ...]) -> None:
    """Both know in the end that both have everything, also what lost a conflict."""
    lan = new_lan(2)
    for node in lan:
        write(node.dir / f"of {node}", b"of %d" % node.index)
        write(node.dir / "both", b"by %d" % node.index)
        for number in range(200):
            write(node.dir / "many" / f"{node}" / f"{number}", b"%d %d" % (node.index, number))
    peers = ("--peer", lan[0].address, "--peer", lan[1].address, "--peer", as_name(lan[1])) if way else ()
    ended = both(lan, "--json", *way, *peers)
    assert [one.code for one in ended] == [0, 0], ended
    wait_equal(lan.roots, 0)
    for one in ended:
        assert said(one)["files"] == 403
    assert sorted(len(said(one)["conflicts"]) for one in ended) == [0, 1]
    again = both(lan, *way, *peers)
    assert [one.code for one in again] == [0, 0], again
    assert all(one.out.splitlines()[1:] == ["nothing was to be done"] for one in again)


def test_nobody_is_there(new_lan: Callable[..., Lan]) -> None:
    (node,) = new_lan(1)
    ended = once(node, "--timeout", "6s", "--peer", "127.0.0.1:1")
    assert ended.code == 3
    assert ended.out.splitlines() == [
        "not in sync: no other machine was there in time",
        "  cannot connect to 127.0.0.1:1 (Connection refused)",
    ]


def as_name(node: Node) -> str:
    """A name that the resolver of every machine knows, and that is not the address as a peer says it."""
    return hex(int(ipaddress.ip_address(node.address)))


def test_a_machine_that_was_named_is_not_there(new_lan: Callable[..., Lan]) -> None:
    """Another one is, and gets everything: that is not what was asked for. A name may also lead nowhere."""
    lan = new_lan(3)
    node, asking, off = lan
    write(asking.dir / "new", b"new")
    node.start("--name", "node")
    there = ("--peer", node.address, "--peer", as_name(node), "--peer", "node")
    ended = once(asking, "--timeout", "4s", "--json", *there, "--peer", off.address, "--peer", "nowhere.invalid")
    assert ended.code == 3, ended
    assert said(ended)["result"] == "late"
    assert said(ended)["peers"] == ["node"]
    problems = [one["problem"] for one in said(ended)["left"]]
    assert problems[0] == f"cannot connect to {off.address}:6000 (Connection refused)"
    assert problems[1].startswith("cannot connect to nowhere.invalid:6000 (")
    assert len(problems) == 2
    assert (node.dir / "new").read_bytes() == b"new"
    in_words = once(asking, "--timeout", "3s", "--no-discovery", "--peer", node.address, "--peer", off.address)
    assert in_words.code == 3, in_words
    lines = in_words.out.splitlines()
    assert lines[0] == "not in sync in time: in sync with node, and not with all that were named"
    assert lines[-1] == f"  cannot connect to {off.address}:6000 (Connection refused)"
    assert once(asking, *there).code == 0, "all that are named are one machine, which is there"


def test_a_machine_that_was_named_is_waited_for(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    node, asking, later = lan
    write(asking.dir / "new", b"new")
    node.start("--no-discovery")
    asking.launch([*first_words(asking), "--no-discovery", "--peer", node.address, "--peer", later.address])
    wait_for((node.dir / "new").exists, LIMIT_S, "one of them has it")
    later.start("--no-discovery")
    assert asking.ends(LIMIT_S) == 0
    assert (later.dir / "new").read_bytes() == b"new"


def test_a_machine_that_was_named_has_called(new_lan: Callable[..., Lan]) -> None:
    """Nobody can connect to it, and it is named by another name than its address."""
    lan = new_lan(2)
    write(lan[0].dir / "a", b"a")
    words = [["--peer", as_name(lan[1])], ["--peer", lan[0].address, "--no-listen"]]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda node, more: once(node, "--no-discovery", "--timeout", "20s", *more), lan, words))
    assert [one.code for one in ended] == [0, 0], ended
    wait_equal(lan.roots, 0)


def test_not_so_many_as_are_wanted(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    lan[0].start()
    few = once(lan[1], "--wait-for", "2", "--timeout", "4s")
    assert few.code == 3
    assert "2 machines are needed" in few.out
    lan[2].start()
    assert once(lan[1], "--wait-for", "2").code == 0


def test_what_cannot_be_here_is_listed(new_lan: Callable[..., Lan]) -> None:
    """A pipe is where a file should come. The rest arrives, and both sides know that something is left."""
    lan = new_lan(2)
    node, other = lan
    write(node.dir / "in the way", b"a file")
    write(node.dir / "fine", b"fine")
    os.mkfifo(other.dir / "in the way")
    ended = both(lan, "--json")
    assert [one.code for one in ended] == [4, 4], ended
    sender, receiver = map(said, ended)
    assert sender["result"] == receiver["result"] == "stuck"
    assert [one["path"] for one in receiver["left"]] == ["in the way"]
    assert "n1 lacks 1" in sender["left"][0]["problem"]
    assert sender["left"][1:] == [{"path": "in the way", "problem": "n1 does not have it"}]
    assert (other.dir / "fine").read_bytes() == b"fine"


def test_what_cannot_be_read_is_listed(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    node, other = lan
    write(other.dir / "locked", b"locked")
    write(other.dir / "open", b"open")
    (other.dir / "locked").chmod(0)
    node.start()
    words = ("once", other.dir, "-s", other.signatures, "--json")
    ended = other.run_to_end(*words, before=ORDINARY, limit_s=LIMIT_S)
    assert ended.code == 4, ended
    (left,) = said(ended)["left"]
    assert left["path"] == "locked"
    assert "ermission" in left["problem"]
    assert (node.dir / "open").read_bytes() == b"open"


def test_where_a_node_runs_that_one_is_asked(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    node, other = lan
    node.start("--name", node.name)
    wait_for((node.dir / ".dir_sync" / "control").exists, LIMIT_S, "the node answers")
    alone = once(node, "--timeout", "1s")
    assert alone.code == 3
    assert f"process {node.pid}" in alone.out
    other.start()
    write(node.dir / "new", b"new")
    ended = once(node)
    assert ended.code == 0, ended
    assert f"process {node.pid}" in ended.out
    assert ended.err == ""
    assert (other.dir / "new").read_bytes() == b"new"
    node.must_run()
    mirror = once(node, "--mode", "mirror", "--max-file-size", "1G", "-q")
    assert mirror.code == 0, mirror
    (line,) = mirror.err.splitlines()
    assert f"a node runs for {node.dir} (process {node.pid}), and its options count" in line
    assert line.endswith("you have typed --mode --max-file-size, and they do not")


def test_a_second_one_for_the_same_folder(new_lan: Callable[..., Lan]) -> None:
    """It waits for the first, and says so if that takes too long."""
    lan = new_lan(2)
    node, other = lan
    node.launch([*first_words(node), "--timeout", "60s"])
    wait_for((node.dir / ".dir_sync" / "control").exists, LIMIT_S, "the first one runs")
    late = once(node, "--timeout", "1s")
    assert late.code == 3
    assert f"process {node.pid}" in late.out
    assert len(late.out.splitlines()) == 1
    other.start()
    write(other.dir / "new", b"new")
    assert once(node).code == 0
    assert (node.dir / "new").read_bytes() == b"new"
    assert node.ends(LIMIT_S) == 0


def first_words(node: Node) -> list[str]:
    return [sys.executable, str(node.main), "once", str(node.dir), "-s", str(node.signatures)]


def test_a_signal_ends_it(new_lan: Callable[..., Lan]) -> None:
    (node,) = new_lan(1)
    node.launch(first_words(node))
    wait_for((node.dir / ".dir_sync" / "control").exists, LIMIT_S, "it runs")
    node.send_signal(signal.SIGTERM)
    assert node.ends(LIMIT_S) == 143
    assert not (node.dir / ".dir_sync" / "control").exists()


def test_on_one_machine_with_one_port(new_lan: Callable[..., Lan]) -> None:
    """The default port is taken by the node of another folder; one that was asked for must be free."""
    lan = new_lan(2, one_machine=True)
    node, other = lan
    write(node.dir / "f", b"f")
    node.start("--interface", "lo", listen_port=6000)
    wait_for(lambda: "TCP port 6000" in node.log(), LIMIT_S, "it listens")
    assert once(other, "--interface", "lo", "--peer", "127.0.0.1:6000").code == 0
    assert (other.dir / "f").read_bytes() == b"f"
    taken = once(other, "--interface", "lo", "-l", "6000")
    assert taken.code == 1
    assert "choose another port" in taken.err
