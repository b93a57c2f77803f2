"""Effects on bytes: look, read, sign, make deltas, stage, verify, install, keep the old.

In:   one job at a time (dir_sync.core.jobs), on a disk worker's thread.
Out:  one event that says what came of it.
Rule: never replace bytes we have not seen. Every change names what it expects to find; if it finds anything else it
      does nothing and says so. Nothing gets its final name before its whole digest is the announced one and it is on
      the medium. What is displaced is not deleted but renamed into the history.
"""

from __future__ import annotations

import calendar
import itertools
import re
import time as _time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from blake3 import blake3

from dir_sync import delta as librsync
from dir_sync import growth, scanner
from dir_sync.core import limits
from dir_sync.core.events import Event
from dir_sync.core.jobs import (
    Act,
    Applied,
    ApplyItem,
    ApplyJob,
    ApplyResult,
    DeltaDone,
    DeltaJob,
    DiscardJob,
    Growing,
    Job,
    ListJob,
    LookJob,
    PatchJob,
    Pruned,
    PruneJob,
    ReadDone,
    ReadItem,
    ReadJob,
    Rechecked,
    RecheckJob,
    Result,
    Signed,
    SignJob,
    Staged,
    StageJob,
    SweepJob,
    Version,
    Why,
)
from dir_sync.core.looks import Grown, Look, LookItem, MadeDelta, Seen
from dir_sync.core.messages import Piece
from dir_sync.core.model import CTIME_BYTES, FINGERPRINT_BYTES, Kind, Stat, fingerprint, inode_of, parent_of, size_of
from dir_sync.ports import Disk, DiskError, NewFile, Reader, Trouble, Watch, Writer
from dir_sync.scanner import Stopped
from dir_sync.unsigned import Unsigned

__all__ = ["HISTORY", "STAGING", "STATE", "SYNC_ALL_FROM", "FileSync", "Signatures", "is_new_file"]

STATE = limits.RESERVED_NAME
STAGING = STATE + b"/staging"
HISTORY = STATE + b"/versions"

_new = tuple.__new__  # half the cost of a named tuple's own

_FLUSH_BYTES = 32 * limits.MIB  # a large stage is pushed to the medium as it grows, so that its last sync is short
_NO_SUCH_NAME = (Trouble.ABSENT, Trouble.WRONG_TYPE, Trouble.BOUNDARY)  # there is none, or no folder for it
_PUT_BACK_TRIES = 4  # what we took out by mistake is a user's: an error is not the last word
SYNC_ALL_FROM = 4  # so many files or folders in one batch are synced by one syncfs
_COARSE_NS = 1_000_000_000  # times rounded like this: FAT, ext3
_KEPT_NAME = re.compile(rb"(\d{6})\.(\d{6})-(%s)-\d+-(.*)" % b"|".join(why.value.encode() for why in Why), re.DOTALL)
"""What `_file_away` calls a version: time of day, why, and the last part of its path."""
_DAY_BYTES = len(b"2000-01-01")  # before that, and a hyphen, where there is no room for the day's folder


class Signatures(Protocol):
    """A cache of block signatures by content digest; it may forget anything at any time."""

    def get(self, digest: bytes) -> bytes | None: ...
    def put(self, digest: bytes, signature: bytes) -> None: ...
    def has(self, digest: bytes) -> bool: ...


@dataclass(slots=True)
class _Stage:
    """A staging file that is being written, held open between jobs."""

    writer: Writer
    hasher: Any
    length: int
    flushed: int


class _Unexpected(Exception):
    """Something else than expected is there: look again."""


class _Missing(Exception):
    """The source of the content is not what it was."""


class FileSync:
    """Performs the jobs of one folder. Jobs of different paths and tokens may run on several threads at once."""

    def __init__(
        self,
        disk: Disk,
        watch: Watch,
        signatures: Signatures,
        now_ns: Callable[[], int],
        prefix: str,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`prefix`: part of the names of staging files, different at each start."""
        self._disk = disk
        self._watch = watch
        self._signatures = signatures
        self._unsigned = Unsigned(disk, signatures, now_ns, stopping)
        self._now_ns = now_ns
        self._stopping = stopping
        self._prefix = prefix.encode()
        self._numbers = itertools.count(1)
        self._stages: dict[int, _Stage] = {}
        self._growing: dict[int, growth.Growth] = {}
        self._hashes = growth.Hashes()

    def prepare(self) -> list[bytes]:
        """Make our folders; returns the names left in the staging folder by an earlier run."""
        for path in (STATE, STAGING, HISTORY):
            if self._disk.stat(path) is None:
                self._disk.make_directory(path, 0o700)
            self._disk.make_plain(path)
        return sorted(name for name, _ in self._disk.list(STAGING) or [])

    def recover(
        self,
        names: list[bytes],
        known: Callable[[bytes], Version | None],
        path_of: Callable[[bytes, bytes], bytes | None] = lambda digest, base: None,
    ) -> list[Version]:
        """Clear what an earlier run left in the staging folder. Partial downloads stay, to be gone on with; what may
        be a user's bytes (displaced, and not yet filed when the program ended) goes to the history, unless the history
        has this content, in the version that `known` names. (What the index says proves nothing: the displaced content
        is exactly what it still says of the tree, and what a user had not synced may be lost from the history.)

        `path_of`: where the index says that this content is, at best under that last part of a path ("" for any)."""
        versions = []
        growing: dict[bytes, growth.Unfinished | None] = {}
        for name in names:
            path = STAGING + b"/" + name
            try:
                stat = self._disk.stat(path)
                if stat is None or name.startswith(b"part-"):
                    continue
                if name.startswith(b"delta-"):
                    self._disk.remove_file(path)
                elif name.startswith(b"grow-") and stat.kind == Kind.SYMLINK:
                    growing[path] = growth.read_note(self._disk, path)
                elif stat.kind == Kind.DIRECTORY:
                    self._return_folder(path, b"folder")
                elif stat.kind == Kind.FILE and not name.startswith(b"new-"):
                    digest = self._digest_of(path, stat)
                    if self._has_kept(known(digest), digest):
                        self._disk.remove_file(path)
                    else:
                        was = path_of(digest, b"") or name
                        versions.append(self._file_away(path, stat, was, digest, Why.RECOVERED, ""))
                else:
                    self._disk.remove_file(path)
            except DiskError:
                continue  # it stays where it is until the next start
        # After a power cut there may be notes of one file's earlier growths again: the latest of them is undone first.
        for note, left in sorted(growing.items(), key=lambda each: -each[1].size if each[1] is not None else 0):
            try:
                versions += self._undo_growth(note, left)
            except DiskError:
                continue
        if versions:
            try:
                self._disk.sync_all()
            except DiskError:
                return []  # they are in the history all the same, and nobody says so
        return versions

    def _undo_growth(self, note: bytes, left: growth.Unfinished | None) -> list[Version]:
        """A file was growing when the program ended. If somebody may have written into it since, what it is now is kept."""
        versions: list[Version] = []

        def digest_of_first(path: bytes, size: int) -> bytes:
            reader = self._disk.open(path)
            try:
                return scanner.digest_of(reader, size, self._stopping)[0]
            finally:
                reader.close()

        def keep_copy(path: bytes, stat: Stat) -> None:
            name = STAGING + b"/new-%s-%d" % (self._prefix, next(self._numbers))
            writer = self._disk.create(name)
            try:
                reader = self._disk.open(path)
                try:
                    writer.copy_from(reader, 0, 0, stat.size)
                finally:
                    reader.close()
                writer.set_meta(stat.mode, stat.mtime)
                writer.sync()
                made = writer.stat()
            finally:
                writer.close()
            digest = self._digest_of(name, made)
            versions.append(self._file_away(name, made, path, digest, Why.RECOVERED, ""))

        if left is not None:
            growth.undo_unfinished(self._disk, left, digest_of_first, keep_copy)
        self._disk.remove_file(note)
        return versions

    def unlisted(
        self, is_listed: Callable[[bytes], bool], path_of: Callable[[bytes, bytes], bytes | None]
    ) -> list[Version]:
        """What is in the history though the index does not say so: the program ended between the rename and its note.
        `path_of` as in `recover`; what it does not know gets the last part of its path for its path."""
        versions = []
        for kept, day, name, stat in self._all_kept():
            match = _KEPT_NAME.fullmatch(name)
            if match is None or stat.kind not in (Kind.FILE, Kind.SYMLINK) or is_listed(kept):
                continue
            clock, fraction, why, base = match.groups()
            try:
                moment = calendar.timegm(_time.strptime((day + clock).decode("ascii"), "%Y-%m-%d%H%M%S"))
                if stat.kind == Kind.FILE:
                    content = self._digest_of(kept, stat)
                    path = path_of(content, base) or base
                else:
                    content, path = self._disk.read_link(kept), base
            except (ValueError, DiskError):
                continue
            time_ns = moment * 1_000_000_000 + int(fraction) * 1000
            reason = Why(why.decode("ascii"))
            versions.append(
                Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, time_ns, reason, "")
            )
        if versions:
            self._disk.sync_all()
        return versions

    def _all_kept(self) -> Iterator[tuple[bytes, bytes, bytes, Stat]]:
        """What is in the history: its whole name, the day, its name on that day."""
        for top, stat in self._disk.list(HISTORY) or []:
            name = HISTORY + b"/" + top
            if stat.kind != Kind.DIRECTORY:
                yield name, top[:_DAY_BYTES], top[_DAY_BYTES + 1 :], stat
                continue
            for below, kept in self._disk.list(name) or []:
                yield name + b"/" + below, top, below, kept

    def _digest_of(self, path: bytes, stat: Stat) -> bytes:
        reader = self._disk.open(path)
        try:
            return scanner.digest_of(reader, stat.size, self._stopping)[0]
        finally:
            reader.close()

    def _has_kept(self, version: Version | None, digest: bytes) -> bool:
        stat = None if version is None else self._disk.stat(version.name)
        if version is None or stat is None or stat.kind != Kind.FILE:
            return False
        return self._digest_of(version.name, stat) == digest

    def perform(self, job: Job, is_given_up: Callable[[], bool] = lambda: False) -> Event | None:
        """Do one job; whatever the disk does, the answer is an event. Raises Stopped when the program ends. `is_given_up`:
        nobody waits any more for what a peer had asked for."""
        self._unsigned.let_go_of_old()
        match job:
            case ListJob():
                with self._disk.batch():
                    return scanner.list_folders(self._disk, self._watch, job, self._now_ns)
            case LookJob(items):
                with self._disk.batch():
                    return scanner.look(self._disk, items, self._now_ns, self._stopping, self._look_closer)
            case ApplyJob(items):
                with self._disk.batch():
                    return self._apply(items)
            case StageJob():
                return self._stage(job) if job.grows is None else self._grow(job, job.grows)
            case PatchJob():
                return self._patch(job)
            case ReadJob():
                with self._disk.batch():
                    return self._read(job)
            case DeltaJob():
                return self._delta(job, is_given_up)
            case SignJob():
                return self._sign(job)
            case DiscardJob(names, _, tokens, unsigned):
                if unsigned:
                    self._unsigned.let_go_of_all()
                for token in tokens:
                    self._close_stage(token)
                self._discard(names)
                return None
            case SweepJob(keep):
                self._sweep(keep)
                return None
            case PruneJob(names, _, young, _):
                return self._prune(names, young)
            case RecheckJob(versions, closely):
                return self._recheck(versions, closely)

    def close(self) -> None:
        """Let go of the staging files that are open; they stay, to be gone on with."""
        for stage in self._stages.values():
            stage.writer.close()
        self._stages.clear()
        for growing in self._growing.values():
            growing.leave()
        self._growing.clear()
        self._unsigned.let_go_of_all()

    # --- reading -----------------------------------------------------------------------------------------------------

    def _look_closer(self, item: LookItem, reader: Reader, seen: Seen) -> Seen:
        """While a changed file is open: the delta from the version that the peers hold, if its signature can be had."""
        if seen.grown is None:
            self._unsigned.hold(item.path, seen.fp, seen.content, seen.size, item.base)
        if (
            not item.base
            or seen.content == item.base
            or seen.size < limits.DELTA_FILE_BYTES_MIN
            or len(seen.fp) > FINGERPRINT_BYTES
            or seen.grown is not None
        ):
            return seen
        signature = self._unsigned.signature(item.base)
        if signature is None:
            return seen
        made = self._make_delta(signature, reader, seen.size, item.base, seen.content)
        if made is None:
            return seen
        try:
            is_as_seen = fingerprint(reader.stat()) == seen.fp
        except DiskError:
            is_as_seen = False
        if not is_as_seen:
            self._discard((made.name,))
            return Seen(item.path, Look.UNSTABLE, size=seen.size)
        return seen._replace(delta=made)

    def _make_delta(
        self,
        signature: bytes,
        reader: Reader,
        size: int,
        base: bytes,
        digest: bytes,
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> MadeDelta | None:
        """A delta in the staging folder, or None if it does not pay or there is no room for it."""
        name = STAGING + b"/delta-%s-%d" % (self._prefix, next(self._numbers))
        try:
            writer = self._disk.create(name)
        except DiskError:
            return None
        length = 0

        def write(data: bytes) -> None:
            nonlocal length
            writer.write(length, data)
            length += len(data)

        try:
            made = librsync.make_delta(
                signature,
                reader,
                size,
                write,
                int(size * limits.DELTA_PAYS_BELOW),
                lambda: self._stopping() or is_given_up(),
            )
        except (librsync.DeltaError, DiskError):
            made = None
        finally:
            writer.close()
        if made is None:
            self._discard((name,))
            return None
        return MadeDelta(name, base, digest, made)

    def _read(self, job: ReadJob) -> ReadDone:
        pieces: list[Piece] = []
        refused: list[tuple[int, bytes]] = []
        reader: Reader | None = None
        opened = b""
        try:
            for item in job.items:
                try:
                    if reader is None or opened != item.path:
                        if reader is not None:
                            reader.close()
                            reader = None
                        reader = self._disk.open(item.path)
                        opened = item.path
                        if not _is_as_known(reader, item):
                            refused.append((item.id, item.path))
                            continue
                    data = reader.read(item.offset, item.length)
                    if len(data) == item.length:
                        pieces.append(Piece(item.id, item.offset, data))
                    else:
                        refused.append((item.id, item.path))
                except DiskError:
                    refused.append((item.id, item.path))
        finally:
            if reader is not None:
                reader.close()
        asked = sum(item.length for item in job.items)
        return ReadDone(job.peer, job.link, tuple(pieces), tuple(refused), asked, job.push)

    def _sign(self, job: SignJob) -> Signed:
        signature = self._unsigned.signature(job.digest)
        if signature is None:
            try:
                reader = self._disk.open(job.path)
                try:
                    stat = reader.stat()
                    if fingerprint(stat) == job.fp or not job.fp:
                        earlier = self._signatures.get(job.earlier) if job.earlier else None
                        signature = librsync.signature(reader, stat.size, self._stopping, earlier=earlier)
                        if reader.stat() != stat:
                            signature = None
                finally:
                    reader.close()
            except (DiskError, librsync.DeltaError):
                signature = None
            if signature is not None:
                self._signatures.put(job.digest, signature)
        return Signed(job.peer, job.link, job.id, signature if job.peer else None)

    def _delta(self, job: DeltaJob, is_given_up: Callable[[], bool]) -> DeltaDone:
        grown = self._growth_of(job, is_given_up)
        if grown is not None:
            return DeltaDone(job.peer, job.link, job.id, None, False, grown)
        if job.only_growth:
            return DeltaDone(job.peer, job.link, job.id, None, False)
        signature = job.signature if job.signature is not None else self._unsigned.signature(job.base)
        if signature is None:
            return DeltaDone(job.peer, job.link, job.id, None, True)
        made: MadeDelta | None = None
        try:
            if job.signature is not None:
                librsync.check_signature(signature, None)
            reader = self._disk.open(job.path)
            try:
                stat = reader.stat()
                if fingerprint(stat) == job.fp:
                    made = self._make_delta(signature, reader, stat.size, job.base, job.digest, is_given_up)
            finally:
                reader.close()
        except (DiskError, librsync.DeltaError):
            made = None
        return DeltaDone(job.peer, job.link, job.id, made, False)

    def _growth_of(self, job: DeltaJob, is_given_up: Callable[[], bool]) -> Grown | None:
        """Is the base the beginning of the file?"""

        def stop() -> bool:
            return self._stopping() or is_given_up()

        if job.base_size < limits.GROWTH_FILE_BYTES_MIN:
            return None
        try:
            reader = self._disk.open(job.path)
            try:
                stat = reader.stat()
                if fingerprint(stat) != job.fp[:FINGERPRINT_BYTES] or stat.size <= job.base_size:
                    return None
                digest, _, marks = scanner.digest_of_grown(reader, stat.size, stop, job.base_size, job.base)
                is_same = digest == job.digest and fingerprint(reader.stat()) == job.fp[:FINGERPRINT_BYTES]
            finally:
                reader.close()
        except DiskError:
            return None
        except Stopped:
            if self._stopping():
                raise
            return None  # the peer has gone
        return Grown(job.base, job.base_size, marks) if marks is not None and is_same else None

    # --- staging -----------------------------------------------------------------------------------------------------

    def _stage(self, job: StageJob) -> Staged:
        try:
            stage = self._stages.get(job.token)
            if stage is None:
                stage = self._open_stage(job)
                self._stages[job.token] = stage
                if job.digest:  # before any of it is asked for
                    stage.writer.must_fit(job.size)
                    if job.size - stage.length > self._disk.free_bytes():
                        raise DiskError(Trouble.FULL, job.name)
            for offset, data in job.chunks:
                if offset != stage.length or offset + len(data) > job.size:
                    raise _Unexpected
                stage.writer.write(offset, data)
                if job.digest:
                    stage.hasher.update(data)
                stage.length += len(data)
                if stage.length - stage.flushed >= _FLUSH_BYTES:
                    stage.writer.start_flush(stage.flushed, stage.length - stage.flushed)
                    stage.flushed = stage.length
                if self._stopping():
                    raise Stopped
            if stage.length < job.size:
                return Staged(job.token, stage.length, False)
            verified = not job.digest or stage.hasher.digest() == job.digest
            self._close_stage(job.token)
            if not verified:
                self._discard((job.name,))
                return Staged(job.token, 0, False, "the content is not what was announced")
            return Staged(job.token, job.size, True)
        except _Unexpected:
            self._close_stage(job.token)
            self._discard((job.name,))
            return Staged(job.token, 0, False, "the content came out of order")
        except DiskError as error:
            self._close_stage(job.token)
            full, too_large = error.trouble == Trouble.FULL, error.trouble == Trouble.TOO_LARGE
            if full or too_large:
                self._discard((job.name,))
            return Staged(job.token, 0, False, str(error), True, full=full, too_large=too_large)

    def _grow(self, job: StageJob, grows: Growing) -> Staged:
        """Append to a file, or to a copy of it: see growth.py."""
        growing = self._growing.pop(job.token, None)
        self._unsigned.let_go(grows.content)  # it grows in its place only if nobody has it open
        if job.give_up:
            return self._give_up_growth(job.token, growing, Staged(job.token, 0, False, "given up", ours=True))
        try:
            if growing is None:
                note = STAGING + b"/grow-%s-%d" % (self._prefix, next(self._numbers))
                growing = growth.Growth(self._disk, grows, job.name, note, self._hashes, self._stopping)
            for offset, data in job.chunks:
                growing.add(offset, data)
            if not growing.is_complete:
                self._growing[job.token] = growing
                return Staged(job.token, growing.length, False)
            stat = growing.finish()
        except (DiskError, growth.BaseChanged, growth.WrongContent) as error:
            if isinstance(error, DiskError):
                full, too_large = error.trouble == Trouble.FULL, error.trouble == Trouble.TOO_LARGE
                answer = Staged(job.token, 0, False, str(error), True, full=full, too_large=too_large)
            else:
                is_base = isinstance(error, growth.BaseChanged)
                answer = Staged(job.token, 0, False, str(error) or "the file has changed", base_changed=is_base)
            return self._give_up_growth(job.token, growing, answer)
        if stat is None:
            return Staged(job.token, job.size, True)
        # Somebody may have written into it right before it got its time: it is read again.
        return Staged(job.token, job.size, True, fp=fingerprint(stat) + scanner.YOUNG)

    def _give_up_growth(self, token: int, growing: growth.Growth | None, answer: Staged) -> Staged:
        if growing is None or growing.give_up():
            return answer
        self._growing[token] = growing
        return answer._replace(unfinished=True)

    def _open_stage(self, job: StageJob) -> _Stage:
        hasher = blake3()
        try:
            writer = self._disk.create(job.name)
            return _Stage(writer, hasher, 0, 0)
        except DiskError as error:
            if error.trouble != Trouble.EXISTS:
                raise
        writer = self._disk.reopen(job.name)
        try:
            length = writer.stat().size
            if not job.digest or length > job.size:
                writer.truncate(0)
                length = 0
            offset = 0
            while offset < length:
                piece = writer.read(offset, min(limits.MIB, length - offset))
                hasher.update(piece)
                offset += len(piece)
                if self._stopping():
                    raise Stopped
        except BaseException:
            writer.close()
            raise
        return _Stage(writer, hasher, length, length)

    def _close_stage(self, token: int) -> None:
        stage = self._stages.pop(token, None)
        if stage is not None:
            stage.writer.close()

    def _patch(self, job: PatchJob) -> Staged:
        out: Writer | None = None
        base: Reader | None = None
        steps: Reader | None = None
        try:
            try:
                base = self._disk.open(job.base_path)
            except DiskError as error:
                if error.trouble not in _NO_SUCH_NAME:
                    raise
                return Staged(job.token, 0, False, "the base has changed", base_changed=True)
            if job.base_fp and fingerprint(base.stat()) != job.base_fp:
                return Staged(job.token, 0, False, "the base has changed", base_changed=True)
            steps = self._disk.open(job.delta_name)
            self._discard((job.name,))
            out = self._disk.create(job.name)
            out.must_fit(job.size)
            librsync.apply_delta(steps, base, out, job.size)
            out.start_flush(0, job.size)
            digest, whole = scanner.digest_of(out, job.size, self._stopping)
            if not whole or digest != job.digest:
                if job.base_fp and fingerprint(base.stat()) != job.base_fp:
                    self._discard((job.name,))
                    return Staged(job.token, 0, False, "the base has changed", base_changed=True)
                raise librsync.DeltaError("the patched file is not what was announced")
            return Staged(job.token, job.size, True)
        except librsync.DeltaError as error:
            self._discard((job.name,))
            return Staged(job.token, 0, False, str(error))
        except DiskError as error:
            self._discard((job.name,))
            full, too_large = error.trouble == Trouble.FULL, error.trouble == Trouble.TOO_LARGE
            return Staged(job.token, 0, False, str(error), True, full=full, too_large=too_large)
        finally:
            for handle in (base, steps, out):
                if handle is not None:
                    handle.close()
            self._discard((job.delta_name,))

    def _sweep(self, keep: frozenset[bytes]) -> None:
        try:
            names = [STAGING + b"/" + name for name, _ in self._disk.list(STAGING) or [] if name.startswith(b"part-")]
        except DiskError:
            return
        self._discard(tuple(name for name in names if name not in keep))

    def _discard(self, names: tuple[bytes, ...]) -> None:
        for name in names:
            try:
                self._disk.remove_file(name)
            except DiskError:
                pass  # gone already, or cleared at the next start

    def _clear(self, staged: bytes | None, name: bytes, inode: int) -> None:
        """What was made ready and not installed gets its name `staged` again, if it is of use. If it is anything but what
        we made, it may be a user's: it stays, and the next start files it away."""
        try:
            stat = self._disk.stat(name)
            if stat is None or stat.inode != inode:
                return
            if staged is not None:
                self._disk.set_meta(name, 0o600, None)  # or we could not open it again, if nobody may write into it
                self._disk.rename(name, staged)  # the bytes need not travel again
            elif stat.kind == Kind.DIRECTORY:
                self._disk.remove_directory(name)
            else:
                self._disk.remove_file(name)
        except DiskError:
            pass  # gone already, or cleared at the next start

    # --- changing the tree -------------------------------------------------------------------------------------------

    def _apply(self, items: tuple[ApplyItem, ...]) -> Applied:
        results: dict[int, ApplyResult] = {}
        staged: dict[int, tuple[bytes, Stat]] = {}
        unsynced: list[Writer] = []
        together = len(items) >= SYNC_ALL_FROM
        self._refuse_what_has_no_room(items, results)
        new = [n for n, item in enumerate(items) if n not in results and is_new_file(item)] if together else []
        self._stage_new(items, new, staged, results)
        try:
            for number, item in enumerate(items):
                if number in staged or number in results:
                    continue
                try:
                    ready = self._make_ready(item, unsynced, together)
                    if ready is not None:
                        staged[number] = ready
                except (DiskError, _Missing, _Unexpected) as error:
                    results[number] = self._failed(item, error)
            synced = self._sync_files(items, unsynced, staged, results, together)
        finally:
            for writer in unsynced:
                writer.close()
        folders: dict[bytes, None] = {}
        self._name_new(items, new, staged, results, folders)
        for number, item in enumerate(items):
            if number in results:
                continue
            try:
                results[number] = self._change(item, staged.get(number), folders)
                if results[number].result == Result.DONE:
                    staged.pop(number, None)
            except (DiskError, _Missing, _Unexpected) as error:
                results[number] = self._failed(item, error)
        self._sync_folders(folders, items, results)
        for number, (name, made) in staged.items():
            self._clear(items[number].staged if synced else None, name, made.inode)
        return Applied(tuple(results[number] for number in range(len(items))))

    def _refuse_what_has_no_room(self, items: tuple[ApplyItem, ...], results: dict[int, ApplyResult]) -> None:
        """The last of a disk is for the index: without it nothing can be noted, and so nothing be done."""
        if not any(item.data for item in items):
            return
        try:
            room = self._disk.free_bytes()
        except DiskError:
            return  # what is tried will tell
        for number, item in enumerate(items):
            size = len(item.data or b"")
            if size > room:
                results[number] = self._failed(item, DiskError(Trouble.FULL, item.path))
            else:
                room -= size

    def _stage_new(
        self,
        items: tuple[ApplyItem, ...],
        new: list[int],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
    ) -> None:
        """The many new files of a batch, complete and verified in the staging folder."""
        files = []
        for number in new:
            _, _, target, _, _, data, *_ = items[number]
            name = b"new-%s-%d" % (self._prefix, next(self._numbers))
            if data is None or len(data) != target.size or blake3(data).digest() != target.content:
                results[number] = ApplyResult(target.path, Result.MISSING)
            else:
                files.append((number, _new(NewFile, (name, data, target.mode, target.mtime))))
        made = self._disk.create_many(STAGING, [file for _, file in files])
        for (number, file), ready in zip(files, made, strict=True):
            if isinstance(ready, DiskError):
                results[number] = self._failed(items[number], ready)
            else:
                staged[number] = (STAGING + b"/" + file.name, ready)

    def _name_new(
        self,
        items: tuple[ApplyItem, ...],
        new: list[int],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
        folders: dict[bytes, None],
    ) -> None:
        """The new files of a batch take their names; none of these replaces anything."""
        ready = [number for number in new if number in staged and number not in results]
        together: dict[bytes, list[bytes]] = {}
        for number in ready:
            together.setdefault(parent_of(items[number].path), []).append(staged[number][0])
        for folder, names in together.items():
            self._disk.inherit(folder, names)
        moved = self._disk.rename_many([(staged[number][0], items[number].path) for number in ready])
        rounded = self._disk.grain_ns
        for number, stat in zip(ready, moved, strict=True):
            path = items[number].path
            if isinstance(stat, DiskError):
                results[number] = self._failed(items[number], stat)
                continue
            _, made = staged.pop(number)
            if not rounded and stat is not None and stat[:3] == made[:3] and stat[4:] == made[4:]:
                fp = fingerprint(stat)  # nobody has touched it
            else:
                fp = self._fp_of_new(stat, made)
            results[number] = _new(ApplyResult, (path, Result.DONE, fp, None, "", False, False))
            folders[parent_of(path)] = None

    def _failed(self, item: ApplyItem, error: Exception) -> ApplyResult:
        if isinstance(error, DiskError):
            if error.trouble in (Trouble.NAME, Trouble.TOO_LARGE):
                too_large = error.trouble == Trouble.TOO_LARGE
                return ApplyResult(item.path, Result.IMPOSSIBLE, problem=str(error), too_large=too_large)
            if error.trouble == Trouble.BOUNDARY:
                return ApplyResult(item.path, Result.REFUSED, problem=str(error))
            if error.trouble in (Trouble.EXISTS, Trouble.NOT_EMPTY, Trouble.WRONG_TYPE, Trouble.ABSENT):
                return ApplyResult(item.path, Result.CHANGED)
            return _problem(item.path, error)
        if isinstance(error, _Missing):
            return ApplyResult(item.path, Result.MISSING)
        return ApplyResult(item.path, Result.CHANGED)

    def _make_ready(self, item: ApplyItem, unsynced: list[Writer], together: bool) -> tuple[bytes, Stat] | None:
        """What will take the name, complete and verified in the staging folder; None if nothing is needed there.

        `together`: one syncfs will follow for all."""
        if item.act != Act.INSTALL:
            return None
        target = item.target
        if target.kind == Kind.DIRECTORY and not item.expect:
            return None  # made in place: a new folder is complete at once
        name = STAGING + b"/new-%s-%d" % (self._prefix, next(self._numbers))
        if item.staged is not None:
            try:
                writer = self._disk.reopen(item.staged)
            except DiskError as error:
                if error.trouble in _NO_SUCH_NAME:
                    raise _Missing from error
                raise
            try:
                writer.set_meta(target.mode, target.mtime)
                ready = writer.stat()
                self._disk.rename(item.staged, name)
            except DiskError:
                writer.close()  # it stays as it is, and is not synced either (see `_sync_files`)
                raise
            unsynced.append(writer)
            return name, ready
        if item.data is not None and target.kind == Kind.FILE:
            if len(item.data) != target.size or blake3(item.data).digest() != target.content:
                raise _Missing
            return name, self._disk.create_whole(name, item.data, target.mode, target.mtime, not together)
        if target.kind == Kind.FILE:
            writer = self._disk.create(name)
            unsynced.append(writer)
            try:
                self._copy(item, writer)
                writer.set_meta(target.mode, target.mtime)
                return name, writer.stat()
            except (DiskError, _Missing):
                self._discard((name,))
                raise
        if target.kind == Kind.DIRECTORY:
            self._disk.make_directory(name, target.mode)
        else:
            self._disk.make_link(name, target.content)
            try:
                self._disk.set_meta(name, None, target.mtime)
            except DiskError:
                self._discard((name,))
                raise
        made = self._disk.stat(name)
        if made is None:
            raise _Missing
        return name, made

    def _copy(self, item: ApplyItem, writer: Writer) -> None:
        """The content of a file of ours that is said to have it, verified."""
        target = item.target
        assert item.copy_path is not None
        try:
            reader = self._disk.open(item.copy_path)
        except DiskError as error:
            raise _Missing from error
        try:
            if item.copy_fp and fingerprint(reader.stat()) != item.copy_fp[:FINGERPRINT_BYTES]:
                raise _Missing
            if writer.copy_from(reader, 0, 0, target.size) != target.size:
                raise _Missing
        finally:
            reader.close()
        if scanner.digest_of(writer, target.size, self._stopping) != (target.content, True):
            raise _Missing

    def _sync_files(
        self,
        items: tuple[ApplyItem, ...],
        unsynced: list[Writer],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
        together: bool,
    ) -> bool:
        """Contents reach the medium before they get their names. False: they did not, and nothing makes up for it: another
        sync may say that all is well, since what could not be written counts as clean."""
        try:
            if together:
                if staged:
                    self._disk.sync_all()
            else:
                for writer in unsynced:
                    writer.sync()
        except DiskError as error:
            for number in staged:
                results[number] = _problem(items[number].path, error)
            return False
        return True

    def _sync_folders(
        self, folders: dict[bytes, None], items: tuple[ApplyItem, ...], results: dict[int, ApplyResult]
    ) -> None:
        """Names reach the medium before anyone is told."""
        try:
            if len(folders) >= SYNC_ALL_FROM:
                self._disk.sync_all()
            else:
                for folder in folders:
                    try:
                        self._disk.sync_directory(folder)
                    except DiskError as error:
                        if error.trouble not in (Trouble.ABSENT, Trouble.BOUNDARY, Trouble.WRONG_TYPE):
                            raise  # else it is a folder no more, and holds no names of ours
        except DiskError as error:
            for number, item in enumerate(items):
                if results[number].result == Result.DONE:
                    results[number] = ApplyResult(item.path, Result.PROBLEM, problem=str(error))

    def _change(self, item: ApplyItem, staged: tuple[bytes, Stat] | None, folders: dict[bytes, None]) -> ApplyResult:
        match item.act:
            case Act.INSTALL:
                result = self._install(item, staged)
                if item.staged is not None and item.target.kind is Kind.FILE:
                    self._unsigned.hold(item.path, result.fp, item.target.content, item.target.size)
            case Act.REMOVE:
                result = self._remove(item)
            case Act.MOVE:
                result = self._move(item)
                assert item.copy_path is not None
                folders[parent_of(item.copy_path)] = None
            case Act.META:
                result = self._set_meta(item)
        folders[parent_of(item.path)] = None
        if result.version is not None:
            folders[parent_of(result.version.name)] = None
        return result

    def _expected(self, path: bytes, expect: bytes) -> Stat | None:
        """The stat of what is there now, known to be what was expected (None: nothing, as expected)."""
        stat = self._disk.stat(path)
        if (b"" if stat is None else fingerprint(stat)) != expect[:FINGERPRINT_BYTES]:
            raise _Unexpected
        return stat

    def _install(self, item: ApplyItem, made: tuple[bytes, Stat] | None) -> ApplyResult:
        path, target = item.path, item.target
        if not item.expect:  # neither of these replaces anything
            if made is None:
                self._disk.make_directory(path, target.mode)
                return ApplyResult(path, Result.DONE, self._fp_of(path))
            self._disk.inherit(parent_of(path), (made[0],))
            self._disk.rename(made[0], path)
            return ApplyResult(path, Result.DONE, self._fp_after_rename(path, made[1]))
        there = self._expected(path, item.expect)
        if made is None or there is None:
            raise _Unexpected
        staged, ready = made
        if there.kind == Kind.FILE and ready.kind == Kind.FILE:
            self._disk.keep_attributes(path, staged)
        else:
            self._disk.inherit(parent_of(path), (staged,))
        # From now on this name may hold the user's bytes: its prefix tells the next start (see `recover`).
        swap = STAGING + b"/swap-%s-%d" % (self._prefix, next(self._numbers))
        self._disk.rename(staged, swap)
        was_seen = False
        try:
            self._exchange(path, swap, there)
            was_seen = True
            version = self._take_out(item, swap, there, ready)
        except (DiskError, _Unexpected):
            out = self._disk.stat(swap)
            if out is not None and out.inode == ready.inode:
                if was_seen and ready.kind == Kind.FILE and not self._is_still(swap, out, target.content):
                    self._file_away(swap, out, path, b"", Why.RECOVERED, "")
                else:
                    self._disk.rename(swap, staged)
            raise
        return ApplyResult(path, Result.DONE, self._fp_after_rename(path, ready), version)

    def _exchange(self, path: bytes, swap: bytes, there: Stat) -> None:
        """What is ready takes the name of what is there. The order of the names matters to programs that watch the folder:
        the last that they hear of `path` is that it is there."""
        if there.kind == Kind.DIRECTORY and self._disk.list(path) != []:
            raise _Unexpected  # it could only be put back
        self._disk.exchange(path, swap)

    def _take_out(self, item: ApplyItem, swap: bytes, there: Stat, ready: Stat) -> Version | None:
        """What came out of an exchange, if it is what was expected, goes to the history; if not, it is put back."""
        path = item.path
        displaced = self._disk.stat(swap)
        if displaced is None or not _same_inode(displaced, there):
            self._put_back(swap, path, ready)
            self._sync_names(path)
            raise _Unexpected
        try:
            if item.why == Why.REPLACED and self._is_beginning(swap, displaced, path, ready):
                self._disk.remove_file(swap)
                return None
            if displaced.kind != Kind.DIRECTORY:
                return self._file_away(swap, displaced, path, b"", item.why, item.target.stamp.node)
            self._disk.remove_directory(swap)
        except DiskError as error:
            out = self._disk.stat(swap)
            if out is not None and out.inode == displaced.inode:
                self._put_back(swap, path, ready)
                self._sync_names(path)
            if displaced.kind != Kind.DIRECTORY:
                raise
            raise _Unexpected from error
        return None

    def _is_beginning(self, name: bytes, displaced: Stat, path: bytes, ready: Stat) -> bool:
        """True if what was displaced is the beginning of what took its place, so that nothing is lost with it, and nobody can
        write into it any more."""
        if not displaced.kind == ready.kind == Kind.FILE or not 0 < displaced.size < ready.size:
            return False
        if not self._disk.is_closed(name):
            return False
        try:
            before = self._disk.open(name)
            try:
                after = self._disk.open(path)
                try:
                    return _begins_with(after, before, displaced.size, self._stopping)
                finally:
                    after.close()
            finally:
                before.close()
        except DiskError:
            return False

    def _is_still(self, name: bytes, stat: Stat, digest: bytes) -> bool:
        """False if someone wrote into it while it had a name in the tree: maybe without a change of size, and within one
        tick of the clock, so that its times do not tell."""
        try:
            return self._digest_of(name, stat) == digest
        except DiskError:
            return False

    def _put_back(self, staged: bytes, path: bytes, ours: Stat) -> None:
        """Undo an exchange that brought out something nobody has seen. Whoever replaces the name meanwhile is put back in
        turn, until what comes out is ours. Trouble that passes is waited out, if it passes at once."""
        given: set[int] = set()
        troubles = 0
        for _ in range(100):
            held = self._disk.stat(staged)
            try:
                self._disk.exchange(path, staged)
            except DiskError as error:
                if error.trouble not in _NO_SUCH_NAME:
                    troubles += 1
                    if troubles > _PUT_BACK_TRIES:
                        raise
                    continue
                try:
                    self._disk.rename(staged, path)  # the user removed ours: what we hold is the latest there was
                except DiskError as taken:
                    if taken.trouble in _NO_SUCH_NAME:
                        break  # its folder went as well
                    if taken.trouble != Trouble.EXISTS:
                        raise
                    continue
                return
            out = self._disk.stat(staged)
            if out is not None and out.inode == ours.inode:
                return
            if out is None or out.inode in given:
                break  # known here: ours was replaced, and is no more
            if held is not None:
                given.add(held.inode)
        stat = self._disk.stat(staged)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            there = self._disk.stat(path)
            if there is not None and there.kind != Kind.DIRECTORY:
                self._disk.exchange(path, staged)  # there is no history for folders: it gets the name
        self._keep_what_came_out(staged, path)

    def _keep_what_came_out(self, name: bytes, path: bytes) -> None:
        """It cannot have its name `path` again: a folder gets another one, the rest is in the history."""
        stat = self._disk.stat(name)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            self._return_folder(name, path)
        elif stat is not None:
            self._file_away(name, stat, path, b"", Why.RECOVERED, "")

    def _return_folder(self, name: bytes, path: bytes) -> None:
        """A folder of a user whose name has been taken, or whose own folder is gone: it gets another name in the tree."""
        try:
            self._disk.remove_directory(name)
        except DiskError as error:
            if error.trouble != Trouble.NOT_EMPTY:
                raise
        else:
            return
        folder, base = parent_of(path), path.rpartition(b"/")[2][: limits.PART_BYTES_MAX - 20]
        number = 0
        while True:
            number += 1
            other = (folder + b"/" if folder else b"") + base + b".recovered-%d" % number
            try:
                self._disk.rename(name, other)
            except DiskError as taken:
                if taken.trouble in _NO_SUCH_NAME and folder:
                    folder, number = b"", 0
                elif taken.trouble != Trouble.EXISTS:
                    raise
            else:
                return

    def _sync_names(self, path: bytes) -> None:
        """What a user had on the medium and we gave back is there again, under its name, before anybody is told of it."""
        for folder in (parent_of(path), STAGING):
            try:
                self._disk.sync_directory(folder)
            except DiskError:
                pass  # then its name may be lost with the power; what it held is in the staging folder

    def _remove(self, item: ApplyItem) -> ApplyResult:
        path = item.path
        there = self._expected(path, item.expect)
        if there is None:
            return ApplyResult(path, Result.DONE, b"")
        if there.kind == Kind.DIRECTORY:
            self._disk.remove_directory(path)
            return ApplyResult(path, Result.DONE, b"")
        name = STAGING + b"/old-%s-%d" % (self._prefix, next(self._numbers))
        self._disk.rename(path, name)
        displaced = self._disk.stat(name)
        if displaced is None or not _same_inode(displaced, there):
            self._return_name(name, path)
            raise _Unexpected
        try:
            version = self._file_away(name, displaced, path, b"", item.why, item.target.stamp.node)
        except DiskError:
            if self._disk.stat(name) is not None:
                self._return_name(name, path)
            raise
        return ApplyResult(path, Result.DONE, b"", version)

    def _return_name(self, name: bytes, path: bytes) -> None:
        """Undo a rename that took something nobody has seen."""
        try:
            self._disk.rename(name, path)
            self._sync_names(path)
        except DiskError as error:
            if error.trouble != Trouble.EXISTS and error.trouble not in _NO_SUCH_NAME:
                raise
            self._keep_what_came_out(name, path)

    def _move(self, item: ApplyItem) -> ApplyResult:
        path, source, target = item.path, item.copy_path, item.target
        assert source is not None
        there = self._expected(path, item.expect)
        moving = self._disk.stat(source)
        if moving is None or not _is_still_as(fingerprint(moving), item.copy_fp[:FINGERPRINT_BYTES], source):
            raise _Missing
        is_meant = (moving.mode, moving.mtime) == (target.mode, target.mtime)
        is_others = not is_meant and self._disk.is_only_replaceable(source)
        if is_others and source.startswith(HISTORY + b"/"):
            result = self._put_ours(item, source)
            self._disk.remove_file(source)
            return result
        if is_others and there is not None:
            raise _Missing  # it would take two steps that each displace something: the content comes another way
        version = None
        if there is None:
            self._give_name(source, path, moving)
        else:
            swap = STAGING + b"/swap-%s-%d" % (self._prefix, next(self._numbers))
            self._disk.rename(source, swap)
            came = self._disk.stat(swap)
            if came is None or not _same_inode(came, moving):
                self._return_name(swap, source)
                raise _Unexpected
            try:
                self._exchange(path, swap, there)
                version = self._take_out(item, swap, there, moving)
            except (DiskError, _Unexpected):
                out = self._disk.stat(swap)
                if out is not None and out.inode == moving.inode:
                    self._return_name(swap, source)
                raise
        moved = self._disk.stat(path)
        if moved is None or not _same_inode(moved, moving):
            if there is None:
                self._return_name(path, source)
                raise _Unexpected
            return ApplyResult(path, Result.CHANGED, b"", version)
        if is_others:
            return self._put_ours(item._replace(expect=fingerprint(moved)), path)
        if not is_meant:
            try:
                self._disk.set_meta(path, target.mode, target.mtime)
            except DiskError as error:
                if there is None:
                    self._return_name(path, source)  # else it would be taken for what a user has put here
                    raise
                return _problem(path, error)._replace(version=version)
            moved = self._disk.stat(path)
            if moved is None or moved.inode != moving.inode or moved.size != moving.size:
                return ApplyResult(path, Result.CHANGED, b"", version)
            if not self._has_meta(moved, target.mode, target.mtime):
                return ApplyResult(path, Result.CHANGED, b"", version)
        return ApplyResult(path, Result.DONE, self._aged(moved), version)

    def _give_name(self, source: bytes, path: bytes, moving: Stat) -> None:
        """Rename; by way of the staging folder to another spelling of the same name, where the disk takes the two for one."""
        try:
            self._disk.rename(source, path)
            return
        except DiskError as error:
            if error.trouble is not Trouble.EXISTS or self._disk.spelled(path) != source:
                raise
        swap = STAGING + b"/swap-%s-%d" % (self._prefix, next(self._numbers))
        self._disk.rename(source, swap)
        came = self._disk.stat(swap)
        try:
            if came is None or not _same_inode(came, moving):
                raise _Unexpected
            self._disk.rename(swap, path)
        except (DiskError, _Unexpected):
            self._return_name(swap, source)
            raise

    def _set_meta(self, item: ApplyItem) -> ApplyResult:
        path, target = item.path, item.target
        there = self._expected(path, item.expect)
        if there is None:
            raise _Unexpected
        if there.kind == Kind.DIRECTORY:
            self._disk.set_meta(path, item.mode, item.mtime)
            now = self._disk.stat(path)
            if now is None or now.inode != there.inode or not self._has_meta(now, item.mode, None):
                raise _Unexpected  # another folder, whose names nobody has listed, is not this one with a new mode
            return ApplyResult(path, Result.DONE, fingerprint(now))
        mode = None if there.kind == Kind.SYMLINK else target.mode
        try:
            self._disk.set_meta(path, mode, target.mtime)
        except DiskError as error:
            if error.trouble != Trouble.DENIED or not self._disk.is_only_replaceable(path):
                raise
            return self._put_ours(item, path)
        now = self._disk.stat(path)
        if now is None or now.inode != there.inode or now.size != there.size:
            raise _Unexpected
        if not self._has_meta(now, mode, target.mtime):
            raise _Unexpected
        # A write between the look and the new mtime would not show any more: the content has to be read again.
        return ApplyResult(path, Result.DONE, fingerprint(now) + scanner.YOUNG)

    def _put_ours(self, item: ApplyItem, source: bytes) -> ApplyResult:
        """The content of another user's file, as one of ours with the mode and mtime that are wanted."""
        unsynced: list[Writer] = []
        copy = item._replace(act=Act.INSTALL, copy_path=source, copy_fp=b"")  # its content is compared, whole
        made = self._make_ready(copy, unsynced, False)
        try:
            for writer in unsynced:
                writer.sync()
            return self._install(copy, made)
        except BaseException:
            if made is not None:
                self._clear(None, made[0], made[1].inode)
            raise
        finally:
            for writer in unsynced:
                writer.close()

    def _has_meta(self, now: Stat, mode: int | None, mtime: int | None) -> bool:
        """True if mode and mtime are what they have just been set to, as far as this file system can hold them. What it
        makes of them is tried on a file of ours; if that gets something else, a user has changed them since."""

        def is_as(mode: int | None, mtime: int | None) -> bool:
            return mode in (None, now.mode) and mtime in (None, now.mtime)

        if is_as(mode, mtime):
            return True
        name = STAGING + b"/new-%s-%d" % (self._prefix, next(self._numbers))
        match now.kind:
            case Kind.FILE:
                self._disk.create(name).close()
            case Kind.DIRECTORY:
                self._disk.make_directory(name, 0o700)
            case _:
                self._disk.make_link(name, b"x")
        try:
            self._disk.set_meta(name, mode, mtime)
            tried = self._disk.stat(name)
        finally:
            if now.kind == Kind.DIRECTORY:
                self._disk.remove_directory(name)
            else:
                self._disk.remove_file(name)
        return tried is not None and is_as(None if mode is None else tried.mode, None if mtime is None else tried.mtime)

    def _fp_of(self, path: bytes) -> bytes:
        stat = self._disk.stat(path)
        if stat is None:
            raise _Unexpected
        return fingerprint(stat)

    def _fp_after_rename(self, path: bytes, ready: Stat) -> bytes:
        """The fingerprint of what we just put there; of what we made ready, if someone has touched it since (which
        the next look will see, because it differs)."""
        return self._fp_of_new(self._disk.stat(path), ready)

    def _fp_of_new(self, stat: Stat | None, ready: Stat) -> bytes:
        if stat is None or not _same_inode(stat, ready) or stat.mode != ready.mode:
            return fingerprint(ready)
        return self._aged(stat)

    def _aged(self, stat: Stat) -> bytes:
        """The fingerprint of a file that has just got its name and its mtime. Where times are rounded, someone who writes
        into it within the same grain leaves the same times behind: then the content has to be read again. Where they are
        rounded to seconds there is time enough to copy an old time with it, too."""
        grain = self._disk.grain_ns
        if not grain:
            return fingerprint(stat)
        since = stat.mtime if grain < _COARSE_NS else stat.ctime
        young = (grain >= _COARSE_NS or not stat.mtime % grain) and abs(self._now_ns() - since) < 2 * grain
        return fingerprint(stat) + scanner.YOUNG if young and stat.kind == Kind.FILE else fingerprint(stat)

    def _file_away(self, name: bytes, stat: Stat, path: bytes, digest: bytes, why: Why, node: str) -> Version:
        """Rename something displaced into the history: the inode itself, so that a program that still has it open goes on
        writing there and not into the void. With other hard links it is copied: their writes would go on changing it.
        A disk that is too full for the day's folder has room for a name: what is removed is maybe what makes room."""
        now = self._now_ns()
        day, clock = _calendar(now)
        folder = HISTORY + b"/" + day
        place = folder + b"/"
        base = path.rpartition(b"/")[2][-120:]
        for number in itertools.count():
            kept = place + b"%s-%s-%d-%s" % (clock, why.value.encode(), number, base)
            try:
                if stat.kind == Kind.FILE and stat.links > 1:
                    if not self._copy_out(name, kept, stat):
                        why = Why.RECOVERED  # it is not what was replaced: its user went on, under another name of it
                else:
                    self._disk.rename(name, kept)
                break
            except DiskError as error:
                if error.trouble == Trouble.ABSENT and self._disk.stat(name) is not None and number < _PUT_BACK_TRIES:
                    try:
                        self._make_folder(folder)  # unless another thread has just made it
                    except DiskError as no_folder:
                        if no_folder.trouble != Trouble.FULL:
                            raise
                        place = folder + b"-"
                elif error.trouble != Trouble.EXISTS:
                    raise
        content = digest
        if stat.kind == Kind.SYMLINK:
            content = self._disk.read_link(kept)
        return Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, now, why, node)

    def _recheck(self, versions: tuple[Version, ...], closely: bool) -> Rechecked:
        """What versions are now: somebody who had one open when it was displaced may have gone on writing into it."""
        there: list[Version] = []
        gone: list[bytes] = []
        for version in versions:
            try:
                stat = self._disk.stat(version.name)
                if stat is None or stat.kind != version.kind:
                    gone.append(version.name)
                elif stat.kind == Kind.FILE and (closely or (stat.size, stat.mtime) != (version.size, version.mtime)):
                    digest = self._digest_of(version.name, stat)
                    there.append(version._replace(size=stat.size, mtime=stat.mtime, content=digest))
            except DiskError:
                continue  # another time
        return Rechecked(tuple(there), tuple(gone))

    def _prune(self, names: tuple[bytes, ...], young: frozenset[bytes]) -> Pruned:
        """Versions leave the history, and a day's folder with its last one."""
        gone: list[bytes] = []
        days: dict[bytes, None] = {}
        for name in names:
            try:
                there = self._disk.stat(name) if name in young else None
                if there is not None and there.kind == Kind.FILE and not self._disk.is_closed(name):
                    continue  # what is written there would be lost
                self._disk.remove_file(name)
            except DiskError as error:
                if error.trouble != Trouble.ABSENT:
                    continue  # another time
            gone.append(name)
            days[parent_of(name)] = None
        days.pop(HISTORY, None)
        for day in days:
            try:
                self._disk.remove_directory(day)
            except DiskError:
                pass  # there are others of that day
        return Pruned(tuple(gone))

    def _make_folder(self, folder: bytes) -> None:
        try:
            self._disk.make_directory(folder, 0o700)
            self._disk.sync_directory(parent_of(folder))
        except DiskError as error:
            if error.trouble != Trouble.EXISTS:
                raise

    def _copy_out(self, name: bytes, kept: bytes, stat: Stat) -> bool:
        """False if somebody wrote into it meanwhile. Whoever dies here leaves no half of a copy in the history."""
        made = STAGING + b"/new-%s-%d" % (self._prefix, next(self._numbers))
        writer = self._disk.create(made)
        try:
            try:
                reader = self._disk.open(name)
                try:
                    writer.copy_from(reader, 0, 0, stat.size)
                    now = reader.stat()
                finally:
                    reader.close()
                writer.set_meta(stat.mode, stat.mtime)
                writer.sync()
            finally:
                writer.close()
            self._disk.rename(made, kept)
        except DiskError:
            self._discard((made,))
            raise
        self._disk.remove_file(name)
        return now.size == stat.size and now.mtime == stat.mtime


def _problem(path: bytes, error: DiskError) -> ApplyResult:
    return ApplyResult(path, Result.PROBLEM, problem=str(error), full=error.trouble == Trouble.FULL)


def is_new_file(item: ApplyItem) -> bool:
    """True for a file that came with its content and replaces nothing."""
    return item.data is not None and not item.expect and item.act is Act.INSTALL and item.target.kind is Kind.FILE


def _is_still_as(now: bytes, known: bytes, name: bytes) -> bool:
    """True if a file is as its fingerprint says. What went to the history since has got another ctime by that."""
    if name.startswith(HISTORY + b"/"):
        return now[:-CTIME_BYTES] == known[:-CTIME_BYTES]
    return now == known


def _same_inode(out: Stat, there: Stat) -> bool:
    """True if what came out is what was looked at, untouched but for its name (which changes ctime)."""
    return (
        out.inode == there.inode
        and out.kind == there.kind
        and (out.kind == Kind.DIRECTORY or (out.size == there.size and out.mtime == there.mtime))
    )


def _begins_with(after: Reader, before: Reader, size: int, stopping: Callable[[], bool]) -> bool:
    for offset in range(0, size, limits.MIB):
        length = min(limits.MIB, size - offset)
        piece = before.read(offset, length)
        if len(piece) != length or after.read(offset, length) != piece or stopping():
            return False
    return before.stat().size == size


def _is_as_known(reader: Reader, item: ReadItem) -> bool:
    if item.kept is not None:
        stat = reader.stat()
        return (stat.size, stat.mtime) == item.kept
    if not item.fp:
        return True
    stat = reader.stat()
    if item.grows and stat.inode == inode_of(item.fp) and stat.size >= size_of(item.fp):
        return True
    return fingerprint(stat) == item.fp[:FINGERPRINT_BYTES]


def _calendar(now_ns: int) -> tuple[bytes, bytes]:
    """UTC day and time of day, for names that people can sort and read."""
    seconds, fraction = divmod(now_ns, 1_000_000_000)
    moment = _time.gmtime(seconds)
    day = _time.strftime("%Y-%m-%d", moment).encode()
    return day, _time.strftime("%H%M%S", moment).encode() + b".%06d" % (fraction // 1000)
