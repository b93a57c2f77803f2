"""One running node: everything is built here, the engine's loop turns here, and everything ends here.

In:   a Config. Out: the exit code of the process.
Rule: the engine thread waits for its inbox and for nothing else (but for the commit of its index). All other threads
      carry news to the inbox or orders away from it. Bytes, then index, then words: effects are performed after the
      commit that covers them.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import queue
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable

from dir_sync import delta, history, root, state, undo
from dir_sync.config import ENVIRONMENT, Config, ConfigError, is_shared
from dir_sync.control import Answer, ControlServer
from dir_sync.core import limits
from dir_sync.core.beacon import Beacon, folder_tags
from dir_sync.core.brake import Limits
from dir_sync.core.complaints import Complaints
from dir_sync.core.events import (
    Blind,
    ConflictsSettled,
    Decided,
    Drained,
    Drop,
    Effect,
    Event,
    Inquired,
    NewIdentity,
    Note,
    PeerDown,
    PeerUp,
    Recalled,
    Received,
    Report,
    Send,
    Touched,
    Urgency,
)
from dir_sync.core.fairness import Flow
from dir_sync.core.jobs import Applied, ApplyJob, DeltaDone, DeltaJob, DiscardJob, Version
from dir_sync.core.messages import (
    PROTOCOL,
    Chunks,
    Delta,
    DeltaRequest,
    FolderIndex,
    HaveRequest,
    Hello,
    HistoryRequest,
    NeedSignature,
    Pull,
    Signature,
)
from dir_sync.core.model import parent_of, show
from dir_sync.core.retention import DAY_NS, Retention
from dir_sync.core.roster import (
    NOTHING_IN_COMMON,
    Accept,
    Action,
    Announce,
    Dial,
    Refuse,
    Roster,
)
from dir_sync.core.roster import NewIdentity as ClashingIdentity
from dir_sync.core.standing import Lack
from dir_sync.discovery import Discovery
from dir_sync.disk import RealDisk, room
from dir_sync.engine import Engine, Now
from dir_sync.event_handler import ChangeHandler
from dir_sync.file_sync import HISTORY, STAGING, STATE, SYNC_ALL_FROM, FileSync, is_new_file
from dir_sync.inbox import HERE, For, Inbox
from dir_sync.index import JOURNAL_SINCE
from dir_sync.log import Once, logger
from dir_sync.narrator import Narrator
from dir_sync.node import Node, Parcel
from dir_sync.node_manager import Came, Dialled, Ended, Greeted, Left, NodeManager, Stalled
from dir_sync.ports import DiskError
from dir_sync.rests import Rests
from dir_sync.scanner import Stopped
from dir_sync.signals import Ending, Wake
from dir_sync.signatures import SignatureCache
from dir_sync.spelling import truthful
from dir_sync.workers import Pool, Task, given_up

__all__ = ["run"]

_TURN_EVENTS_MAX = 128  # events of one turn, and so of one commit
_TURN_S_MAX = 0.02  # a turn ends after so long even if more events wait ...
_TURN_S_FAIR = 0.006  # ... and earlier, if there are several who wait
_COMMIT_EVERY_S = 0.3  # what nobody waits for is written at the latest after this
_WORKERS = 3  # of each pool: small jobs never wait behind large ones, those of one address never take all
_RESCAN_S = 900.0  # a look at everything now and then, for what no event told
_POLL_S = 20.0  # folders that cannot be watched are listed so often
_PROGRESS_S = 5.0
_PAUSE_S = (2.0, 30.0)  # first and longest wait when the index cannot be written
_ROOT_POLL_S = 2.0  # is the folder still there? is it here again?
_ANSWER_WITHIN_S = 30.0
_FOLDER_HELD = "its folder vanished here, and that is held"
_GC_THRESHOLD = (20_000, 20, 50)  # pages of records make no cycles: looking for some took a third of decoding them
_SWITCH_S = 0.0005  # how long one thread may keep the interpreter while others wait: a hop must not cost 5 ms


_DONE_HERE = ("new here", "changed here", "deleted here", "renamed here")  # notes of what a user did
_NOTHING_OF_THE_INDEX = (Chunks, Delta, DeltaRequest, NeedSignature, Pull, Signature)
_PRESENCE = Flow("presence")
_COMMANDS = Flow(HERE.group, "commands")


class _Heard:
    """A beacon came."""

    __slots__ = ("address", "beacon")

    def __init__(self, beacon: Beacon, address: str) -> None:
        self.beacon = beacon
        self.address = address


class _Asked:
    """Somebody asks something by the control socket."""

    __slots__ = ("question", "reply")

    def __init__(self, question: Answer) -> None:
        self.question = question
        self.reply: queue.SimpleQueue[Answer] = queue.SimpleQueue()


class _Stop:
    """The end."""


def run(config: Config, ending: Ending) -> int:
    """Share the folder until a signal ends it; while it is not there, wait for it. Raises ConfigError, one line for the
    user."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what the imports made lives as long as we do
    gc.set_threshold(*_GC_THRESHOLD)
    wake = Wake()  # stays open: a signal may come until the very end
    wake.listen()
    ending.wake = wake.set
    was: tuple[int, int] | None = None
    pause_s = _PAUSE_S[0]
    while not ending.asked:
        if not _wait_for_root(config, was, wake):
            break
        if reason := root.reason_against(config.folder):
            raise ConfigError(f"this folder cannot be shared: {reason}")
        began = time.monotonic()
        trouble: sqlite3.Error | None = None
        try:
            daemon = Daemon(config, wake.set)
            try:
                daemon.start()
                root.say_paused(config.folder, "")
                was = daemon.identity
                wake.wait()
            finally:
                daemon.stop()
            trouble = daemon.trouble
            if daemon.failed is not None:
                raise daemon.failed
        except sqlite3.Error as error:
            if not _may_pass(error):
                raise
            trouble = error
        if ending.asked:
            break
        wake.clear()
        if trouble is not None:
            pause_s = _PAUSE_S[0] if time.monotonic() - began > 60 else min(2 * pause_s, _PAUSE_S[1])
            if not _wait_for_room(config, trouble, pause_s, wake):
                break
    logger.info("stopped")
    return 0


def _may_pass(error: Exception) -> bool:
    """True for what the disk under the index does when it is full, sick or read-only."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY"))


def _wait_for_room(config: Config, trouble: Exception, pause_s: float, wake: Wake) -> bool:
    """True when the index may be written again, as far as can be seen; false if a signal came first. Everything is as
    after a power cut: what was not noted is looked at and asked for again."""
    reason = f"the index of {show(os.fsencode(config.folder))} cannot be written ({trouble})"
    logger.warning("paused: %s; will resume by itself once there is room", reason)
    root.say_paused(config.folder, reason)
    while True:
        if wake.wait(pause_s):
            return False
        try:
            found = os.statvfs(config.folder)
        except OSError:
            return True  # the folder itself is waited for
        if room(found) >= 0:
            logger.warning("there is room again: resumed")
            return True


def _wait_for_root(config: Config, was: tuple[int, int] | None, wake: Wake) -> bool:
    """True when the folder is there; false if a signal came first."""
    said = ""
    while reason := root.reason_to_wait(config.folder, was, config.fresh):
        if reason != said:
            logger.warning("paused: %s; will resume by itself when it is back", reason)
            root.say_paused(config.folder, reason)
            said = reason
        if wake.wait(_ROOT_POLL_S):
            return False
    if said:
        logger.warning("%s is back: resumed", show(os.fsencode(config.folder)))
    return True


class Daemon:
    """Fields: set once; engine thread only; any thread."""

    def __init__(self, config: Config, on_root_gone: Callable[[], None]) -> None:
        """Opens and locks everything. Raises ConfigError if something cannot be had."""
        self._on_root_gone = on_root_gone
        self._config = config
        self._dice = random.Random()
        self._instance = f"{self._dice.getrandbits(64):016x}"
        self._rests = Rests()
        self._inbox = Inbox(self._rests)
        self._small = Pool(_WORKERS, self._rests)
        self._bulk = Pool(_WORKERS, self._rests)
        self._ending = False
        self.failed: Exception | None = None
        self.trouble: sqlite3.Error | None = None  # of the index, which may pass
        self._once = Once()
        self._complaints = Complaints()
        self._closers: list[Callable[[], None]] = []
        self._threads: list[threading.Thread] = []
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        # --- engine thread only ---
        self._links: dict[str, Node] = {}  # node id -> its link
        self._narrator = Narrator(config.folder)
        self._reports: dict[int, Callable[[Report], None]] = {}  # who waits for what the peers say
        self._inquiry = 0
        self._last_commit = time.monotonic()
        self._next_scan = time.monotonic() + _RESCAN_S
        self._next_poll = time.monotonic() + _POLL_S
        self._next_progress = time.monotonic() + _PROGRESS_S
        self._next_root = time.monotonic() + _ROOT_POLL_S

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        config = self._config
        folder = os.fsencode(config.folder)
        try:
            self._disk = RealDisk(folder)
        except DiskError as error:
            raise ConfigError(f"{show(folder)} cannot be opened: {error}") from error
        self._closers.append(self._disk.close)
        self.identity = self._disk.identity
        self._lock = state.lock(folder)
        self._closers.append(lambda: os.close(self._lock))
        self._disk.shut_all()
        self._index = state.open_index(folder, self._dice)
        self._closers.append(self._index.close)
        signature_dir = config.signature_dir
        if is_shared(signature_dir, config.folder):
            signature_dir = os.path.join(config.folder, os.fsdecode(STATE), "signatures")
            logger.warning(
                "-s is inside DIR, where everything is synchronized: signatures are kept in %s instead", signature_dir
            )
        cache = SignatureCache(signature_dir)
        if cache.warning:
            logger.warning("%s", cache.warning)
        self._closers.append(cache.close)
        try:
            self._watcher = ChangeHandler(folder, self._inbox.put, self._inbox.qsize)
        except OSError as error:
            raise ConfigError(
                f"changes cannot be watched ({error.strerror}); raise the limit:"
                " sudo sysctl fs.inotify.max_user_instances=1024"
            ) from error
        tag = self._instance[:8]
        self._found: list[Version] = []  # what the last run displaced and did not note
        self._spelled = truthful(self._disk)
        self._file_sync = FileSync(self._spelled, self._watcher.watch, cache, time.time_ns, tag, lambda: self._ending)
        self._closers.append(self._file_sync.close)
        deltas = delta.available()
        if not deltas:
            logger.warning("%s", delta.MISSING)
        brake = Limits(config.brake_files, config.brake_percent, config.brake_rewrites, config.brake_rewrite_percent)
        ahead_ns = max(config.clock_ahead, 1) * DAY_NS
        self._engine = Engine(self._index, config.folder_name, tag, deltas, brake, self._retention(), ahead_ns)
        self._engine.transfers.blind = self._spelled is not self._disk
        trusted = frozenset(address for address, _ in config.peers)
        try:
            self._manager = NodeManager(
                config.listen_port,
                self._bind_address(),
                self._hello,
                self._inbox.put,
                self._warn_once,
                self._is_near,
                trusted,
                self._rests,
            )
        except OSError as error:
            raise ConfigError(_port_trouble("TCP", config.listen_port, "-l", error)) from error
        self._closers.append(self._manager.stop)
        self._folder_tags = folder_tags([config.folder_name])
        self._roster = Roster(self._index.node, self._instance, self._dice, _mono_ms(), config.peers, self._folder_tags)

    def _is_near(self, address: str) -> bool:
        """Any thread: that address is on a network of this machine."""
        return self._discovery.is_near(address)

    def _retention(self) -> Retention:
        config = self._config
        try:
            disk = os.statvfs(config.folder)
            share = disk.f_blocks * disk.f_frsize * config.history_share // 100
        except OSError:
            share = 0
        most = min(max(share, config.history_min), config.history_max)
        return Retention(config.history_days * DAY_NS, most)

    def _bind_address(self) -> str:
        if self._config.interface is None:
            return ""
        from dir_sync.utils import interfaces

        try:
            return interfaces(self._config.interface)[0].address
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def _hello(self) -> Hello:
        """Any thread: what we say of ourselves on a new link."""
        folder = FolderIndex(self._config.folder_name, self._index.index_id, self._index.sequence)
        return Hello(PROTOCOL, self._index.node, self._config.name, self._instance, self._manager.port, (folder,))

    # --- starting and ending -----------------------------------------------------------------------------------------

    def start(self) -> None:
        config = self._config
        try:
            self._recover_history()
        except DiskError as error:
            raise ConfigError(f"{show(error.path)} in {config.folder}: {error}", ENVIRONMENT) from error
        try:
            self._discovery = Discovery(config.broadcast_port, config.interface, self._on_beacon, self._warn_once)
        except OSError as error:
            raise ConfigError(_port_trouble("UDP", config.broadcast_port, "-b", error)) from error
        self._closers.append(self._discovery.stop)
        if self._index.noted(f"name {self._index.node}") != config.name:
            self._index.note(f"name {self._index.node}", config.name)
        if not self._disk.supports_exchange:
            logger.warning(
                "the file system of %s cannot exchange two files in one step: old versions are linked into the history first",
                show(os.fsencode(config.folder)),
            )
        self._watcher.start()
        self._closers.append(self._watcher.stop)
        self._open_control()
        root.remember(config.folder)
        self._manager.start()
        where = config.interface or "all interfaces"
        logger.info(
            "%s (node %s) shares %s on %s, TCP port %d; finds other nodes on UDP port %d",
            config.name, self._index.node[:8], show(os.fsencode(config.folder)), where, self._manager.port,
            config.broadcast_port,
        )  # fmt: skip
        logger.info("the mesh is open: anyone on this LAN can join the folder '%s'", config.folder_name)
        for pool, name in ((self._small, "disk"), (self._bulk, "bulk")):
            for number in range(_WORKERS):
                self._thread(f"{name}-{number + 1}", self._work, pool)
        self._thread("engine", self._turn_forever)

    def _recover_history(self) -> None:
        """What the last run could not note of what it displaced."""
        index, sync = self._index, self._file_sync
        names = sync.prepare()
        found = [] if index.noted(state.AT_REST) else sync.unlisted(index.has_version, index.path_with)
        index.note(state.AT_REST, 0)
        self._found = [*found, *sync.recover(names, index.version_with, index.path_with)]
        for version in self._found:
            index.put_version(version)

    def _open_control(self) -> None:
        state = os.path.join(self._config.folder, os.fsdecode(STATE))
        try:
            control = ControlServer(state, self._ask)
        except OSError as error:
            logger.warning(
                "commands such as status cannot reach this node: no socket in %s (%s)", state, error.strerror
            )
            return
        self._closers.append(control.stop)
        control.start()

    def _thread(self, name: str, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=self._guarded, args=(target, *args), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, target: Callable[..., None], *args: object) -> None:
        """The one top handler of each thread of ours: a fault of ours ends the program, with one line."""
        try:
            target(*args)
        except Exception as error:
            logger.debug("a fault in %s", threading.current_thread().name, exc_info=True)
            if not self._ending:
                if isinstance(error, sqlite3.Error) and _may_pass(error):
                    self.trouble = error
                    self._on_root_gone()
                    return
                self.failed = error
                main = threading.main_thread()
                signal.pthread_kill(main.ident or 0, signal.SIGTERM)

    def stop(self) -> None:
        """End every thread, close everything. Takes less than two seconds."""
        self._ending = True
        self._inbox.put(_Stop())
        self._small.stop()
        self._bulk.stop()
        deadline = time.monotonic() + 1.5
        for thread in self._threads:
            thread.join(max(0.05, deadline - time.monotonic()))
        self._close()

    def _close(self) -> None:
        for close in reversed(self._closers):
            close()
        self._closers.clear()

    # --- news to the inbox (any thread) ------------------------------------------------------------------------------

    def _on_beacon(self, beacon: Beacon, address: str) -> None:
        self._inbox.put(For(_PRESENCE, _Heard(beacon, address)))

    def _warn_once(self, line: str) -> None:
        if self._once.first(line):
            logger.warning("%s", line)

    def _ask(self, question: Answer) -> Answer:
        """The control socket's thread: what the engine's thread says to it."""
        asked = _Asked(question)
        self._inbox.put(For(_COMMANDS, asked))
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while not self._ending and time.monotonic() < deadline:
            try:
                return asked.reply.get(timeout=0.2)
            except queue.Empty:
                continue
        return {"error": "the node is busy or ending and did not answer in time"}

    def _work(self, pool: Pool) -> None:
        """A disk worker."""
        while (task := pool.get()) is not None and not self._ending:
            try:
                event = self._perform_job(task)
            except Stopped:
                return
            pool.done(task)
            if event is not None:
                self._inbox.put(For(_jobs_of(task.flow), event))

    def _perform_job(self, task: Task) -> Event | None:
        job, address = task.job, str(task.flow.group)
        is_foreign = isinstance(job, DeltaJob) and job.signature is not None
        if is_foreign and not self._manager.may_search(address):
            return given_up(job)  # its content is to be had as a whole
        begun = time.thread_time()
        event = self._file_sync.perform(job, lambda: not task.is_wanted)
        if is_foreign and isinstance(event, DeltaDone) and event.delta is None:
            self._manager.searched_in_vain(address, time.thread_time() - begun)
        return event

    # --- the engine's thread -----------------------------------------------------------------------------------------

    def _turn_forever(self) -> None:
        self._perform(self._engine.start(self._now(), self._found))
        while True:
            news = self._wait()
            now = self._now()
            effects: list[Effect] = []
            begun = time.monotonic()
            count = 0
            applied = False
            while news is not None:
                applied = applied or isinstance(news, Applied)
                if isinstance(news, _Stop):
                    self._perform_last()
                    return
                if isinstance(news, list):
                    effects += self._engine.heard(news, now)
                    count += len(news)
                else:
                    if isinstance(news, Greeted):  # what was said until now is for the link that was there until now
                        self._perform(effects)
                        effects = []
                    effects += self._handle(news, now)
                    count += 1
                most_s = _TURN_S_FAIR if self._inbox.is_shared else _TURN_S_MAX
                if count >= _TURN_EVENTS_MAX or time.monotonic() - begun > most_s:
                    break
                news = self._inbox.get(0)
            self._inbox.over()
            now = self._now()
            self._engine.board.is_shared = self._inbox.is_shared
            effects += self._engine.end_turn(now)
            self._act(self._roster.tick(now.mono_ms))
            self._perform(effects)
            if applied and self._index.is_dirty:
                self._commit(durable=False)  # what is on the disk is noted at once, also if nobody is told
            self._now_and_then()
            self._inbox.turn_over(time.monotonic() - begun)

    def _wait(self) -> object | None:
        """The next news; None if a deadline came first."""
        news = self._inbox.get(0)
        if news is not None:
            return news
        mono = time.monotonic()
        due = [self._roster.next_deadline() / 1000, self._next_scan, self._next_root]
        engine = self._engine.next_deadline()
        if engine is not None:
            due.append(engine / 1000)
        if self._index.is_dirty:
            due.append(self._last_commit + _COMMIT_EVERY_S)
        if self._watcher.unwatched or self._engine.scope.mounted:
            due.append(self._next_poll)
        crowd = self._narrator.breathe(mono)
        if crowd is not None:
            due.append(crowd + 1.0)
        return self._inbox.get(max(0.0, min(due) - mono))

    def _now(self) -> Now:
        return Now(time.time_ns(), _mono_ms())

    def _handle(self, news: object, now: Now) -> list[Effect]:
        match news:
            case Came(node, message, cost):
                node.consumed(cost)
                return self._engine.handle(Received(node.id, message), now) if self._is_link(node) else []
            case Left(node, size):
                return self._engine.handle(Drained(node.id, size), now) if self._is_link(node) else []
            case Greeted(node, hello):
                return self._greeted(node, hello, now)
            case Stalled(node):
                if self._is_link(node) and self._roster.stalled(node.link, now.mono_ms):
                    node.give_up("no answer at this address; trying another one")
                return []
            case Ended(node, reason, text):
                return self._ended(node, reason, text, now)
            case Dialled(address, port, link, text):
                self._roster.dialled(address, port, link, now.mono_ms)
                if link is None and (address, port) in self._config.peers and self._once.first((address, port, text)):
                    logger.info("cannot connect to %s:%d yet (%s); trying again", address, port, text)
                return []
            case _Asked():
                return self._asked(news, now)
            case _Heard():
                self._act(self._roster.heard(news.beacon, news.address, now.mono_ms))
                return []
            case _:
                return self._engine.handle(news, now)  # type: ignore[arg-type]

    def _asked(self, asked: _Asked, now: Now) -> list[Effect]:
        question = asked.question
        try:
            match question["command"]:
                case "status":
                    asked.reply.put(self._status())
                case "versions":
                    return self._ask_for_versions(asked, now)
                case "undo":
                    return self._undo(asked, now)
                case "recall":
                    wanted = undo.with_parents(self._index, history.recalled(question))
                    asked.reply.put({})
                    holder = question.get("holder")
                    holders: dict[bytes, tuple[str, ...]] = {}
                    if holder:
                        holders = {one.content: (str(holder),) for one in wanted if one.content}
                    return self._engine.handle(Recalled(tuple(wanted), holders), now)
                case "pending":
                    asked.reply.put({"count": self._engine.queries.recalled()})
                case "keep":
                    asked.reply.put(history.keep(self._index, question))
                    for path in history.touched(question):
                        self._inbox.put(Touched(path, Urgency.NOW))
                case "settle":
                    losers = history.settle(self._index, question)
                    asked.reply.put({})
                    return self._engine.handle(ConflictsSettled(tuple(losers)), now)
                case "approve" | "reject" as word:
                    asked.reply.put(self._decided(word == "approve"))
                    return self._engine.handle(Decided(word == "approve"), now)
                case other:
                    asked.reply.put(
                        {"error": f"the running node does not know the command {other!r}: it is another version"}
                    )
        except ConfigError as error:
            asked.reply.put({"error": str(error), "exit_code": error.exit_code})
        return []

    def _decided(self, approve: bool) -> Answer:
        """What a decision here is about: files that vanished (here, or at peers, who decide at once), files that were changed
        by others, and files that this node changed. Nobody approves what its own link brings: that is `elsewhere`."""
        mine, engine = self._index.node, self._engine
        changed: dict[str, int] = {}
        missing = not_here = 0
        for at, one in [(mine, one) for one in engine.brakes.held()] + [
            (node, one) for node, some in engine.brakes.held_elsewhere.items() for one in some
        ]:
            if at == one.maker:
                missing += one.files
            elif approve and one.maker == mine:
                not_here = max(not_here, one.files)
            else:
                changed[one.maker] = max(changed.get(one.maker, 0), one.files)
        owners = {node for node, some in engine.brakes.held_elsewhere.items() if any(one.maker == node for one in some)}
        others = [node for node in sorted(self._links) if node not in owners]
        return {
            "files": missing + sum(changed.values()),
            "missing": missing,
            "missing_here": engine.brakes.own.held_files,
            "elsewhere": not_here,
            "others": [show(self._name_of(node)) for node in others],
        }

    def _inquire(
        self, questions: tuple[HistoryRequest | HaveRequest, ...], then: Callable[[Report], None], now: Now
    ) -> list[Effect]:
        """Ask all peers. `then` is called on the engine's thread when they have answered."""
        self._inquiry += 1
        self._reports[self._inquiry] = then
        return self._engine.handle(Inquired(self._inquiry, questions), now)

    def _ask_for_versions(self, asked: _Asked, now: Now) -> list[Effect]:
        def then(report: Report) -> None:
            asked.reply.put(own | {"peers": history.listed_there(self._index, report.answers)})

        path = history.path_asked(asked.question)
        own = history.listed(self._index, path)
        if asked.question.get("peers") is not True:
            asked.reply.put(own)
            return []
        conflicts = asked.question.get("conflicts") is True
        return self._inquire((HistoryRequest("", 0, path, limits.HISTORY_ANSWER_MAX, conflicts),), then, now)

    def _undo(self, asked: _Asked, now: Now) -> list[Effect]:
        wish = history.wish_of(self._index, asked.question, now.wall_ns, self._index.noted(JOURNAL_SINCE))
        plan = undo.plan(self._index, wish.since_ns, wish.by)
        questions = undo.questions(undo.missing(self._index, plan.wanted))

        def then(report: Report) -> None:
            found = undo.holders(questions, report.answers)
            nowhere = {content for request in questions for content in request.digests if content not in found}
            unsure = undo.beginnings(self._index, plan.wanted, nowhere)  # whoever asks reads them, and recalls them
            wanted = tuple(one for one in plan.wanted if one.content not in nowhere)
            if not wish.dry_run and wanted:
                self._inbox.put(Recalled(wanted, found))
            asked.reply.put(history.described(self._index, wish, plan, nowhere, unsure))

        return self._inquire(questions, then, now)

    def _status(self) -> Answer:
        config, index, engine = self._config, self._index, self._engine
        in_sync = engine.sync_report.in_sync_with()
        files, size = index.count_live()
        held = [("", one) for one in engine.brakes.held()]
        held += [(node, one) for node, some in sorted(engine.brakes.held_elsewhere.items()) for one in some]
        return {
            "folder": show(os.fsencode(config.folder)),
            "folder_name": config.folder_name,
            "name": show(config.name.encode("utf-8", "surrogateescape")),
            "node": index.node,
            "port": self._manager.port,
            "broadcast_port": config.broadcast_port,
            "process": os.getpid(),
            "files": files,
            "bytes": size,
            "peers": [
                {
                    "name": show(engine.board.name_of(node_id).encode("utf-8", "surrogateescape")),
                    "node": node_id,
                    "address": node.address,
                    "synchronized": node_id in in_sync,
                    "lacks": _amount(engine.sync_report.lacked_by(node_id)),
                    "lacking_here": _amount(engine.sync_report.lacked_from(node_id)),
                }
                for node_id, node in sorted(self._links.items())
            ],
            "in_sync": bool(in_sync) and len(in_sync) == len(self._links),
            "scanning": engine.board.scanning,
            "unseen": engine.sync_report.unseen(),
            "busy": engine.is_busy,
            "wanted": index.count_offers(),
            "troubled": [
                {"path": show(path), "problem": problem, "again": again, "held": False}
                for path, problem, again in engine.sync_report.troubled()
            ]
            + [
                {"path": show(path), "problem": _FOLDER_HELD, "again": False, "held": True}
                for path in engine.sync_report.undecided()
            ],
            "restless": [show(path) for path in engine.look_queue.restless()],
            "unwatched": len(self._watcher.unwatched),
            "unwatched_first": next(
                ({"path": show(path), "problem": why} for path, why in sorted(self._watcher.unwatched.items())), None
            ),
            "transfers": [
                {"path": show(path), "peer": peer, "here": here, "size": size}
                for path, peer, here, size, _, _ in engine.transfers.progress()
            ],
            "uploads": [
                {
                    "path": show(one.path),
                    "peer": show(engine.board.name_of(one.peer).encode("utf-8", "surrogateescape")),
                    "sent": sent,
                    "size": one.size,
                }
                for one, sent in engine.uploader.progress()
            ],
            "held": [
                {
                    "at": show(engine.board.name_of(at).encode("utf-8", "surrogateescape")) if at else "",
                    "by": show(self._name_of(one.maker)),
                    "here": one.maker == index.node,
                    "missing": one.maker == (at or index.node),
                    "files": one.files,
                    "path": show(one.path),
                }
                for at, one in held
            ],
        }

    def _name_of(self, node: str) -> bytes:
        """What people call a node, whether it is connected or not."""
        if node == self._index.node:
            return self._config.name.encode("utf-8", "surrogateescape")
        name = self._index.noted(f"name {node}") or node[:8]
        return str(name).encode("utf-8", "surrogateescape")

    def _is_link(self, node: Node) -> bool:
        return self._links.get(node.id) is node

    def _greeted(self, node: Node, hello: Hello, now: Now) -> list[Effect]:
        if hello.node != self._index.node and all(name != self._config.folder_name for name, _, _ in hello.folders):
            if self._once.first(("nothing in common", hello.node)):
                logger.info("%s at %s shares no folder with this node: left alone", _name(hello), node.address)
            self._manager.drop(node.link, NOTHING_IN_COMMON)
            return []
        verdict = self._roster.hello(
            node.link, hello.node, hello.instance, node.dialled, node.address, hello.port, now.mono_ms,
            self._is_known(hello.node, node.address),
        )  # fmt: skip
        match verdict:
            case Accept(closing, reason):
                effects: list[Effect] = []
                if closing is not None:
                    self._manager.drop(closing, reason)
                    old = next((one for one in self._links.values() if one.link == closing), None)
                    if old is not None:
                        del self._links[old.id]
                        self._has_left(old)
                        effects += self._engine.handle(PeerDown(old.id, reason), now)
                node.id = hello.node
                self._links[hello.node] = node
                is_news = not self._complaints.is_recent(node.address, time.monotonic())
                level = logging.INFO if is_news else logging.DEBUG
                logger.log(level, "found %s (node %s) at %s", _name(hello), hello.node[:8], node.address)
                if self._index.noted(f"name {hello.node}") != hello.name:
                    self._index.note(f"name {hello.node}", hello.name)  # for the history, when it is here no more
                return effects + self._engine.handle(PeerUp(hello.node, hello, node.address), now)
            case Refuse(reason, keeping, actions, is_stranger):
                self._manager.drop(node.link, reason)
                if is_stranger and self._once.first(("stranger", node.address)):
                    logger.warning(
                        "refused %s at %s: it uses the identity of this node, which has just changed its own",
                        _name(hello), node.address,
                    )  # fmt: skip
                if keeping is not None:
                    self._manager.ping(keeping)
                self._act(list(actions))
                return []

    def _is_known(self, peer: str, address: str) -> bool:
        """True for a peer of earlier days, and for one that the user named."""
        seen = self._index.peer(peer)
        return (seen is not None and seen.first is not None) or any(host == address for host, _ in self._config.peers)

    def _ended(self, node: Node, reason: str, text: str, now: Now) -> list[Effect]:
        self._roster.closed(node.link, now.mono_ms, reason)
        if not self._is_link(node):
            if node.flood or reason == "protocol-error":
                self._complain(node, text)
            elif reason == "protocol-version" and self._once.first((node.address, reason, text)):
                logger.warning("closed the connection with %s: %s", node.address, text)
            return []
        del self._links[node.id]
        self._has_left(node)
        words = {"bye": "it stopped", "lost": text or "the connection broke", "duplicate": "it connected again"}
        name = show(self._name_of(node.id))
        if reason == "protocol-error":
            self._complain(node, text)
        level = logging.DEBUG if reason == "protocol-error" else logging.INFO
        logger.log(
            level, "lost %s (node %s) at %s: %s", name, node.id[:8], node.address, words.get(reason, text or reason)
        )
        return self._engine.handle(PeerDown(node.id, reason), now)

    def _complain(self, node: Node, text: str) -> None:
        """It has broken the protocol: a line, but not one for each time."""
        more = self._complaints.add(node.address, time.monotonic())
        if more is not None or node.flood:
            and_more = f" (and {more:,} more within the last minutes)" if more else ""
            logger.warning("closed the connection with %s: %s%s", node.address, text, and_more)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Dial(address, port):
                    self._manager.dial(address, port)
                case Announce(ask):
                    beacon = Beacon(self._index.node, self._instance, self._manager.port, ask, self._folder_tags)
                    self._discovery.announce(beacon)
                case ClashingIdentity():
                    self._index.take_new_ids()
                    self._index.commit()
                    logger.warning(
                        "another machine has the same identity (a copied folder?): this node takes a new one"
                    )
                    self._rename()

    def _rename(self) -> None:
        """The index has a new node id: every link says hello anew."""
        self._manager.drop_all("new-identity")  # also those that have said the old name and were not greeted yet
        self._roster.rename(self._index.node, _mono_ms())

    def _perform(self, effects: list[Effect]) -> None:
        """Commit what the effects rely on, then do them."""
        if any(_wants_durable(effect) for effect in effects):
            self._commit()
        elif any(isinstance(effect, ApplyJob) for effect in effects):
            self._commit(durable=False)
        for effect in effects:
            match effect:
                case Send(peers, message, size):
                    parcel = Parcel(message, size)
                    for peer in peers:
                        node = self._links.get(peer)
                        if node is not None:
                            node.send(parcel)
                case Note():
                    if effect.what in _DONE_HERE:
                        self._inbox.somebody_works_here()
                    self._narrator.tell(effect, time.monotonic())
                case Drop(peer, reason, text):
                    node = self._links.get(peer)
                    if node is not None:
                        logger.warning("closing the connection with %s: %s", node.address, text)
                        self._manager.drop(node.link, reason, text)
                case NewIdentity():
                    self._rename()
                case Report(id_, _):
                    self._reports.pop(id_)(effect)
                case DiscardJob():
                    self._small.put(HERE, effect)
                case _:
                    (self._bulk if effect.bulk else self._small).put(self._flow_of(getattr(effect, "peer", "")), effect)

    def _flow_of(self, peer: str) -> Flow:
        """Whose share a job is taken from."""
        node = self._links.get(peer)
        return Flow(peer if node is None else node.address, peer)

    def _has_left(self, node: Node) -> None:
        """What was asked for by that link is not done any more."""
        for pool in (self._small, self._bulk):
            flow = Flow(node.address, node.id)
            for answer in pool.leave(flow):
                self._inbox.put(For(_jobs_of(flow), answer))

    def _commit(self, durable: bool = True) -> None:
        self._index.commit(durable)
        self._last_commit = time.monotonic()

    def _perform_last(self) -> None:
        self._narrator.breathe(time.monotonic(), all_of_it=True)
        self._index.note(state.AT_REST, int(not self._engine.has_jobs_out))
        self._index.commit()

    def _poll(self) -> None:
        """Folders of which no event tells: those that cannot be watched, and those in which something is mounted."""
        if self._watcher.unwatched:
            path, reason = next(iter(self._watcher.unwatched.items()))
            more = f" and {len(self._watcher.unwatched) - 1:,} more" if len(self._watcher.unwatched) > 1 else ""
            is_limit = "limit" in reason
            self._warn_once(
                f"cannot be watched: {show(path)}{more} ({reason}); scanned every {_POLL_S:.0f} s instead"
                + ("; to raise the limit: sudo sysctl fs.inotify.max_user_watches=1048576" if is_limit else "")
            )
        for path in {*self._watcher.unwatched, *map(parent_of, self._engine.scope.mounted)}:
            self._inbox.put(Blind(path, ""))

    def _now_and_then(self) -> None:
        mono = time.monotonic()
        if mono - self._last_commit > _COMMIT_EVERY_S and self._index.is_dirty:
            self._commit(durable=False)
        if mono >= self._next_scan:
            self._next_scan = mono + _RESCAN_S * self._dice.uniform(0.8, 1.2)
            self._inbox.put(Blind(b"", ""))
        if (self._watcher.unwatched or self._engine.scope.mounted) and mono >= self._next_poll:
            self._next_poll = mono + _POLL_S
            self._poll()
        if mono >= self._next_root:
            self._next_root = mono + _ROOT_POLL_S
            self._check_root()
        if mono >= self._next_progress:
            self._next_progress = mono + _PROGRESS_S
            for path, peer, here, size, since_ms, began in self._engine.transfers.progress():
                since = mono - since_ms / 1000
                if since > 2.0:
                    self._narrator.progress(path, peer, here, size, since, began)
            for one, sent in self._engine.uploader.progress():
                since = mono - one.since_ms / 1000
                if since > 2.0:
                    name = self._engine.board.name_of(one.peer)
                    self._narrator.progress(one.path, name, sent, one.size, since, one.began_at, sending=True)

    def _check_root(self) -> None:
        """The folder, and in it what is ours, may be taken away at any time."""
        if not self._disk.is_root_here():
            self._on_root_gone()
            return
        try:
            held, there = os.fstat(self._lock), self._disk.stat(STATE + b"/lock")
            if there is None or there.inode != held.st_ino:
                logger.warning("%s was removed: this node begins anew, as at a first contact", show(STATE))
                self._on_root_gone()
            elif self._disk.stat(STAGING) is None or self._disk.stat(HISTORY) is None:
                self._file_sync.prepare()
                logger.warning("folders in %s were removed: created again", show(STATE))
        except DiskError as error:
            self._warn_once(f"{show(STATE)} cannot be used: {error}")


def _jobs_of(flow: Flow) -> Flow:
    """What a worker answers is told beside what the peer itself says, and counts for its address as well."""
    return Flow(flow.group, f"jobs of {flow.member}")


def _wants_durable(effect: Effect) -> bool:
    """True for what tells others what the index knows, and for changes of the tree whose intent must be on the medium
    before they begin. A batch of new files syncs the whole file system before it names any of them, and the index with
    it. Questions, and contents that are on the disk, tell nothing that could be lost."""
    if isinstance(effect, Send):
        return not isinstance(effect.message, _NOTHING_OF_THE_INDEX)
    if isinstance(effect, NewIdentity):
        return True
    return isinstance(effect, ApplyJob) and not (
        len(effect.items) >= SYNC_ALL_FROM and all(is_new_file(item) for item in effect.items)
    )


def _name(hello: Hello) -> str:
    return show(hello.name.encode("utf-8", "surrogateescape"))


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _port_trouble(kind: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{kind} port {port} is taken by another program: choose another port with {option}"
    if error.errno == errno.EACCES:
        return f"{kind} port {port} needs root: choose a port above 1023 with {option}"
    return f"{kind} port {port} cannot be used: {error.strerror}"


def _amount(lack: Lack | None) -> dict[str, int] | None:
    """For `status`; None: not known yet."""
    return None if lack is None else lack._asdict()
