"""The token ledger: random work on three nodes, with partitions, kill -9 and wrong clocks; no token is lost."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .faults import Faults
from .lan import MAIN, Lan, Node, faketime_library
from .ledger import EXCHANGE, Ledger, User, rename, work_together

pytestmark = pytest.mark.lan

SOON_S = 60.0
HEALED_S = 90.0
DAY_S = 86_400
OPTIONS = ("--brake-files", "0")  # who was away comes back without much of what it had: that is no accident here


def offset_of(node: Node) -> int:
    return (-400 * DAY_S, 0, 400 * DAY_S)[node.index % 3] if faketime_library() else 0


def start(node: Node) -> Node:
    return node.start(*OPTIONS, clock_offset=offset_of(node))


def begin(new_lan: Callable[..., Lan], count: int = 3) -> Lan:
    lan = new_lan(count)
    for node in lan:
        start(node)
    lan.meet("start", SOON_S)
    return lan


def users_of(lan: Lan, ledger: Ledger, seed: int, **more: float) -> list[User]:
    return [User(ledger, node.dir, seed, clock_s=offset_of(node), **more) for node in lan]  # type: ignore[arg-type]


def nothing_is_lost(lan: Lan, ledger: Ledger, limit_s: float = 5) -> None:
    """Once all are equal. (A version may be filed a moment after the name has its new content.)"""
    wait_equal(lan.roots, HEALED_S)
    try:
        wait_for(lambda: not ledger.missing(lan.roots), limit_s, "every token is somewhere")
    except AssertionError:
        lost = ledger.missing(lan.roots)
        raise AssertionError(f"{len(lost)} of {len(ledger.written)} tokens are lost:\n" + "\n".join(lost)) from None


FAULTS = ("killed", "all_killed", "isolated", "isolated_and_killed", "cut", "frozen", "unplugged")


def random_work(lan: Lan, seed: int, faults: int, for_s: float) -> tuple[Ledger, Counter[str]]:
    ledger, rng = Ledger(seed), random.Random(seed)
    trouble = Faults(lan, rng, start)

    def meanwhile() -> None:
        for name in rng.sample(FAULTS * (1 + faults // len(FAULTS)), faults):
            trouble.lasts(rng.uniform(0.3, 1.0))
            getattr(trouble, name)(rng.uniform(0.5, 1.0) * for_s)

    done = work_together(users_of(lan, ledger, seed), meanwhile)
    lan.meet(f"quiet {seed}", HEALED_S)
    return ledger, done


@pytest.mark.parametrize(
    ("seed", "faults", "for_s"),
    [(1, 5, 2.0), *(pytest.param(seed, 20, 8.0, marks=pytest.mark.patient) for seed in range(2, 6))],
)
def test_every_token_that_nobody_replaced_is_somewhere(
    new_lan: Callable[..., Lan], seed: int, faults: int, for_s: float
) -> None:
    lan = begin(new_lan)
    ledger, done = random_work(lan, seed, faults, for_s)
    nothing_is_lost(lan, ledger)
    assert len(ledger.written) > 200, done
    assert len(ledger.replaced) > 100, done
    kept = [node for node in lan if any(node.versions.rglob("*"))]
    assert kept == lan.nodes, "each of them had something to keep"


# --- it can fail ---------------------------------------------------------------------------------

THROWS_AWAY = """
import runpy, sys
sys.path.insert(0, "{place}")
from dir_sync.files.history_store import HistoryStore
file_away = HistoryStore.file_away
def throw_away(self, *args):
    version = file_away(self, *args)
    self._disk.remove_file(version.name)
    return version
HistoryStore.file_away = throw_away
sys.argv[0] = "{place}/main.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_node_that_throws_away_what_it_displaces_is_found_out(new_lan: Callable[..., Lan], tmp_path: Path) -> None:
    """The same work; but the daemons keep no history."""
    lan = new_lan(3)
    faulty = write(tmp_path / "main.py", THROWS_AWAY.format(place=MAIN.parent).encode())
    for node in lan:
        node.main = faulty
        start(node)
    lan.meet("start", SOON_S)
    ledger = Ledger(7)
    work_together(users_of(lan, ledger, 7, times=100), lambda: Faults(lan, random.Random(7), start).cut(1.0))
    lan.meet("quiet", HEALED_S)
    with pytest.raises(AssertionError, match="tokens are lost"):
        nothing_is_lost(lan, ledger, 0)


def test_one_lost_version_is_found(new_lan: Callable[..., Lan]) -> None:
    """The loser of one conflict is missing: just that is said."""
    lan = begin(new_lan, 2)
    a, b = lan
    ledger = Ledger()
    tokens = [ledger.new() for _ in range(4)]
    write(a.dir / "file", tokens[0])
    ledger.wrote(tokens[0], "in the beginning")
    wait_equal(lan.roots, SOON_S)
    for node, token in zip(lan, tokens[1:], strict=False):
        node.kill()
        ledger.took((node.dir / "file").read_bytes(), f"edited at {node}")
        write(node.dir / "file", b"edited: " + token)
        ledger.wrote(token, f"edited at {node}")
    for node in lan:
        start(node)
    lan.meet("again", HEALED_S)
    nothing_is_lost(lan, ledger)
    winner = (a.dir / "file").read_bytes()
    (loser,) = (token for token in tokens[1:3] if token not in winner)
    for node in lan:
        for path in node.versions.rglob("*"):
            if path.is_file() and loser in path.read_bytes():
                path.unlink()
    (said,) = ledger.missing(lan.roots)
    assert said.startswith(f"{loser.decode()}: edited at ")
    assert b.running


def folders(tmp_path: Path) -> list[Path]:
    roots = [tmp_path / name / "shared" for name in ("one", "other")]
    for root in roots:
        (root / ".dir_sync/versions/2020-01-01").mkdir(parents=True)
        (root / ".dir_sync/staging").mkdir()
    return roots


def test_the_ledger_finds_what_is_anywhere_and_misses_what_is_not(tmp_path: Path) -> None:
    roots = folders(tmp_path)
    ledger = Ledger()
    places = {
        "in a tree": roots[1] / "deep/file",
        "in a history": roots[0] / ".dir_sync/versions/2020-01-01/old",
        "in a file whose name is none": roots[0] / os.fsdecode(b"bad\xff\n"),
        "only in the staging folder": roots[0] / ".dir_sync/staging/new-1",
        "only beside": tmp_path / "one/beside",
        "replaced": tmp_path / "one/trash",
    }
    for where, path in places.items():
        token = ledger.new()
        write(path, b"<token 00 1>" + b"x" * 99 + token + b"\xff")
        ledger.wrote(token, where)
    os.symlink(places["only beside"], roots[0] / "link")
    ledger.took(places["replaced"].read_bytes(), "knowingly")
    lost = [line.partition(": ")[2] for line in ledger.missing(roots)]
    assert lost == ["only in the staging folder", "only beside"]
    before = places["in a tree"].stat()
    write(places["in a tree"], b"y" * before.st_size)
    assert any(line.endswith(": in a tree") for line in ledger.missing(roots)), "it is read again"


def test_users_lose_nothing_by_themselves(tmp_path: Path) -> None:
    """Without any daemon: whatever a user has not taken away is there; and the same seed does the same."""
    trees = []
    for turn in range(2):
        root = tmp_path / f"{turn}" / "user" / "shared"
        root.mkdir(parents=True)
        ledger = Ledger(3)
        user = User(ledger, root, 3, times=700, pause_s=1e-9)
        done = work_together([user], user.join)
        assert ledger.missing([root]) == []
        assert not any((root.parent / "desk").iterdir())
        assert all(done[name] for name in ("append", "copy", "swap", "delete_folder", "file_for_folder")), done
        trees.append((sorted(ledger.written), sorted(ledger.replaced), done))
    assert trees[0] == trees[1]


def test_a_user_sees_what_comes_out(tmp_path: Path) -> None:
    """What was put there behind the user's back, an instant before, is known to be replaced."""
    (root,) = folders(tmp_path)[:1]
    ledger = Ledger()
    token = ledger.new()
    write(root / "file", b"by nobody " + token)
    ledger.wrote(token, "by nobody")
    user = User(ledger, root, 1)
    user.somewhere = lambda: root / "file"  # type: ignore[method-assign]
    user._beside.mkdir()
    user.save_anew()
    assert ledger.replaced.keys() == {token}
    (other,) = ledger.written.keys() - {token}
    assert other in (root / "file").read_bytes()
    with pytest.raises(FileExistsError):
        rename(write(root / "second", b"2"), root / "file", 1)
    rename(root / "second", root / "file", EXCHANGE)
    assert other in (root / "second").read_bytes()
