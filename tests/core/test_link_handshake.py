"""The handshake of two members: who they are to each other, and that nobody else learns anything."""

from __future__ import annotations

import dataclasses
import random

import pytest

from dir_sync.core import link_handshake
from dir_sync.core.keys import MeshKey, Role, identity_of
from dir_sync.core.link_handshake import (
    FIRST_BYTES,
    HEAD_BYTES,
    SECOND_BYTES,
    THIRD_BYTES,
    Another,
    Answering,
    Calling,
    Credentials,
    Door,
    Member,
)
from dir_sync.core.noise import Handshake, HandshakeError, Suite, public_of

KEY = MeshKey.made_of(b"m" * 32)
RNG = random.Random(3)


def machine(name: str, key: MeshKey = KEY, removed: frozenset[str] = frozenset()) -> Credentials:
    return Credentials(key, name.encode().ljust(32, b"."), removed)


def body(frame: bytes) -> bytes:
    assert int.from_bytes(frame[:HEAD_BYTES], "big") == len(frame) - HEAD_BYTES
    return frame[HEAD_BYTES:]


def fresh() -> bytes:
    return RNG.randbytes(32)


def meet(
    caller: Credentials, callee: Credentials, suite: Suite = "AESGCM", gate: str = ""
) -> tuple[Calling, Answering, Member | Another, Member | Another]:
    calling = Calling(caller, suite, fresh(), gate)
    answering = Door(callee).knock(body(calling.first()), fresh())
    third, callee_seen = calling.third(body(answering.second()))
    return calling, answering, callee_seen, answering.finish(body(third))


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
@pytest.mark.parametrize("ours", [KEY, KEY.read_only()], ids=["rw", "ro"])
@pytest.mark.parametrize("theirs", [KEY, KEY.read_only()], ids=["rw", "ro"])
def test_members_know_each_other(suite: Suite, ours: MeshKey, theirs: MeshKey) -> None:
    anna, ben = machine("anna", ours), machine("ben", theirs)
    calling, answering, seen_by_anna, seen_by_ben = meet(anna, ben, suite)
    assert seen_by_anna == Member(ben.identity, theirs.role)
    assert seen_by_ben == Member(anna.identity, ours.role)
    assert anna.identity == identity_of(public_of(anna.static))
    for (sealer, _), (_, opener) in (
        (calling.streams(), answering.streams()),
        (answering.streams(), calling.streams()),
    ):
        sealed = b"".join(map(bytes, sealer.records([b"hello"])))
        opener.buffer()[: len(sealed)] = sealed
        opener.filled(len(sealed))
        out = bytearray(10)
        assert out[: opener.open_into(memoryview(out))] == b"hello"


def test_the_sizes_are_those_of_the_protocol() -> None:
    calling = Calling(machine("anna"), "ChaChaPoly", fresh())
    first = body(calling.first())
    answering = Door(machine("ben")).knock(first, fresh())
    second = body(answering.second())
    third = body(calling.third(second)[0])
    assert (len(first), len(second), len(third)) == (FIRST_BYTES, SECOND_BYTES, THIRD_BYTES) == (49, 353, 321)
    assert first[0] == second[0] == third[0] == 0x10
    assert max(len(first), len(second), len(third)) <= 512


def test_another_mesh_or_another_generation_gets_no_answer() -> None:
    for other in (MeshKey.made_of(b"n" * 32), MeshKey.made_of(b"n" * 32, 2).read_only()):
        first = body(Calling(machine("eve", other), "AESGCM", fresh()).first())
        with pytest.raises(HandshakeError):
            Door(machine("ben")).knock(first, fresh())


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_whatever_a_stranger_says_costs_no_asymmetric_work(monkeypatch: pytest.MonkeyPatch, suite: Suite) -> None:
    first = bytearray(body(Calling(machine("anna"), suite, fresh()).first()))
    door = Door(machine("ben"))

    def never(*_: object) -> None:
        raise AssertionError("asymmetric work for a stranger")

    monkeypatch.setattr(link_handshake, "Handshake", never)
    for at in range(len(first)):
        changed = bytearray(first)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(HandshakeError):
            door.knock(bytes(changed), fresh())
    for size in range(len(first)):
        with pytest.raises(HandshakeError):
            door.knock(bytes(first[:size]), fresh())
    for said in (b"", b"\0", bytes(49), bytes(512), b"GET / HTTP/1.1\r\n\r\n".ljust(49), fresh() + fresh()):
        with pytest.raises(HandshakeError):
            door.knock(said, fresh())


def test_a_first_frame_is_answered_once() -> None:
    door = Door(machine("ben"))
    first = body(Calling(machine("anna"), "AESGCM", fresh()).first())
    door.knock(first, fresh())
    with pytest.raises(HandshakeError, match="repeats"):
        door.knock(first, fresh())


def test_what_the_door_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_handshake, "REMEMBERED", 3)
    door = Door(machine("ben"))
    firsts = [body(Calling(machine("anna"), "ChaChaPoly", fresh()).first()) for _ in range(4)]
    for first in firsts:
        door.knock(first, fresh())
    assert len(door._seen) == 3
    with pytest.raises(HandshakeError):
        door.knock(firsts[1], fresh())


@pytest.mark.parametrize("which", ["second", "third"])
@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_one_byte_changed_on_the_way_is_refused(which: str, suite: Suite) -> None:
    size = SECOND_BYTES if which == "second" else THIRD_BYTES
    for at in [*range(0, size, 13), size - 1]:
        calling = Calling(machine("anna"), suite, fresh())
        answering = Door(machine("ben")).knock(body(calling.first()), fresh())
        second = bytearray(body(answering.second()))
        if which == "second":
            second[at] ^= 0x40
            with pytest.raises(HandshakeError):
                calling.third(bytes(second))
            continue
        third = bytearray(body(calling.third(bytes(second))[0]))
        third[at] ^= 0x40
        with pytest.raises(HandshakeError):
            answering.finish(bytes(third))
        with pytest.raises(HandshakeError):
            answering.finish(b"")


def test_the_suite_cannot_be_turned_over() -> None:
    first = bytearray(body(Calling(machine("anna"), "AESGCM", fresh()).first()))
    first[0] = 0x10
    with pytest.raises(HandshakeError):
        Door(machine("ben")).knock(bytes(first), fresh())


def test_who_was_removed_is_not_let_in_and_learns_who_answers_only_by_its_key() -> None:
    eve = machine("eve")
    ben = machine("ben", removed=frozenset({eve.identity}))
    calling = Calling(eve, "AESGCM", fresh())
    answering = Door(ben).knock(body(calling.first()), fresh())
    third, _ = calling.third(body(answering.second()))
    with pytest.raises(HandshakeError, match="removed"):
        answering.finish(body(third))
    calling = Calling(ben, "AESGCM", fresh())
    answering = Door(eve).knock(body(calling.first()), fresh())
    with pytest.raises(HandshakeError, match="removed"):
        calling.third(body(answering.second()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"role":"rw"}',
        b'{"role":"rw","proof":"00","generation":1,"key":"x"}',
        b'{"role":"rw","proof":"zz","generation":1,"key":"x"}',
        b'{"role":"rw","proof":5,"generation":1,"key":"x"}',
        b'{"role":"king","proof":"00","generation":1,"key":"x"}',
        b'{"role":[],"proof":"00","generation":1,"key":"x"}',
        b'{"role":"rw","role":"rw","proof":"00","generation":1,"key":"x"}',
        b'{"role":"rw","proof":"00","generation":NaN,"key":"x"}',
        b"[" * 256,
        b"\xff" * 256,
    ],
)
def test_whoever_has_only_the_key_of_the_door_is_not_a_member(payload: bytes) -> None:
    noise = Handshake("XXpsk0", True, link_handshake.PROLOGUE, b"s" * 32, fresh(), [KEY.gate.psk], "AESGCM")
    answering = Door(machine("ben")).knock(b"\x11" + noise.write(), fresh())
    noise.read(body(answering.second())[1:])
    with pytest.raises(HandshakeError):
        answering.finish(b"\x11" + noise.write(payload.ljust(256)))


def test_a_reader_cannot_pass_as_a_writer_and_no_proof_serves_twice() -> None:
    ro = KEY.read_only()

    def proof_of(key: MeshKey, bound: bytes) -> bytes:
        proof = key.sign(b"dir_sync 1 role" + bound).hex()
        text = f'{{"role":"rw","proof":"{proof}","generation":1,"key":"{KEY.id}"}}'
        return text.encode().ljust(256)

    kept: list[bytes] = []
    for key, again in ((ro, False), (KEY, False), (KEY, True)):
        noise = Handshake("XXpsk0", True, link_handshake.PROLOGUE, b"s" * 32, fresh(), [KEY.gate.psk], "AESGCM")
        answering = Door(machine("ben")).knock(b"\x11" + noise.write(), fresh())
        noise.read(body(answering.second())[1:])

        def payload(bound: bytes, key: MeshKey = key, again: bool = again) -> bytes:
            return kept[-1] if again else proof_of(key, bound)

        said = noise.write(lambda bound, make=payload: kept.append(make(bound)) or kept[-1])  # type: ignore[misc]
        if key is KEY and not again:
            member = answering.finish(b"\x11" + said)
            assert isinstance(member, Member)
            assert member.role is Role.READ_WRITE
        else:
            with pytest.raises(HandshakeError, match="role"):
                answering.finish(b"\x11" + said)


def test_those_who_share_only_an_older_door_meet_there_and_are_no_members() -> None:
    new, newer = MeshKey.made_of(b"n" * 32, 2), MeshKey.made_of(b"o" * 32, 2)
    behind = machine("behind")
    ahead = dataclasses.replace(machine("ahead", new), older=((KEY.id, KEY.gate),))
    split = dataclasses.replace(machine("split", newer), older=((KEY.id, KEY.gate),))
    for caller, callee, gate in (
        (behind, ahead, ""),
        (ahead, behind, KEY.id),
        (ahead, split, KEY.id),
        (split, ahead, KEY.id),
    ):
        _, _, seen_by_caller, seen_by_callee = meet(caller, callee, gate=gate)
        assert seen_by_caller == Another(callee.identity, callee.key.id, callee.key.generation, KEY.id)
        assert seen_by_callee == Another(caller.identity, caller.key.id, caller.key.generation, KEY.id)
    with pytest.raises(HandshakeError):
        meet(ahead, split)


def test_who_knocks_at_an_older_door_with_our_own_key_is_no_member() -> None:
    new = MeshKey.made_of(b"n" * 32, 2)
    one = dataclasses.replace(machine("one", new), older=((KEY.id, KEY.gate),))
    two = dataclasses.replace(machine("two", new), older=((KEY.id, KEY.gate),))
    _, _, seen_by_one, seen_by_two = meet(one, two, gate=KEY.id)
    assert isinstance(seen_by_one, Another)
    assert isinstance(seen_by_two, Another)


def test_a_role_that_is_not_admitted_is_turned_away() -> None:
    anna, ben = machine("anna", KEY.read_only()), machine("ben")
    strict = Credentials(ben.key, ben.static, admitted=frozenset({Role.READ_WRITE}))
    calling = Calling(anna, "AESGCM", fresh())
    answering = Door(strict).knock(body(calling.first()), fresh())
    third, _ = calling.third(body(answering.second()))
    with pytest.raises(HandshakeError, match="read-only"):
        answering.finish(body(third))
    calling = Calling(strict, "AESGCM", fresh())
    answering = Door(anna).knock(body(calling.first()), fresh())
    with pytest.raises(HandshakeError, match="read-only"):
        calling.third(body(answering.second()))


def test_no_secret_shows_itself() -> None:
    words = repr(machine("anna"))
    assert "anna" not in words
    assert "\\x" not in words
