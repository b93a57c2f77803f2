"""The staging files of transfers: names, who uses them, and when unwanted ones are looked for."""

from __future__ import annotations

from dir_sync.core.model import Record
from dir_sync.core.names import part_name
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.part_files import PartFiles
from dir_sync.engine.values import Ready
from tests.engine.kit import PEER, Alone, record

CONTENT = b"c" * 32


def large(kit: Alone[PartFiles], target: Record) -> Fetch:
    fetch = Fetch(kit.it.new_token(), target, PEER, None, target.size, kit.it.name_for(target.content))
    kit.it.begin(fetch)
    return fetch


def test_the_place_of_a_content_is_known_by_it_so_that_it_is_gone_on_with() -> None:
    kit = Alone(PartFiles)
    assert kit.it.name_for(CONTENT) == part_name(CONTENT)
    kit.board.order_discard((part_name(CONTENT),))
    assert kit.it.name_for(CONTENT) != part_name(CONTENT), "that one is about to be removed"


def test_two_do_not_share_a_staging_file() -> None:
    kit = Alone(PartFiles)
    kit.work.arrivals.make_ready(b"b", Ready(CONTENT, None, part_name(CONTENT)))
    assert kit.it.name_for(CONTENT) != part_name(CONTENT)


def test_a_transfer_has_its_file_until_it_ends() -> None:
    kit = Alone(PartFiles)
    fetch = large(kit, record(b"a", b"1"))
    assert kit.it.is_staged(fetch.name)
    assert kit.it.name_for(fetch.target.content) != fetch.name, "another path gets another file"
    kit.it.end(fetch)
    assert not kit.it.is_staged(fetch.name)
    assert kit.it.name_for(fetch.target.content) == fetch.name


def given_up(kit: Alone[PartFiles], fetch: Fetch) -> None:
    kit.it.end(fetch)
    kit.it.orphan(fetch, True)


def test_what_is_given_up_while_a_job_writes_it_is_continued_in_the_same_file() -> None:
    kit = Alone(PartFiles)
    fetch = large(kit, record(b"a", b"1"))
    given_up(kit, fetch)
    assert kit.it.name_for(fetch.target.content) == fetch.name, "the job writes bytes of this content"


def test_no_other_gets_a_file_to_which_a_job_still_appends_what_the_content_had_gained() -> None:
    kit = Alone(PartFiles)
    fetch = large(kit, record(b"a", b"1"))
    content, fetch.target = fetch.target.content, record(b"a", b"1 and more")
    given_up(kit, fetch)
    assert kit.it.name_for(content) != fetch.name, "it would be found complete, and become longer afterwards"
    kit.it.take_orphan(fetch.token)
    assert kit.it.name_for(content) == fetch.name, "no job writes it any more"


def test_no_other_gets_a_file_that_a_job_still_makes_from_a_delta() -> None:
    kit = Alone(PartFiles)
    target = record(b"a", b"1")
    fetch = Fetch(kit.it.new_token(), target, PEER, CONTENT, 10, kit.it.name_for(target.content))
    kit.it.begin(fetch)
    given_up(kit, fetch)
    assert kit.it.name_for(target.content) != fetch.name, "that job removes what it finds there"


def test_what_was_given_up_while_a_job_wrote_it_is_asked_for_once() -> None:
    kit = Alone(PartFiles)
    fetch = large(kit, record(b"a", b"1"))
    kit.it.swept(are_kept=False)
    assert kit.it.take_orphan(fetch.token) is None
    kit.it.orphan(fetch, True)
    assert kit.it.take_orphan(fetch.token) == (fetch, True)
    assert kit.it.take_orphan(fetch.token) is None
    assert kit.it.must_sweep, "its file may be one that nobody wants"


def test_parts_are_swept_once_and_again_when_what_is_wanted_changes() -> None:
    kit = Alone(PartFiles)
    assert kit.it.must_sweep, "there may be some from before"
    kit.it.swept(are_kept=True)
    assert not kit.it.must_sweep
    kit.announces(record(b"a", b"1"))
    kit.index.offers.drop(b"a", PEER)
    assert kit.it.must_sweep
    kit.it.swept(are_kept=False)
    kit.announces(record(b"a", b"1"))
    kit.index.offers.drop(b"a", PEER)
    assert not kit.it.must_sweep
