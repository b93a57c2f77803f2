"""A decorator for frozen value classes that are defined and created quickly.

In:   a class with annotated fields. Out: the same class, frozen, with slots, equality by value and pattern matching.
Rule: it behaves like `dataclass(frozen=True, slots=True)` for classes without inherited fields. The dataclass decorator
generates and compiles six functions for each class, which takes half a millisecond. Only the constructor differs
between classes, so the others are shared here. For the messages alone that saves 15 ms of each start; creating a value
is faster, too.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

__all__ = ["changed", "frozen"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class frozen. Its module needs `from __future__ import annotations`. Fields are all annotations except
    ClassVar."""
    body = dict(cls.__dict__)
    names = tuple(name for name, kind in body.get("__annotations__", {}).items() if not kind.startswith("ClassVar"))
    defaults = {name: body.pop(name) for name in names if name in body}
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    shared = {
        "__eq__": _equal, "__hash__": _hash, "__repr__": _shown, "__reduce__": _reduced,
        "__setattr__": _refuse, "__delattr__": _refuse,
    }  # fmt: skip
    made: Any = type(cls.__name__, cls.__bases__, {**body, **shared, "__slots__": names, "__match_args__": names})
    made.__qualname__ = cls.__qualname__
    scope: dict[str, Any] = {f"_set_{name}": made.__dict__[name].__set__ for name in names} | {"_defaults": defaults}
    given = ", ".join(f"{name}=_defaults[{name!r}]" if name in defaults else name for name in names)
    lines = "".join(f"\n _set_{name}(self, {name})" for name in names)
    exec(f"def __init__(self, {given}):{lines or ' pass'}", scope)
    made.__init__ = scope["__init__"]
    found: type[T] = made
    return found


def changed(value: T, **fields: object) -> T:
    """A copy of the value with some fields replaced."""
    kind: Any = type(value)
    return kind(**{name: getattr(value, name) for name in kind.__slots__} | fields)  # type: ignore[no-any-return]


def _values(value: Any) -> tuple[object, ...]:
    return tuple([getattr(value, name) for name in value.__slots__])


def _equal(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash((type(self), _values(self)))


def _shown(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__qualname__}({fields})"


def _reduced(self: object) -> tuple[object, tuple[object, ...]]:
    return type(self), _values(self)


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} is frozen")
