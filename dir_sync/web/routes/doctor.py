"""The route of the doctor: the checks of this machine, a folder and its network, as the command `doctor` makes them.

In:   a folder. Out: all checks, after the seconds that they take.
"""

from __future__ import annotations

from dir_sync.config import BROADCAST_PORT, LISTEN_PORT
from dir_sync.doctor.examination import Asked as Examined
from dir_sync.doctor.examination import examine
from dir_sync.network.control import Answer
from dir_sync.web.replies import Asked, post

__all__ = ["ROUTES"]


def _doctor(asked: Asked) -> Answer:
    """A node that runs has ports of its own, which count more than these."""
    path = asked.shared.path
    return {"checks": [check.to_json() for check in examine(Examined(path, path, BROADCAST_PORT, LISTEN_PORT))]}


ROUTES = [post("/api/folders/{folder}/doctor", _doctor)]
