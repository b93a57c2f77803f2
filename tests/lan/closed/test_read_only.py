"""A read-only member gets everything; what it changes, deletes and decides counts nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lan.changes import write
from tests.lan.checker import survey, wait_equal, wait_for
from tests.lan.lan import Lan, say
from tests.lan.test_modes import differing

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
    different = {"new", "file 0", "file 1"}
    wait_for(lambda: (differing(reader) or {}).keys() == different, SOON_S, "the reader lists what it has done")
    assert "read-only: 3 paths are otherwise here than elsewhere" in say(reader, "status")
    assert "safe to switch off: no, only this machine has 3 paths" in say(reader, "status")
    for node in (writer, other):
        wait_for(
            lambda node=node: "keeps what was changed or deleted there: 2 files" in say(node, "status"),
            SOON_S,
            f"{node} says that the reader is no copy of two files",
        )
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
    assert "2 paths will be here as on the other machines" in say(reader, "revert", "--yes")
    wait_equal(lan.roots, SOON_S)
    assert (reader.dir / "file 1").exists()
    assert reader.keeps(b"by the reader")
    wait_for(lambda: "keeps what" not in say(writer, "status"), SOON_S, "it is a copy again")
    write(reader.dir / "later", b"by the reader")
    wait_for(lambda: (differing(reader) or {}).keys() == {"later"}, SOON_S, "the reader lists what it has done")
    asked = reader.run_to_end("leave", reader.dir)
    assert (asked.code, "to undo it before: " in asked.err) == (1, True)
    left = say(reader, "leave", "--yes")
    assert "What was changed or deleted on this machine only (1 path) counts from then on" in left


def test_what_a_reader_had_announced_to_nobody_before_it_joined_differs(new_lan: Callable[..., Lan]) -> None:
    """It has run alone on its folder, in the open."""
    lan = new_lan(2)
    writer, reader = lan
    for name in ("f1", "f2"):
        write(writer.dir / name, b"%b, as the mesh has it" % name.encode())
        write(reader.dir / name, b"%b, as it was there" % name.encode())
    start(reader)
    wait_for(lambda: "ALONE" in say(reader, "status"), SOON_S, "it runs alone")
    (reader.dir / "f2").unlink()
    write(reader.dir / "f1", b"changed alone")
    write(reader.dir / "only", b"made alone")
    wait_for(lambda: "changed here: f1" in reader.log() and "only" in reader.log(), SOON_S, "it has seen that")
    reader.stop()
    let_in(writer, reader, role="--read-only")
    start(writer, reader)
    wait_for(lambda: (reader.dir / "f1").read_bytes() == b"f1, as the mesh has it", SOON_S, "the mesh counts")
    wait_for((reader.dir / "f2").exists, SOON_S, "what was deleted before is there")
    wait_for(lambda: (differing(reader) or {}).keys() == {"only"}, SOON_S, "what it has alone is listed")
    assert reader.keeps(b"changed alone")
    assert "safe to switch off: no, only this machine has 1 path" in say(reader, "status")
    assert not (writer.dir / "only").exists()
