"""Decorators for classes with fields that are defined and created quickly: frozen values, and records that change.

In:   a class with annotated fields. Out: the same class with slots, equality by value and pattern matching; with `frozen`
its fields cannot be assigned.
Rule: they behave like `dataclass(frozen=True, slots=True)` and `dataclass(slots=True)` for classes without inherited
fields. The dataclass decorator generates and compiles up to six functions for each class, which takes half a
millisecond. Only the constructor differs between classes, so the others are shared here; it is compiled when some objects
have been made. For the messages alone that saves 15 ms of each start; creating a frozen value is faster, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from dir_sync.core.named import FEW, bound

__all__ = ["changed", "field", "fields_of", "frozen", "mutable"]

T = TypeVar("T")

_set = object.__setattr__


class _Factory:
    """The default of a field that each object has for itself."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """The default of a field of a mutable class: what the factory makes, for each object anew."""
    made: Any = _Factory(default_factory)
    return made  # type: ignore[no-any-return]


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class frozen. Its module needs `from __future__ import annotations`. Fields are all annotations except
    ClassVar."""
    return _with_fields(cls, {"__hash__": _hash, "__setattr__": _refuse, "__delattr__": _refuse}, True)


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """The same for a class whose fields change: it has no hash."""
    return _with_fields(cls, {"__hash__": None}, False)


def _with_fields(cls: type[T], more: dict[str, object], is_frozen: bool) -> type[T]:
    body = dict(cls.__dict__)
    names = tuple(name for name, kind in body.get("__annotations__", {}).items() if not kind.startswith("ClassVar"))
    defaults = {name: body.pop(name) for name in names if name in body}
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    shared = {"__eq__": _equal, "__repr__": _shown, "__reduce__": _reduced, **more}
    of_fields = {"__slots__": names, "__match_args__": names, "_field_defaults": defaults}
    made: Any = type(cls.__name__, cls.__bases__, {**shared, **body, **of_fields})
    made.__qualname__ = cls.__qualname__

    left = FEW

    def first(self: object, *values: object, **named: object) -> None:
        """One of the first objects, before the class has a constructor of its own."""
        nonlocal left
        left -= 1
        found = bound(names, defaults, values, named) if left >= 0 else None
        if found is None:
            made.__init__ = _constructor(made, names, defaults, is_frozen)
            made.__init__(self, *values, **named)
            return
        for name, value in zip(names, found, strict=True):
            _set(self, name, value.make() if type(value) is _Factory else value)

    made.__init__ = first
    found: type[T] = made
    return found


def _constructor(made: Any, names: tuple[str, ...], defaults: dict[str, Any], is_frozen: bool) -> Any:
    scope: dict[str, Any] = {"_defaults": defaults, "_Factory": _Factory}
    given, lines = [], []
    for name in names:
        default, value = defaults.get(name), name
        given.append(f"{name}=_defaults[{name!r}]" if name in defaults else name)
        if isinstance(default, _Factory):
            scope[f"_make_{name}"] = default.make
            value = f"_make_{name}() if type({name}) is _Factory else {name}"
        if is_frozen:
            scope[f"_set_{name}"] = made.__dict__[name].__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"self.{name} = {value}")
    exec(f"def __init__(self, {', '.join(given)}):\n " + ("\n ".join(lines) or "pass"), scope)
    return scope["__init__"]


def fields_of(kind: type[object]) -> tuple[tuple[str, ...], dict[str, object]]:
    """The names of the fields of a class that was made here, and the defaults of those that have one."""
    made: Any = kind
    return made.__slots__, made._field_defaults


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
