"""A person looks at an old version that only the other machine keeps: it comes in pieces, and nothing is written."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.events import Excerpt, ExcerptWanted, Touched, Urgency
from tests.pair import Pair

OLD = bytes(range(256)) * 12_000  # of some pieces


@pytest.fixture
def pair() -> Pair:
    """The second node keeps the old version of a file, because the first one changed it."""
    pair = Pair()
    pair.link()
    for data in (OLD, b"new"):
        pair.one.disk.write(b"file", data)
        pair.one.inbox.append(Touched(b"file", Urgency.NOW))
        pair.run()
    assert pair.two.index.versions.with_content(blake3(OLD).digest()) is not None
    return pair


def wanted(pair: Pair, offset: int, length: int, content: bytes = OLD, id_: int = 7) -> ExcerptWanted:
    holder = pair.two.index.identity.replica
    return ExcerptWanted(id_, holder, b"file", blake3(content).digest(), offset, length)


def there(pair: Pair) -> list[object]:
    """What is on the disk of the one who asks, and in its history."""
    disk, versions = pair.one.disk, pair.one.index.versions
    return [
        disk.list(b""),
        disk.list(b".dir_sync/staging"),
        disk.list(b".dir_sync/versions"),
        list(versions.oldest_first()),
    ]


def answer(pair: Pair, event: ExcerptWanted) -> Excerpt:
    pair.one.inbox.append(event)
    pair.run()
    (found,) = pair.one.excerpts
    pair.one.excerpts.clear()
    assert not pair.one.engine.excerpts.wanted
    return found


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, len(OLD) % 1_000_000), (0, limits.PULL_BYTES_MAX), (1_234_567, limits.PULL_BYTES_MAX), (9, 1)],
)
def test_a_piece_comes_and_nothing_is_written(pair: Pair, offset: int, length: int) -> None:
    before = there(pair)
    assert answer(pair, wanted(pair, offset, length)) == Excerpt(7, OLD[offset : offset + length], "")
    assert there(pair) == before
    assert not pair.one.engine.is_busy


def test_what_is_not_there_any_more(pair: Pair) -> None:
    found = answer(pair, wanted(pair, 0, 10, b"never there"))
    assert (found.data, found.problem) == (b"", "that machine does not have it any more")


def test_a_machine_that_is_not_connected(pair: Pair) -> None:
    pair.cut()
    assert answer(pair, wanted(pair, 0, 10)).problem == "that machine is not connected"


def test_a_machine_that_goes_meanwhile(pair: Pair) -> None:
    pair.one.inbox.append(wanted(pair, 0, 10))
    pair.one.turn()
    pair.cut()
    (found,) = pair.one.excerpts
    assert found.problem == "that machine is not connected any more"


def test_a_machine_that_does_not_answer(pair: Pair) -> None:
    pair.one.inbox.append(wanted(pair, 0, 10))
    pair.one.turn()
    pair.one.sends.clear()  # it is lost
    pair.clock.ms += 20_000
    pair.run()
    assert pair.one.excerpts == [Excerpt(7, b"", "that machine did not answer in time")]
    pair.one.excerpts.clear()
    assert answer(pair, wanted(pair, 0, 10)).data == OLD[:10]
