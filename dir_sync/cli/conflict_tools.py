"""What a person does with a conflict beside keeping or restoring: look at the difference, or merge by hand.

In:   the loser of a conflict, and the histories that have it. Out: lines; the result of the user's merge tool, installed.
Rule: the result of a tool replaces only what the tool was given. If the file has changed meanwhile, or the tool fails,
nothing is changed, and what the tool made is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from dir_sync.config import ConfigError
from dir_sync.core.attributes import NOTHING, Owner
from dir_sync.core.merging import is_text
from dir_sync.core.model import FIRST_CONTACT, Kind, show, show_text
from dir_sync.core.named import NamedTuple
from dir_sync.history.differences import line_diff
from dir_sync.reporting.log import complain

if TYPE_CHECKING:
    from dir_sync.history.choice import Entry
    from dir_sync.history.client import HistoryClient

__all__ = ["NAMES", "difference", "merge_by"]

NAMES = ("BASE", "LOCAL", "REMOTE", "MERGED")
_USUAL = '"$LOCAL" "$MERGED" "$REMOTE"'
_KNOWN = {
    "meld": 'meld --output "$MERGED" "$LOCAL" "$BASE" "$REMOTE"',
    "kdiff3": 'kdiff3 -o "$MERGED" "$BASE" "$LOCAL" "$REMOTE"',
}


_VALUE_MAX = 40  # bytes of an extended attribute that are shown
_NOT_FOUND = 127  # the exit code of a shell that knows no such command


class _Side(NamedTuple):
    """One of the two versions. `data` None: nothing is there."""

    words: str
    data: bytes | None


def difference(client: HistoryClient, entry: Entry) -> list[str]:
    """A unified diff from what is there now to the version that lost."""
    now, lost = _sides(client, entry)
    lines = [f"--- {now.words}", f"+++ {lost.words}", *_other_attributes(client, entry)]
    if len(lines) > 2 and now.data == lost.data:
        return [*lines, "the content is the same"]
    if not is_text(now.data or b"") or not is_text(lost.data or b""):
        path = show(entry.version.path)
        return [*lines, f"{path}: at least one of the two is no text, so no lines can be compared"]
    before, after = ((side.data or b"").decode("utf-8") for side in (now, lost))
    found = line_diff(before, after, _printed)
    return [*lines, *(found or ["no line is different"])]


def _other_attributes(client: HistoryClient, entry: Entry) -> list[str]:
    """How the two differ beside their content and their time, which is named anyway: a line for each of the permissions and of
    the owner, ACL and extended attributes, as far as both say them."""
    version = entry.version
    there = client.stat(version.path)
    if there is None or there.kind is not version.kind:
        return []
    lines = []
    if there.kind is not Kind.SYMLINK and there.mode != version.mode:
        lines.append(f"permissions: {there.mode:04o} now, {version.mode:04o} in the version that lost")
    now, lost = client.attributes(version.path), version.attributes or NOTHING
    if now.owner is not None and lost.owner is not None and now.owner != lost.owner:
        lines.append(f"owner: {_owner(now.owner)} now, {_owner(lost.owner)} in the version that lost")
    if now.acls is not None and lost.acls is not None and now.acls != lost.acls:
        lines.append("ACL: not the same")
    if now.xattrs is not None and lost.xattrs is not None:
        mine, theirs = dict(now.xattrs), dict(lost.xattrs)
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                both = f"{_value(mine.get(name))} now, {_value(theirs.get(name))} in the version that lost"
                lines.append(f"extended attribute {show(name)}: {both}")
    return lines


def _owner(owner: Owner) -> str:
    return f"{show_text(owner.user) or owner.uid}:{show_text(owner.group) or owner.gid}"


def _value(value: bytes | None) -> str:
    if value is None:
        return "not there"
    return f"'{show(value[:_VALUE_MAX])}'" + ("..." if len(value) > _VALUE_MAX else "")


def _sides(client: HistoryClient, entry: Entry) -> tuple[_Side, _Side]:
    """What is there now, and what lost."""
    from dir_sync.history.words import full, local, maker, older_won, size_words

    version = entry.version
    path, there = full(version.path), client.now(version.path)
    if there is None:
        now = _Side(f"{path}\tnothing is there now", None)
    else:
        stat, data = there
        size = size_words(stat.kind, len(data))
        won = f"won by the change of {maker(entry.by)}"
        if entry.by == FIRST_CONTACT:
            how = "older, and won because of the mode of a machine," if older_won(version, stat) else "newer"
            won = f"{how} when the folders first met"
        if entry.now_by not in ("", entry.by):
            won += f", then changed by {maker(entry.now_by)}"
        now = _Side(f"{path}\tnow, {local(stat.mtime)}, {size}, {won}", data)
    data = client.content(entry)
    size = size_words(version.kind, len(data))
    by = f"made by {maker(entry.made_by)}, " if entry.made_by not in ("", FIRST_CONTACT) else ""
    return now, _Side(f"{path}\tlost, {local(version.mtime)}, {size}, {by}kept {_where(entry)}", data)


def _where(entry: Entry) -> str:
    return f"on {show_text(entry.on)}" if entry.holder else "here"


def _printed(line: str) -> str:
    """A line that can be printed: nothing in a file may move the cursor."""
    return show(line.replace("\t", "    ").encode(), len(line) * 10 + 10)


def merge_by(client: HistoryClient, entry: Entry, tool: str) -> None:
    """Let the user's tool merge, and install what it made. ConfigError if it made nothing, or if that cannot be installed."""
    version = entry.version
    now = client.now(version.path)
    if now is None or now[0].kind is not Kind.FILE or version.kind is not Kind.FILE:
        raise ConfigError(f"{show(version.path)}: only two files can be merged; use 'restore' or 'keep'")
    data = now[1]
    common = client.common(entry)
    if common is None:
        known = f"known on {show_text(entry.on)}, which keeps the version that lost" if entry.holder else "kept"
        complain(f"{show(version.path)}: the version from which both were made is not known here, so $BASE is empty"
                 f" (with --merge text it is {known})")  # fmt: skip
    contents = {"BASE": common or b"", "LOCAL": data, "REMOTE": client.content(entry), "MERGED": data}
    folder = tempfile.mkdtemp(prefix="dir_sync-merge-")
    ending = os.path.splitext(os.fsdecode(version.path.rpartition(b"/")[2]))[1]
    files = {name: os.path.join(folder, name + ending) for name in NAMES}
    keep = False  # the tool has made something, and it is not installed
    try:
        for name, content in contents.items():
            with open(files[name], "xb") as file:
                file.write(content)
        code = _run(tool, files)
        with open(files["MERGED"], "rb") as file:
            result = file.read()
        keep = result != data
        if code:
            raise ConfigError(f"the merge tool ended with {code}: nothing was changed")
        if not keep:
            raise ConfigError(
                "the merge tool has not changed the file $MERGED: nothing was changed"
                f" ('keep {entry.id}' keeps the winner)"
            )
        client.install(entry, data, result, now[0].mode)
        keep = False
    except FileNotFoundError:
        raise ConfigError("the merge tool has removed the file $MERGED: nothing was changed") from None
    except ConfigError as error:
        if keep:
            raise ConfigError(f"{error}; what the merge tool made is in {show(os.fsencode(files['MERGED']))}") from None
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _run(tool: str, files: dict[str, str]) -> int:
    """Run the tool in the user's shell, as git does: the files are variables. A name alone gets them as arguments."""
    command = tool
    if not any(f"${name}" in tool or f"${{{name}}}" in tool for name in NAMES):
        command = _KNOWN.get(tool, f"{tool} {_USUAL}")
    program = tool.split(maxsplit=1)[0] if tool.strip() else tool
    try:
        if re.fullmatch(r"[\w./][\w./+-]*", program):  # no quotes, no variables: the shell looks for just that
            is_there = subprocess.run(["/bin/sh", "-c", 'command -v "$1"', "sh", program],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
            if is_there.returncode:
                raise _no_tool(program)
        code = subprocess.run(["/bin/sh", "-c", command], env={**os.environ, **files}, check=False).returncode
    except OSError as error:
        raise ConfigError(f"the merge tool cannot be started: {error.strerror}") from None
    if code == _NOT_FOUND:
        raise _no_tool(program)
    return code


def _no_tool(program: str) -> ConfigError:
    return ConfigError(
        f"there is no merge tool {show(os.fsencode(program))} on this machine: nothing was changed."
        " Install it, or name another one with --tool"
    )
