"""Routes about who belongs to the mesh."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dir_sync.network.control import Answer
from dir_sync.web.invitations import Invitation, Invitations, picture
from dir_sync.web.nodes import Nodes
from tests.web.kit import Browser, StandIn

KEY = {"fingerprint": "abcd", "generation": 1, "role": "rw", "count": 3}


def member(name: str, by: str = "", me: bool = False, listed: bool = True) -> dict[str, Any]:
    words = {"name": name, "identity": name * 8, "role": "rw", "since_s": 1, "by": by, "by_identity": by * 8, "me": me}
    return words | {"on": True, "seen_s": 1, "is_listed": listed, "is_met": listed, "is_forgotten": False}


@pytest.fixture
def api(node: StandIn, page: Browser, tmp_path: Path) -> str:
    everybody = [member("anna", me=True), member("bob", by="anna"), member("carl", by="bob")]
    node.answers["mesh"] = {"closed": True, "peers": ["bob"], "name": "anna", **KEY}
    node.answers["members"] = {"members": everybody, **KEY}
    node.answers["remove"] = {"fingerprint": "ef01", "generation": 2, "on": []}
    return f"/api/folders/{page.id_of(node.share(tmp_path / 'a'))}"


def test_members(api: str, node: StandIn, page: Browser) -> None:
    mesh = page.get(f"{api}/mesh")
    assert [one["name"] for one in mesh["members"]] == ["anna", "bob", "carl"]
    node.answers["mesh"] = {"closed": False, "peers": ["bob"], "name": "anna"}
    assert "members" not in page.get(f"{api}/mesh")


def test_an_open_mesh_is_closed_with_consent_only(api: str, node: StandIn, page: Browser) -> None:
    node.answers["close"] = {}
    for body in ({}, {"consent": "yes"}, {"consent": 1}):
        assert "consent" in page.refused(f"{api}/close", body or {"x": 1})
    assert not any(one["command"] == "close" for one in node.asked)
    page.post(f"{api}/close", {"consent": True})
    assert any(one["command"] == "close" for one in node.asked)


def test_an_invitation_has_a_code_a_picture_and_an_end(api: str, node: StandIn, page: Browser) -> None:
    state: Answer = {"over": "", "joined": "", "guesses": 3, **KEY}
    node.answers["invite"] = {"code": "K7QX-4MDP", "folder_name": "notes"}
    node.answers["invitation"] = lambda question: state
    node.answers["uninvite"] = {}
    assert "no invitation" in page.refused(f"{api}/invitation")
    assert page.post(f"{api}/invite", {"role": "ro", "lasts_s": 60}) == {"code": "K7QX-4MDP"}
    assert {"command": "invite", "role": "ro", "lasts_s": 60} in node.asked
    assert page.get(f"{api}/invitation") == {"code": "K7QX-4MDP", "rows": picture("K7QX-4MDP")}
    asyncio.run(page.web.sampler.look())
    (folder,) = page.web.sampler.state()["folders"]
    assert folder["invitation"]["code"] == "K7QX-4MDP"
    assert folder["invitation"]["joined"] == ""
    state["joined"] = "bob"
    asyncio.run(page.web.sampler.look())
    assert page.web.sampler.state()["folders"][0]["invitation"]["joined"] == "bob"
    page.post(f"{api}/uninvite")
    assert {"command": "uninvite", "code": "K7QX-4MDP"} in node.asked
    asyncio.run(page.web.sampler.look())
    assert page.web.sampler.state()["folders"][0]["invitation"] is None
    for body in (
        {"role": "x"},
        {"role": "rw", "lasts_s": 1},
        {"role": "rw", "lasts_s": 10**9},
        {"role": "rw", "lasts_s": "1h"},
    ):
        page.refused(f"{api}/invite", body)


def test_a_code_is_forgotten_when_it_is_no_longer_valid() -> None:
    now_s = [100.0]
    invitations = Invitations(lambda: now_s[0])
    invitations.begin("f", "CODE", "rw", 60)
    assert invitations.of("f") == Invitation("CODE", "rw", 160.0)
    now_s[0] += 60 + 599
    assert invitations.of("f") is not None, "what came of it is still shown"
    now_s[0] += 2
    assert invitations.of("f") is None
    assert invitations.of("other") is None


def test_a_picture_is_a_square() -> None:
    rows = picture("K7QX-4MDP")
    assert len({len(row) for row in rows} | {len(rows)}) == 1
    assert rows[0].startswith("1111111")
    assert set("".join(rows)) == {"0", "1"}


def test_a_person_sees_who_goes_with_those_that_are_removed(api: str, node: StandIn, page: Browser) -> None:
    plan = page.post(f"{api}/remove/plan", {"lost": ["bob" * 8]})
    assert plan["lost"] == ["bob"]
    assert [(one["name"], one["stays"], bool(one["why"])) for one in plan["others"]] == [
        ("anna", True, False),
        ("carl", False, True),
    ]
    for lost in ([], ["anna" * 8], ["nobody"], ["bob" * 8, "nobody"]):
        page.refused(f"{api}/remove/plan", {"lost": lost})
    anna, bob, carl = ("anna" * 8, "bob" * 8, "carl" * 8)
    assert page.post(f"{api}/remove", {"lost": [bob], "stay": [anna, carl]})["generation"] == 2
    assert (
        node.asked[-1] == {"command": "remove", "lost": [bob], "stay": [anna, carl]}
        or {**{"command": "remove", "lost": [bob], "stay": [anna, carl]}} in node.asked
    )
    for lost, stay in (
        ([bob], [anna]),
        ([bob], [anna, bob, carl]),
        ([anna, bob], [carl]),
        ([], [anna, bob, carl]),
        ([bob], [anna, carl, "x"]),
    ):
        assert "members have changed" in page.refused(f"{api}/remove", {"lost": lost, "stay": stay})


def test_an_invitation_of_a_node_that_begins_anew_is_no_error(api: str, node: StandIn, page: Browser) -> None:
    node.answers["invite"] = {"code": "K7QX-4MDP", "folder_name": "notes"}
    page.post(f"{api}/invite", {"role": "rw"})
    node.answers["invitation"] = {"error": "this mesh is open"}
    nodes: Nodes = page.web._inner.state.nodes
    (folder,) = nodes.folders()
    state = nodes.state(folder)
    assert (state.invitation, state.problem) == (None, "")


def test_an_invitation_may_end_while_its_node_is_asked_about_it(node: StandIn, tmp_path: Path) -> None:
    node.share(tmp_path / "a")
    nodes = Nodes()
    (folder,) = nodes.folders()
    nodes.invitations.begin(folder.id, "K7QX-4MDP", "rw", 60)

    def late(question: Answer) -> Answer:
        nodes.invitations.forget(folder.id)
        return {"over": "ended", "joined": "", "guesses": 3}

    node.answers["invitation"] = late
    state = nodes.state(folder)
    assert state.invitation is not None
    assert state.invitation["over"] == "ended"
    assert nodes.state(folder).invitation is None
