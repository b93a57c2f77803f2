"""A read-only member: it gets everything, and nothing that it changes, deletes or decides counts elsewhere."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.events import Decided, PeerUp, Received, Touched, Urgency
from dir_sync.core.messages import Brake, Decision, ModificationUpdate, Settle, State
from dir_sync.core.messages.update import Change
from dir_sync.core.model import Kind, Record, Stamp
from tests.pair import FOLDER, OneNode, Pair


class WithReader(Pair):
    """`two` may not write, as `one` sees it."""

    may_write = False

    def link(self) -> None:
        self.linked = True
        for here, there, may_write in ((self.one, self.two, self.may_write), (self.two, self.one, True)):
            here.inbox.append(PeerUp(there.index.identity.replica, self.hello(there), "10.0.0.2", may_write))
        self.run()


def edit(node: OneNode, path: bytes, data: bytes) -> None:
    node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))


def linked() -> WithReader:
    pair = WithReader()
    pair.link()
    for number in range(5):
        edit(pair.one, b"file %d" % number, b"content %d" % number)
    pair.run()
    assert pair.one.disk.tree() == pair.two.disk.tree()
    return pair


def test_what_it_gets_is_known_to_be_there() -> None:
    pair = linked()
    assert any(isinstance(note, notes.InSync) for note in pair.one.notes)
    assert not pair.one.said(notes.BadContent)


def test_nothing_that_it_does_to_files_counts() -> None:
    pair = linked()
    before = pair.one.disk.tree()
    edit(pair.two, b"file 0", b"changed by a reader")
    edit(pair.two, b"new", b"made by a reader")
    pair.two.disk.delete(b"file 1")
    pair.two.inbox.append(Touched(b"file 1", Urgency.NOW))
    pair.run()
    assert pair.one.disk.tree() == before
    assert sum(isinstance(note, notes.BadContent) for note in pair.one.notes) == 1, "it is said once"
    pair.restart(pair.two)
    assert pair.one.disk.tree() == before, "neither as a state"
    edit(pair.one, b"file 0", b"changed by a writer")
    pair.run()
    assert pair.two.disk.tree()[b"file 0"][1] == b"changed by a writer"


def test_what_it_has_counts_once_it_may_write() -> None:
    """It was invited anew, and has the same index as before."""
    pair = linked()
    edit(pair.two, b"new", b"made by a reader")
    pair.run()
    assert b"new" not in pair.one.disk.tree()
    pair.may_write = True
    pair.restart(pair.two)
    assert pair.one.disk.tree()[b"new"][1] == b"made by a reader"
    seen = pair.one.index.peers.get(pair.two.index.identity.replica)
    assert seen is not None
    pair.restart(pair.two)
    assert pair.one.index.peers.get(pair.two.index.identity.replica) == seen, "its whole state is sent once"


def test_what_it_says_word_for_word() -> None:
    """A hostile one: stamps far ahead, joined vectors, contents attached, decisions, settled conflicts, a brake."""
    pair = linked()
    one, two = pair.one, pair.two.index.identity.replica
    before, sequence = one.disk.tree(), one.index.sequences.last
    row = one.index.rows.get(b"file 2")
    assert row is not None
    known = row.record
    later = Stamp(known.stamp.ns + 10**9, two)
    wide = tuple(sorted({**dict(known.vector), two: 99, "f" * 16: 7}.items()))
    bad = [
        known._replace(stamp=later, vector=wide, content=b"x" * 32),
        known._replace(vector=wide),
        known._replace(mode=0o777),
        known._replace(kind=Kind.ABSENT, size=0, content=b"", mode=0, stamp=later, vector=wide),
        Record(b"evil", Kind.FILE, 1, b"y" * 32, 0, 0o644, later, ((two, 9),)),
        Record(b"file 3", Kind.DIRECTORY, 0, b"", 0, 0o755, later, ((two, 9),)),
    ]
    for number, record in enumerate(bad):
        action = "modify" if record.kind else "delete"
        one.inbox.append(Received(two, State(FOLDER, 1_000 + number, True, (record,), ((record.path, b"file 4"),))))
        update = ModificationUpdate(FOLDER, 2_000 + number, (Change(action, record, None, False),), ((b"", 5),))
        one.inbox.append(Received(two, update))
        pair.run()
    attached = Change("create", bad[4]._replace(path=b"pushed"), None, True, None, b"z")
    one.inbox.append(Received(two, ModificationUpdate(FOLDER, 3_000, (attached,), (), True)))
    one.inbox.append(Received(two, Decision(FOLDER, one.index.identity.replica, 5, False)))
    one.inbox.append(Received(two, Settle(FOLDER, ((b"file 2", Kind.FILE, known.content),))))
    one.inbox.append(Received(two, Brake(FOLDER, ((one.index.identity.replica, 3, 100, b"file 2"),))))
    pair.run()
    assert one.disk.tree() == before
    assert one.index.sequences.last == sequence, "nothing was noted as changed"
    assert one.index.rows.get(b"evil") is None
    assert not one.engine.brakes.held_elsewhere


def test_it_may_pass_on_what_writers_have_announced() -> None:
    """The content of a file that a writer announced may come from it, and so may the news that it has it."""
    pair = linked()
    row = pair.one.index.rows.get(b"file 1")
    assert row is not None
    pair.one.inbox.append(Received(pair.two.index.identity.replica, State(FOLDER, 10_000, True, (row.record,))))
    pair.run()
    assert not pair.one.said(notes.BadContent)


def test_its_person_cannot_approve_for_others() -> None:
    pair = linked()
    before = pair.one.disk.tree()
    for number in range(5):
        pair.two.disk.delete(b"file %d" % number)
    pair.restart(pair.two)
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert pair.one.disk.tree() == before
