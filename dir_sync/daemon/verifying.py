"""The command `verify`, as the node answers it: it begins, looks how far it is, and ends.

In:   questions of the command. Out: how far the verification is, and what was found, as JSON values.
Rule: one verification at a time; a later command takes the place of an earlier one, which is told so.
Used by: requests.
"""

from __future__ import annotations

from itertools import islice

from dir_sync.config import ConfigError
from dir_sync.core.events import Effect, VerifyEnded, VerifyWanted
from dir_sync.core.model import show, show_text
from dir_sync.core.verify import Finding
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.share import Share
from dir_sync.engine import Now
from dir_sync.network.control import Answer

__all__ = ["verify"]

_LISTED_MAX = 1_000


def verify(question: Answer, share: Share, peers: ConnectedPeers, now: Now) -> tuple[Answer, list[Effect]]:
    """The answer, and what the engine does."""
    engine = share.engine
    match question.get("do"):
        case "begin":
            effects = engine.handle(VerifyWanted(question.get("repair") is True), now)
            return _progress(share, peers), effects
        case "look":
            _refuse_if_replaced(share, question)
            return _progress(share, peers), []
        case "end":
            _refuse_if_replaced(share, question)
            return _progress(share, peers), engine.handle(VerifyEnded(), now)
    raise ConfigError("the running node is another version: restart it")


def _refuse_if_replaced(share: Share, question: Answer) -> None:
    run = share.engine.verifying.asked()
    if run is None:
        raise ConfigError(
            "the node has ended this 'verify': it was restarted, or this command did not ask for its result for a while; "
            "run it again"
        )
    if run.number != question.get("number"):
        raise ConfigError("another 'verify' for this folder has taken the place of this one")


def _progress(share: Share, peers: ConnectedPeers) -> Answer:
    run = share.engine.verifying.asked()
    assert run is not None
    names = {party.replica: show_text(party.name) for party in run.parties} | {"": ""}
    files, size = share.index.rows.count_live()
    here = set(names.values())
    away = sorted({show(peers.name_of(one.replica)) for one in peers.away()} - here)
    return {
        "number": run.number,
        "over": run.is_over,
        "again": run.again,
        "entries": run.entries + (0 if run.here is None or run.again else len(run.here)),
        "bytes": share.engine.verifying.bytes_here(),
        "files": files,
        "size": size,
        "peers": [
            {"name": names[party.replica], "bytes": party.read + party.reading, "problem": party.problem}
            for party in run.parties
        ],
        "away": away,
        "found": len(run.findings) + run.more,
        "findings": [_finding(one, names) for one in list(run.findings)[:_LISTED_MAX]] if run.is_over else [],
        "kept_apart": len(run.apart) if run.is_over else 0,
        "apart": [
            _finding(one, names) | {"what": reason.value}
            for one, reason in islice(run.apart.items(), _LISTED_MAX if run.is_over else 0)
        ],
        "healed": [_finding(one, names) for one in list(run.healed)[:_LISTED_MAX]] if run.is_over else [],
    }


def _finding(one: Finding, names: dict[str, str]) -> Answer:
    return {"path": show(one.path), "what": one.what.value, "at": names.get(one.at, one.at[:8])}
