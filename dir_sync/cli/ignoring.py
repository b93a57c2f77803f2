"""The command `ignore`: the rules for paths that are not shared, and what they do.

In:   the words after the command; the files with rules in DIR. Out: lines on stdout, and an exit code.
Rule: it reads the folder itself and needs no node. Nothing is changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dir_sync import config
from dir_sync.cli.parser import command_parser
from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.ignore import NAME, Rule, Rules
from dir_sync.core.model import parent_of, show, show_text
from dir_sync.core.names import LOCAL_RULES
from dir_sync.reporting.log import how_many
from dir_sync.reporting.output import say

__all__ = ["Effect", "effect_of", "ignore", "place", "rules_above", "rules_in"]

_SHOWN_MAX = 20  # paths that are named


def ignore(argv: list[str]) -> int:
    """``ignore DIR [PATH ...]``: list the rules, say by which one a path is ignored, or try other rules."""
    parser = command_parser(
        "ignore",
        "List the rules for paths that are not shared: those that are built in, those in the files .syncignore in DIR "
        "(in the syntax of .gitignore; they are shared like any file), and those of this machine alone in "
        "DIR/.dir_sync/ignore. With PATH, say which rule it is that counts for it. With --check, say what FILE as "
        "DIR/.syncignore would change. No change of rules deletes anything.",
        "ignore ~/shared",
        "ignore ~/shared notes/draft.txt",
        "ignore ~/shared --check new-rules.txt",
        more="exit codes: 0 done, 1 a file cannot be read; with PATH also 4 it is shared",
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="a file or folder in DIR")
    parser.add_argument("--check", metavar="FILE", help="the effect of FILE in place of DIR/.syncignore")
    parser.add_argument(
        "--no-default-ignores", dest="defaults", action="store_false", help="as for a node with this option"
    )
    given = parser.parse_args(argv)
    folder = os.fsencode(config.checked_folder(given.folder))
    rules = rules_in(folder, given.defaults)
    if given.check is not None:
        return _check(folder, rules, _read(os.fsencode(given.check)))
    if given.paths:
        return _explain(folder, rules, [os.fsencode(path) for path in given.paths])
    for file in rules.files():
        for rule in file.rules:
            say(f"{place(rule)}: {show_text(rule.text)}")
        for problem in file.problems:
            say(f"cannot be used: {show_text(problem)}")
    return config.OK


def place(rule: Rule) -> str:
    """Where a rule stands."""
    return f"{show_text(rule.origin)}, line {rule.line}"


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


def _explain(folder: bytes, rules: Rules, paths: list[bytes]) -> int:
    code = config.OK
    for path in paths:
        below = path if not os.path.isabs(path) else os.path.relpath(path, folder)
        below = os.path.normpath(below).rstrip(b"/")
        if below in (b"", b".") or below.startswith(b".."):
            raise ConfigError(f"{show(path)} is not in DIR", config.USAGE)
        full = folder + b"/" + below
        rule = rules.rule_for(below, os.path.isdir(full) and not os.path.islink(full))
        if rule is None:
            code = config.UNFINISHED
            say(f"{show(below)}: shared")
        else:
            say(f"{show(below)}: ignored by {place(rule)}: {show_text(rule.text)}")
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
                by[f"{place(rule)}: {show_text(rule.text)}"] += 1
            else:
                shared.append(path)
    problems = tuple(problem for file in after.files() for problem in file.problems)
    return Effect(problems, sorted(ignored), sorted(shared), by)


def _check(folder: bytes, rules: Rules, text: bytes) -> int:
    """The effect of other rules in the file at the top."""
    after = rules.changed(b"", text)
    for problem in after.file(b"").problems:
        say(f"cannot be used: {show_text(problem)}")
    found = effect_of(folder, rules, after)
    ignored, shared = found.ignored, found.shared
    say(f"{how_many(len(ignored), 'path')} newly ignored, {len(shared):,} newly shared; nothing would be deleted")
    for words, count in found.by.most_common():
        say(f"  {count:,} by {words}")
    for word, paths in (("ignored", ignored), ("shared", shared)):
        for path in paths[:_SHOWN_MAX]:
            say(f"newly {word}: {show(path)}")
        if len(paths) > _SHOWN_MAX:
            say(f"and {len(paths) - _SHOWN_MAX:,} more newly {word}")
    return config.OK
