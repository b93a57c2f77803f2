"""What the engine ordered is done after the commit that it relies on, and where it belongs."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest

from dir_sync.core.events import Drop, Effect, NewReplica, Report, Send, Tell
from dir_sync.core.jobs import ApplyItem, ApplyJob, Cause, DiscardJob, TreeOp
from dir_sync.core.messages import Lacks, Message, Pull, PullItem
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.notes import ChangedHere, Kept
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.inbox import Inbox
from dir_sync.file_sync import SYNC_ALL_FROM
from dir_sync.folder import state
from tests.daemon.standins import FOLDER, Folder

BOB = "bb" * 8
ONE = Kept(b"one")
TELLS = Lacks(FOLDER, 1, 0, 0, 0)


class Bench:
    """`done`: everything that was done, in order; commits as "durable" and "commit"."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.folder = Folder()
        share: Any = SimpleNamespace(
            index=SimpleNamespace(
                commit=lambda durable=True: self.done.append("durable" if durable else "commit"),
                notes=SimpleNamespace(put=lambda key, value: self.done.append((key, value))),
                is_dirty=True,
            ),
            engine=self.folder.engine,
            workers=SimpleNamespace(put=lambda flow, job: self.done.append((flow, job)), put_early=self.put_early),
        )
        peers: Any = SimpleNamespace(
            send=lambda peers, parcel: self.done.append((peers, parcel.message)),
            drop=lambda peer, reason, text: self.done.append(("drop", peer)),
            say_new_replica=lambda: self.done.append("say_new_replica"),
            flow_of=lambda peer: Flow("10.0.0.2", peer),
        )
        requests: Any = SimpleNamespace(answered=lambda report: self.done.append(report))
        narrator: Any = SimpleNamespace(
            tell=lambda note, mono: self.done.append(note), breathe=lambda mono, all_of_it: self.done.append("breath")
        )
        self.inbox = Inbox()
        self.performer = Performer(share, peers, requests, narrator, self.inbox)

    def put_early(self, flow: Flow, job: ApplyJob) -> Any:
        """The gate of the job: what becomes of it is noted."""
        self.done.append((flow, job, "early"))
        return SimpleNamespace(open=lambda: self.done.append("open"), fail=lambda: self.done.append("fail"))

    def perform(self, *effects: Effect) -> list[object]:
        self.performer.perform(effects)
        return self.done


def send(message: Message) -> Send:
    return Send((BOB,), message, 10)


def test_what_tells_of_the_index_waits_for_the_medium() -> None:
    said = send(TELLS)
    assert Bench().perform(Tell(ONE), said) == ["durable", ONE, ((BOB,), TELLS)]


def test_only_what_a_user_did_here_is_work_of_somebody_here() -> None:
    bench = Bench()
    worked: list[bool] = []
    bench.inbox.somebody_works_here = lambda: worked.append(True)  # type: ignore[method-assign]
    bench.perform(Tell(ONE))
    assert not worked
    bench.perform(Tell(ChangedHere(b"one", 5)))
    assert worked


def test_a_question_does_not() -> None:
    question = Pull(FOLDER, (PullItem(1, b"f", bytes(32), None, 0, 10),))
    assert Bench().perform(send(question)) == [((BOB,), question)]


def test_a_new_identity_is_on_the_medium_before_it_is_told() -> None:
    assert Bench().perform(NewReplica()) == ["durable", "say_new_replica"]


def new_file(number: int) -> ApplyItem:
    path = b"f%d" % number
    target = Record(path, Kind.FILE, 1, bytes(32), 0, 0o644, Stamp(1, BOB), ())
    return ApplyItem(path, TreeOp.INSTALL, target, b"", Cause.REPLACED, data=b"x")


@pytest.mark.parametrize(
    ("items", "commit"),
    [
        ([new_file(1)._replace(data=None, staged=b"part-1")], "durable"),
        ([new_file(number) for number in range(SYNC_ALL_FROM)], "commit"),  # it syncs the file system before any name
        ([new_file(1)._replace(act=TreeOp.REMOVE, data=None, expect=b"fp")], "durable"),
    ],
)
def test_an_intent_is_written_before_the_tree_changes(items: list[ApplyItem], commit: str) -> None:
    job = ApplyJob(tuple(items), peer=BOB)
    assert Bench().perform(job) == [commit, (Flow("10.0.0.2", BOB), job)]


def test_contents_that_came_with_their_job_are_written_while_the_index_is() -> None:
    """The tree changes when both are on the disk: the gate opens after the commit."""
    job = ApplyJob((new_file(1)._replace(expect=b"fp"),), peer=BOB)
    assert Bench().perform(Tell(ONE), job) == [(Flow("10.0.0.2", BOB), job, "early"), "durable", "open", ONE]
    assert Bench().perform(send(TELLS), job)[0] == "durable", (
        "what is told to others waits as well, so nothing is gained"
    )


def test_without_a_commit_the_tree_does_not_change() -> None:
    bench = Bench()

    def fail(durable: bool = True) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    bench.performer._share.index.commit = fail  # type: ignore[method-assign]
    with pytest.raises(sqlite3.OperationalError):
        bench.perform(ApplyJob((new_file(1),), peer=BOB))
    assert bench.done[1:] == ["fail"]


def test_every_order_reaches_who_does_it() -> None:
    done = Bench().perform(Drop(BOB, "protocol-error", "forged"), Report(4, ()), DiscardJob((b"part-1",)))
    assert done == [("drop", BOB), Report(4, ()), (Flow("10.0.0.2", ""), DiscardJob((b"part-1",)))]


def test_the_last_words_say_whether_all_is_noted() -> None:
    bench = Bench()
    bench.folder.engine.has_jobs_out = True
    bench.performer.finish([])
    assert bench.done == ["breath", (state.AT_REST, 0), "durable"]


def test_at_the_end_only_words_are_performed() -> None:
    bench = Bench()
    bench.performer.finish([Tell(ONE), Report(4, ())])
    assert (bench.done[0], bench.done[-1]) == (ONE, "durable")
    assert Report(4, ()) not in bench.done
