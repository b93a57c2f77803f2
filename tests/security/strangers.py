"""Everything that a stranger can send before any proof: python -m tests.security.strangers [--inputs N] [--seed K]

In:   beacons and first frames, right ones that were changed and made-up ones. Out: how many were refused, and that nothing else
      happened: no exception but the expected one, and no memory that grows.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import time
from collections import Counter
from random import Random

from dir_sync.core.keys import Gate, MeshKey
from dir_sync.core.link_handshake import HEAD_BYTES, Calling, Credentials, Door
from dir_sync.core.noise import HandshakeError
from dir_sync.core.peers.beacon import Beacon, Foreign, OpenPresence, encode_beacon
from dir_sync.core.peers.sealed_beacon import SealedPresence

__all__ = ["tried"]

_AT = "10.0.0.7"


def _changed(data: bytes, rng: Random) -> bytes:
    """The same with something changed; in a few cases it stays as it is."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 8])):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + rng.choice([1, 3, 50])]
            case 2:
                changed[at:at] = rng.randbytes(rng.choice([1, 4, 100]))
            case 3:
                changed[at : at + 8] = rng.choice([b"\xff" * 8, bytes(8), b"9" * 8, b"[" * 8, b'"}{",:"\\'])
            case _:
                changed += changed[:at]
    return bytes(changed[:600])


def _field(rng: Random) -> object:
    return rng.choice(
        [
            None,
            True,
            -1,
            0,
            1,
            2,
            70_000,
            10**40,
            0.5,
            "",
            "open",
            "closed",
            "ab" * 8,
            "\ud800",
            [],
            {},
            [[]],
            "x" * 300,
        ]
    )


def _made_up_beacon(rng: Random) -> bytes:
    names = ["dir_sync", "mesh", "box", "node", "instance", "port", "ask", "folders", "aes", "at", "invite"]
    fields = {name: _field(rng) for name in names if rng.random() < 0.7}
    if rng.random() < 0.5:
        fields |= {"dir_sync": 2, "mesh": rng.choice(["open", "closed"])}
    if rng.random() < 0.3:
        fields["box"] = base64.b64encode(rng.randbytes(rng.choice([0, 1, 219, 220, 221]))).decode()
    return json.dumps(fields).encode()


def tried(inputs: int, seed: int) -> Counter[str]:
    """What came of so many inputs. Any exception but HandshakeError goes on to the caller."""
    rng = Random(seed)
    key = MeshKey.made_of(b"k" * 32)
    older = (("0" * 32, Gate(b"o" * 32)), ("1" * 32, Gate(b"p" * 32)))
    here = Credentials(key, b"h" * 32, older=older)
    sealed = SealedPresence(key.gate, [gate for _, gate in older], True, rng.randbytes)
    plain, door = OpenPresence(), Door(here)
    beacon = Beacon("ab" * 8, "cd" * 8, 6000, True)
    firsts = [
        Calling(here, suite, rng.randbytes(32), gate).first()[HEAD_BYTES:]
        for suite in ("AESGCM", "ChaChaPoly")
        for gate in ("", older[0][0])
    ]
    found: Counter[str] = Counter()
    for number in range(inputs):
        match number % 4:
            case 0:
                data = _changed(
                    sealed.datagrams(beacon, _AT, number)[0] if number % 64 == 0 else encode_beacon(beacon), rng
                )
            case 1:
                data = _made_up_beacon(rng)
            case 2:
                data = rng.randbytes(rng.randrange(600))
            case _:
                data = b""
        if number % 4 < 3:
            for presence in (plain, sealed):
                said = presence.heard(data, _AT)
                found[
                    "heard" if isinstance(said, Beacon) else "foreign" if isinstance(said, Foreign) else "nothing"
                ] += 1
            continue
        first = (
            _changed(rng.choice(firsts), rng)
            if rng.random() < 0.8
            else rng.randbytes(rng.choice([0, 1, 48, 49, 50, 600]))
        )
        try:
            door.knock(first, b"e" * 32)
        except HandshakeError:
            found["refused"] += 1
        else:
            found["answered"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.security.strangers", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tried(20_000, given.seed + 1)  # what is remembered is full by now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = tried(given.inputs, given.seed)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{given.inputs:,} inputs in {time.perf_counter() - began:.0f} s: {dict(found)}; memory grew by {grown} KiB")


if __name__ == "__main__":
    main()
