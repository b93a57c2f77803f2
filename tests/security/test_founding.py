"""A folder is closed, and members are removed: what is kept, and who may do that."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.keys import MeshKey
from dir_sync.core.membership import Member
from dir_sync.security import files, founding, store
from dir_sync.security.alone import keeping
from dir_sync.security.keeper import Keeper
from dir_sync.security.listing import key_words, members_words

NAS, TV = Member("a" * 32, "nas", "rw", 1_700_000_000), Member("b" * 32, "tv", "ro")


def keeper_of(folder: str, kept: store.Kept) -> Keeper:
    return Keeper(folder, kept, store.identity(), "kitchen", lambda: None)


def test_a_folder_is_closed_once(state: Path, folder: str) -> None:
    kept = founding.found(folder)
    assert store.load(folder) == kept
    assert files.marker_of(folder) == kept.key.fingerprint
    with pytest.raises(ConfigError, match="already"):
        founding.found(folder)
    with keeping(folder, "kitchen") as keeper:
        assert keeper.kept == kept


def test_the_founder_knows_since_when_and_tells_others(state: Path, folder: str) -> None:
    kept = founding.found(folder)
    assert abs(kept.membership.since_s - time.time()) < 3_600
    keeper = keeper_of(folder, kept)
    keeper.met(TV)
    assert members_words(keeper, frozenset(), 9)[0]["since_s"] == kept.membership.since_s
    founding.remove(keeper, [NAS.identity], [TV.identity])
    assert keeper.me().since_s == kept.membership.since_s, "a later key does not change it"
    assert keeper.membership.charter.members[keeper.membership.me].since_s == kept.membership.since_s


def test_an_open_folder_has_no_keeper_unless_it_is_closed(state: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="open"), keeping(folder, "kitchen"):
        pass
    assert files.marker_of(folder) is None
    with keeping(folder, "kitchen", close=True) as keeper:
        assert files.marker_of(folder) == keeper.kept.key.fingerprint
    with keeping(folder, "kitchen") as again:
        assert again.kept == keeper.kept


def test_while_a_command_keeps_the_folder_no_node_starts(state: Path, folder: str) -> None:
    refused = pytest.raises(ConfigError, match="already running")
    with keeping(folder, "kitchen", close=True), refused, keeping(folder, "kitchen"):
        pass


def test_a_removal_makes_a_key_for_those_who_stay(state: Path, folder: str) -> None:
    before = founding.found(folder)
    keeper = keeper_of(folder, before)
    keeper.met(NAS)
    keeper.met(TV)
    assert store.load(folder) == keeper.kept, "who was met is kept"
    key = founding.remove(keeper, [NAS.identity], [TV.identity])
    charter = keeper.membership.charter
    assert (key.generation, key.id) == (2, charter.key) == (keeper.kept.key.generation, keeper.kept.key.id)
    assert set(charter.members) == {keeper.membership.me, TV.identity}
    assert charter.removed == {NAS.identity}
    assert charter.members[keeper.membership.me].name == "kitchen"
    assert [gate.key for gate in keeper.membership.older] == [before.key.id]
    assert store.load(folder) == keeper.kept
    assert files.marker_of(folder) == key.fingerprint
    assert key.text != before.key.text


def test_who_must_not_remove(state: Path, folder: str) -> None:
    keeper = keeper_of(folder, founding.found(folder))
    with pytest.raises(ConfigError, match="itself"):
        founding.remove(keeper, [keeper.membership.me], [])
    key = MeshKey.made_of(b"k" * 32).read_only()
    reader = keeper_of(folder, store.begin(key, keeper.membership.me))
    with pytest.raises(ConfigError, match="read-only"):
        founding.remove(reader, [NAS.identity], [])


def test_of_two_removals_in_one_moment_the_later_is_refused(state: Path, folder: str) -> None:
    keeper = keeper_of(folder, founding.found(folder))
    keeper.met(NAS)
    keeper.met(TV)
    barrier = threading.Barrier(2)
    real = keeper.rekey
    failed: list[str] = []

    def late(*args: object) -> bool:
        barrier.wait(20)
        return real(*args)  # type: ignore[arg-type]

    keeper.rekey = late  # type: ignore[method-assign]

    def remove(lost: Member) -> None:
        try:
            founding.remove(keeper, [lost.identity], [])
        except ConfigError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=remove, args=(one,)) for one in (NAS, TV)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 1
    assert "try again" in failed[0]
    assert keeper.kept.key.generation == 2
    assert store.load(folder) == keeper.kept


def test_what_is_printed_of_members_holds_no_secret(state: Path, folder: str) -> None:
    keeper = keeper_of(folder, founding.found(folder))
    keeper.met(NAS)
    keeper.heard_of([TV])
    words = {"members": members_words(keeper, frozenset({NAS.identity}), 1_700_000_500), **key_words(keeper)}
    assert [(one["name"], one["me"], one["on"]) for one in words["members"]] == [
        ("kitchen", True, False),
        ("nas", False, True),
        ("tv", False, False),
    ]
    assert words["count"] == 3
    for secret in (keeper.kept.key.secret, keeper.kept.key.gate.secret, keeper.static):
        assert secret.hex() not in str(words)
    assert keeper.kept.key.text not in repr(keeper.kept)
