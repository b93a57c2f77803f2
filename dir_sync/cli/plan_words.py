"""What `once --dry-run` prints: a table of what a run would do, or one JSON object.

In:   a Plan, and with whom. Out: lines of text; the JSON object.
Rule: nothing is decided here. Paths are escaped.
Used by: rehearsing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dir_sync.core.forecast import Action, Plan, Step
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.model import Kind, show
from dir_sync.reporting.log import how_many, human_bytes, listed

__all__ = ["object_of", "table"]


def table(made: Plan, peers: Sequence[str]) -> list[str]:
    """A headline, one line for each path, and their sums."""
    who = listed(peers)
    if not made.steps:
        return [f"in sync with {who}: nothing would be done", *_differing(made)]
    rows = [(_what(step), _size(step), _path(step)) for step in made.steps]
    first, second = (max(len(row[at]) for row in rows) for at in (0, 1))
    lines = [f"this is what a run would do with {who}; nothing was changed"]
    lines += [f"  {what:{first}}  {size:>{second}}  {path}" for what, size, path in rows]
    return [*lines, *_sums(made.steps), *_differing(made)]


def _what(step: Step) -> str:
    if step.action in (Action.RECEIVE, Action.SEND):
        return f"send to {step.at}" if step.at else "receive"
    return f"{step.action.value} at {step.at}" if step.at else f"{step.action.value} here"


def _size(step: Step) -> str:
    if step.kind is not Kind.FILE or step.is_meta or step.action in (Action.DELETE, Action.RENAME):
        return ""
    return human_bytes(step.size)


def _path(step: Step) -> str:
    name = show(step.path) + ("/" if step.kind is Kind.DIRECTORY else "")
    if step.action is Action.RENAME:
        return f"{show(step.old)} -> {name}"
    if step.action is Action.CONFLICT:
        return f"{name} (the version {'there' if step.at else 'here'} loses, and is kept)"
    return f"{name} (only {step.what})" if step.is_meta else name


def _sums(steps: Sequence[Step]) -> list[str]:
    counts = Counter(_what(step) for step in steps)
    sizes = Counter[str]()
    for step in steps:
        if _size(step):
            sizes[_what(step)] += step.size
    return [
        f"{what}: {how_many(count, 'path')}{f' ({human_bytes(sizes[what])})' if sizes[what] else ''}"
        for what, count in sorted(counts.items())
    ]


def _differing(made: Plan) -> list[str]:
    if not made.differs:
        return []
    return [f"{how_many(made.differs, 'path')} would stay different because of a mode"]


def object_of(made: Plan | None, peers: Sequence[str]) -> dict[str, Any]:
    """The part of the JSON object that says what would be done."""
    if made is None:
        return {"peers": list(peers), "plan": None, "differs": None}
    return {
        "peers": list(peers),
        "plan": [
            {
                "action": step.action.value,
                "path": show(step.path),
                "kind": KIND_WORDS[step.kind],
                "bytes": step.size if step.kind is Kind.FILE else 0,
                "at": step.at or None,
                "from": show(step.old) if step.old else None,
                "only_attributes": step.is_meta,
                "what": step.what or None,
            }
            for step in made.steps
        ],
        "differs": made.differs,
    }
