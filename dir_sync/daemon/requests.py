"""The commands that other programs send through the control socket, answered from the index and the engine.

In:   questions, as JSON objects: status, versions, undo, recall, excerpt, pending, keep, common, settle, held, approve, reject,
      decide, lacking, diverged, override, revert, rows, forecast, pause, resume, why, verify, doctor, settings.
Out:  one answer for each; changes by a command, as effects of the engine.
Rule: a command that asks the peers is answered when all have answered. The engine's thread does not wait for them.
Used by: effects, folder, sharing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.events import (
    ConflictsDismissed,
    Decided,
    Effect,
    Excerpt,
    ExcerptWanted,
    Inquired,
    Overridden,
    Report,
    RestoreRequested,
    Reverted,
    Touched,
    Urgency,
)
from dir_sync.core.forecast import from_json, to_json
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.messages import HaveRequest, HistoryRequest
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind, Record, show, show_text
from dir_sync.core.peers.standing import NOTHING
from dir_sync.daemon.asking import Waiting
from dir_sync.daemon.held import decided, decided_below, held_changes, paths_meant
from dir_sync.daemon.inbox import Post
from dir_sync.daemon.mesh import COMMANDS as MESH_COMMANDS
from dir_sync.daemon.mesh import MeshRequests
from dir_sync.daemon.news import Asked
from dir_sync.daemon.pausing import Pausing
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.share import Share
from dir_sync.daemon.verifying import verify
from dir_sync.engine import Now
from dir_sync.history import answers, undo_plan
from dir_sync.index import JOURNAL_SINCE
from dir_sync.network.control import Answer
from dir_sync.reporting.log import logger

if TYPE_CHECKING:
    from dir_sync.core.status import Status

__all__ = ["Requests"]

_LISTED_MAX = 10_000
_ROWS_MAX = 2_000  # of one answer
_LACKING_SOUGHT = 1_000  # of the last changes


class Requests:
    """Engine thread only."""

    def __init__(
        self,
        share: Share,
        peers: ConnectedPeers,
        inbox: Post,
        status: Callable[[], Status],
        mesh: MeshRequests,
        pausing: Pausing,
    ) -> None:
        self._share = share
        self._index = share.index
        self._engine = share.engine
        self._unwatched = share.watcher.unwatched
        self._peers = peers
        self._inbox = inbox
        self._status = status
        self._mesh = mesh
        self._pausing = pausing
        self.waiting = Waiting(share, lambda: (peers.names(), peers.pausing), lambda: status().to_json())
        # number of a question to all peers -> the function to call with the answers
        self._reports: dict[int, Callable[..., None]] = {}
        self._inquiry = 0

    def answered(self, report: Report | Excerpt) -> None:
        """The peers have answered: call the function that waits for it."""
        self._reports.pop(report.id)(report)

    def on_asked(self, asked: Asked, now: Now) -> list[Effect]:
        question = asked.question
        try:
            match question["command"]:
                case "status" if "unlike" in question:
                    self.waiting.take(asked)
                case "status":
                    asked.reply.put(self._status().to_json())
                case "versions":
                    return self._versions(asked, now)
                case "undo":
                    return self._undo(asked, now)
                case "recall":
                    return self._recall(asked, now)
                case "excerpt":
                    return self._excerpt(asked, now)
                case "settings":
                    asked.reply.put(self._share.settings)
                case "doctor":
                    asked.reply.put(self._for_doctor())
                case "why":
                    return self._why(asked, now)
                case "lacking":
                    return self._lacking(asked, now)
                case "verify":
                    answer, effects = verify(question, self._share, self._peers, now)
                    asked.reply.put(answer)
                    return effects
                case "rows":
                    asked.reply.put(self._rows(question))
                case "forecast":
                    asked.reply.put(self._forecast(question))
                case "pending":
                    asked.reply.put({"count": self._engine.queries.pending_restores()})
                case "keep":
                    asked.reply.put(answers.keep(self._index, question))
                    for path in answers.touched(question):
                        self._inbox.put(Touched(path, Urgency.NOW))
                case "common":
                    asked.reply.put(answers.common(self._index, question))
                case "settle":
                    losers = answers.settle(self._index, question)
                    asked.reply.put({})
                    return self._engine.handle(ConflictsDismissed(tuple(losers)), now)
                case "held":
                    asked.reply.put(held_changes(self._share, self._peers))
                case "approve" | "reject" as word:
                    asked.reply.put(decided(self._share, self._peers, word == "approve"))
                    return self._engine.handle(Decided(word == "approve"), now)
                case "decide":
                    return self._decide(asked, now)
                case "pause" | "resume":
                    asked.reply.put(self._pausing.asked(question, now.wall_ns / 1e9))
                case "diverged":
                    asked.reply.put(self._diverged(question))
                case "override" | "revert" as word:
                    asked.reply.put(self._diverged(question, 0) | {"connected": len(self._peers.links)})
                    return self._engine.handle(Overridden() if word == "override" else Reverted(), now)
                case word if word in MESH_COMMANDS:
                    asked.reply.put(self._mesh.answer(question))
                case other:
                    asked.reply.put(
                        {"error": f"the running node does not know the command {other!r}: it is another version"}
                    )
        except ConfigError as error:
            asked.reply.put({"error": str(error), "exit_code": error.exit_code})
        return []

    def _decide(self, asked: Asked, now: Now) -> list[Effect]:
        """Decide about some paths. The command has a name of its own, because a node that does not know paths would decide
        about everything."""
        approve = asked.question.get("approve") is True
        paths = paths_meant(self._share, self._peers, answers.meanings_asked(asked.question))
        asked.reply.put(decided_below(self._share, self._peers, paths))
        if asked.question.get("dry_run") is True:
            return []
        return self._engine.handle(Decided(approve, paths), now)

    def _diverged(self, question: Answer, most: int = _LISTED_MAX) -> Answer:
        """What the mode leaves different. ConfigError if the question is for other modes."""
        mode = self._engine.mode_rules.mode.value
        modes = question.get("modes")
        if isinstance(modes, list) and mode not in modes:
            raise ConfigError(f"this node is {mode}, and that is for one that is {' or '.join(map(str, modes))}")
        found = list(self._engine.own_changes.differences())
        paths = [
            {
                "path": show(one.path),
                "here": KIND_WORDS[one.here],
                "there": KIND_WORDS[one.there],
                "by": show_text(one.by),
            }
            for one in found[:most]
        ]
        return {"mode": mode, "count": len(found), "paths": paths}

    def _rows(self, question: Answer) -> Answer:
        """What is here, page by page: for a dry run. Nothing while it is not known: it is asked again in a moment."""
        forecaster, after = self._engine.forecaster, int(question.get("after", 0))
        page: tuple[list[Record], int, bool] = ([], after, False)
        if forecaster.is_ready:
            page = forecaster.rows(after, _ROWS_MAX, with_own=True)
        records, sequence, is_last = page
        return {
            "ready": forecaster.is_ready,
            "replica": self._index.identity.replica,
            "mode": self._engine.mode_rules.mode.value,
            "sequence": sequence,
            "last": is_last,
            "room": forecaster.room,
            "records": [to_json(record) for record in records],
        }

    def _forecast(self, question: Answer) -> Answer:
        """What would happen here, if others had this."""
        found = [
            self._engine.forecaster.outcome(bytes.fromhex(path), [(replica, from_json(row)) for replica, row in told])
            for path, told in question.get("told", [])
        ]
        return {
            "outcomes": [
                [one.fate.value, None if one.record is None else to_json(one.record), one.reason] for one in found
            ]
        }

    def _recall(self, asked: Asked, now: Now) -> list[Effect]:
        wanted = undo_plan.with_parents(self._index, answers.restore_asked(asked.question))
        asked.reply.put({})
        holder = asked.question.get("holder")
        holders: dict[bytes, tuple[str, ...]] = {}
        if holder:
            holders = {one.content: (str(holder),) for one in wanted if one.content}
        return self._engine.handle(RestoreRequested(tuple(wanted), holders), now)

    def _versions(self, asked: Asked, now: Now) -> list[Effect]:
        def then(report: Report) -> None:
            answer = own | {"peers": answers.listed_there(report.answers)}
            asked.reply.put(answers.with_makers(self._index, answer) if conflicts else answer)

        path, conflicts = answers.path_asked(asked.question), asked.question.get("conflicts") is True
        own = answers.listed(self._index, path, [one.replica for one in self._peers.away()])
        if asked.question.get("peers") is not True:
            asked.reply.put(own)
            return []
        return self._ask_peers((HistoryRequest("", 0, path, limits.HISTORY_ANSWER_MAX, conflicts),), then, now)

    def _excerpt(self, asked: Asked, now: Now) -> list[Effect]:
        """A piece of a content that only a peer keeps, in base64."""
        holder, path, content, offset, length = answers.excerpt_asked(asked.question)
        if length > limits.PULL_BYTES_MAX:
            raise ConfigError(f"a piece has at most {limits.PULL_BYTES_MAX} bytes")

        def then(found: Excerpt) -> None:
            data = base64.b64encode(found.data).decode("ascii")
            asked.reply.put({"error": found.problem} if found.problem else {"data": data})

        self._inquiry += 1
        self._reports[self._inquiry] = then
        return self._engine.handle(ExcerptWanted(self._inquiry, holder, path, content, offset, length), now)

    def _for_doctor(self) -> Answer:
        """How far the clocks of the peers differed at the last question; each is asked again. And settings that count for what
        `doctor` finds."""
        clocks = []
        for replica, node in sorted(self._peers.links.items()):
            measured = node.measure_clock()
            known = {} if measured is None else measured._asdict()
            clocks.append({"name": show(self._peers.name_of(replica)), "address": node.address} | known)
        keep = self._share.keeps_free
        return {
            "clocks": clocks,
            "discovers": self._share.discovers,
            "min_free_bytes": keep.bytes,
            "min_free_percent": keep.percent,
        }

    def _why(self, asked: Asked, now: Now) -> list[Effect]:
        """The story of one path. Peers that may have its content are asked for that."""
        from dir_sync.daemon.stories import contents_to_ask_for, story_of  # only `why` needs them

        path = answers.path_asked(asked.question)
        addresses = {replica: node.address for replica, node in self._peers.links.items()}
        try:
            status = self._status()
            told = story_of(self._engine, path, status, dict(self._unwatched), addresses, now.mono_ms)
            contents = contents_to_ask_for(self._engine, path, told)
        except Exception as error:  # it only reads: a fault in it must not end the node
            logger.debug("the fault in full:", exc_info=True)
            raise ConfigError(f"the node could not tell ({error!r}): this is a fault of dir_sync") from error
        if not contents:
            asked.reply.put(told)
            return []
        questions = (HaveRequest("", 0, contents),)
        lacks = "refused" if status.is_reader else "no"

        def then(report: Report) -> None:
            have = undo_plan.holders(questions, report.answers).get(contents[0], ())
            said = {peer for peer, _, _ in report.answers}
            for peer in told["peers"]:
                if peer["has"] == "asked" and peer["replica"] in said:
                    peer["has"] = "yes" if peer["replica"] in have else lacks
            asked.reply.put(told)

        return self._ask_peers(questions, then, now)

    def _lacking(self, asked: Asked, now: Now) -> list[Effect]:
        """Which of the files that were changed last here are missing on peers that lack something, by their contents."""
        report, name_of = self._engine.sync_report, self._engine.board.name_of
        lagging = [replica for replica in sorted(self._peers.links) if report.lacked_by(replica) not in (None, NOTHING)]
        newest = [row.record for row in self._index.changes.newest(_LACKING_SOUGHT)]
        files = [one for one in newest if one.kind is Kind.FILE and one.size and not is_own(one)]
        questions = undo_plan.questions(sorted({one.content for one in files}))
        if not (lagging and questions):
            asked.reply.put({"peers": []})
            return []

        def then(report: Report) -> None:
            have = undo_plan.holders(questions, report.answers)
            lacks: dict[str, set[bytes]] = {replica: set() for replica in lagging}
            for replica, number, _ in report.answers:
                if replica in lacks:
                    lacks[replica] |= {one for one in questions[number].digests if replica not in have.get(one, ())}
            peers = [
                {
                    "name": show_text(name_of(replica)),
                    "paths": [show(one.path) for one in files if one.content in contents],
                }
                for replica, contents in lacks.items()
            ]
            asked.reply.put({"peers": peers})

        return self._ask_peers(questions, then, now)

    def _undo(self, asked: Asked, now: Now) -> list[Effect]:
        wish = answers.wish_of(self._index, asked.question, now.wall_ns, self._index.notes.get(JOURNAL_SINCE))
        plan = undo_plan.plan(self._index, wish.since_ns, wish.by)
        questions = undo_plan.questions(undo_plan.missing(self._index, plan.wanted))

        def then(report: Report) -> None:
            found = undo_plan.holders(questions, report.answers)
            nowhere = {content for request in questions for content in request.digests if content not in found}
            # the command reads these files, and recalls what they begin with
            unsure = undo_plan.beginnings(self._index, plan.wanted, nowhere, wish.since_ns)
            wanted = undo_plan.with_parents(self._index, (one for one in plan.wanted if one.content not in nowhere))
            if not wish.dry_run and wanted:
                self._inbox.put(RestoreRequested(tuple(wanted), found))
            asked.reply.put(answers.describe(self._index, wish, plan, nowhere, unsure))

        return self._ask_peers(questions, then, now)

    def _ask_peers(
        self, questions: tuple[HistoryRequest | HaveRequest, ...], then: Callable[[Report], None], now: Now
    ) -> list[Effect]:
        """Ask all peers. `then` is called on the engine's thread when they have answered."""
        self._inquiry += 1
        self._reports[self._inquiry] = then
        return self._engine.handle(Inquired(self._inquiry, questions), now)
