"""Checks for single values of a message, when decoding and encoding.

Each `checked_` function takes a JSON value and the name to use in an error. It returns the value in our own form, or
raises PeerError. On the wire, digests are hex, paths are text, and times are pairs; here they are 32 raw bytes, bytes,
and nanoseconds.

May import of this package: nothing. Imported by: the other modules of this package.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from dir_sync.core import limits
from dir_sync.core.model import NS_PER_S, PathError, PeerError, check_path
from dir_sync.core.transfers.growth import MARK_BYTES
from dir_sync.core.wire import LocalError

__all__ = [
    "PULL_ID_MAX",
    "are_makers",
    "bounded",
    "checked_array",
    "checked_bool",
    "checked_bytes",
    "checked_digest",
    "checked_hex",
    "checked_id",
    "checked_int",
    "checked_maker",
    "checked_marks",
    "checked_name",
    "checked_path",
    "checked_path_or_folder",
    "checked_text",
    "checked_time",
    "folder_of",
    "id_of",
    "marks_text",
    "sequence_of",
    "text_of",
    "wrong",
]

PULL_ID_MAX: Final = 2**32 - 1

_is_id = re.compile("[0-9a-f]{1,64}").fullmatch
_is_maker = re.compile("[0-9a-f]{1,64}|=[0-9a-f]{1,63}").fullmatch
are_makers = re.compile("(?:(?:[0-9a-f]{1,64}|=[0-9a-f]{1,63})\n)*").fullmatch  # many ids, each followed by a newline

_T = TypeVar("_T")


def bounded(items: tuple[_T, ...], least: int, most: int) -> tuple[_T, ...]:
    """`items`, unchanged. Raises LocalError if their number is outside the limits of the protocol."""
    if not least <= len(items) <= most:
        raise LocalError(f"{len(items)} entries in one message, {least} to {most} are allowed")
    return items


def wrong(what: str) -> PeerError:
    return PeerError(f"{what} is missing or wrong")


# Numbers and arrays


def checked_int(value: Any, what: str, least: int, most: int) -> int:
    # Not isinstance: true is an int, too.
    if type(value) is not int or not least <= value <= most:
        raise wrong(what)
    return value


def checked_bool(value: Any, what: str) -> bool:
    if type(value) is not bool:
        raise wrong(what)
    return value


def checked_array(value: Any, what: str, least: int, most: int) -> list[Any]:
    if type(value) is not list or not least <= len(value) <= most:
        raise wrong(what)
    return value


def checked_time(seconds: Any, ns: Any, what: str) -> int:
    """A time in nanoseconds; the wire carries divmod(time, NS_PER_S)."""
    whole = checked_int(seconds, what, limits.MTIME_S_MIN, limits.MTIME_S_MAX) * NS_PER_S
    return whole + checked_int(ns, what, 0, NS_PER_S - 1)


# Text


def checked_text(value: Any, what: str, least: int, most: int) -> str:
    """Text without surrogates, so that it can be shown."""
    if type(value) is not str or not least <= len(value) <= most:
        raise wrong(what)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise wrong(what) from None
    return value


def checked_name(value: Any, what: str) -> str:
    return checked_text(value, what, 1, limits.NAME_CHARS_MAX)


def checked_id(value: Any, what: str) -> str:
    if type(value) is not str or not _is_id(value):
        raise wrong(what)
    return value


def checked_maker(value: Any, makers: dict[str, str]) -> str:
    """The maker of a change. `makers`: ids of this message that were checked already; its records share these
    strings."""
    if type(value) is not str:
        raise wrong("maker")
    known = makers.get(value)
    if known is None:
        if not _is_maker(value):
            raise wrong("maker")
        known = makers[value] = value
    return known


# Bytes


def checked_digest(value: Any, what: str) -> bytes:
    return checked_hex(value, what, 32)


def checked_hex(value: Any, what: str, size: int) -> bytes:
    if type(value) is str and len(value) == 2 * size:
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raise wrong(what) from None
        if raw.hex() == value:  # fromhex also accepts blanks and capitals
            return raw
    raise wrong(what)


def text_of(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def checked_bytes(value: Any, what: str) -> bytes:
    """The bytes of a text in which surrogates stand for bytes that are not UTF-8, and for nothing else."""
    if type(value) is not str:
        raise wrong(what)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise PeerError(f"{what} with a surrogate that stands for no byte") from None
    if raw.decode("utf-8", "surrogateescape") != value:
        raise PeerError(f"{what} with surrogates in place of UTF-8")
    return raw


def checked_path(value: Any, what: str) -> bytes:
    if type(value) is str and value.isascii() and len(value) <= limits.PART_BYTES_MAX:
        around = f"/{value}/"
        if "/." not in around and "//" not in around and "\0" not in value:
            return value.encode("ascii")  # nearly all paths are ASCII; this check costs a fifth of the general one
    raw = checked_bytes(value, what)
    try:
        return check_path(raw)
    except PathError as error:
        raise PeerError(str(error)) from None


def checked_path_or_folder(value: Any, what: str) -> bytes:
    """A path, or b"" for the shared folder itself."""
    return b"" if value == "" else checked_path(value, what)


def marks_text(marks: tuple[bytes, ...]) -> str:
    return b"".join(marks).hex()


def checked_marks(fields: dict[str, Any]) -> tuple[bytes, ...] | None:
    """The field "marks"; None if there is none."""
    if "marks" not in fields:
        return None
    text = fields["marks"]
    if type(text) is not str or len(text) > 2 * MARK_BYTES * limits.GROWTH_MARKS_MAX or len(text) % (2 * MARK_BYTES):
        raise wrong("marks")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise wrong("marks") from error
    if 2 * len(data) != len(text):  # the text contained white space
        raise wrong("marks")
    return tuple(data[at : at + MARK_BYTES] for at in range(0, len(data), MARK_BYTES))


# Fields that many messages have


def folder_of(fields: dict[str, Any]) -> str:
    return checked_name(fields.get("folder"), "folder")


def sequence_of(fields: dict[str, Any]) -> int:
    return checked_int(fields.get("sequence"), "sequence", 0, limits.SEQUENCE_MAX)


def id_of(fields: dict[str, Any]) -> int:
    """The id of a pull or of a question."""
    return checked_int(fields.get("id"), "id", 0, PULL_ID_MAX)
