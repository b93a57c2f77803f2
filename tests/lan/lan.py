"""A LAN of network namespaces on one bridge, and nodes that run the program in them.

The bridge has a namespace of its own, and so has every node (its own lo, and eth0 with 10.77.x.<n>/24 and a
broadcast address): the host gets no interface, no address and no route, and no packet can leave the LAN.
Names begin with `dsl<pid>`: what a killed run left behind is known by its dead pid, and removed by the next.

Needs root and iproute2, no other package. `why_impossible()` says what is missing.

Environment: DIR_SYNC_MAIN is the program to test (default: main.py of this checkout), DIR_SYNC_LAN_TMP the
folder to work in (default: the system's temporary folder).
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .checker import ALARMS, wait_for

PREFIX = "dsl"
NETWORK = f"10.77.{os.getpid() % 250}"
NETNS = Path("/run/netns")
MAIN = Path(os.environ.get("DIR_SYNC_MAIN") or Path(__file__).resolve().parents[2] / "main.py")

STOP_LIMIT_S = 5.0
LOG_TAIL_LINES = 40

_CLONE_NEWNET = 0x40000000
FITHAW = 0xC0045878
_libc = ctypes.CDLL(None, use_errno=True)

OPEN: list[Lan] = []
"""The LANs that are up now: a failing test shows the logs of their nodes."""


def command(*args: str | os.PathLike[str]) -> str:
    """Run a command that must succeed; its output."""
    done = subprocess.run([os.fspath(arg) for arg in args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ip(*args: str) -> str:
    return command("ip", *args)


@functools.cache
def why_impossible() -> str | None:
    """None where LANs can be built, else the reason, for people."""
    if not sys.platform.startswith("linux"):
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "no `ip` (package iproute2)"
    try:
        with Lan(1):
            return None
    except (OSError, RuntimeError) as error:
        return f"no namespaces, veth or bridge here: {error}"


def faketime_library() -> Path | None:
    """libfaketime for programs with threads, if it is installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


def free_bytes(path: Path) -> int:
    """Of the whole disk, on which others write as well: good for a skip, never for an assertion."""
    return shutil.disk_usage(path).free


def allocated_bytes(folder: Path) -> int:
    """What the files below a folder take up on the disk."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(above, name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def make_immutable(*paths: Path) -> str:
    """Why that is not possible, for people; "" if it is done."""
    if not shutil.which("chattr"):
        return "no `chattr` (package e2fsprogs)"
    done = subprocess.run(["chattr", "+i", *paths], check=False, capture_output=True, text=True)
    if done.returncode:
        subprocess.run(["chattr", "-i", *paths], check=False, capture_output=True)
        return f"nothing can be made immutable here: {done.stderr.strip()}"
    return ""


# --- what dead runs left behind -------------------------------------------------------------------


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _temporary() -> Path:
    return Path(os.environ.get("DIR_SYNC_LAN_TMP") or tempfile.gettempdir())


def _is_below(folder: Path, content: bytes) -> bool:
    """A file with these very bytes is in a folder."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above, name)
            try:
                info = path.lstat()
                alike = stat.S_ISREG(info.st_mode) and info.st_size == len(content)
                if alike and path.read_bytes() == content:
                    return True
            except FileNotFoundError:
                continue
    return False


def remove_leftovers() -> list[str]:
    """Remove the namespaces and folders of runs that are no more; their names."""
    removed = []
    name_of_ours = re.compile(rf"{PREFIX}(\d+)[a-z-]")
    for path in [*NETNS.glob(f"{PREFIX}*"), *_temporary().glob(f"{PREFIX}*")]:
        match = name_of_ours.match(path.name)
        if not match or _alive(int(match[1])):
            continue
        try:
            _remove(path)
        except (RuntimeError, FileNotFoundError) as error:  # another process found the same, and was quicker
            wait_for(lambda path=path: not os.path.lexists(path), 5, f"{path} is removed ({error})")
            continue
        removed.append(path.name)
    return removed


def _remove(path: Path) -> None:
    """The namespace with all that runs in it, or the folder if it is ours."""
    if path.parent == NETNS:
        for pid in ip("netns", "pids", path.name).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended by itself
        ip("netns", "del", path.name)
    elif path.lstat().st_uid == os.geteuid():
        _unmount_below(path)
        shutil.rmtree(path, ignore_errors=True)


def _unmount_below(folder: Path) -> None:
    """Disks of a run that is no more, frozen ones too (see tests/crash/images.py)."""
    paths = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    mounted = [path for path in paths if folder in path.parents]
    for path in mounted:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, FITHAW, 0)
        except OSError:
            pass  # it is not frozen
        finally:
            os.close(handle)
    for path in reversed(mounted):
        command("umount", path)


# --- one machine ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of the program that came to its end."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.strip()]


class Node:
    """A namespace (shared by all nodes of a LAN that is one machine), a folder to share, a home, a log."""

    def __init__(self, lan: Lan, index: int) -> None:
        self.lan, self.index = lan, index
        self.name = f"n{index}"
        self.ns = f"{lan.tag}n{0 if lan.one_machine else index}"
        self.switch_port = f"p{index}"
        self.address = "127.0.0.1" if lan.one_machine else f"{NETWORK}.{index + 1}"
        self.port = 6000 + index if lan.one_machine else 6000
        self.base = lan.work / self.name
        self.dir = self.base / "shared"
        self.home = self.base / "home"
        self.signatures = self.base / "signatures"
        self.log_path = self.base / "log.txt"
        self._main: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.may_end = False  # nobody complains if the daemon ends by itself
        self._log_at_start = 0
        self.sources: Iterator[str] = itertools.repeat("")  # from which addresses a stranger calls; "": from its own

    @property
    def main(self) -> Path:
        """The program that is run."""
        return self._main or MAIN

    @main.setter
    def main(self, program: Path) -> None:
        self._main = program

    def __repr__(self) -> str:
        return self.name

    # --- folders

    @property
    def versions(self) -> Path:
        """Where the node keeps what synchronization replaced."""
        return self.dir / ".dir_sync" / "versions"

    def keeps(self, content: bytes) -> bool:
        """These very bytes are among what synchronization has replaced here (or on their way there)."""
        end = time.monotonic() + 5
        while not _is_below(self.versions, content):
            if not _is_below(self.versions.parent / "staging", content) or time.monotonic() > end:
                return _is_below(self.versions, content)
            time.sleep(0.01)
        return True

    def make_folders(self) -> None:
        for folder in (self.dir, self.home, self.base / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)

    # --- the program

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """A machine of its own: nothing of the user who runs the tests."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "DIR_SYNC"))}
        return clean | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".local/state"),
            "XDG_DATA_HOME": str(self.home / ".local/share"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_RUNTIME_DIR": str(self.home / ".run"),
            "TMPDIR": str(self.base / "tmp"),
            "PYTHONFAULTHANDLER": "1",  # see abort()
            **(more or {}),
        }

    def within(self, *args: str | os.PathLike[str]) -> list[str]:
        """A command line that runs `args` in this node's namespace, as the very process that is started."""
        tied = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        return [*tied, "ip", "netns", "exec", self.ns, *(os.fspath(arg) for arg in args)]

    def start(
        self,
        *extra_args: str | os.PathLike[str],
        broadcast_port: int = 5000,
        listen_port: int | None = None,
        signatures: Path | None = None,
        env: dict[str, str] | None = None,
        clock_offset: int = 0,
    ) -> Node:
        """Start the daemon. `clock_offset`: seconds that its clock is wrong by (needs libfaketime)."""
        assert not self.running, f"{self} runs already"
        self.make_folders()
        more = dict(env or {})
        if clock_offset:
            library = faketime_library()
            assert library, "clock_offset needs libfaketime"
            more |= {
                "LD_PRELOAD": str(library),
                "FAKETIME": f"{clock_offset:+d}",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
                "PYTHONPATH": str(Path(__file__).parent / "faketime"),
            }
        args = [
            *(sys.executable, self.main, self.dir),
            *("-b", str(broadcast_port), "-l", str(self.port if listen_port is None else listen_port)),
            *("-s", signatures or self.signatures),
            *extra_args,
        ]
        self.launch(args, more)
        return self

    @contextmanager
    def running_as(self, *args: str | os.PathLike[str]) -> Iterator[None]:
        """The daemon runs, started with exactly these arguments; in the end it is stopped as by stop()."""
        assert not self.running, f"{self} runs already"
        self.launch([sys.executable, self.main, *args])
        try:
            yield
            self.stop()
        finally:
            self.kill()

    def launch(self, args: Sequence[str | os.PathLike[str]], env: dict[str, str] | None = None) -> None:
        """Start exactly this as the daemon."""
        with self.log_path.open("ab") as log:
            self._log_at_start = log.tell()
            self.process = subprocess.Popen(
                self.within(*args),
                env=self.environment(env),
                cwd=self.base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run_to_end(
        self,
        *args: str | os.PathLike[str],
        limit_s: float = 20.0,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        before: tuple[str, ...] = (),
    ) -> Ended:
        """Run the program with exactly these arguments until it ends by itself."""
        self.make_folders()
        process = subprocess.Popen(
            self.within(*before, sys.executable, self.main, *args),
            env=self.environment(env),
            cwd=cwd or self.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            shown = (out + err).decode(errors="backslashreplace")
            raise AssertionError(f"{list(map(str, args))} did not end within {limit_s} s:\n{shown}") from None
        return Ended(process.returncode, *(text.decode(errors="backslashreplace") for text in (out, err)))

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self} was not started"
        return self.process.pid

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None, f"{self} was not started"
        self.process.send_signal(number)

    def catches(self, number: signal.Signals) -> bool:
        """The program has set up a handler of its own."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except FileNotFoundError:
            return False
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)

    def ends(self, limit_s: float) -> int:
        """Wait for the daemon's end; its exit code."""
        assert self.process is not None, f"{self} was not started"
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} did not end within {limit_s} s:\n{self.abort()}") from None
        self.process = None
        return code

    def stop(self, limit_s: float = STOP_LIMIT_S, by: signal.Signals = signal.SIGTERM) -> float:
        """End the daemon as a user would: it must exit with 0 in time. The seconds that it took."""
        self.must_run()
        # An interpreter that has just been started dies of a SIGTERM, and knows SIGINT in its own way only.
        wait_for(lambda: not self.running or self.catches(signal.SIGTERM), 10, f"{self} catches signals")
        begun = time.monotonic()
        self.send_signal(by)
        code = self.ends(limit_s)
        took = time.monotonic() - begun
        assert code == 0, f"{self} ended with exit code {code}\n{self.tail()}"
        return took

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None

    def must_run(self) -> None:
        assert self.process is not None, f"{self} was not started"
        code = self.process.poll()
        assert code is None, f"{self} ended by itself with exit code {code}\n{self.tail()}"

    # --- what it says and uses

    def log(self, *, this_run: bool = False) -> str:
        """What it has said since it exists; or just in this run."""
        try:
            said = self.log_path.read_bytes()
        except FileNotFoundError:
            return ""
        return said[self._log_at_start if this_run else 0 :].decode(errors="backslashreplace")

    def tail(self, lines: int = LOG_TAIL_LINES) -> str:
        shown = self.log().splitlines()[-lines:]
        state = f"runs, pid {self.pid}" if self.running else "does not run"
        return "\n".join([f"--- {self} ({state}), end of its log:", *(ascii(line)[1:-1] for line in shown)])

    def has_died(self) -> str:
        """It was started and has ended, though nobody has asked it to: that, in words. Else ""."""
        if self.process is None or self.process.poll() is None or self.may_end:
            return ""
        return f"{self} ended by itself with exit code {self.process.returncode}"

    def complaints(self) -> list[str]:
        """What must never happen to a daemon: it crashed, it logged a traceback or raw control characters."""
        found = [self.has_died()] if self.has_died() else []
        raw = self.log_path.read_bytes() if self.log_path.exists() else b""
        if b"Traceback (most recent call last)" in raw:
            found.append(f"{self} logged a traceback")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            found.append(f"{self} logged bytes that are no UTF-8: {raw[error.start - 40 : error.end + 40]!r}")
            text = raw.decode(errors="replace")
        controls = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
        if controls:
            around = text[max(0, controls.start() - 60) : controls.end() + 60]
            found.append(f"{self} logged a raw control character: {around!a}")
        return found

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def memory_peak_bytes(self) -> int:
        """The most that was ever resident since the start."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        peak = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        assert peak
        return int(peak[1]) << 10

    def disk_written_bytes(self) -> int:
        """What the daemon has caused to be written to disk since its start."""
        return self._io("write_bytes")

    def handed_over_bytes(self) -> int:
        """What the daemon has handed over to the kernel in writes and copies since its start, on any file system."""
        return self._io("wchar")

    def _io(self, field: str) -> int:
        fields = dict(line.split(": ") for line in Path(f"/proc/{self.pid}/io").read_text().splitlines())
        return int(fields[field])

    def abort(self) -> str:
        """End a daemon that hangs; where its threads were."""
        assert self.process is not None
        before = len(self.log())
        self.send_signal(signal.SIGABRT)  # faulthandler writes down all stacks
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        return self.log()[before:]

    # --- its place on the network

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in this node's namespace; a socket made here stays there."""
        with ExitStack() as stack:
            descriptors = []
            for path in ("/proc/thread-self/ns/net", NETNS / self.ns):
                descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                stack.callback(os.close, descriptors[-1])
            here, there = descriptors
            _enter(there)
            try:
                yield
            finally:
                _enter(here)

    def wire_bytes(self) -> int:
        """Bytes that this node has put on the wire, as its switch port counted them."""
        return self.lan.wire_bytes()[self.index]

    def isolate(self) -> None:
        """The switch forwards nothing from or to this node any more; the node itself sees nothing of it."""
        ip("-n", self.lan.switch, "link", "set", self.switch_port, "nomaster")

    def unplug(self) -> None:
        """Pull the cable: the node sees its interface lose the carrier."""
        ip("-n", self.lan.switch, "link", "set", self.switch_port, "down")

    def heal(self) -> None:
        """Undo isolate, unplug and every cut of this node."""
        ip("-n", self.lan.switch, "link", "set", self.switch_port, "master", "br0", "up")
        self.lan.settle()
        for other in self.lan.nodes:
            if frozenset((self.index, other.index)) in self.lan.cuts:
                self.lan.join(self, other)

    def limit_rate(self, rate: str | None) -> None:
        """Shape what this node sends, e.g. to "100mbit"; None: as fast as memory again."""
        if rate is None:
            command("tc", "-n", self.ns, "qdisc", "del", "dev", "eth0", "root")
        else:
            bucket = ("tbf", "rate", rate, "burst", "64kb", "latency", "50ms")
            command("tc", "-n", self.ns, "qdisc", "add", "dev", "eth0", "root", *bucket)


def say(node: Node, word: str, *more: str) -> str:
    """A command for its folder, which it carries out without a complaint. Returns what it prints."""
    ended = node.run_to_end(word, node.dir, *more)
    assert ended.code == 0, ended.err
    assert not ended.errors
    return ended.out


def content(node: Node, name: str) -> bytes | None:
    """Of that file in its folder; None: there is none."""
    try:
        return (node.dir / name).read_bytes()
    except FileNotFoundError:
        return None


def has(node: Node, name: str, data: bytes | None, limit_s: float = 60.0) -> None:
    """Wait until that is the content of that file in its folder."""
    wait_for(lambda: content(node, name) == data, limit_s, f"{name} at {node} is {data!r}")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


# --- all of them ----------------------------------------------------------------------------------


class Lan:
    """`count` nodes on one switch; or, as `one_machine`, side by side in a namespace that has only lo."""

    _made = 0

    def __init__(self, count: int, *, default_route: bool = False, one_machine: bool = False) -> None:
        Lan._made += 1
        self.tag = f"{PREFIX}{os.getpid()}l{Lan._made}"
        self.default_route, self.one_machine = default_route, one_machine
        self.switch = f"{self.tag}sw"
        self.cuts: set[frozenset[int]] = set()
        self.work = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_temporary()))
        self.nodes = [Node(self, index) for index in range(count)]

    def __enter__(self) -> Lan:
        remove_leftovers()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        OPEN.append(self)
        ALARMS.append(self._alarm)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        complaints = self.complaints()
        tails = self.tails() if complaints else ""
        self.close()
        if complaints and kind is None:
            raise AssertionError("\n".join([*complaints, tails]))

    def _build(self) -> None:
        for node in self.nodes:
            node.make_folders()
        if self.one_machine:
            self._add_namespace(self.nodes[0].ns)
            return
        self._add_namespace(self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        for node in self.nodes:
            self._add_namespace(node.ns)
            ip(
                *("link", "add", "eth0", "netns", node.ns, "type", "veth"),
                *("peer", "name", node.switch_port, "netns", self.switch),
            )
            ip("-n", self.switch, "link", "set", node.switch_port, "master", "br0", "up")
            ip(
                *("-n", node.ns, "addr", "add", f"{node.address}/24"),
                *("broadcast", f"{NETWORK}.255", "dev", "eth0"),
            )
            ip("-n", node.ns, "link", "set", "eth0", "up")
            if self.default_route:
                ip("-n", node.ns, "route", "add", "default", "via", f"{NETWORK}.254")
        self.settle()

    def settle(self) -> None:
        """Every port that has a cable forwards (which is so a moment after its link is up)."""

        def forwarding() -> bool:
            ports = json.loads(ip("-n", self.switch, "-j", "-d", "link", "show", "master", "br0"))
            states = [port["linkinfo"]["info_slave_data"]["state"] for port in ports if "UP" in port["flags"]]
            return all(state == "forwarding" for state in states)

        wait_for(forwarding, 5, "the switch forwards")

    @staticmethod
    def _add_namespace(name: str) -> None:
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")

    def close(self) -> None:
        """Kill what still runs, remove every namespace and folder of this LAN."""
        if self in OPEN:
            OPEN.remove(self)
            ALARMS.remove(self._alarm)
        for node in self.nodes:
            node.kill()
        for name in {node.ns for node in self.nodes} | {self.switch}:
            if (NETNS / name).exists():
                ip("netns", "del", name)
        shutil.rmtree(self.work, ignore_errors=True)

    # --- nodes

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def roots(self) -> list[Path]:
        return [node.dir for node in self.nodes]

    def start(self, *extra_args: str) -> None:
        for node in self.nodes:
            node.start(*extra_args)

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.stop()

    def meet(self, token: str, limit_s: float = 60.0) -> None:
        """Each node gets a file (in `met/`) from each other one: all first exchanges are through."""
        for node in self.nodes:
            path = node.dir / "met" / f"{token} {node}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(token)
        for node in self.nodes:
            for other in self.nodes:
                path = node.dir / "met" / f"{token} {other}"
                wait_for(path.exists, limit_s, f"{node} gets what {other} has written")

    def reset(self) -> None:
        """Every node as on its first day."""
        for node in self.nodes:
            node.kill()
            if not self.one_machine:
                node.heal()
            shutil.rmtree(node.base)
            node.make_folders()

    def complaints(self) -> list[str]:
        return [complaint for node in self.nodes for complaint in node.complaints()]

    def _alarm(self) -> str:
        return "\n".join(node.has_died() for node in self.nodes if node.has_died())

    def tails(self) -> str:
        return "\n".join(node.tail() for node in self.nodes)

    # --- the network

    def wire_bytes(self) -> list[int]:
        """Bytes that each node has put on the wire so far, as the switch counted them."""
        links = json.loads(ip("-n", self.switch, "-j", "-s", "link", "show"))
        counted = {link["ifname"]: int(link["stats64"]["rx"]["bytes"]) for link in links}
        return [counted[node.switch_port] for node in self.nodes]

    def cut(self, one: Node, other: Node) -> None:
        """Nothing that one of the two sends reaches the other any more, broadcasts included; neither is told.

        Each drops what comes from the other on arrival, by a routing rule that comes before all others.
        (Early demultiplexing would deliver to connected sockets without looking at the routes.)
        """
        for here, there in ((one, other), (other, one)):
            rule = ("-n", here.ns, "rule")
            if "100:" not in ip(*rule, "show").split():
                ip(*rule, "add", "pref", "100", "lookup", "local")
                ip(*rule, "del", "pref", "0")
                with here.inside():
                    for name in ("ip_early_demux", "tcp_early_demux", "udp_early_demux"):
                        Path(f"/proc/sys/net/ipv4/{name}").write_text("0")
            ip(*rule, "add", "pref", str(10 + there.index), "from", there.address, "blackhole")
        self.cuts.add(frozenset((one.index, other.index)))

    def join(self, one: Node, other: Node) -> None:
        """Undo a cut."""
        for here, there in ((one, other), (other, one)):
            ip("-n", here.ns, "rule", "del", "pref", str(10 + there.index))
        self.cuts.discard(frozenset((one.index, other.index)))
