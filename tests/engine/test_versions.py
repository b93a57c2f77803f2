"""What the history keeps and gives up: by age, by room, and at once for a full disk."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import Cause, PruneJob, RecheckJob, Version
from dir_sync.core.mode import OWN, OWN_FIRST
from dir_sync.core.model import Kind, Stamp
from dir_sync.core.retention import Retention
from dir_sync.engine.constants import RECHECK_MS
from dir_sync.engine.versions import VersionKeeper
from tests.engine.kit import PEER, WALL_NS, Alone, record

DAY_NS = 86_400 * 10**9


def alone(days: int = 30, room: int = 1_000) -> Alone[VersionKeeper]:
    return Alone(VersionKeeper, retention=Retention(days * DAY_NS, room))


def version(name: bytes, size: int = 100, age_days: int = 1, why: Cause = Cause.DELETED, path: bytes = b"") -> Version:
    return Version(name, path or name, Kind.FILE, size, b"c" * 32, 0, 0o644, WALL_NS - age_days * DAY_NS, why, PEER)


def pruned(kit: Alone[VersionKeeper]) -> list[bytes]:
    kit.it.prune_when_due()
    return sorted(name for job in kit.out(PruneJob) for name in job.names)


def test_what_is_too_old_goes() -> None:
    kit = alone()
    for one in (version(b"old", age_days=31), version(b"young")):
        kit.index.versions.put(one)
    assert pruned(kit) == [b"old"]
    assert kit.told() == [notes.HistoryPruned(1, 100)]


def test_what_is_too_much_goes_the_oldest_first_and_losers_of_conflicts_last() -> None:
    kit = alone()
    kit.index.versions.put(version(b"loser", age_days=29, why=Cause.CONFLICT))
    for number in range(10):
        kit.index.versions.put(version(b"%d" % number, age_days=20 - number))
    assert pruned(kit) == [b"0"]


def test_without_a_limit_nothing_goes() -> None:
    kit = Alone(VersionKeeper)
    kit.index.versions.put(version(b"old", age_days=10_000))
    assert pruned(kit) == []


def test_one_job_is_out_at_a_time_and_what_it_removed_is_gone() -> None:
    kit = alone()
    kit.index.versions.put(version(b"old", age_days=31))
    pruned(kit)
    kit.effects()
    assert pruned(kit) == []
    kit.it.on_pruned((b"old",))
    assert kit.index.versions.get(b"old") is None
    assert kit.board.run_again


def test_what_somebody_has_open_stays_a_while() -> None:
    kit = alone(room=50)
    kit.index.versions.put(version(b"open"))
    assert pruned(kit) == [b"open"]
    kit.it.on_pruned(())
    kit.effects()
    kit.wait(200)
    assert pruned(kit) == []
    kit.wait(120_001)
    assert pruned(kit) == [b"open"]


def test_a_full_disk_takes_from_the_history_at_once_and_who_waits_for_room_is_planned() -> None:
    kit = alone()
    kit.index.versions.put(version(b"young"))
    kit.it.prune_when_due()
    kit.effects()
    kit.work.retries.await_disk_room(b"a", 50)
    assert pruned(kit) == [b"young"]
    kit.it.on_pruned((b"young",))
    assert kit.planned() == [b"a"]
    assert not kit.work.retries.is_short


def test_a_displaced_version_is_listed_with_the_content_that_its_row_said() -> None:
    kit = alone()
    mine = record(b"a", b"old")
    kit.it.keep(version(b"v"), mine, b"a", Stamp(WALL_NS, PEER))
    kept = kit.index.versions.get(b"v")
    assert kept is not None
    assert kept.content == mine.content


@pytest.mark.parametrize(
    ("mine", "by", "is_undone_here"),
    [(OWN, "=aa", True), (OWN, PEER, False), (OWN_FIRST, "=aa", False), (PEER, "=aa", False)],
)
def test_what_a_mirror_undoes_is_not_undone_by_a_first_scan(mine: str, by: str, is_undone_here: bool) -> None:
    kit = alone()
    one = version(b"v")._replace(maker=by)
    kit.it.keep(one, record(b"a", b"mine")._replace(stamp=Stamp(WALL_NS, mine)), b"a", Stamp(WALL_NS, by))
    kept = kit.index.versions.get(b"v")
    assert kept is not None
    assert kept.maker == (kit.index.identity.replica if is_undone_here else by)


def test_people_are_told_of_the_loser_of_a_conflict() -> None:
    kit = alone()
    kit.it.keep(version(b"v", why=Cause.CONFLICT), record(b"a", b"old"), b"a", Stamp(WALL_NS, PEER))
    assert kit.told() == [notes.Conflict(b"a", b"v")]


def test_whoever_goes_on_writing_into_what_was_displaced_is_noticed() -> None:
    kit = alone()
    one = version(b"v")
    kit.index.versions.put(one)
    kit.it.recheck_later(one)
    kit.it.recheck_when_due()
    assert kit.out(RecheckJob) == []
    kit.wait(RECHECK_MS[0])
    kit.it.recheck_when_due()
    assert [job.versions for job in kit.out(RecheckJob)] == [(one,)]
    kit.it.on_rechecked((one,), ())
    assert kit.told() == []
    kit.it.on_rechecked((one._replace(content=b"x" * 32),), ())
    assert kit.told() == [notes.WrittenLate(b"v", b"v")]
    kept = kit.index.versions.get(b"v")
    assert kept is not None
    assert kept.why is Cause.CONFLICT
    kit.it.on_rechecked((), (b"v",))
    assert kit.index.versions.get(b"v") is None


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.SYMLINK])
@pytest.mark.parametrize("content", [b"c", b""])
def test_only_files_are_written_into(kind: Kind, content: bytes) -> None:
    """A link that could not be read is read again."""
    kit = alone()
    kit.it.recheck_later(version(b"v")._replace(kind=kind, content=content))
    assert bool(kit.it.rechecks) == (kind == Kind.FILE or not content)


def test_a_version_that_is_doubted_is_no_source_until_it_was_looked_at() -> None:
    kit = alone()
    one = version(b"v")
    kit.index.versions.put(one)
    kit.it.doubt(one)
    assert kit.asked("sources.avoid_source") == [(b"v", b"")]
    assert [(job.versions, job.closely) for job in kit.out(RecheckJob)] == [((one,), True)]
    kit.it.on_rechecked((one,), ())
    assert kit.asked("sources.trust") == [(b"v", b"")]


def test_a_users_file_that_could_not_have_its_name_back_is_listed_as_it_is() -> None:
    kit = alone()
    one = version(b"rescued", why=Cause.RECOVERED, path=b"a")
    kit.it.rescued((one,))
    assert kit.index.versions.get(b"rescued") == one
    assert [name for _, name in kit.it.rechecks] == [b"rescued"] * len(RECHECK_MS)


@pytest.mark.parametrize("why", [Cause.CONFLICT, Cause.REPLACED])
def test_a_version_that_could_not_be_read_is_listed_without_a_digest_until_it_was(why: Cause) -> None:
    kit = alone()
    mine = record(b"a", b"as our row says")._replace(attributes=Attributes(None, None, ()))
    one = version(b"unread", why=why, path=b"a")
    kit.it.keep_unread(one, mine)
    assert kit.index.versions.get(b"unread") == one._replace(content=b"", attributes=mine.attributes)
    assert kit.told() == ([notes.Conflict(b"a", b"unread")] if why is Cause.CONFLICT else [])
    assert kit.index.versions.with_content(mine.content) is None
    kit.it.on_rechecked((one._replace(attributes=mine.attributes),), ())
    assert kit.index.versions.with_content(one.content) is not None


def test_the_digest_of_a_version_that_could_not_be_read_is_noted_when_it_can() -> None:
    kit = alone()
    one = version(b"rescued", why=Cause.RECOVERED, path=b"a")
    kit.it.rescued((one._replace(content=b""),))
    kit.it.on_rechecked((one,), ())
    assert kit.index.versions.get(b"rescued") == one
    assert kit.told() == [], "nobody has written into it"
