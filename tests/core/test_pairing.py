"""Joining by a code: the right one, wrong ones, a machine in the middle, broken messages, and the limits."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dir_sync.core import base32, pairing
from dir_sync.core.keys import MeshKey, identity_of
from dir_sync.core.membership import Charter, Gate, Member
from dir_sync.core.noise import public_of
from dir_sync.core.pairing import Code, CodeError, Host, Invitation, InviterRun, JoinerRun, PairingError, Welcome

KITCHEN = "a" * 32
HOST = Host("kitchen", 3, "default")
KEY = MeshKey.made_of(bytes(range(32)), 2)
CHARTER = Charter(2, KEY.id, {KITCHEN: Member(KITCHEN, "kitchen", "rw", 1_700_000_000)}, frozenset({"d" * 32}))
WELCOME = Welcome(
    KEY,
    CHARTER,
    (Gate(1, "e" * 32, bytes(32)),),
    tuple(CHARTER.members.values()),
    CHARTER.members[KITCHEN],
    CHARTER.members[KITCHEN],
)
CODE = Code("K7", "QX4MDP")


def entropy(seed: int) -> Callable[[int], bytes]:
    """Random bytes that are all alike, so that the vectors can be made again."""
    return lambda size: bytes([seed % 16]) * size


def static(letter: str) -> bytes:
    """A private key."""
    return letter.encode() * 32


class Pair:
    """An inviter and a joiner with bytes between them, which a test may change."""

    def __init__(self, invitation: Invitation, code: Code = CODE, seed: int = 1, who: str = "j") -> None:
        self.invitation = invitation
        self.inviter = InviterRun(invitation, static("i"), HOST, WELCOME)
        self.joiner = JoinerRun(code, static(who), "laptop", entropy(seed), static("f"))
        self.seed = seed
        self.frames: list[bytes] = []

    def run(self, change: Callable[[int, bytes], bytes] = lambda number, frame: frame, now_s: float = 10.0) -> Welcome:
        def over(frame: bytes) -> bytes:
            self.frames.append(frame)
            return change(len(self.frames) - 1, frame)

        inviter, joiner = self.inviter, self.joiner
        y = over(inviter.on_hello(over(joiner.hello()), now_s, entropy(self.seed + 1), static("e")))
        proof = over(inviter.on_proof(over(joiner.on_answer(y))))
        self.host = joiner.on_proof(proof)
        welcome = joiner.on_welcome(over(inviter.on_identity(over(joiner.identify()), 1_800_000_000)))
        inviter.on_stored(over(joiner.stored()))
        return welcome


def open_invitation(role: str = "rw") -> Invitation:
    return Invitation(CODE, role, now_s=0.0)


def test_a_code_is_read_as_people_write_it() -> None:
    assert Code.parse("K7QX-4MDP") == Code.parse(" k7qx 4mdp ") == CODE
    assert Code.parse("olIO-0101") == Code("01", "100101")
    assert str(CODE) == "K7QX-4MDP"
    for wrong in ("", "K7QX-4MD", "K7QX-4MDPP", "K7QX-4MDU", "K7QX4MDé"):
        with pytest.raises(CodeError):
            Code.parse(wrong)


def test_codes_that_are_drawn_use_the_whole_alphabet() -> None:
    drawn = "".join(str(Code.draw(random.Random(seed).randbytes)).replace("-", "") for seed in range(200))
    assert set(drawn) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert Code.parse(drawn[:8])


@pytest.mark.parametrize("role", ["rw", "ro"])
def test_the_right_code_brings_the_key_and_all_that_travels_with_it(role: str) -> None:
    invitation = open_invitation(role)
    pair = Pair(invitation)
    welcome = pair.run()
    laptop = Member(identity_of(public_of(static("j"))), "laptop", role, 1_800_000_000, KITCHEN)
    assert welcome == WELCOME._replace(mine=laptop, key=KEY if role == "rw" else KEY.read_only())
    assert pair.host == HOST._replace(role=role)
    assert invitation.joined == laptop
    assert (invitation.guesses, invitation.runs) == (3, 19)
    assert all(len(frame) <= pairing.HANDSHAKE_BYTES_MAX for frame in pair.frames[:5])


def test_a_code_lets_in_one_machine() -> None:
    invitation = open_invitation()
    Pair(invitation).run()
    with pytest.raises(PairingError, match="has been used"):
        Pair(invitation).run()


def test_three_wrong_codes_end_it_for_the_right_one_too() -> None:
    invitation = open_invitation()
    for guess in ("QX4MDQ", "AAAAAA", "000000"):
        with pytest.raises(PairingError, match="wrong code"):
            Pair(invitation, Code("K7", guess)).run()
    with pytest.raises(PairingError, match="3 wrong codes"):
        Pair(invitation).run()


def test_its_time_and_its_runs_are_limited() -> None:
    invitation = open_invitation()
    with pytest.raises(PairingError, match="time is over"):
        Pair(invitation).run(now_s=600.0)
    for _ in range(20):
        InviterRun(invitation, static("i"), HOST, WELCOME).on_hello(
            Pair(invitation).joiner.hello(), 1.0, entropy(5), static("e")
        )
    with pytest.raises(PairingError, match="20 connections"):
        Pair(invitation).run()
    assert invitation.guesses == 3


def test_who_hangs_up_before_its_proof_has_learned_nothing() -> None:
    """Y is all that it has, and Y looks the same for each code: it fits every secret with some other scalar."""
    invitation = open_invitation()
    wrong = Pair(invitation, Code("K7", "AAAAAA"))
    y = wrong.inviter.on_hello(wrong.joiner.hello(), 1.0, entropy(2), static("e"))
    assert len(y) == 33
    assert len(wrong.joiner.on_answer(y)) == 48
    assert invitation.guesses == 3


def test_a_machine_in_the_middle_with_another_code_is_refused() -> None:
    invitation = open_invitation()
    victim = JoinerRun(CODE, static("j"), "laptop", entropy(1), static("f"))
    fake = InviterRun(Invitation(Code("K7", "AAAAAA"), "rw", 0.0), static("m"), HOST, WELCOME)
    y = fake.on_hello(victim.hello(), 1.0, entropy(3), static("e"))
    proof = victim.on_answer(y)
    with pytest.raises(PairingError, match="wrong code"):
        fake.on_proof(proof)
    # It hands the proof on to the true inviter: that one has another X and Y.
    true = InviterRun(invitation, static("i"), HOST, WELCOME)
    other = JoinerRun(Code("K7", "BBBBBB"), static("m"), "m", entropy(4), static("f"))
    true.on_hello(other.hello(), 1.0, entropy(5), static("e"))
    with pytest.raises(PairingError, match="wrong code"):
        true.on_proof(proof)


@pytest.mark.parametrize("number", range(7))
def test_a_changed_message_is_refused(number: int) -> None:
    for bit in (0, 7, 100, 263):
        invitation = open_invitation()
        pair = Pair(invitation)

        def change(at: int, frame: bytes, bit: int = bit) -> bytes:
            if at != number:
                return frame
            place = bit // 8 % len(frame)
            return frame[:place] + bytes([frame[place] ^ 1 << bit % 8]) + frame[place + 1 :]

        with pytest.raises(PairingError):
            pair.run(change)
        assert invitation.joined is None
        assert invitation.guesses >= 2


def test_a_lost_last_message_may_be_asked_for_again_by_the_same_machine_only() -> None:
    invitation = open_invitation()

    def cut(at: int, frame: bytes) -> bytes:
        return frame[:-1] if at == 5 else frame

    with pytest.raises(PairingError):
        Pair(invitation).run(cut)
    with pytest.raises(PairingError, match="another machine"):
        Pair(invitation, who="k").run()
    assert Pair(invitation).run().key == KEY


def test_a_joiner_may_look_who_invites_and_come_back() -> None:
    invitation = open_invitation()
    first = Pair(invitation)
    y = first.inviter.on_hello(first.joiner.hello(), 1.0, entropy(2), static("e"))
    assert first.joiner.on_proof(first.inviter.on_proof(first.joiner.on_answer(y))) == HOST._replace(role="rw")
    assert Pair(invitation, seed=7).run().key == KEY
    assert invitation.guesses == 3


def test_what_strangers_send_is_refused_in_one_way_only() -> None:
    rng = random.Random(1)
    good = Pair(open_invitation()).joiner.hello()
    for number in range(300):
        frame = bytearray(rng.choice([good, rng.randbytes(rng.randrange(600)), good[:3] + rng.randbytes(33)]))
        if frame and number % 2:
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        invitation = open_invitation()
        try:
            InviterRun(invitation, static("i"), HOST, WELCOME).on_hello(bytes(frame), 1.0, entropy(number), static("e"))
        except PairingError:
            pass
        assert pairing.channel_of(bytes(frame)) in ("", *map("".join, itertools.product(base32.LETTERS, repeat=2)))
    assert pairing.channel_of(good) == "K7"


def test_a_welcome_that_is_none_is_refused() -> None:
    for wrong in ({"key": ""}, {"key": 1}, {"key": MeshKey.made_of(bytes(32)).text}, {"host": []}, {"charter": {}}):
        words = {**pairing._object(pairing._welcome_bytes(WELCOME)), **wrong}
        with pytest.raises(PairingError):
            pairing._welcome(words)


VECTOR = [
    "124b37417a811e8220145260e68213fe9d07430818dc53f29e6ef4fab77d31469d3d9064",
    "42ddfd010afeaa2343352a58062f48a378e8fcec132403184daffd7bd368237fc4",
    "219e4d800da968d2a5fcb009c784f4746c7138edb9ee4844b739e830b05cf4249c404676785a9da840f121a605cf345c",
    "c03f8dbefaa0f6af81d150dddcac83a476b5093b6bb65b8b8ec15b0d4e347d70",
    "3c7a222c005a7ba5db7c1683cc0e715cdfdec2613c0c90b5286239672bfaf415",
    "6a6cef22ba8887041112ef3561485ab2337010224b2123ec9f6a9bd49848f3df",
    "df2a44c3eb75263248c123dc6082d00d4752946951653c55649a4e00a50dcc",
]
"""The frames of one run: whole, or SHA-256 of those from 100 bytes on."""


def test_vector() -> None:
    """All messages of one run, to the byte: docs/protocol.md has them."""
    pair = Pair(open_invitation())
    pair.run()
    assert [len(frame) for frame in pair.frames] == [36, 33, 48, 736, 704, 662, 31]
    digests = [frame.hex() if len(frame) < 100 else hashlib.sha256(frame).hexdigest() for frame in pair.frames]
    assert digests == VECTOR


def test_the_document_has_the_vector() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
    assert all(frame in text for frame in VECTOR)
