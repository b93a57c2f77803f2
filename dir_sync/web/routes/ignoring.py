"""Routes about rules for paths that are not shared: the two files, what a change of them would do, saving them.

In:   texts of the page. Out: rules and their effect, as the command `ignore` says it.
Rule: a file is replaced in one step, and only if it still is what the page has shown.
"""

from __future__ import annotations

import os

from dir_sync.cli.ignoring import effect_of, rules_in
from dir_sync.config import USAGE, ConfigError
from dir_sync.core import limits
from dir_sync.core.ignore import DEFAULTS_ORIGIN, NAME, Rule
from dir_sync.core.model import show, show_text
from dir_sync.core.names import LOCAL_RULES
from dir_sync.network.control import Answer
from dir_sync.reporting.log import escape
from dir_sync.web.replies import Asked, get, post
from dir_sync.web.saving import read_text, replace_text

__all__ = ["ROUTES", "rule_row"]

_SHOWN_MAX = 500
_FILES = {"shared": NAME, "local": LOCAL_RULES}


def _file(asked: Asked, which: str) -> bytes:
    return os.fsencode(asked.shared.path) + b"/" + _FILES[which]


def _rules(asked: Asked) -> Answer:
    rules = rules_in(os.fsencode(asked.shared.path), True)
    return {
        "texts": {which: read_text(_file(asked, which)) for which in _FILES},
        "rules": [rule_row(rule) for file in rules.files() for rule in file.rules],
        "problems": [show_text(problem) for file in rules.files() for problem in file.problems],
    }


def rule_row(rule: Rule) -> Answer:
    """`file`: "" for a rule that is built in."""
    file = "" if rule.origin == DEFAULTS_ORIGIN else show_text(rule.origin)
    return {"file": file, "line": rule.line, "text": escape(rule.text)}


def _given(asked: Asked) -> tuple[str, bytes]:
    """Which file it is that the page would change, and its text. ConfigError if it may not be that."""
    which, text = asked.text("which"), asked.text("text").encode("utf-8", "surrogateescape")
    if which not in _FILES:
        raise ConfigError("which rules? 'shared' or 'local'", USAGE)
    if len(text) > limits.RULES_BYTES_MAX:
        raise ConfigError(f"the rules are larger than {limits.RULES_BYTES_MAX} bytes", USAGE)
    return which, text


def _check(asked: Asked) -> Answer:
    which, text = _given(asked)
    folder = os.fsencode(asked.shared.path)
    rules = rules_in(folder, True)
    found = effect_of(folder, rules, rules.changed(b"", text or None) if which == "shared" else rules.with_local(text))
    return {
        "problems": [show_text(problem) for problem in found.problems],
        "ignored": len(found.ignored),
        "shared": len(found.shared),
        "by": [{"rule": rule, "count": count} for rule, count in found.by.most_common(100)],
        "examples": {
            "ignored": [show(path) for path in found.ignored[:_SHOWN_MAX]],
            "shared": [show(path) for path in found.shared[:_SHOWN_MAX]],
        },
    }


def _save(asked: Asked) -> Answer:
    which, _ = _given(asked)
    beside = os.fsencode(asked.shared.path) + b"/" + LOCAL_RULES + b".new"  # .dir_sync is not shared
    replace_text(_file(asked, which), asked.text("was"), asked.text("text"), beside)
    return {}


ROUTES = [
    get("/api/folders/{folder}/ignore", _rules),
    post("/api/folders/{folder}/ignore/check", _check),
    post("/api/folders/{folder}/ignore", _save),
]
