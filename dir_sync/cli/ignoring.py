"""The command `ignore`: the rules for paths that are not shared, and what they do.

In:   the words after the command; the files with rules in DIR. Out: lines on stdout, and an exit code.
Rule: it reads the folder itself and needs no node. Nothing is changed.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator

from dir_sync import config
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.cli.results import tell
from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.ignore import DEFAULTS_ORIGIN, NAME, Rule, Rules
from dir_sync.core.model import parent_of, show, show_text
from dir_sync.core.named import NamedTuple
from dir_sync.core.names import LOCAL_RULES
from dir_sync.network.control import Answer
from dir_sync.reporting.log import escape, how_many
from dir_sync.reporting.output import meant

__all__ = ["Effect", "count_shared", "effect_of", "ignore", "place", "rule_words", "rules_above", "rules_in"]

_SHOWN_MAX = 20  # paths that are named
_LISTED_MAX = 10_000  # for programs


def ignore(argv: list[str]) -> int:
    """``ignore DIR [PATH ...]``: list the rules, say by which one a path is ignored, or try other rules."""
    parser = command_parser(
        "ignore",
        "List the rules for paths that are not shared: those that are built in, those in the files .syncignore in DIR "
        "(write them with any editor, in the syntax of .gitignore: one rule in a line; they are shared like any file), "
        "and those of this machine alone in DIR/.dir_sync/ignore. With PATH, say which rule it is that counts for it. "
        "With --check, say what FILE as DIR/.syncignore would change. No change of rules deletes anything.",
        "ignore ~/shared",
        "ignore ~/shared notes/draft.txt",
        "ignore ~/shared --check new-rules.txt",
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="a file or folder in DIR")
    parser.add_argument("--check", metavar="FILE", help="the effect of FILE in place of DIR/.syncignore")
    parser.add_argument(
        "--no-default-ignores", dest="defaults", action="store_false", help="as for a node with this option"
    )
    add_json(parser)
    given = parser.parse_args(argv)
    folder = os.fsencode(config.checked_folder(given.folder))
    rules = rules_in(folder, given.defaults)
    if given.check is not None:
        return _check(folder, rules, _read(os.fsencode(given.check)), given.json)
    if given.paths:
        return _explain(folder, rules, [_meant(folder, path) for path in given.paths], given.json)
    lines, listed, problems = [], [], []
    for file in rules.files():
        lines += [rule_words(rule) for rule in file.rules]
        lines += [f"cannot be used: {show_text(problem)}" for problem in file.problems]
        listed += [_json(rule) for rule in file.rules]
        problems += [show_text(problem) for problem in file.problems]
    tell(given.json, {"rules": listed, "problems": problems}, lines)
    return config.OK


def _meant(folder: bytes, text: str) -> bytes:
    """The path that a person typed: by its name, or in the printed form if nothing of that name is there."""
    names = [os.fsencode(one) for one in meant(text)]
    return next((one for one in names if os.path.lexists(os.path.join(folder, one))), names[0])


def _json(rule: Rule) -> Answer:
    return {"file": show_text(rule.origin), "line": rule.line, "rule": escape(rule.text)}


def place(rule: Rule) -> str:
    """Where a rule stands."""
    return f"{show_text(rule.origin)}, line {rule.line}"


def rule_words(rule: Rule) -> str:
    """Where it stands, and the rule as it was written: a backslash in it has a meaning."""
    return f"{place(rule)}: {escape(rule.text)}"


def _read(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limits.RULES_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be read: {error.strerror}") from None


def rules_in(folder: bytes, defaults: bool) -> Rules:
    """All rules that hold in a folder now."""
    local = folder + b"/" + LOCAL_RULES
    rules = Rules({}, _read(local) if os.path.isfile(local) else b"", defaults)
    for at, _, names in _walk(folder, rules):
        if NAME in names:
            text = _read(b"/".join([part for part in (folder, at, NAME) if part]))
            if text != rules.texts.get(at):
                rules = rules.changed(at, text)
    return rules


def rules_above(folder: bytes, path: bytes, defaults: bool = True) -> Rules:
    """The rules that may be about one path: those of this machine, and of the folders above it."""
    local = folder + b"/" + LOCAL_RULES
    texts: dict[bytes, bytes] = {}
    at = path
    while at:
        at = parent_of(at)
        name = b"/".join([part for part in (folder, at, NAME) if part])
        if os.path.isfile(name):
            texts[at] = _read(name)
    return Rules(texts, _read(local) if os.path.isfile(local) else b"", defaults)


def _walk(folder: bytes, rules: Rules | None) -> Iterator[tuple[bytes, list[bytes], list[bytes]]]:
    """Each folder below, its folders and its other entries. `rules`: what they ignore is left out; None: nothing is."""
    ahead = [b""]
    while ahead:
        at = ahead.pop()
        folders: list[bytes] = []
        others: list[bytes] = []
        try:
            with os.scandir(b"/".join([part for part in (folder, at) if part])) as found:
                for entry in found:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    (folders if is_folder else others).append(entry.name)
        except OSError:
            continue
        if not at and limits.RESERVED_NAME in folders:
            folders.remove(limits.RESERVED_NAME)
        yield at, folders, others
        prefix = at + b"/" if at else b""
        ahead += [prefix + name for name in folders if rules is None or not rules.ignores(prefix + name, True)]


def count_shared(folder: bytes) -> tuple[int, int]:
    """How many files and how many symbolic links in a folder no rule leaves out."""
    rules, files, links = rules_in(folder, True), 0, 0
    for at, _, names in _walk(folder, rules):
        for name in names:
            path = at + b"/" + name if at else name
            if rules.ignores(path, False):
                continue
            try:
                mode = os.lstat(folder + b"/" + path).st_mode
            except OSError:
                continue  # it has gone
            files += stat.S_ISREG(mode)
            links += stat.S_ISLNK(mode)
    return files, links


def _explain(folder: bytes, rules: Rules, paths: list[bytes], as_json: bool) -> int:
    code = config.OK
    lines: list[str] = []
    answers: list[Answer] = []
    for path in paths:
        below = path if not os.path.isabs(path) else os.path.relpath(path, folder)
        below = os.path.normpath(below).rstrip(b"/")
        if below in (b"", b".") or below.startswith(b".."):
            raise ConfigError(f"{show(path)} is not in DIR", config.USAGE)
        if limits.RESERVED_NAME in below.split(b"/"):
            lines.append(f"{show(below)}: never shared: it is dir_sync's own")
            own = {"file": DEFAULTS_ORIGIN, "line": 0, "rule": os.fsdecode(limits.RESERVED_NAME)}
            answers.append({"path": show(below), "ignored_by": own})
            continue
        full = folder + b"/" + below
        rule = rules.rule_for(below, os.path.isdir(full) and not os.path.islink(full))
        if rule is None:
            code = config.UNFINISHED
            lines.append(f"{show(below)}: shared")
        else:
            lines.append(f"{show(below)}: ignored by {rule_words(rule)}")
        answers.append({"path": show(below), "ignored_by": None if rule is None else _json(rule)})
    tell(as_json, {"paths": answers}, lines)
    return code


class Effect(NamedTuple):
    """What other rules would change. Nothing is deleted by any."""

    problems: tuple[str, ...]  # lines that cannot be used
    ignored: list[bytes]  # paths that are shared now
    shared: list[bytes]  # paths that are ignored now
    by: Counter[str]  # how many are newly ignored, by the place and text of the rule


def effect_of(folder: bytes, rules: Rules, after: Rules) -> Effect:
    """What is otherwise with the rules `after` than with `rules`."""
    ignored: list[bytes] = []
    shared: list[bytes] = []
    by: Counter[str] = Counter()
    for at, folders, others in _walk(folder, None):
        prefix = at + b"/" if at else b""
        for name, is_folder in [*((name, True) for name in folders), *((name, False) for name in others)]:
            path = prefix + name
            before, rule = rules.rule_for(path, is_folder), after.rule_for(path, is_folder)
            if (before is None) == (rule is None):
                continue
            if rule is not None:
                ignored.append(path)
                by[rule_words(rule)] += 1
            else:
                shared.append(path)
    problems = tuple(problem for file in after.files() for problem in file.problems)
    return Effect(problems, sorted(ignored), sorted(shared), by)


def _check(folder: bytes, rules: Rules, text: bytes, as_json: bool) -> int:
    """The effect of other rules in the file at the top."""
    after = rules.changed(b"", text)
    problems = [show_text(problem) for problem in after.file(b"").problems]
    lines = [f"cannot be used: {problem}" for problem in problems]
    found = effect_of(folder, rules, after)
    ignored, shared = found.ignored, found.shared
    lines.append(
        f"{how_many(len(ignored), 'path')} newly ignored, {len(shared):,} newly shared; nothing would be deleted"
    )
    lines += [f"  {count:,} by {words}" for words, count in found.by.most_common()]
    for word, paths in (("ignored", ignored), ("shared", shared)):
        lines += [f"newly {word}: {show(path)}" for path in paths[:_SHOWN_MAX]]
        if len(paths) > _SHOWN_MAX:
            lines.append(f"and {len(paths) - _SHOWN_MAX:,} more newly {word}")
    names = {
        "newly_ignored": [show(path) for path in ignored[:_LISTED_MAX]],
        "newly_shared": [show(path) for path in shared[:_LISTED_MAX]],
    }
    tell(as_json, {"ignored": len(ignored), "shared": len(shared), **names, "problems": problems}, lines)
    return config.OK
