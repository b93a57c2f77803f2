"""One gigabyte in one file, and ten thousand files."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import append, write
from .checker import survey, wait_equal, wait_for
from .lan import Lan, free_bytes

pytestmark = [pytest.mark.lan, pytest.mark.long]

MIB = 1 << 20
GIB = 1 << 30
LONG_S = 180.0


def fill(path: Path, size: int, seed: int) -> str:
    """Bytes that do not compress, written block by block, without holes. Their SHA-256."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // (4 * MIB)):
            block = rng.randbytes(4 * MIB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def test_a_file_of_one_gibibyte(new_lan: Callable[..., Lan]) -> None:
    """It arrives whole, is edited in place, gets longer, and its daemon stays small."""
    lan = new_lan(2)
    a, b = lan
    if free_bytes(lan.work) < 6 * GIB:
        pytest.skip("less than 6 GiB free")
    digest = fill(a.dir / "big", GIB, 1)
    lan.start()
    sizes = set()

    def there() -> bool:
        try:
            sizes.add((b.dir / "big").stat().st_size)
        except FileNotFoundError:
            return False
        return True

    wait_for(there, LONG_S, "the file")
    assert sizes == {GIB}, "seen half made"
    assert wait_equal(lan.roots, LONG_S)[b"big"].sha256 == digest
    memory = [node.memory_bytes() for node in lan]
    assert max(memory) < 300 * MIB, memory

    before = sum(lan.wire_bytes())
    with (b.dir / "big").open("r+b") as file:
        file.seek(700 * MIB)
        file.write(random.Random(2).randbytes(MIB))
    append(b.dir / "big", b"the end")
    final = wait_equal(lan.roots, LONG_S, like=survey(b.dir, contents=False))
    assert final[b"big"].sha256 != digest
    assert sum(lan.wire_bytes()) - before < 64 * MIB, "a small edit sent much of the file"


def test_ten_thousand_small_files(new_lan: Callable[..., Lan]) -> None:
    """They arrive, then some are edited on both sides while both are down, then some live."""
    lan = new_lan(2)
    a, b = lan
    rng = random.Random(3)
    for folder in range(200):
        (a.dir / f"folder{folder}").mkdir()
    names = [f"folder{at % 200}/file{at}" for at in range(10_000)]
    for name in names:
        (a.dir / name).write_bytes(rng.randbytes(min(60_000, int(rng.lognormvariate(8.3, 1)))))
    lan.start()
    wait_equal(lan.roots, LONG_S, like=survey(a.dir))
    lan.meet("start", LONG_S)
    lan.stop()

    picked = rng.sample(names, 240)
    for at, name in enumerate(picked[:200]):
        node = lan[at % 2]
        append(node.dir / name, b"edited while down")
    for name in picked[200:220]:
        (a.dir / name).unlink()
    for name in picked[220:240]:
        (b.dir / name).rename(b.dir / f"{name} renamed")
    expected = survey(a.dir)
    for name in (*picked[1:200:2], *picked[220:240]):
        expected.pop(os.fsencode(name))
    there = survey(b.dir)
    for name in (*picked[1:200:2], *(f"{name} renamed" for name in picked[220:240])):
        expected[os.fsencode(name)] = there[os.fsencode(name)]
    lan.start()
    wait_equal(lan.roots, LONG_S, like=expected)

    for at, name in enumerate(rng.sample(names, 100)):
        write(lan[at % 2].dir / name, b"edited live")
    (a.dir / "folder7").rename(a.dir / "renamed")
    wait_equal(lan.roots, LONG_S)
    edited = hashlib.sha256(b"edited live").hexdigest()
    assert sum(entry.sha256 == edited for entry in survey(b.dir).values()) == 100
    assert not (b.dir / "folder7").exists()


def test_a_large_file_that_changes_while_it_comes_leaves_nothing_behind(new_lan: Callable[..., Lan]) -> None:
    """Each change makes what was on its way worthless: it is removed, and no handle to it stays open."""
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "small", b"here")
    lan.start()
    wait_equal(lan.roots, LONG_S)
    staging = b.dir / ".dir_sync" / "staging"

    def parts() -> set[str]:
        return {path.name for path in staging.iterdir() if path.name.startswith("part-")}

    seen: set[str] = set()
    for seed in range(4):
        fill(a.base / f"big{seed}", 64 * MIB, seed)
    a.limit_rate("100mbit")
    for seed in range(4):
        (a.base / f"big{seed}").rename(a.dir / "big")
        wait_for(lambda seen=seen: parts() - seen, LONG_S, "it begins to come")
        assert not (b.dir / "big").exists(), "it did not change while it came"
        seen |= parts()
    a.limit_rate(None)
    wait_equal(lan.roots, LONG_S)
    wait_for(lambda: not parts(), LONG_S, "nothing is left")
    open_files = [os.readlink(path) for path in Path(f"/proc/{b.pid}/fd").iterdir() if path.exists()]
    assert not [name for name in open_files if "/staging/" in name]
