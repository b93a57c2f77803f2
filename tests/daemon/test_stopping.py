"""The end of a whole node: what its workers have done is in the index, and nothing that hangs holds it up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dir_sync.config import Config
from dir_sync.core.events import Event
from dir_sync.core.jobs import Job, ListJob
from dir_sync.core.model import Kind
from dir_sync.daemon.daemon import Daemon
from dir_sync.file_sync import FileSync
from dir_sync.folder import state
from tests.ends import closed_at_end

SOON_S = 20.0


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Bench:
    """A node whose first listing begins, and then waits for what the test says. There is a file `f`."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Callable[[], bool]) -> None:
        self.folder = tmp_path / "shared"
        self.folder.mkdir()
        (self.folder / "f").write_bytes(b"content")
        self.has_begun = threading.Event()
        config = Config(
            str(self.folder),
            free_port(socket.SOCK_DGRAM),
            free_port(socket.SOCK_STREAM),
            str(tmp_path / "signatures"),
            interface="lo",
        )
        self.daemon = Daemon(config, lambda: None)
        real = FileSync.perform

        def perform(sync: FileSync, job: Job, *more: Callable[[], Any]) -> Event | None:
            if isinstance(job, ListJob):
                self.has_begun.set()
                deadline = time.monotonic() + SOON_S
                while not until() and time.monotonic() < deadline:
                    time.sleep(0.002)
            return real(sync, job, *more)

        monkeypatch.setattr(FileSync, "perform", perform)

    def run(self) -> float:
        """The node is stopped while it lists the folder. How long (s) the stop takes."""
        self.daemon.start()
        try:
            assert self.has_begun.wait(SOON_S)
        finally:
            begun = time.monotonic()
            self.daemon.stop()
        return time.monotonic() - begun

    def end_workers(self) -> None:
        self.daemon.threads.join(SOON_S)

    def is_known(self) -> bool:
        index = closed_at_end(state.open_index(str(self.folder).encode(), Random(1)))
        row = index.rows.get(b"f")
        return row is not None and row.record.kind is Kind.FILE


def test_what_a_worker_does_in_the_moment_of_the_stop_is_in_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[float] = []

    def until() -> bool:
        """Some time after the stop has begun."""
        if bench.daemon.threads.is_ending:
            ends.append(time.monotonic())
        return bool(ends) and time.monotonic() > ends[0] + 0.2

    bench = Bench(tmp_path, monkeypatch, until)
    bench.run()
    assert bench.is_known()


def test_a_job_that_hangs_does_not_hang_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    bench = Bench(tmp_path, monkeypatch, is_over.is_set)
    try:
        assert bench.run() < SOON_S / 2
        assert not bench.is_known()
    finally:
        is_over.set()
        bench.end_workers()
