"""A rotten file that has several names, or whose name, mode or link count changes before it is healed."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Moved, Touched, Urgency, VerifyWanted
from dir_sync.core.jobs import ApplyJob, Cause
from dir_sync.core.verify import What
from tests.engine.pairs.test_attributes import save
from tests.engine.pairs.test_one_file import a_pair, give_name, names
from tests.engine.pairs.test_rot import go_on, kept, rot, scrubbing, sequences, verify
from tests.pair import Pair

NAMES = [b"f-1", b"f-2", b"f-3"]
SIZES = [17, 3_000_000]


def good(size: int) -> bytes:
    return b"the good content."[:size].ljust(size, b"x")


def linked(size: int, keeps: bool = True) -> Pair:
    """Two nodes that have a file with three names. `keeps`: they are names of one file on both."""
    pair = a_pair(keeps, keeps)
    save(pair, pair.one, NAMES[0], good(size))
    for name in NAMES[1:]:
        give_name(pair, pair.one, NAMES[0], name)
    assert names(pair.one, *NAMES)
    assert names(pair.two, *NAMES) == keeps
    return pair


def is_all_good(pair: Pair, size: int, *paths: bytes) -> None:
    for node in (pair.one, pair.two):
        assert {path: node.disk.content(path) == good(size) for path in paths or NAMES} == dict.fromkeys(
            paths or NAMES, True
        ), node.name


def see_again(pair: Pair) -> None:
    """Everything that has another ctime is looked at, as after a start."""
    for node in (pair.one, pair.two):
        pair.restart(node)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("asker", ["one", "two"])
def test_all_names_of_a_rotten_file_are_healed(size: int, keeps: bool, asker: str) -> None:
    pair = linked(size, keeps)
    bad = rot(pair.one, NAMES[0])
    before = sequences(pair)
    assert verify(pair, getattr(pair, asker), repair=True) == []
    see_again(pair)
    is_all_good(pair, size)
    assert sequences(pair) == before, "nothing was announced"
    assert names(pair.one, *NAMES) == keeps
    assert {why for why, _ in kept(pair.one).values()} == {Cause.ROTTEN}
    assert bad in [content for _, content in kept(pair.one).values()]
    assert kept(pair.two) == {}
    assert verify(pair, pair.one) == []


@pytest.mark.parametrize("keeps", [True, False])
def test_the_watcher_tells_of_each_name_at_once(keeps: bool) -> None:
    """The exchange of one name changes the ctime of the others, which it reports."""
    pair = linked(17, keeps)
    rot(pair.one, NAMES[0])
    before = sequences(pair)
    done = pair.one.sync.perform

    def perform(effect: object) -> object:
        if isinstance(effect, ApplyJob):
            pair.one.inbox.extend(Touched(name, Urgency.NOW) for name in NAMES)
        return done(effect)  # type: ignore[arg-type]

    pair.one.sync.perform = perform  # type: ignore[method-assign,assignment]
    try:
        assert verify(pair, pair.two, repair=True) == []
    finally:
        pair.one.sync.perform = done  # type: ignore[method-assign]
    see_again(pair)
    is_all_good(pair, 17)
    assert sequences(pair) == before


@pytest.mark.parametrize("keeps", [True, False])
def test_the_scrub_heals_all_names(keeps: bool) -> None:
    pair = linked(17, keeps)
    rot(pair.one, NAMES[1])
    before = sequences(pair)
    scrubbing(pair.one, 60)
    go_on(pair, 200)
    is_all_good(pair, 17)
    assert sequences(pair) == before
    assert names(pair.one, *NAMES) == keeps


@pytest.mark.parametrize("keeps", [True, False])
def test_a_crash_between_two_names(keeps: bool) -> None:
    pair = linked(17, keeps)
    rot(pair.one, NAMES[0])
    before = sequences(pair)
    healing = pair.one.engine.healing
    pair.one.inbox.append(VerifyWanted(True))
    for _ in range(2_000):
        pair.turn()
        pair.one.engine.verifying.asked()
        if healing.healed == 1:
            break
        pair.clock.ms += 5
    assert healing.healed == 1
    see_again(pair)
    is_all_good(pair, 17)
    assert sequences(pair) == before
    assert names(pair.one, *NAMES) == keeps


def test_no_peer_has_it_and_all_names_stay_as_they_are() -> None:
    pair = linked(17)
    bad = rot(pair.one, NAMES[0])
    pair.cut()
    before = sequences(pair)
    assert [(path, what) for path, what, _ in verify(pair, pair.one, repair=True)] == [
        (name, What.ROTTEN) for name in NAMES
    ]
    assert [pair.one.disk.content(name) for name in NAMES] == [bad] * 3
    pair.link()
    assert verify(pair, pair.one, repair=True) == []
    is_all_good(pair, 17)
    assert sequences(pair) == before


def changed_while_known(change: str, size: int = 17) -> Pair:
    """`verify` has found a rotten file, and healed nothing; then something but its content is changed."""
    pair = a_pair()
    save(pair, pair.one, b"f", good(size))
    rot(pair.one, b"f")
    assert [what for _, what, _ in verify(pair, pair.two)] == [What.ROTTEN]
    if change == "mode":
        pair.one.disk.chmod(b"f", 0o600)
        pair.one.inbox.append(Touched(b"f", Urgency.NOW))
    elif change == "name":
        pair.one.disk.move(b"f", b"g")
        pair.one.inbox.append(Moved(b"f", b"g", False))
    elif change == "link":
        give_name(pair, pair.one, b"f", b"g")
    elif change == "time":
        pair.one.disk.touch(b"f", 1_600_000_000 * 10**9)
        pair.one.inbox.append(Touched(b"f", Urgency.NOW))
    pair.run()
    return pair


@pytest.mark.parametrize("is_seen", [True, False])
@pytest.mark.parametrize(("change", "paths"), [("mode", [b"f"]), ("name", [b"g"]), ("link", [b"f", b"g"])])
def test_another_mode_or_name_of_a_file_known_to_be_rotten_announces_no_rotten_bytes(
    change: str, paths: list[bytes], is_seen: bool
) -> None:
    if is_seen:
        pair = changed_while_known(change)
    else:  # while the program was not running
        pair = changed_while_known("nothing")
        pair.cut()
        if change == "mode":
            pair.one.disk.chmod(b"f", 0o600)
        elif change == "name":
            pair.one.disk.move(b"f", b"g")
        else:
            pair.one.disk.give_name(b"f", b"g")
        pair.link()
    pair.restart(pair.one)
    assert [pair.two.disk.content(path) for path in paths] == [good(17)] * len(paths)
    for node in (pair.one, pair.two):
        stat = node.disk.stat(paths[0])
        assert stat is not None
        assert stat.mode == (0o600 if change == "mode" else 0o644)
    known = [path for path, _, _ in pair.one.engine.rotten_files.known()]
    assert sorted(known) == paths, "it is known of all names of the file, as long as it is bad"
    assert verify(pair, pair.one, repair=True) == []
    is_all_good(pair, 17, *paths)
    assert list(pair.one.engine.rotten_files.known()) == []
    assert names(pair.one, *paths)


def test_another_time_makes_an_edit_of_it() -> None:
    """So a person can keep what is there, if nobody has anything better."""
    pair = changed_while_known("time")
    assert pair.two.disk.content(b"f") == pair.one.disk.content(b"f") != good(17)
    assert list(pair.one.engine.rotten_files.known()) == []


def test_another_name_whose_row_has_the_very_ctime_proves_it() -> None:
    """A look is late: the last name that the file got gave it another ctime, which the rows of the others do not have yet."""
    pair = linked(17, keeps=False)
    rot(pair.one, NAMES[0])
    pair.one.inbox.append(Touched(NAMES[1], Urgency.NOW))
    before = sequences(pair)
    pair.run()
    assert sequences(pair) == before
    assert pair.one.said(notes.Rotten)
    assert verify(pair, pair.two, repair=True) == []
    is_all_good(pair, 17)


@pytest.mark.parametrize("change", ["mode", "link", "name"])
def test_rot_that_nobody_knew_of_is_announced_and_told_and_the_former_version_is_kept(change: str) -> None:
    """A program that puts the time back looks the same, so what it wrote is not undone."""
    pair = a_pair()
    save(pair, pair.one, b"f", good(17))
    pair.cut()
    bad = rot(pair.one, b"f")
    if change == "mode":
        pair.one.disk.chmod(b"f", 0o600)
    elif change == "link":
        pair.one.disk.give_name(b"f", b"g")
    else:
        pair.one.disk.move(b"f", b"g")
    pair.one.boot()
    pair.run()
    pair.link()
    path = b"g" if change == "name" else b"f"
    assert [note.path for note in pair.one.notes if isinstance(note, notes.SilentChange)] == [path]
    assert list(pair.one.engine.silent.found()) == [path]
    assert not pair.two.said(notes.SilentChange)
    assert pair.two.disk.content(path) == bad
    assert kept(pair.two)[b"f"][1] == good(17)


def test_an_edit_without_a_new_time_that_is_restored_is_not_said_any_more() -> None:
    pair = a_pair()
    save(pair, pair.one, b"f", good(17))
    stat = pair.one.disk.stat(b"f")
    assert stat is not None
    pair.one.disk.write(b"f", b"x" * 17, stat.mtime)
    pair.one.inbox.append(Touched(b"f", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"f") == b"x" * 17, "it lives"
    assert list(pair.one.engine.silent.found()) == [b"f"]
    save(pair, pair.two, b"f", good(17))
    assert list(pair.one.engine.silent.found()) == []
