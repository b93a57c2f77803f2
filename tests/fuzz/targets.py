"""What reads a stranger's bytes, one target each: it makes valid ones, changes them, and lets the product read them.

In:   a random generator. Out: "refused" or "accepted". Wrong: a stranger got what only a member gets. Other exceptions: a fault.
Two kinds of strangers: who has nothing, and whose bytes are changed on their way or made up; and who knows the key of the door
or the code, but sends nonsense inside a handshake that is sealed as it should be.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from dir_sync.core import keys, membership
from dir_sync.core.invitations import decode_invitation, encode_invitation
from dir_sync.core.keys import MeshKey, identity_of
from dir_sync.core.link_handshake import HEAD_BYTES, PROLOGUE, Another, Answering, Calling, Credentials, Door
from dir_sync.core.membership import Charter, Member, Membership
from dir_sync.core.model import PeerError
from dir_sync.core.noise import Cipher, Handshake, HandshakeError, Suite, public_of
from dir_sync.core.pairing import Code, Host, Invitation, InviterRun, JoinerRun, PairingError, Welcome, channel_of
from dir_sync.core.peers.beacon import Beacon, Foreign, OpenPresence
from dir_sync.core.peers.sealed_beacon import SealedPresence
from dir_sync.core.rekeying import Rekeying
from dir_sync.core.sealed import Opener, SealBroken, Sealer
from tests.fuzz.mutations import mutated

__all__ = ["Targets", "Wrong"]

_PADDED = 256  # of a payload of the link's handshake
_VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1, 2, 70_000, 10**40, 0.5, [], {}, [[]], ["K7", 6000]),
    *("", "open", "closed", "ab" * 8, "\ud800", "10.0.0.7", "x" * 300),
)
_SUITES: tuple[Suite, ...] = ("AESGCM", "ChaChaPoly")
_CODE = Code("K7", "QX4MDP")


class Wrong(Exception):
    """A stranger got what only a member gets."""


class Targets:
    """All of them, with one closed mesh and its machines. Everything comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(f"fuzz {seed}")
        key, older = MeshKey.made_of(rng.randbytes(32), 3), MeshKey.made_of(rng.randbytes(32), 2)
        self._anna, self._bert = (
            Credentials(key, rng.randbytes(32), frozenset({"d" * 32}), ((older.id, older.gate),)) for _ in range(2)
        )
        self._door = Door(self._bert)
        self._beacons = [
            SealedPresence(gates[0], gates[1:], True, rng.randbytes)
            for gates in ([key.gate, older.gate], [key.gate], [older.gate])
        ]
        self._open = OpenPresence()
        self._pairing = _Pairing(rng, key, older)
        self._rekeying = _Rekeying(rng, key, older)
        self._all: tuple[tuple[int, Any], ...] = (
            (280, self.beacon),
            (80, self.made_up_beacon),
            (40, self.invitation),
            (300, self.first_message),
            (60, self.second_message),
            (60, self.third_message),
            (40, self.payload_of_who_answers),
            (40, self.payload_of_who_calls),
            (40, self.records),
            (2, self._pairing.hello),
            (2, self._pairing.answer),
            *((8, step) for step in self._pairing.steps),
            *((8, step) for step in self._pairing.sealed_steps),
            (20, self._rekeying.frame),
        )
        self._weights = [weight for weight, _ in self._all]

    def one(self) -> tuple[str, bool]:
        """Feed one input to one target: its name, whether what came was accepted. Raises Wrong, or what the product raised."""
        ((_, target),) = self.rng.choices(self._all, self._weights)
        return target.__qualname__.lstrip("_"), target()

    # --- datagrams --------------------------------------------------------------------------------------------------

    def beacon(self) -> bool:
        beacon = Beacon(self.rng.randbytes(8).hex(), self.rng.randbytes(8).hex(), self.rng.randrange(1, 65536), True)
        sender = self.rng.choice((*self._beacons, self._open))
        valid = sender.datagrams(beacon, "10.0.0.7", 0)[0]
        data = mutated(self.rng, valid)
        for listener in (*self._beacons, self._open):
            heard = listener.heard(data, "10.0.0.7")
            if isinstance(heard, Beacon) and sender is not self._open and heard != beacon:
                raise Wrong(f"a beacon that nobody has sent: {data!r}")
        return isinstance(heard, Beacon | Foreign)

    def made_up_beacon(self) -> bool:
        """All the fields that there are, with whatever values."""
        names = ["dir_sync", "mesh", "box", "node", "instance", "port", "ask", "folders", "aes", "at", "invite"]
        fields = {name: self.rng.choice(_VALUES) for name in names if self.rng.random() < 0.7}
        if self.rng.random() < 0.5:
            fields |= {"dir_sync": 2, "mesh": self.rng.choice(("open", "closed"))}
        if self.rng.random() < 0.3:
            fields["box"] = base64.b64encode(self.rng.randbytes(self.rng.choice((0, 1, 219, 220, 221)))).decode()
        data = json.dumps(fields).encode()
        if any(isinstance(listener.heard(data, "10.0.0.7"), Beacon) for listener in self._beacons):
            raise Wrong(f"a beacon that nobody has sealed: {data!r}")
        decode_invitation(data)
        return self._open.heard(data, "10.0.0.7") is not None

    def invitation(self) -> bool:
        data = mutated(self.rng, encode_invitation("K7", 6000))
        found = decode_invitation(data)
        if self._beacons[0].heard(data, "10.0.0.7") is not None:
            raise Wrong(f"an invitation that is a beacon: {data!r}")
        return found is not None

    # --- the handshake of a link ------------------------------------------------------------------------------------

    def first_message(self) -> bool:
        valid = self._calling().first()[HEAD_BYTES:]
        data = mutated(self.rng, valid)
        return self._refuses(data, valid, lambda: self._door.knock(data, self.rng.randbytes(32)).second())

    def second_message(self) -> bool:
        calling, answering = self._connected()
        valid = answering.second()[HEAD_BYTES:]
        data = mutated(self.rng, valid)
        return self._refuses(data, valid, lambda: calling.third(data))

    def third_message(self) -> bool:
        calling, answering = self._connected()
        valid = calling.third(answering.second()[HEAD_BYTES:])[0][HEAD_BYTES:]
        data = mutated(self.rng, valid)
        return self._refuses(data, valid, lambda: answering.finish(data))

    def payload_of_who_answers(self) -> bool:
        """Who answers knows the key of the door."""
        calling = self._calling("ChaChaPoly")
        noise = self._noise(is_calling=False)
        noise.read(calling.first()[HEAD_BYTES + 1 :])
        message = noise.write(self._payload)
        return self._says_nonsense(lambda: calling.third(b"\x10" + message)[1])

    def payload_of_who_calls(self) -> bool:
        """Who calls knows the key of the door."""
        noise = self._noise(is_calling=True)
        answering = Door(self._bert).knock(b"\x10" + noise.write(), self.rng.randbytes(32))
        noise.read(answering.second()[HEAD_BYTES + 1 :])
        message = noise.write(self._payload)
        return self._says_nonsense(lambda: answering.finish(b"\x10" + message))

    def records(self) -> bool:
        """A relay changes the sealed stream."""
        key = self.rng.randbytes(32)
        said = self.rng.randbytes(self.rng.choice((1, 100, 3_000)))
        valid = b"".join(map(bytes, Sealer(Cipher(key, "ChaChaPoly")).records([said])))
        data = mutated(self.rng, valid)[:60_000]
        opener, out = Opener(Cipher(key, "ChaChaPoly")), memoryview(bytearray(4_000))
        room = opener.buffer()
        room[: len(data)] = data
        opener.filled(len(data))
        try:
            size = opener.open_into(out)
        except SealBroken:
            return False
        if size and out[:size] != said:
            raise Wrong("a record that nobody has sealed")
        return bool(size)

    def _calling(self, suite: Suite | None = None) -> Calling:
        gate = self.rng.choice(("", self._anna.older[0][0])) if suite is None else ""
        return Calling(self._anna, suite or self.rng.choice(_SUITES), self.rng.randbytes(32), gate)

    def _connected(self) -> tuple[Calling, Answering]:
        calling = self._calling()
        return calling, self._door.knock(calling.first()[HEAD_BYTES:], self.rng.randbytes(32))

    def _noise(self, is_calling: bool) -> Handshake:
        static, ephemeral = self.rng.randbytes(32), self.rng.randbytes(32)
        return Handshake("XXpsk0", is_calling, PROLOGUE, static, ephemeral, [self._anna.key.gate.psk])

    def _payload(self, bound: bytes) -> bytes:
        """What the read-only key can sign, changed; of the length that a payload has, for other lengths never get so far."""
        key = self.rng.choice((self._anna.key.read_only(), MeshKey.made_of(bytes(32), 1)))
        proof = key.sign(b"dir_sync 1 role" + bound).hex()
        fields = b'{"role":"%s","proof":"%s","generation":%d,"key":"%s"}' % (
            self.rng.choice((b"rw", b"ro", b"st")),
            proof.encode(),
            self.rng.choice((3, 3, 3, 2, 0, -1, 2**70)),
            key.id.encode(),
        )
        changed = mutated(self.rng, fields) if self.rng.random() < 0.7 else fields
        return changed[:_PADDED].ljust(_PADDED)

    def _refuses(self, data: bytes, valid: bytes, read: Callable[[], object]) -> bool:
        try:
            read()
        except HandshakeError:
            if data == valid:
                raise Wrong("a member is refused") from None
            return False
        if data != valid:
            raise Wrong(f"bytes that nobody with the key has made are accepted: {data.hex()}")
        return True

    def _says_nonsense(self, read: Callable[[], Any]) -> bool:
        try:
            peer = read()
        except HandshakeError:
            return False
        if not isinstance(peer, Another) and peer.role is keys.Role.READ_WRITE:
            raise Wrong("who has the read-only key passes for somebody who may write")
        return True


def _again(run: Any) -> Any:
    """A run as it stands now, so that it can go on many times: its handshake and ciphers have state."""
    made = copy.copy(run)
    for name, value in vars(run).items():
        if isinstance(value, Handshake):
            noise = copy.copy(value)
            for field, of in vars(value).items():
                setattr(noise, field, copy.copy(of) if isinstance(of, list | Cipher) else of)
            setattr(made, name, noise)
        elif isinstance(value, Cipher | Invitation):
            setattr(made, name, copy.copy(value))
    return made


class _Pairing:
    """Both sides of joining by a code. SPAKE2 takes 10 ms, so what follows it goes on from runs that are kept."""

    def __init__(self, rng: Random, key: MeshKey, older: MeshKey) -> None:
        self._rng = rng
        me = Member(identity_of(public_of(b"i" * 32)), "kitchen", "rw", 1_700_000_000)
        charter = Charter(key.generation, key.id, {me.identity: me}, frozenset({"d" * 32}))
        gates = (membership.Gate(2, older.id, older.gate.secret),)
        self._welcome = Welcome(key, charter, gates, (me,), me, me)
        inviter, joiner = self._fresh()
        runs, valid = [], []

        def step(run: Any, method: str, frame: bytes, *more: object) -> Any:
            runs.append((_again(run), method, more))
            valid.append(frame)
            return getattr(run, method)(frame, *more)

        answer = inviter.on_hello(joiner.hello(), 10.0, rng.randbytes, b"e" * 32)
        first = joiner.on_answer(answer)
        second = step(inviter, "on_proof", first)
        step(joiner, "on_proof", second)
        welcome = step(inviter, "on_identity", joiner.identify(), 1_800_000_000)
        step(joiner, "on_welcome", welcome)
        step(inviter, "on_stored", joiner.stored())
        self._runs, self._valid = runs, valid
        self.steps = tuple(self._step(number) for number in range(len(runs)))
        self.sealed_steps = tuple(self._sealed(number) for number in range(1, len(runs)))

    def hello(self) -> bool:
        inviter, joiner = self._fresh()
        data = mutated(self._rng, joiner.hello())
        channel_of(data)
        return _pairs(lambda: inviter.on_hello(data, 10.0, self._rng.randbytes, self._rng.randbytes(32)))

    def answer(self) -> bool:
        inviter, joiner = self._fresh()
        data = mutated(self._rng, inviter.on_hello(joiner.hello(), 10.0, self._rng.randbytes, b"e" * 32))
        return _pairs(lambda: joiner.on_answer(data))

    def _step(self, number: int) -> Callable[[], bool]:
        """The other side does not know the code, or its bytes are changed on their way."""

        def changed() -> bool:
            run, method, more = self._runs[number]
            data = mutated(self._rng, self._valid[number])
            is_accepted = _pairs(lambda: getattr(_again(run), method)(data, *more))
            if is_accepted and data != self._valid[number]:
                raise Wrong(f"{method} accepts what nobody with the code has made")
            return is_accepted

        changed.__qualname__ = f"{type(self._runs[number][0]).__name__}.{self._runs[number][1]}"
        return changed

    def _sealed(self, number: int) -> Callable[[], bool]:
        """The other side knows the code, and says nonsense: what the seal held is put in its place."""

        def nonsense() -> bool:
            run, method, more = self._runs[number]
            run = _again(run)
            text = _text_of(run, method, self._valid[number])
            data = mutated(self._rng, text.rstrip(b" "))
            _unsealed(run, method, data)
            return _pairs(lambda: getattr(run, method)(self._valid[number], *more))

        nonsense.__qualname__ = f"{type(self._runs[number][0]).__name__}.{self._runs[number][1]} sealed"
        return nonsense

    def _fresh(self) -> tuple[InviterRun, JoinerRun]:
        invitation = Invitation(_CODE, "rw", now_s=0.0)
        host = Host("kitchen", 3, "default")
        inviter = InviterRun(invitation, b"i" * 32, host, self._welcome)
        return inviter, JoinerRun(_CODE, b"j" * 32, "laptop", self._rng.randbytes, self._rng.randbytes(32))


class _Plain(Cipher):
    """Opens whatever comes as one text."""

    __slots__ = ("text",)
    text: bytes

    def open(self, data: Any, associated: bytes | None = None) -> bytes:
        super().open(data, associated)
        return self.text


def _text_of(run: Any, method: str, frame: bytes) -> bytes:
    copied = _again(run)
    if method == "on_stored":
        return bytes(copied._in.open(frame))
    if method == "on_welcome":
        return bytes(copied._noise().split()[1].open(frame))
    return bytes(copied._noise().read(frame))


def _unsealed(run: Any, method: str, text: bytes) -> None:
    """From now on the run finds that text under the seal of the next frame."""
    if method == "on_stored":
        run._in = _plain(run._in, text)
        return
    noise = run._noise()
    if method == "on_welcome":
        out, into = noise.split()
        noise.split = lambda: (out, _plain(into, text))
    else:
        read = noise.read
        noise.read = lambda frame: (read(frame), text)[1]


def _plain(cipher: Cipher, text: bytes) -> _Plain:
    made = _Plain(bytes(32), "ChaChaPoly")
    made._aead, made._is_aes, made.n = cipher._aead, cipher._is_aes, cipher.n
    made.text = text
    return made


def _pairs(read: Callable[[], object]) -> bool:
    try:
        read()
    except PairingError:
        return False
    return True


class _Rekeying:
    """A link under the door of an older key: who was removed can come so far."""

    def __init__(self, rng: Random, key: MeshKey, older: MeshKey) -> None:
        self._rng = rng
        anna, bert = (Member(letter * 32, letter, "rw", 1) for letter in "ab")
        new = Charter(3, key.id, {one.identity: one for one in (anna, bert)}, frozenset({"d" * 32}))
        old = Charter(2, older.id, new.members, frozenset())
        other_key = MeshKey.made_of(rng.randbytes(32), 3)
        other = Charter(3, other_key.id, new.members, frozenset({"e" * 32}))
        gate = membership.Gate(2, older.id, older.gate.secret)
        ahead, behind = Membership(anna.identity, "rw", new, (gate,)), Membership(bert.identity, "rw", old, ())
        beside = Membership(bert.identity, "rw", other, (gate,))
        self._pairs = (
            ((key, ahead), (older, behind)),
            ((key, ahead), (other_key, beside)),
        )
        self._gate = older.id

    def frame(self) -> bool:
        pair = self._rng.choice(self._pairs)
        one, two = self._side(*pair), self._side(*reversed(pair))
        begun = [(frame, two) for frame in one.begin()] + [(frame, one) for frame in two.begin()]
        valid, reader = self._rng.choice(begun)
        if self._rng.random() < 0.5 and (answers := copy.copy(reader).on_frame(valid)):
            valid, reader = answers[0], one if reader is two else two
        try:
            reader.on_frame(mutated(self._rng, valid))
        except PeerError:
            return False
        return True

    def _side(self, mine: tuple[MeshKey, Membership], theirs: tuple[MeshKey, Membership]) -> Rekeying:
        peer = Another(theirs[1].me, theirs[0].id, theirs[0].generation, self._gate)
        return Rekeying(mine[0], mine[1], peer, self._rng.randbytes)
