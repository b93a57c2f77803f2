"""The story of one path, as far as the index tells it: what is here, what came and went, what others have announced.

In:   the index, a path. Out: JSON values; names and paths in them are escaped.
Rule: it only reads. A node adds what only it knows (`daemon.stories`); the index alone says the rest the same way.
Used by: daemon.stories, source.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.mode import OURS, OWN, THEIRS, is_own, is_own_large
from dir_sync.core.model import Kind, Record, beats, same_body, show, show_text
from dir_sync.core.pausing import judge
from dir_sync.core.reconcile import Offer, Take, decide
from dir_sync.core.waits import Wait, Waiting, to_json
from dir_sync.folder import pauses
from dir_sync.history.codec import Names
from dir_sync.index import BRAKED, Index
from dir_sync.network.control import Answer
from dir_sync.reporting.log import moment

__all__ = ["names_of", "story", "without_node"]

_CHANGES_MAX = 200
_FORGOTTEN = "unknown"


def names_of(index: Index) -> Names:
    return Names(index.notes.below("name "), index.identity.replica)


def story(index: Index, path: bytes) -> Answer:
    """What the index knows of a path."""
    row, offers, call = index.rows.get(path), index.offers.of(path), names_of(index)
    mine = None if row is None else row.record
    changes = _changes(index, path, mine, call)
    return {
        "path": show(path),
        "known": row is not None
        or bool(offers or changes)
        or next(index.versions.oldest_first(path), None) is not None,
        "here": None if mine is None else _version(mine, call) | {"announced": not is_own(mine)},
        "fingerprint": "" if row is None else row.fp.hex(),
        "changes": changes,
        "elsewhere": [_offered(one, mine, call) for one in offers if _is_of_peer(one)],
        "waits": [],
        "peers": [],
    }


def without_node(index: Index, path: bytes, now_s: float) -> Answer:
    """The story, where no node runs: also what it would wait for."""
    told = story(index, path)
    waits = [Waiting(Wait.NOT_RUNNING)]
    pause = judge(pauses.noted(index), None, now_s)
    if pause is not None:
        waits.append(Waiting(Wait.PAUSED, text=moment(pause.until_s) if pause.until_s else ""))
    row, offers = index.rows.get(path), index.offers.of(path)
    mine = None if row is None else row.record
    if mine is not None and is_own(mine):
        wait = Wait.OWN_LARGE if is_own_large(mine) else Wait.OWN_CHANGE
        waits.append(Waiting(wait, text="of an earlier run", outgoing=True))
    braked = {link for link, kind in index.notes.below(BRAKED).items() if kind}
    if mine is not None and mine.kind is Kind.FILE and isinstance(decide(mine, offers), Take):
        call = names_of(index)
        waits += [Waiting(Wait.HELD, peer=call(one.record.stamp.maker)) for one in offers if one.peer in braked]
    return told | {"waits": [to_json(one) for one in dict.fromkeys(waits)], "away": away(index, ())}


def away(index: Index, connected: Collection[str]) -> list[str]:
    """The names of known replicas that are not connected."""
    call = names_of(index)
    return sorted(show_text(call(replica)) for replica in index.peers.replicas() if replica not in connected)


def _is_of_peer(offer: Offer) -> bool:
    """True for what a peer has announced: not what this node wants to restore, or keeps of the mesh's versions."""
    return bool(offer.peer) and offer.peer != THEIRS and not offer.peer.startswith(OURS)


def _by(maker: str, call: Names) -> str:
    return "this node" if maker.startswith(OWN) else show_text(call(maker))


def _version(record: Record, call: Names) -> dict[str, Any]:
    return {
        "kind": KIND_WORDS[record.kind],
        "size": record.size,
        "modified_ns": record.mtime,
        "mode": record.mode,
        "content": show(record.content) if record.kind is Kind.SYMLINK else record.content.hex(),
        "by": _by(record.stamp.maker, call),
        "made_ns": record.stamp.ns,
    }


def _offered(offer: Offer, mine: Record | None, call: Names) -> dict[str, Any]:
    """What a peer has announced, and whether that is newer than what is here."""
    record = offer.record
    if mine is None or beats(record, mine):
        is_so = "newer"
    else:
        is_so = "same" if same_body(record, mine) else "older"
    return {"peer": show_text(call(offer.peer)), "is": is_so} | _version(record, call)


def _changes(index: Index, path: bytes, mine: Record | None, call: Names) -> list[dict[str, Any]]:
    """What came and went, oldest first: of each change when this node learned of it, who made it, and what was there
    before and after."""
    entries = index.journal.of(path, _CHANGES_MAX)
    after = [(KIND_WORDS[one.kind], one.size) for one in entries[1:]]
    if entries:  # a deletion leaves a record: without one, the path was forgotten, because it is ignored
        after.append((_FORGOTTEN, 0) if mine is None else (KIND_WORDS[mine.kind], mine.size))
    return [
        {
            "at_ns": one.time_ns,
            "by": _by(one.maker, call),
            "was": KIND_WORDS[one.kind],
            "was_size": one.size,
            "became": became,
            "became_size": size,
        }
        for one, (became, size) in zip(entries, after, strict=True)
    ]
