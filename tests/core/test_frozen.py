"""Classes with fields, made quickly: they behave as dataclasses with slots do."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import pytest

from dir_sync.core.frozen import changed, field, fields_of, frozen, mutable
from dir_sync.core.named import FEW


@frozen
class Point:
    """A place."""

    KIND: ClassVar[str] = "point"

    x: int
    y: int = 2

    @property
    def total(self) -> int:
        return self.x + self.y


@frozen
class Other:
    x: int
    y: int = 2


def test_fields_defaults_and_names() -> None:
    assert (Point(1).x, Point(1).y, Point(y=5, x=4).y, Point(1).total, Point.KIND) == (1, 2, 5, 3, "point")
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert Point.__doc__ == "A place."
    assert fields_of(Point) == (("x", "y"), {"y": 2})
    assert not hasattr(Point(1), "__dict__")
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]


def test_the_first_objects_are_made_as_the_later_ones() -> None:
    @frozen
    class Place:
        x: int
        y: int = 2

    @mutable
    class Bag:
        owner: str
        things: list[str] = field(default_factory=list)

    for _ in range(2 * FEW):
        assert [(one.x, one.y) for one in (Place(1), Place(1, 3), Place(y=4, x=1))] == [(1, 2), (1, 3), (1, 4)]
        assert (Bag("a").things, Bag("a", ["b"]).things) == ([], ["b"])
        assert Bag("a").things is not Bag("a").things


@pytest.mark.parametrize("values", [(), (1, 2, 3)])
@pytest.mark.parametrize("named", [{}, {"x": 1, "y": 2, "z": 3}, {"z": 1}])
def test_wrong_arguments_are_refused_from_the_first_object_on(values: tuple[int, ...], named: dict[str, int]) -> None:
    @frozen
    class Place:
        x: int
        y: int = 2

    with pytest.raises(TypeError, match="__init__"):
        Place(*values, **named)
    assert (Place(1).x, Place(1).y) == (1, 2)


def test_equal_by_value_and_kind() -> None:
    assert Point(1) == Point(1, 2) != Point(2)
    assert hash(Point(1)) == hash(Point(1))
    assert Point(1) != Other(1)
    assert Point(1) != (1, 2)


def test_nothing_can_be_assigned_or_deleted() -> None:
    point = Point(1)
    for name in ("x", "z"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(point, name, 3)
        with pytest.raises(AttributeError, match="frozen"):
            delattr(point, name)
    assert point == Point(1)


def test_it_is_matched_copied_and_changed() -> None:
    match Point(1, 7):
        case Point(x, y):
            assert (x, y) == (1, 7)
    assert copy.deepcopy(Point(1)) == pickle.loads(pickle.dumps(Point(1))) == Point(1)
    assert changed(Point(1, 7), x=3) == Point(3, 7)


@mutable
class Basket:
    """What somebody carries."""

    owner: str
    things: list[str] = field(default_factory=list)
    weight: int = 0

    def add(self, thing: str, weight: int) -> None:
        self.things.append(thing)
        self.weight += weight


@mutable
class Nothing:
    pass


def test_a_mutable_one_has_defaults_of_its_own() -> None:
    one, other = Basket("a"), Basket("b")
    one.add("apple", 3)
    assert (one.things, one.weight) == (["apple"], 3)
    assert (other.things, other.weight) == ([], 0)
    given: list[str] = []
    assert Basket("c", given).things is given
    assert Basket(owner="d", weight=2).weight == 2
    with pytest.raises(TypeError):
        Basket()  # type: ignore[call-arg]
    assert Nothing() == Nothing()


def test_a_mutable_one_is_compared_by_value_and_has_no_hash() -> None:
    assert Basket("a") == Basket("a") != Basket("b")
    assert repr(Basket("a")) == "Basket(owner='a', things=[], weight=0)"
    with pytest.raises(TypeError):
        hash(Basket("a"))
    with pytest.raises(AttributeError):
        Basket("a").colour = "red"  # type: ignore[attr-defined]
    assert copy.deepcopy(Basket("a")) == Basket("a")


@frozen
class Measured:
    """What a class says itself of equality counts."""

    value: int
    size: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measured) and self.value == other.value


def test_a_class_may_say_itself_what_is_equal() -> None:
    assert Measured(1, 5) == Measured(1, 6) != Measured(2, 5)
