"""Events, jobs, messages and records as one line each: for the trace of a world, its hash, and what a Broken says."""

from __future__ import annotations

from dir_sync.core.events import Event, PeerUp, Received
from dir_sync.core.jobs import Applied, ApplyJob, Job, Looked
from dir_sync.core.messages import Acknowledge, Chunks, Message, ModificationUpdate, Pull, State
from dir_sync.core.model import Kind, Record

__all__ = ["describe", "describe_job", "describe_message", "describe_record", "difference"]


def difference(mine: dict[bytes, tuple[object, ...]], theirs: dict[bytes, tuple[object, ...]]) -> str:
    words = [
        f"{path!r}: {_short(mine.get(path))} / {_short(theirs.get(path))}"
        for path in sorted({**mine, **theirs})
        if mine.get(path) != theirs.get(path)
    ]
    return "; ".join(words[:4])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 160 else text[:160] + "..."


def describe_record(record: Record) -> str:
    content = record.content.hex()[:6] if record.kind == Kind.FILE else record.content[:20]
    vector, lineage = (
        " ".join(f"{maker[:4]}:{counter}" for maker, counter in entries) for entries in (record.vector, record.lineage)
    )
    made_from = f" from [{lineage}]" if lineage else ""
    return f"{record.path!r} {record.kind.name} {content!r} {record.stamp.ns}@{record.stamp.maker[:4]} [{vector}]{made_from}"


def describe_message(message: Message) -> str:
    match message:
        case State(_, sequence, last, records):
            return f"STATE {sequence} {last} " + ", ".join(describe_record(record) for record in records)
        case ModificationUpdate(_, sequence, changes, times, _):
            words = [
                f"{change.action} {describe_record(change.record)}{' +' if change.attached else ''}"
                for change in changes
            ]
            return f"UPDATE {sequence} " + ", ".join(words) + f" {len(times)} times"
        case Chunks(pieces):
            return f"CHUNKS {[(piece.key, piece.offset, len(piece.data)) for piece in pieces]}"
        case Acknowledge(_, sequence, held):
            return f"ACK {sequence} {[(path, stamp.ns, stamp.maker[:4]) for path, stamp in held]}"
        case Pull(_, pulls):
            words = [
                f"{pull.id} {pull.path!r} {pull.digest.hex()[:6]} {'delta' if pull.base else ''} {pull.offset}+{pull.length}"
                for pull in pulls
            ]
            return f"PULL {words}"
        case _:
            return repr(message)[:200]


def describe(event: Event) -> str:
    match event:
        case Received(peer, message):
            return f"from {peer[:4]} {describe_message(message)}"
        case Looked(items):
            return "Looked " + ", ".join(
                f"{seen.path!r} {seen.look.value} {seen.kind.name} {seen.content.hex()[:6]} {seen.mtime} {len(seen.fp)}"
                for seen in items
            )
        case Applied(items):
            return "Applied " + ", ".join(
                f"{result.path!r} {result.result.value}{' kept' if result.version else ''} {result.problem}"
                for result in items
            )
        case PeerUp(peer, _):
            return f"PeerUp {peer[:4]}"
        case _:
            text = repr(event)
            return text if len(text) < 300 else text[:300] + "..."


def describe_job(job: Job) -> str:
    match job:
        case ApplyJob(items):
            return "Apply " + ", ".join(
                f"{item.act.value} {describe_record(item.target)} expect {item.expect.hex()[-8:]} {item.why.value}"
                f"{' copy ' + repr(item.copy_path) if item.copy_path else ''}{' staged' if item.staged else ''}"
                for item in items
            )
        case _:
            names = getattr(job, "items", None) or getattr(job, "paths", None) or getattr(job, "names", None)
            if names is not None:
                return f"{type(job).__name__} {[getattr(name, 'path', name) for name in names]}"
            token = getattr(job, "token", getattr(job, "path", ""))
            return f"{type(job).__name__} {token} {getattr(job, 'name', b'')!r}"
