"""The headline of a folder, whether its machine can be switched off, and the table of its peers.

In:   a Status. Out: lines for people; names are escaped already.
Rule: trouble is named in the headline, whatever else is going on.
Used by: cli.once, cli.status_words, cli.waiting, cli.watch_view.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.cli.results import columns
from dir_sync.core.pausing import NO_END
from dir_sync.core.peer_status import PeerStatus
from dir_sync.core.peers.standing import NOTHING, lack_of, without
from dir_sync.core.status import Headline, PauseStatus, Safety, Status
from dir_sync.core.waiting import LACK_MS
from dir_sync.reporting.log import how_many, human_bytes, human_seconds, listed, moment, who_have
from dir_sync.reporting.progress_words import amount, going_out_to, not_taken_words, progress_words, time_left, why_not

__all__ = [
    "COLOURS",
    "WORDS",
    "ago",
    "headline",
    "is_left_there",
    "lag",
    "not_taken_by",
    "not_taken_there",
    "own_mode",
    "paused_until",
    "peer_rows",
    "peer_table",
    "rate",
    "safe_line",
]

WORDS = {
    Headline.UP_TO_DATE: "UP TO DATE",
    Headline.SYNCING: "SYNCING",
    Headline.HELD: "HELD",
    Headline.PAUSED: "PAUSED",
    Headline.ALONE: "ALONE",
    Headline.TROUBLE: "TROUBLE",
}
COLOURS = {
    Headline.UP_TO_DATE: "green",
    Headline.SYNCING: "cyan",
    Headline.HELD: "red",
    Headline.PAUSED: "yellow",
    Headline.ALONE: "yellow",
    Headline.TROUBLE: "red",
}
_AWAY_MAX = 10  # in the table
_NAMED_MAX = 3
_IDLE_PER_S = 1_000  # bytes: less is only the noise of the connection


def headline(status: Status, now_s: float) -> str:
    """One line that begins with one of WORDS."""
    word = status.headline
    texts: dict[Headline, Callable[[Status], str]] = {
        Headline.UP_TO_DATE: _up_to_date,
        Headline.SYNCING: _syncing,
        Headline.HELD: _held,
        Headline.PAUSED: _paused,
        Headline.TROUBLE: _trouble,
        Headline.ALONE: lambda status: _alone(status, now_s),
    }
    return WORDS[word] + texts[word](status)


def _up_to_date(status: Status) -> str:
    names = listed([peer.name for peer in status.peers])
    buts = not_taken_there(status)
    if status.not_taken:
        buts.insert(0, f"for {how_many(len(status.not_taken), 'file')} that this machine does not take")
    but = f", but {'; '.join(buts)}" if buts else ""
    return f" with {names}: {how_many(status.files, 'file')} ({human_bytes(status.bytes)}){but}"


def _syncing(status: Status) -> str:
    parts = []
    if status.scanning:
        parts.append("scanning the folder")
    if status.receiving is not None:
        parts.append(f"coming here: {progress_words(status.receiving)}")
    lacking = [peer for peer in status.peers if peer.lacks not in (None, NOTHING)]
    if status.sending is not None and not all(is_left_there(status, peer) for peer in lacking):
        parts.append(f"{going_out(status)}: {progress_words(status.sending)}")
    parts += not_taken_there(status)
    if not parts and status.unseen:
        parts.append(f"{how_many(status.unseen, 'path')} here still to be looked at")
    if status.troubled:
        first = status.troubled[0]
        more = f" and {len(status.troubled) - 1:,} more" if len(status.troubled) > 1 else ""
        parts.append(f"in trouble: {first.path} ({first.problem}){more}")
    return f": {'; '.join(parts) or 'comparing with the other machines'}"


def going_out(status: Status) -> str:
    """How the progress of all that leaves begins. A file that goes to three machines counts three times."""
    getting = sum(
        peer.lacks is not None
        and peer.progress is not None  # what it holds is not coming
        and without(peer.lacks, peer.declined) != NOTHING
        and not is_left_there(status, peer)
        for peer in status.peers
    )
    return going_out_to(getting)


def is_left_there(status: Status, peer: PeerStatus) -> bool:
    """True if the peer says that it does not take what it lacks, or has not taken it for so long that it will not."""
    is_coming = any(upload.peer == peer.name for upload in status.uploads)
    is_still = peer.is_declining or peer.still_s * 1000 >= LACK_MS
    return peer.lacks not in (None, NOTHING) and is_still and not (is_coming or status.is_reader)


def not_taken_there(status: Status) -> list[str]:
    """What peers do not take, and why, as far as they say it."""
    return [line for peer in status.peers for line in not_taken_by(status, peer)]


def not_taken_by(status: Status, peer: PeerStatus) -> list[str]:
    """A line for each reason, and one for what has no reason."""
    if peer.lacks is None or status.is_reader:
        return []
    lines = [f"{peer.name} {not_taken_words(one.reason.value, lack_of(one), one.limit)}" for one in peer.declined]
    rest = without(peer.lacks, peer.declined)
    if is_left_there(status, peer) and rest != NOTHING:
        lines.append(f"{peer.name} does not take {amount(rest)}: 'status' on that machine says why")
    return lines


def _held(status: Status) -> str:
    return f": what was done to {how_many(status.held_files, 'file')} waits for your decision"


def _paused(status: Status) -> str:
    if status.pause is None:
        return f" by {listed(status.paused_elsewhere)}: nothing is exchanged"
    return f"{paused_until(status.pause)}: nothing is sent or taken"


def paused_until(pause: PauseStatus) -> str:
    """`` by the schedule until 14:30:00``: what comes after the word "paused"; empty if only a person ends it."""
    by = " by the schedule" if pause.scheduled else ""
    return by if pause.until_s == NO_END else f"{by} until {moment(pause.until_s)}"


def _trouble(status: Status) -> str:
    if not status.troubled:
        return f": {'; '.join(not_taken_there(status)) or 'this machine was removed from its mesh'}"
    first, *others = status.troubled
    more = f" and {len(others):,} more" if others else ""
    return f": {first.path} cannot be here ({first.problem}){more}"


def _alone(status: Status, now_s: float) -> str:
    seen = [f"{peer.name} {ago(peer.last_seen_s, now_s)}" for peer in status.away[:_NAMED_MAX] if peer.last_seen_s]
    return f": no other machine is connected{f' (last seen: {listed(seen)})' if seen else ''}"


def safe_line(status: Status) -> str:
    """Whether all that is here is elsewhere, too."""
    return f"safe to switch off: {_SAFE[status.safety](status)}"


def _lacking(status: Status) -> str:
    lacks = [
        f"{peer.name} lacks {'something' if peer.lacks is None else amount(peer.lacks)}{_why(peer)}"
        for peer in status.peers
        if peer.lacks != NOTHING
    ]
    have = [peer.name for peer in status.peers if peer.lacks == NOTHING]
    also = f" ({who_have(have)} everything)" if have else ""
    return f"no, {listed(lacks[:_NAMED_MAX])}{also}"


def only_here(status: Status) -> list[str]:
    """What this machine announces to nobody."""
    lines = []
    if status.too_large:
        are = "is" if len(status.too_large) == 1 else "are"
        lines.append(f"{how_many(len(status.too_large), 'file')} that {are} too large for its --max-file-size")
    if (kept := status.kept_to_itself - len(status.too_large)) > 0:
        lines.append(
            f"{how_many(kept, 'path')} that it keeps to itself, because it is {own_mode(status)} ('diverged' lists them)"
        )
    return lines


def own_mode(status: Status) -> str:
    """A read-only member does what a receive-only machine does, without having been told to by its mode."""
    return "read-only" if status.is_reader and status.mode == "receive-only" else status.mode


def _why(peer: PeerStatus) -> str:
    """If one reason keeps all of it away."""
    if len(peer.declined) != 1 or not peer.is_declining:
        return ""
    (one,) = peer.declined
    return f", and {why_not(one.reason.value, one.limit)}"


def _nobody(status: Status) -> str:
    """Why nobody can say what it has."""
    if not status.paused_elsewhere:
        return "no other machine is connected"
    return f"{who_have(status.paused_elsewhere)} paused this folder"


def _all_have(status: Status) -> str:
    if status.is_reader:  # others ignore what it announces, and lack nothing
        return "yes, this machine is read-only: no other one waits for what is changed here"
    names = [peer.name for peer in status.peers]
    return f"yes, {who_have(names)} everything that is here"


_SAFE: dict[Safety, Callable[[Status], str]] = {
    Safety.SAFE: _all_have,
    Safety.ALONE: lambda status: f"not known, {_nobody(status)}",
    Safety.PAUSED: lambda status: "no, this folder is paused: others do not get what is changed here",
    Safety.UNSEEN: lambda status: "no, changes here are still to be looked at",
    Safety.LACKING: _lacking,
    Safety.ONLY_HERE: lambda status: f"no, only this machine has {listed(only_here(status))}",
    Safety.HELD: lambda status: (
        "no, what was done here waits for a decision"
        if any(one.here for one in status.held)
        else "no, this machine may have the last copy of what it holds: decide first"
    ),
}


def lag(peer: PeerStatus, is_reader: bool = False) -> str:
    """What the peer lacks of ours, and this node of the peer's. `is_reader`: what is changed here counts nowhere else."""
    if peer.is_even:
        return "in sync" if peer.synchronized else f"in sync but for {amount(peer.lacking_here)}"
    if peer.lacks is None:
        return "comparing"
    words = []
    if peer.lacks != NOTHING and is_reader:
        words.append(f"does not have {amount(peer.lacks)}")
    elif peer.lacks != NOTHING:
        left = peer.progress.left_s if peer.progress is not None else None
        words.append(f"lacks {amount(peer.lacks)}{'' if left is None else f', {time_left(left)} left'}")
    if peer.lacking_here != NOTHING:
        words.append(f"has {amount(peer.lacking_here)} more")
    return "; ".join(words) or "comparing"


def rate(peer: PeerStatus) -> str:
    """``up 11.0 MB/s``; "-": nothing goes on."""
    if peer.traffic is None:
        return "-"
    both = (("up", peer.traffic.sends_per_s), ("down", peer.traffic.receives_per_s))
    return " ".join(f"{way} {human_bytes(per_s)}/s" for way, per_s in both if per_s >= _IDLE_PER_S) or "-"


def ago(then_s: int, now_s: float) -> str:
    """``3 min ago``: in one unit."""
    passed = max(0, int(now_s - then_s))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if passed >= size:
            return f"{passed // size} {unit} ago"
    return f"{human_seconds(passed) if passed else '0 s'} ago"


def peer_rows(status: Status, now_s: float) -> list[tuple[str, ...]]:
    """The connected peers, then those that are away: name, address, version, lag, rate, last seen."""
    here: list[tuple[str, ...]] = [
        (peer.name, peer.address, peer.version or "-", lag(peer, status.is_reader), rate(peer), "connected")
        for peer in status.peers
    ]
    away: list[tuple[str, ...]] = [
        (peer.name, peer.address or "-", peer.version or "-", "-", "-",
         ago(peer.last_seen_s, now_s) if peer.last_seen_s else "not known")
        for peer in status.away[:_AWAY_MAX]
    ]  # fmt: skip
    return here + away


PEER_COLUMNS = ("NAME", "ADDRESS", "VERSION", "LAG", "RATE", "LAST SEEN")


def peer_table(status: Status, now_s: float) -> list[str]:
    """Empty if no peer was ever here."""
    rows = peer_rows(status, now_s)
    if not rows:
        return []
    more = len(status.away) - _AWAY_MAX
    return columns([PEER_COLUMNS, *rows]) + ([f"and {more:,} more that are away"] if more > 0 else [])
