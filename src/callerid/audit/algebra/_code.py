"""Code and data in lines of text, the same in every process and release of Python: what a fingerprint is a hash of."""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from callerid.audit.algebra._source import Unreadable, codes_in, plainly, source_of
from callerid.rules import PathParam, Rule

__all__ = ["described"]

MOST_LINES = 5_000
"""Of what is reached from a rule, so many lines are read; the rest is assumed unchanged."""

_PLAIN: Final = frozenset({str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented)})


def described(value: Any, package: str = "") -> str:
    """The value, and all that is reached from it as far as that can be seen.

    Functions are told by their source, and by what they reach as defaults, in their closure or in their module; objects
    of the application's own classes by the source of these classes and by their attributes. Objects of a library are
    told by their class, and by their ``repr`` where that shows a value; functions of Python itself, and those of other
    libraries that have no source, by their name. An installed package is a library, unless it is ``package``.

    Raises `Unreadable` for a function of the application's own that has no source, or not a certain one.
    """
    reader = _Describer(package)
    reader.add(value)
    return "\n".join(reader.lines)


class _Describer:
    """The lines read so far, and what is being read: it may be reached again from what it holds."""

    def __init__(self, package: str) -> None:
        self.lines: list[str] = []
        self._package = package
        self._open: set[int] = set()

    def add(self, value: Any) -> None:
        """Read one value."""
        if type(value) in _PLAIN:
            self.lines.append(plainly(value))
        elif id(value) in self._open:
            self.lines.append(f"again {type(value).__name__}")
        elif len(self.lines) < MOST_LINES:
            self._open.add(id(value))
            self._read(value)
            self._open.discard(id(value))

    @functools.singledispatchmethod
    def _read(self, value: Any) -> None:
        """An object of whatever class."""
        self.add(type(value))
        if not self._is_library(type(value).__module__) or isinstance(value, Rule):
            self._state(value)
            return
        text = _repr(value)
        if not text.startswith("<") and " at 0x" not in text:
            self.lines.append(text)
        self._named({name: each for name, each in _attributes(value) if self._is_own(each)})

    # --- functions ---

    @_read.register(types.FunctionType)
    def _function(self, function: types.FunctionType) -> None:
        code, names = function.__code__, function.__globals__
        module = str(names.get("__name__"))
        for name, cell in sorted(zip(code.co_freevars, function.__closure__ or (), strict=True)):
            self.lines.append(f"cell {name}")
            with suppress(ValueError):  # nothing is in it yet
                self.add(cell.cell_contents)
        self._named(dict(sorted(vars(function).items())))
        if _is_of_python(module):
            self.lines.append(f"function {_stable(module)}:{code.co_qualname}")
            return
        self._named({"defaults": function.__defaults__, "keyword defaults": function.__kwdefaults__})
        try:
            self.lines.append(f"source {source_of(code, names)}")
        except Unreadable:
            if not self._is_library(module):
                raise
            self.lines.append(f"function {module}:{code.co_qualname}")
        self._reached(set(_names_in(code)), names)

    def _reached(self, used: set[str], names: dict[str, Any]) -> None:
        """What code uses by name; private names of a class are not in its source as they are used."""
        self.lines += sorted(name for name in used if name.startswith("_") and "__" in name[1:] and name[-2:] != "__")
        for name in sorted(used & names.keys()):
            self._named({f"global {name}": names[name]})
            self._attributes_read(names[name], sorted(used))

    def _attributes_read(self, module: Any, names: Iterable[str]) -> None:
        """What code reads from a module of the application's own, as far as it names it."""
        if isinstance(module, types.ModuleType) and not self._is_library(module.__name__):
            known = vars(module)
            self._named({f"attribute {name}": known[name] for name in names if name in known})

    @_read.register(types.MethodType)
    def _method(self, method: types.MethodType) -> None:
        self._named({"function": method.__func__, "self": method.__self__})

    @_read.register(types.BuiltinFunctionType)
    @_read.register(types.MethodWrapperType)
    @_read.register(types.MethodDescriptorType)
    @_read.register(types.ClassMethodDescriptorType)
    @_read.register(types.WrapperDescriptorType)
    def _built_in(self, function: Any) -> None:
        owner = getattr(function, "__self__", None)
        module = _home_of(function, owner)
        if not self._is_library(module):
            raise Unreadable
        self.lines.append(f"built-in {_stable(module)} {function.__qualname__}")
        if not isinstance(owner, types.ModuleType | None):
            self.add(owner)

    @_read.register(functools.partial)
    def _partial(self, function: functools.partial[Any]) -> None:
        self._named({"partial": function.func, "arguments": function.args, "keywords": function.keywords})

    # --- data ---

    @_read.register(dict)
    def _mapping(self, mapping: dict[Any, Any]) -> None:
        self._class_of(mapping)
        for item in mapping.items():
            self.add(item[0])
            self.add(item[1])
        self._state(mapping)

    @_read.register(tuple)
    @_read.register(list)
    def _sequence(self, values: Any) -> None:
        self._class_of(values)
        for each in values:
            self.add(each)
        self._state(values)

    @_read.register(set)
    @_read.register(frozenset)
    def _set(self, values: Any) -> None:
        # The order differs from process to process.
        self._class_of(values)
        self.lines += sorted(self._apart(each) for each in values)
        self._state(values)

    def _apart(self, value: Any) -> str:
        lines, self.lines = self.lines, []
        self.add(value)
        lines, self.lines = self.lines, lines
        return " ".join(lines)

    @_read.register(enum.Enum)
    def _member(self, member: enum.Enum) -> None:
        own = {name: each for name, each in vars(member).items() if not name.startswith("_")}
        self._named({f"member {member.name}": member.value, **dict(sorted(own.items()))})
        self.add(type(member))

    @_read.register(re.Pattern)
    def _pattern(self, pattern: re.Pattern[Any]) -> None:
        self._named({f"pattern {pattern.flags}": pattern.pattern})

    @_read.register(PathParam)
    def _written(self, value: Any) -> None:
        self.lines.append(repr(value))

    @_read.register(types.ModuleType)
    def _module(self, module: types.ModuleType) -> None:
        self.lines.append(f"module {module.__name__}")

    # --- classes and their objects ---

    @_read.register(type)
    def _class(self, kind: type[Any]) -> None:
        self.lines.append(f"class {_stable(kind.__module__)}.{kind.__qualname__}")
        if self._is_library(kind.__module__):
            return
        for base in kind.__mro__[1:]:
            if base is not object:
                self.add(base)
        if type(kind) is not type:
            self.add(type(kind))
        for name, value in vars(kind).get("__dataclass_fields__", {}).items():
            defaults = (each for each in (value.default, value.default_factory) if each is not dataclasses.MISSING)
            self._named({f"field {name} {value.compare} {value.hash}": tuple(defaults)})
        for name, parts in _members(kind):
            self.lines.append(f"member {name}")
            for part in parts:
                self.add(part)

    def _class_of(self, value: Any) -> None:
        if type(value).__module__ == "builtins":
            self.lines.append(type(value).__name__)
        else:
            self.add(type(value))

    def _state(self, value: Any) -> None:
        self._named(dict(_attributes(value)))

    def _named(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.lines.append(f"{name} =")
            self.add(value)

    def _is_own(self, value: Any) -> bool:
        """Whether it is code, or an object, of the application's own."""
        inner = value.__func__ if isinstance(value, types.MethodType) else value
        module = inner.__module__ if isinstance(inner, types.FunctionType | type) else type(inner).__module__
        return not self._is_library(str(module))

    def _is_library(self, name: str) -> bool:
        """Whether a module is of Python itself, of an installed package, or of this library."""
        file = str(getattr(sys.modules.get(name), "__file__", None))
        return _is_of_python(name) or (name.partition(".")[0] != self._package and file.startswith(_installed()))


def _is_of_python(name: str) -> bool:
    """Whether a module is of Python itself, or of this library: there the functions of one name mean the same."""
    return name.partition(".")[0] in {_OURS, *sys.stdlib_module_names} - {"__main__"}


def _stable(module: str) -> str:
    """A module by its name; of Python's own only the package, within which releases move classes about."""
    return module.partition(".")[0].lstrip("_") if _is_of_python(module) else module


def _home_of(function: Any, owner: Any) -> str:
    """The module of a function that is written in C; ``owner`` is what it is bound to."""
    if getattr(function, "__module__", None):
        return str(function.__module__)
    kind: type = getattr(function, "__objclass__", owner if isinstance(owner, type) else type(owner))
    return next((each.__module__ for each in kind.__mro__ if function.__name__ in vars(each)), kind.__module__)


def _names_in(code: types.CodeType) -> Iterator[str]:
    """The names that code uses, but for those of its own variables."""
    yield from code.co_names
    for each in codes_in(code):
        yield from _names_in(each)


_NOT_CODE = frozenset(
    {
        *("__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__"),
        *("__callable_proto_members_only__", "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__"),
        *("__firstlineno__", "__match_args__", "__module__", "__mutable_keys__", "__non_callable_proto_members__"),
        *("__parameters__", "__protocol_attrs__", "__qualname__", "__readonly_keys__", "__slots__"),
        *("__static_attributes__", "__type_params__", "__weakref__", "_abc_impl"),
    }
)
_OF_ENUMS = frozenset(
    {
        *("_hashable_values_", "_inverted_", "_new_member_", "_unhashable_values_", "_unhashable_values_map_"),
        *("_use_args_", "_value2member_map_", "_value_repr_"),
    }
)
_SINCE = frozenset({"__replace__"})
"""What only some releases of Python give to classes."""
_GIVEN = _SINCE | {
    *("__delattr__", "__eq__", "__ge__", "__getstate__", "__gt__", "__hash__", "__init__", "__le__", "__lt__"),
    *("__new__", "__repr__", "__setattr__", "__setstate__", "__subclasshook__", "_generate_next_value_"),
}
"""What Python gives to data classes, named tuples and protocols: of that, only the values say something."""


def _members(kind: type[Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What a class has, by its name; the values of its slots are its objects'."""
    unseen = _NOT_CODE | _OF_ENUMS if isinstance(kind, enum.EnumType) else _NOT_CODE
    for name, member in sorted(vars(kind).items()):
        parts = _parts_of(member)
        is_given = name in _GIVEN and all(map(_is_made_by_python, parts))
        is_seen = name not in unseen and not (is_given and name in _SINCE)
        if is_seen and not isinstance(member, types.MemberDescriptorType):
            yield name, () if is_given else parts


def _is_made_by_python(member: Any) -> bool:
    if not isinstance(member, types.FunctionType):
        return False
    return member.__code__.co_filename == "<string>" or _is_of_python(str(member.__globals__.get("__name__")))


def _parts_of(member: Any) -> tuple[Any, ...]:
    if isinstance(member, property):
        return (member.fget, member.fset, member.fdel)
    if isinstance(member, staticmethod | classmethod):
        function: Any = member.__func__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - of any kind
        return (function,)
    return (member.func,) if isinstance(member, functools.cached_property) else (member,)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that an object itself has, but for what a class works out once and keeps there."""
    own: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType):
                own.setdefault(name, getattr(value, name, None))
            elif isinstance(member, functools.cached_property):
                own.pop(name, None)
    return iter(sorted(own.items(), key=lambda item: str(item[0])))


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a library's own code runs here
        return "<>"


_OURS = "callerid"


@functools.cache
def _installed() -> tuple[str, ...]:
    """The folders of installed packages."""
    paths = sysconfig.get_paths()
    folders = {paths["purelib"], paths["platlib"], *site.getsitepackages(), site.getusersitepackages()}
    return tuple(str(Path(folder)) for folder in folders)
