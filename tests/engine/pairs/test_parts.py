"""Parts of contents that were on their way: kept as long as they may be gone on with, and no longer."""

from __future__ import annotations

from dir_sync.core.events import PeerUp, Received
from dir_sync.core.names import STAGING
from tests.pair import OneNode, Pair


def parts_of(node: OneNode) -> list[bytes]:
    return [name for name, _ in node.disk.list(STAGING) or [] if name.startswith(b"part-")]


def test_part_of_a_content_is_removed_when_its_maker_comes_back_with_another() -> None:
    pair = Pair()
    for data in (b"first" * 200_000, b"again" * 200_000):
        pair.two.disk.write(b"big", data)
        pair.two.boot()
        pair.run()
        if data.startswith(b"first"):
            pair.linked = True
            for here, there in ((pair.one, pair.two), (pair.two, pair.one)):
                here.inbox.append(PeerUp(there.index.identity.replica, pair.hello(there)))
            while not parts_of(pair.one):
                for here, there in ((pair.one, pair.two), (pair.two, pair.one)):
                    here.turn()
                    there.inbox.extend(Received(here.index.identity.replica, send.message) for send in here.sends)
                    here.sends.clear()
                pair.clock.ms += 1
            pair.cut()
            assert parts_of(pair.one), "as long as it may be gone on with it stays"
    pair.link()
    assert pair.one.disk.content(b"big") == data
    assert parts_of(pair.one) == []
