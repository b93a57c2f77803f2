"""What a hostile peer may send as a delta or a signature, and what the program `rdiff` makes of ours."""

from __future__ import annotations

import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.delta import (
    DeltaError,
    apply_delta,
    check_signature,
)
from tests.delta.tools import (
    BLOCK,
    MAGIC,
    MemoryFile,
    applied,
    copied,
    made,
    needs_librsync,
    needs_rdiff,
    noise,
    plain_signature,
    sign,
)

# --- Hostile deltas -----------------------------------------------------------------------------------------


def copy(offset: int, length: int) -> bytes:
    return b"\x54" + struct.pack(">QQ", offset, length)


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (b"", "half-way"),
        (b"rs\x01", "half-way"),
        (b"rs\x016\0", "not a delta"),
        (MAGIC, "half-way"),
        (MAGIC + b"\0", "fewer bytes"),
        (MAGIC + b"\x03abc\0", "fewer bytes"),
        (MAGIC + b"\x03abc", "half-way"),
        (MAGIC + b"\x0aabc", "half-way"),
        (MAGIC + b"\x0aabcdefghij", "half-way"),
        (MAGIC + b"\x0aabcdefghij\0\0", "after its end"),
        (MAGIC + b"\x0babcdefghijk\0", "more bytes"),
        (MAGIC + b"\x55\0", "unknown command 85"),
        (MAGIC + b"\xff\0", "unknown command 255"),
        (MAGIC + b"\x41\0\0", "empty command"),
        (MAGIC + b"\x41\0" * 1_000_000, "empty command"),
        (MAGIC + b"\x44" + b"\xff" * 8, "more bytes"),
        (MAGIC + b"\x44\0\0\0", "half-way"),
        (MAGIC + copy(0, 0) + b"\0", "empty command"),
        (MAGIC + copy(0, 11) + b"\0", "more bytes"),
        (MAGIC + copy(0, 2**64 - 1) + b"\0", "more bytes"),
        (MAGIC + copy(2**64 - 1, 10) + b"\0", "beyond the end"),
        (MAGIC + copy(2**63, 1) + b"\0", "beyond the end"),
        (MAGIC + copy(91, 10) + b"\0", "beyond the end"),
        (MAGIC + copy(0, 10) * 2, "more bytes"),
        (MAGIC + copy(0, 9), "half-way"),
        (MAGIC + copy(0, 9)[:5], "half-way"),
    ],
)
def test_odd_deltas_are_refused(commands: bytes, reason: str) -> None:
    out = MemoryFile(room=10)
    with pytest.raises(DeltaError, match=reason):
        apply_delta(MemoryFile(commands), MemoryFile(noise(100)), out, 10)
    assert len(out.data) <= 10


@pytest.mark.parametrize("code", range(0x45, 0x55))
def test_all_widths_of_copies(code: int) -> None:
    offset_bytes, length_bytes = 1 << (code - 0x45) // 4, 1 << (code - 0x45) % 4
    command = bytes((code,)) + (7).to_bytes(offset_bytes, "big") + (50).to_bytes(length_bytes, "big")
    base = noise(100)
    assert applied(MAGIC + command + b"\0", base, 50) == base[7:57]


@pytest.mark.parametrize("head", [b"\x05", b"\x41\x05", b"\x42\0\x05", b"\x43\0\0\0\x05", b"\x44" + bytes(7) + b"\x05"])
def test_all_widths_of_literals(head: bytes) -> None:
    assert applied(MAGIC + head + b"hello\0", b"", 5) == b"hello"


def test_a_literal_longer_than_one_read() -> None:
    data = noise(3 * limits.CHUNK_BYTES + 17)
    assert applied(MAGIC + b"\x43" + struct.pack(">I", len(data)) + data + b"\0", b"", len(data)) == data


def test_a_bomb_stops_at_the_announced_size() -> None:
    base = MemoryFile(bytes(10**6))
    out = MemoryFile(room=5 * 10**6)
    with pytest.raises(DeltaError, match="more bytes"):
        apply_delta(MemoryFile(MAGIC + (copy(0, 10**6) + b"\x01x") * 3000 + b"\0"), base, out, 5 * 10**6)
    assert len(out.data) <= 5 * 10**6


def test_more_commands_than_any_honest_delta_has_are_refused() -> None:
    size = 1_000_000
    out = MemoryFile(room=size)
    with pytest.raises(DeltaError, match="too many commands"):
        apply_delta(MemoryFile(MAGIC + b"\x45\x00\x01" * size + b"\0"), MemoryFile(b"x"), out, size)
    assert len(out.data) < 10_000


def test_copies_that_go_on_are_made_at_once() -> None:
    base = noise(100_000)
    pieces = b"".join(copy(at, 1000) for at in range(0, 100_000, 1000))
    commands = MAGIC + pieces + copy(5, 10) + b"\x01x" + copy(15, 10) + copy(25, 10) + b"\0"
    size = 100_000 + 10 + 1 + 20
    assert applied(commands, base, size) == base + base[5:15] + b"x" + base[15:35]
    assert copied(commands, base, size) == [(0, 0, 100_000), (5, 100_000, 10), (15, 100_011, 20)]


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    what = st.sampled_from(["replace", "insert", "remove", "cut", "repeat"])
    return draw(st.lists(st.tuples(what, st.floats(0, 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))


def mutated(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for what, where, new in changes:
        at = int(where * len(data))
        if what == "replace":
            data = data[:at] + new + data[at + len(new) :]
        elif what == "insert":
            data = data[:at] + new + data[at:]
        elif what == "remove":
            data = data[:at] + data[at + len(new) :]
        elif what == "cut":
            data = data[:at]
        else:
            data = data[:at] + data[at : at + 40] * len(new) + data[at + 40 :]
    return data


BASE = noise(20 * BLOCK + 100)
NEW = BASE[: 3 * BLOCK] + noise(60, 1) + BASE[9 * BLOCK :] + BASE[: 5 * BLOCK]


@cache
def good_signature() -> bytes:
    return sign(BASE)


@cache
def good_delta() -> bytes:
    commands = made(good_signature(), NEW)
    assert commands is not None
    return commands


@needs_librsync
@given(mutations())
def test_a_mutated_delta_is_refused_or_makes_something_of_the_right_size(changes: list) -> None:
    try:
        result = applied(mutated(good_delta(), changes), BASE, len(NEW))
    except DeltaError:
        return
    assert len(result) == len(NEW)


@given(st.lists(st.sampled_from([b"\0", b"\x01", b"\x41", b"\x45\x01\x02", b"\x54", b"\xff", copy(0, 9)])))
def test_any_bytes_are_refused_or_applied(commands: list[bytes]) -> None:
    try:
        assert len(applied(MAGIC + b"".join(commands), BASE, 100)) == 100
    except DeltaError:
        pass


@needs_librsync
@given(mutations(), st.booleans())
def test_a_mutated_signature_is_refused_or_makes_a_clean_delta(changes: list, plain: bool) -> None:
    whole = good_signature()
    bad = mutated(plain_signature(whole) if plain else whole, changes)
    try:
        commands = made(bad, NEW)
    except DeltaError:
        return
    assert commands is not None
    try:
        assert len(applied(commands, BASE, len(NEW))) == len(NEW)
    except DeltaError:
        pass  # it names blocks that the base does not have


# --- The program rdiff --------------------------------------------------------------------------------------


def rdiff(*arguments: object) -> None:
    subprocess.run(["rdiff", *map(str, arguments)], check=True, timeout=20, capture_output=True)


@needs_rdiff
@pytest.mark.parametrize("size", [0, 1, 5000, 300_000])
def test_rdiff_reads_our_signatures_and_we_apply_its_deltas(tmp_path: Path, size: int) -> None:
    base = noise(size)
    new = base[: size // 2] + noise(100, 1) + base[size // 2 :]
    (tmp_path / "new").write_bytes(new)
    (tmp_path / "signature").write_bytes(plain_signature(sign(base)))
    rdiff("delta", tmp_path / "signature", tmp_path / "new", tmp_path / "delta")
    commands = (tmp_path / "delta").read_bytes()
    assert applied(commands, base, len(new)) == new
    assert len(commands) < len(new) // 4 + 6000


@needs_rdiff
@pytest.mark.parametrize("size", [1, 5000, 300_000])
def test_we_read_signatures_of_rdiff_and_it_applies_our_deltas(tmp_path: Path, size: int) -> None:
    base = noise(size)
    new = base[: size // 2] + noise(100, 1) + base[size // 2 :]
    (tmp_path / "base").write_bytes(base)
    rdiff("--block-size=2048", "signature", tmp_path / "base", tmp_path / "signature")
    theirs = (tmp_path / "signature").read_bytes()
    check_signature(theirs, size)
    for base_signature in (theirs, sign(base)):
        commands = made(base_signature, new)
        assert commands is not None
        (tmp_path / "delta").write_bytes(commands)
        rdiff("--force", "patch", tmp_path / "base", tmp_path / "delta", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == new


@needs_rdiff
def test_our_signatures_are_those_of_rdiff(tmp_path: Path) -> None:
    base = noise(100_001)
    (tmp_path / "base").write_bytes(base)
    rdiff(f"--block-size={BLOCK}", "signature", tmp_path / "base", tmp_path / "signature")
    assert plain_signature(sign(base)) == (tmp_path / "signature").read_bytes()


@needs_rdiff
@pytest.mark.parametrize("options", [["-H", "md4"], ["-R", "rollsum"], ["-S", "8"], ["-b", "256"]])
def test_weaker_signatures_of_rdiff_are_refused(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "base").write_bytes(noise(10_000))
    rdiff("-b", "2048", *options, "signature", tmp_path / "base", tmp_path / "signature")
    with pytest.raises(DeltaError):
        check_signature((tmp_path / "signature").read_bytes())
