"""What peers pull is served: from where it is, within the window, and not from what is being changed."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ApplyItem, Cause, ReadDone, ReadItem, ReadJob, TreeOp, Version
from dir_sync.core.looks import MadeDelta
from dir_sync.core.messages import Chunks, Piece, Pull, PullItem, Refuse
from dir_sync.core.mode import large_change, own_change
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from dir_sync.core.transfers.connection import Connection
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.uploader import Uploader
from tests.engine.kit import FOLDER, PEER, WALL_NS, Alone, record


def alone(**answers: Any) -> Alone[Uploader]:
    kit = Alone(Uploader, DeltasForPeers, answers={name.replace("__", "."): it for name, it in answers.items()})
    kit.it.peer_came(kit.connects())
    return kit


def pull(
    kit: Alone[Uploader], path: bytes, digest: bytes, length: int, offset: int = 0, base: bytes | None = None
) -> None:
    kit.it.on_pull(kit.board.peers[PEER], Pull(FOLDER, (PullItem(1, path, digest, base, offset, length),)))


def read(kit: Alone[Uploader]) -> list[ReadItem]:
    return [item for job in kit.out(ReadJob) for item in job.items]


def refused(kit: Alone[Uploader]) -> list[tuple[int, str]]:
    return [one for message in kit.said() if isinstance(message, Refuse) for one in message.refused]


def large(path: bytes, content: bytes = b"large") -> Record:
    return record(path, content)._replace(size=limits.LARGE_FILE_BYTES)


def test_a_file_that_is_as_asked_for_is_read_and_sent() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"content"))
    pull(kit, b"a", mine.record.content, 7)
    (item,) = read(kit)
    assert (item.path, item.fp, item.offset, item.length) == (b"a", mine.fp, 0, 7)
    assert kit.told() == [notes.Sent(b"a", "name of " + PEER, 7)]
    kit.it.on_read(ReadDone(PEER, 1, (Piece(1, 0, b"content"),), (), 7))
    assert kit.said() == [Chunks((Piece(1, 0, b"content"),))]


def test_what_has_another_name_by_now_comes_from_there() -> None:
    kit = alone()
    moved = kit.has(record(b"new", b"content"))
    kit.has(record(b"a", b"another"))
    pull(kit, b"a", moved.record.content, 7)
    assert [item.path for item in read(kit)] == [b"new"]


def test_what_is_in_the_history_comes_from_there() -> None:
    kit = alone()
    digest = record(b"a", b"content").content
    kit.index.versions.put(Version(b"v", b"a", Kind.FILE, 7, digest, 5, 0o644, WALL_NS, Cause.DELETED, ""))
    pull(kit, b"a", digest, 7)
    (item,) = read(kit)
    assert (item.path, item.kept) == (b"v", (7, 5))
    kit = alone(sources__is_avoided=True)
    kit.index.versions.put(Version(b"v", b"a", Kind.FILE, 7, digest, 5, 0o644, WALL_NS, Cause.DELETED, ""))
    pull(kit, b"a", digest, 7)
    assert read(kit) == [], "it is not as listed"
    assert refused(kit) == [(1, "gone")], "it may be read another time"


@pytest.mark.parametrize(("known", "reason"), [(True, "gone"), (False, "forgotten")])
def test_what_is_not_here_is_refused(known: bool, reason: str) -> None:
    kit = alone()
    if known:
        kit.has(record(b"a", b"another"))
    pull(kit, b"a", b"d" * 32, 7)
    assert refused(kit) == [(1, reason)]
    assert read(kit) == []
    assert kit.asked("vain.add") == [(PEER,)]


def test_a_file_that_is_too_large_to_be_shared_by_now_is_not_read() -> None:
    kit = alone()
    mine = kit.has(large_change(record(b"a", b"content"), WALL_NS, 1)).record
    pull(kit, b"a", mine.content, 7)
    pull(kit, b"copy", mine.content, 7)
    assert refused(kit) == [(1, "forgotten")] * 2
    assert read(kit) == []


def test_what_was_changed_here_only_is_known_no_more_as_it_was_announced() -> None:
    kit = alone()
    first = record(b"a", b"content")
    kit.has(own_change(first, WALL_NS, 1)._replace(content=b"d" * 32))
    pull(kit, b"a", first.content, 7)
    assert refused(kit) == [(1, "forgotten")]


def test_what_is_missing_and_held_is_not_read() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"content"))
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (1, 7)}, 1)
    pull(kit, b"a", mine.record.content, 7)
    assert refused(kit) == [(1, "gone")]


def test_a_delta_that_is_kept_is_sent() -> None:
    kit = alone()
    mine = kit.has(large(b"a"))
    kit.real(DeltasForPeers).keep_delta(MadeDelta(b"delta-1", b"b" * 32, mine.record.content, 500))
    pull(kit, b"a", mine.record.content, 500, base=b"b" * 32)
    assert [item.path for item in read(kit)] == [b"delta-1"]
    assert kit.told() == [notes.SentDelta(b"a", "name of " + PEER, limits.LARGE_FILE_BYTES, 500)]
    kit.effects()
    pull(kit, b"a", mine.record.content, 500, base=b"x" * 32)
    assert refused(kit) == [(1, "gone")]


def test_the_beginning_of_what_grew_meanwhile_is_still_what_was_asked_for() -> None:
    kit = alone()
    old, mine = record(b"a", b"old").content, kit.has(large(b"a", b"grown"))
    kit.real(DeltasForPeers).growths.grew(b"a", old, 1_000, mine.record.content, mine.record.size, ())
    pull(kit, b"a", old, 500, 500)
    assert [item.path for item in read(kit)] == [b"a"]
    kit.effects()
    pull(kit, b"a", old, 501, 500)
    assert read(kit) == []


def test_who_asks_for_more_than_the_window_breaks_the_protocol() -> None:
    kit = alone()
    mine = kit.has(large(b"a"))
    with pytest.raises(PeerError):
        pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX + 1)
    kit = alone()
    kit.has(large(b"a"))
    for _ in range(2 * limits.PULL_WINDOW_BYTES // limits.PULL_BYTES_MAX):
        pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)
    with pytest.raises(PeerError):
        pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)


def test_what_was_read_makes_room_for_more() -> None:
    kit = alone()
    mine = kit.has(large(b"a"))
    for _ in range(4 * limits.PULL_WINDOW_BYTES // limits.PULL_BYTES_MAX):
        pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)
        kit.it.on_read(ReadDone(PEER, 1, (Piece(1, 0, b""),), (), limits.PULL_BYTES_MAX))


def test_an_answer_is_for_the_link_that_asked() -> None:
    kit = alone()
    kit.it.on_read(ReadDone(PEER, 2, (Piece(1, 0, b"content"),), ((2, b"b"),), 7))
    assert kit.said() == []
    assert kit.asked("look_queue.differs") == [(b"b",)], "what was found is true all the same"


def test_what_could_not_be_read_as_known_is_looked_at_and_refused() -> None:
    kit = alone()
    kit.it.on_read(ReadDone(PEER, 1, (), ((1, b"a"),), 7))
    assert kit.asked("look_queue.differs") == [(b"a",)]
    assert refused(kit) == [(1, "gone")]


def test_a_large_file_that_is_just_being_renamed_is_read_again_a_moment_later() -> None:
    kit = alone()
    mine = kit.has(large(b"a"))
    pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)
    kit.work.jobs.begin_apply(ApplyItem(b"a", TreeOp.META, mine.record, b"", Cause.REPLACED), None)
    kit.it.on_read(ReadDone(PEER, 1, (), ((1, b"a"),), limits.PULL_BYTES_MAX))
    assert refused(kit) == []
    assert kit.it.has_parked
    kit.wait(1)
    kit.it.serve_parked(kit.board.peers[PEER])
    assert read(kit) == []
    kit.work.end_apply(b"a")
    kit.it.serve_parked(kit.board.peers[PEER])
    assert [item.path for item in read(kit)] == [b"a"]
    assert not kit.it.has_parked


def test_the_contents_for_a_newcomer_go_to_the_publisher() -> None:
    kit = alone()
    kit.it.on_read(ReadDone(PEER, 1, (Piece(3, 0, b"content"),), (), 7, True))
    assert kit.asked("publisher.seed") == [(PEER, {3: b"content"})]


def test_how_far_a_large_content_has_come() -> None:
    kit = alone()
    mine = kit.has(large(b"a"))
    pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)
    ((upload, sent),) = kit.it.progress(kit.board.now.mono_ms)
    assert (upload.path, upload.peer, sent) == (b"a", PEER, 0)
    assert kit.told() == [], "it is told of when it is there"
    kit.it.peer_gone(PEER)
    assert kit.it.progress(kit.board.now.mono_ms) == []


def test_what_a_peer_asks_for_no_more_is_forgotten_though_nothing_happens_here() -> None:
    """The peer got the content from elsewhere. The clock of the board stands still while nothing happens in the folder."""
    kit = alone()
    mine = kit.has(large(b"a")._replace(stamp=Stamp(WALL_NS, kit.index.identity.replica)))
    pull(kit, b"a", mine.record.content, limits.PULL_BYTES_MAX)
    now_ms = kit.board.now.mono_ms
    assert len(kit.it.progress(now_ms + 25_000)) == 1
    assert kit.it.progress(now_ms + 31_000) == []
    assert kit.board.now.mono_ms == now_ms


def test_what_was_sent_to_its_end_is_not_shown_as_being_sent() -> None:
    """A peer that repairs its own file neither acknowledges nor announces it."""
    kit = alone()
    mine = kit.has(large(b"a")).record
    most, last = limits.PULL_BYTES_MAX, mine.size - limits.PULL_BYTES_MAX
    now_ms = kit.board.now.mono_ms
    pull(kit, b"a", mine.content, most)
    kit.it.on_read(ReadDone(PEER, 1, (Piece(1, 0, bytes(most)),), (), most))
    connection = kit.board.peers[PEER].connection
    connection.drained(connection.queued)
    assert len(kit.it.progress(now_ms + 3_000)) == 1, "it may still ask for the rest"
    kit.it.on_pull(kit.board.peers[PEER], Pull(FOLDER, (PullItem(2, b"a", mine.content, None, last, most),)))
    assert len(kit.it.progress(now_ms + 3_000)) == 1, "the rest is not sent yet"
    kit.it.on_read(ReadDone(PEER, 1, (Piece(2, last, bytes(most)),), (), most))
    assert len(kit.it.progress(now_ms + 3_000)) == 1, "it still waits to be sent"
    connection.drained(connection.queued)
    assert len(kit.it.progress(now_ms + 1_000)) == 1, "it may be going on"
    assert kit.it.progress(now_ms + 3_000) == []


def test_if_what_is_sent_is_limited_only_what_the_outbox_has_room_for_is_read() -> None:
    kit = Alone(Uploader, DeltasForPeers)
    peer = kit.connects()
    peer.connection = Connection(1, (), 4_000_000)
    kit.it.peer_came(peer)
    mine = kit.has(large(b"a"))
    piece, most = limits.CHUNK_BYTES, 1_000_000
    pulls = tuple(PullItem(n, b"a", mine.record.content, None, n * piece, piece) for n in range(1, 9))
    kit.it.on_pull(peer, Pull(FOLDER, pulls))
    first = [item.id for item in read(kit)]
    assert first == [1, 2, 3, 4]
    assert len(first) * piece > most, "so that the outbox is never empty"
    kit.it.on_read(ReadDone(PEER, 1, tuple(Piece(key, key * piece, bytes(piece)) for key in first), (), 4 * piece))
    kit.it.serve_parked(peer)
    assert [item.id for item in read(kit)] == first, "they are in the outbox"
    peer.connection.drained(2 * piece)
    kit.it.serve_parked(peer)
    assert [item.id for item in read(kit)] == [*first, 5, 6]
