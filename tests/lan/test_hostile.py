"""A hostile machine on the LAN: whatever it sends, two nodes keep their folder equal, and stay themselves."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import lan as lans
from .changes import MIB, append, blob, write
from .checker import survey, wait_equal, wait_for
from .hostile.victims import SOON_S, Victims, more_addresses
from .lan import Lan, Node, has
from .stranger import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    Closed,
    Stranger,
    digest_of,
    encoded,
    frame,
    new_id,
    pieces_frame,
)

pytestmark = pytest.mark.lan

MEMORY_GROWTH_BYTES = 160 * MIB  # 4 MiB of JSON are some 100 MB of objects at the worst
LOG_LINES = 60
PROTOCOL = Path(__file__).resolve().parents[2] / "docs/protocol.md"


@pytest.fixture(scope="module")
def running() -> Iterator[Victims]:
    with Lan(3) as lan:
        victims = Victims(lan)
        # From one address, all these attacks together would be a flood, and be kept away.
        victims.place.sources = itertools.cycle(more_addresses(victims.place, 40))
        victims.start()
        yield victims


@pytest.fixture
def victims(running: Victims) -> Iterator[Victims]:
    """They work before the attack and after it; they have not grown, filled their logs, or written elsewhere."""
    try:
        assert all(node.running for node in running.pair)
        running.work()
    except AssertionError:
        running.lan.reset()
        running.start()
    memory = {node: node.memory_bytes() for node in running.pair}
    lines = {node: node.log().count("\n") for node in running.pair}
    names = running.outside()
    yield running
    running.work()
    for node in running.pair:
        node.must_run()
        growth = node.memory_peak_bytes() - memory[node]
        assert growth < MEMORY_GROWTH_BYTES, f"{node} has grown by {growth >> 20} MiB"
        new = node.log().splitlines()[lines[node] :]
        said = [line for line in new if not re.search(r"\b(from|new) (n\d|\d)|found|synchronized|lost", line)]
        assert len(said) < LOG_LINES, f"{node} has said {len(said)} lines, such as {said[:10]}"
    assert running.outside() == names


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def bomb(size: int) -> bytes:
    """A frame of zlib that becomes `size` bytes of JSON."""
    stream = zlib.compressobj(9)
    parts = [stream.compress(b'{"type": "HELLO", "x": "')]
    parts += [stream.compress(bytes([48]) * MIB) for _ in range(size // MIB)]
    parts += [stream.compress(b'"}'), stream.flush()]
    return frame(b"".join(parts))


def hello(**changed: object) -> bytes:
    said = {
        "type": "HELLO",
        "protocol": 2,
        "node": new_id(),
        "name": "evil",
        "instance": new_id(),
        "port": 0,
        "folders": [["default", new_id(), 0]],
    }
    return encoded({key: value for key, value in (said | changed).items() if value is not None})


BEFORE_HELLO: dict[str, Callable[[], bytes]] = {
    "random bytes": lambda: os.urandom(5000),
    "a length of 0": lambda: bytes(8),
    "a length of 4097": lambda: struct.pack(">Q", 4097) + bytes(4097),
    "a length of 2^31": lambda: struct.pack(">Q", 2**31) + bytes(100),
    "a length of 2^63": lambda: struct.pack(">Q", 2**63) + bytes(100),
    "a length of 2^64-1": lambda: struct.pack(">Q", 2**64 - 1) + bytes(100),
    "HTTP": lambda: b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n" + b"x" * 9,
    "no JSON": lambda: frame(zlib.compress(b"hello")),
    "bad UTF-8": lambda: frame(zlib.compress(b'{"type": "HELLO\xff"}')),
    "a list": lambda: encoded([1, 2, 3]),
    "a number": lambda: encoded(7),
    "no type": lambda: encoded({"protocol": 1}),
    "a type that is a list": lambda: encoded({"type": ["HELLO"]}),
    "a broken stream": lambda: frame(zlib.compress(os.urandom(500))[:200]),
    "bytes behind the stream": lambda: frame(zlib.compress(b'{"type": "HELLO"}') + b"more"),
    "a small bomb": lambda: bomb(3 * MIB)[:4000],
    "a bomb": lambda: frame(zlib.compress(zlib.compress(bytes(2_000_000), 9), 9)),
    "deep nesting": lambda: frame(zlib.compress(nested(100_000), 9)),
    "a huge number": lambda: frame(zlib.compress(b'{"type": "HELLO", "protocol": ' + b"9" * 5000 + b"}")),
    "NaN": lambda: frame(zlib.compress(b'{"type": "HELLO", "protocol": NaN}')),
    "true for 1": lambda: hello(protocol=True),
    "a port of 65536": lambda: hello(port=65536),
    "a port in words": lambda: hello(port="6000"),
    "no instance": lambda: hello(instance=None),
    "a node that is no id": lambda: hello(node="../../etc/passwd"),
    "an empty node": lambda: hello(node=""),
    "an empty name": lambda: hello(name=""),
    "a name that is too long": lambda: hello(name="x" * 65),
    "folders that are none": lambda: hello(folders=[["default"]]),
    "too many folders": lambda: hello(folders=[[f"f{at}", "aa", 0] for at in range(65)]),
    "a negative sequence": lambda: hello(folders=[["default", "aa", -1]]),
    "something else first": lambda: encoded(
        {"type": "STATE_REQUEST", "folder": "default", "replica": "aa", "after": 0}
    ),
    "chunks first": lambda: pieces_frame(1, [(1, 0, b"x" * 100)]),
    "another version": lambda: hello(protocol=2**40),
}


def test_before_the_hello(victims: Victims) -> None:
    for name, make in BEFORE_HELLO.items():
        with Stranger(victims.place, victims.a) as stranger:
            try:
                stranger.send_bytes(make())
                stranger.closed(10)
            except Closed:
                continue
            except AssertionError:
                raise AssertionError(f"not refused: {name}") from None


def refused_vectors() -> dict[str, bytes]:
    """The frames that docs/protocol.md says must be refused, by their comments."""
    text = re.search(r"```refused\n(.*?)```", PROTOCOL.read_text(), re.DOTALL)
    assert text
    found: dict[str, str] = {}
    for line in text[1].splitlines():
        if line.startswith("#"):
            name = line[2:]
            found[name] = ""
        else:
            found[name] += line
    return {name: bytes.fromhex(digits) for name, digits in found.items()}


def test_what_the_protocol_says_must_be_refused(victims: Victims) -> None:
    vectors = refused_vectors()
    assert len(vectors) >= 20
    for name, raw in vectors.items():
        with Stranger(victims.place, victims.a) as stranger:
            stranger.open()
            try:
                stranger.send_bytes(raw)
                stranger.closed(10)
            except Closed:
                continue
            except AssertionError:
                raise AssertionError(f"not refused: {name}") from None


BAD_PATHS = [
    *("", "/", ".", "..", "../evil", "../../evil", "/evil", "//evil", "a/../evil", "a/../../evil", "a//evil"),
    *("./evil", "a/.", "a/..", "evil/", "a/b/", "evil\0", ".dir_sync", ".dir_sync/index.db", "a/.dir_sync/evil"),
    *(".dir_sync/versions/evil", "x" * 256, "x/" * 300 + "evil", "\ud800", "\udc41", "/tmp/evil", "/proc/self/x"),
]


def test_paths_that_lead_elsewhere(victims: Victims) -> None:
    state = victims.a.dir / ".dir_sync"
    before = {path.name: path.stat().st_ino for path in state.iterdir()}
    for path in BAD_PATHS:
        for kind in ("create", "delete", "state"):
            with Stranger(victims.place, victims.a) as stranger:
                stranger.open().state()
                try:
                    if kind == "create":
                        stranger.update(("create", stranger.record(path, FILE, b"evil"), b"evil"))
                    elif kind == "delete":
                        stranger.update(("delete", stranger.record(path, ABSENT), None))
                    else:
                        said = {"type": "STATE", "folder": "default", "sequence": 1, "last": True}
                        stranger.send(said | {"records": [stranger.record(path, DIRECTORY)]})
                    stranger.closed(10)
                except Closed:
                    continue
                except AssertionError:
                    raise AssertionError(f"not refused: {kind} {path!r}") from None
    assert before.items() <= {path.name: path.stat().st_ino for path in state.iterdir()}.items()


def test_through_a_link_to_the_outside(victims: Victims) -> None:
    """A link is made, then something "below" it; or the other way round; or both at once."""
    outside = victims.a.base / "tmp/outside"
    write(outside / "canary", b"alive")
    before = survey(outside)
    target = os.fsencode(outside)
    with Stranger(victims.place, victims.a) as stranger:
        stranger.open().state()
        link = stranger.record("link1", LINK, target)
        stranger.update(("create", link, None))
        wait_for((victims.b.dir / "link1").is_symlink, SOON_S, "the link")
        stranger.update(("create", stranger.record("link1/canary", FILE, b"evil"), b"evil"))
        stranger.update(("delete", stranger.record("link1/canary", ABSENT), None))
        stranger.update(
            ("create", stranger.record("link2", LINK, target), None),
            ("create", stranger.record("link2/canary", FILE, b"evil"), b"evil"),
            ("create", stranger.record("link2/folder", DIRECTORY), None),
        )
        stranger.update(("create", stranger.record("link3/canary", FILE, b"evil"), b"evil"))
        stranger.update(("create", stranger.record("link3", LINK, target), None))
        stranger.update(("create", stranger.record("link4", LINK, b"/"), None))
        path = "link4" + os.fsdecode(target) + "/evil"
        stranger.update(("create", stranger.record(path, FILE, b"evil"), b"evil"))
        stranger.update(("create", stranger.record("last", FILE, b"last"), b"last"))
        stranger.serve({digest_of(b"evil"): b"evil"}, (victims.b.dir / "last").exists)
    wait_equal(victims.roots, SOON_S)
    assert survey(outside) == before
    for at in range(1, 5):
        path = f"link{at}"
        for root in victims.roots:
            if (root / path).is_symlink():
                (root / path).unlink()
    wait_equal(victims.roots, SOON_S)


def test_privilege_in_a_record_is_refused(victims: Victims) -> None:
    for mode in (0o4755, 0o2755, 0o1777, 0o100644, -1):
        with Stranger(victims.place, victims.a) as stranger:
            stranger.open().state()
            stranger.update(("create", stranger.record("privilege", FILE, b"x", mode=mode), b"x"))
            stranger.closed(10)
    assert not (victims.a.dir / "privilege").exists()


def test_lies_about_content_are_not_installed(victims: Victims) -> None:
    """Whatever is announced is compared whole with what came, before it gets its name."""
    write(victims.a.dir / "precious", blob(200_000))
    wait_equal(victims.roots, SOON_S)
    honest = blob(50_000, "honest")
    for lie in (blob(50_000, "lie"), honest[:-1], honest + b"x", b""):
        # Of a longer one just the honest part would be pulled.
        for attached in (True, False) if len(lie) <= len(honest) else (True,):
            with Stranger(victims.place, victims.a) as stranger:
                stranger.open().state()
                stranger.update(("create", stranger.record("lie", FILE, honest), lie if attached else None))
                stranger.update(("modify", stranger.record("precious", FILE, honest), None))
                try:
                    stranger.serve({digest_of(honest): lie}, lambda: False, limit_s=1.0)
                except (Closed, AssertionError):
                    pass
                assert attached or stranger.served or not lie, "it was asked for"
            for root in victims.roots:
                assert not (root / "lie").exists()
                assert (root / "precious").read_bytes() == blob(200_000)
    victims.work()
    append(victims.a.dir / "precious", b"edited")
    victims.work()


def test_an_offer_of_more_than_any_disk_holds(victims: Victims) -> None:
    before = lans.allocated_bytes(victims.lan.work)
    with Stranger(victims.place, victims.a) as stranger:
        stranger.open().state()
        for at, size in enumerate((2**40, 2**50, 2**60)):
            record = stranger.record(f"vast {at}", FILE, b"vast")
            record[2] = size
            stranger.update(("create", record, None))
        victims.work()
        try:
            stranger.serve({digest_of(b"vast"): b"vast"}, lambda: False, limit_s=1.0)
        except (Closed, AssertionError):
            pass
        assert not stranger.served, "there is no room, so nothing is asked for"
        victims.work()
        assert lans.allocated_bytes(victims.lan.work) - before < 100 * MIB, "reserved on disk"
    assert not any((root / "vast 0").exists() for root in victims.roots)


def copying_delta(times: int, length: int) -> bytes:
    """A librsync delta that copies the first `length` bytes of the base, again and again."""
    copy = struct.pack(">BQQ", 0x54, 0, length)
    return struct.pack(">I", 0x72730236) + copy * times + b"\0"


def test_a_delta_that_never_ends(victims: Victims) -> None:
    """A few kilobytes that would write 50 GB: it stops at the size that was announced, and is not installed."""
    old = blob(MIB, "base of the delta")
    write(victims.a.dir / "delta", old)
    wait_equal(victims.roots, SOON_S)
    new = blob(MIB, "what it should become")
    delta = copying_delta(50_000, MIB)
    before = sum(node.handed_over_bytes() for node in victims.pair)
    with Stranger(victims.place, victims.a) as stranger:
        record = stranger.open().state()["delta"]
        vector = sorted([*record[9], [stranger.replica, 1]])
        change = {
            "action": "modify",
            "record": stranger.record("delta", FILE, new, vector=vector),
            "delta": {"base": digest_of(old), "size": len(delta)},
        }
        stranger.update(changes=[change])
        key = f"{digest_of(old)} {digest_of(new)}"
        try:
            stranger.serve({key: delta}, lambda: False, limit_s=4)
        except (Closed, AssertionError):
            pass
        assert stranger.served >= len(delta), "the delta was asked for"
        victims.work()
        written = sum(node.handed_over_bytes() for node in victims.pair) - before
        assert written < 200 * MIB, f"it was written out: {written} bytes"
        assert all((root / "delta").read_bytes() == old for root in victims.roots)


def test_a_delta_that_fits_nothing(victims: Victims) -> None:
    """For a base that nobody has; well-formed, and of other bytes than were announced: the old version stays."""
    old, new = blob(MIB, "fits nothing"), blob(MIB, "what it should become")
    write(victims.a.dir / "misfit", old)
    wait_equal(victims.roots, SOON_S)
    wrong = copying_delta(1, MIB)  # makes the old content again, which is just as long
    for base in (digest_of(b"a base that is nowhere"), digest_of(old)):
        with Stranger(victims.place, victims.a) as stranger:
            record = stranger.open().state()["misfit"]
            vector = sorted([*record[9], [stranger.replica, 1]])
            change = {
                "action": "modify",
                "record": stranger.record("misfit", FILE, new, vector=vector),
                "delta": {"base": base, "size": len(wrong)},
            }
            stranger.update(changes=[change])
            try:
                stranger.serve({f"{base} {digest_of(new)}": wrong}, lambda: False, limit_s=1.5)
            except (Closed, AssertionError):
                pass
            assert bool(stranger.served) == (base == digest_of(old)), "it is asked for where there is such a base"
        victims.work()
        assert all((root / "misfit").read_bytes() == old for root in victims.roots)


def test_a_name_below_a_file(victims: Victims) -> None:
    """A live record makes its parents folders: what was a file there is kept."""
    write(victims.a.dir / "plain", b"a file, not a folder")
    wait_equal(victims.roots, SOON_S)
    with Stranger(victims.place, victims.a) as stranger:
        stranger.open().state()
        for path in ("plain/child", "plain/deep/child", "no/such/folder/child"):
            stranger.update(("create", stranger.record(path, FILE, b"child"), b"child"))
        stranger.update(("delete", stranger.record("plain/other", ABSENT), None))
        stranger.update(("create", stranger.record("last", FILE, b"last one"), b"last one"))
        has(victims.b, "last", b"last one")
    wait_equal(victims.roots, SOON_S)
    text = b"a file, not a folder"
    kept = [node for node in victims.pair if node.keeps(text) or (node.dir / "plain").is_file()]
    assert kept, "it is lost"


def test_a_member_deletes_everything(new_lan: Callable[..., Lan]) -> None:
    """Whoever is in the mesh may delete; dated 150 years ahead, all of it is in the histories and can be made again."""
    victims = Victims(new_lan(3))
    victims.start()
    contents = {f"folder/{at}": blob(300, at) for at in range(50)}
    for name, content in contents.items():
        write(victims.a.dir / name, content)
    wait_equal(victims.roots, SOON_S)
    far_ns = time.time_ns() + 150 * 365 * 86_400 * 10**9
    with Stranger(victims.place, victims.a) as stranger:
        records = stranger.open().state()
        for name in contents:
            vector = sorted([*records[name][9], [stranger.replica, 1]])
            gone = stranger.record(name, ABSENT, stamp_ns=far_ns, vector=vector)
            stranger.update(("delete", gone, None))
        wait_for(lambda: not list((victims.b.dir / "folder").glob("*")), SOON_S, "all is deleted")
    for node in victims.pair:
        assert all(node.keeps(content) for content in contents.values()), f"not recoverable on {node}"
    ended = victims.b.run_to_end("restore", victims.b.dir, "folder")
    assert ended.code == 0, ended.err
    wait_for(lambda: len(list((victims.a.dir / "folder").glob("*"))) == 50, SOON_S, "it comes back")
    wait_equal(victims.roots, SOON_S)
    assert {name: (victims.a.dir / name).read_bytes() for name in contents} == contents


def test_bombs_after_the_hello(victims: Victims) -> None:
    """Frames that inflate to gigabytes, or to millions of objects."""
    many = b'{"type": "STATE", "records": [' + b"[]," * 1_300_000 + b"[]]}"
    vast = bomb(512 * MIB)
    for raw in (
        vast,
        frame(zlib.compress(many, 9)),
        frame(zlib.compress(many, 0)),
        frame(zlib.compress(b'{"type": "PING", "token": 1, "x": ' + nested(2_000_000) + b"}", 0)),
        frame(zlib.compress(b"{" + b",".join(b'"%d":1' % at for at in range(300_000)) + b"}", 1)),
        frame(zlib.compress(b'{"type": "PING", "token": ' + b"9" * 1_000_000 + b"}", 0)),
    ):
        assert len(raw) < 4 * MIB + 8
        with Stranger(victims.place, victims.a) as stranger:
            stranger.open()
            try:
                stranger.send_bytes(raw)
                stranger.closed(15)
            except Closed:
                pass
        victims.work()


def test_who_says_nothing_or_little_is_closed(victims: Victims) -> None:
    """Three that never come to a HELLO, all at once: the daemon waits for none of them for long."""
    with (
        Stranger(victims.place, victims.a) as silent,
        Stranger(victims.place, victims.a) as slow,
        Stranger(victims.place, victims.a) as stuck,
    ):
        stuck.send_bytes(struct.pack(">Q", 4000) + b"\x78")
        raw = encoded(slow.my_hello())
        begun = time.monotonic()
        closed_after = None
        for at in range(len(raw)):
            try:
                slow.send_bytes(raw[at : at + 1])
                slow.receive(0.3)
            except Closed:
                closed_after = time.monotonic() - begun
                break
            except AssertionError:
                continue
        assert closed_after is not None
        assert closed_after < 12
        silent.closed(12)
        stuck.closed(12)


def test_a_flood_of_connections(victims: Victims) -> None:
    """Hundreds that say nothing; another machine is served meanwhile."""
    sockets = []
    try:
        with victims.place.inside():
            for _ in range(400):
                endpoint = socket.socket()
                endpoint.setblocking(False)
                endpoint.connect_ex((victims.a.address, 6000))
                sockets.append(endpoint)
        victims.work()
        descriptors = len(os.listdir(f"/proc/{victims.a.pid}/fd"))
        assert descriptors < 200, f"{descriptors} open descriptors"
        tasks = len(os.listdir(f"/proc/{victims.a.pid}/task"))
        assert tasks < 200, f"{tasks} threads"
        victims.b.stop()
        victims.b.start()
        victims.work()
    finally:
        for endpoint in sockets:
            endpoint.close()


def beacon(**changed: object) -> bytes:
    said = {"dir_sync": 2, "mesh": "open", "node": new_id(), "instance": new_id(), "port": 6000, "ask": True}
    return json.dumps(said | changed).encode()


def shout(place: Node, datagrams: list[bytes], *addresses: str) -> None:
    with place.inside():
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for datagram in datagrams:
            for address in addresses:
                try:
                    mouth.sendto(datagram, (address, 5000))
                except BlockingIOError:
                    continue


def test_garbage_at_the_presence_port(victims: Victims) -> None:
    datagrams = [
        *(b"", b"\0", b"{}", b"[]", b"null", b"1", os.urandom(100), os.urandom(9000), os.urandom(60_000)),
        *(nested(200), nested(30_000), b'{"dir_sync": NaN}', b'{"dir_sync": ' + b"9" * 5000 + b"}"),
        *(beacon(port=port) for port in (0, -1, 65536, 1.5, "6000", True, None, [], 10**30)),
        *(beacon(node=node) for node in ("", "x" * 65, "../..", "ABC", 7, None, "a" * 400)),
        *(beacon(dir_sync=version) for version in (0, 2, True, "1", None, [])),
        *(beacon(mesh=mesh) for mesh in ("", "other", 1, None)),
        *(beacon(ask=ask) for ask in (0, "yes", None)),
        beacon(padding="x" * 600),
        beacon().replace(b'"ask"', b'"port": 1, "ask"'),
        beacon(node="a\x1b[31mred\nFORGED"),
        b"\xff\xfe" + beacon(),
        zlib.compress(beacon()),
    ]
    for _ in range(20):
        shout(victims.place, datagrams, f"{lans.NETWORK}.255", victims.a.address, victims.b.address)
    shout(victims.place, [os.urandom(size) for size in range(0, 1400, 7)] * 20, f"{lans.NETWORK}.255")
    assert "FORGED" not in victims.a.log()


def test_thousands_of_nodes_that_are_none(victims: Victims) -> None:
    """Forged presence: nobody listens there. Real nodes are neither forgotten nor dialled any slower."""
    shout(victims.place, [beacon(port=1 + at % 60_000) for at in range(5000)], f"{lans.NETWORK}.255")
    victims.work()
    victims.b.stop()
    victims.b.start()
    victims.work()
    shout(victims.place, [beacon(port=1 + at % 60_000, ask=False) for at in range(5000)], victims.a.address)
    victims.work()


def test_a_beacon_that_leads_to_silence(victims: Victims) -> None:
    """Who is dialled and says nothing costs a connection now and then, not a storm of them."""
    with victims.place.inside():
        door = socket.socket()
    taken: list[socket.socket] = []
    with door:
        door.bind(("", 7777))
        door.listen(100)
        door.setblocking(False)
        ghost = beacon(port=7777)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            shout(victims.place, [ghost] * 20, f"{lans.NETWORK}.255")
            try:
                while True:
                    taken.append(door.accept()[0])
            except BlockingIOError:
                time.sleep(0.02)
        victims.work()
    for endpoint in taken:
        endpoint.close()
    assert 1 <= len(taken) <= 2 * 8, f"dialled {len(taken)} times in 4 s"


def test_who_takes_the_name_of_another(victims: Victims) -> None:
    """With the id of the peer, or of the victim itself: both are themselves again soon."""
    with Stranger(victims.place, victims.a) as stranger:
        node_of_a = stranger.open().hello["node"]
    with Stranger(victims.place, victims.b) as stranger:
        node_of_b = stranger.open().hello["node"]
    for node in (node_of_b, node_of_a):
        for instance in ("0", "f" * 16):
            with Stranger(victims.place, victims.a) as impostor:
                impostor.node, impostor.instance = node, instance
                try:
                    impostor.open()
                except Closed:
                    pass
                write(victims.a.dir / "meanwhile", os.urandom(100))
            victims.work()


def test_random_frames_after_the_hello(victims: Victims) -> None:
    """Half right: real types, wrong fields; each costs the connection or nothing, never more."""
    types = (
        *("HELLO", "STATE_REQUEST", "STATE", "ACKNOWLEDGE", "MODIFICATION_UPDATE", "PULL", "REFUSE"),
        *("DELTA_REQUEST", "NEED_SIGNATURE", "SIGNATURE", "DELTA", "PING", "PONG", "CLOSE"),
    )
    values: tuple[object, ...] = (None, True, -1, 2**70, 0.5, "x", "default", [], [[]], {}, [None], [[1, 2, 3]])
    fields = ("folder", "replica", "after", "sequence", "last", "records", "held", "changes", "times", "attached")
    fields += ("pulls", "refused", "id", "path", "digest", "base", "size", "token", "reason", "text")
    for at, kind in enumerate(types):
        for turn in range(6):
            with Stranger(victims.place, victims.a) as stranger:
                stranger.open()
                said = {name: values[(at * 7 + turn * 5 + n) % len(values)] for n, name in enumerate(fields)}
                try:
                    stranger.send({"type": kind} | said)
                    stranger.send_bytes(pieces_frame(turn % 3, [(at, turn, os.urandom(50))]))
                    stranger.send_bytes(os.urandom(300))
                    stranger.closed(10)
                except Closed:
                    continue


@pytest.mark.long
def test_a_peer_that_reads_nothing(victims: Victims) -> None:
    """It asks for much and takes none of it: the daemon neither waits for it nor fills its memory."""
    write(victims.a.dir / "large", blob(64 * MIB))
    wait_equal(victims.roots, SOON_S)
    digest = digest_of(blob(64 * MIB))
    with Stranger(victims.place, victims.a) as stranger:
        stranger.open()
        pulls = [[at, "large", digest, None, at * MIB, MIB] for at in range(64)]
        for _ in range(8):
            try:
                stranger.send({"type": "PULL", "folder": "default", "pulls": pulls})
            except (Closed, TimeoutError):
                break
        for turn in range(10):
            write(victims.a.dir / f"more {turn}", blob(2 * MIB, turn))
        victims.work()
    victims.work()


@pytest.mark.long
def test_a_peer_that_announces_what_nobody_has(new_lan: Callable[..., Lan]) -> None:
    """Ten thousands of files that it never sends; it goes, and real work goes on."""
    victims = Victims(new_lan(3))
    victims.start()
    memory = victims.a.memory_bytes()
    with Stranger(victims.place, victims.a) as stranger:
        stranger.open().state()
        for page in range(15):
            records = [stranger.record(f"folder{page}/{at}", FILE, b"never") for at in range(2000)]
            for record in records:
                record[2] = 10_000_000
            said = {"type": "STATE", "folder": "default", "sequence": stranger.sequence, "last": False}
            stranger.send(said | {"records": records})
        victims.work()
    victims.work()
    assert victims.a.memory_peak_bytes() - memory < MEMORY_GROWTH_BYTES
    assert not any(entry.kind == "file" for entry in survey(victims.a.dir, only="folder0").values())
