"""Which large files are read for their signatures, and when."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import DiscardJob, SignJob
from dir_sync.core.model import Record
from dir_sync.engine.signatures import SignatureBacklog
from tests.engine.kit import Alone, record


def large(path: bytes, content: bytes = b"1") -> Record:
    return record(path, content)._replace(size=limits.LARGE_FILE_BYTES)


def signed(kit: Alone[SignatureBacklog]) -> list[bytes]:
    kit.it.sign_next()
    found = [job.path for job in kit.out(SignJob)]
    kit.it.one_signed()
    return found


def test_what_changed_is_read_and_what_was_there_helps() -> None:
    kit = Alone(SignatureBacklog)
    kit.it.sign_after = None
    kit.has(large(b"a", b"2"))
    kit.it.sign_later(large(b"a", b"2"), large(b"a", b"1"))
    assert signed(kit) == [b"a"]
    assert kit.out(SignJob)[0].earlier == large(b"a", b"1").content


def test_a_small_file_needs_none() -> None:
    kit = Alone(SignatureBacklog)
    kit.it.sign_later(record(b"a", b"1"), None)
    assert not kit.it.to_sign
    kit.board.with_deltas = False
    kit.it.sign_later(large(b"b"), None)
    assert not kit.it.to_sign, "nor does any without a library"


def rested(kit: Alone[SignatureBacklog], ms: int) -> bool:
    """True if the file that grew gets its signature after that time, and not before."""
    kit.wait(ms - 1)
    kit.it.sign_rested()
    early = bool(kit.it.to_sign)
    kit.wait(1)
    kit.it.sign_rested()
    return not early and list(kit.it.to_sign) == [b"a"]


def grown(content: bytes, mib: int = 200) -> Record:
    return large(b"a", content)._replace(size=mib * limits.MIB)


def test_a_file_that_grew_gets_one_when_it_has_rested() -> None:
    kit = Alone(SignatureBacklog)
    kit.it.sign_after = None
    kit.has(grown(b"3"))
    kit.it.sign_later(grown(b"2"), grown(b"1"), grown=True)
    kit.wait(2_000)
    kit.it.sign_later(grown(b"3"), grown(b"2"), grown=True)
    assert kit.it.grown_due_ms is not None
    assert rested(kit, 3_000), "15 ms for each MiB"
    assert kit.it.grown_due_ms is None
    assert signed(kit) == [b"a"]
    assert kit.out(SignJob)[0].earlier == grown(b"1").content, "the last content that had one"


def test_a_file_that_goes_on_growing_gets_fewer_and_fewer() -> None:
    """Each is read for nothing."""
    kit = Alone(SignatureBacklog)
    kit.it.sign_after = None
    kit.has(grown(b"1"))
    for rest_ms in (3_000, 12_000, 48_000, 60_000, 60_000):
        kit.it.sign_later(grown(b"1"), grown(b"1"), grown=True)
        assert rested(kit, rest_ms)
        signed(kit)
    kit.it.sign_later(grown(b"1"), grown(b"1"))
    signed(kit)
    kit.it.sign_later(grown(b"1"), grown(b"1"), grown=True)
    assert rested(kit, 3_000), "something else was done with it"


def test_files_that_only_lie_there_are_read_as_long_as_the_budget_lasts() -> None:
    kit = Alone(SignatureBacklog)
    for path in (b"a", b"b"):
        kit.has(large(path)._replace(size=3 * limits.MIB * 400))
    kit.has(record(b"small", b"1"))
    assert signed(kit) == [b"a"]
    assert kit.it.sign_after is None, "two of them are too much"


def test_what_has_just_grown_is_not_read() -> None:
    kit = Alone(SignatureBacklog)
    kit.it.sign_after = None
    kit.has(large(b"a"), b"f" * 60)
    kit.it.sign_later(large(b"a"), None)
    assert signed(kit) == []


def test_files_that_are_held_open_are_let_go_of_when_all_have_theirs() -> None:
    kit = Alone(SignatureBacklog)
    kit.it.sign_after = None
    kit.it.sign_later(large(b"gone"), None)
    kit.it.sign_next()
    kit.it.sign_next()
    assert [job.unsigned for job in kit.out(DiscardJob)] == [True]
