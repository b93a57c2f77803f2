"""What a node opens on the network: its address, and what people are told if it is not to be had.

In:   the interface of the options; errors of sockets. Out: an address; words.
Rule: nothing is kept.
Used by: daemon, meeting, process, shot.
"""

from __future__ import annotations

import errno

from dir_sync.config import ConfigError
from dir_sync.network.port_owner import owner_of_port
from dir_sync.utils import interfaces

__all__ = ["NodeError", "bind_address", "port_trouble"]


class NodeError(ConfigError):
    """What no folder of the node can do without is not to be had: a port, an interface."""


def bind_address(interface: str | None) -> str:
    """The address of an interface; "": all. Raises NodeError."""
    if interface is None:
        return ""
    try:
        return interfaces(interface)[0].address
    except ValueError as error:
        raise NodeError(str(error)) from error


def port_trouble(kind: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        owner = owner_of_port(kind, port)
        also = ""
        if kind == "TCP" and owner.startswith("another dir_sync"):
            also = " (or share both folders with one node: DIR DIR)"
        elif kind == "TCP" and not owner:
            also = " (or is it a node of yours? One node can share several folders: DIR DIR)"
        return f"{kind} port {port} is taken by {owner or 'another program'}: choose another port with {option}{also}"
    if error.errno == errno.EACCES:
        return f"{kind} port {port} needs root: choose a port above 1023 with {option}"
    return f"{kind} port {port} cannot be used: {error.strerror}"
