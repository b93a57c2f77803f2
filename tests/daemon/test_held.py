"""What the brakes hold, for the command `held`: two real engines, and what a person is shown of each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dir_sync.core.events import Touched, Urgency
from dir_sync.core.safeguard.brake import Limits
from dir_sync.daemon import held as module
from dir_sync.daemon.held import held_changes
from tests.engine.pairs.safeguard.tools import fill, remove_live, rewrite_live
from tests.json_schemas import faults
from tests.pair import OneNode, Pair


def shown(node: OneNode, other: OneNode) -> list[dict[str, Any]]:
    names = {node.index.identity.replica: b"me", other.index.identity.replica: b"other\n"}
    share: Any = SimpleNamespace(engine=node.engine, index=node.index)
    peers: Any = SimpleNamespace(name_of=lambda replica: names[replica])
    answer = held_changes(share, peers)
    assert faults("held", answer) == []
    found: list[dict[str, Any]] = answer["held"]
    return found


def begin(limits: Limits | None = None) -> Pair:
    pair = Pair() if limits is None else Pair(limits)
    fill(pair.one.disk, 20)
    pair.one.boot()
    pair.two.boot()
    pair.link()
    pair.run()
    return pair


def test_nothing_is_held() -> None:
    pair = begin()
    assert shown(pair.one, pair.two) == []


def test_removals_are_shown_where_they_are_held_and_where_they_were_made() -> None:
    pair = begin()
    remove_live(pair, pair.one)
    (here,) = shown(pair.two, pair.one)
    assert (here["at"], here["by"], here["here"], here["kind"]) == ("", "other\\n", False, "deleted")
    (folder,) = here["folders"]
    assert (folder["folder"], folder["files"]) == ("d", here["files"])
    assert len(folder["examples"]) == 5
    assert all(path.startswith("d/") for path in folder["examples"])
    (there,) = shown(pair.one, pair.two)
    assert (there["at"], there["by"], there["here"], there["kind"]) == ("other\\n", "me", True, "unknown")
    assert there["files"] == here["files"]


def test_rewrites_are_another_kind() -> None:
    pair = begin()
    pair.two.engine.brakes.own.limits = pair.two.engine.brakes.peers.limits = Limits(10, 50, 10, 80)
    rewrite_live(pair, pair.one, 20)
    assert {one["kind"] for one in shown(pair.two, pair.one)} == {"rewritten"}


def test_what_is_deleted_and_what_is_rewritten_is_told_apart_also_after_a_start() -> None:
    pair = begin()
    pair.two.engine.brakes.own.limits = pair.two.engine.brakes.peers.limits = Limits(10, 50, 10, 80)
    rewrite_live(pair, pair.one, 20)
    for number in range(3):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
    pair.run()
    counts = {one["kind"]: one["files"] for one in shown(pair.two, pair.one)}
    assert counts["deleted"] == 3
    assert counts["rewritten"] > 3
    pair.cut()
    pair.restart(pair.two)
    pair.link()
    pair.run()
    assert {one["kind"]: one["files"] for one in shown(pair.two, pair.one) if not one["at"]} == counts


def test_what_vanished_is_shown_as_that() -> None:
    pair = begin()
    pair.cut()
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    (here,) = shown(pair.one, pair.two)
    assert (here["kind"], here["here"], here["files"]) == ("vanished", True, 20)


def test_a_folder_that_vanished_with_all_that_was_in_it_is_named_with_files_of_it() -> None:
    pair = begin()
    pair.cut()
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    (here,) = shown(pair.one, pair.two)
    (folder,) = here["folders"]
    assert (folder["folder"], folder["files"], here["files"]) == ("d", 20, 20)
    assert len(folder["examples"]) == 5
    assert all(path.startswith("d/") for path in folder["examples"])


def test_of_very_many_only_some_are_looked_at_and_all_are_counted(monkeypatch: Any) -> None:
    pair = begin()
    remove_live(pair, pair.one)
    (all_of_them,) = shown(pair.two, pair.one)
    monkeypatch.setattr(module, "_SORTED_MAX", 3)
    some, rest = shown(pair.two, pair.one)
    assert (some["kind"], some["files"], rest["kind"], rest["folders"]) == ("deleted", 3, "deleted", [])
    assert some["files"] + rest["files"] == all_of_them["files"]


def test_looking_changes_nothing() -> None:
    pair = begin()
    remove_live(pair, pair.one)
    before = pair.two.engine.brakes.held()
    assert shown(pair.two, pair.one) == shown(pair.two, pair.one)
    pair.one.disk.write(b"new", b"new")
    pair.one.inbox.append(Touched(b"new", Urgency.NOW))
    pair.run()
    assert pair.two.engine.brakes.held() == before
