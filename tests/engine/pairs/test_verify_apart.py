"""`verify` and what a machine has otherwise on purpose: it says what that is, and counts it as no fault."""

from __future__ import annotations

from dir_sync.core.declined import Reason
from dir_sync.core.events import Touched, Urgency, VerifyWanted
from dir_sync.core.ignore import Rules
from dir_sync.core.mode import Mode
from dir_sync.core.verify import What
from dir_sync.engine.verifying import Run
from tests.pair import OneNode, Pair


def edit(node: OneNode, path: bytes, data: bytes) -> None:
    node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))


def linked(mode: Mode = Mode.TWO_WAY, rules: bytes = b"") -> Pair:
    """`two` has this mode and these rules, and what `one` has made."""
    pair = Pair()
    pair.two.engine.mode_rules.mode = mode
    pair.two.engine.scope.rules = Rules({b"": rules}, defaults=False)
    pair.link()
    edit(pair.one, b"changed", b"by one")
    pair.run()
    return pair


def verified(pair: Pair) -> Run:
    """What `one` finds."""
    pair.one.inbox.append(VerifyWanted(False))
    for _ in range(4_000):
        pair.turn()
        run = pair.one.engine.verifying.asked()
        if run is not None and run.is_over:
            return run
        pair.clock.ms += 20
    raise AssertionError("it does not end")


def apart(run: Run) -> dict[bytes, Reason]:
    return {one.path: reason for one, reason in run.apart.items()}


def test_what_a_machine_keeps_to_itself_is_no_fault() -> None:
    pair = linked(Mode.RECEIVE_ONLY)
    edit(pair.two, b"changed", b"by two, and only there")
    edit(pair.two, b"new", b"only there")
    pair.run()
    run = verified(pair)
    assert not run.findings
    assert apart(run) == {b"changed": Reason.DIVERGED}, "of what is new there it says nothing"


def test_what_the_rules_of_a_machine_ignore_is_no_fault() -> None:
    pair = linked(rules=b"*.log\nbuild/\n")
    edit(pair.one, b"a.log", b"a line")
    pair.one.disk.mkdir(b"build")
    edit(pair.one, b"build/out", b"made")
    pair.one.inbox.append(Touched(b"build", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"a.log") is None
    run = verified(pair)
    assert not run.findings
    assert apart(run) == dict.fromkeys((b"a.log", b"build", b"build/out"), Reason.IGNORED)


def test_a_rule_for_folders_says_nothing_about_a_file() -> None:
    pair = linked(rules=b"build/\n")
    edit(pair.one, b"build", b"a file")
    pair.run()
    assert pair.two.disk.content(b"build") == b"a file"
    row = pair.two.index.rows.get(b"build")
    assert row is not None
    pair.two.index.rows.forget(b"build")
    run = verified(pair)
    assert [(one.path, one.what) for one in run.findings] == [(b"build", What.MISSING)]
    assert not run.apart


def test_what_a_send_only_machine_does_not_take_is_no_fault() -> None:
    pair = linked()
    pair.two.engine.mode_rules.mode = Mode.SEND_ONLY
    edit(pair.one, b"changed", b"once more")
    edit(pair.one, b"new", b"not for two")
    pair.run()
    run = verified(pair)
    assert not run.findings
    assert apart(run) == {b"changed": Reason.SEND_ONLY, b"new": Reason.SEND_ONLY}
