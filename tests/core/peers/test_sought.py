"""The machines that the user named: who of those that come is which of them."""

from __future__ import annotations

import pytest

from dir_sync.core.peers.sought import Place, Sought

KITCHEN, ADDRESS, OTHER = ("kitchen", 6000), ("10.0.0.9", 6000), ("10.0.0.9", 6001)


def test_whoever_was_not_met_has_a_reason() -> None:
    sought = Sought([KITCHEN, ADDRESS, OTHER])
    sought.dialled(KITCHEN, None, "Name or service not known", [])
    sought.dialled(ADDRESS, 1, "", ["10.0.0.9"])
    sought.dialled(("10.0.0.7", 6000), None, "nobody named it", [])
    sought.refused(1, "bob shares no folder with this node")
    sought.refused(1, "the link has ended")
    assert [sought.why_not(place) for place in sought.places] == [
        "Name or service not known",
        "bob shares no folder with this node",
        None,
    ]
    assert [sought.replicas_at(place) for place in sought.places] == [None, None, None]


def test_whoever_was_dialled_is_met_at_that_place_alone() -> None:
    """Two tunnels, say: both end at one address, and the HELLOs name one port."""
    tunnels = [("localhost", 7000), ("127.0.0.1", 7001), ("127.0.0.1", 6000)]
    sought = Sought(tunnels)
    for number, place in enumerate(tunnels):
        sought.dialled(place, number, "", ["127.0.0.1"])
    sought.met(0, "127.0.0.1", 6000, "bob", ["b"])
    assert [sought.replicas_at(place) for place in tunnels] == [{"b"}, None, None]
    sought.met(1, "127.0.0.1", 6000, "carol", ["c"])
    assert [sought.replicas_at(place) for place in tunnels] == [{"b"}, {"c"}, None]


@pytest.mark.parametrize(
    ("named", "address", "port", "name", "is_it"),
    [
        ([ADDRESS], "10.0.0.9", 6000, "bob", True),
        ([ADDRESS], "10.0.0.8", 6000, "bob", False),
        ([ADDRESS], "10.0.0.9", 40_001, "bob", True),  # its port was taken
        ([ADDRESS], "10.0.0.9", 0, "bob", True),  # nobody can connect to it
        ([ADDRESS, OTHER], "10.0.0.9", 6001, "bob", False),  # that is the other one
        ([KITCHEN], "10.0.0.9", 6000, "bob", True),  # the name leads there
        ([KITCHEN], "10.0.0.7", 6000, "Kitchen", True),  # found by its beacon; its name is not known to the resolver
        ([KITCHEN, ("kitchen", 6001)], "10.0.0.7", 6001, "kitchen", False),
        ([("127.0.0.1", 7000)], "127.0.0.1", 6000, "bob", False),
    ],
)
def test_whoever_has_called(named: list[Place], address: str, port: int, name: str, is_it: bool) -> None:
    sought = Sought(named)
    sought.dialled(named[0], None, "refused", ["10.0.0.9"] if named[0] == KITCHEN else [named[0][0]])
    sought.met(7, address, port, name, ["b"])
    assert (sought.replicas_at(named[0]) == {"b"}) is is_it
    assert sought.why_not(named[0]) == (None if is_it else "refused")


def test_a_name_that_is_looked_up_after_the_call() -> None:
    sought = Sought([KITCHEN])
    sought.met(7, "10.0.0.9", 6000, "bob", ["b"])
    assert sought.replicas_at(KITCHEN) is None
    assert not sought.is_named("10.0.0.9")
    sought.dialled(KITCHEN, None, "refused", ["10.0.0.9"])
    assert sought.replicas_at(KITCHEN) == {"b"}
    assert sought.is_named("10.0.0.9")


def test_we_are_in_the_list_ourselves() -> None:
    sought = Sought([ADDRESS, KITCHEN])
    sought.dialled(ADDRESS, 1, "", ["10.0.0.9"])
    sought.met_ourselves(1)
    sought.met_ourselves(2)
    assert [sought.is_ourselves(place) for place in sought.places] == [True, False]


def test_who_was_missed_and_why() -> None:
    sought = Sought([ADDRESS, KITCHEN])
    assert sought.missed([]) == (), "no dial has ended yet"
    sought.dialled(ADDRESS, 1, "", ["10.0.0.9"])
    sought.met_ourselves(1)
    sought.dialled(ADDRESS, None, "Connection refused", ["10.0.0.9"])
    sought.dialled(KITCHEN, None, "Connection refused", ["10.0.0.7"])
    assert sought.missed([]) == ((KITCHEN, "Connection refused"),)
    sought.met(7, "10.0.0.7", KITCHEN[1], "kitchen", ["b"])
    assert sought.missed(["b"]) == ()


def test_whoever_was_met_and_refuses_now_is_missed() -> None:
    sought = Sought([KITCHEN])
    sought.dialled(KITCHEN, 1, "", ["10.0.0.7"])
    sought.met(1, "10.0.0.7", 6000, "kitchen", ["b"])
    assert sought.missed(["b"]) == ()
    assert sought.missed([]) == (), "it has just left, and no dial has ended yet"
    sought.dialled(KITCHEN, None, "Connection refused", ["10.0.0.7"])
    assert sought.missed(["c"]) == ((KITCHEN, "Connection refused"),)
    assert sought.missed(["b"]) == (), "it has dialled itself: nobody can dial it"
    assert sought.why_not(KITCHEN) is None, "it was met"
    sought.met(2, "10.0.0.7", 6000, "kitchen", ["b"])
    assert sought.missed([]) == (), "an old reason says nothing about the next absence"


def test_strangers_fill_nothing() -> None:
    sought = Sought([ADDRESS])
    sought.met(0, "10.0.0.9", 6000, "bob", ["b"])
    for link in range(1, 1_000):
        sought.met(link, "10.0.0.8", link, "carol", ["c"])
    assert len(sought._met) <= 256
    nobody = Sought([])
    nobody.met(1, "10.0.0.8", 6000, "carol", ["c"])
    assert not nobody._met
