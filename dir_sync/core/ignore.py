"""Rules for paths that are not shared: patterns in the syntax of gitignore, and what they say about a path.

In:   the texts of the files with rules: `.syncignore` in any folder, and the file of this machine alone.
Out:  whether a path is ignored, by which rule, and whether that rule's files may go with their folder.
Rule: pure. A path is judged from the top: what is in an ignored folder is ignored. Of the rules that match, the last
one counts: first come the defaults, then the files from the top down, then the file of this machine. Names that are no
UTF-8 are text with surrogates, as everywhere. Each line is compiled once by `pathspec` (GitIgnoreSpec); the answers for
a folder share one expression, so that a path that no rule is about costs one match.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache

from dir_sync.core import limits
from dir_sync.core.model import parent_of
from dir_sync.core.named import NamedTuple

__all__ = ["DEFAULTS", "DEFAULTS_ORIGIN", "NAME", "FolderRules", "Rule", "RuleFile", "Rules", "read_rules"]

NAME = b".syncignore"
DISPOSABLE = "(?d)"  # before a pattern: what it matches goes with a folder that was deleted elsewhere
DEFAULTS_ORIGIN = "built in"
LOCAL_ORIGIN = ".dir_sync/ignore"
DEFAULTS = """\
# swap and lock files of editors and office programs
.*.sw[a-p]
.sw[a-p]
.#*
.~lock.*#
~$*
# what file managers leave in each folder
(?d).DS_Store
(?d)Thumbs.db
# downloads that are not complete
*.part
*.crdownload
"""
_EXPRESSIONS = {
    ".*.sw[a-p]": r"\.[^/]*\.sw[a-p]",
    ".sw[a-p]": r"\.sw[a-p]",
    ".#*": r"\.\#[^/]*",
    ".~lock.*#": r"\.\~lock\.[^/]*\#",
    "~$*": r"\~\$[^/]*",
    "(?d).DS_Store": r"\.DS_Store",
    "(?d)Thumbs.db": r"Thumbs\.db",
    "*.part": r"[^/]*\.part",
    "*.crdownload": r"[^/]*\.crdownload",
}
"""What `pathspec` makes of the defaults, each of which is about a name: a node without other rules need not load it."""
_OF_SYNCTHING = re.compile(r"(?P<comment>//)|(?P<include>#include\s+\S+\s*$)|(?P<case>!?(?:\(\?d\))?!?\(\?i\))")
_INSTEAD = {
    "comment": "a comment begins with #",
    "include": "no file is included: copy its lines to here",
    "case": "(?i) is not known here: write both cases, like [Ff]older",
}
"""Lines of `.stignore` that mean something else, or nothing, in the syntax of gitignore."""
_ANY_FOLDER = "^(?:.+/)?"
_FOLDER_ONLY = "(?P<ps_d>/)"
_EITHER = "(?:(?P<ps_d>/)|$)"
_STARS_MAX = 3  # wildcards between two slashes: more can take seconds for one name
_STARS_TOTAL_MAX = 8


class Rule(NamedTuple):
    """One pattern. `expression` is about the name alone (`is_name`), or about the path below the folder of the file."""

    origin: str
    line: int
    text: str
    includes: bool  # what it matches is ignored; false: it is shared (`!`)
    is_disposable: bool
    is_folder: bool  # it is about folders only
    is_name: bool
    expression: str

    def matches(self, prefix: str, name: str, is_folder: bool) -> bool:
        if self.is_folder and not is_folder:
            return False
        return _compiled(self.expression).fullmatch(name if self.is_name else prefix + name) is not None


class RuleFile(NamedTuple):
    """The rules of one file, and its lines that cannot be used, each with the reason."""

    rules: tuple[Rule, ...]
    problems: tuple[str, ...]


@lru_cache(maxsize=256)
def read_rules(text: bytes, origin: str) -> RuleFile:
    """The rules in the text of a file. `origin`: its name, for people."""
    rules: list[Rule] = []
    problems: list[str] = []
    if len(text) > limits.RULES_BYTES_MAX:
        return RuleFile((), (f"{origin} is larger than {limits.RULES_BYTES_MAX} bytes",))
    lines = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            rule = _rule(line, origin, number)
        except ValueError as error:
            problems.append(f"{origin}, line {number}: {error}")
            continue
        if rule is not None and len(rules) < limits.RULES_MAX:
            rules.append(rule)
        elif rule is not None:
            problems.append(f"{origin} has more than {limits.RULES_MAX} rules")
            break
    return RuleFile(tuple(rules), tuple(problems))


def _rule(line: str, origin: str, number: int) -> Rule | None:
    """The rule in a line; None: it is a comment, or blank. ValueError: it cannot be used."""
    if foreign := _OF_SYNCTHING.match(line):
        raise ValueError(_INSTEAD[foreign.lastgroup or ""])
    if not line.strip() or line.startswith("#"):
        return None
    if line in _EXPRESSIONS:
        return Rule(origin, number, line, True, line.startswith(DISPOSABLE), False, True, _EXPRESSIONS[line])
    pattern = line.removeprefix(DISPOSABLE)
    parts = pattern.split("/")
    if max(part.count("*") for part in parts) > _STARS_MAX or pattern.count("*") > _STARS_TOTAL_MAX:
        raise ValueError("too many * in one pattern")
    from pathspec import GitIgnoreSpec  # imported late: with what it imports, it takes 30 ms

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a set that contains a bracket, which is meant
        try:
            found = list(GitIgnoreSpec.from_lines([pattern]).patterns)
        except (ValueError, re.error):
            raise ValueError("this is no pattern") from None
        if not found or found[0].include is None or found[0].regex is None:  # a [ without its ], or / alone
            raise ValueError("this is no pattern")
        includes = bool(found[0].include)
        is_folder, is_name, expression = _own_level(found[0].regex.pattern, pattern)
        _compiled(expression)
    is_disposable = line.startswith(DISPOSABLE) and includes
    return Rule(origin, number, line, includes, is_disposable, is_folder, is_name, expression)


def _own_level(regex: str, pattern: str) -> tuple[bool, bool, str]:
    """Whether a rule is about folders only, whether it is about names alone, and an expression that matches the whole of
    what it is about. Those of `pathspec` also match what is below that, which is judged from the top here."""
    is_folder = regex.endswith(_FOLDER_ONLY)
    regex = regex.removesuffix(_FOLDER_ONLY).removesuffix(_EITHER)
    if regex in ("", "."):
        return is_folder, True, ".+"
    if regex.endswith("/"):  # everything in a folder
        regex += ".+"
    is_name = regex.startswith(_ANY_FOLDER) and "/" not in pattern.rstrip().removeprefix("!").removesuffix("/")
    return is_folder, is_name, regex.removeprefix(_ANY_FOLDER) if is_name else regex


@lru_cache(maxsize=4 * limits.RULES_MAX)
def _compiled(expression: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(expression, re.DOTALL)


class FolderRules:
    """What the rules say about the entries of one folder."""

    def __init__(
        self,
        ignored_by: Rule | None,
        files: tuple[tuple[RuleFile, str], ...],
        above: FolderRules | None = None,
    ) -> None:
        """`ignored_by`: the rule by which the folder itself is ignored. `files`: those that are about it, in the order in
        which they count, each with the path from its folder to this one (with a slash at its end). `above`: of the folder
        above, which mostly has the same files."""
        self.ignored_by = ignored_by
        self._files = files
        self._has_paths: bool
        self._names: re.Pattern[str]
        if above is not None and [id(file) for file, _ in files] == [id(file) for file, _ in above._files]:
            self._has_paths, self._names = above._has_paths, above._names
            return
        rules = [rule for file, _ in files for rule in file.rules]
        self._has_paths = any(not rule.is_name for rule in rules)
        self._names = _either(tuple(rule.expression for rule in rules if rule.is_name))

    def is_about_any(self, names: Iterable[bytes]) -> bool:
        """False if all entries with these names are shared. Nearly all folders are such, and this costs less than `rule_for`
        for each entry."""
        if self.ignored_by is not None or self._has_paths:
            return True
        return any(map(self._names.fullmatch, [name.decode("utf-8", "surrogateescape") for name in names]))

    def rule_for(self, name: bytes, is_folder: bool) -> Rule | None:
        """The rule by which this entry is ignored; None: it is shared."""
        if self.ignored_by is not None:
            return self.ignored_by
        if name == NAME:
            return None  # a file with rules is shared like any other, whatever they say
        text = name.decode("utf-8", "surrogateescape")
        if not self._has_paths and self._names.fullmatch(text) is None:
            return None
        for file, prefix in reversed(self._files):
            for rule in reversed(file.rules):
                if rule.matches(prefix, text, is_folder):
                    return rule if rule.includes else None
        return None


@lru_cache(maxsize=256)
def _either(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Matches what one of the patterns matches."""
    return _compiled("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


_NOTHING = RuleFile((), ())


class Rules:
    """All rules of a shared folder at one moment."""

    def __init__(self, texts: dict[bytes, bytes], local: bytes = b"", defaults: bool = True) -> None:
        """`texts`: of each `.syncignore`, by its folder. `local`: of the file of this machine. `defaults`: the rules that
        are built in count, too."""
        self.texts = texts
        self.local = local
        self.defaults = defaults
        self._first = read_rules(DEFAULTS.encode(), DEFAULTS_ORIGIN) if defaults else _NOTHING
        self._last = read_rules(local, LOCAL_ORIGIN)
        self._folders: dict[bytes, FolderRules] = {}

    def files(self) -> list[RuleFile]:
        """In the order in which they count."""
        return [self._first, *(self.file(folder) for folder in sorted(self.texts)), self._last]

    def file(self, folder: bytes) -> RuleFile:
        """The rules of the file in that folder."""
        text = self.texts.get(folder)
        if text is None:
            return _NOTHING
        return read_rules(text, (folder + b"/" + NAME if folder else NAME).decode("utf-8", "surrogateescape"))

    def changed(self, folder: bytes, text: bytes | None) -> Rules:
        """The rules when that folder has another file, or none any more."""
        texts = {**self.texts, folder: text} if text is not None else {**self.texts}
        if text is None:
            texts.pop(folder, None)
        return Rules(texts, self.local, self.defaults)

    def with_local(self, local: bytes) -> Rules:
        return Rules(self.texts, local, self.defaults)

    def of_folder(self, folder: bytes) -> FolderRules:
        """The rules for the entries of a folder."""
        known = self._folders.get(folder)
        if known is None:
            if len(self._folders) >= limits.RULE_FOLDERS_MAX:
                self._folders.clear()
            known = self._folders[folder] = self._about(folder)
        return known

    def _about(self, folder: bytes) -> FolderRules:
        above = self.of_folder(parent_of(folder)) if folder else None
        if above is not None:
            name = folder.rpartition(b"/")[2]
            ignored_by = above.rule_for(name, is_folder=True)
            if ignored_by is not None:
                return FolderRules(ignored_by, ())
        whole = folder.decode("utf-8", "surrogateescape") + "/" if folder else ""
        files = [(self._first, whole)]
        at = b""
        for part in [b"", *folder.split(b"/")] if folder else [b""]:
            at = at + b"/" + part if at else part
            if at in self.texts:
                below = folder[len(at) :].lstrip(b"/")
                files.append((self.file(at), below.decode("utf-8", "surrogateescape") + "/" if below else ""))
        files.append((self._last, whole))
        return FolderRules(None, tuple([file for file in files if file[0].rules]), above)

    def rule_for(self, path: bytes, is_folder: bool) -> Rule | None:
        """The rule by which a path is ignored; None: it is shared."""
        folder, _, name = path.rpartition(b"/")
        return self.of_folder(folder).rule_for(name, is_folder)

    def ignored_files(self, paths: Iterable[bytes]) -> set[bytes]:
        """Those of `paths`, all of files, that are not shared. Where no rule is about a folder's files, as in nearly all
        folders, this costs less than `ignores` for each."""
        names: dict[bytes, list[bytes]] = {}
        for path in paths:
            folder, _, name = path.rpartition(b"/")
            names.setdefault(folder, []).append(name)
        ignored: set[bytes] = set()
        for folder, some in names.items():
            rules = self.of_folder(folder)
            if rules.is_about_any(some):
                prefix = folder + b"/" if folder else b""
                ignored.update([prefix + name for name in some if rules.rule_for(name, False) is not None])
        return ignored

    def ignores(self, path: bytes, is_folder: bool | None) -> bool:
        """True if a path is not shared. `is_folder`: None if it is unknown; then only what is ignored in either case is."""
        if is_folder is not None:
            return self.rule_for(path, is_folder) is not None
        return self.rule_for(path, False) is not None and self.rule_for(path, True) is not None
