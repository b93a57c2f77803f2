"""A large content that a peer restores from the history here: it is shown as being sent until the peer has it."""

from __future__ import annotations

from dir_sync.core.events import RestoreRequested, Touched, Urgency
from dir_sync.history.undo_plan import Before
from tests.pair import OneNode, Pair

OLD, NEW = bytes(range(256)) * (1 << 18), b"new"


def save(pair: Pair, node: OneNode, content: bytes) -> None:
    node.disk.write(b"file", content)
    node.inbox.append(Touched(b"file", Urgency.NOW))
    pair.run()


def test_an_upload_for_a_restore_is_not_shown_when_it_is_over() -> None:
    """The peer announces the file as its own change, and never acknowledges ours."""
    pair = Pair()
    pair.link()
    one, two = pair.one, pair.two
    save(pair, one, OLD)
    save(pair, two, NEW)
    (version,) = one.index.versions.oldest_first()
    assert not [*two.index.versions.oldest_first()], "the content is only there"
    two.inbox.append(
        RestoreRequested((Before(*version[1:7], 0, ""),), {version.content: (one.index.identity.replica,)})
    )
    pair.run()
    assert two.disk.content(b"file") == OLD == one.disk.content(b"file")
    assert one.engine.uploader.progress(one.engine.board.now.mono_ms) == []
