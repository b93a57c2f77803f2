"""A machine joins a closed mesh by a short code: the two sides, as machines that bytes go into and come out of.

The code is never sent, and nothing that could be compared with it. SPAKE2 makes a key of it on both sides, and a
Noise_XXpsk0 handshake shows that both keys are equal; the joiner shows it first. docs/protocol.md, section 5.4, has the
messages.

In:   the messages of the other side, the time, random bytes. Out: messages to send; at the end, the key of the mesh.
Rule: whoever guesses has three guesses for a code, and has learned nothing when they are used up.

It imports `cryptography` and `spake2`, so only closed meshes import it.
May import of core: base32, keys, limits, membership, model, noise, strict_json. Used by: security, cli.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, Final

from spake2 import SPAKE2_A, SPAKE2_B

from dir_sync.core import base32, limits
from dir_sync.core.charters import (
    charter_from_json,
    charter_to_json,
    gates_from_json,
    gates_to_json,
    members_from_json,
    members_to_json,
)
from dir_sync.core.keys import KeyTextError, MeshKey, Role, identity_of
from dir_sync.core.membership import Charter, Gate, Member
from dir_sync.core.model import PeerError
from dir_sync.core.named import NamedTuple
from dir_sync.core.noise import Cipher, Handshake, HandshakeError
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = [
    "FRAME_BYTES_MAX",
    "HANDSHAKE_BYTES_MAX",
    "LASTS_S",
    "PAIRING",
    "RUN_S",
    "Code",
    "CodeError",
    "Host",
    "Invitation",
    "InviterRun",
    "JoinerRun",
    "NotInvited",
    "PairingError",
    "Welcome",
    "channel_of",
]

PAIRING: Final = b"\x12"  # the first byte of the first frame
FRAME_BYTES_MAX: Final = 512 * limits.KIB  # of the last frames, after both have proved the code
HANDSHAKE_BYTES_MAX: Final = 1_024  # of those before
RUN_S: Final = 5.0  # one run, without the time that a person takes
LASTS_S: Final = 600
GUESSES: Final = 3
RUNS: Final = 20

_CHANNEL: Final = 2  # letters that are public
_SECRET: Final = 6
_SPAKE_BYTES: Final = 33
_PADDED: Final = 640  # payloads that carry names have one length: two names of 64 characters fit

Entropy = Callable[[int], bytes]


class CodeError(ValueError):
    """That is no code; it says why."""


class PairingError(Exception):
    """The run has ended without a key; it says why, for people."""


class NotInvited(PairingError):
    """What answers has no invitation, as far as a stranger is told."""


class Code(NamedTuple):
    channel: str  # two letters, in every beacon while the invitation is open
    secret: str  # six letters

    def __repr__(self) -> str:
        return f"Code({self.channel}...)"

    def __str__(self) -> str:
        """As people type it: K7QX-4MDP."""
        return base32.grouped(self.channel + self.secret)

    @staticmethod
    def parse(text: str) -> Code:
        """Case, dashes and spaces do not count; O is 0, I and L are 1. CodeError."""
        plain = base32.tidied("".join(text.split()))
        if len(plain) != _CHANNEL + _SECRET:
            raise CodeError(f"a code has {_CHANNEL + _SECRET} letters and digits, like K7QX-4MDP")
        for letter in plain:
            if letter not in base32.LETTERS:
                raise CodeError(f"no code has a {letter!r} in it; one looks like K7QX-4MDP")
        return Code(plain[:_CHANNEL], plain[_CHANNEL:])

    @staticmethod
    def draw(entropy: Entropy) -> Code:
        """A new one: 10 public and 30 secret bits."""
        return Code.parse("".join(base32.LETTERS[byte & 31] for byte in entropy(_CHANNEL + _SECRET)))


class Host(NamedTuple):
    """What the inviter says of its mesh when both sides have proved the code."""

    name: str  # of the inviting machine
    members: int
    folder: str
    role: str = ""  # that a new member gets; "": an older inviter does not say it before


class Welcome(NamedTuple):
    """What a new member gets."""

    key: MeshKey  # of its role
    charter: Charter
    older: tuple[Gate, ...]
    members: tuple[Member, ...]  # of whom the inviter knows
    host: Member  # the inviter itself
    mine: Member  # the new member, as the inviter has noted it


class Invitation:
    """One code: how long it lasts, how many runs and wrong guesses it has left, whom it has let in."""

    def __init__(self, code: Code, role: str, now_s: float, lasts_s: float = LASTS_S) -> None:
        self.code = code
        self.role = role
        self.until_s = now_s + lasts_s
        self.guesses = GUESSES
        self.runs = RUNS
        self.given_to = ""  # the identity that has been sent the key: nobody else gets it now
        self.joined: Member | None = None  # and has said that it keeps it

    def over(self, now_s: float) -> str:
        """Why nobody can join by it any more; "": it is open."""
        if self.joined is not None:
            return "it has been used"
        if self.guesses <= 0:
            return f"{GUESSES} wrong codes were tried"
        if now_s >= self.until_s:
            return "its time is over"
        if self.runs <= 0 and not self.given_to:
            return f"{RUNS} connections were made without a code"
        return ""


class InviterRun:
    """One connection of somebody who may know the code. Each `on_` takes one frame and gives the one that answers it."""

    def __init__(self, invitation: Invitation, static: bytes, host: Host, welcome: Welcome) -> None:
        """`welcome`: what a new member gets; its `mine` is filled in here."""
        self._invitation = invitation
        self._static = static
        self._host = host
        self._welcome = welcome
        self._handshake: Handshake | None = None
        self.guest: Member | None = None

    def on_hello(self, frame: bytes, now_s: float, entropy: Entropy, ephemeral: bytes) -> bytes:
        """0x12, channel, X -> Y. PairingError."""
        invitation = self._invitation
        if reason := invitation.over(now_s):
            raise PairingError(f"the invitation is over: {reason}")
        channel = invitation.code.channel
        if len(frame) != 1 + _CHANNEL + _SPAKE_BYTES or frame[:3] != PAIRING + channel.encode():
            raise PairingError("that is no question for this invitation")
        if invitation.runs <= 0:
            raise PairingError("too many connections")
        invitation.runs -= 1
        side = SPAKE2_B(invitation.code.secret.encode(), *_sides(channel), entropy_f=entropy)
        answer: bytes = side.start()
        self._handshake = _bound(channel, side, frame[3:], frame[3:], answer, self._static, ephemeral, is_joiner=False)
        return answer

    def on_proof(self, frame: bytes) -> bytes:
        """Message 1 -> message 2. A wrong proof was a guess. PairingError."""
        try:
            self._noise().read(frame)
        except HandshakeError:
            self._invitation.guesses -= 1
            raise PairingError("a wrong code") from None
        words = {"name": self._host.name, "members": self._host.members, "folder": self._host.folder}
        return self._noise().write(_padded(words | {"role": self._invitation.role}))

    def on_identity(self, frame: bytes, since_s: int) -> bytes:
        """Message 3 -> the key. `since_s`: the time now, for people. PairingError."""
        noise = self._noise()
        try:
            words = _object(noise.read(frame))
        except HandshakeError as error:
            raise PairingError(str(error)) from None
        name = words.get("name")
        if type(name) is not str or not 1 <= len(name) <= limits.NAME_CHARS_MAX or not name.isprintable():
            raise PairingError("it has no name")
        identity = identity_of(noise.rs)
        if self._invitation.joined is not None or self._invitation.given_to not in ("", identity):
            raise PairingError("the invitation has been used by another machine")
        self._invitation.given_to = identity
        self.guest = Member(identity, name, self._invitation.role, since_s, self._welcome.host.identity)
        self._out, self._in = noise.split()
        return self._out.seal(_welcome_bytes(self._welcome._replace(mine=self.guest, key=self._key())))

    def on_stored(self, frame: bytes) -> Member:
        """The new member has written the key down. PairingError."""
        _opened(self._in, frame)
        assert self.guest is not None
        self._invitation.joined = self.guest
        return self.guest

    def _key(self) -> MeshKey:
        key = self._welcome.key
        return key.read_only() if self._invitation.role == Role.READ_ONLY.value else key

    def _noise(self) -> Handshake:
        assert self._handshake is not None, "on_hello comes first"
        return self._handshake


class JoinerRun:
    """The other side: `hello`, then one frame for each of the inviter's."""

    def __init__(
        self,
        code: Code,
        static: bytes,
        name: str,
        entropy: Entropy,
        ephemeral: bytes,
    ) -> None:
        self._code = code
        self._static = static
        self._name = name
        self._ephemeral = ephemeral
        self._side = SPAKE2_A(code.secret.encode(), *_sides(code.channel), entropy_f=entropy)
        self._x: bytes = self._side.start()
        self._handshake: Handshake | None = None

    def hello(self) -> bytes:
        return PAIRING + self._code.channel.encode() + self._x

    def on_answer(self, frame: bytes) -> bytes:
        """Y -> message 1. PairingError."""
        if len(frame) != _SPAKE_BYTES:  # an open node says HELLO to whoever comes
            raise NotInvited("nobody is being invited there, or it is not dir_sync")
        self._handshake = _bound(
            self._code.channel, self._side, frame, self._x, frame, self._static, self._ephemeral, is_joiner=True
        )
        return self._handshake.write()

    def on_proof(self, frame: bytes) -> Host:
        """Message 2: the inviter knows the code, too. The joiner may look at this and hang up. PairingError."""
        try:
            words = _object(self._noise().read(frame))
        except HandshakeError:
            raise PairingError("it does not know the code: another machine answers in the place of yours") from None
        name, members, folder = words.get("name"), words.get("members"), words.get("folder")
        if not isinstance(name, str) or type(members) is not int or not isinstance(folder, str):
            raise PairingError("it does not speak this protocol")
        if not (name.isprintable() and folder.isprintable()):
            raise PairingError("it has a name that cannot be printed")
        role = words.get("role")
        return Host(name, members, folder, role if role in ("ro", "rw") else "")

    def identify(self) -> bytes:
        """Message 3. From here on the inviter may count this machine as a member."""
        return self._noise().write(_padded({"name": self._name}))

    def on_welcome(self, frame: bytes) -> Welcome:
        """The key. PairingError."""
        self._out, self._in = self._noise().split()
        return _welcome(_opened(self._in, frame))

    def stored(self) -> bytes:
        """To be sent when the key is on the disk."""
        return self._out.seal(b'{"stored":true}')

    def _noise(self) -> Handshake:
        assert self._handshake is not None, "on_answer comes first"
        return self._handshake


def channel_of(frame: bytes) -> str:
    """The channel that a first frame asks for; "" if it is none."""
    if len(frame) != 1 + _CHANNEL + _SPAKE_BYTES or frame[:1] != PAIRING:
        return ""
    letters = frame[1 : 1 + _CHANNEL].decode("latin-1")
    return letters if all(letter in base32.LETTERS for letter in letters) else ""


def _sides(channel: str) -> tuple[bytes, bytes]:
    return b"joiner " + channel.encode(), b"inviter"


def _bound(
    channel: str,
    side: Any,
    theirs: bytes,
    x: bytes,
    y: bytes,
    static: bytes,
    ephemeral: bytes,
    is_joiner: bool,
) -> Handshake:
    """The handshake that only two with the same SPAKE2 key, X and Y can finish. PairingError."""
    try:
        shared: bytes = side.finish(theirs)
    except Exception:  # the library has no common class for what is no point, no element, or our own message
        raise PairingError("it does not speak this protocol") from None
    psk = hmac.digest(shared, b"dir_sync 1 pairing" + x + y, "sha256")
    prologue = b"dir_sync/1 pairing " + channel.encode()
    return Handshake("XXpsk0", is_joiner, prologue, static, ephemeral, [psk])


def _padded(words: dict[str, Any]) -> bytes:
    data = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return data.ljust(_PADDED)


def _object(data: bytes) -> dict[str, Any]:
    """PairingError if it is no JSON object."""
    try:
        found = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=no_duplicates,
            parse_constant=no_such_number,
            parse_float=no_such_number,
        )
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PairingError("it does not speak this protocol")
    return found


def _opened(cipher: Cipher, frame: bytes) -> dict[str, Any]:
    try:
        return _object(cipher.open(frame))
    except HandshakeError:
        raise PairingError("what it sent was changed on its way") from None


def _welcome_bytes(welcome: Welcome) -> bytes:
    words = {
        "key": welcome.key.text,
        "charter": charter_to_json(welcome.charter),
        "older": gates_to_json(welcome.older),
        "members": members_to_json(welcome.members),
        "host": list(welcome.host),
        "mine": list(welcome.mine),
    }
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _welcome(words: dict[str, Any]) -> Welcome:
    text = words.get("key")
    try:
        key = MeshKey.from_text(text if isinstance(text, str) else "")
        charter = charter_from_json(words.get("charter"))
        (host,), (mine,) = members_from_json([words.get("host")]), members_from_json([words.get("mine")])
        if charter.key != key.id or charter.generation != key.generation or mine.role != key.role.value:
            raise PeerError("key and charter do not fit")
        older, members = gates_from_json(words.get("older")), members_from_json(words.get("members"))
    except (PeerError, KeyTextError) as error:
        raise PairingError(f"it sent no key that can be used ({error})") from None
    return Welcome(key, charter, older, tuple(members), host, mine)
