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


def test_a_file_that_grew_gets_one_when_it_has_rested() -> None:
    kit = Alone(SignatureBacklog)
    kit.has(large(b"a"))
    kit.it.sign_later(large(b"a"), None, grown=True)
    kit.wait(59_999)
    kit.it.sign_rested()
    assert not kit.it.to_sign
    kit.wait(1)
    kit.it.sign_rested()
    assert list(kit.it.to_sign) == [b"a"]


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
