"""What this node has otherwise than others on purpose."""

from __future__ import annotations

from dir_sync.core.declined import Reason
from dir_sync.core.ignore import Rules
from dir_sync.core.mode import THEIRS, own_change
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Offer
from dir_sync.core.verify import Apart
from dir_sync.engine.apart import Aparts
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.scope import Scope
from tests.engine.kit import Alone, record


def made() -> Alone[Aparts]:
    return Alone(Aparts, Scope, ModeRules)


def test_what_is_shared_has_no_reason() -> None:
    kit = made()
    kit.has(record(b"a", b"x"))
    assert kit.it.at(b"a") == kit.it.at(b"nothing there") == []


def test_a_change_that_stays_here_is_told_only_where_others_have_a_version() -> None:
    kit = made()
    kit.has(own_change(record(b"a", b"x"), 5, 1))
    assert kit.it.at(b"a") == [], "nobody else knows of it"
    kit.index.offers.put(Offer(THEIRS, record(b"a", b"y"), False))
    assert kit.it.at(b"a") == [Apart(b"a", Reason.DIVERGED)]


def test_a_rule_may_concern_folders_alone() -> None:
    kit = made()
    kit.real(Scope).rules = Rules({b"": b"*.log\nbuild/\n"}, defaults=False)
    assert kit.it.at(b"a.log") == [Apart(b"a.log", Reason.IGNORED)]
    assert kit.it.at(b"build") == [Apart(b"build", Reason.IGNORED, Kind.DIRECTORY)]
