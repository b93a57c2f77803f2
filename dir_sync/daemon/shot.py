"""A node that runs until its folder is the same on both sides: the process of `once`.

In:   a Config, a Judge, and the signals as an Ending. Out: how it ended, the last Status, and a Tally.
Raises ConfigError; Locked, if another program has the folder.
Rule: what runs is the same node as otherwise, and it is stopped in the same way: what is queued still arrives.
Used by: once.
"""

from __future__ import annotations

import time

from dir_sync.config import Config, ConfigError
from dir_sync.core.frozen import changed
from dir_sync.core.peers.sought import Place
from dir_sync.core.shot import STEADY_MS, Judge, Left, Seen, Shot, Sight, Verdict, files_lacking, lacks_there
from dir_sync.core.status import Status
from dir_sync.core.tally import Tally
from dir_sync.daemon.daemon import Daemon
from dir_sync.daemon.opening import NodeError
from dir_sync.daemon.process import tune
from dir_sync.daemon.signals import Ending, Wake
from dir_sync.daemon.witness import Witness
from dir_sync.folder import pauses, root
from dir_sync.network import tcp
from dir_sync.node_manager import NO_ANSWER

__all__ = ["run"]

_LOOK_S = 0.2  # how often the judge is asked at least


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def run(config: Config, takes_any_port: bool, judge: Judge, ending: Ending) -> Shot:
    """`takes_any_port`: if the TCP port is taken, any other one will do."""
    tune()
    if reason := root.reason_to_wait(config.folder, None, config.fresh) or root.reason_against(config.folder):
        raise ConfigError(f"this folder cannot be shared now: {reason}")
    wake = Wake()
    wake.listen()
    ending.wake = wake.set
    node = _Run(config, takes_any_port, judge, ending, wake)
    try:
        verdict = node.until_over()
        lacking = node.lacking(verdict)
        unreached = node.unreached()
    finally:
        node.stop()
    return Shot(verdict, node.status, node.peers(verdict), node.tally, unreached, lacking)


class _Run:
    """The node, and the one after it if it goes over to another key of its mesh. Main thread only.

    It has more fields than a class should have: what the run has to remember when the node is another one."""

    def __init__(self, config: Config, takes_any_port: bool, judge: Judge, ending: Ending, wake: Wake) -> None:
        self.tally = Tally()
        self.status: Status | None = None
        self._names: dict[str, str] = {}  # of the peers that were here, by replica
        self._config = config
        self._own_port = config.listen_port  # as it was asked for
        self._settled: frozenset[Place] = frozenset()  # machines that the user named: they had the same in this run
        self._takes_any_port = takes_any_port
        self._judge = judge
        self._ending = ending
        self._wake = wake
        self._was_closed = False
        self._has_ended = False  # the folder cannot be shared any longer; set on any thread
        self._daemon: Daemon | None = None
        self._witness = Witness(self.tally, wake.set)

    def until_over(self) -> Verdict | None:
        self._begin()
        while not self._ending.asked:
            self._wake.clear()
            if self._has_ended:
                self._again()
            verdict = self._verdict()
            if verdict is not None:
                return verdict
            self._wake.wait(STEADY_MS / 1000 if self._witness.seen != Seen() else _LOOK_S)
        return None

    def lacking(self, verdict: Verdict | None) -> tuple[Left, ...]:
        """What peers do not have. They have to be connected still."""
        assert self._daemon is not None
        if verdict in (None, Verdict.EQUAL) or self.status is None or not lacks_there(self.status):
            return ()
        return files_lacking(self._daemon.ask(self._config.folder, {"command": "lacking"}))

    def peers(self, verdict: Verdict | None) -> tuple[str, ...]:
        """The names of those that have the same; if that is not so of all, of those that were there."""
        seen = self._witness.seen
        same = seen.agreed | seen.parted if verdict is Verdict.EQUAL else self._names.keys()
        return tuple(sorted(name for replica, name in self._names.items() if replica in same))

    def unreached(self) -> tuple[str, ...]:
        """A line for each machine that the user named, that has not had the same, and that is not connected."""
        assert self._daemon is not None
        sought, status = self._daemon.sought, self.status
        lines = []
        for host, port in sought.places:
            replicas = sought.replicas_at((host, port))
            if (host, port) in self._settled:
                continue
            if replicas is None:
                lines.append(f"cannot connect to {host}:{port} ({sought.why_not((host, port)) or NO_ANSWER})")
            elif status is None or replicas.isdisjoint(peer.replica for peer in status.peers):
                is_paused = status is not None and bool(status.paused_elsewhere)
                why = "it has paused this folder" if is_paused else "it left before both sides had the same"
                lines.append(f"not in sync with {host}:{port} ({why})")
        return tuple(lines)

    def stop(self) -> None:
        """Raises the error that ended one of the threads, if there is one."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        daemon.stop()
        if (failure := daemon.failure()) is not None:
            raise failure

    def _end(self) -> None:
        """Any thread."""
        self._has_ended = True
        self._wake.set()

    def _begin(self) -> None:
        self._has_ended = False
        self._witness = Witness(self.tally, self._wake.set)
        self._daemon = self._open()
        self._was_closed = self._daemon.is_closed
        self._daemon.start()

    def _open(self) -> Daemon:
        try:
            return Daemon(self._config, self._end, self._was_closed, witness=self._witness)
        except NodeError:
            if not self._takes_any_port:
                raise
        self._config = changed(self._config, listen_port=0)  # any that is free
        return Daemon(self._config, self._end, self._was_closed, witness=self._witness)

    def _again(self) -> None:
        """The folder cannot be shared any longer: for good, or the node goes over to another key."""
        assert self._daemon is not None
        trouble = self._daemon.trouble_of(self._config.folder)
        goes_over = self._daemon.goes_over(self._config.folder)
        self._was_closed = self._daemon.is_closed
        self.stop()
        if trouble is not None or not goes_over:
            raise ConfigError(f"the folder cannot be shared any longer: {trouble or 'it was removed or replaced'}")
        self._begin()

    def _verdict(self) -> Verdict | None:
        assert self._daemon is not None
        seen = self._witness.seen
        answer = self._daemon.ask(self._config.folder, {"command": "status"})
        if "error" in answer:
            return Verdict.LATE if self._judge.is_late(_mono_ms()) else None
        self.status = Status.from_json(answer)
        pauses.refuse_if(self.status.pause, self._config.folder)
        self._names |= {peer.replica: peer.name for peer in self.status.peers} | self._witness.names
        self._settled |= {place for place in self._config.peers if self._is_settled(place)}
        is_missing = not self._settled.issuperset(self._config.peers)
        return self._judge.judge(Sight(self.status, seen, len(self.tally.unreadable), is_missing), _mono_ms())

    def _is_settled(self, place: Place) -> bool:
        """True if that machine has had the same, or is this one: all machines may have the same list of names."""
        assert self._daemon is not None
        sought = self._daemon.sought
        if sought.is_ourselves(place) or not self._witness.names.keys().isdisjoint(sought.replicas_at(place) or ()):
            return True
        return place[1] == self._own_port and any(map(tcp.is_own, sought.addresses(place)))
