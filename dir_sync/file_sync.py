"""FileSync: hands each job of one folder to the module that does it.

In:   one job at a time (dir_sync.core.jobs), on a disk worker's thread.
Out:  one event with the result.
Rule: this module only dispatches; `dir_sync.files` works on files, and holds the rules.
Used by: daemon, history.recovering, history.restorer, history.verify_here.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.events import Event
from dir_sync.core.jobs import (
    ApplyJob,
    DeltaJob,
    DiscardJob,
    Job,
    ListJob,
    LookJob,
    PatchJob,
    PruneJob,
    ReadJob,
    RecheckJob,
    SignJob,
    StageJob,
    SweepJob,
    Version,
)
from dir_sync.core.names import HISTORY, STAGING, STATE
from dir_sync.core.text_jobs import KeepTextsJob, MergeJob
from dir_sync.core.verify import VerifyJob
from dir_sync.files import scanner, texts
from dir_sync.files.appends import Appends
from dir_sync.files.batches import SYNC_ALL_FROM, Batches, is_new_file
from dir_sync.files.deltas import Deltas
from dir_sync.files.downloads import Downloads
from dir_sync.files.fingerprints import Fingerprints
from dir_sync.files.growth_undo import GrowthUndo
from dir_sync.files.hashing import Stopped
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.install import Installer
from dir_sync.files.kept import Keeper
from dir_sync.files.metadata import Metadata
from dir_sync.files.move import Mover
from dir_sync.files.patch import patch
from dir_sync.files.prepare import Preparer
from dir_sync.files.put_back import PutBack
from dir_sync.files.reading import read
from dir_sync.files.recovery import Recovery
from dir_sync.files.replace import Replacer
from dir_sync.files.rereads import Rereads
from dir_sync.files.staging import Staging
from dir_sync.files.unsigned import Unsigned
from dir_sync.ports import Disk, Signatures, Watch

__all__ = ["SYNC_ALL_FROM", "FileSync", "Stopped", "is_new_file"]


class FileSync:
    """Performs the jobs of one folder. Jobs of different paths and tokens may run on several threads at once.

    It has more fields than a class should have: one object for each kind of job, and what several of them need.
    Fields: the disk, the watcher, the clock, the function that tells whether the program ends; then one object for each
    kind of job."""

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
        self._now_ns = now_ns
        self._stopping = stopping
        staging = self._staging = Staging(disk, prefix.encode())
        unsigned = self._unsigned = Unsigned(disk, signatures, now_ns, stopping)
        history = self._history = HistoryStore(disk, staging, now_ns, stopping)
        put_back = PutBack(disk, history)
        self._downloads = Downloads(disk, staging, stopping)
        self._deltas = Deltas(disk, staging, signatures, unsigned, stopping)
        fingerprints = Fingerprints(disk, now_ns)
        keeper = self._keeper = Keeper(disk, staging)
        preparer = Preparer(disk, staging, stopping)
        replacer = Replacer(disk, history, put_back, stopping)
        installer = Installer(disk, staging, fingerprints, history, put_back, replacer, keeper, stopping)
        meta = Metadata(disk, staging, replacer, preparer, installer, keeper)
        self._appends = Appends(disk, staging, unsigned, meta, stopping)
        self._growths = GrowthUndo(disk, self._appends.files, stopping)
        self._recovery = Recovery(disk, staging, history, put_back, self._growths, stopping)
        mover = Mover(disk, staging, fingerprints, put_back, replacer, meta, keeper, history, stopping)
        self._rereads = Rereads(disk, stopping)
        self._batches = Batches(
            disk, staging, fingerprints, preparer, installer, mover, meta, history, unsigned, keeper
        )

    def prepare(self) -> list[bytes]:
        """Make our folders. Returns the names that an earlier run left in the staging folder."""
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
        file_at: Callable[[bytes], tuple[bytes, bytes]] = lambda path: (b"", b""),
    ) -> list[Version]:
        """Clear what an earlier run left in the staging folder: see `Recovery.recover`."""
        return self._recovery.recover(names, known, path_of, file_at)

    def unlisted(
        self, is_listed: Callable[[bytes], bool], path_of: Callable[[bytes, bytes], bytes | None]
    ) -> list[Version]:
        """Versions in the history that the index does not list: see `HistoryStore.unlisted`."""
        return self._history.unlisted(is_listed, path_of)

    def perform(
        self, job: Job, is_given_up: Callable[[], bool] = lambda: False, may_name: Callable[[], None] = lambda: None
    ) -> Event | None:
        """Perform one job. Whatever the disk does, the answer is an event. Raises Stopped when the program ends.
        `is_given_up`: the peer that asked for the result has disconnected. `may_name`: called before an ApplyJob changes
        anything in the tree; see `Batches.apply`."""
        self._unsigned.release_old()
        match job:
            case ListJob():
                self._growths.try_again()
                with self._disk.batch():
                    return scanner.list_folders(
                        self._disk, self._watch, job, self._now_ns, self._appends.files, self._keeper
                    )
            case LookJob(items):
                self._growths.try_again()
                with self._disk.batch():
                    closer, growing = self._deltas.look_closer, self._appends.files
                    return scanner.look(self._disk, items, self._now_ns, self._stopping, closer, growing, self._keeper)
            case ApplyJob(items):
                with self._disk.batch():
                    return self._batches.apply(items, may_name)
            case StageJob():
                return self._downloads.stage(job) if job.grows is None else self._appends.grow(job, job.grows)
            case PatchJob():
                return patch(job, self._disk, self._staging, self._stopping)
            case ReadJob():
                with self._disk.batch():
                    return read(job, self._disk, self._stopping)
            case DeltaJob():
                return self._deltas.delta(job, is_given_up)
            case SignJob():
                return self._deltas.sign(job)
            case DiscardJob(names, _, tokens, unsigned):
                if unsigned:
                    self._unsigned.release_all()
                for token in tokens:
                    self._downloads.close(token)
                self._staging.discard(names)
                return None
            case SweepJob(keep):
                self._staging.sweep(keep)
                return None
            case PruneJob(names, _, young, _):
                return self._history.prune(names, young)
            case RecheckJob(versions, closely):
                return self._history.recheck(versions, closely)
            case KeepTextsJob():
                with self._disk.batch():
                    return texts.read(job, self._disk)
            case MergeJob():
                return texts.merge(job)
            case VerifyJob():
                return self._rereads.verify(job)

    def only_look(self, job: ListJob | LookJob) -> Event:
        """`perform` for a dry run: nothing is watched, and no signature is made."""
        with self._disk.batch():
            if isinstance(job, ListJob):
                return scanner.list_folders(self._disk, lambda path: True, job, self._now_ns, self._appends.files)
            return scanner.look(
                self._disk, job.items, self._now_ns, self._stopping, lambda item, reader, seen: seen,
                self._appends.files,
            )  # fmt: skip

    def close(self) -> None:
        """Close the open staging files; they are kept, to be continued."""
        self._downloads.close_all()
        self._appends.close_all()
        self._unsigned.release_all()
