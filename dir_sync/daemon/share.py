"""One shared folder, with everything that a second folder in the same process would need as well.

In:   a Config; the inbox for its events; the threads for its workers.
Out:  the folder's index, engine, watcher and workers. Raises ConfigError if one of them cannot be opened.
Rule: a Share holds the folder's lock. Nothing here knows ports, links or peers.
Used by: asking, borrowing, chores, effects, folder, gauge, held, peers, rehearsal, requests, sharing, status, verifying,
witness.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from dir_sync import delta
from dir_sync.config import ENVIRONMENT, MERGE_TEXT, Config, ConfigError, is_shared
from dir_sync.core.jobs import Version
from dir_sync.core.model import fingerprint, show
from dir_sync.core.names import HISTORY, LOCAL_RULES, STAGING, STATE
from dir_sync.core.preserve import ON_ENTRIES, Part
from dir_sync.core.retention import DAY_NS, Retention
from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.taking import Keep, Taking
from dir_sync.daemon.inbox import Post
from dir_sync.daemon.jobs import DiskWorkers, FolderJobs
from dir_sync.delta.signature_cache import SignatureCache
from dir_sync.disk import RealDisk, truthful
from dir_sync.engine import Engine
from dir_sync.event_handler import ChangeHandler
from dir_sync.file_sync import FileSync
from dir_sync.folder import state
from dir_sync.folder.settings import settings_json
from dir_sync.history.recovering import recover_history
from dir_sync.index import Index
from dir_sync.ports import DiskError, Trouble
from dir_sync.readable import Readable
from dir_sync.reporting.log import logger, own_limit

__all__ = ["Share", "engine_of", "other_room"]

_LOCK_WAIT_S = 2.0  # commands that run without a node have the lock for a moment


class Share:
    """The folder, opened and locked. Only the engine's thread may use `engine`, and `index` once that thread runs."""

    def __init__(
        self,
        config: Config,
        tag: str,
        rng: random.Random,
        inbox: Post,
        workers: DiskWorkers,
        readable: Readable,
        is_ending: Callable[[], bool],
        number: int = 0,
    ) -> None:
        """`tag`: marks the staging files of this run, to distinguish them from those of another run. `workers`, `readable`: of
        its node. `is_ending`: jobs are to be given up. `number`: of this folder in its node. Raises ConfigError."""
        self._config = config
        self._rules = b""  # fingerprint of the file with the rules of this machine, when last looked at
        self._number = number
        self._keeps_links = False  # names of one file
        self._opened = ExitStack()
        try:
            self._disk = self._open_disk()
            self._lock = state.lock(self.path, wait_s=_LOCK_WAIT_S)
            self._opened.callback(os.close, self._lock)
            self._disk.shut_all()
            self._keep_attributes(tag)
            self.are_rules_changed()  # the first scan reads them as they are now, or later
            self.index = state.open_index(self.path, rng)
            self._opened.callback(self.index.close)
            self._look_for_attributes()
            signatures = self._open_signatures()
            self.watcher = self._open_watcher(inbox, readable)
            self._opened.callback(self.watcher.stop)
            disk = truthful(self._disk)
            self._sync = FileSync(disk, self.watcher.watch, signatures, time.time_ns, tag, is_ending)
            self._opened.callback(self._sync.close)
            self.workers = FolderJobs(self._sync, inbox, workers, is_ending)
            self._opened.callback(self.workers.stop, 0.0)
            self.engine = self._make_engine(tag, is_blind=disk is not self._disk)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> bytes:
        return os.fsencode(self._config.folder)

    @property
    def discovers(self) -> bool:
        """True if the node of this folder sends broadcasts, and listens to those of others."""
        return self._config.discovers

    @property
    def settings(self) -> dict[str, Any]:
        """The options of the node of this folder, as values of JSON."""
        return settings_json(self._config)

    @property
    def keeps_free(self) -> Keep:
        """How much of the disk stays free of what others send."""
        return self._config.min_free or Keep("0")

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the folder."""
        return self._disk.identity

    @property
    def exchanges(self) -> bool:
        """True if the file system can exchange two files atomically."""
        return self._disk.supports_exchange

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open_disk(self) -> RealDisk:
        try:
            disk = RealDisk(self.path, makes_holes=Part.SPARSE in self._config.preserve)
        except DiskError as error:
            raise ConfigError(f"{show(self.path)} cannot be opened: {error}") from error
        self._opened.callback(disk.close)
        return disk

    def _keep_attributes(self, tag: str) -> None:
        """Keep what the user wants to be kept of files, as far as this machine can."""
        wanted = self._config.preserve & ON_ENTRIES
        wants_links = Part.HARDLINKS in self._config.preserve
        if not wanted and not wants_links:
            return
        probe = STATE + b"/probe-" + tag.encode()
        try:
            self._disk.create(probe).close()
            try:
                refused = self._disk.kept.begin(wanted, probe)
                if wants_links and (why := self._why_no_links(probe)):
                    refused[Part.HARDLINKS] = why
            finally:
                self._disk.remove_file(probe)
        except DiskError as error:
            raise ConfigError(f"{show(self.path)} cannot be written: {error}") from error
        for part, why in refused.items():
            logger.warning(
                "--preserve %s: %s, so it is not kept here; what other machines keep is passed on", part.value, why
            )
        self._keeps_links = wants_links and Part.HARDLINKS not in refused

    def _why_no_links(self, probe: bytes) -> str:
        """Why files can have no other names here; "": they can."""
        other = probe + b"-2"
        try:
            self._disk.link(probe, other)
        except DiskError as error:
            if error.trouble is not Trouble.NO_LINK:
                raise
            return str(error)
        self._disk.remove_file(other)
        return ""

    def _look_for_attributes(self) -> None:
        """Attributes that are kept from now on are looked for in all files, once."""
        kept = self._disk.keeps | ({Part.HARDLINKS} if self._keeps_links else set())
        words = [part.value for part in kept]
        if gone := self.index.keep(words):
            logger.warning(
                "%s of files in %s: kept until the last run, and not by this one; to keep them again: --preserve %s",
                " and ".join(gone),
                show(self.path),
                ",".join(sorted([*words, *gone])),
            )

    def _open_signatures(self) -> SignatureCache:
        signature_dir = self._config.signature_dir
        if is_shared(signature_dir, self._config.folder):
            signature_dir = os.path.join(self._config.folder, os.fsdecode(STATE), "signatures")
            logger.warning(
                "-s is inside DIR, where everything is synchronized: signatures are kept in %s instead", signature_dir
            )
        cache = SignatureCache(signature_dir)
        if cache.warning:
            logger.warning("%s", cache.warning)
        self._opened.callback(cache.close)
        return cache

    def _open_watcher(self, inbox: Post, readable: Readable) -> ChangeHandler:
        try:
            return ChangeHandler(self.path, readable, inbox.put, inbox.qsize)
        except OSError as error:
            raise ConfigError(
                f"changes cannot be watched ({error.strerror}); raise the limit:"
                " sudo sysctl fs.inotify.max_user_instances=1024"
            ) from error

    def _make_engine(self, tag: str, is_blind: bool) -> Engine:
        """`is_blind`: the disk takes names that differ in case or Unicode form for one name."""
        deltas = delta.available()
        if not deltas:
            logger.warning("%s", delta.MISSING)
        room = other_room(self._config)
        engine = engine_of(self._config, self.index, tag, deltas, self._retention(), self._number, room)
        engine.work.disk.is_blind = is_blind
        engine.board.keeps = bool(self._disk.keeps)
        engine.board.links.is_on = self._keeps_links
        return engine

    def other_room(self) -> int | None:
        """The bytes that may come by --min-free. None: there is no such limit, or the disk does not say."""
        return other_room(self._config)

    def _retention(self) -> Retention:
        config = self._config
        try:
            disk = os.statvfs(config.folder)
            share = disk.f_blocks * disk.f_frsize * config.history_share // 100
        except OSError:
            share = 0
        most = min(max(share, config.history_min), config.history_max)
        return Retention(config.history_days * DAY_NS, most)

    # --- from the start to the end -----------------------------------------------------------------------------------

    def note_name(self, name: str) -> None:
        """Store the display name of this node, for the history: its replica made what is announced under this id."""
        key = f"name {self.index.identity.replica}"
        if self.index.notes.get(key) != name:
            self.index.notes.put(key, name)

    def recover_history(self) -> list[Version]:
        """Record what the last run displaced and did not record. Returns it for the engine. Raises ConfigError."""
        try:
            return recover_history(self.index, self._sync)
        except DiskError as error:
            raise ConfigError(f"{show(error.path)} in {self._config.folder}: {error}", ENVIRONMENT) from error

    def check(self, warn_once: Callable[[str], None]) -> bool:
        """False if the folder, or our lock in it, was removed: the node has to start anew. Other folders of ours that
        were removed are made again."""
        if not self._disk.is_root_here():
            return False
        try:
            held, there = os.fstat(self._lock), self._disk.stat(STATE + b"/lock")
            if there is None or there.inode != held.st_ino:
                logger.warning("%s was removed: this node begins anew, as at a first contact", show(STATE))
                return False
            if self._disk.stat(STAGING) is None or self._disk.stat(HISTORY) is None:
                self._sync.prepare()
                logger.warning("folders in %s were removed: created again", show(STATE))
        except DiskError as error:
            warn_once(f"{show(STATE)} cannot be used: {error}")
        return True

    def are_rules_changed(self) -> bool:
        """True if the file with the rules of this machine is another one than at the last call: it is not watched."""
        try:
            stat = self._disk.stat(LOCAL_RULES)
        except DiskError:
            return False
        before, self._rules = self._rules, b"" if stat is None else fingerprint(stat)
        return self._rules != before

    def close(self) -> None:
        """Close everything in reverse order. Stop the workers and the watcher before."""
        self._opened.close()


def other_room(config: Config) -> int | None:
    """The bytes that may come by --min-free. None: there is no such limit, or the disk does not say."""
    keep = config.min_free
    if keep is None:
        return None
    try:
        found = os.statvfs(config.folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize - keep.of(found.f_blocks * found.f_frsize)


def engine_of(
    config: Config,
    index: Index,
    tag: str,
    deltas: bool,
    retention: Retention | None,
    number: int = 0,
    room: int | None = None,
    scrubs: bool = True,
) -> Engine:
    """The engine of a folder with these options. `number`: of the folder in its node. `room`: bytes that may come by
    --min-free; None: any number. `scrubs`: also in the background."""
    brake = Limits(config.brake_files, config.brake_percent, config.brake_rewrites, config.brake_rewrite_percent)
    ahead_ns = max(config.clock_ahead, 1) * DAY_NS
    engine = Engine(
        index,
        config.folder_name,
        tag,
        deltas,
        brake,
        retention,
        ahead_ns,
        number,
        config.mode,
        config.default_rules,
        local_rules=True,
        merges=config.merge == MERGE_TEXT,
        scrub_s=config.scrub if scrubs else 0,
    )
    engine.work.pace.interval_ms = config.file_interval * 1000
    engine.board.taking = _taking(config, room)
    return engine


def _taking(config: Config, room: int | None) -> Taking | None:
    """What may come of peers' contents; None: everything."""
    keep, most = config.min_free, config.max_file_size
    if keep is None and not most:
        return None
    full = "" if keep is None else f"--min-free keeps {keep.text} of this disk free"
    large = f"it is larger than {own_limit(most)}"
    return Taking(most, room, full, large)
