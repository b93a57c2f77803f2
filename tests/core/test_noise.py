"""Noise: the published vectors of two other implementations, interop with a third, and one bit changed anywhere."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.noise import Cipher, Handshake, HandshakeError, Suite, public_of

VECTORS = json.loads((Path(__file__).parent / "noise_vectors.json").read_text("utf-8"))
"""Of haskell-cryptography/cacophony and mcginty/snow; each names the file that it comes from."""

PSK = b"p" * 32


def raw(vector: dict[str, Any], name: str, default: bytes = b"\x01" * 32) -> bytes:
    return bytes.fromhex(vector[name]) if name in vector else default


def side(vector: dict[str, Any], who: str) -> Handshake:
    _, pattern, _, suite, _ = vector["protocol_name"].split("_")
    psks = [bytes.fromhex(psk) for psk in vector.get(f"{who}_psks", [])]
    return Handshake(
        pattern,
        who == "init",
        raw(vector, f"{who}_prologue"),
        raw(vector, f"{who}_static"),
        raw(vector, f"{who}_ephemeral"),
        psks,
        suite,
    )


@pytest.mark.parametrize(
    "vector", VECTORS, ids=lambda v: f"{v['source'].split('/')[1].split(':')[0]}-{v['protocol_name']}"
)
def test_published_vectors(vector: dict[str, Any]) -> None:
    ends = [side(vector, "init"), side(vector, "resp")]
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    turn = 0
    while ends[0]._steps or ends[1]._steps:
        payload, expected = messages[turn]
        assert ends[turn % 2].write(payload) == expected
        assert ends[1 - turn % 2].read(expected) == payload
        assert ends[0].h == ends[1].h
        turn += 1
    if "handshake_hash" in vector:
        assert ends[0].h.hex() == vector["handshake_hash"]
    ciphers = [end.split() for end in ends]
    assert len(messages) > turn, "there are transport messages, too"
    for number, (payload, expected) in enumerate(messages[turn:], turn):
        assert ciphers[number % 2][0].seal(payload) == expected
        assert ciphers[1 - number % 2][1].open(expected) == payload


def test_all_sixteen_vectors_are_here() -> None:
    assert len(VECTORS) == 16
    assert {vector["source"] for vector in VECTORS} == {
        "haskell-cryptography/cacophony:vectors/cacophony.txt",
        "mcginty/snow:tests/vectors/snow.txt",
    }


def pair(suite: Suite, seed: int = 1, psks: tuple[bytes, bytes] = (PSK, PSK)) -> tuple[Handshake, Handshake]:
    rng = random.Random(seed)
    return (
        Handshake("XXpsk0", True, b"prologue", rng.randbytes(32), rng.randbytes(32), [psks[0]], suite),
        Handshake("XXpsk0", False, b"prologue", rng.randbytes(32), rng.randbytes(32), [psks[1]], suite),
    )


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
@pytest.mark.parametrize("we_begin", [True, False])
def test_noiseprotocol_understands_us(suite: Suite, we_begin: bool) -> None:
    connection = pytest.importorskip("noise.connection")
    rng = random.Random(5)
    static, theirs = rng.randbytes(32), rng.randbytes(32)
    other = connection.NoiseConnection.from_name(f"Noise_XXpsk0_25519_{suite}_SHA256".encode())
    other.set_psks(PSK)
    other.set_prologue(b"prologue")
    other.set_keypair_from_private_bytes(connection.Keypair.STATIC, theirs)
    (other.set_as_responder if we_begin else other.set_as_initiator)()
    other.start_handshake()
    ours = Handshake("XXpsk0", we_begin, b"prologue", static, rng.randbytes(32), [PSK], suite)
    is_our_turn = we_begin
    while ours._steps:
        if is_our_turn:
            assert bytes(other.read_message(ours.write(b"from us"))) == b"from us"
        else:
            assert ours.read(bytes(other.write_message(b"from it"))) == b"from it"
        is_our_turn = not is_our_turn
    assert other.handshake_finished
    assert ours.rs == public_of(theirs)
    sending, receiving = ours.split()
    for number in range(3):
        assert bytes(other.decrypt(sending.seal(b"x%d" % number))) == b"x%d" % number
        assert receiving.open(bytes(other.encrypt(b"y%d" % number))) == b"y%d" % number


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_bit_changed_anywhere_is_refused(suite: Suite, which: int) -> None:
    messages = []
    ends = pair(suite)
    for turn in range(3):
        messages.append(ends[turn % 2].write(b"payload"))
        ends[1 - turn % 2].read(messages[-1])
    for at in range(len(messages[which])):
        ends = pair(suite)
        for turn in range(which):
            ends[turn % 2].write(b"payload")
            ends[1 - turn % 2].read(messages[turn])
        changed = bytearray(messages[which])
        changed[at] ^= 1 << (at % 8)
        reader = ends[1 - which % 2]
        if which:
            ends[which % 2].write(b"payload")
        with pytest.raises(HandshakeError):
            reader.read(bytes(changed))


@pytest.mark.parametrize("size", range(48))
def test_a_message_that_is_cut_off_is_refused(size: int) -> None:
    caller, answering = pair("ChaChaPoly")
    with pytest.raises(HandshakeError):
        answering.read(caller.write()[:size])


@pytest.mark.parametrize("turn", [1, 2])
def test_later_messages_that_are_cut_off_are_refused(turn: int) -> None:
    for size in (0, 1, 31, 32, 33, 79, 80, 81, 95):
        ends = pair("AESGCM")
        for number in range(turn):
            ends[1 - number % 2].read(ends[number % 2].write())
        message = ends[turn % 2].write(b"more")
        if size < len(message):
            with pytest.raises(HandshakeError):
                ends[1 - turn % 2].read(message[:size])


def test_another_psk_is_refused_at_the_first_message() -> None:
    caller, answering = pair("AESGCM", psks=(PSK, b"q" * 32))
    with pytest.raises(HandshakeError):
        answering.read(caller.write())


def test_another_prologue_or_suite_is_refused() -> None:
    caller, _ = pair("AESGCM")
    first = caller.write()
    for prologue, suite in ((b"another", "AESGCM"), (b"prologue", "ChaChaPoly")):
        with pytest.raises(HandshakeError):
            Handshake("XXpsk0", False, prologue, b"s" * 32, b"e" * 32, [PSK], suite).read(first)  # type: ignore[arg-type]


def test_points_of_small_order_are_refused() -> None:
    for point in (bytes(32), b"\x01" + bytes(31)):
        answering = Handshake("XX", False, b"", b"s" * 32, b"e" * 32)
        answering.read(point)
        with pytest.raises(HandshakeError):
            answering.write()


def test_a_payload_may_be_made_of_the_hash_that_it_is_bound_to() -> None:
    caller, answering = pair("ChaChaPoly")
    bounds = []

    def make(bound: bytes) -> bytes:
        bounds.append(bound)
        return b"proof"

    assert answering.read(caller.write(make)) == b"proof"
    assert bounds == [answering.bound]
    assert answering.bound != answering.h


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_rekey_goes_on_with_another_key_at_both_ends(suite: Suite) -> None:
    ours, theirs, stuck = (Cipher(b"k" * 32, suite) for _ in range(3))
    assert theirs.open(ours.seal(b"before")) == b"before"
    ours.rekey()
    theirs.rekey()
    stuck.n = 1
    sealed = ours.seal(b"after")
    assert theirs.open(sealed) == b"after"
    assert ours.n == theirs.n == 2
    with pytest.raises(HandshakeError):
        stuck.open(sealed)


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_rekey_is_that_of_the_specification(suite: Suite) -> None:
    """ENCRYPT(k, 2^64-1, "", zeros), its first 32 bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    aead = AESGCM(b"k" * 32) if suite == "AESGCM" else ChaCha20Poly1305(b"k" * 32)
    key = aead.encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    ours = Cipher(b"k" * 32, suite)
    ours.rekey()
    assert ours.seal(b"x") == Cipher(key, suite).seal(b"x")


def test_into_a_given_place() -> None:
    ours, theirs = Cipher(b"k" * 32, "AESGCM"), Cipher(b"k" * 32, "AESGCM")
    out = bytearray(5 + 16)
    ours.seal_into(memoryview(b"12345"), memoryview(out))
    back = bytearray(5)
    theirs.open_into(memoryview(out), memoryview(back))
    assert back == b"12345"
    out[0] ^= 1
    with pytest.raises(HandshakeError):
        theirs.open_into(memoryview(out), memoryview(back))
