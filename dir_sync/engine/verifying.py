"""A person has everything read again: here and at all peers, part by part, and compared.

In:   the command; VERIFY_REPORT of peers; what was found here. Out: VERIFY_REQUEST; the result so far.
Rule: all nodes read the same part of the folder at the same time, so nobody holds more than one part. What differs is looked
at again at the end: meanwhile it may have been synchronized, or healed.
Used by: router.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.declined import CHOSEN, Reason
from dir_sync.core.frozen import field, mutable
from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind
from dir_sync.core.peers.contact import Contact
from dir_sync.core.verify import Apart, Entry, Finding, Outcome, What, compare, entry_of
from dir_sync.engine.board import Board
from dir_sync.engine.healing import Healing
from dir_sync.engine.rereads import Rereads, Walk
from dir_sync.engine.rotten import RottenFiles
from dir_sync.engine.scope import Scope
from dir_sync.engine.scrub import Scrub
from dir_sync.engine.verify_answers import VerifyAnswers

__all__ = ["Party", "Run", "Verifying"]

_SILENT_MS = 20_000  # a peer that knows the question answers within seconds
_LOST_MS = 120_000  # ... and goes on to; a disk may take long for a piece
_UNASKED_MS = 15_000  # without a question of the command for so long, nobody waits for the result
_AGAIN_MS = (1_000, 3_000, 6_000)  # when what differs is looked at again: what is being synchronized needs a while
_HEAL_MS = 120_000  # ... at the latest so long after that: a large file has to come
_FINDINGS_MAX = 10_000
_PASSING = (What.CHANGING, What.DIFFERENT, What.MISSING)


@mutable
class Party:
    """A peer that takes part. `problem`: why it does not, or not to the end."""

    replica: str
    name: str
    link: int
    id: int = 0
    entries: dict[bytes, Entry] = field(default_factory=dict)  # of this part
    apart: dict[tuple[bytes, Kind | None], Reason] = field(default_factory=dict)  # of this part, if it looks again
    is_done: bool = True  # with this part
    heard_ms: int | None = None
    asked_ms: int = 0
    read: int = 0  # bytes of the parts before
    reading: int = 0  # ... and of this one
    problem: str = ""


@mutable
class Run:
    """One verification. `parts`: the paths to be looked at again, part by part; None: the first time, everything.

    It has more fields than a machine may have: what is asked for, how far each side is, and what was found."""

    number: int
    repair: bool
    parties: list[Party]
    asked_ms: int
    after: bytes = b""
    until: bytes = b""
    parts: list[tuple[bytes, ...]] | None = None
    here: dict[bytes, Entry] | None = None  # of this part; None: the next part is not begun
    entries: int = 0
    read: int = 0
    findings: dict[Finding, None] = field(default_factory=dict)
    more: int = 0  # differences beyond the first _FINDINGS_MAX
    apart: dict[Finding, Reason] = field(default_factory=dict)  # differences that the machine there has on purpose
    healed: dict[Finding, None] = field(default_factory=dict)
    expected: dict[Finding, None] = field(default_factory=dict)  # rotten ones that are being healed
    again: int = 0  # how often was looked again
    not_before_ms: int = 0
    is_over: bool = False


class Verifying:
    """The verification that a person waits for, and the order in which all that reads again has its turn."""

    def __init__(
        self,
        board: Board,
        scope: Scope,
        rereads: Rereads,
        healing: Healing,
        answers: VerifyAnswers,
        scrub: Scrub,
        rotten_files: RottenFiles,
    ) -> None:
        self._board = board
        self._scope = scope
        self._rereads = rereads
        self._healing = healing
        self._answers = answers
        self._scrub = scrub
        self._rotten_files = rotten_files
        self._run: Run | None = None
        self._count = 0

    # --- the command -------------------------------------------------------------------------------------------------

    def begin(self, repair: bool) -> None:
        """Begin anew, whatever was being done."""
        self.end()
        parties = [
            Party(peer.replica, peer.name, peer.link)
            for _, peer in sorted(self._board.peers.items())
            if peer.has_asked and peer.was_asked
        ]
        self._count += 1
        self._run = Run(self._count, repair, parties, self._board.now.mono_ms)
        self._rereads.wake()

    def end(self) -> None:
        """Nobody waits for the result any more. What is being healed is healed to its end."""
        if self._run is not None and not self._scrub.is_on and not self._answers.is_busy:
            self._healing.forget_waiting()
        self._run = None
        self._rereads.end("")

    def asked(self) -> Run | None:
        """The verification as it is now; None: there is none."""
        if self._run is not None:
            self._run.asked_ms = self._board.now.mono_ms
        return self._run

    def bytes_here(self) -> int:
        """What was read here for it."""
        walk = self._rereads.walk("")
        return (0 if self._run is None else self._run.read) + (0 if walk is None else walk.read)

    # --- peers -------------------------------------------------------------------------------------------------------

    def peer_came(self) -> None:
        self._healing.peer_came()

    def peer_gone(self, replica: str) -> None:
        self._answers.peer_gone(replica)
        for party in [] if self._run is None else self._run.parties:
            if party.replica == replica:
                self._leaves(party, "it disconnected")

    def _leaves(self, party: Party, problem: str) -> None:
        party.problem = party.problem or problem
        party.entries, party.apart, party.is_done = {}, {}, True

    def on_report(self, peer: Contact, message: VerifyReport) -> None:
        """A peer has read something."""
        run = self._run
        for party in [] if run is None else run.parties:
            if (party.replica, party.link, party.id) != (peer.replica, peer.link, message.id) or party.is_done:
                continue
            party.heard_ms, party.reading = self._board.now.mono_ms, message.read
            if message.refused:
                self._leaves(party, "it was asked to read so much lately that it does not do so again today")
                continue
            if len(party.entries) + len(message.entries) > 4 * limits.VERIFY_ENTRIES_MAX:
                self._leaves(party, "it has far more in one part of the folder than is here")
                continue
            party.entries.update((entry.path, entry) for entry in message.entries)
            self._note_apart(run, party, message.apart)
            if message.last:
                party.is_done, party.read, party.reading = True, party.read + message.read, 0

    @staticmethod
    def _note_apart(run: Run | None, party: Party, apart: tuple[Apart, ...]) -> None:
        """What a peer has otherwise on purpose. It is asked for single paths only: no more is kept than fits into a part."""
        is_part = run is not None and run.parts is not None and len(party.apart) < 4 * limits.VERIFY_ENTRIES_MAX
        for one in apart if is_part else ():
            if one.reason in CHOSEN:
                party.apart[one.path, one.kind] = one.reason

    # --- a turn ------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """What comes before paths are planned."""
        if not self._board.scan.is_on:
            self._healing.run()

    def run(self) -> None:
        """The last thing in a turn: take what was found, and have the next things read."""
        self._answers.run()
        self._scrub.run()
        if self._run is not None:
            self._go_on(self._run)
        self._rereads.run(self._scrub.is_wanted())
        if self._run is None and not self._scrub.is_on and not self._healing.rotten:
            self._rereads.rest()

    def due_ms(self) -> int | None:
        """When (ms) a turn is needed, even if nothing happens."""
        due = [self._healing.due_ms(), self._answers.due_ms(), self._scrub.due_ms(), self._rereads.due_ms()]
        if self._run is not None:
            due.append(self._board.now.mono_ms + 500)
        return min([when for when in due if when is not None], default=None)

    def _go_on(self, run: Run) -> None:
        now = self._board.now.mono_ms
        if now - run.asked_ms > _UNASKED_MS:
            self.end()
            return
        if run.is_over or self._board.scan.is_on:
            return
        if run.here is None:
            self._begin_part(run)
            return
        self._drop_silent(run)
        walk = self._rereads.walk("")
        if walk is not None:
            self._take_own(run, walk)
        if (walk is None or walk.is_over) and all(party.is_done for party in run.parties):
            self._end_part(run)

    def _take_own(self, run: Run, walk: Walk) -> None:
        assert run.here is not None
        found = walk.take()
        run.here.update((one.item.path, entry_of(one)) for one in found)
        self._rotten_files.read(found, run.repair)
        if run.repair and run.parts is None:
            for one in found:
                if one.outcome is Outcome.ROTTEN:
                    self._healing.heal(one)

    def _begin_part(self, run: Run) -> None:
        """Have all nodes read the next part, or say that this was the last one."""
        now = self._board.now.mono_ms
        if now < run.not_before_ms:
            return
        paths: tuple[bytes, ...] = ()
        if run.parts is None:
            run.until = self._end_of_part(run.after)
        elif run.again and run.not_before_ms + _HEAL_MS > now and self._healing.is_busy:
            return
        elif run.parts:
            paths = run.parts.pop(0)
        run.here = {}
        self._rereads.begin(Walk("", run.after, run.until, paths))
        for party in run.parties:
            peer = self._board.peers.get(party.replica)
            if party.problem or peer is None or peer.link != party.link:
                self._leaves(party, "it disconnected")
                continue
            party.id, party.entries, party.apart = peer.connection.window.new_id(self._board.number), {}, {}
            party.asked_ms, party.reading, party.is_done = now, 0, False
            request = VerifyRequest(self._board.folder, party.id, run.after, run.until, paths, run.repair)
            self._board.send(party.replica, request, 200 + sum(map(len, paths)))

    def _end_of_part(self, after: bytes) -> bytes:
        """The last path of the part that begins there; b"": it goes to the end."""
        rows = self._board.index.tree.live_from(after, limits.VERIFY_ENTRIES_MAX // 2)
        size = 0
        for row in rows[:-1]:
            size += row.record.size
            if size > limits.VERIFY_PAGE_BYTES:
                return row.record.path
        return rows[-1].record.path if len(rows) == limits.VERIFY_ENTRIES_MAX // 2 else b""

    def _drop_silent(self, run: Run) -> None:
        now = self._board.now.mono_ms
        for party in run.parties:
            if party.is_done:
                continue
            if party.heard_ms is None and now - party.asked_ms > _SILENT_MS:
                self._leaves(party, "it does not answer: it may be an older version")
            elif party.heard_ms is not None and now - max(party.heard_ms, party.asked_ms) > _LOST_MS:
                self._leaves(party, "it does not answer any more")

    def _end_part(self, run: Run) -> None:
        assert run.here is not None
        walk = self._rereads.walk("")
        run.read += 0 if walk is None else walk.read
        self._rereads.end("")
        theirs = {party.replica: party.entries for party in run.parties if not party.problem}
        found = compare(run.here, theirs, self._skipped(run, theirs))
        for finding in found:
            reason = self._reason_there(run, finding)
            if reason is not None:
                run.apart[finding] = reason
            elif len(run.findings) < _FINDINGS_MAX:
                run.findings[finding] = None
            else:
                run.more += 1
        if run.parts is None:
            run.entries += len(run.here)
            run.after = run.until
        run.here = None
        if run.until or run.parts:
            return
        self._look_again(run)

    def _skipped(self, run: Run, theirs: dict[str, dict[bytes, Entry]]) -> set[bytes]:
        """What this node does not share, or has otherwise on purpose."""
        assert run.here is not None
        skipped: set[bytes] = set()
        for path in set(run.here).union(*theirs.values()):
            row = self._board.index.rows.get(path)
            entry = run.here.get(path) or next(entries[path] for entries in theirs.values() if path in entries)
            if (row is not None and is_own(row.record)) or self._scope.ignores(path, entry.kind is Kind.DIRECTORY):
                skipped.add(path)
        return skipped

    @staticmethod
    def _reason_there(run: Run, finding: Finding) -> Reason | None:
        """Why a peer has something else there on purpose, if it says so."""
        if finding.what not in (What.DIFFERENT, What.MISSING):
            return None
        path = finding.path
        for party in run.parties:
            if party.replica == finding.at and party.apart:
                entry = (run.here or {}).get(path) or party.entries.get(path)
                return party.apart.get((path, None)) or (entry and party.apart.get((path, entry.kind)))
        return None

    def _look_again(self, run: Run) -> None:
        """All parts are read. What may have been a passing state is read once more."""
        passing = [one for one in run.findings if one.what in _PASSING or (run.repair and one.what is What.ROTTEN)]
        passing = [one for one in passing if not self._is_away(run, one.at)]
        if run.parts is not None:
            run.healed.update((one, None) for one in run.expected if one not in run.findings)
        if not passing or run.again == len(_AGAIN_MS):
            run.is_over = True
            return
        run.expected.update((one, None) for one in passing if one.what is What.ROTTEN)
        run.not_before_ms = self._board.now.mono_ms + _AGAIN_MS[run.again]
        run.again += 1
        run.after = run.until = b""
        run.parts = _parts(sorted({one.path for one in passing}))
        for one in passing:
            del run.findings[one]

    @staticmethod
    def _is_away(run: Run, replica: str) -> bool:
        return any(party.replica == replica and party.problem for party in run.parties)


def _parts(paths: list[bytes]) -> list[tuple[bytes, ...]]:
    parts: list[tuple[bytes, ...]] = []
    some: list[bytes] = []
    size = 0
    for path in paths:
        if some and (len(some) == limits.VERIFY_ENTRIES_MAX or size + len(path) > limits.PAGE_BYTES_MAX // 8):
            parts.append(tuple(some))
            some, size = [], 0
        some.append(path)
        size += len(path) + 1
    return [*parts, tuple(some)]
