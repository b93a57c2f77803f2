"""Bytes as letters that people can read aloud and type: Crockford's base32.

In:   bytes, or letters as a person typed them. Out: letters, or bytes.
Rule: O is read as 0, I and L as 1; case, dashes and blanks are ignored. Unused bits of the last letter are zero.
"""

from __future__ import annotations

__all__ = ["LETTERS", "grouped", "spell", "tidied", "unspell"]

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_VALUES = {letter: value for value, letter in enumerate(LETTERS)}
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def spell(data: bytes) -> str:
    """The letters, upper case, without dashes."""
    count = (len(data) * 8 + 4) // 5
    number = int.from_bytes(data, "big") << (count * 5 - len(data) * 8)
    return "".join(LETTERS[number >> (5 * at) & 31] for at in range(count - 1, -1, -1))


def grouped(letters: str, size: int = 4) -> str:
    """ABCDEFGH as ABCD-EFGH."""
    return "-".join(letters[at : at + size] for at in range(0, len(letters), size))


def tidied(text: str) -> str:
    """Typed letters in the form that `spell` writes."""
    return text.upper().translate(_READ_AS)


def unspell(text: str, size: int) -> bytes | None:
    """The decoded bytes; None unless the letters are valid and encode exactly `size` bytes."""
    letters = tidied(text)
    count = (size * 8 + 4) // 5
    if len(letters) != count or any(letter not in _VALUES for letter in letters):
        return None
    number = 0
    for letter in letters:
        number = number << 5 | _VALUES[letter]
    number, rest = divmod(number, 1 << (count * 5 - size * 8))
    return None if rest else number.to_bytes(size, "big")
