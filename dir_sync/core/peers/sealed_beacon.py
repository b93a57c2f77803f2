"""The beacon of a closed mesh: only who has the key of the door can read it (docs/protocol.md, section 5.1).

In:   a Beacon and the address that it is sent from; datagrams that anybody may have sent. Out: datagrams of one length; the
      Beacon, or what people should know of a node that is not of our mesh.
Rule: a stranger learns no name and no id, and cannot tell two machines of one mesh from those of two meshes. A beacon that
      comes from another address than the one it names was recorded and sent again: it says nothing.
It imports `cryptography`, so only closed meshes import it.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dir_sync.core.keys import Gate
from dir_sync.core.messages import PROTOCOL
from dir_sync.core.peers.beacon import CLOSED, MESH, Beacon, Foreign, beacon_of, fields_of, json_fields
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = ["SealedPresence"]

BOXED_BYTES: Final = 192  # of JSON, padded with blanks
OLDER_EVERY_MS: Final = 10_000  # one beacon under an older gate, from each address
OLDER_USED: Final = 4  # of the older gates, so many are used in turn
KNOWN_MAX: Final = 1_024  # addresses of which it is known whether their CPU has AES

_LABEL: Final = b"dir_sync/1 beacon"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_BOX_BYTES: Final = _NONCE_BYTES + BOXED_BYTES + _TAG_BYTES

_OPEN_TO_US = "runs dir_sync without the key and gets nothing"


class SealedPresence:
    """How the nodes of a closed mesh are heard. One thread sends, one listens; any thread may ask `has_aes`."""

    def __init__(
        self,
        gate: Gate,
        older: Sequence[Gate],
        has_aes: bool,
        random_bytes: Callable[[int], bytes],
        advice: str = "to let it in: 'invite DIR' here",
    ) -> None:
        """`older`: gates of keys that were ours before, newest first. `has_aes`: of this machine. `random_bytes` gives bytes
        that never come again. `advice`: what people can do about an open node nearby."""
        self._advice = advice
        self._current = ChaCha20Poly1305(gate.beacon)
        self._older = [ChaCha20Poly1305(one.beacon) for one in older]
        self._has_aes = has_aes
        self._random_bytes = random_bytes
        self._older_sent: dict[str, tuple[int, int]] = {}  # by address: when the last one was sent, how many so far
        self._aes: OrderedDict[tuple[str, int], bool] = OrderedDict()  # by address and port
        self._gates: dict[tuple[str, int], int] = {}  # the same: under which gate, 0 is that of our own key

    def datagrams(self, beacon: Beacon, at: str, now_ms: int) -> list[bytes]:
        """What to send from the address `at`; every ten seconds one more under an older gate, so that members meet that were
        given different keys."""
        text = self._boxed(beacon, at)
        sealed = [self._seal(self._current, text)]
        older = self._older[:OLDER_USED]
        sent_ms, count = self._older_sent.get(at, (now_ms - OLDER_EVERY_MS, 0))
        if older and now_ms - sent_ms >= OLDER_EVERY_MS:
            self._older_sent[at] = now_ms, count + 1
            sealed.append(self._seal(older[count % len(older)], text))
        return sealed

    def heard(self, data: bytes, source: str) -> Beacon | Foreign | None:
        """What a datagram from `source` says; None if it says nothing to us. Never raises."""
        outer = json_fields(data)
        if outer is None:
            return None
        if outer.get("mesh") == MESH:
            words = f"{source} {_OPEN_TO_US}; {self._advice}"
            return None if beacon_of(outer) is None else Foreign(words, source)
        box = _box_of(outer.get("box")) if outer.get("mesh") == CLOSED else None
        if box is None:
            return None
        opened = ((number, _opened(cipher, box)) for number, cipher in enumerate((self._current, *self._older)))
        number, text = next(((number, text) for number, text in opened if text is not None), (0, None))
        fields = _says(text, source)
        beacon = None if fields is None else beacon_of(fields)
        if fields is not None and beacon is not None:
            self._note((source, beacon.port), fields.get("aes") is True, number)
        return beacon

    def older_gate(self, address: str, port: int) -> int | None:
        """Which of the older gates the node there has used last, from 0; None: that of our own key."""
        number = self._gates.get((address, port), 0)
        return number - 1 if number else None

    def has_our_key(self, address: str, port: int) -> None:
        """The node there has said so on a link. Any thread."""
        if (address, port) in self._gates:
            self._gates[address, port] = 0

    def has_aes(self, address: str, port: int) -> bool:
        """True if the node there has said that its CPU has AES, and so has ours."""
        return self._has_aes and self._aes.get((address, port), False)

    def _note(self, place: tuple[str, int], has_aes: bool, gate: int) -> None:
        self._aes[place] = has_aes
        if gate == 0 or self._gates.get(place) != 0:  # who has our key also says something under older gates
            self._gates[place] = gate
        if len(self._aes) > KNOWN_MAX:
            oldest, _ = self._aes.popitem(last=False)
            del self._gates[oldest]

    def _boxed(self, beacon: Beacon, at: str) -> bytes:
        fields = {**fields_of(beacon._replace(folders=None)), "aes": self._has_aes, "at": at}
        text = json.dumps(fields, separators=(",", ":")).encode("ascii")
        assert len(text) <= BOXED_BYTES
        return text.ljust(BOXED_BYTES)

    def _seal(self, cipher: ChaCha20Poly1305, text: bytes) -> bytes:
        nonce = self._random_bytes(_NONCE_BYTES)
        box = base64.b64encode(nonce + cipher.encrypt(nonce, text, _LABEL)).decode("ascii")
        return json.dumps({"dir_sync": PROTOCOL, "mesh": CLOSED, "box": box}, separators=(",", ":")).encode("ascii")


def _box_of(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        box = base64.b64decode(value.encode("ascii"), validate=True)
    except ValueError:
        return None
    return box if len(box) == _BOX_BYTES else None


def _opened(cipher: ChaCha20Poly1305, box: bytes) -> bytes | None:
    try:
        return cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _LABEL)
    except InvalidTag:
        return None


def _says(text: bytes | None, source: str) -> dict[str, object] | None:
    """The fields of a box that was sent from that address."""
    if text is None:
        return None
    try:
        fields = json.loads(
            text, object_pairs_hook=no_duplicates, parse_constant=no_such_number, parse_float=no_such_number
        )
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) and fields.get("at") == source else None
