"""Tuples with named fields, defined quickly: they behave as those of `typing` do."""

from __future__ import annotations

import copy
import json
import pickle
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.named import FEW, NamedTuple
from dir_sync.core.notes import Scanned

PACKAGE = Path(__file__).resolve().parents[2] / "dir_sync"


class Ours(NamedTuple):
    """A place."""

    x: int
    y: list[int] | None = None

    @property
    def twice(self) -> int:
        return self.x * 2

    def me(self) -> type:
        return __class__  # type: ignore[name-defined,no-any-return]


class Theirs(typing.NamedTuple):
    """A place."""

    x: int
    y: list[int] | None = None


class Nothing(NamedTuple):
    pass


class Below(Ours):
    pass


KINDS: list[Any] = [Ours, Theirs]
WRONG: list[tuple[tuple[int, ...], dict[str, int]]] = [
    ((), {}),
    ((1, 2, 3), {}),
    ((1,), {"z": 1}),
    ((1,), {"x": 1}),
    ((), {"y": 1}),
]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_made_by_position_and_by_name(kind: Any) -> None:
    made = kind(1)
    assert (made.x, made.y) == (1, None)
    assert kind(y=[2], x=1) == kind(1, [2]) == (1, [2])
    assert hash(made) == hash((1, None))
    assert kind._fields == kind.__match_args__ == ("x", "y")
    assert kind._field_defaults == {"y": None}
    assert repr(made) == f"{kind.__name__}(x=1, y=None)"
    assert isinstance(made, tuple)
    assert not hasattr(made, "__dict__")
    assert kind.__doc__ == "A place."
    assert kind.__annotations__.keys() == {"x", "y"}
    assert json.dumps(made) == "[1, null]"


def test_the_first_values_are_made_as_the_later_ones() -> None:
    class Place(NamedTuple):
        x: int
        y: int = 2

    for _ in range(2 * FEW):
        assert [Place(1), Place(1, 3), Place(y=4, x=1)] == [(1, 2), (1, 3), (1, 4)]
        for words, named in WRONG:
            with pytest.raises(TypeError):
                Place(*words, **named)


@pytest.mark.parametrize(("words", "named"), WRONG)
def test_what_is_wrong_is_refused_from_the_first_value_on(words: tuple[int, ...], named: dict[str, int]) -> None:
    class Place(NamedTuple):
        x: int
        y: int = 2

    with pytest.raises(TypeError, match="argument"):
        Place(*words, **named)
    assert Place(1) == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_refused(kind: Any) -> None:
    for words, named in WRONG:
        with pytest.raises(TypeError):
            kind(*words, **named)
    with pytest.raises((ValueError, TypeError), match="unexpected field names"):  # Python 3.13: a TypeError
        kind(1)._replace(z=1)
    with pytest.raises(TypeError, match="Expected 2 arguments, got 1"):
        kind._make([1])
    for name in ("x", "z"):
        with pytest.raises(AttributeError):
            setattr(kind(1), name, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_changed_copied_matched(kind: Any) -> None:
    made = kind(1, [2])
    assert made._replace(x=3) == (3, [2])
    assert type(made._replace(x=3)) is type(copy.copy(made)) is type(kind._make((1, 2))) is kind
    assert made._asdict() == {"x": 1, "y": [2]}
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    match made:
        case kind(1, y=[two]):
            assert two == 2
        case _:
            pytest.fail("it is not matched")


def test_each_class_is_one_of_its_own() -> None:
    """Also before the first value has been made, and for classes below it."""
    assert (Below(5).twice, type(Below(5)), Ours(5).me(), Nothing()) == (10, Below, Ours, ())
    assert type(Below(1)._replace(x=2)) is Below
    assert Nothing._fields == ()
    with pytest.raises(TypeError, match="field b without a default follows"):

        class _Wrong(NamedTuple):
            a: int = 1
            b: int  # type: ignore[misc]


def test_the_types_of_its_fields_are_known() -> None:
    assert typing.get_type_hints(Scanned) == {"files": int, "size": int}


def test_no_module_takes_the_slow_one() -> None:
    slow = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^from typing import .*\bNamedTuple\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert slow == []
