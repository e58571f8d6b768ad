"""`dataclass`, as `dataclasses.dataclass`, but made in a fraction of the time: it was most of ``import callerid``.

The standard library compiles each method of each frozen class by itself. Here ``__init__`` alone is compiled, which
sets slots without a look-up by name; the other methods are closures over the names of the fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        """What `dataclasses.dataclass` makes of a class; classes that are not frozen it makes itself."""
        make = frozen_dataclass if options.pop("frozen", False) else dataclasses.dataclass
        return (lambda each: make(each, **options)) if cls is None else make(cls, **options)


_MISSING = dataclasses.MISSING


def frozen_dataclass(
    cls: type[Any],
    *,
    init: bool = True,
    repr: bool = True,  # noqa: A002 - as there
    eq: bool = True,
    **options: Any,
) -> Any:
    """What ``dataclasses.dataclass(frozen=True, ...)`` makes of a class."""
    own = cls.__dict__
    inherits = any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:])
    # What may inherit from a dataclass is for the standard library to check.
    made: Any = dataclasses.dataclass(cls, init=False, repr=False, eq=False, frozen=inherits, **options)
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(made)
    methods: dict[str, Callable[..., Any]] = {}
    if not inherits:
        made.__dataclass_params__.frozen = True  # so that it checks right those that inherit from this one
        methods |= _immutable(made, fields)
    if init:
        methods["__init__"] = _init(made, fields)
    if repr:
        methods["__repr__"] = _repr([field.name for field in fields if field.repr])
    if eq:
        methods["__eq__"] = _eq(_values([field.name for field in fields if field.compare]))
        counts = [field.name for field in fields if (field.compare if field.hash is None else field.hash)]
        methods["__hash__"] = _hash(_values(counts))
    for name, method in methods.items():
        if own.get(name) is None:  # as __hash__ is of a class that defines __eq__ alone
            method.__name__, method.__qualname__, method.__module__ = name, f"{cls.__qualname__}.{name}", cls.__module__
            setattr(made, name, method)
    return made


def _init(made: type[Any], fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MISSING}
    by_place, by_name, lines = ["self"], list[str](), list[str]()
    for field in fields:
        name = field.name
        written = name
        if field.default_factory is not _MISSING:
            known[f"_make_{name}"] = field.default_factory
            written = f"{name}=_missing"
            value = f"_make_{name}() if {name} is _missing else {name}" if field.init else f"_make_{name}()"
        elif field.default is not _MISSING:
            known[f"_default_{name}"] = field.default
            written = f"{name}=_default_{name}"
            value = name if field.init else f"_default_{name}"
        else:
            value = name
        if field.init:
            (by_name if field.kw_only else by_place).append(written)
        elif value == name:
            continue  # __post_init__ sets it
        slot = getattr(made, name, None)
        if isinstance(slot, MemberDescriptorType):
            known[f"_set_{name}"] = slot.__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join([*by_place, *(["*", *by_name] if by_name else [])])
    exec(f"def __init__({parameters}):\n " + "\n ".join(lines or ["pass"]), known)  # noqa: S102 - of our own names alone
    init: Callable[..., None] = known["__init__"]
    init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return init


def _immutable(made: type[Any], fields: tuple[dataclasses.Field[Any], ...]) -> dict[str, Callable[..., Any]]:
    """A class that inherits from this one and is no dataclass may have attributes beside the fields."""
    names = [field.name for field in fields]

    def set_attribute(self: Any, name: str, value: Any) -> None:
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(made, self).__setattr__(name, value)

    def delete_attribute(self: Any, name: str) -> None:
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(made, self).__delattr__(name)

    found: dict[str, Callable[..., Any]] = {"__setattr__": set_attribute, "__delattr__": delete_attribute}
    return found | ({"__getstate__": _state, "__setstate__": _set_state} if "__slots__" in vars(made) else {})


def _state(self: Any) -> list[Any]:
    """For copies and pickle: the values of slots, which are not in ``__dict__``."""
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _values(names: list[str]) -> Callable[[Any], Any]:
    """Returns the values of these attributes as a tuple."""
    if not names:
        return lambda _: ()
    values = attrgetter(*names)
    return values if len(names) > 1 else lambda made: (values(made),)


def _eq(values: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def is_equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return is_equal


def _hash(values: Callable[[Any], Any]) -> Callable[[Any], int]:
    def hashed(self: Any) -> int:
        return hash(values(self))

    return hashed


def _repr(names: list[str]) -> Callable[[Any], str]:
    @recursive_repr()
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown
