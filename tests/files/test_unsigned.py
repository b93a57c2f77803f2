"""Large files without a signature: what can still be had of one that was replaced."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from blake3 import blake3

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.core.jobs import DeltaDone, DeltaJob, DiscardJob, Looked, LookJob, Result, SignJob
from dir_sync.core.looks import LookItem, LookOutcome
from dir_sync.core.model import fingerprint
from dir_sync.core.names import STAGING
from dir_sync.disk import RealDisk
from dir_sync.file_sync import FileSync
from dir_sync.files.fingerprints import RACY
from dir_sync.files.unsigned import Unsigned
from dir_sync.ports import Reader
from tests.files.tools import apply, change

SIZE = limits.LARGE_FILE_BYTES + 5_000

pytestmark = pytest.mark.skipif(not delta.available(), reason="librsync is not installed")


class Cache:
    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    def get(self, digest: bytes) -> bytes | None:
        return self.kept.get(digest)

    def put(self, digest: bytes, signature: bytes) -> None:
        self.kept[digest] = signature


class Counting:
    """A disk that counts the bytes that are read."""

    def __init__(self, disk: RealDisk, read: list[int]) -> None:
        self._disk, self._read = disk, read

    def open(self, path: bytes) -> CountingReader:
        return CountingReader(self._disk.open(path), self._read)


class CountingReader:
    def __init__(self, reader: Reader, read: list[int]) -> None:
        self._reader, self._read = reader, read
        self.stat, self.close = reader.stat, reader.close

    def read(self, offset: int, length: int) -> bytes:
        data = self._reader.read(offset, length)
        self._read.append(len(data))
        return data


def look(sync: FileSync, path: bytes, base: bytes = b"") -> tuple[bytes, int | None]:
    """The digest of a large file, and the size of the delta that the look made."""
    looked = sync.perform(LookJob((LookItem(path, b"", base, None, False, True),), bulk=True))
    assert isinstance(looked, Looked)
    (seen,) = looked.items
    assert seen.look is LookOutcome.FOUND
    return seen.content, None if seen.delta is None else seen.delta.size


def open_files(tmp_path: Path) -> list[str]:
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return [link for link in links if link.startswith(str(tmp_path / "file"))]


def test_what_was_replaced_before_it_had_a_signature_is_the_base_of_a_delta(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    sync = FileSync(disk, lambda _: True, Cache(), time.time_ns, "test")
    sync.prepare()
    try:
        data = Random(1).randbytes(SIZE)
        (tmp_path / "file").write_bytes(data)
        old, _ = look(sync, b"file")
        for number in range(3):  # each save follows the one before at once
            data = Random(number).randbytes(10_000) + data
            (tmp_path / "file.tmp").write_bytes(data)
            (tmp_path / "file.tmp").rename(tmp_path / "file")
            new, _ = look(sync, b"file")
            stat = disk.stat(b"file")
            assert stat is not None
            done = sync.perform(DeltaJob("aa", 1, 7, b"file", fingerprint(stat), new, old, None))
            assert isinstance(done, DeltaDone)
            assert not done.need_signature
            assert done.delta is not None
            assert done.delta.size < 11_000
            old = new
        assert open_files(tmp_path)
        sync.perform(DiscardJob((), unsigned=True))
        assert not open_files(tmp_path)
    finally:
        sync.close()
        disk.close()


def test_a_file_that_was_seen_while_it_grew_is_the_base_of_a_delta_as_well(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    sync = FileSync(disk, lambda _: True, Cache(), time.time_ns, "test")
    sync.prepare()
    try:
        data = Random(1).randbytes(SIZE + 1_000_000)
        (tmp_path / "file").write_bytes(data[:SIZE])
        half, _ = look(sync, b"file")
        (tmp_path / "file").write_bytes(data)
        item = LookItem(b"file", b"", half, None, False, True, was=half, was_size=SIZE)
        looked = sync.perform(LookJob((item,), bulk=True))
        assert isinstance(looked, Looked)
        (whole,) = looked.items
        assert whole.grown is not None
        (tmp_path / "beside").write_bytes(b"new" + data)
        _, delta_bytes = look(sync, b"beside", whole.content)
        assert delta_bytes is not None
        assert delta_bytes < 1_000
        sync.perform(DiscardJob((), unsigned=True))
        assert not open_files(tmp_path)
    finally:
        sync.close()
        disk.close()


def test_what_got_another_name_while_it_was_read_is_held_all_the_same(tmp_path: Path) -> None:
    """Saves beside the old file are renamed right after their last byte, and often while they are looked at."""
    disk = RealDisk(tmp_path)
    try:
        unsigned = Unsigned(disk, Cache(), time.time_ns)
        data = Random(1).randbytes(SIZE)
        (tmp_path / "file.tmp").write_bytes(data)
        reader = disk.open(b"file.tmp")
        fp, digest = fingerprint(reader.stat()), blake3(data).digest()
        (tmp_path / "file.tmp").rename(tmp_path / "file")
        unsigned.hold_open(reader, fp, digest, SIZE)
        reader.close()
        (tmp_path / "file").unlink()
        assert unsigned.signature(digest) is not None
        assert not open_files(tmp_path)
    finally:
        disk.close()


def test_what_was_written_into_since_gives_no_signature(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    try:
        unsigned = Unsigned(disk, Cache(), time.time_ns)
        data = bytearray(Random(1).randbytes(SIZE))
        (tmp_path / "file").write_bytes(data)
        digest = blake3(data).digest()
        stat = disk.stat(b"file")
        assert stat is not None
        unsigned.hold(b"file", fingerprint(stat), digest, SIZE)
        while (
            disk.stat(b"file") == stat
        ):  # within one tick of its clock a write does not show: such a look is marked as young
            with (tmp_path / "file").open("r+b") as file:
                file.write(b"other")
        assert unsigned.signature(digest) is None
        assert not open_files(tmp_path)
    finally:
        disk.close()


@pytest.mark.parametrize("since", ["nothing", "a write that does not show", "another name"])
def test_it_is_read_once_if_nobody_can_have_written_since(tmp_path: Path, since: str) -> None:
    disk = RealDisk(tmp_path)
    read: list[int] = []
    try:
        unsigned = Unsigned(Counting(disk, read), Cache(), time.time_ns)  # type: ignore[arg-type]
        data = Random(1).randbytes(SIZE)
        (tmp_path / "file").write_bytes(data)
        stat = disk.stat(b"file")
        assert stat is not None
        young = RACY if since == "a write that does not show" else b""
        unsigned.hold(b"file", fingerprint(stat) + young, blake3(data).digest(), SIZE)
        if since == "another name":
            while disk.stat(b"other") in (None, stat):
                (tmp_path / "other").unlink(missing_ok=True)
                (tmp_path / "other").hardlink_to(tmp_path / "file")
        assert unsigned.signature(blake3(data).digest()) is not None
        assert sum(read) == SIZE * (1 if since == "nothing" else 2)
    finally:
        disk.close()


@pytest.mark.parametrize("kept_with", [b"", b"unknown"])
def test_the_sums_of_a_similar_content_are_used_whoever_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_with: bytes
) -> None:
    """A signature from nothing takes ten times as long."""
    disk, cache = RealDisk(tmp_path), Cache()
    used: list[bytes | None] = []
    make = delta.signature

    def spy(*given: Any, earlier: bytes | None = None) -> bytes:
        used.append(earlier)
        return make(*given, earlier=earlier)

    try:
        unsigned = Unsigned(disk, cache, time.time_ns)
        data = Random(1).randbytes(SIZE)
        (tmp_path / "file").write_bytes(data)
        reader = disk.open(b"file")
        cache.put(b"similar", make(reader, SIZE))
        stat = reader.stat()
        reader.close()
        unsigned.hold(b"file", fingerprint(stat), blake3(data).digest(), SIZE, kept_with)
        monkeypatch.setattr(delta, "signature", spy)
        assert unsigned.signature(blake3(data).digest(), b"similar") == cache.kept[b"similar"]
        assert used == [cache.kept[b"similar"]]
    finally:
        disk.close()


def test_what_replaced_a_file_is_signed_with_its_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, cache = RealDisk(tmp_path), Cache()
    sync = FileSync(disk, lambda _: True, cache, time.time_ns, "test")
    sync.prepare()
    asked: list[bytes] = []
    monkeypatch.setattr(cache, "get", lambda digest: asked.append(digest))
    try:
        old, new = Random(1).randbytes(SIZE), Random(2).randbytes(SIZE)
        (tmp_path / "file").write_bytes(old)
        (tmp_path / os.fsdecode(STAGING) / "part").write_bytes(new)
        item = change(disk, b"file", new)._replace(data=None, staged=STAGING + b"/part", known=blake3(old).digest())
        (result,) = apply(sync, item)
        assert result.result is Result.DONE
        asked.clear()
        sync.perform(SignJob("", 0, 0, b"file", result.fp, blake3(new).digest()))
        assert blake3(old).digest() in asked
    finally:
        sync.close()
        disk.close()


def test_few_are_held_and_not_for_long(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    now_ns = 0
    unsigned = Unsigned(disk, Cache(), lambda: now_ns)
    try:
        for number in range(40):
            with (tmp_path / f"file{number}").open("wb") as file:
                file.truncate(SIZE)
            stat = disk.stat(b"file%d" % number)
            assert stat is not None
            unsigned.hold(b"file%d" % number, fingerprint(stat), b"%032d" % number, SIZE)
        assert 0 < len(open_files(tmp_path)) <= 16
        unsigned.release_old()
        assert open_files(tmp_path)
        now_ns = 60 * 10**9
        unsigned.release_old()
        assert not open_files(tmp_path)
    finally:
        disk.close()
