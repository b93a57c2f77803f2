"""Hypothesis strategies for everything the core speaks of: paths, records, stamps, vectors, messages, frames.

Each draws from the whole range that the protocol allows, edges included, but keeps the values small.
"""

from __future__ import annotations

import json
import string
from functools import cache
from typing import Any

from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.attributes import NOTHING, Attributes, Owner
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.forecast import Fate
from dir_sync.core.messages import (
    PROTOCOL,
    Acknowledge,
    Brake,
    Change,
    Chunks,
    Close,
    Decision,
    Delta,
    DeltaOffer,
    DeltaRequest,
    FolderIndex,
    Forecast,
    ForecastRequest,
    Have,
    HaveRequest,
    Held,
    Hello,
    History,
    HistoryRequest,
    Kept,
    Lacks,
    Loser,
    Lost,
    MemberRow,
    Members,
    Message,
    ModificationUpdate,
    NeedSignature,
    Piece,
    Ping,
    Pong,
    Pull,
    PullItem,
    Refuse,
    Rejected,
    Rows,
    RowsRequest,
    Settle,
    Signature,
    State,
    StateRequest,
    VerifyReport,
    VerifyRequest,
)
from dir_sync.core.mode import CHOICES
from dir_sync.core.model import Kind, Record, Stamp, Vector, join
from dir_sync.core.verify import Entry, Outcome

_FORBIDDEN = (b"", b".", b"..", limits.RESERVED_NAME)
_PULL_ID_MAX = 2**32 - 1


def _edges(least: int, most: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([least, most]), st.integers(least, most))


def _cleaned(part: bytes) -> bytes:
    part = part.replace(b"/", b"|").replace(b"\0", b"0")[: limits.PART_BYTES_MAX]
    return b"_" + part if part in _FORBIDDEN else part


@cache
def parts() -> st.SearchStrategy[bytes]:
    """Names: plain, special to JSON or to terminals, not UTF-8, nearly forbidden, as long as can be."""
    return st.one_of(
        st.text(string.ascii_lowercase + string.digits + "-_. ", min_size=1, max_size=12).map(str.encode),
        st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
        st.text('"\\[]{}\n\x1b\u202e\u00e9\U0001f600', max_size=6).map(str.encode),
        st.binary(max_size=8),
        st.sampled_from([b"...", b".dir_sync2", b"..a", b".git", b"\xff\xfe", b"\xed\xb2\x80", b"\xc3", b"~"]),
        st.sampled_from([b"x" * limits.PART_BYTES_MAX, b"\xff" * limits.PART_BYTES_MAX]),
    ).map(_cleaned)


@cache
def paths() -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.lists(parts(), min_size=1, max_size=4).map(b"/".join),
        st.sampled_from([b"a/" * (limits.PATH_DEPTH_MAX - 1) + b"a", (b"n" * 255 + b"/") * 15 + b"m" * 255]),
    )


@cache
def targets() -> st.SearchStrategy[bytes]:
    """Where symbolic links may lead: anything without a NUL."""
    return st.one_of(
        paths().map(lambda path: path[: limits.PATH_BYTES_MAX - 1]),
        st.sampled_from([b"/", b"..", b"../../etc/passwd", b"\xff", b"t" * (limits.PATH_BYTES_MAX - 1)]),
        st.binary(min_size=1, max_size=9).map(lambda raw: raw.replace(b"\0", b"/")),
    )


@cache
def ids() -> st.SearchStrategy[str]:
    return st.one_of(st.integers(0, 2**32).map(lambda number: f"{number:x}"), st.just("f" * 64))


@cache
def makers() -> st.SearchStrategy[str]:
    return st.one_of(ids(), ids().map(lambda name: "=" + name[:63]))


def _plain(least: int, most: int) -> st.SearchStrategy[str]:
    """Anything but surrogates."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)


@cache
def names() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(["folder", "\u00e9" * limits.NAME_CHARS_MAX]), _plain(1, 5))


@cache
def texts() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(["", "t" * limits.TEXT_CHARS_MAX]), _plain(0, 20))


@cache
def digests() -> st.SearchStrategy[bytes]:
    return st.integers(0, 999).map(lambda number: number.to_bytes(2, "big") * 16)


@cache
def sequences() -> st.SearchStrategy[int]:
    return _edges(0, limits.SEQUENCE_MAX)


@cache
def sizes() -> st.SearchStrategy[int]:
    return _edges(0, limits.SIZE_MAX)


@cache
def pull_ids() -> st.SearchStrategy[int]:
    return _edges(0, _PULL_ID_MAX)


@cache
def mtimes() -> st.SearchStrategy[int]:
    """Nanoseconds, before 1970 and beyond 64 bits too."""
    second = 10**9
    return st.one_of(
        _edges(limits.MTIME_S_MIN * second, limits.MTIME_S_MAX * second + second - 1),
        st.sampled_from([-1, 0, 1, 2**63 - 1, 2**63, -(2**63)]),
        st.integers(1_600_000_000 * second, 1_900_000_000 * second),
    )


@cache
def modes() -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([0o644, 0o755, 0, 0o777]), st.integers(0, 0o777))


@cache
def stamps() -> st.SearchStrategy[Stamp]:
    return st.builds(Stamp, _edges(1, limits.STAMP_NS_MAX), makers())


@cache
def vectors() -> st.SearchStrategy[Vector]:
    """Of a record: never empty."""
    counters = st.one_of(st.integers(1, 4), _edges(1, limits.SEQUENCE_MAX))
    entries = st.dictionaries(makers(), counters, min_size=1, max_size=4)
    return entries.map(lambda found: tuple(sorted(found.items())))


@cache
def small_vectors() -> st.SearchStrategy[Vector]:
    """Of three nodes and low counters: often related to one another."""
    entries = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3), max_size=3)
    return entries.map(lambda found: tuple(sorted(found.items())))


@cache
def records(*kinds: Kind) -> st.SearchStrategy[Record]:
    """Of the given kinds, or of all."""
    all_kinds = (Kind.ABSENT, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)
    return st.one_of([_made(kind) | _joined(kind) for kind in kinds or all_kinds])


@cache
def _made(kind: Kind) -> st.SearchStrategy[Record]:
    nothing, empty = st.just(0), st.just(b"")
    inside = {
        Kind.ABSENT: (nothing, empty, nothing),
        Kind.FILE: (sizes(), digests(), modes()),
        Kind.DIRECTORY: (nothing, empty, modes()),
        Kind.SYMLINK: (nothing, targets(), st.just(0o777)),
    }
    size, content, mode = inside[kind]
    some = st.none() if kind is Kind.ABSENT else st.none() | attributes(kind is Kind.FILE)
    return st.builds(
        Record, paths(), st.just(kind), size, content, mtimes(), mode, stamps(), vectors(), st.just(()), some
    )


@cache
def attributes(of_file: bool) -> st.SearchStrategy[Attributes]:
    """Each part is said or not, but never none of them."""
    ids = st.sampled_from([None, "", "0123456789abcdef01234567"]) if of_file else st.none()
    name = st.sampled_from(["", "anna", "\u00e9"])
    number = st.sampled_from([0, 1000, limits.OWNER_NUMBER_END - 1])
    bits = st.integers(0, 7)
    plain = st.tuples(st.sampled_from([0x01, 0x04, 0x10, 0x20]), bits, st.just(""), st.just(0))
    named = st.tuples(st.sampled_from([0x02, 0x08]), bits, name, number)
    acl = st.lists(plain | named, max_size=4).map(tuple)
    label = st.sampled_from([b"user.a", b"user.b", b"user.\xff"])
    xattrs = st.dictionaries(label, st.binary(max_size=9)).map(lambda found: tuple(sorted(found.items())))
    found = st.builds(
        Attributes,
        st.none() | st.builds(Owner, name, number, name, number),
        st.none() | st.tuples(acl, acl),
        st.none() | xattrs,
        ids,
    )
    return found.filter(lambda one: one != NOTHING)


@st.composite
def _joined(draw: st.DrawFn, kind: Kind) -> Record:
    """A version that was joined with one that lost."""
    record = draw(_made(kind))
    vector = join(record.vector, draw(vectors()))
    return record if vector == record.vector else record._replace(vector=vector, lineage=record.vector)


@cache
def delta_offers() -> st.SearchStrategy[DeltaOffer]:
    return st.builds(DeltaOffer, digests(), sizes(), marks())


def marks() -> st.SearchStrategy[tuple[bytes, ...] | None]:
    return st.none() | st.lists(st.binary(min_size=16, max_size=16), max_size=3).map(tuple)


@cache
@st.composite
def changes(draw: st.DrawFn) -> Change:
    """With its content, where that is attached."""
    action = draw(st.sampled_from(["create", "modify", "delete", "rename"]))
    source = draw(paths()) if action == "rename" else None
    if action == "delete":
        return Change(action, draw(records(Kind.ABSENT)))
    if draw(st.booleans()):
        return Change(action, draw(records(Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)), source)
    delta = draw(st.none() | delta_offers())
    if draw(st.booleans()):
        return Change(action, draw(records(Kind.FILE)), source, False, delta)
    content = draw(st.one_of(st.binary(max_size=20), st.just(b"c" * 20_000)))
    record = draw(records(Kind.FILE))._replace(size=len(content))
    return Change(action, record, source, True, delta, content)


def _some(items: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=most).map(tuple)


@cache
def hellos() -> st.SearchStrategy[Hello]:
    folders = st.lists(
        st.builds(FolderIndex, names(), ids(), sequences()),
        max_size=3,
        unique_by=(lambda folder: folder.name, lambda folder: folder.replica),
    )
    observes = st.just("") | names()
    return st.builds(
        Hello, st.just(PROTOCOL), ids(), names(), ids(), st.integers(0, 65535), folders.map(tuple), observes
    )


@cache
def state_requests() -> st.SearchStrategy[StateRequest]:
    summaries = st.sampled_from([b"", bytes(limits.SUMMARY_BYTES), bytes(range(256)) * (limits.SUMMARY_BYTES // 256)])
    return st.builds(StateRequest, names(), ids(), sequences(), sequences(), summaries)


@cache
def states() -> st.SearchStrategy[State]:
    return st.builds(State, names(), sequences(), st.booleans(), _some(records(), most=4))


@cache
def acknowledges() -> st.SearchStrategy[Acknowledge]:
    return st.builds(Acknowledge, names(), sequences(), _some(st.tuples(paths(), stamps())))


@cache
@st.composite
def modification_updates(draw: st.DrawFn) -> ModificationUpdate:
    found = draw(_some(changes()))
    times = draw(_some(st.tuples(st.just(b"") | paths(), mtimes()), most=2))
    attached = any(change.attached for change in found)
    return ModificationUpdate(draw(names()), draw(sequences()), found, times, attached)


@cache
def pulls() -> st.SearchStrategy[Pull]:
    item = st.builds(PullItem, pull_ids(), paths(), digests(), st.none() | digests(), sizes(), sizes())
    return st.builds(Pull, names(), _some(item, least=1))


@cache
def refusals() -> st.SearchStrategy[Refuse]:
    return st.builds(Refuse, names(), _some(st.tuples(pull_ids(), st.sampled_from(["gone", "later"])), least=1))


@st.composite
def losers(draw: st.DrawFn) -> Lost:
    """A text that lost, and its record."""
    text = draw(st.one_of(st.binary(min_size=1, max_size=30), st.just(b"line\n" * 20_000)))
    record = draw(records(Kind.FILE))._replace(size=len(text))
    return Lost(draw(names()), record, draw(ids()), text)


@cache
def reasons() -> st.SearchStrategy[tuple[Declined, ...]]:
    some = st.lists(st.sampled_from(Reason), unique=True).map(lambda found: [one for one in Reason if one in found])
    numbers = st.tuples(sequences(), sequences(), sequences(), sequences())
    return st.tuples(some, numbers).map(lambda both: tuple(Declined(reason, *both[1]) for reason in both[0]))


@cache
def signatures() -> st.SearchStrategy[Signature]:
    data = st.one_of(st.binary(max_size=30), st.just(b"s" * 100_000))
    return st.builds(Signature, names(), pull_ids(), data)


@cache
def pieces() -> st.SearchStrategy[Piece]:
    data = st.one_of(st.binary(max_size=30), st.sampled_from([b"p" * 16_384, b"q" * 70_000]))
    return st.builds(Piece, pull_ids(), sizes(), data)


@cache
def chunks() -> st.SearchStrategy[Chunks]:
    return st.builds(Chunks, _some(pieces(), least=1))


@cache
def kept() -> st.SearchStrategy[Kept]:
    """A version in a history: of a file or of a link."""
    whys = st.sampled_from(["replaced", "deleted", "conflict", "recovered", "rotten"])

    def of(record: Record) -> st.SearchStrategy[Kept]:
        path, kind, size, content, mtime, mode, (until, _), *_ = record
        known = (path, kind, size, content, mtime, mode, until)
        makers, more = st.one_of(st.just(""), ids()), st.just(record.attributes)
        return st.builds(Kept, *map(st.just, known), whys, makers, attributes=more)

    return records().filter(lambda record: record.kind in (Kind.FILE, Kind.SYMLINK)).flatmap(of)


@cache
def verify_entries() -> st.SearchStrategy[Entry]:
    outcomes = st.sampled_from(Outcome)
    return st.one_of(
        st.builds(Entry, paths(), st.just(Kind.FILE), sizes(), digests(), outcomes),
        st.builds(Entry, paths(), st.just(Kind.SYMLINK), st.just(0), targets(), outcomes),
        st.builds(Entry, paths(), st.just(Kind.DIRECTORY), st.just(0), st.just(b""), outcomes),
    )


@cache
def messages() -> st.SearchStrategy[Message]:
    """Every message but HELLO and CLOSE, which come first and last."""
    return st.one_of(
        state_requests(),
        states(),
        acknowledges(),
        modification_updates(),
        pulls(),
        refusals(),
        st.builds(DeltaRequest, names(), pull_ids(), paths(), digests(), digests(), sizes()),
        st.builds(NeedSignature, names(), pull_ids()),
        signatures(),
        st.builds(Delta, names(), pull_ids(), sizes(), marks()),
        st.builds(
            HistoryRequest,
            names(),
            pull_ids(),
            st.one_of(st.just(b""), paths()),
            st.integers(1, 10_000),
            st.booleans(),
        ),
        st.builds(History, names(), pull_ids(), st.booleans(), _some(kept())),
        st.builds(HaveRequest, names(), pull_ids(), _some(digests(), least=1)),
        st.builds(Have, names(), pull_ids(), st.sets(st.integers(0, 4095), max_size=4).map(sorted).map(tuple)),
        st.builds(Brake, names(), _some(st.builds(Held, ids(), sequences(), sequences(), paths()))),
        st.builds(Decision, names(), ids(), sequences(), st.booleans()),
        st.builds(Rejected, names(), ids(), _some(paths(), least=1)),
        st.builds(Lacks, names(), sequences(), sequences(), sequences(), sequences(), reasons()),
        st.builds(Settle, names(), _some(st.builds(Loser, paths(), st.just(Kind.FILE), digests()), least=1)),
        losers(),
        st.builds(Members, st.lists(member_rows(), max_size=3).map(tuple)),
        st.builds(RowsRequest, names(), sequences()),
        st.builds(
            *(
                Rows,
                names(),
                ids(),
                st.sampled_from(CHOICES),
                st.booleans(),
                sequences(),
                st.booleans(),
                _some(records()),
            ),
            room=st.none() | st.tuples(st.integers(0, limits.SIZE_MAX), st.text(max_size=20)),
        ),
        st.builds(ForecastRequest, names(), ids(), _some(records(), least=1)),
        st.builds(Forecast, names(), _some(st.tuples(st.sampled_from(Fate), texts()), least=1)),
        st.builds(VerifyRequest, names(), pull_ids(), paths(), paths(), _some(paths()), st.booleans()),
        st.builds(VerifyReport, names(), pull_ids(), _some(verify_entries()), sizes(), st.booleans(), st.booleans()),
        st.builds(Ping, sequences()),
        st.builds(Pong, sequences(), st.one_of(st.just(0), st.integers(1, 2**63 - 1))),
        chunks(),
    )


@cache
def member_rows() -> st.SearchStrategy[MemberRow]:
    identities = st.binary(min_size=16, max_size=16).map(bytes.hex)
    seconds = st.integers(0, 2**40)
    return st.builds(MemberRow, identities, names(), st.sampled_from(["ro", "rw"]), seconds, st.just("") | identities)


def closes() -> st.SearchStrategy[Close]:
    return st.builds(Close, names(), texts())


@cache
def json_values() -> st.SearchStrategy[Any]:
    """What JSON can say, floats included."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=8,
    )


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """`data` in pieces, as a network might deliver it."""
    ends = st.lists(st.integers(0, len(data)), max_size=6).map(sorted)
    return ends.map(
        lambda found: [data[start:end] for start, end in zip([0, *found], [*found, len(data)], strict=True)]
    )


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with one to three bytes changed, lost or added."""

    def change(edits: list[tuple[int, int, int]]) -> bytes:
        raw = bytearray(data)
        for at, how, value in edits:
            at %= len(raw) + 1
            if how == 0:
                raw[at : at + 1] = bytes([value])
            elif how == 1:
                del raw[at : at + 1 + value % 4]
            else:
                raw[at:at] = bytes([value]) * (1 + value % 3)
        return bytes(raw)

    edit = st.tuples(st.integers(0, max(len(data), 1)), st.integers(0, 2), st.integers(0, 255))
    return st.lists(edit, min_size=1, max_size=3).map(change)


def as_json(value: Any) -> Any:
    """What a peer would see of `value`."""
    return json.loads(json.dumps(value))
