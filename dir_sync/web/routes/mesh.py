"""Routes about who belongs to the mesh: members, an invitation with its code as text and as picture, removing.

In:   questions of the page. Out: answers of the node, and the code as a square of dark and light points.
Rule: what the commands ask a person before, the page asks, too, and says that it has: a request without that consent changes
nothing.
"""

from __future__ import annotations

from dir_sync.cli.members import who_stays, why_it_goes
from dir_sync.config import USAGE, ConfigError
from dir_sync.network.control import Answer
from dir_sync.web.invitations import picture
from dir_sync.web.replies import Asked, get, post

__all__ = ["ROUTES"]

_LASTS_S = (10, 24 * 3_600)


def _mesh(asked: Asked) -> Answer:
    mesh = asked.ask("mesh")
    if mesh["closed"]:
        mesh["members"] = _members(asked)
    return mesh


def _close(asked: Asked) -> Answer:
    """An open mesh becomes a closed one; the node begins anew."""
    if asked.body.get("consent") is not True:
        raise ConfigError("closing the mesh needs your consent", USAGE)
    return asked.ask("close")


def _invite(asked: Asked) -> Answer:
    role, lasts_s = asked.text("role"), asked.body.get("lasts_s", 600)
    if role not in ("rw", "ro") or type(lasts_s) is not int or not _LASTS_S[0] <= lasts_s <= _LASTS_S[1]:
        raise ConfigError("an invitation is for 'rw' or 'ro', and lasts from 10 seconds to a day", USAGE)
    answer = asked.ask("invite", role=role, lasts_s=lasts_s)
    asked.nodes.invitations.begin(asked.shared.id, answer["code"], role, lasts_s)
    return {"code": answer["code"]}


def _picture(asked: Asked) -> Answer:
    found = asked.nodes.invitations.of(asked.shared.id)
    if found is None:
        raise ConfigError("there is no invitation")
    return {"code": found.code, "rows": picture(found.code)}


def _uninvite(asked: Asked) -> Answer:
    found = asked.nodes.invitations.of(asked.shared.id)
    if found is not None:
        asked.ask("uninvite", code=found.code)
        asked.nodes.invitations.forget(asked.shared.id)
    return {}


def _members(asked: Asked) -> list[Answer]:
    members: list[Answer] = asked.ask("members")["members"]
    return members


def _plan(asked: Asked) -> Answer:
    """Who would stay and who would go with those that are to be removed, and why: what a person then confirms."""
    everybody, identities = _members(asked), asked.texts("lost")
    lost = [one for one in everybody if one["identity"] in identities]
    if len(lost) != len(identities) or not lost or any(one["me"] for one in lost):
        raise ConfigError("those are not other members of this mesh", USAGE)
    stay, more = who_stays(everybody, lost, [], yes=True)
    rows = [(one, True, "") for one in stay] + [(one, False, why_it_goes(one)) for one in more]
    return {
        "lost": [one["name"] for one in lost],
        "others": [
            {"identity": one["identity"], "name": one["name"], "me": one["me"], "stays": stays, "why": why}
            for one, stays, why in rows
        ],
    }


def _remove(asked: Asked) -> Answer:
    lost, stay = asked.texts("lost"), asked.texts("stay")
    everybody = _members(asked)
    known = {one["identity"] for one in everybody}
    me = {one["identity"] for one in everybody if one["me"]}
    if not lost or set(lost) & set(stay) or set(lost) | set(stay) != known or not me <= set(stay):
        raise ConfigError("the members have changed meanwhile: look at them again")
    return asked.ask("remove", lost=lost, stay=stay)


ROUTES = [
    get("/api/folders/{folder}/mesh", _mesh),
    post("/api/folders/{folder}/close", _close),
    post("/api/folders/{folder}/invite", _invite),
    get("/api/folders/{folder}/invitation", _picture),
    post("/api/folders/{folder}/uninvite", _uninvite),
    post("/api/folders/{folder}/remove/plan", _plan),
    post("/api/folders/{folder}/remove", _remove),
]
