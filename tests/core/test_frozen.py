"""Frozen values: they behave as frozen dataclasses with slots do."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import pytest

from dir_sync.core.frozen import changed, frozen


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
    assert not hasattr(Point(1), "__dict__")
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]


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
