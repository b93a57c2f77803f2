"""What a person types, sees and can rely on: one clear line for a mistake, an end in time, no surprises."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .changes import blob, every_odd_name, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Ended, Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
END_S = 2.0


@pytest.fixture(scope="module")
def machine() -> Iterator[Node]:
    """A machine to run commands on; what is refused must not have changed its folder."""
    with Lan(1) as lan:
        write(lan[0].dir / "file", b"x")
        yield lan[0]


def refused(ended: Ended, *words: str, codes: tuple[int, ...] = (1, 2)) -> None:
    """One line, on stderr, that says what is wrong."""
    assert ended.code in codes, ended
    assert len(ended.errors) == 1, ended.err
    assert ended.out == ""
    for word in words:
        assert word.lower() in ended.errors[0].lower(), ended.err
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]+", ended.errors[0]), ended.errors


BAD_OPTIONS = {
    "unknown option": (["--no-such-option"], "no-such-option"),
    "port 0": (["-b", "0"], "0"),
    "port 65536": (["-l", "65536"], "65536"),
    "negative port": (["-l", "-1"], ""),
    "port in words": (["-b", "five thousand"], "five thousand"),
    "port with a fraction": (["-l", "6000.5"], "6000.5"),
    "no port": (["-l"], ""),
    "empty port": (["-l", ""], ""),
    "peer with a bad port": (["--peer", "10.0.0.1:99999"], "99999"),
    "peer without a host": (["--peer", ":6000"], "6000"),
    "unknown interface": (["--interface", "nosuch0"], "nosuch0"),
    "two folders": (["another"], "another"),
    "a folder name that is too long": (["--folder", "x" * 65], ""),
    "an empty folder name": (["--folder", ""], ""),
    "a name that is too long": (["--name", "x" * 65], ""),
    "a name with an escape": (["--name", "\x1b[31mred"], "name"),
    "a name of two lines": (["--name", "one\ntwo"], "name"),
}


@pytest.mark.parametrize("what", BAD_OPTIONS)
def test_bad_options(machine: Node, what: str) -> None:
    options, word = BAD_OPTIONS[what]
    before = survey(machine.dir)
    refused(machine.run_to_end(machine.dir, "-s", machine.signatures, *options), word)
    assert survey(machine.dir) == before


def test_no_folder_given(machine: Node) -> None:
    refused(machine.run_to_end(), "dir")
    refused(machine.run_to_end("run"), "dir")


def test_a_folder_that_is_none(machine: Node) -> None:
    refused(machine.run_to_end(machine.base / "nowhere"), "nowhere")
    assert not (machine.base / "nowhere").exists()
    write(machine.base / "a file", b"x")
    refused(machine.run_to_end(machine.base / "a file"), "a file")
    os.symlink("nowhere", machine.base / "dangling")
    refused(machine.run_to_end(machine.base / "dangling"), "dangling")
    refused(machine.run_to_end(""))
    forged = machine.base / "line\nbreak \x1b[31mred"
    ended = machine.run_to_end(forged)
    refused(ended, "break")
    with_a_bad_byte = os.fsdecode(os.fsencode(machine.base) + b"/bad\xff")
    refused(machine.run_to_end(with_a_bad_byte), "bad")


@pytest.mark.parametrize("mode", [0o000, 0o555, 0o300])
def test_a_folder_that_cannot_be_used(machine: Node, mode: int) -> None:
    """By somebody who is not root: it cannot be listed, or not be written to."""
    folder = machine.base / f"mode {mode:o}"
    folder.mkdir()
    folder.chmod(mode)
    path_to_it = machine.base.parents
    for parent in (machine.base, *path_to_it):
        if parent != Path("/") and parent.stat().st_uid == os.getuid() and "dsl" in parent.name:
            parent.chmod(0o755)
    machine.home.chmod(0o777)
    someone = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    probe = machine.run_to_end("--version", before=someone)
    if probe.code:
        pytest.skip(f"another user cannot run the program here: {probe.err}")
    refused(machine.run_to_end(folder, "-s", machine.base / "tmp/sig", before=someone), f"mode {mode:o}")
    assert os.listdir(folder) == []


def test_a_tcp_port_that_is_taken(machine: Node) -> None:
    with machine.inside():
        taken = socket.socket()
    with taken:
        taken.bind(("", 6000))
        taken.listen()
        refused(machine.run_to_end(machine.dir, "-s", machine.signatures), "6000")


def test_a_udp_port_that_is_taken(machine: Node) -> None:
    with machine.inside():
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with taken:
        taken.bind(("", 5000))
        refused(machine.run_to_end(machine.dir, "-s", machine.signatures), "5000")


def test_help_and_version(machine: Node) -> None:
    shown = machine.run_to_end("--help")
    assert (shown.code, shown.err) == (0, "")
    for option in (
        *("-b", "--broadcast-port", "-l", "--listen-port", "-s", "--signature-dir", "--peer", "--name"),
        *("--folder", "--interface", "-v", "-q", "--log-file", "--version", "5000", "6000", "/tmp/signatures"),
    ):
        assert option in shown.out, option
    assert re.search(r"python\d? main\.py \S+", shown.out), "an example"
    version = machine.run_to_end("--version")
    assert (version.code, version.err) == (0, "")
    assert re.search(r"\d+\.\d+", version.out)


def test_a_second_daemon_on_the_same_folder(new_lan: Callable[..., Lan]) -> None:
    """It says so and ends, whatever name the folder is given by; the first one goes on."""
    lan = new_lan(2, one_machine=True)
    first, other = lan
    write(first.dir / "file", b"1")
    lan.start()
    wait_equal(lan.roots, SOON_S)
    link = first.base / "link to it"
    os.symlink(first.dir, link)
    before = survey(first.dir)
    for name in (first.dir, link, f"{first.dir}/../shared/"):
        ended = other.run_to_end(name, "-l", "6100", "-s", other.signatures)
        refused(ended, codes=(1,))
    assert survey(first.dir) == before
    write(first.dir / "file", b"goes on")
    wait_equal(lan.roots, SOON_S, like=survey(first.dir))
    # Once the first is gone, even by kill -9, another one may have it.
    first.kill()
    first.start()
    write(other.dir / "file", b"the next one")
    wait_equal(lan.roots, SOON_S, like=survey(other.dir))


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["SIGTERM", "SIGINT", "SIGHUP"])
def test_it_ends_in_time(new_lan: Callable[..., Lan], by: signal.Signals) -> None:
    """At rest, right after its start, and in the middle of a transfer; nothing half made stays behind."""
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "file", b"1")
    lan.start()
    lan.meet("start")
    for node in lan:
        took = node.stop(by=by)
        assert took < END_S, f"{node} took {took:.1f} s to end"
    lan.start()
    wait_for(lambda: a.log(this_run=True), SOON_S, "it has begun")
    for node in lan:
        node.stop(END_S, by=by)

    lan.start()
    lan.meet("again")
    a.limit_rate("200mbit")
    size = 32 << 20
    before = a.wire_bytes()
    content = blob(size)
    write(a.base / "large", content).rename(a.dir / "large")
    wait_for(lambda: a.wire_bytes() - before > size // 4, SOON_S, "the middle of a transfer")
    took = b.stop(by=by)
    assert took < END_S, f"it took {took:.1f} s to end"
    assert not (b.dir / "large").exists()
    took = a.stop(by=by)
    assert took < END_S, f"it took {took:.1f} s to end"
    a.limit_rate(None)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))


def test_signals_that_come_together_end_it_cleanly(new_lan: Callable[..., Lan]) -> None:
    """A supervisor signals the process and its group."""
    lan = new_lan(2)
    a, b = lan
    lan.start()
    lan.meet("start")
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        a.send_signal(number)
    assert a.ends(END_S) == 0
    assert a.log().splitlines()[-1].endswith("  stopped")
    wait_for(lambda: "it stopped" in b.log(), SOON_S, "the other one is told")


def test_what_the_start_line_says(new_lan: Callable[..., Lan]) -> None:
    node = new_lan(1)[0].start("--name", "kitchen")
    wait_for(lambda: "6000" in node.log(), SOON_S, "where it listens")
    said = " ".join(node.log().lower().split())
    for word in ("kitchen", "6000", "5000", "open", "default", "anyone"):
        assert word in said, f"{word} is not in: {said}"
    node.stop()


def test_log_file_quiet_and_verbose(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    quiet, verbose = lan
    written = quiet.base / "a log.txt"
    quiet.start("-q", "--log-file", str(written))
    verbose.start("-v")
    lan.meet("start")
    write(quiet.dir / "some file", blob(100_000))
    for number in range(60):
        write(quiet.dir / "many" / f"number {number}", b"%d" % number)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: "some file" in verbose.log(), SOON_S, "a line about the file")
    named = re.compile(r"received many/number (\d+)")
    wait_for(lambda: len(set(named.findall(verbose.log()))) == 60, SOON_S, "-v names every file")
    quiet.stop()
    assert "some file" in written.read_text()
    assert "some file" not in quiet.log()


def test_a_large_file_that_leaves_is_told_of(new_lan: Callable[..., Lan]) -> None:
    """By its sender: in `status` and in the log while it leaves, and once more when it is there."""
    lan = new_lan(2)
    a, _ = lan
    lan.start()
    lan.meet("start")
    a.limit_rate("6mbit")
    write(a.base / "large", blob(18_000_000)).rename(a.dir / "large")
    wait_for(
        lambda: re.search(
            r"^sending large to .*: \d+ % of 18\.0 MB( at .*)?$", a.run_to_end("status", a.dir).out, re.MULTILINE
        ),
        SOON_S,
        "it is in status",
    )
    # (Started together with what the nodes gave each other when they met, or not.)
    going = r"  going out: \d of \d files?, .* of 1\d\.\d MB \(\d+ %\), .*/s, .* left"
    wait_for(lambda: re.search(going, a.log()), SOON_S, "and in the log, as a part of the whole")
    assert "sent large" not in a.log()
    a.limit_rate(None)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: "sent large (18.0 MB) to " in a.log(), SOON_S, "that it is there")
    wait_for(lambda: "sending" not in a.run_to_end("status", a.dir).out, SOON_S, "no more")


def test_run_is_the_same_and_a_folder_is_a_folder(new_lan: Callable[..., Lan]) -> None:
    """`main.py run DIR`; and ./run, ./history are folders whatever commands there are."""
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "file", b"1")
    a.start()
    for turn, words in enumerate((["run", "history"], ["./history"], ["run", "run"], ["./run"])):
        folder = b.base / Path(words[-1]).name
        folder.mkdir(exist_ok=True)
        write(a.dir / "file", f"turn {turn}".encode())
        with b.running_as(*words, "-s", str(b.signatures)):
            wait_equal([a.dir, folder], SOON_S, like=survey(a.dir))


def test_long_options(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "file", b"1")
    a.start(broadcast_port=5005, listen_port=6005)
    signatures = b.base / "sig"
    for spelling in ("--signature-dir", "--signature_dir"):
        words = ("--broadcast-port", "5005", "--listen-port", "6006", spelling, str(signatures))
        with b.running_as(*words, str(b.dir)):
            wait_equal(lan.roots, SOON_S)
        assert signatures.is_dir()


def outside_link(node: Node) -> None:
    (node.base / "victim").mkdir()
    os.symlink(node.base / "victim", node.signatures)


def someone_elses(node: Node) -> None:
    node.signatures.mkdir()
    os.chown(node.signatures, 65534, 65534)


BAD_SIGNATURE_FOLDERS: dict[str, Callable[[Node], object]] = {
    "a link": outside_link,
    "a file": lambda node: write(node.signatures, b"precious"),
    "below a file": lambda node: write(node.signatures.parent, b"precious"),
    "of somebody else": someone_elses,
    "a dangling link": lambda node: os.symlink("nowhere", node.signatures),
    "cannot be made": lambda node: None,
}


@pytest.mark.parametrize("what", BAD_SIGNATURE_FOLDERS)
def test_an_unusable_signature_folder_costs_one_warning(new_lan: Callable[..., Lan], what: str) -> None:
    """It is a cache: dir_sync works without it, and writes nowhere where it should not."""
    lan = new_lan(2)
    a, b = lan
    if what == "below a file":
        a.signatures = a.base / "deeper/signatures"
    if what == "cannot be made":
        a.signatures = Path("/proc/nowhere/signatures")
    BAD_SIGNATURE_FOLDERS[what](a)
    content = blob(3 << 20)
    write(a.dir / "file", content)
    lan.start()
    wait_equal(lan.roots, SOON_S)
    for turn in range(3):
        write(lan[turn % 2].dir / "file", content[: turn << 20] + b"edited" + content[turn << 20 :])
        wait_equal(lan.roots, SOON_S, like=survey(lan[turn % 2].dir))
    warnings = [line for line in a.log().splitlines() if str(a.signatures) in line]
    assert len(warnings) == 1, a.log()
    assert str(b.signatures) not in a.log()
    if what == "a link":
        assert os.listdir(a.base / "victim") == []
    if what in ("a file", "below a file"):
        precious = a.signatures if what == "a file" else a.signatures.parent
        assert precious.read_bytes() == b"precious"
    if what == "of somebody else":
        assert os.listdir(a.signatures) == []
        assert a.signatures.stat().st_uid == 65534
    lan.stop()


def test_the_signature_folder_is_a_cache(new_lan: Callable[..., Lan]) -> None:
    """Private to its user; deleted or spoilt at any moment it costs nothing but time."""
    lan = new_lan(2)
    a, b = lan
    content = blob(4 << 20)
    write(a.dir / "file", content)
    lan.start()
    wait_equal(lan.roots, SOON_S)
    assert a.signatures.stat().st_mode & 0o777 == 0o700
    for turn in range(4):
        for node in lan:
            for path in sorted(node.signatures.rglob("*"), reverse=True):
                if path.is_file() and turn % 2:
                    path.write_bytes(os.urandom(path.stat().st_size))
                elif path.is_file():
                    path.unlink()
        content = content[:1_000_000] + f"turn {turn}".encode() + content[1_000_000:]
        write(lan[turn % 2].dir / "file", content)
        wait_equal(lan.roots, SOON_S, like=survey(lan[turn % 2].dir))
    assert (b.dir / "file").read_bytes() == content


def test_a_signature_folder_inside_the_shared_one_is_not_shared(new_lan: Callable[..., Lan]) -> None:
    """Unless it is refused, which is as good."""
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "file", blob(3 << 20))
    a.may_end = True
    a.start(signatures=a.dir / "signatures")
    b.start()
    wait_for(lambda: (b.dir / "file").exists() or not a.running, SOON_S, "the file, or a refusal")
    if not a.running:
        assert a.ends(1) in (1, 2)
        return
    write(a.dir / "file", blob(3 << 20)[:-5])
    wait_for(lambda: (b.dir / "file").stat().st_size == (3 << 20) - 5, SOON_S, "the edit")
    holds(lambda: not (b.dir / "signatures").exists(), 1.0, "signatures stay at home")


def test_names_are_escaped_in_the_log(new_lan: Callable[..., Lan]) -> None:
    """Names come from others: none of them forges a line, moves the cursor or breaks the log."""
    lan = new_lan(2)
    for node in lan:
        node.start("-v", "--name", f"node {node.index}")
    lan.meet("start")
    write(lan[0].dir / "x\n2026-01-01 00:00:00 FORGED LINE", b"x")
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        wait_for(lambda node=node: "FORGED" in node.log(), SOON_S, f"a line about the file on {node}")
        assert "\n2026-01-01 00:00:00 FORGED" not in node.log()
    names = [*dict.fromkeys(every_odd_name()), b"\x1b[2J\x1b[H", b"\r\x1b[K", b"\xc2\x9b31m"]
    top = os.fsencode(lan[0].dir)
    for name in names:
        os.mkdir(os.path.join(top, name))
        with open(os.path.join(top, name, name), "wb") as file:
            file.write(name)
        os.mkfifo(os.path.join(top, name, b"fifo"))
    wait_equal(lan.roots, SOON_S)
    for name in names[::2]:
        os.rename(os.path.join(top, name, name), os.path.join(top, name, b"renamed"))
    for name in names[1::2]:
        os.remove(os.path.join(top, name, name))
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        assert node.complaints() == []
    lan.stop()


def test_a_name_for_people_is_escaped_too(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    lan[0].start("--name", "caf\u00e9 & the <b>rest</b>; $(true)")
    lan[1].start()
    lan.meet("start")
    for node in lan:
        assert node.complaints() == []
