"""A read-only member gets everything; what it changes, deletes and decides counts nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lan.changes import write
from tests.lan.checker import survey, wait_equal, wait_for
from tests.lan.lan import Lan

from .mesh import SOON_S, let_in, members, start

pytestmark = pytest.mark.lan


def test_what_a_reader_does_stays_with_it(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    writer, other, reader = lan
    for number in range(5):
        write(writer.dir / f"file {number}", b"%d" % number)
    let_in(writer, other)
    let_in(writer, reader, role="--read-only")
    start(*lan)
    wait_equal(lan.roots, SOON_S)
    assert [one["role"] for one in members(writer)["members"] if one["name"] == "n2"] == ["ro"]
    assert "read-only" in reader.run_to_end("status", reader.dir).out
    refused = reader.run_to_end("invite", reader.dir, "--yes")
    assert refused.code == 1
    assert "read-only" in refused.err
    before = survey(writer.dir)
    write(reader.dir / "new", b"by the reader")
    write(reader.dir / "file 0", b"changed by the reader")
    (reader.dir / "file 1").unlink()
    for node in (writer, other):
        wait_for(lambda node=node: "read-only member" in node.log(), SOON_S, f"{node} says that it ignores that")
    assert survey(writer.dir) == survey(other.dir) == before
    write(writer.dir / "file 2", b"changed by a writer")
    wait_for(lambda: (reader.dir / "file 2").read_bytes() == b"changed by a writer", SOON_S, "the reader gets it")
    wait_equal([writer.dir, other.dir], SOON_S)
    reader.stop()
    start(reader)
    write(other.dir / "file 0", b"newest")
    wait_for(
        lambda: (reader.dir / "file 0").read_bytes() == b"newest", SOON_S, "a writer's change wins at the reader, too"
    )
    assert not (writer.dir / "new").exists()
