"""Contents that go bad beneath two nodes: what `verify` finds, what it heals, and what it never touches."""

from __future__ import annotations

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.events import Received, VerifyEnded, VerifyWanted
from dir_sync.core.jobs import Cause
from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.verify import What
from dir_sync.engine import rereads
from dir_sync.engine.scrub import Scrub
from tests.pair import OneNode, Pair

FILES = {b"a": b"a small file", b"d/b": b"another one", b"d/large": b"large" * 100_000, b"z": b"the last one"}


@pytest.fixture
def pair() -> Pair:
    """Two nodes that have the same files."""
    made = Pair()
    for path, content in FILES.items():
        if b"/" in path and made.one.disk.stat(b"d") is None:
            made.one.disk.mkdir(b"d")
        made.one.disk.write(path, content)
    made.one.boot()
    made.link()
    made.run()
    assert contents(made.two) == FILES
    return made


def contents(node: OneNode) -> dict[bytes, bytes | None]:
    return {path: node.disk.content(path) for path in FILES}


def rot(node: OneNode, path: bytes, at: int = 3) -> bytes:
    """A bit tips over on the medium: no time changes. Returns what is there now."""
    inode = node.disk._find(path)
    assert inode is not None
    inode.data[at] ^= 1
    return bytes(inode.data)


def verify(pair: Pair, node: OneNode, repair: bool = False, most: int = 4_000) -> list[tuple[bytes, What, str]]:
    """Everything is read again. Returns what was found, with the name of the node that has it so."""
    node.inbox.append(VerifyWanted(repair))
    names = {other.index.identity.replica: other.name for other in (pair.one, pair.two)} | {"": "here"}
    for _ in range(most):
        pair.turn()
        run = node.engine.verifying.asked()
        if run is not None and run.is_over:
            found = [(one.path, one.what, names[one.at]) for one in run.findings]
            node.inbox.append(VerifyEnded())
            pair.run()
            return sorted(found)
        pair.clock.ms += 20
    raise AssertionError("it does not end")


def kept(node: OneNode) -> dict[bytes, tuple[Cause, bytes | None]]:
    """What the history has."""
    return {one.path: (one.why, node.disk.content(one.name)) for one in node.index.versions.oldest_first()}


def writes(pair: Pair) -> list[int]:
    """How often the program changed something on each disk."""
    verbs = ("rename", "exchange", "create", "create_whole", "set_meta", "file.write", "remove_file")
    return [sum(node.disk.counts[verb] for verb in verbs) for node in (pair.one, pair.two)]


def sequences(pair: Pair) -> list[int]:
    return [node.index.sequences.last for node in (pair.one, pair.two)]


def test_equal_folders_are_equal(pair: Pair) -> None:
    before = sequences(pair), writes(pair)
    assert verify(pair, pair.one) == []
    assert (sequences(pair), writes(pair)) == before


@pytest.mark.parametrize("path", FILES)
def test_rot_is_found_here_and_there_and_nothing_is_changed(pair: Pair, path: bytes) -> None:
    bad = rot(pair.one, path)
    before = sequences(pair), writes(pair)
    assert verify(pair, pair.one) == [(path, What.ROTTEN, "here")]
    assert verify(pair, pair.two) == [(path, What.ROTTEN, "one")]
    assert (sequences(pair), writes(pair)) == before
    assert pair.one.disk.content(path) == bad


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("asker", ["one", "two"])
def test_rot_is_healed_from_the_other_and_the_bad_bytes_are_kept(pair: Pair, path: bytes, asker: str) -> None:
    bad = rot(pair.one, path)
    before = sequences(pair)
    assert verify(pair, getattr(pair, asker), repair=True) == []
    assert contents(pair.one) == contents(pair.two) == FILES
    assert kept(pair.one) == {path: (Cause.ROTTEN, bad)}
    assert kept(pair.two) == {}
    assert sequences(pair) == before, "nothing was announced"
    assert [note for note in pair.one.notes if isinstance(note, notes.Healed)] == [notes.Healed(path, len(bad), "two")]
    row = pair.one.index.rows.get(path)
    pair.restart(pair.one)
    assert pair.one.index.rows.get(path) == row, "the next scan finds what is known"
    assert verify(pair, pair.one) == []


def test_what_is_rotten_on_both_is_said_of_both_and_stays(pair: Pair) -> None:
    bad = [rot(pair.one, b"a", 1), rot(pair.two, b"a", 2)]
    assert verify(pair, pair.one, repair=True) == [(b"a", What.ROTTEN, "here"), (b"a", What.ROTTEN, "two")]
    assert [pair.one.disk.content(b"a"), pair.two.disk.content(b"a")] == bad
    assert not any(node.said(notes.Healed) for node in (pair.one, pair.two))


def test_a_copy_here_heals_without_a_peer(pair: Pair) -> None:
    pair.one.disk.write(b"copy", FILES[b"a"])
    pair.one.boot()
    pair.run()
    rot(pair.one, b"a")
    assert verify(pair, pair.one, repair=True) == []
    assert pair.one.disk.content(b"a") == FILES[b"a"]
    assert pair.one.said(notes.Healed)


def test_an_edit_whose_time_was_put_back_is_an_edit(pair: Pair) -> None:
    """As many bytes, and the time of the last write set back: only the change time tells, and no program can set that."""
    before = pair.one.disk.stat(b"a")
    assert before is not None
    edit = b"A" + FILES[b"a"][1:]
    pair.one.disk.write(b"a", edit, before.mtime)
    assert len(edit) == before.size
    verify(pair, pair.one, repair=True)
    pair.run()
    assert pair.one.disk.content(b"a") == pair.two.disk.content(b"a") == edit
    assert not any(node.said(notes.Rotten) for node in (pair.one, pair.two))


def test_an_edit_of_a_rotten_file_while_it_is_healed_is_not_undone(pair: Pair) -> None:
    rot(pair.one, b"d/large")
    pair.one.inbox.append(VerifyWanted(True))
    for _ in range(2_000):
        pair.turn()
        pair.one.engine.verifying.asked()
        if pair.one.engine.work.arrivals.fetch(b"d/large") is not None:
            break
        pair.clock.ms += 5
    else:
        raise AssertionError("nothing is fetched")
    pair.one.disk.write(b"d/large", b"edited")
    pair.one.inbox.append(VerifyEnded())
    pair.one.boot()
    pair.restart(pair.one)
    assert pair.one.disk.content(b"d/large") == pair.two.disk.content(b"d/large") == b"edited"


def test_a_file_that_a_program_has_open_is_not_judged(pair: Pair) -> None:
    inode = pair.one.disk._find(b"a")
    assert inode is not None
    rot(pair.one, b"a")
    inode.writers += 1
    inode.handles += 1
    assert verify(pair, pair.one, repair=True) == [(b"a", What.CHANGING, "here")]
    assert not pair.one.said(notes.Rotten)


def test_without_a_peer_only_this_folder_is_read(pair: Pair) -> None:
    pair.cut()
    rot(pair.one, b"a")
    assert verify(pair, pair.one, repair=True) == [(b"a", What.ROTTEN, "here")]


def test_versions_that_differ_are_said_to_differ(pair: Pair) -> None:
    """The index of one says something else: here, because its peer holds an older backup of it."""
    pair.cut()
    pair.two.disk.write(b"new", b"not told yet")
    pair.two.boot()
    pair.run()
    pair.one.engine.intake.on_announced = lambda *_: None  # type: ignore[method-assign,assignment]
    pair.link()
    assert (b"new", What.MISSING, "two") in verify(pair, pair.one)


def test_a_peer_that_asks_without_end_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(map(len, FILES.values()))
    monkeypatch.setattr(limits, "VERIFY_FREE_BYTES", 0)
    monkeypatch.setattr(limits, "VERIFY_PASSES_A_DAY", 2)
    said: list[VerifyReport] = []
    asker = pair.two.index.identity.replica
    for number in range(20):
        pair.one.inbox.append(Received(asker, VerifyRequest("default", number, b"", b"")))
        for _ in range(300):
            pair.one.turn()
            pair.clock.ms += 10
            said += [send.message for send in pair.one.sends if isinstance(send.message, VerifyReport)]
            pair.one.sends.clear()
    assert sum(one.read for one in said if one.last) <= 4 * size
    assert (said[-1].refused, said[-1].last) == (True, True)
    pair.clock.ms += 86_400_000
    pair.one.inbox.append(Received(asker, VerifyRequest("default", 99, b"", b"")))
    pair.one.turn()
    assert not any(isinstance(send.message, VerifyReport) and send.message.refused for send in pair.one.sends)


def test_a_peer_that_does_not_know_the_question_is_said_not_to_answer(pair: Pair) -> None:
    pair.two.engine.verify_answers.on_request = lambda *_: None  # type: ignore[method-assign,assignment]
    pair.one.inbox.append(VerifyWanted(False))
    for _ in range(4_000):
        pair.turn()
        run = pair.one.engine.verifying.asked()
        if run is not None and run.is_over:
            break
        pair.clock.ms += 20
    assert run is not None
    assert run.is_over
    assert [party.problem for party in run.parties] == ["it does not answer: it may be an older version"]


def test_nobody_waits_for_it_any_more(pair: Pair) -> None:
    """The command was killed."""
    pair.one.inbox.append(VerifyWanted(False))
    for _ in range(3_000):
        pair.turn()
        pair.clock.ms += 20
    assert pair.one.engine.verifying.asked() is None
    assert not pair.one.engine.rereads.is_on


def scrubbing(node: OneNode, period_s: int) -> Scrub:
    """From now on the node scrubs."""
    machines = node.engine
    scrub = Scrub(machines.board, machines.work, machines.rereads, machines.verify_answers, period_s)
    machines.scrub = machines.verifying._scrub = scrub
    return scrub


def go_on(pair: Pair, seconds: int, step_ms: int = 200) -> None:
    for _ in range(seconds * 1000 // step_ms):
        pair.turn()
        pair.clock.ms += step_ms


def test_the_scrub_takes_its_time_and_heals_without_being_asked(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereads, "_ROWS", 1)
    scrub = scrubbing(pair.one, 600)
    bad = rot(pair.one, b"z")
    before = sequences(pair)
    go_on(pair, 100)
    assert 0 < scrub.done < scrub.total
    assert scrub.last_ns == 0
    go_on(pair, 600)
    assert contents(pair.one) == FILES
    assert kept(pair.one) == {b"z": (Cause.ROTTEN, bad)}
    assert sequences(pair) == before
    assert [note for note in pair.one.notes if isinstance(note, notes.Scrubbed)] == [notes.Scrubbed(1)]


def test_the_scrub_continues_where_it_was_before_a_restart(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereads, "_ROWS", 1)
    scrub = scrubbing(pair.one, 6_000)
    go_on(pair, 1_000)
    done, walk = scrub.done, pair.one.engine.rereads.walk("scrub")
    assert walk is not None
    assert walk.after
    assert 0 < done < scrub.total
    pair.one.index.commit()
    pair.restart(pair.one)
    again = scrubbing(pair.one, 6_000)
    walked = pair.one.engine.rereads.walk("scrub")
    assert walked is not None
    assert (again.done, walked.after) == (done, walk.after)
    assert again.begun_ns == scrub.begun_ns


def test_the_scrub_waits_while_there_is_other_work(pair: Pair) -> None:
    scrub = scrubbing(pair.one, 1)
    pair.one.engine.board.jobs_out += 1
    go_on(pair, 20)
    assert (scrub.done, scrub.last_ns) == (0, 0)
    pair.one.engine.board.jobs_out -= 1
    go_on(pair, 20)
    assert scrub.last_ns
