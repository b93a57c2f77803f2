"""This machine joins a closed mesh with a code: it finds who invites, talks to it, and keeps what it gets.

In:   a folder, a code, where to look. Out: the key and the mark of the folder are in place; ConfigError if not.
Rule: whoever is asked for a decision has been told by the inviter itself, which has proved the code, whose mesh it is.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.invitations import decode_invitation
from dir_sync.core.keys import identity_of
from dir_sync.core.membership import Membership
from dir_sync.core.model import PeerError
from dir_sync.core.noise import KEY_BYTES, public_of
from dir_sync.core.pairing import (
    FRAME_BYTES_MAX,
    GUESSES,
    HANDSHAKE_BYTES_MAX,
    RUN_S,
    Code,
    Host,
    JoinerRun,
    NotInvited,
    PairingError,
    Welcome,
)
from dir_sync.security import files, store
from dir_sync.security.frames import Frames
from dir_sync.security.store import Kept

__all__ = ["Declined", "inviters", "join"]

_ATTEMPTS = 3  # machines that say they invite under these letters
_OTHERS_S = 0.75  # others who invite under the same letters say so within that time
_CONNECT_S = 5.0
_WRONG = "the code is wrong"


class Declined(Exception):
    """A person has said no."""


def inviters(channel: str, port: int, within_s: float) -> Iterator[tuple[str, int]]:
    """Addresses that say they invite under these letters, each once, as they are heard on that UDP port. ConfigError if the
    port cannot be had."""
    seen: set[tuple[str, int]] = set()
    until = time.monotonic() + within_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a node of this machine may listen, too
            sock.bind(("", port))
        except OSError as error:
            raise ConfigError(f"UDP port {port} cannot be used: {error.strerror}") from error
        sock.setblocking(False)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while len(seen) < _ATTEMPTS and (left := until - time.monotonic()) > 0:
            if not poll.poll(left * 1_000):
                return
            try:
                data, (address, _) = sock.recvfrom(limits.BEACON_BYTES_MAX + 1)
            except OSError:
                continue
            found = decode_invitation(data)
            if found is not None and found[0] == channel and (address, found[1]) not in seen:
                seen.add((address, found[1]))
                yield address, found[1]
                until = min(until, time.monotonic() + _OTHERS_S)


def join(
    folder: str, code: Code, name: str, at: Iterator[tuple[str, int]], agree: Callable[[Host], bool] | None
) -> tuple[Kept, Host]:
    """Join by the first of these addresses whose machine knows the code. Returns what is kept from now on, and what the
    inviter has said of itself. `agree` asks a person, if there is a question. ConfigError; Declined."""
    static = os.urandom(KEY_BYTES)  # a machine that was removed, and is welcome again, is another one for the others
    reasons: list[str] = []
    is_invited = False
    for address, port in at:
        try:
            if agree is not None:
                if not agree(_run(address, port, code, static, name, None)[0]):
                    raise Declined
                agree = None
            host, kept = _run(address, port, code, static, name, lambda welcome: _keep(folder, welcome, static))
        except (OSError, PeerError, PairingError) as error:
            is_invited = is_invited or not isinstance(error, NotInvited | OSError)
            reasons.append(f"{address}: {getattr(error, 'strerror', None) or error}")
            continue
        assert kept is not None
        return kept, host
    if reasons:
        is_wrong = any(reason.endswith(_WRONG) for reason in reasons)
        again = (
            f"type it again, as it stands on that machine. {GUESSES} wrong tries end an invitation: if that is so there,"
            " ask for a new code"
        )
        other = "ask for a new code there, and name the machine with --peer"
        if not is_invited:
            other = (
                "run 'invite DIR' on the machine that is to let this one in, and join while it waits, with the code that it"
                " prints. If it does wait: is this its address, and its TCP port (--peer HOST:PORT)?"
            )
        raise ConfigError(f"not joined ({'; '.join(reasons)}): {again if is_wrong else other}")
    raise ConfigError(
        f"no machine invites with a code that begins with {code.channel}: is the invitation still open there, and is this"
        " machine on the same network? (--peer HOST names it where broadcasts do not reach)"
    )


def _run(
    address: str, port: int, code: Code, static: bytes, name: str, keep: Callable[[Welcome], Kept] | None
) -> tuple[Host, Kept | None]:
    """One connection. Without `keep` it ends when the inviter has proved itself. OSError; PairingError."""
    with socket.create_connection((address, port), _CONNECT_S) as sock:
        frames = Frames(sock, RUN_S)
        run = JoinerRun(code, static, name, os.urandom, os.urandom(KEY_BYTES))
        try:
            frames.send(run.hello())
            answer = frames.receive(HANDSHAKE_BYTES_MAX)
        except OSError as error:
            raise NotInvited(
                f"nobody is being invited there, or with another code ({error.strerror or error})"
            ) from None
        frames.send(run.on_answer(answer))
        try:
            proof = frames.receive(HANDSHAKE_BYTES_MAX)
        except OSError:
            raise PairingError(_WRONG) from None
        host = run.on_proof(proof)
        if keep is None:
            return host, None
        frames.send(run.identify())
        try:
            welcome = run.on_welcome(frames.receive(FRAME_BYTES_MAX))
        except OSError:
            raise PairingError("another machine has used the code") from None
        kept = keep(welcome)
        frames.send(run.stored())
    return host, kept


def _keep(folder: str, welcome: Welcome, static: bytes) -> Kept:
    me = identity_of(public_of(static))
    told = {one.identity: one for one in welcome.members if one.identity not in (me, welcome.host.identity)}
    mine = Membership(
        me,
        welcome.key.role.value,
        welcome.charter,
        welcome.older,
        {welcome.host.identity: welcome.host},
        told,
        since_s=int(time.time()),
    )
    kept = Kept(welcome.key, mine, static)
    store.save(folder, kept)  # before the mark: a folder that is marked has a key
    files.write_marker(folder, kept.key.fingerprint)
    return kept
