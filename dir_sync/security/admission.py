"""With which key a node runs for a folder, or that it must not run at all.

In:   a folder whose lock is held, and the key file that the user named. Out: the Mesh to which the folder belongs; None: it
      is open. ConfigError, one line for the user.
Rule: it fails closed. Of the three signs (what is kept in the user's state folder, the mark in DIR, a key file that was
      named) any one closes the folder, and no two may speak of different meshes.

There are these cases:

1. Nothing is kept and no file is named. Without a mark the folder is open; with one the node does not start.
2. Only a file is named. It is taken and kept, unless the mark is of another key.
3. Only something is kept. It is used, whether the mark is there or not.
4. Both are there. The later generation counts; of two different keys of one generation none is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dir_sync.config import ConfigError
from dir_sync.core.keys import KEY_TEXT_CHARS_MAX, Gate, KeyTextError, MeshKey
from dir_sync.core.link_handshake import Credentials
from dir_sync.core.membership import Charter, Membership, taken
from dir_sync.core.model import show_text
from dir_sync.reporting import shell
from dir_sync.reporting.log import logger
from dir_sync.security import files, store

__all__ = ["Mesh", "admit", "key_in", "looked_up"]


@dataclass(frozen=True, slots=True)
class Mesh:
    """The closed mesh to which a folder belongs."""

    credentials: Credentials
    membership: Membership

    @property
    def words(self) -> str:
        """For people."""
        key = self.credentials.key
        return f"closed mesh {key.fingerprint}, generation {key.generation}, {key.role.words}"


def admit(folder: str, key_file: str | None) -> Mesh | None:
    """The mesh of that folder; what is new is kept. ConfigError if it must not run."""
    before, kept = _decided(folder, key_file)
    if kept is None:
        return None
    static = kept.static or store.identity()
    kept = store.with_identity(kept, static)
    if kept != before:
        if key_file is not None and before is not None and kept.key != before.key:
            logger.warning(
                "%s has a later key, %s, generation %d: it takes the place of %s, generation %d",
                show_text(key_file), kept.key.fingerprint, kept.key.generation,
                before.key.fingerprint, before.key.generation,
            )  # fmt: skip
        store.save(folder, kept)  # before the mark: a folder that is marked has a key
    files.write_marker(folder, kept.key.fingerprint)
    return _mesh(kept, static)


def looked_up(folder: str, key_file: str | None) -> Mesh | None:
    """The mesh with which `admit` would let the folder run, if it is known already: nothing is kept. ConfigError if it is
    not known, or the folder must not run."""
    before, kept = _decided(folder, key_file)
    if kept is None:
        return None
    static = kept.static or store.known_identity()
    if before is None or kept.key != before.key or static is None:
        raise ConfigError(
            f"{show_text(folder)} does not belong to that closed mesh yet, and a dry run does not change that: start it"
            " without --dry-run"
        )
    return _mesh(store.with_identity(kept, static), static)


def _decided(folder: str, key_file: str | None) -> tuple[store.Kept | None, store.Kept | None]:
    """What is kept for that folder, and what is to be kept from now on (None: it is open). ConfigError if it must not
    run."""
    marker = files.marker_of(folder)
    kept = store.load(folder)
    if key_file is None:
        if kept is None and marker is not None:
            raise ConfigError(_lost(folder, marker))
        return kept, kept
    given = key_in(key_file)
    if kept is None:
        if marker is not None and marker != given.fingerprint:
            raise ConfigError(_differs(folder, marker, key_file, given))
        return None, store.begin(given, "")
    return kept, kept if given.id == kept.key.id else _later(folder, kept, given, key_file)


def _mesh(kept: store.Kept, static: bytes) -> Mesh:
    older = tuple((gate.key, Gate(gate.secret)) for gate in kept.membership.older)
    return Mesh(Credentials(kept.key, static, kept.membership.charter.removed, older), kept.membership)


def key_in(key_file: str) -> MeshKey:
    """The key in a file that the user named. ConfigError."""
    data = files.read_given(key_file)
    try:
        key = MeshKey.from_text(data[: KEY_TEXT_CHARS_MAX + 1].decode("ascii", "replace"))
    except KeyTextError as error:
        raise ConfigError(f"{show_text(key_file)} cannot be used: {error}") from None
    return key


def _later(folder: str, kept: store.Kept, given: MeshKey, key_file: str) -> store.Kept:
    """What counts when a file is named that has another key than the one that is kept."""
    ours = kept.key
    if given.generation == ours.generation:
        raise ConfigError(_differs(folder, ours.fingerprint, key_file, given))
    if given.generation < ours.generation:
        logger.warning(
            "%s is old: its key %s has generation %d; this node has %s, generation %d, and goes on with that",
            show_text(key_file), given.fingerprint, given.generation, ours.fingerprint, ours.generation,
        )  # fmt: skip
        return kept
    charter = Charter(given.generation, given.id, {}, kept.membership.charter.removed)
    membership = taken(kept.membership, charter, ours.gate.secret, ())
    return replace(kept, key=given, membership=replace(membership, role=given.role.value), removal=None)


def _lost(folder: str, marker: str) -> str:
    which = f"the closed mesh {marker}" if marker else "a closed mesh"
    return (
        f"{show_text(folder)} belongs to {which}, and its key is not on this machine (or this is another user's HOME): give"
        f" it with --key-file FILE, join again ({shell.command('join', folder)}), or leave the mesh:"
        f" {shell.command('leave', folder)}"
    )


def _differs(folder: str, ours: str, key_file: str, given: MeshKey) -> str:
    which = f"the closed mesh {ours}" if ours else "a closed mesh"
    return (
        f"{show_text(folder)} belongs to {which}, and {show_text(key_file)} holds the key of another one, {given.fingerprint}:"
        f" to go over to that, leave the first: {shell.command('leave', folder)}"
    )
