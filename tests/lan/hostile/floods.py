"""Floods of every kind, each by a process of its own: `python -m tests.lan.hostile.floods KIND HOST PORT SECONDS [SOURCES]`.

Whoever is dropped comes back at once. At the end one line of JSON tells how often that was so, and what was sent.
SOURCES: addresses of this machine, separated by commas, that connections are made from in turn.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator

from ..stranger import ABSENT, ATTACHMENT, CHUNKS, Closed, Stranger, digest_of, encoded, frame, new_id, pieces_frame

FOLDER = {"folder": "default"}
_HOLD_S = 0.05


class Flood:
    """One kind of flood against one node."""

    def __init__(self, host: str, port: int, seconds: float, sources: list[str]) -> None:
        self.host, self.port = host, port
        self.end = time.monotonic() + seconds
        self.sources = itertools.cycle(sources or [""])
        self.connections = self.refused = self.dropped = self.messages = 0

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.end

    def connect(self) -> socket.socket:
        self.connections += 1
        return socket.create_connection((self.host, self.port), 5, (next(self.sources), 0))

    def opened(self) -> Stranger:
        """A link that has exchanged HELLO and states; what the daemon knows is read and forgotten."""
        stranger = Stranger(None, None, accepted=self.connect())  # type: ignore[arg-type]
        try:
            return stranger.open()
        except BaseException:
            stranger.socket.close()
            raise

    def again(self, attack: Callable[[Stranger], None]) -> None:
        """Attack, and connect again whenever that has ended."""
        while self.goes_on:
            try:
                with self.opened() as stranger:
                    try:
                        attack(stranger)
                    except (Closed, OSError):
                        self.dropped += 1
            except (Closed, OSError, AssertionError):
                self.refused += 1
                time.sleep(_HOLD_S)

    def pour(self, stranger: Stranger, frames: Iterator[bytes]) -> None:
        """Send without end, as fast as it is taken; what is answered is thrown away."""
        endpoint = stranger.socket
        endpoint.setblocking(False)
        waiting = memoryview(b"")
        while self.goes_on:
            readable, writable, _ = select.select([endpoint], [endpoint], [], 0.2)
            if readable and not endpoint.recv(1 << 20):
                raise Closed
            if writable:
                if not waiting:
                    waiting = memoryview(next(frames))
                    self.messages += 1
                waiting = waiting[endpoint.send(waiting[: 1 << 20]) :]

    def report(self) -> str:
        numbers = {name: getattr(self, name) for name in ("connections", "refused", "dropped", "messages")}
        return json.dumps(numbers)


def _endless(raw: bytes) -> Iterator[bytes]:
    while True:
        yield raw


def _state(stranger: Stranger, records: list[list[object]], last: bool = False) -> bytes:
    said = FOLDER | {"type": "STATE", "sequence": stranger.sequence, "last": last, "records": records}
    return encoded(said)


def links(flood: Flood) -> None:
    """254 links that have said HELLO, each under a name of its own, and stay."""
    held: list[Stranger] = []
    while flood.goes_on:
        if len(held) < 254:
            try:
                held.append(flood.opened())
                held[-1].socket.setblocking(False)
            except (Closed, OSError, AssertionError):
                flood.refused += 1
                time.sleep(_HOLD_S)
        gone = []
        if held:
            for stranger in held:
                try:
                    if not stranger.socket.recv(1 << 16):
                        gone.append(stranger)
                except BlockingIOError:
                    continue
                except OSError:
                    gone.append(stranger)
        for stranger in gone:
            flood.dropped += 1
            held.remove(stranger)
            stranger.socket.close()
        if len(held) == 254:
            time.sleep(_HOLD_S)


def strangers(flood: Flood) -> None:
    """Connections that say nothing: always as many as are taken, from all addresses."""
    held: list[socket.socket] = []
    while flood.goes_on:
        try:
            held.append(flood.connect())
        except OSError:
            flood.refused += 1
            time.sleep(_HOLD_S)
        if len(held) >= 400:
            readable, _, _ = select.select(held, [], [], 0.05)
            for endpoint in readable:
                try:
                    ended = not endpoint.recv(1 << 16)
                except OSError:
                    ended = True
                if ended:
                    flood.dropped += 1
                    held.remove(endpoint)
                    endpoint.close()


def first_frames(flood: Flood) -> None:
    """Handshakes of a closed mesh that no key has made, as fast as they are taken, whole or in halves."""
    kinds = itertools.cycle((b"\x10", b"\x11", b"\x12"))
    held: list[socket.socket] = []
    while flood.goes_on:
        body = next(kinds) + os.urandom(48)
        raw = frame(body[:36] if body[:1] == b"\x12" else body)
        try:
            held.append(flood.connect())
            held[-1].send(raw if flood.messages % 4 else raw[: len(raw) // 2])
            flood.messages += 1
        except OSError:
            flood.refused += 1
        if len(held) > 100:
            held.pop(0).close()


def beacons(flood: Flood) -> None:
    """Sealed beacons of a key that nobody has, from all addresses, and some that are none."""
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for sender in senders:
        sender.bind((next(flood.sources), 0))
    flood.connections = len(senders)
    turn = itertools.cycle(senders)
    while flood.goes_on:
        box = base64.b64encode(os.urandom(220)).decode()
        fields = {"dir_sync": 2, "mesh": "closed", "box": box if flood.messages % 8 else box[:50]}
        try:
            next(turn).sendto(json.dumps(fields, separators=(",", ":")).encode(), (flood.host, 5000))
            flood.messages += 1
        except OSError:
            flood.refused += 1
    for sender in senders:
        sender.close()


def files(flood: Flood) -> None:
    """New small files without end, with their content."""
    numbers = itertools.count()

    def updates(stranger: Stranger) -> Iterator[bytes]:
        prefix = new_id()
        yield _state(stranger, [stranger.record(f"flood {prefix}", 2)])
        while True:
            changes, pieces = [], []
            for at in range(200):
                content = b"%d %d" % (os.getpid(), next(numbers)) * 40
                record = stranger.record(f"flood {prefix}/{next(numbers)}", content=content)
                changes.append({"action": "create", "record": record, "content": "attached"})
                pieces.append((at, 0, content))
            said = FOLDER | {"type": "MODIFICATION_UPDATE", "sequence": stranger.sequence, "changes": changes}
            yield encoded(said | {"times": [], "attached": True}) + pieces_frame(ATTACHMENT, pieces)

    flood.again(lambda stranger: flood.pour(stranger, updates(stranger)))


def tombstones(flood: Flood) -> None:
    """Deletions of paths that nobody had, 200,000 and more."""
    numbers = itertools.count()

    def pages(stranger: Stranger) -> Iterator[bytes]:
        while True:
            yield _state(stranger, [stranger.record(f"gone/{next(numbers)}", ABSENT) for _ in range(2000)])

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def records(flood: Flood) -> None:
    """Changes of few files, one in a message, whose contents never come."""

    def updates(stranger: Stranger) -> Iterator[bytes]:
        for number in itertools.count():
            record = stranger.record(f"small {number % 50}", content=b"%d" % number)
            said = FOLDER | {"type": "MODIFICATION_UPDATE", "sequence": stranger.sequence, "times": []}
            yield encoded(said | {"changes": [{"action": "modify", "record": record}], "attached": False})

    flood.again(lambda stranger: flood.pour(stranger, updates(stranger)))


def renames(flood: Flood) -> None:
    """One file, renamed back and forth."""

    def updates(stranger: Stranger) -> Iterator[bytes]:
        content = b"renamed"
        names = itertools.cycle((("one", "two"), ("two", "one")))
        for new, old in names:
            there, gone = stranger.record(f"name {new}", content=content), stranger.record(f"name {old}", ABSENT)
            changes = [
                {"action": "rename", "record": there, "from": f"name {old}"},
                {"action": "delete", "record": gone},
            ]
            said = FOLDER | {"type": "MODIFICATION_UPDATE", "sequence": stranger.sequence, "changes": changes}
            yield encoded(said | {"times": [], "attached": False})

    flood.again(lambda stranger: flood.pour(stranger, updates(stranger)))


def page_renames(flood: Flood) -> None:
    """Long pages that say of each file that it had another name: they are not cut, so that renames stay whole."""
    numbers = itertools.count()

    def pages(stranger: Stranger) -> Iterator[bytes]:
        while True:
            names = [f"named {next(numbers)}" for _ in range(2_000)]
            page = [stranger.record(name, ABSENT) for name in names]
            said = FOLDER | {"type": "STATE", "sequence": stranger.sequence, "last": False, "records": page}
            yield encoded(said | {"renames": [[name, f"once {name}"] for name in names]})

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def brakes(flood: Flood) -> None:
    """News of what a brake holds, as much as one message can say."""
    held = [[new_id(), 1, 1_000, f"held {number}"] for number in range(256)]
    said = encoded(FOLDER | {"type": "BRAKE", "held": held})
    flood.again(lambda stranger: flood.pour(stranger, _endless(said)))


def deep(flood: Flood) -> None:
    """Folders in folders, as deep as is allowed, and again under another name."""
    numbers = itertools.count()

    def pages(stranger: Stranger) -> Iterator[bytes]:
        while True:
            top = f"deep {next(numbers)}"
            yield _state(stranger, [stranger.record("/".join([top, *["d"] * below]), 2) for below in range(249)])

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def repeats(flood: Flood) -> None:
    """The same records, which bring nothing new, over and over."""

    def pages(stranger: Stranger) -> Iterator[bytes]:
        page = _state(stranger, [stranger.record(f"same/{number}", ABSENT) for number in range(2000)])
        return _endless(page)

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def vectors(flood: Flood) -> None:
    """Records that 4,096 nodes are said to have changed."""
    makers = sorted(new_id() for _ in range(4096))
    vector = [[maker, 2**40] for maker in makers]

    def pages(stranger: Stranger) -> Iterator[bytes]:
        for number in itertools.count():
            vector_of_it = [[maker, counter + number] for maker, counter in vector]
            page = [stranger.record(f"vector {number % 10}/{at}", ABSENT, vector=vector_of_it) for at in range(20)]
            yield _state(stranger, page)

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def _questions(message: dict[str, object]) -> Callable[[Flood], None]:
    def ask(flood: Flood) -> None:
        flood.again(lambda stranger: flood.pour(stranger, _endless(encoded(FOLDER | message))))

    return ask


def have(flood: Flood) -> None:
    """4,096 contents asked for in each message, most of which are there."""

    def attack(stranger: Stranger) -> None:
        known = [record[3] for record in stranger.state().values() if record[1] == 1]
        digests = (known + [digest_of(b"%d" % number) for number in range(4096)])[:4096]
        said = encoded(FOLDER | {"type": "HAVE_REQUEST", "id": 1, "digests": digests})
        flood.pour(stranger, _endless(said))

    flood.again(attack)


def settle(flood: Flood) -> None:
    losers = [[f"honest/{number}", 1, digest_of(b"%d" % number)] for number in range(2000)]
    said = encoded(FOLDER | {"type": "SETTLE", "losers": losers})
    flood.again(lambda stranger: flood.pour(stranger, _endless(said)))


def mixture(flood: Flood) -> None:
    """Three links at once: deletions, small records, questions."""
    threads = [threading.Thread(target=KINDS[kind], args=(flood,)) for kind in ("tombstones", "records", "tiny_have")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


tiny_have = _questions({"type": "HAVE_REQUEST", "id": 1, "digests": [digest_of(b"1")]})
lacks = _questions({"type": "LACKS", "sequence": 1, "files": 1, "bytes": 1, "others": 0})
decisions = _questions({"type": "DECISION", "maker": new_id(), "counter": 1, "approve": True})
acknowledges = _questions({"type": "ACKNOWLEDGE", "sequence": 1, "held": []})
history = _questions({"type": "HISTORY_REQUEST", "id": 1, "path": "", "limit": 10_000})
pings = _questions({"type": "PING", "token": 1})


def states(flood: Flood) -> None:
    """The whole state, over and over."""

    def attack(stranger: Stranger) -> None:
        said = FOLDER | {"type": "STATE_REQUEST", "replica": stranger.their_replica, "after": 0, "sequence": 0}
        flood.pour(stranger, _endless(encoded(said)))

    flood.again(attack)


def summaries(flood: Flood) -> None:
    """The state, with a summary to be compared, over and over."""

    def attack(stranger: Stranger) -> None:
        said = FOLDER | {"type": "STATE_REQUEST", "replica": stranger.their_replica, "after": 0, "sequence": 0}

        def requests() -> Iterator[bytes]:
            while True:
                yield encoded(said | {"summary": os.urandom(8192).hex()})

        flood.pour(stranger, requests())

    flood.again(attack)


def pulls(flood: Flood) -> None:
    """Contents that are there, as many and as much as the window allows, over and over."""

    def attack(stranger: Stranger) -> None:
        known = [record for record in stranger.state().values() if record[1] == 1 and record[2]]
        known.sort(key=lambda record: -record[2])
        asked = 0
        ids = itertools.count()
        stranger.socket.settimeout(5)
        while flood.goes_on:
            items = []
            for record in itertools.islice(itertools.cycle(known[:500]), 500):
                items.append([next(ids) % 2**32, record[0], record[3], None, 0, min(record[2], 1 << 20)])
                asked += items[-1][5]
                if asked > 7 << 20:
                    break
            stranger.send(FOLDER | {"type": "PULL", "pulls": items})
            flood.messages += 1
            left = len(items)
            while left and flood.goes_on:
                got = stranger.receive(5.0)
                left -= len(got.pieces) + len(got.message.get("refused", ()))
            asked = 0

    flood.again(attack)


def garbage(flood: Flood) -> None:
    """Bytes that are no frame, or frames that are no message, behind a good HELLO."""
    bodies = itertools.cycle([os.urandom(300), frame(b"\x78" + os.urandom(60)), frame(zlib.compress(b"[" * 60))])

    def attack(stranger: Stranger) -> None:
        stranger.send_bytes(next(bodies))
        flood.messages += 1
        stranger.closed(5)
        raise Closed

    flood.again(attack)


def bombs(flood: Flood) -> None:
    """Messages of an unknown type: frames of 64 kB that inflate as far as is allowed, each full of small values."""
    size = (4 << 20) - 1000
    noise = os.urandom(60_000).hex().encode()
    text = b'{"type":"WEATHER","y":"' + noise + b'","x":[' + b",".join([b"[1]"] * ((size - len(noise)) // 4)) + b"]}"
    body = zlib.compress(text, 9)
    assert len(body) * 64 >= len(text)
    flood.again(lambda stranger: flood.pour(stranger, _endless(frame(body))))


def chaff(flood: Flood) -> None:
    """Many tiny frames of a reserved kind."""
    raw = frame(b"\x03") * 5000
    flood.again(lambda stranger: flood.pour(stranger, _endless(raw)))


def update_renames(flood: Flood) -> None:
    """Updates that rename 500 files each, back and forth."""

    def updates(stranger: Stranger) -> Iterator[bytes]:
        yield _state(stranger, [stranger.record("moved here", 2), stranger.record("moved there", 2)])
        for here, there in itertools.cycle((("here", "there"), ("there", "here"))):
            changes = []
            for number in range(500):
                new, old = f"moved {here}/{number}", f"moved {there}/{number}"
                moved = stranger.record(new, content=b"%d" % number)
                changes += [
                    {"action": "rename", "record": moved, "from": old},
                    {"action": "delete", "record": stranger.record(old, ABSENT)},
                ]
            said = FOLDER | {"type": "MODIFICATION_UPDATE", "sequence": stranger.sequence, "changes": changes}
            yield encoded(said | {"times": [], "attached": False})

    flood.again(lambda stranger: flood.pour(stranger, updates(stranger)))


def long_names(flood: Flood) -> None:
    """Files in folders that were never announced, with names of 4,000 bytes, as many as fit one message."""
    folders = "/".join(["n" * 250] * 15)
    numbers = itertools.count()

    def pages(stranger: Stranger) -> Iterator[bytes]:
        while True:
            yield _state(stranger, [stranger.record(f"{folders}/{next(numbers)}", content=b"1") for _ in range(900)])

    flood.again(lambda stranger: flood.pour(stranger, pages(stranger)))


def dear_text(flood: Flood) -> None:
    """Legal messages with a field that no node knows, full of what is dear to parse."""
    dear = ",".join(f'"{number}":""' for number in range(150_000))
    said = (
        b'{"type":"STATE","folder":"default","sequence":1,"last":false,"records":[],"weather":{' + dear.encode() + b"}}"
    )
    flood.again(lambda stranger: flood.pour(stranger, _endless(frame(zlib.compress(said, 1)))))


def pulls_in_vain(flood: Flood) -> None:
    """Pulls of contents that are not there, as many as one message takes."""
    asked = [[number, f"no {number}", digest_of(b"%d" % number), None, 0, 1] for number in range(4096)]
    said = encoded(FOLDER | {"type": "PULL", "pulls": asked})
    flood.again(lambda stranger: flood.pour(stranger, _endless(said)))


def held(flood: Flood) -> None:
    """Acknowledgements of 2,000 versions that nobody has announced."""
    versions = [[f"no {number}", 1 + number, new_id()] for number in range(2_000)]
    said = encoded(FOLDER | {"type": "ACKNOWLEDGE", "sequence": 1, "held": versions})
    flood.again(lambda stranger: flood.pour(stranger, _endless(said)))


def deaf(flood: Flood) -> None:
    """Questions without end by somebody who never reads an answer."""

    def attack(stranger: Stranger) -> None:
        endpoint = stranger.socket
        endpoint.settimeout(0.5)
        digests = [digest_of(b"%d" % number) for number in range(500)]
        asked = [[number, f"no {number}", digest, None, 0, 1] for number, digest in enumerate(digests)]
        raw = encoded(FOLDER | {"type": "PULL", "pulls": asked})
        raw += encoded(FOLDER | {"type": "HAVE_REQUEST", "id": 1, "digests": digests})
        raw += encoded(FOLDER | {"type": "PING", "token": 1})
        waiting = memoryview(b"")
        while flood.goes_on:
            if not waiting:
                waiting = memoryview(raw)
                flood.messages += 3
            try:
                waiting = waiting[endpoint.send(waiting) :]
            except TimeoutError:
                continue

    flood.again(attack)


def before_hello(flood: Flood) -> None:
    """Connections that begin with something else than HELLO: noise, frames that are too long, tiny bombs."""
    bomb = frame(zlib.compress(b'{"type":"WEATHER","x":"' + b"a" * 200_000 + b'"}', 9)[:4000])
    beginnings = itertools.cycle([os.urandom(5_000), b"\xff" * 64, bomb, frame(b"\x10" + os.urandom(60)), b"\0" * 7])
    held: list[socket.socket] = []
    while flood.goes_on:
        try:
            held.append(flood.connect())
            held[-1].sendall(next(beginnings))
            flood.messages += 1
        except OSError:
            flood.refused += 1
            time.sleep(_HOLD_S)
        if len(held) > 50:
            held.pop(0).close()


def three_machines(flood: Flood) -> None:
    """Three links, each from an address of its own: new files, renames, pulls in vain."""
    threads = [
        threading.Thread(target=KINDS[kind], args=(flood,)) for kind in ("files", "page_renames", "pulls_in_vain")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def deltas(flood: Flood) -> None:
    """Forty requests for a delta at a time, from signatures that make the search as dear as it gets: each block of the
    file's has its weak sum among those of the signature, and none its strong sum."""

    def attack(stranger: Stranger) -> None:
        known = stranger.state()
        path, _, size, digest, *_ = max((record for record in known.values() if record[1] == 1), key=lambda r: r[2])
        for number in range(40):
            asked = {"path": path, "digest": digest, "base": digest_of(b"%d" % number), "id": number}
            stranger.send(FOLDER | {"type": "DELTA_REQUEST"} | asked)
        signature = crafted_signature(size)
        while flood.goes_on:
            got = stranger.receive(30.0)
            if got.message.get("type") == "NEED_SIGNATURE":
                id_ = got.message["id"]
                stranger.send_bytes(
                    encoded(FOLDER | {"type": "SIGNATURE", "id": id_, "attached": True})
                    + pieces_frame(ATTACHMENT, [(id_, 0, signature)])
                )
                flood.messages += 1

    flood.again(attack)


def crafted_signature(size: int) -> bytes:
    """Blocks of 1 MiB whose weak sums are those of zeros (which a file full of zeros has at every byte)."""
    block = 1 << 20
    weak = _weak_of_zeros(block)
    header = struct.pack(">III", 0x72730147, block, 32)
    return header + b"".join(weak + os.urandom(32) for _ in range(16))


def signatures(flood: Flood) -> None:
    """Signatures that nobody has asked for."""
    said = FOLDER | {"type": "SIGNATURE", "id": 1, "attached": True}
    raw = encoded(said) + pieces_frame(ATTACHMENT, [(1, 0, crafted_signature(1))])
    flood.again(lambda stranger: flood.pour(stranger, _endless(raw)))


def big_chunks(flood: Flood) -> None:
    """Contents that nobody has asked for, as much as one frame takes."""
    raw = pieces_frame(CHUNKS, [(1, 0, os.urandom(1 << 20))])
    flood.again(lambda stranger: flood.pour(stranger, _endless(raw)))


refuses = _questions({"type": "REFUSE", "refused": [[number, "gone"] for number in range(4096)]})
verifies = _questions(
    {"type": "VERIFY_REQUEST", "id": 1, "after": "", "until": "", "repair": False}
    | {"paths": [f"d{number % 20}/f{number}" for number in range(1000)]}
)
times = _questions(
    {"type": "MODIFICATION_UPDATE", "sequence": 1, "changes": [], "attached": False}
    | {"times": [[f"d{number}", 1, 1] for number in range(1000)]}
)


def _weak_of_zeros(block: int) -> bytes:
    """The Rabin-Karp sum of librsync for a block of zeros."""
    seed, multiplier, modulus = 1, 0x08104225, 2**32
    return struct.pack(">I", seed * pow(multiplier, block, modulus) % modulus)


KINDS: dict[str, Callable[[Flood], None]] = {
    attack.__name__ if attack.__name__ != "ask" else name: attack
    for name, attack in {
        "links": links, "strangers": strangers, "first_frames": first_frames, "beacons": beacons,
        "files": files, "tombstones": tombstones, "records": records,
        "repeats": repeats, "vectors": vectors, "have": have, "settle": settle, "history": history, "pings": pings,
        "states": states, "summaries": summaries, "pulls": pulls, "garbage": garbage, "bombs": bombs, "chaff": chaff,
        "deltas": deltas, "renames": renames, "deep": deep, "page_renames": page_renames,
        "brakes": brakes, "mixture": mixture, "tiny_have": tiny_have, "lacks": lacks,
        "decisions": decisions, "acknowledges": acknowledges, "update_renames": update_renames,
        "long_names": long_names, "dear_text": dear_text, "pulls_in_vain": pulls_in_vain, "held": held, "deaf": deaf,
        "before_hello": before_hello, "three_machines": three_machines,
        "signatures": signatures, "big_chunks": big_chunks, "refuses": refuses, "verifies": verifies, "times": times,
    }.items()
}  # fmt: skip


def main() -> None:
    kind, host, port, seconds, *sources = sys.argv[1:]
    flood = Flood(host, int(port), float(seconds), sources[0].split(",") if sources else [])
    KINDS[kind](flood)
    print(flood.report())


if __name__ == "__main__":
    main()
