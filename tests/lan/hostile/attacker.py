"""What all attacks need: a client that listens while it attacks, and figures of what it costs its victims."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..changes import write
from ..lan import Node
from ..stranger import CHUNKS, Closed, Message, Stranger, pieces_frame

_CLK_TCK = os.sysconf("SC_CLK_TCK")


class Attacker(Stranger):
    """A stranger whose answers are read by a thread of its own, once `listen` was called: it counts what comes, answers
    PINGs, and serves PULLs of `contents` (by digest)."""

    def __init__(self, at: Node, to: Node) -> None:
        super().__init__(at, to)
        self.heard: Counter[str] = Counter()  # messages by type
        self.messages: list[Message] = []  # the last of them
        self.contents: dict[str, bytes] = {}
        self.reason: str | None = None  # of the CLOSE that came
        self.gone = threading.Event()  # the victim has closed the connection
        self._listener: threading.Thread | None = None
        self._speak = threading.Lock()

    def listen(self) -> Attacker:
        self._listener = threading.Thread(target=self._hear, name="attacker", daemon=True)
        self._listener.start()
        return self

    def send_bytes(self, raw: bytes) -> None:
        with self._speak:
            super().send_bytes(raw)

    def _hear(self) -> None:
        try:
            while True:
                try:
                    got = self.receive(3600.0)
                except OSError:
                    return
                kind = got.message.get("type", "")
                self.heard[kind] += 1
                if kind == "CLOSE":
                    self.reason = got.message["reason"]
                elif kind == "PULL":
                    self._serve(got.message)
                if kind:
                    self.messages = [*self.messages[-999:], got.message]
        except (Closed, OSError):
            return
        finally:
            self.gone.set()

    def _serve(self, asked: Message) -> None:
        for pull, _path, digest, _base, offset, length in asked["pulls"]:
            content = self.contents.get(digest)
            if content is None:
                self.send({"type": "REFUSE", "folder": "default", "refused": [[pull, "gone"]]})
                continue
            part = content[offset : offset + length]
            self.served += len(part)
            self.send_bytes(pieces_frame(CHUNKS, [(pull, offset, part)]))

    def leave(self) -> None:
        """End the connection without a word."""
        try:
            self.socket.shutdown(2)
        except OSError:
            pass
        if self._listener is not None:
            self._listener.join(10)
        self.socket.close()

    def __exit__(self, *error: object) -> None:
        self.leave()


def cpu_s(node: Node) -> float:
    """CPU time of the daemon since its start."""
    fields = Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLK_TCK


def state_bytes(node: Node) -> int:
    """What the daemon keeps in DIR/.dir_sync: index, history, staging."""
    total = 0
    for folder, _, names in os.walk(node.dir / ".dir_sync"):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def index_bytes(node: Node) -> int:
    """The index and its journal."""
    return sum(path.stat().st_size for path in (node.dir / ".dir_sync").glob("index.db*"))


@dataclass
class Figures:
    """What an attack has cost: a neighbour that works honestly, and the victims."""

    latencies_ms: list[float] = field(default_factory=list)  # of each small file of the neighbour, until it is there
    late: int = 0  # files of the neighbour that have not arrived at all
    duration_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)  # by node
    memory_bytes: dict[str, int] = field(default_factory=dict)  # growth of the peak
    disk_bytes: dict[str, int] = field(default_factory=dict)  # growth of .dir_sync

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies_ms)
        assert ordered, "the neighbour has not worked"
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def __str__(self) -> str:
        parts = [f"{self.duration_s:.1f} s"]
        if self.latencies_ms:
            p50, p95, worst = self.percentile_ms(50), self.percentile_ms(95), max(self.latencies_ms)
            parts.append(f"{len(self.latencies_ms)} honest changes: {p50:.0f}/{p95:.0f}/{worst:.0f} ms (50/95/100 %)")
        parts.append(f"{self.late} late")
        for node, used in self.cpu_s.items():
            memory, disk = self.memory_bytes[node], self.disk_bytes[node]
            parts.append(f"{node}: {used:.2f} s CPU, {memory / 2**20:+.0f} MiB memory, {disk / 2**20:+.1f} MiB disk")
        return "; ".join(parts)


@contextmanager
def measured(source: Node, target: Node, every_s: float = 0.1, patience_s: float = 20.0) -> Iterator[Figures]:
    """While this lasts, an honest user writes a small file at `source` every so often and waits until it is at `target`.
    The figures are complete when it is over."""
    figures = Figures()
    nodes = (source, target)
    before = {node: (cpu_s(node), node.memory_bytes(), state_bytes(node)) for node in nodes}
    enough = threading.Event()

    def work() -> None:
        turn = 0
        one = time.time_ns()  # names that were never used before: also not by another measurement on the same LAN
        while not enough.is_set():
            turn += 1
            name = f"honest/{one} {turn}"
            begun = time.monotonic()
            write(source.dir / name, f"honest {turn} {begun}".encode())
            while not (target.dir / name).exists():
                if time.monotonic() - begun > patience_s:
                    figures.late += 1
                    break
                time.sleep(0.002)
            else:
                figures.latencies_ms.append(1000 * (time.monotonic() - begun))
            enough.wait(every_s)

    worker = threading.Thread(target=work, name="honest", daemon=True)
    begun = time.monotonic()
    worker.start()
    try:
        yield figures
    finally:
        enough.set()
        worker.join(patience_s + 5)
        figures.duration_s = time.monotonic() - begun
        for node in nodes:
            cpu, memory, disk = before[node]
            figures.cpu_s[str(node)] = cpu_s(node) - cpu
            figures.memory_bytes[str(node)] = node.memory_peak_bytes() - memory
            figures.disk_bytes[str(node)] = state_bytes(node) - disk
