"""Files with rules for paths that are not shared: what a change of them makes of rows, offers and what is found."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.looks import RuleTexts
from dir_sync.core.model import Kind
from dir_sync.engine.ignoring import Ignoring
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.scope import Scope
from tests.engine.kit import PEER, Alone, record


def alone(defaults: bool = False) -> Alone[Ignoring]:
    kit = Alone(Ignoring, Scope, OwnLosses, default_rules=defaults)
    kit.it.start()
    return kit


def found(kit: Alone[Ignoring], own: bytes | None, folder: bytes = b"", local: bytes = b"") -> bool:
    """The listing of a folder found these rules; True: it has to be listed again."""
    return kit.it.learn(folder, RuleTexts(own, local))


def test_the_same_rules_again_are_nothing_new() -> None:
    kit = alone()
    assert not found(kit, None)
    assert found(kit, b"*.log")
    assert not found(kit, b"*.log")
    assert kit.listed() == [b""]


def test_the_defaults_of_a_new_index_are_no_change() -> None:
    """Otherwise each peer would be asked a second time for all that it has when the first scan is over."""
    for is_new in (True, False):
        kit = Alone(Ignoring, Scope, OwnLosses, default_rules=True)
        if not is_new:
            kit.has(record(b"a", b"1"))
        kit.it.start()
        assert kit.real(Scope).rules.defaults
        assert kit.it.is_changing is not is_new
        kit.listed()
        kit.board.listings.came_back([])
        kit.connects()
        kit.it.run_timers()
        assert len(kit.asked("intake.ask_again")) == (not is_new)


def test_what_is_ignored_from_now_on_is_forgotten_and_not_deleted() -> None:
    kit = alone()
    for path in (b"a.log", b"d/b.log", b"c"):
        kit.has(record(path, b"1"))
    kit.announces(record(b"e.log", b"2"))
    kit.announces(record(b"f", b"2"))
    found(kit, b"*.log")
    assert [kit.index.rows.get(path) is None for path in (b"a.log", b"d/b.log", b"c")] == [True, True, False]
    assert kit.index.offers.of(b"e.log") == []
    assert len(kit.index.offers.of(b"f")) == 1
    assert kit.index.rows.count_live()[0] == 1
    assert kit.changes() == []


def test_rules_of_a_folder_are_about_what_is_in_it() -> None:
    kit = alone()
    for path in (b"a", b"d/a", b"d/e/a"):
        kit.has(record(path, b"1"))
    found(kit, b"a", folder=b"d")
    assert [kit.index.rows.get(path) is None for path in (b"a", b"d/a", b"d/e/a")] == [False, True, True]


def test_the_effect_is_said_when_everything_is_listed() -> None:
    kit = alone()
    kit.has(record(b"a.log", b"1"))
    found(kit, b"*.log")
    kit.it.run_timers()
    assert kit.told() == []
    kit.listed()
    kit.board.listings.came_back([])
    kit.connects()
    kit.it.run_timers()
    assert kit.told() == [notes.RulesChanged(1, 0)]
    assert [peer.replica for (peer,) in kit.asked("intake.ask_again")] == [PEER]


def test_what_is_shared_again_is_merged_like_at_a_first_contact() -> None:
    kit = alone()
    found(kit, b"*.log")
    found(kit, b"other")
    scope = kit.real(Scope)
    scope.found_new(b"a.log", False)
    scope.found_new(b"b", False)
    assert scope.is_shared_again(b"a.log")
    assert not scope.is_shared_again(b"b")
    kit.listed()
    kit.board.listings.came_back([])
    kit.it.run_timers()
    assert kit.told() == [notes.RulesChanged(0, 1)]
    assert scope.is_shared_again(b"a.log")


def test_what_is_found_in_a_folder_that_could_not_be_listed_is_still_shared_again() -> None:
    kit = alone()
    for path in (b"a.log", b"d/e/b.log"):
        kit.has(record(path, b"1"))
    found(kit, b"*.log")
    found(kit, None)
    scope, listings = kit.real(Scope), kit.board.listings

    def all_listed() -> None:
        if kit.listed():
            listings.came_back([])
        kit.it.run_timers()

    listings.list_later(b"d", kit.board.now.mono_ms, 1_000, 60_000)
    all_listed()
    assert not kit.it.is_changing
    assert kit.told() == [notes.RulesChanged(2, 0)]
    scope.found_new(b"a.log", False)
    assert not scope.is_shared_again(b"a.log")  # somebody has made it since
    listings.listed(b"d")
    listings.list_later(b"d/e", kit.board.now.mono_ms, 1_000, 60_000)
    all_listed()
    scope.found_new(b"d/e/b.log", False)
    assert scope.is_shared_again(b"d/e/b.log")
    listings.listed(b"d/e")
    all_listed()
    scope.found_new(b"d/e/c.log", False)
    assert not scope.is_shared_again(b"d/e/c.log")
    assert scope.is_shared_again(b"d/e/b.log")


def test_the_next_run_knows_the_rules_of_the_last() -> None:
    kit = alone()
    found(kit, b"*.log\xff", local=b"x")
    found(kit, b"y", folder=b"d\xff")
    again = Alone(Ignoring, Scope)
    again.index.close()
    again.board.index = kit.index
    again.it.start()
    assert again.real(Scope).rules.texts == {b"": b"*.log\xff", b"d\xff": b"y"}
    assert again.real(Scope).rules.local == b"x"


def test_the_defaults_are_a_change_when_they_come_and_when_they_go() -> None:
    kit = alone(defaults=True)
    assert kit.real(Scope).ignores(b".DS_Store", False)
    assert kit.index.notes.get("rules built in") == 1


def test_where_work_is_under_way_a_path_is_forgotten_after_it() -> None:
    kit = alone()
    kit.has(record(b"a.log", b"1"))
    kit.look_comes_back(b"a.log")
    busy = kit.work.is_at_work(b"a.log")
    found(kit, b"*.log")
    assert (b"a.log" in kit.it.leaving) == busy
    kit.board.look_ends(b"a.log")
    kit.it.run_timers()
    assert kit.index.rows.get(b"a.log") is None
    assert not kit.it.leaving


def test_where_work_was_under_way_at_the_end_of_a_run_a_path_is_forgotten_at_the_next_start() -> None:
    kit = alone()
    for path in (b"a.log", b"b"):
        kit.has(record(path, b"1"))
        kit.look_comes_back(path)
    found(kit, b"*.log")
    assert kit.index.rows.get(b"a.log") is not None
    again = Alone(Ignoring, Scope)
    again.index.close()
    again.board.index = kit.index
    again.it.start()
    assert [kit.index.rows.get(path) is None for path in (b"a.log", b"b")] == [True, False]


def test_a_line_that_cannot_be_used_is_said() -> None:
    kit = alone()
    found(kit, b"*a*a*a*a*a*b\n*.log")
    assert [type(note) for note in kit.told()] == [notes.BadRule]
    assert kit.real(Scope).ignores(b"x.log", False)


def test_a_deletion_is_about_what_was_there() -> None:
    kit = alone()
    found(kit, b"build/")
    scope = kit.real(Scope)
    kit.has(record(b"build", b"a file"))
    assert not scope.ignores_record(record(b"build", None))
    assert scope.ignores_record(record(b"build/x", None))
    assert scope.ignores_record(record(b"build", None)._replace(kind=Kind.DIRECTORY))
