"""The commands about the mesh that come by the control socket: close it, invite, who belongs to it, remove.

In:   questions, as JSON objects. Out: one answer for each. A change of the key lets the node begin anew with it.
Rule: an open node loads no cryptography before it is closed.
Used by: requests, sharing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from dir_sync.config import Config, ConfigError
from dir_sync.network.control import Answer
from dir_sync.security.listing import key_words, members_words

if TYPE_CHECKING:
    from dir_sync.security.invitations import Invitations
    from dir_sync.security.inviting import Inviting
    from dir_sync.security.keeper import Keeper

__all__ = ["COMMANDS", "Linked", "MeshRequests"]

COMMANDS = frozenset({"mesh", "close", "invite", "invitation", "uninvite", "members", "remove", "leave", "reload"})
_LASTS_S_MAX = 24 * 3600.0


class Linked(Protocol):
    """Who is connected."""

    def names(self) -> list[str]:
        """What people call the connected peers."""

    def identities(self) -> frozenset[str]:
        """Those of the members that are connected."""


class Mesh(Protocol):
    """The closed mesh of a node."""

    @property
    def keeper(self) -> Keeper: ...

    @property
    def invitations(self) -> Invitations: ...


class MeshRequests:
    """Engine thread only."""

    def __init__(
        self,
        config: Config,
        port: int,
        links: Linked,
        mesh: Mesh | None,
        restart: Callable[[], None],
        open_up: Callable[[], None],
    ) -> None:
        """`mesh`: of a closed node. `restart`: the node begins anew, with the key that counts then. `open_up`: it begins anew
        as an open one."""
        self._config = config
        self._port = port
        self._links = links
        self._keeper = None if mesh is None else mesh.keeper
        self._invitations = None if mesh is None else mesh.invitations
        self._restart = restart
        self._open_up = open_up

    def answer(self, question: Answer) -> Answer:
        """ConfigError is the answer, too."""
        match question["command"]:
            case "mesh":
                return self._mesh()
            case "close":
                return self._close()
            case "reload":
                self._restart()
                return {}
        keeper = self._keeper
        if keeper is None:
            raise ConfigError("this mesh is open: anyone on this LAN belongs to it")
        match question["command"]:
            case "invite":
                return self._invite(keeper, question)
            case "invitation":
                return self._invitation(keeper, question.get("code"))
            case "uninvite":
                if self._invited_by(question.get("code")) is not None:
                    self._end_invitation()
                return {}
            case "leave":
                return self._leave(keeper)
            case "members":
                return {
                    "members": members_words(keeper, self._links.identities(), int(time.time())),
                    **key_words(keeper),
                }
            case _:
                return self._remove(keeper, question)

    def _mesh(self) -> Answer:
        config = self._config
        known = {
            "peers": self._links.names(),
            "name": config.name,
            "folder_name": config.folder_name,
            "broadcast_port": config.broadcast_port,
            "mode": config.mode.value,  # as it was asked for; a read-only member with two-way is like a receive-only node
        }
        if self._keeper is None:
            return {"closed": False, **known}
        return {"closed": True, "removed": self._keeper.removal is not None, **known, **key_words(self._keeper)}

    def _close(self) -> Answer:
        if self._keeper is not None:
            return {}
        try:
            from dir_sync.security.founding import found
        except ImportError as error:
            raise ConfigError(
                f"a closed mesh needs a Python package which is missing ({error}); to install it, run: scripts/setup"
            ) from error
        found(self._config.folder)
        self._restart()
        return {}

    def _invite(self, keeper: Keeper, question: Answer) -> Answer:
        from dir_sync.security.inviting import Inviting, broadcaster

        role, lasts_s = question.get("role"), question.get("lasts_s")
        if role not in ("rw", "ro") or not isinstance(lasts_s, int | float) or not 0 < lasts_s <= _LASTS_S_MAX:
            raise ConfigError("the question cannot be read")
        if not self._port:
            raise ConfigError(
                "this node does not listen (--no-listen), so nobody could join here: invite on another machine"
            )
        if role == "rw" and keeper.membership.role != "rw":
            raise ConfigError("this machine is a read-only member: it can only invite with --read-only")
        assert self._invitations is not None
        announce = broadcaster(self._config.broadcast_port, self._config.interface)
        inviting = Inviting(keeper, role, lasts_s, self._config.folder_name, announce, self._port)
        self._invitations.begin(inviting)
        return {"code": str(inviting.code), "folder_name": self._config.folder_name}

    def _invited_by(self, code: Any) -> Inviting | None:
        """The open invitation, if it has that code: each `invite` asks for its own, and a later one takes its place."""
        inviting = None if self._invitations is None else self._invitations.current
        return inviting if inviting is not None and str(inviting.code) == code else None

    def _invitation(self, keeper: Keeper, code: Any) -> Answer:
        inviting = self._invited_by(code)
        if inviting is None:
            from dir_sync.security.inviting import UNTRIED

            ended = "it was ended, or the node has begun anew"
            over = "another 'invite' has taken its place" if self._has_invitation() else ended
            return {"over": over, "joined": "", "guesses": UNTRIED, **key_words(keeper)}
        joined = inviting.joined
        return {
            "over": inviting.over(),
            "joined": "" if joined is None else joined.name,
            "guesses": inviting.guesses,
            **key_words(keeper),
        }

    def _has_invitation(self) -> bool:
        return self._invitations is not None and self._invitations.current is not None

    def _end_invitation(self) -> None:
        if self._invitations is not None:
            self._invitations.begin(None)

    def _leave(self, keeper: Keeper) -> Answer:
        if self._config.key_file is not None:
            raise ConfigError("this node was started with --key-file, and would take that key again: stop it first")
        self._end_invitation()
        keeper.forget()
        self._open_up()
        return {}

    def _remove(self, keeper: Keeper, question: Answer) -> Answer:
        from dir_sync.security.founding import remove

        lost, stay = _texts(question.get("lost")), _texts(question.get("stay"))
        on = sorted(self._links.identities())
        self._end_invitation()
        key = remove(keeper, lost, stay)
        return {"fingerprint": key.fingerprint, "generation": key.generation, "on": on}


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError("the question cannot be read")
    return value
