"""Code and data in lines of text that are the same in every process: what a fingerprint is a hash of."""

from __future__ import annotations

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

from callerid.rules import PathParam, Rule

__all__ = ["described"]

MOST_LINES = 5_000
"""Of what is reached from a rule, so many lines are read; the rest is assumed unchanged."""

_PLAIN: Final = frozenset({str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented)})


def described(value: Any, package: str = "") -> str:
    """The value, and all that is reached from it as far as that can be seen.

    Functions are told by their code, the functions and constants that they reach as defaults, in their closure or in
    their module; objects of the application's own classes by the code of these classes and by their attributes.
    Objects of a library are told by their class, and by their ``repr`` where that shows a value. An installed package
    is a library, unless it is ``package``.
    """
    reader = _Reader(package)
    reader.add(value)
    return "\n".join(reader.lines)


class _Reader:
    """The lines read so far, and what is being read: it may be reached again from what it holds."""

    def __init__(self, package: str) -> None:
        self.lines: list[str] = []
        self._package = package
        self._open: set[int] = set()

    def add(self, value: Any) -> None:
        """Read one value."""
        if type(value) in _PLAIN:
            self.lines.append(f"{type(value).__name__} {value!r}")
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
        self._named({"defaults": function.__defaults__, "keyword defaults": function.__kwdefaults__})
        for cell in function.__closure__ or ():
            self.lines.append("cell")
            with suppress(ValueError):  # nothing is in it yet
                self.add(cell.cell_contents)
        self._code(function.__code__, function.__globals__)

    def _code(self, code: types.CodeType, names: dict[str, Any]) -> None:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        self.lines.append(f"code {code.co_code.hex()} {counts} {code.co_exceptiontable.hex()} {code.co_names}")
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant, names)
            else:
                self.add(constant)
        for name in code.co_names:
            if name in names:
                self._named({f"global {name}": names[name]})
                self._attributes_read(names[name], code.co_names)

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
        self.lines.append(f"built-in {getattr(function, '__qualname__', function.__name__)}")
        owner = getattr(function, "__self__", None)
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
        self.lines.append(f"member {member.name}")
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
        self.lines.append(f"class {kind.__module__}.{kind.__qualname__}")
        if self._is_library(kind.__module__):
            return
        for base in kind.__mro__[1:]:
            if base is not object:
                self.add(base)
        known = _NOT_CODE | _GENERATED if "__dataclass_params__" in vars(kind) else _NOT_CODE
        for name, member in sorted(vars(kind).items()):
            if name not in known and not isinstance(member, types.MemberDescriptorType):
                self.lines.append(f"member {name}")
                for part in _parts_of(member):
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
        top = name.partition(".")[0]
        if top == _OURS or top in sys.stdlib_module_names:
            return True
        file = str(getattr(sys.modules.get(name), "__file__", None))
        return top != self._package and file.startswith(_installed())


_NOT_CODE = frozenset(
    {
        *("__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__"),
        *("__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__", "__match_args__"),
        *("__module__", "__qualname__", "__slots__", "__static_attributes__", "__weakref__", "_abc_impl"),
    }
)
_GENERATED = frozenset(
    {
        *("__delattr__", "__eq__", "__getstate__", "__hash__", "__init__", "__replace__", "__repr__", "__setattr__"),
        *("__setstate__",),
    }
)
"""What a dataclass is given: of that, only the values say something."""


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
