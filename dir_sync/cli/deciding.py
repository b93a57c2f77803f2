"""The commands about what the brake holds: held, approve, reject.

In:   the words after the command; the answers of the node that runs. Out: lines on stdout or one JSON object, and an exit code.
Rule: on a terminal a person sees first what is decided, and is asked. Who may decide is the node's to say.
"""

from __future__ import annotations

from argparse import Namespace

from dir_sync import config
from dir_sync.cli.dialogue import add_yes, ask_running, consent
from dir_sync.cli.parser import Parser, add_json, command_parser
from dir_sync.cli.results import columns, tell
from dir_sync.cli.status_words import held_words, status_in
from dir_sync.config import ConfigError
from dir_sync.folder.typed import paths_meant
from dir_sync.history.codec import text_of
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, listed
from dir_sync.reporting.shell import APPROVE_ELSEWHERE, command

__all__ = ["approve", "held", "reject"]

_FOLDERS_MAX = 20  # that are named
_NAMED_MAX = 10  # of the paths in a question to a person
_NOTHING_HELD = "nothing is held: there is nothing to decide"


def approve(argv: list[str]) -> int:
    """``approve DIR [PATH ...]``: carry out what the brake holds."""
    parser = command_parser(
        "approve",
        "Allow the held deletions or rewrites on all machines. Run this on any machine but the "
        "one that made them. Files that vanished while no node was watching can be approved "
        "anywhere; the other machines may ask again. On a terminal, it shows what is held and asks. "
        "With PATH, this is only about what this machine holds there; everything else stays held.",
        "approve ~/shared",
        "approve ~/shared photos/2019 notes.txt",
    )
    given = _given(parser, argv)
    answer = _decided(given, "approve")
    tell(given.json, _answer(answer, "approved"), _approved(answer))
    return config.OK


def reject(argv: list[str]) -> int:
    """``reject DIR [PATH ...]``: undo what the brake holds."""
    parser = command_parser(
        "reject",
        "Undo the held deletions or rewrites on all machines, including files that were "
        "already changed in the minute before the hold. Run this on any machine. On a terminal, it shows what is held "
        "and asks. With PATH, this is only about what this machine holds there; everything else stays held.",
        "reject ~/shared",
        "reject ~/shared photos/2019",
    )
    given = _given(parser, argv)
    answer = _decided(given, "reject")
    tell(given.json, _answer(answer, "rejected"), _rejected(answer))
    return config.OK


def _given(parser: Parser, argv: list[str]) -> Namespace:
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="only this: a held file, or a folder with all below it"
    )
    add_yes(parser)
    add_json(parser)
    return parser.parse_args(argv)


def _decided(given: Namespace, word: str) -> Answer:
    """What the decision covers. ConfigError if no node runs, nothing is held at a path, or a person says no."""
    folder = given.folder
    question: Answer = {"command": word}
    if given.paths:
        root = config.checked_folder(folder)
        typed = [[text_of(path) for path in paths_meant(root, text)] for text in given.paths]
        question = {"command": "decide", "approve": word == "approve", "paths": typed}

    def plan() -> str:
        if given.paths:
            answer = ask_running(folder, {**question, "dry_run": True})
            names = answer["paths"]
            some = names if len(names) <= _NAMED_MAX else [*names[:_NAMED_MAX], f"{len(names) - _NAMED_MAX:,} more"]
            return f"{word} what is held of {how_many(answer['files'], 'file')} at {listed(some)}?"
        status = status_in(ask_running(folder, {"command": "status"}))
        if word == "approve" and status.held and all(one.here and not one.missing for one in status.held):
            raise ConfigError(f"nothing was approved: {_only_elsewhere(status.held_files)}")
        lines = held_words(status)
        return "\n".join([*lines, f"{word} all of this?"]) if lines else ""

    consent(plan, given.yes)
    return ask_running(folder, question)


def _answer(answer: Answer, word: str) -> Answer:
    return {
        "decision": word,
        "files": answer["files"],
        "missing": answer["missing"],
        "elsewhere": answer["elsewhere"],
        "others": answer["others"],
        **({"paths": answer["paths"]} if "paths" in answer else {}),
    }


def _approved(answer: Answer) -> list[str]:
    """What an approval achieved, and which nodes still hold changes. ConfigError if it decided nothing."""
    missing, elsewhere = answer["missing"], answer["elsewhere"]
    changed = answer["files"] - missing
    lines = []
    if changed:
        lines.append(f"approved: what was done to {how_many(changed, 'file')} now happens on all connected machines")
    if missing:
        lines.append(f"approved: {how_many(missing, 'file')} that vanished {'is' if missing == 1 else 'are'} deleted")
        if others := listed(answer["others"]):
            which = "it" if len(answer["others"]) == 1 else "one of them"
            lines.append(f"{others} may hold this, too, and ask again: then approve it on {which} as well")
        elif answer["missing_here"]:
            lines.append("no other machine is connected: those that connect later may ask again")
    if elsewhere:
        told = _only_elsewhere(elsewhere)
        if not lines:
            raise ConfigError(f"nothing was approved: {told}")
        lines.append(told)
    return [*lines, *_rest(answer)] or [_NOTHING_HELD]


def _rest(answer: Answer) -> list[str]:
    return ["what else is held stays held"] if "paths" in answer else []


def _only_elsewhere(files: int) -> str:
    return f"what this node did to {how_many(files, 'file')} can only be approved on another machine: run it there"


def _rejected(answer: Answer) -> list[str]:
    files = answer["files"]
    if not files:
        return [_NOTHING_HELD]
    if files > answer["missing"] and not answer.get("may_decide", True):
        return [
            f"rejected: {how_many(files, 'file')} will stay or come back on this machine alone, which only reads;",
            "to restore them on all machines, run 'reject' on one that may write",
            *_rest(answer),
        ]
    return [
        f"rejected: {how_many(files, 'file')} will be restored on all machines, and what was changed in the minute before",
        "the hold; the log names files of which no old version is available",
        *_rest(answer),
    ]


def held(argv: list[str]) -> int:
    """``held DIR``: what the brake holds."""
    parser = command_parser(
        "held",
        "List the changes that are held until you decide: by the machine that made them, by what they would do, and by "
        "folder, with examples. 'approve' lets them happen, on any machine but the one that made them; 'reject' undoes "
        "them, on any machine.",
        "held ~/shared",
        "held ~/shared --check || echo something waits for a decision",
    )
    add_json(parser)
    parser.add_argument("--check", action="store_true", help="exit with 4 if anything is held")
    given = parser.parse_args(argv)
    answer = ask_running(given.folder, {"command": "held"})
    tell(given.json, answer, _held(answer, given.folder))
    return config.UNFINISHED if given.check and answer["held"] else config.OK


def _what(group: Answer) -> str:
    """What was done to the files of a group, by whom, and where that is held. Who misses what vanished has not done it."""
    at = f" (held on {group['at']})" if group["at"] else ""
    if group["kind"] == "vanished":
        place = "here" if group["here"] else f"on {group['by']}"
        return f"vanished {place} while no node was watching{'' if group['at'] == group['by'] else at}"
    by = "this machine" if group["here"] else group["by"]
    if group["kind"] == "unknown":  # who holds it does not say to others what would happen to the files
        return f"changed by {by} (held on {group['at']}: 'held' there says how)"
    return f"{group['kind']} by {by}{at}"


def _held(answer: Answer, folder: str) -> list[str]:
    if not answer["held"]:
        return ["nothing is held"]
    lines = []
    for group in answer["held"]:
        is_rest = not group["at"] and not group["folders"]
        lines.append(f"{how_many(group['files'], 'more file' if is_rest else 'file')} {_what(group)}")
        if group["at"]:  # of what is held elsewhere, only one path is known here
            lines += [f"  such as {path}" for one in group["folders"][:1] for path in one["examples"][:1]]
        elif group["folders"]:
            rows = [("FILES", "FOLDER", "SUCH AS")]
            rows += [
                (f"{one['files']:,}", one["folder"] or ".", ", ".join(one["examples"][:2]))
                for one in group["folders"][:_FOLDERS_MAX]
            ]
            lines += [f"  {row}" for row in columns(rows)]
        more = len(group["folders"]) - _FOLDERS_MAX + group["more_folders"]
        if more > 0:
            lines.append(f"  and {how_many(more, 'more folder')} (--json names up to 100)")
    ours = all(group["here"] and group["kind"] != "vanished" for group in answer["held"])
    approving = APPROVE_ELSEWHERE if ours else command("approve", folder)
    return [*lines, f"to let it happen: {approving}", f"to undo it everywhere: {command('reject', folder)}"]
