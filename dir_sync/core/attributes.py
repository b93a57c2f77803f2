"""Attributes of files that are kept only if a node is told to: owner, ACLs, extended attributes, names of one file.

In:   what a look found; rows of JSON from peers.
Out:  frozen values with one canonical form, so that equal attributes are equal values; their JSON.
Rule: each part is None in a version if no node that made it keeps that part. What is None is left as it is on each disk,
and the next version of a node that keeps the part says what is there. `merged` is the one place where a version gets the
parts that its maker does not keep from the version before.
Used by: cli.conflict_tools, core, engine, disk, files, history, index, ports.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Collection
from typing import Any

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = [
    "NOTHING",
    "Attributes",
    "AttributesChanged",
    "Owner",
    "believed",
    "change_in_words",
    "checked",
    "fits",
    "is_between",
    "json_bytes",
    "merged",
    "row",
    "text",
    "value_of_text",
]


class AttributesChanged(NamedTuple):
    """For people: a change of owner, ACL or extended attributes by `maker` was carried out here, maybe of more. See
    core.notes. `what`: in words."""

    path: bytes
    maker: str
    what: str


class Owner(NamedTuple):
    """Names count first, then numbers. A name is "" where the machine of the maker has none."""

    user: str
    uid: int
    group: str
    gid: int


Acl = tuple[tuple[int, int, str, int], ...]
"""Entries of a POSIX ACL: tag, permissions, and of tags that name a user or a group its name and number (else "", 0)."""

NAMED_TAGS = {0x02: "user", 0x08: "group"}
"""Tags whose entry is about the user or the group with a number. The others are about the owner, the group and so on."""

_TAGS = frozenset({0x01, 0x02, 0x04, 0x08, 0x10, 0x20})
_WORDS = ("owner", "ACL", "extended attributes", "names of one file")  # of the parts, in their order
_XATTR_PREFIX = b"user."
_FILE_ID = re.compile(r"(?:[0-9a-f]{24})?", re.ASCII)


class Attributes(NamedTuple):
    owner: Owner | None = None
    acls: tuple[Acl, Acl] | None = None  # of the entry; of a folder also what new entries in it inherit. (): none
    xattrs: tuple[tuple[bytes, bytes], ...] | None = None  # names begin with "user."; sorted by name
    file_id: str | None = None  # names with the same one are names of one file; "": the only name. See core.hard_links


NOTHING = Attributes()
"""No part is said."""


def merged(before: Attributes | None, now: Attributes | None, of_file: bool = True) -> Attributes | None:
    """The parts of `now`, and those of `before` where `now` says nothing. `of_file` false: of something that can be no name of
    a file."""
    if now is None or before is None:
        found = now or before
    else:
        found = Attributes(
            before.owner if now.owner is None else now.owner,
            before.acls if now.acls is None else now.acls,
            before.xattrs if now.xattrs is None else now.xattrs,
            before.file_id if now.file_id is None else now.file_id,
        )
    if found is not None and not of_file and found.file_id is not None:
        found = found._replace(file_id=None)
    return None if found == NOTHING else found


def fits(seen: Attributes | None, known: Attributes | None) -> bool:
    """True if each part that was seen is as in `known`."""
    return seen is None or merged(known, seen) == known


def believed(said: Attributes, seen: Attributes, parts: Collection[str]) -> Attributes:
    """What was seen, but of these `parts` (names of fields) what the version said, if it said anything: the disk was never
    given them. Parts that were not read stay unread."""
    return Attributes(*[
        was if here is not None and was is not None and part in parts else here
        for part, was, here in zip(Attributes._fields, said, seen, strict=True)
    ])  # type: ignore[arg-type]  # fmt: skip


def is_between(before: Attributes | None, now: Attributes | None, wanted: Attributes | None) -> bool:
    """True if each single thing is as `before` or as `wanted`: what a change of one into the other leaves that has failed
    half-way. `now`: what was seen."""
    if now is None:
        return True
    was, then = before or NOTHING, merged(before, wanted) or NOTHING
    if now.owner not in (None, was.owner, then.owner) or now.file_id not in (None, was.file_id, then.file_id):
        return False
    if now.acls is not None:
        if any(
            acl not in both for acl, *both in zip(now.acls, was.acls or ((), ()), then.acls or ((), ()), strict=True)
        ):
            return False
    if now.xattrs is not None:
        here, one, other = dict(now.xattrs), dict(was.xattrs or ()), dict(then.xattrs or ())
        return all(
            here.get(name) in (one.get(name), other.get(name)) for name in here.keys() | one.keys() | other.keys()
        )
    return True


def change_in_words(one: Attributes | None, other: Attributes | None, is_meta: bool) -> str:
    """What two versions with one content differ in, for people. `is_meta`: their times or permissions differ."""
    pairs = zip(_WORDS, one or NOTHING, other or NOTHING, strict=True)
    words = [word for word, mine, theirs in pairs if mine != theirs]
    if is_meta or not words:
        words.insert(0, "time or permissions")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# JSON


def row(attributes: Attributes) -> list[Any]:
    """The item of a record's row: owner, ACLs, extended attributes; null for a part that is not said. Behind them the
    file's id, if one is said."""
    owner, acls, xattrs, file_id = attributes
    items: list[Any] = [
        None if owner is None else list(owner),
        None if acls is None else [[_entry_row(entry) for entry in acl] for acl in acls],
        None
        if xattrs is None
        else [[_text(name), b2a_base64(value, newline=False).decode()] for name, value in xattrs],
    ]
    return items if file_id is None else [*items, file_id]


def _entry_row(entry: tuple[int, int, str, int]) -> list[Any]:
    return list(entry) if entry[0] in NAMED_TAGS else list(entry[:2])


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def checked(item: Any) -> Attributes:
    """The attributes of an item of a record's row. Raises ValueError, whose text is for people."""
    if type(item) is not list or len(item) not in (3, 4):
        raise ValueError("attributes that are not an array of 3 or 4")
    owner, acls, xattrs, *more = item
    found = Attributes(
        None if owner is None else _owner(owner),
        None if acls is None else _acls(acls),
        None if xattrs is None else _xattrs(xattrs),
        _file_id(more[0]) if more else None,
    )
    if found == NOTHING:
        raise ValueError("attributes that say nothing")
    return found


def _owner(item: Any) -> Owner:
    if type(item) is not list or len(item) != 4 or not (_is_name(item[0]) and _is_name(item[2])):
        raise ValueError("an owner that is wrong")
    if not (_is_number(item[1]) and _is_number(item[3])):
        raise ValueError("an owner with a number that is wrong")
    return Owner(*item)


def _acls(item: Any) -> tuple[Acl, Acl]:
    if type(item) is not list or len(item) != 2:
        raise ValueError("ACLs that are not a pair")
    access, default = item
    return _acl(access), _acl(default)


def _acl(item: Any) -> Acl:
    if type(item) is not list or len(item) > limits.ACL_ENTRIES_MAX:
        raise ValueError("an ACL that is no array, or too long")
    entries: list[tuple[int, int, str, int]] = []
    for entry in item:
        if type(entry) is not list or len(entry) not in (2, 4) or type(entry[0]) is not int or entry[0] not in _TAGS:
            raise ValueError("an ACL with an entry that is wrong")
        tag, permissions, name, number = (*entry, "", 0)[:4]
        is_named = tag in NAMED_TAGS
        if type(permissions) is not int or not 0 <= permissions <= 7 or is_named != (len(entry) == 4):
            raise ValueError("an ACL with an entry that is wrong")
        if not _is_name(name) or not _is_number(number):
            raise ValueError("an ACL with a name or a number that is wrong")
        entries.append((tag, permissions, name, number))
    return tuple(entries)


def _xattrs(item: Any) -> tuple[tuple[bytes, bytes], ...]:
    if type(item) is not list or len(item) > limits.XATTRS_MAX:
        raise ValueError("extended attributes that are no array, or too many")
    found: list[tuple[bytes, bytes]] = []
    size = 0
    for pair in item:
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise ValueError("an extended attribute that is not a pair")
        try:
            name = pair[0].encode("utf-8", "surrogateescape")
            value = a2b_base64(pair[1].encode("ascii"), strict_mode=True)
        except (UnicodeError, Base64Error):
            raise ValueError("an extended attribute that cannot be decoded") from None
        if not is_kept_name(name) or (found and name <= found[-1][0]):
            raise ValueError("an extended attribute with a name that is wrong")
        size += len(name) + len(value)
        if size > limits.XATTRS_BYTES_MAX:
            raise ValueError("extended attributes that are too large")
        found.append((name, value))
    return tuple(found)


def _file_id(item: Any) -> str:
    if type(item) is not str or not _FILE_ID.fullmatch(item):
        raise ValueError("the id of a file that is wrong")
    return item


def is_kept_name(name: bytes) -> bool:
    """True for an extended attribute of the user. Those of the kernel and of root (security, system, trusted) mean something
    on one machine only, or give rights: they never travel."""
    return name.startswith(_XATTR_PREFIX) and len(_XATTR_PREFIX) < len(name) <= limits.PART_BYTES_MAX and 0 not in name


def _is_name(item: Any) -> bool:
    return type(item) is str and len(item) <= limits.OWNER_CHARS_MAX and (not item or item.isprintable())


def _is_number(item: Any) -> bool:
    return type(item) is int and 0 <= item < limits.OWNER_NUMBER_END


def json_bytes(attributes: Attributes | None) -> int:
    """About how many bytes of JSON they are; see `page_size` of core.messages.records."""
    if attributes is None:
        return 0
    _, acls, xattrs, file_id = attributes
    size = 60 if acls is None else 60 + 40 * (len(acls[0]) + len(acls[1]))
    size += 30 if file_id is not None else 0
    return size + sum(20 + 2 * len(name) + 2 * len(value) for name, value in xattrs or ())


def text(attributes: Attributes | None) -> str:
    """As the index stores them, and as a key for sorting; "" for none."""
    return json.dumps(row(attributes), separators=(",", ":")) if attributes else ""


def value_of_text(stored: str) -> Attributes | None:
    """What `text` made of them. Raises ValueError."""
    return checked(json.loads(stored)) if stored else None
