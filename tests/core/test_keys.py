"""The key tree, and keys as text: what a role can find, and what a typing error comes to."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.keys import KeyTextError, MeshKey, Role, derive, fingerprint_of, identity_of, is_signed

SECRET = bytes(range(32))
KEY = MeshKey.made_of(SECRET, 3)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["sign rw", "read", "gate", "psk"]))
def test_derive_is_hkdf(secret: bytes, label: str) -> None:
    other = HKDF(SHA256(), 32, None, b"dir_sync 1 " + label.encode()).derive(secret)
    assert derive(secret, label) == other


def test_the_tree() -> None:
    read = derive(SECRET, "read")
    gate = derive(read, "gate")
    assert KEY.gate.secret == gate
    assert KEY.gate.psk == derive(gate, "psk")
    assert KEY.gate.beacon == derive(gate, "beacon")
    ro = KEY.read_only()
    assert (ro.role, ro.secret, ro.generation) == (Role.READ_ONLY, read, 3)
    assert ro.gate == KEY.gate
    assert (ro.writers, ro.readers, ro.fingerprint) == (KEY.writers, KEY.readers, KEY.fingerprint)
    assert ro.read_only() == ro
    assert len({SECRET, read, gate, KEY.gate.psk, KEY.gate.beacon, KEY.writers, KEY.readers}) == 7


def test_the_fingerprint_is_of_the_public_key() -> None:
    assert KEY.fingerprint == fingerprint_of(KEY.id)
    assert KEY.id == hashlib.sha256(KEY.writers).hexdigest()[:32] == KEY.read_only().id
    number = int.from_bytes(hashlib.sha256(KEY.writers).digest()[:5], "big")
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    assert KEY.fingerprint.replace("-", "") == "".join(letters[number >> 5 * at & 31] for at in range(7, -1, -1))
    assert KEY.fingerprint[4] == "-"


def test_who_may_read_cannot_prove_to_write() -> None:
    ro = KEY.read_only()
    for holder in (KEY, ro):
        assert holder.has_proved(Role.READ_WRITE, KEY.sign(b"this"), b"this")
        assert holder.has_proved(Role.READ_ONLY, ro.sign(b"this"), b"this")
        assert not holder.has_proved(Role.READ_WRITE, ro.sign(b"this"), b"this")
        assert not holder.has_proved(Role.READ_ONLY, KEY.sign(b"this"), b"this")
        assert not holder.has_proved(Role.READ_WRITE, KEY.sign(b"that"), b"this")
        assert not holder.has_proved(Role.READ_WRITE, b"", b"this")
    assert not is_signed(b"short", KEY.sign(b"this"), b"this")


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**31 - 1), st.booleans())
def test_text_and_back(secret: bytes, generation: int, reads_only: bool) -> None:
    key = MeshKey.made_of(secret, generation)
    if reads_only:
        key = key.read_only()
    assert MeshKey.from_text(key.text) == key
    assert MeshKey.from_text(f"  {key.text.upper()}\n") == key
    assert key.text.startswith("dsk1-ro-" if reads_only else "dsk1-rw-")
    assert len(key.text) <= 128
    assert "\n" not in key.text


@pytest.mark.parametrize("key", [KEY, KEY.read_only()], ids=["rw", "ro"])
def test_a_wrong_letter_is_noticed_anywhere(key: MeshKey) -> None:
    text = key.text
    for at in range(len("dsk1-rw-"), len(text)):
        with pytest.raises(KeyTextError):
            MeshKey.from_text(text[:at] + ("0" if text[at] != "0" else "2") + text[at + 1 :])
        with pytest.raises(KeyTextError):
            MeshKey.from_text(text[:at] + text[at + 1 :])


def test_a_read_only_key_does_not_become_another_by_its_name() -> None:
    for key, name in ((KEY, "ro"), (KEY.read_only(), "rw")):
        with pytest.raises(KeyTextError):
            MeshKey.from_text(f"dsk1-{name}-{key.text[8:]}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one line that begins with dsk1-"),
        ("hello", "one line that begins with dsk1-"),
        ("x" * 1_000_000, "one line that begins with dsk1-"),
        ("dsk1-rw-é", "one line that begins with dsk1-"),
        (KEY.text + "\n" + KEY.text, "one line that begins with dsk1-"),
        ("dsk2-rw-000", "newer dir_sync"),
        ("dsk1-zz-000", "role"),
        ("dsk1-st-000", "role"),
        ("dsk1-rw-000", "too few or too many letters"),
    ],
)
def test_what_is_no_key(text: str, words: str) -> None:
    with pytest.raises(KeyTextError, match=words) as caught:
        MeshKey.from_text(text)
    assert KEY.text[8:30] not in str(caught.value)


def test_generation_zero_is_none() -> None:
    with pytest.raises(KeyTextError, match="generation"):
        MeshKey.from_text(MeshKey.made_of(SECRET, 0).text)
    with pytest.raises(KeyTextError, match="generation"):
        MeshKey.from_text(MeshKey.made_of(SECRET, 2**31).text)


def test_no_key_shows_itself() -> None:
    for one in (KEY, KEY.read_only(), KEY.gate):
        for words in (repr(one), str(one), f"{one}", f"{[one]}", f"{one!r:>5}"):
            assert SECRET.hex() not in words
            assert repr(SECRET)[2:20] not in words
            assert one.secret.hex()[:8] not in words
            assert "\\x" not in words
    with pytest.raises(AttributeError):
        KEY.generation = 4  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(KEY)) == KEY  # equal by value


def test_an_identity_is_16_bytes_of_the_public_key() -> None:
    assert identity_of(b"public") == hashlib.sha256(b"public").hexdigest()[:32]
