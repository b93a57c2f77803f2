"""The state of nodes as text for Prometheus (exposition format 0.0.4).

In:   for each folder its path and what `status --json` says of it; None: no node runs for it. Out: the text.
Rule: pure. Names of metrics and labels stay as they are in later versions: dashboards use them.
Used by: web.routes.metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dir_sync.core.named import NamedTuple
from dir_sync.core.status import Headline, Safety, Status

__all__ = ["CONTENT_TYPE", "metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class _Metric(NamedTuple):
    kind: str  # "gauge" or "counter"
    words: str


_METRICS = {
    "up": _Metric("gauge", "1 if a node runs for the folder and answers"),
    "info": _Metric("gauge", "Always 1; the labels say what runs"),
    "start_time_seconds": _Metric("gauge", "When the node began, in Unix time"),
    "headline": _Metric("gauge", "1 for the state that the folder is in, 0 for the others"),
    "in_sync": _Metric("gauge", "1 if everything is in sync with all connected peers, of which there is at least one"),
    "safe_to_switch_off": _Metric("gauge", "1 if all connected peers have all that is here"),
    "files": _Metric("gauge", "Files in the folder"),
    "bytes": _Metric("gauge", "Size of all files in the folder"),
    "wanted_paths": _Metric("gauge", "Paths that are newer elsewhere and not here yet"),
    "unseen_paths": _Metric("gauge", "Paths here that are still to be looked at"),
    "troubled_paths": _Metric("gauge", "Paths that cannot be here now"),
    "held_files": _Metric("gauge", "Files of which changes are held until a person decides"),
    "conflicts": _Metric("gauge", "Versions that lost a conflict and are not decided about"),
    "unwatched_folders": _Metric("gauge", "Folders that cannot be watched"),
    "diverged_paths": _Metric("gauge", "Paths that the mode leaves different"),
    "peers": _Metric("gauge", "Connected peers"),
    "peers_away": _Metric("gauge", "Nodes that shared the folder and are not connected"),
    "peer_in_sync": _Metric("gauge", "1 if both nodes have everything of each other"),
    "peer_lacks_files": _Metric("gauge", "Files that the peer lacks of what is here"),
    "peer_lacks_bytes": _Metric("gauge", "Bytes that the peer lacks of what is here"),
    "peer_has_more_files": _Metric("gauge", "Files of the peer that are lacking here"),
    "peer_has_more_bytes": _Metric("gauge", "Bytes of the peer that are lacking here"),
    "peer_sent_bytes_total": _Metric(
        "counter", "Bytes sent on the connection, which all folders of the two nodes share"
    ),
    "peer_received_bytes_total": _Metric("counter", "Bytes received on it"),
    "peer_rtt_seconds": _Metric("gauge", "How long an answer takes"),
}


def metrics(folders: Iterable[tuple[str, Mapping[str, Any] | None]]) -> str:
    """The text for all folders. What another version of the program answers counts as not running."""
    found: dict[str, list[tuple[Labels, float]]] = {name: [] for name in _METRICS}
    for path, answer in folders:
        _folder(found, path, _status(answer))
    lines = []
    for name, metric in _METRICS.items():
        if found[name]:
            lines += [f"# HELP dir_sync_{name} {_help(metric.words)}", f"# TYPE dir_sync_{name} {metric.kind}"]
            lines += [f"dir_sync_{name}{_labels(labels)} {_number(value)}" for labels, value in found[name]]
    return "".join(f"{line}\n" for line in lines)


def _status(answer: Mapping[str, Any] | None) -> Status | None:
    try:
        return None if answer is None else Status.from_json(answer)
    except (KeyError, TypeError, AttributeError):
        return None


def _folder(found: dict[str, list[tuple[Labels, float]]], path: str, status: Status | None) -> None:
    folder = {"folder": path}

    def add(metric: str, value: float, /, **more: str) -> None:
        found[metric].append((folder | more, value))

    add("up", status is not None)
    if status is None:
        return
    add("info", 1, name=status.name, shared_as=status.folder_name, version=status.version, mode=status.mode)
    if status.started_s:
        add("start_time_seconds", status.started_s)
    for one in Headline:
        add("headline", status.headline is one, state=one.value)
    add("in_sync", status.in_sync)
    add("safe_to_switch_off", status.safety is Safety.SAFE)
    add("files", status.files)
    add("bytes", status.bytes)
    add("wanted_paths", status.wanted)
    add("unseen_paths", status.unseen)
    add("troubled_paths", len(status.troubled))
    add("held_files", status.held_files)
    add("conflicts", status.conflicts)
    add("unwatched_folders", status.unwatched)
    add("diverged_paths", status.diverged)
    add("peers", len(status.peers))
    add("peers_away", len(status.away))
    for peer in status.peers:
        names = {"peer": peer.name, "replica": peer.replica}
        add("peer_in_sync", peer.synchronized, **names)
        if peer.lacks is not None:
            add("peer_lacks_files", peer.lacks.files, **names)
            add("peer_lacks_bytes", peer.lacks.bytes, **names)
        add("peer_has_more_files", peer.lacking_here.files, **names)
        add("peer_has_more_bytes", peer.lacking_here.bytes, **names)
        if peer.traffic is not None:
            add("peer_sent_bytes_total", peer.traffic.sent, **names)
            add("peer_received_bytes_total", peer.traffic.received, **names)
            add("peer_rtt_seconds", peer.traffic.rtt_ms / 1000, **names)


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_value(text)}"' for name, text in labels.items()) + "}"


def _value(text: str) -> str:
    """As the format wants it: three characters are escaped, and all is UTF-8."""
    whole = text.encode("utf-8", "backslashreplace").decode()
    return whole.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
