"""NamedTuple: immutable tuples with named fields, as those of `typing`, but defined quickly.

In:   a class with annotated fields. Out: a class of tuples.
Rule: it behaves like `typing.NamedTuple`, which compiles a constructor and each annotation when the class is defined: a
third of a millisecond, and a node has more than two hundred such classes. Here the constructor is compiled when some
values have been made, which is so for a few classes of a process only, and annotations are not looked at.
For a type checker it is `typing.NamedTuple`.
"""

from __future__ import annotations

from collections import _tuplegetter  # type: ignore[attr-defined]
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

__all__ = ["FEW", "NamedTuple", "bound"]

FEW = 16  # so many values of a class are made without a constructor of its own, which takes as long to compile

_new: Any = tuple.__new__

if TYPE_CHECKING:
    from typing import NamedTuple
else:

    def NamedTuple() -> None:
        """A base of classes with fields: `class Point(NamedTuple)`."""
        raise TypeError("NamedTuple is a base of classes")

    NamedTuple.__mro_entries__ = lambda _: (_Root,)


class _Named(tuple[Any, ...]):
    """What all these classes have in common."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    _field_defaults: dict[str, Any] = {}  # noqa: RUF012 (its name and its type are those of `typing`)
    _left = 0  # how many values of the class are still made without a constructor of its own

    def __new__(cls, *values: object, **named: object) -> Any:
        """One of the first values of a class."""
        kind: Any = next(one for one in cls.__mro__ if "_field_defaults" in one.__dict__)
        kind._left -= 1
        found = bound(kind._fields, kind._field_defaults, values, named) if kind._left >= 0 else None
        if found is not None:
            return _new(cls, found)
        kind.__new__ = _constructor(kind)
        return kind.__new__(cls, *values, **named)

    @classmethod
    def _make(cls, values: Iterable[object]) -> Any:
        """A value from a sequence."""
        made = _new(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, **named: object) -> Any:
        """A copy with other values in some fields."""
        made = _new(type(self), map(named.pop, self._fields, self))
        if named:
            raise ValueError(f"Got unexpected field names: {list(named)!r}")
        return made

    def _asdict(self) -> dict[str, Any]:
        """The values by the names of their fields."""
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)])
        return f"{type(self).__name__}({fields})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


_Named.__annotations__.clear()  # who asks a class for the types of its fields gets no others


def bound(
    names: tuple[str, ...], defaults: Mapping[str, Any], values: tuple[object, ...], named: Mapping[str, object]
) -> Sequence[object] | None:
    """The value of each field, from arguments by position and by name. None: they do not fit."""
    count = len(values)
    if not named and count == len(names):
        return values
    found = [*values]
    for name in names[count:]:
        if name in named:
            found.append(named[name])
        elif name in defaults:
            found.append(defaults[name])
        else:
            return None
    is_right = count <= len(names) and all(name in names[count:] for name in named)
    return found if is_right else None


def _constructor(kind: Any) -> staticmethod[..., Any]:
    """It takes the fields by position or by name, as the one of `collections.namedtuple`."""
    names, defaults = kind._fields, kind._field_defaults
    scope = {"_new": _new, "__name__": f"namedtuple_{kind.__name__}"}
    values = ", ".join(names) + ("," if len(names) == 1 else "")
    new = eval(f"lambda _cls, {', '.join(names)}: _new(_cls, ({values}))", scope)
    new.__name__, new.__qualname__ = "__new__", f"{kind.__qualname__}.__new__"
    new.__defaults__ = tuple(defaults.values())
    return staticmethod(new)


class _Defining(type):
    """Makes the class, when its body has been read."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            return type.__new__(cls, name, bases, body)
        names = tuple(body.get("__annotations__", ()))
        defaults = {}
        for at, field in enumerate(names):
            if field in body:
                defaults[field] = body[field]
            elif defaults:
                raise TypeError(f"{name}: field {field} without a default follows one with a default")
            body[field] = _getter(at)
        body.setdefault("__slots__", ())
        body["__match_args__"] = body["_fields"] = names
        body["_field_defaults"], body["_left"] = defaults, FEW
        others = tuple(one for one in bases if one is not _Root)
        return type(name, (_Named, *others), body)


_Root: Any = _Defining.__new__(_Defining, "NamedTuple", (), {})
_GETTERS: list[Any] = []


def _getter(at: int) -> Any:
    """What reads the field at that place: the same object for all classes."""
    while len(_GETTERS) <= at:
        _GETTERS.append(_tuplegetter(len(_GETTERS), f"Alias for field number {len(_GETTERS)}"))
    return _GETTERS[at]
