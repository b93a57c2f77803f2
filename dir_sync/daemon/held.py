"""What the brakes hold, for the commands held, approve and reject: by node, kind and folder, with examples.

In:   the brakes of the engine, its index. Out: a JSON object. It only reads.
Rule: the engine's thread calls it, so it looks at no more paths than a person can want to see; the others are only counted.
Used by: requests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.model import Kind, parent_of, show
from dir_sync.core.named import NamedTuple
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.share import Share
from dir_sync.network.control import Answer
from dir_sync.reporting.log import listed

__all__ = ["decided", "decided_below", "held_changes", "paths_meant"]

_LOOKED_AT_MAX = 5_000  # paths that vanished, each of which is looked up in the index
_SORTED_MAX = 50_000  # changes of one kind, by folder; the others are only counted
_FOLDERS_MAX = 100
_EXAMPLES_MAX = 5  # of a folder
_CHILDREN_MAX = 50  # of a folder, among which examples are looked for

DELETED, REWRITTEN, VANISHED, UNKNOWN = "deleted", "rewritten", "vanished", "unknown"  # unknown: a peer does not say it


def held_changes(share: Share, peers: ConnectedPeers) -> Answer:
    """What is held here, path by path as far as it is not too much; then what peers say that they hold."""
    brakes, mine = share.engine.brakes, share.index.identity.replica
    held = []
    for maker, paths in sorted(brakes.peers.held().items()):
        by_kind: dict[str, list[bytes]] = {}
        for path in paths:
            by_kind.setdefault(REWRITTEN if brakes.peers.is_rewrite(path) else DELETED, []).append(path)
        by = show(peers.name_of(maker))
        for kind, of_kind in by_kind.items():
            some = of_kind[:_SORTED_MAX]
            held.append(_group("", by, False, kind, len(some), _files(some)))
            if len(some) < len(of_kind):
                held.append(_group("", by, False, kind, len(of_kind) - len(some), ()))
    if brakes.own.held:
        lost = [(path, files) for path, (files, _) in islice(brakes.own.held.items(), _LOOKED_AT_MAX)]
        files = brakes.own.held_files
        held.append(_group("", show(peers.name_of(mine)), True, VANISHED, files, _vanished(share, lost)))
    for peer, one in brakes.held_anywhere():
        if peer != mine:
            kind = VANISHED if one.maker == peer else UNKNOWN
            at, by = show(peers.name_of(peer)), show(peers.name_of(one.maker))
            held.append(_group(at, by, one.maker == mine, kind, one.files, _files([one.path])))
    return {"held": held}


def decided(share: Share, peers: ConnectedPeers, approve: bool) -> Answer:
    """What a decision about everything covers: files that vanished (here, or at peers, which decide at once), files that
    others changed, and files that this node changed. A node cannot approve what its own link brings: that is
    `elsewhere`."""
    mine, brakes = share.index.identity.replica, share.engine.brakes
    changed: dict[str, int] = {}
    missing = not_here = 0
    owners: set[str] = set()
    for at, one in brakes.held_anywhere():
        if at == one.maker:
            owners.add(at)
            missing += one.files
        elif approve and one.maker == mine:
            not_here = max(not_here, one.files)
        else:
            changed[one.maker] = max(changed.get(one.maker, 0), one.files)
    others = [node for node in sorted(peers.links) if node not in owners]
    return {
        "files": missing + sum(changed.values()),
        "missing": missing,
        "missing_here": brakes.own.held_files,
        "elsewhere": not_here,
        "others": [show(peers.name_of(node)) for node in others],
        "may_decide": share.engine.mode_rules.may_decide,
    }


def decided_below(share: Share, peers: ConnectedPeers, paths: Collection[bytes]) -> Answer:
    """The same for a decision about some paths, which is about what is held here."""
    below = share.engine.path_decisions.held_below(paths)
    return {
        "files": below.missing + sum(map(len, below.changed.values())),
        "missing": below.missing,
        "missing_here": below.missing,
        "elsewhere": 0,
        "others": [show(peers.name_of(node)) for node in sorted(peers.links)],
        "paths": [show(path) for path in paths],
        "may_decide": share.engine.mode_rules.may_decide,
    }


def paths_meant(share: Share, peers: ConnectedPeers, typed: Iterable[list[bytes]]) -> tuple[bytes, ...]:
    """What a person means by each path: the first meaning at which something is held here. ConfigError if nothing is."""
    found: dict[bytes, None] = {}
    for meanings in typed:
        unknown = share.engine.path_decisions.held_below(meanings).unknown
        path = next((one for one in meanings if one not in unknown), None)
        if path is None:
            raise ConfigError(f"nothing is held{_elsewhere(share, peers)} at {show(meanings[-1])}; nothing was decided")
        found[path] = None
    return tuple(found)


def _elsewhere(share: Share, peers: ConnectedPeers) -> str:
    """Where else something is held: which paths, only that node knows."""
    nodes = [show(peers.name_of(node)) for node in sorted(share.engine.brakes.held_elsewhere)]
    return f" here (but on {listed(nodes)}: decide there about single paths)" if nodes else ""


class _Amount(NamedTuple):
    """A path, the folder with which it is counted, and how many files it stands for."""

    folder: bytes
    path: bytes
    files: int = 1


def _files(paths: Iterable[bytes]) -> list[_Amount]:
    return [_Amount(parent_of(path), path) for path in paths]


def _vanished(share: Share, lost: Iterable[tuple[bytes, int]]) -> Iterator[_Amount]:
    """`lost`: what is held, and how many files that are. A folder that vanished is held as one, and shown by what was in it."""
    asked = 0
    for path, files in lost:
        row = share.index.rows.get(path) if asked < _FOLDERS_MAX else None
        if row is None or row.record.kind is not Kind.DIRECTORY:
            yield _Amount(parent_of(path), path, files)
            continue
        asked += 1
        yield _Amount(path, b"", files)
        inside = [one.record for one in share.index.tree.live_children(path, _CHILDREN_MAX)]
        for one in sorted(inside, key=lambda record: record.kind is Kind.DIRECTORY)[:_EXAMPLES_MAX]:
            yield _Amount(path, one.path, 0)


def _group(at: str, by: str, here: bool, kind: str, files: int, amounts: Iterable[_Amount]) -> Answer:
    """`amounts`: b"" as a path is no example."""
    counts: dict[bytes, int] = {}
    examples: dict[bytes, list[str]] = {}
    for folder, path, count in amounts:
        counts[folder] = counts.get(folder, 0) + count
        shown = examples.setdefault(folder, [])
        if path and len(shown) < _EXAMPLES_MAX:
            shown.append(show(path, limits.SHOWN_PATH_CHARS_MAX))
    most = sorted(counts, key=lambda folder: (-counts[folder], folder))
    return {
        "at": at,
        "by": by,
        "here": here,
        "kind": kind,
        "files": files,
        "folders": [
            {"folder": show(folder, limits.SHOWN_PATH_CHARS_MAX), "files": counts[folder], "examples": examples[folder]}
            for folder in most[:_FOLDERS_MAX]
        ],
        "more_folders": max(0, len(most) - _FOLDERS_MAX),
    }
