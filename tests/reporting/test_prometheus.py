"""The text for Prometheus: it is read back by Prometheus' own library, with names that nobody should give."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dir_sync.reporting.prometheus import CONTENT_TYPE, metrics
from tests.cli.test_status import ANSWER

WILD = 'a "b" \\ c\nd{}=, ä\u202e'


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    parser = pytest.importorskip("prometheus_client.parser", reason="requirements-dev.txt")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def peer(**more: Any) -> dict[str, Any]:
    return {
        "name": "bob",
        "node": "b" * 16,
        "replica": "bb00",
        "address": "10.0.0.2",
        "synchronized": False,
        "lacks": {"files": 2, "bytes": 3_000, "others": 1},
        "lacking_here": {"files": 0, "bytes": 0, "others": 0},
        "version": "1.0",
        "since_s": 1,
        "traffic": {"sent": 10, "received": 2**40, "sends_per_s": 1, "receives_per_s": 2, "rtt_ms": 1.5},
        "progress": None,
    } | more


def test_names_come_back_as_they_were() -> None:
    found = read(metrics([(WILD, ANSWER | {"peers": [peer(name=WILD)], "name": WILD})]))
    assert found["dir_sync_up"] == [({"folder": WILD}, 1.0)]
    assert found["dir_sync_info"][0][0]["name"] == WILD
    assert found["dir_sync_peer_lacks_bytes"] == [({"folder": WILD, "peer": WILD, "replica": "bb00"}, 3_000.0)]
    assert found["dir_sync_peer_received_bytes_total"][0][1] == 2**40
    assert found["dir_sync_peer_rtt_seconds"][0][1] == 0.0015


def test_a_folder_without_a_node_and_one_of_another_version_are_down() -> None:
    found = read(metrics([("/a", ANSWER), ("/b", None), ("/c", {"folder": "of another version"})]))
    assert [value for _, value in found["dir_sync_up"]] == [1, 0, 0]
    assert [labels["folder"] for labels, _ in found["dir_sync_files"]] == ["/a"]


def test_one_state_of_all_is_set() -> None:
    states = read(metrics([("/a", ANSWER)]))["dir_sync_headline"]
    assert sorted(value for _, value in states) == [0, 0, 0, 0, 0, 1]


def test_what_is_not_known_is_left_out() -> None:
    found = read(metrics([("/a", ANSWER | {"peers": [peer(lacks=None, traffic=None)]})]))
    assert "dir_sync_peer_lacks_files" not in found
    assert "dir_sync_peer_rtt_seconds" not in found
    assert found["dir_sync_peers"] == [({"folder": "/a"}, 1.0)]


def test_each_metric_is_described_once_and_its_samples_stand_together() -> None:
    text = metrics([("/a", ANSWER | {"peers": [peer(), peer(name="carol", replica="cc00")]}), ("/b", ANSWER)])
    assert text.endswith("\n")
    names = [line.split("{")[0] for line in text.splitlines() if not line.startswith("#")]
    groups = [name for at, name in enumerate(names) if not at or names[at - 1] != name]
    assert len(groups) == len(set(groups))
    assert sorted(re.findall(r"^# TYPE (\S+)", text, re.M)) == sorted(groups)
    assert re.findall(r"^# HELP (\S+)", text, re.M) == re.findall(r"^# TYPE (\S+)", text, re.M)


def test_nothing_is_nothing() -> None:
    assert metrics([]) == ""
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")
