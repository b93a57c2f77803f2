"""What `--json` prints, for each command: the keys with their types and meanings.

docs/cli.md is made from it, and tests hold real output against it. A key is a path: `peers[].name` is in each object of a list.
"?": it may be absent. Types: text, number, bool, list, object, any; with "|null" it may be null. A key "name[]*" or "name*" has
further keys, which another page describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["SCHEMAS", "STREAMS", "WITHOUT", "faults"]

Schema = dict[str, tuple[str, str]]

WITHOUT = {
    "run": "its log goes to stderr; `status --json` and `events --json` tell how it is doing",
    "completion": "it prints a script",
    "help": "it prints help",
    "version": "it prints one line",
    "web": "it prints the address, and serves until a signal comes",
}
"""Commands without --json, and why."""

STREAMS = {"events", "invite"}
"""Commands that print several objects, one in a line."""

VERSION: Schema = {
    "id": ("text", "for `restore --version` and `conflicts`"),
    "path": ("text", ""),
    "kind": ("text", "`file`, `link`, `folder`"),
    "size": ("number", "bytes"),
    "changed_s": ("number", "the time of the file, in Unix time"),
    "until_s": ("number", "when it was replaced or deleted"),
    "why": ("text", "`replaced`, `deleted`, `conflict`, `recovered`, `rotten` (it had gone bad on the disk)"),
    "by": ("text", "the node whose change displaced it"),
    "on": ("list", "the nodes that keep it; `here`: this one"),
    "here": ("bool", "this machine keeps it"),
}
LOSER: Schema = {
    **VERSION,
    "made_by": ("text", "the node that made it; empty: not known"),
}
NOW: Schema = {
    "now": ("object", "what is there now, the side that won"),
    "now.kind": ("text", "`file`, `link`, `folder`, `nothing`"),
    "now.size": ("number", "bytes"),
    "now.changed_s": ("number", "its time, in Unix time"),
    "now.by": ("text", "the node that made it"),
}


def _each(name: str, words: str, *schemas: Schema) -> Schema:
    """A list of such objects."""
    inside = {f"{name}[].{key}": row for schema in schemas for key, row in schema.items()}
    return {name: ("list", words), **{f"{key}?": row for key, row in inside.items()}}


def _maybe(schema: Schema) -> Schema:
    return {f"{key}?": row for key, row in schema.items()}


_FINDING: Schema = {
    "path": ("text", ""),
    "what": (
        "text",
        "`rotten`, `doubtful` (this file system does not tell whether it was edited), `unreadable`, `changing`, "
        "`different`, `missing`",
    ),
    "at": (
        "text",
        "the machine that has it so; empty: this one. `different`, `missing`: between this one and that one",
    ),
}
_REVERSED = {
    "count": ("number", "paths that it is about"),
    "waits": ("bool", "no other machine is connected: all or a part of it waits for one"),
}
_PAUSE: Schema = {
    "was_paused": ("bool", ""),
    "paused": ("bool", ""),
    "until_s": ("number", "Unix time; 0: until `resume`"),
    "overruled_until_s": (
        "number|null",
        "Unix time until which a `resume` counts more than the schedule, which says `off` now; 0: for good; null: none does",
    ),
}
_DECISION: Schema = {
    "decision": ("text", "`approved` or `rejected`"),
    "files": ("number", "how many files it is about"),
    "missing": ("number", "of these, files that vanished"),
    "elsewhere": ("number", "files of which only another machine can approve what was done"),
    "others": ("list", "connected nodes that may hold the same"),
    "paths?": ("list", "with PATH: which paths were meant"),
}
_CONFIG: Schema = {
    "file": ("text", ""),
    **_each("folders", "", {"name": ("text", "under which it is shared"), "folder": ("text", "")}),
}
_RULE: Schema = {
    "file": ("text", "where the rule stands"),
    "line": ("number", ""),
    "rule": ("text", ""),
}

_STARTED: Schema = {
    "result": ("text", "`started`, `restarted`, `already running`"),
    "folders": ("list", "what the node shares"),
    "process": ("number|null", ""),
    "log": ("text|null", "its log file; null if it ran already or a unit of systemd has it"),
    "unit": ("text|null", "the unit of systemd that runs it"),
    "paused": ("list", "why it waits for a folder"),
}

SCHEMAS: dict[str, Schema] = {
    "start": _STARTED,
    "stop": {
        **_each(
            "stopped",
            "the nodes that ended; none ran if it is empty",
            {
                "folders": ("list", ""),
                "process": ("number", ""),
                "unit": ("text|null", "the unit of systemd that starts it again at the next boot"),
            },
        ),
    },
    "restart": {
        **_STARTED,
        "changed?": ("list", "options that are otherwise than before; absent: none ran, or a unit of systemd has them"),
        "changed[].before?": ("text", "with its value or values; empty: it was not given"),
        "changed[].now?": ("text", "the same; empty: it is dropped, because another one says the opposite"),
        "kept?": ("list", "options that the node had, and has again, without that of its log"),
    },
    "service": {
        "action": ("text", "`install`, `remove`, `status`"),
        "by": ("text", "`systemd`, `systemd of the user`, `openrc`, `cron`"),
        "file": ("text|null", "of the service; null for a line of cron, and with --print"),
        "text?": ("text", "with --print: what would be in the file"),
        "left_to_do?": ("text|null", "install: a command that you have to run, so that it runs without a login"),
        "at_boot?": ("bool", "status"),
        "state?": ("text", "status: in the words of systemd, or `active`, `no node runs`"),
        "runs?": ("bool", "status"),
    },
    "status": {"*": ("any", "see [output](#output)")},
    "doctor": {
        "folder": ("text", "as it was typed; empty: none was examined"),
        "failed": ("number", "of the checks"),
        "warned": ("number", "of the checks"),
        **_each(
            "checks",
            "in the order of the text",
            {
                "check": ("text", "its name: see [doctor](doctor.md)"),
                "group": ("text", "`folder`, `machine` or `network`"),
                "verdict": ("text", "`OK`, `WARN` or `FAIL`"),
                "text": ("text", ""),
                "fix": ("list", "what mends it: commands, or a sentence"),
            },
        ),
    },
    "why": {"*": ("any", "see [output](#output)")},
    "verify": {
        "equal": ("bool", "nothing was found that is not repaired, and all connected machines took part"),
        "took_s": ("number", ""),
        "entries": ("number", "files, folders and links that were checked here"),
        "bytes": ("number", "that were read here"),
        **_each(
            "peers",
            "the machines that were asked",
            {
                "name": ("text", ""),
                "bytes": ("number", "that were read there"),
                "problem": ("text", "why it did not take part to the end; empty: it did"),
            },
        ),
        "away": ("list", "the names of machines that are not connected, and were not asked"),
        "found": ("number", "what is not as it should be"),
        **_each("findings", "the first thousand of these", _FINDING),
        "kept_apart": ("number", "paths that a machine has otherwise on purpose: no fault"),
        **_each(
            "apart",
            "the first thousand of these",
            {
                "path": ("text", ""),
                "what": (
                    "text",
                    "`diverged` (changed or deleted there only, by its mode or because it is read-only), "
                    "`ignored`, `send-only`, `too-large`",
                ),
                "at": ("text", "the machine that has it so"),
            },
        ),
        **_each("healed", "what was bad and is healed", _FINDING),
    },
    "events": {"*": ("any", "see [events](events.md)")},
    "once": {"*": ("any", "see [once](#once)")},
    "invite": {"*": ("any", "see the table of commands")},
    "join": {"*": ("any", "see the table of commands")},
    "members": {"*": ("any", "see the table of commands")},
    "remove": {"*": ("any", "see the table of commands")},
    "wait": {
        "result": ("text", "`done` (0), `late` (3), `stuck` (4)"),
        "seconds": ("number", "how long it took"),
        "folder": ("text", ""),
        "headline": ("text", "as in `status`"),
        "files": ("number", ""),
        "bytes": ("number", ""),
        "copies": ("number", "connected peers that have everything"),
        **_each(
            "peers",
            "those that are connected",
            {
                "name": ("text", ""),
                "replica": ("text", ""),
                "synchronized": ("bool", ""),
                "lacks": ("object|null", "what it lacks of ours; null: not known yet"),
                "lacking_here": ("object", "what we lack of its"),
            },
        ),
        **_each(
            "peers[].declined",
            "what of it the peer does not take, if it says so",
            {
                "reason": ("text", "as in `status`"),
                **dict.fromkeys(("files", "bytes", "others"), ("number", "")),
                "limit": ("number", "bytes of the largest file that it takes; 0: not known"),
            },
        ),
        **{
            f"peers[].{side}.{key}?": ("number", "")
            for side in ("lacks", "lacking_here")
            for key in ("files", "bytes", "others")
        },
        "away": ("list", "names of nodes that are not connected"),
        **_each("left", "what is not done", {"path": ("text", '"" if it is not one path'), "problem": ("text", "")}),
    },
    "held": _each(
        "held",
        "one object for each node, kind and machine that holds it",
        {
            "at": ("text", 'the peer that holds it; "": this machine'),
            "by": ("text", "the node that made the changes"),
            "here": ("bool", "this machine made them"),
            "kind": (
                "text",
                "`deleted`, `rewritten`, `vanished`, `unknown` (changed; the machine at `at` does not say how)",
            ),
            "files": ("number", ""),
            "folders": ("list", "the 100 with the most files"),
            "folders[].folder": ("text", '"": DIR itself'),
            "folders[].files": ("number", ""),
            "folders[].examples": ("list", "up to five paths"),
            "more_folders": ("number", "how many are not listed"),
        },
    ),
    "approve": _DECISION,
    "reject": _DECISION,
    "history": {
        **_each("versions", "newest first", VERSION),
        "more": ("number", "older ones that --limit leaves out"),
        "away": ("list", "known machines that are not connected, so that they were not asked"),
    },
    "restore": {
        "restored?": ("list", "what was brought back; all keys of `history`"),
        "restored[]*?": ("any", ""),
        "same?": ("list", "what was there already"),
        "same[]*?": ("any", ""),
        "written?": ("text", "with --to: the file"),
        "version?": ("object", "with --to: which version"),
        "version*?": ("any", ""),
    },
    "undo": {
        "dry_run": ("bool", "nothing was done"),
        "since_s": ("number", "the time to which it goes back"),
        **_each(
            "changes",
            "",
            {
                "path": ("text", ""),
                "action": ("text", "`restore`, `delete`, `leave`"),
                "kind": ("text", "what was there then: `file`, `link`, `folder`, `nothing`"),
                "size": ("number", "bytes"),
                "problem": ("text", "why it is left as it is"),
            },
        ),
        **_each("left", "with --by: what others have changed since", {"path": ("text", ""), "by": ("text", "")}),
        "coming": ("number", "paths that are still to come from other machines (exit code 3)"),
    },
    "conflicts": {
        **_maybe(_each("conflicts", "versions that lost, with what is there now", LOSER, NOW)),
        **_maybe(
            _each(
                "differences",
                "`show`: the same, with the difference",
                LOSER,
                NOW,
                {"difference": ("list", "lines of a unified diff")},
            )
        ),
        "kept?": ("list", "`keep`: the versions that stay in the history"),
        "kept[]*?": ("any", ""),
        "restored?": ("list", "`restore`: the versions that are there again"),
        "restored[]*?": ("any", ""),
        "merged?": ("list", "`merge`"),
        "merged[]*?": ("any", ""),
        "written?": ("text", "`show --to`: the file"),
        "version?": ("object", "`show --to`: which version"),
        "version*?": ("any", ""),
    },
    "diverged": {
        "mode": ("text", ""),
        "count": ("number", "paths that differ"),
        **_each(
            "paths",
            "the first 10,000",
            {
                "path": ("text", ""),
                "here": ("text", "`file`, `folder`, `link`, `nothing`"),
                "there": ("text", "the same on the other machines"),
                "by": ("text", 'the node that made what is there; "": it was changed here'),
            },
        ),
    },
    "override": _REVERSED,
    "revert": _REVERSED,
    "pause": _PAUSE,
    "resume": _PAUSE,
    "ignore": {
        **_maybe(_each("rules", "without PATH", _RULE)),
        "problems?": ("list", "lines that cannot be used"),
        **_maybe(
            _each("paths", "with PATH", {"path": ("text", ""), "ignored_by": ("object|null", "null: it is shared")})
        ),
        **{f"paths[].ignored_by.{key}?": row for key, row in _RULE.items()},
        "ignored?": ("number", "with --check: paths that would be ignored"),
        "shared?": ("number", "paths that would be shared again"),
        "newly_ignored?": ("list", "the first 10,000 of them"),
        "newly_shared?": ("list", "the first 10,000 of them"),
    },
    "new-key": {"file": ("text", ""), "key": ("text", "its fingerprint"), "generation": ("number", "")},
    "key": {"*": ("any", "`key` (the secret), `fingerprint`, `generation`")},
    "leave": {"folder": ("text", ""), "left": ("text", "the fingerprint of the key that was forgotten")},
    "config": {**_maybe(_CONFIG), "text?": ("text", "with --example")},
    "reload": _CONFIG,
}

_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "bool": bool,
    "list": list,
    "object": dict,
}


def faults(command: str, answer: dict[str, Any]) -> list[str]:
    """What is wrong with the output of a command: keys that are not described, of another type, or missing."""
    if set(answer) == {"error", "exit_code"}:
        return []
    schema = SCHEMAS[command]
    known = {key.rstrip("?"): row for key, row in schema.items()}
    free = [key[:-1] for key in known if key.endswith("*")]
    found = list(_keys(answer))
    wrong = []
    for key, value in found:
        if any(key.startswith(f"{one}." if one else "") and key != one for one in free):
            continue
        if key not in known:
            wrong.append(f"{key} is not described")
        elif not _is(value, known[key][0]):
            wrong.append(f"{key} is {value!r}, and not {known[key][0]}")
    there = {key for key, _ in found}
    wrong += [f"{key} is missing" for key in schema if not key.endswith("?") and "*" not in key and key not in there]
    return wrong


def _is(value: object, kind: str) -> bool:
    if value is None:
        return kind.endswith("|null")
    wanted = _TYPES[kind.removesuffix("|null")]
    return isinstance(value, wanted) and (isinstance(value, bool) == (wanted is bool))


def _keys(answer: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in answer.items():
        path = f"{above}{key}"
        yield path, value
        if isinstance(value, dict):
            yield from _keys(value, f"{path}.")
        elif isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    yield from _keys(one, f"{path}[].")
