"""Members with programs of their own: a reader that announces whatever it likes, a thief that plants its next identity."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.keys import MeshKey, identity_of
from dir_sync.core.noise import HandshakeError, public_of
from tests.lan.changes import write
from tests.lan.checker import holds, survey, wait_equal, wait_for
from tests.lan.lan import Lan

from ..stranger import ABSENT, FILE, LINK, Closed
from .insider import Insider
from .mesh import SOON_S, demand, key_of, members, on_one_key, start, stolen_key
from .tools import key_file

pytestmark = pytest.mark.lan

FILES = 400  # a brake holds the loss of so many


def key_in(path: Path) -> MeshKey:
    return MeshKey.from_text(path.read_text())


@pytest.fixture
def lan(new_lan: Callable[..., Lan]) -> Iterator[Lan]:
    """Three machines with one key from a file, and a place for somebody who has it, too."""
    made = new_lan(4)
    nodes = made.nodes[:3]
    for at in range(FILES):
        write(nodes[0].dir / f"tree/{at}", b"content %d" % at)
    for node in nodes:
        node.start("--name", node.name, "--key-file", key_file(made))
    wait_equal([node.dir for node in nodes], SOON_S)
    return made


def later(known: list[Any], reader: Insider) -> list[list[object]]:
    """A vector that knows all of that record, and has one change more."""
    return sorted([*known[9], [reader.replica, 2**40 + reader.sequence]])


def lie(reader: Insider, known: dict[str, list[Any]]) -> None:
    """All that a member that may write could do: new, changed, deleted, renamed files; decisions, settled conflicts."""
    changes: list[tuple[str, list[Any], bytes | None]] = [
        ("create", reader.record("planted", FILE, b"planted"), b"planted"),
        ("create", reader.record("link", LINK, b"/etc/passwd"), None),
    ]
    for at in range(FILES):
        name = f"tree/{at}"
        vector = later(known[name], reader)
        if at % 3:
            changes.append(("delete", reader.record(name, ABSENT, vector=vector), None))
        else:
            changes.append(("modify", reader.record(name, FILE, b"evil", vector=vector), b"evil"))
    reader.update(*changes)
    # As changes of those who may write, and as a state.
    writers = [reader.their_replica]
    forged = [
        reader.record(name, ABSENT, stamp_node=maker, vector=[[maker, 2**40 + number]])
        for number, (name, maker) in enumerate(zip(known, writers * len(known), strict=True))
    ]
    said = {"folder": "default", "sequence": reader.sequence}
    reader.send({"type": "STATE", **said, "last": False, "records": forged})
    for maker in [reader.replica, *writers]:
        reader.send({"type": "DECISION", "folder": "default", "maker": maker, "counter": 2**61, "approve": True})
        reader.send({"type": "DECISION", "folder": "default", "maker": maker, "counter": 2**61, "approve": False})
    losers = [[name, 1, record[3]] for name, record in known.items() if record[1] == FILE]
    reader.send({"type": "SETTLE", "folder": "default", "losers": losers})
    reader.send({"type": "BRAKE", "folder": "default", "held": [[writers[0], 1, 1_000, "tree/1"]]})
    reader.send({"type": "MEMBERS", "members": [[os.urandom(16).hex(), "tablet", "rw", 0, ""]]})


def said_it(reader: Insider) -> None:
    """All that was sent was read: the answer to a question comes after it."""
    reader.send({"type": "PING", "token": 4711})
    reader.expect("PONG", that=lambda message: message["token"] == 4711)


def test_whatever_a_reader_announces_counts_nowhere_also_at_members_that_were_off(lan: Lan) -> None:
    one, two, away, place = lan.nodes
    key = key_in(key_file(lan)).read_only()
    static = os.urandom(32)
    before = survey(one.dir)
    away.stop()
    known: dict[str, list[Any]] = {}
    for node in (one, two):
        with Insider(place, node, key, static) as reader:
            known = reader.open().state()
            assert set(known) >= {f"tree/{at}" for at in range(FILES)}, "it reads everything"
            lie(reader, known)
            said_it(reader)
    assert survey(one.dir) == survey(two.dir) == before
    # The member that was off meets the reader alone.
    one.stop()
    two.stop()
    start(away)
    with Insider(place, away, key, static) as reader:
        reader.open()
        lie(reader, known)
        said_it(reader)
        assert survey(away.dir) == before
        start(one, two)
        wait_equal([one.dir, two.dir, away.dir], SOON_S, like=before)
        write(away.dir / "tree/0", b"changed by a writer")
        write(one.dir / "tree/1", b"and by another one")
        wait_equal([one.dir, two.dir, away.dir], SOON_S)
        lie(reader, known)
        said_it(reader)
    assert (two.dir / "tree/0").read_bytes() == b"changed by a writer"
    for node in (one, two, away):
        names = [row["name"] for row in members(node)["members"]]
        assert "tablet" not in names, "what a reader says of others is not believed"
        assert node.run_to_end("conflicts", node.dir).code == 0
    wait_equal([one.dir, two.dir, away.dir], SOON_S)


def test_a_reader_decides_nothing(lan: Lan) -> None:
    """All files vanish at a writer while its node is off, and a brake holds that. The reader approves it, for everybody."""
    one, two, _, place = lan.nodes
    key = key_in(key_file(lan)).read_only()
    one.stop()
    shutil.rmtree(one.dir / "tree")
    start(one)

    def held() -> bool:
        return bool(json.loads(one.run_to_end("status", one.dir, "--json").out)["held"])

    wait_for(held, SOON_S, "it is held")
    with Insider(place, one, key) as first, Insider(place, two, key) as second:
        makers = [first.open().their_replica, second.open().their_replica, first.replica, second.replica]
        for reader in (first, second):
            for maker in makers:
                decision = {"type": "DECISION", "folder": "default", "maker": maker, "counter": 2**61}
                reader.send({**decision, "approve": True})
            said_it(reader)
        holds(lambda: len(list((two.dir / "tree").iterdir())) == FILES, 1.5, "the others keep the files")
    assert held()
    assert one.run_to_end("reject", one.dir).code == 0
    wait_equal([node.dir for node in lan.nodes[:3]], SOON_S)
    assert len(list((one.dir / "tree").iterdir())) == FILES


def test_a_reader_is_no_writer_by_saying_so(lan: Lan) -> None:
    """It has the secret of the door, and not the key that proves the other role."""
    key = key_in(key_file(lan))
    faked = MeshKey(key.role, key.generation, key.read_only().secret, key.writers)
    with pytest.raises((Closed, OSError, HandshakeError)), Insider(lan[3], lan[0], faked) as reader:
        reader.open()
    assert all("does not have the role" not in node.log() or node.running for node in lan.nodes[:3])


def test_identities_that_a_thief_has_made_up_do_not_collect_the_next_key(lan: Lan) -> None:
    """Before it is removed, it tells of machines that do not exist; one of them, as it says, was let in by the very member
    that removes it later. `remove --yes` leaves them out; the thief then calls as each of them."""
    one, two, _, thief = lan.nodes
    key = key_in(key_file(lan))
    own, planted, claimed = os.urandom(32), os.urandom(32), os.urandom(32)
    me = next(row["identity"] for row in members(one)["members"] if row["me"])
    names = {static: identity_of(public_of(static)) for static in (own, planted, claimed)}
    with Insider(thief, one, key, own) as insider:
        insider.open(name="laptop")
        rows = [[names[planted], "tablet", "rw", 1, names[own]], [names[claimed], "tv", "rw", 1, me]]
        rows.append([os.urandom(16).hex(), "far", "rw", 1, os.urandom(16).hex()])
        insider.send({"type": "MEMBERS", "members": rows})
        said_it(insider)
        wait_for(lambda: members(one)["count"] == 7, SOON_S, "it believes that they exist")
    old = key_of(one)
    done = one.run_to_end("remove", one.dir, "laptop", "--yes", limit_s=SOON_S)
    assert done.code == 0, done.err
    for name in ("tablet", "tv", "far"):
        assert f"{name} (" in done.out
    assert "came with the key itself, or with a code of another machine, and stays" in done.out, (
        "the other two machines"
    )
    on_one_key(*lan.nodes[:3], but=old)
    for static in (own, planted, claimed):
        for target in lan.nodes[:3]:
            told = demand(thief, target, key, static, key.id)
            assert told is not None
            assert b"REKEY" not in told
    assert {row["name"] for row in members(two)["members"]} == {node.name for node in lan.nodes[:3]}
    assert stolen_key(one)[0].generation == 2


def test_no_key_of_a_writer_is_the_last_one(lan: Lan) -> None:
    """A writer hands over a key with the highest number that there is: nobody takes it, all are told, and a person can still
    remove."""
    one, two, _, place = lan.nodes
    key = key_in(key_file(lan))
    start_key = key_of(one)
    static = os.urandom(32)
    with Insider(place, one, key, static) as insider:
        insider.open(name="laptop")
        said_it(insider)
        wait_for(lambda: members(one)["count"] == 4, SOON_S, "it is a member")
    new = MeshKey.made_of(os.urandom(32), 2**31 - 1)
    rows = [[row["identity"], row["name"], "rw", 0, ""] for row in members(one)["members"]]
    charter = {"generation": new.generation, "key": new.id, "members": rows, "removed": []}
    rekey = {"type": "REKEY", "key": new.text, "charter": charter, "older": []}
    told = demand(place, one, key, static, new.id, rekey)
    assert told is not None
    assert told[8:] == b'{"type":"CLOSE","reason":"refused"}'
    wait_for(lambda: "neither takes that of the other" in one.log(), SOON_S, "people are told")
    assert key_of(one) == start_key
    done = one.run_to_end("remove", one.dir, "laptop", "--yes", limit_s=SOON_S)
    assert done.code == 0, done.err
    on_one_key(*lan.nodes[:3], but=start_key)
    assert stolen_key(two)[0].generation == 2
