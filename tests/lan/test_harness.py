"""The harness itself: what it says it cuts is cut, what it counts is counted, and nothing is left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from . import lan as lans
from .checker import holds, wait_for
from .lan import NETNS, Lan, Node, remove_leftovers

pytestmark = pytest.mark.lan

PORT = 4000


def listening(node: Node, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    with node.inside():
        endpoint = socket.socket(socket.AF_INET, kind)
    endpoint.settimeout(2)
    endpoint.bind(("", PORT))
    return endpoint


def heard(sender: Node, receivers: list[Node], to: str) -> list[Node]:
    """Who of them gets a datagram that `sender` sends to that address."""
    endpoints = [listening(node) for node in receivers]
    with sender.inside():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        token = os.urandom(8)
        for _ in range(3):
            mouth.sendto(token, (to, PORT))
    result = []
    for node, endpoint in zip(receivers, endpoints, strict=True):
        with endpoint:
            endpoint.settimeout(0.5)
            try:
                if endpoint.recv(100) == token:
                    result.append(node)
            except TimeoutError:
                pass
    return result


def test_nodes_hear_each_other_until_they_are_cut_off(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    a, b, c = lan
    everyone = f"{lans.NETWORK}.255"
    assert heard(a, [b, c], everyone) == [b, c]
    assert heard(a, [b], b.address) == [b]

    lan.cut(a, b)
    assert heard(a, [b, c], everyone) == [c]
    assert heard(b, [a, c], everyone) == [c]
    assert heard(c, [a, b], everyone) == [a, b]
    assert heard(a, [b], b.address) == []
    assert heard(b, [a], a.address) == []
    assert heard(b, [c], c.address) == [c]
    lan.join(a, b)
    assert heard(a, [b, c], everyone) == [b, c]
    assert heard(b, [a], a.address) == [a]

    a.isolate()
    assert heard(a, [b, c], everyone) == []
    assert heard(b, [a, c], everyone) == [c]
    a.heal()
    assert heard(a, [b, c], everyone) == [b, c]

    lan.cut(a, c)
    c.heal()
    assert heard(a, [b, c], everyone) == [b, c]
    assert lan.cuts == set()


def test_a_cut_holds_back_what_is_already_connected(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    with listening(b, socket.SOCK_STREAM) as door:
        door.listen()
        with a.inside():
            outgoing = socket.create_connection((b.address, PORT), 2)
        incoming, _ = door.accept()
    with outgoing, incoming:
        incoming.settimeout(0.5)
        outgoing.sendall(b"before")
        assert incoming.recv(100) == b"before"
        for apart, together in (
            (lambda: lan.cut(a, b), lambda: lan.join(a, b)),
            (a.isolate, a.heal),
            (b.unplug, b.heal),
        ):
            apart()
            outgoing.sendall(b"during")
            with pytest.raises(TimeoutError):
                incoming.recv(100)
            together()
            incoming.settimeout(10)
            assert incoming.recv(100) == b"during"
            incoming.settimeout(0.5)


def test_the_switch_counts_what_a_node_sends(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    before = lan.wire_bytes()
    with listening(b) as ear, a.inside():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with mouth:
            for _ in range(100):
                mouth.sendto(bytes(1000), (b.address, PORT))
        ear.recv(2000)
    sent = [after - earlier for earlier, after in zip(before, lan.wire_bytes(), strict=True)]
    assert 100_000 < sent[0] < 110_000
    assert sent[1] < 2_000


def test_one_machine_has_nothing_but_its_loopback(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2, one_machine=True)
    with lan[1].inside():
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert lan[0].ns == lan[1].ns
    assert lan[0].port != lan[1].port
    assert lan[0].home != lan[1].home


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put another program in place of the one under test."""

    def put(text: str) -> None:
        (tmp_path / "main.py").write_text(text)
        monkeypatch.setattr(lans, "MAIN", tmp_path / "main.py")

    return put


PATIENT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(CODE))
print(os.environ["HOME"], sys.argv[1:], TEXT, "pid", os.getpid(), flush=True)
while True: time.sleep(60)
"""


def patient(code: int = 0, text: str = "ready") -> str:
    return PATIENT.replace("CODE", str(code)).replace("TEXT", repr(text))


def ready(node: Node) -> Node:
    wait_for(lambda: f"pid {node.pid}\n" in node.log(), 10, "the program is ready")
    return node


def test_a_program_that_ends_well_is_accepted(new_lan: Callable[..., Lan], program: Callable[[str], None]) -> None:
    lan = new_lan(1)
    program(patient())
    node = ready(lan[0].start("--more"))
    assert str(node.home) in node.log()
    assert all(word in node.log() for word in (str(node.dir), "'-b', '5000', '-l', '6000', '-s'", "--more"))
    assert node.running
    node.stop()
    assert not node.running
    assert lan.complaints() == []
    program("import sys; print('out'); sys.exit('one line')")
    ended = node.run_to_end("x")
    assert (ended.code, ended.out, ended.errors) == (1, "out\n", ["one line"])


def test_what_a_program_must_not_do_is_noticed(new_lan: Callable[..., Lan], program: Callable[[str], None]) -> None:
    node = new_lan(1)[0]
    program(patient(code=3))
    with pytest.raises(AssertionError, match="ended with exit code 3"):
        ready(node.start()).stop()

    program(patient().replace("sys.exit", "print"))
    with pytest.raises(AssertionError, match="did not end within"):
        ready(node.start()).stop(0.3)
    with pytest.raises(AssertionError, match="did not end within"):
        node.run_to_end("x", limit_s=0.3)

    program("import time; time.sleep(0.5); " + patient().replace("import os", "import os", 1).strip())
    node.start().stop()  # in good order, though it was not ready for a signal at first
    program("raise SystemExit(5)")
    node.start()
    wait_for(lambda: not node.running, 10, "it ends")
    assert node.complaints() == ["n0 ended by itself with exit code 5"]
    with pytest.raises(AssertionError, match="ended by itself"):
        wait_for(lambda: False, 30, "what can no longer come")
    with pytest.raises(AssertionError, match="ended by itself"):
        holds(lambda: True, 30, "what does not matter any more")
    with pytest.raises(AssertionError, match="ended by itself with exit code 5"):
        node.stop()
    node.kill()
    assert node.complaints() == []

    for text, complaint in (
        ("a\x1b[31mb", "raw control character"),
        ("50 %\r100 %", "raw control character"),
        ("txt.\u202eexe", "raw control character"),
    ):
        program(patient(text=text))
        ready(node.start()).kill()
        assert [complaint in line for line in node.complaints()] == [True], text
        node.log_path.unlink()
    program("1 / 0")
    node.start()
    wait_for(lambda: not node.running, 10, "it ends")
    assert any("traceback" in complaint for complaint in node.complaints())
    node.kill()
    node.log_path.unlink()


def test_a_lan_with_complaints_does_not_close_in_silence(program: Callable[[str], None]) -> None:
    program(patient(text="Traceback (most recent call last)"))
    lan = Lan(1)
    with pytest.raises(AssertionError, match="n0 logged a traceback"), lan:
        ready(lan[0].start())
    assert lan not in lans.OPEN


def test_nothing_is_left_behind(program: Callable[[str], None]) -> None:
    program(patient())
    with Lan(2) as lan:
        names = [lan.switch, *(node.ns for node in lan)]
        pids = [ready(node.start()).pid for node in lan]
        assert all((NETNS / name).exists() for name in names)
    assert not any((NETNS / name).exists() for name in names)
    assert not lan.work.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(patient())
    script = (
        "import time\n"
        "from lan.lan import Lan\n"
        "with Lan(1) as lan:\n"
        "    lan[0].start()\n"
        "    while not lan[0].log(): pass\n"
        "    print(lan[0].ns, lan.switch, lan.work, lan[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"DIR_SYNC_MAIN": str(tmp_path / "main.py")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout
        ns, switch, work, pid = other.stdout.readline().split()
        assert not {ns, switch} & set(remove_leftovers()), "it is still alive"
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 5, "its daemons die with it")
    remove_leftovers()  # or another process of this run has done it already
    wait_for(lambda: not any(path.exists() for path in (NETNS / ns, NETNS / switch, Path(work))), 10, "all is removed")


def test_another_run_may_remove_the_same_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = f"{lans.PREFIX}{ended.pid}l1n0"
    ip = lans.ip

    def quicker(*args: str) -> str:
        if args == ("netns", "pids", name):
            ip("netns", "del", name)
        return ip(*args)

    monkeypatch.setattr(lans, "ip", quicker)
    ip("netns", "add", name)
    assert name not in remove_leftovers()
    assert not (NETNS / name).exists()


def test_the_clock_of_a_node_can_be_wrong(new_lan: Callable[..., Lan], program: Callable[[str], None]) -> None:
    if not lans.faketime_library():
        pytest.skip("libfaketime is not installed")
    node = new_lan(1)[0]
    (node.dir / "file").touch()
    program(
        "import os, queue, sys, time\n"
        "now = time.monotonic()\n"
        "try: queue.Queue().get(timeout=0.2)\n"
        "except queue.Empty: pass\n"
        "time.sleep(0.1)\n"
        "print(time.time(), os.stat(sys.argv[1] + '/file').st_mtime, now, time.monotonic() - now)"
    )
    node.start(clock_offset=-10 * 365 * 86400)
    wait_for(lambda: not node.running, 10, "it ends")
    clock, mtime, monotonic, waited = map(float, node.log().split())
    assert node.process is not None
    assert node.process.returncode == 0
    node.kill()
    assert abs(clock + 10 * 365 * 86400 - time.time()) < 60
    assert abs(mtime - time.time()) < 60
    assert abs(monotonic - time.monotonic()) < 60
    assert 0.3 <= waited < 5
