"""The source of a function as a syntax tree in text: the same in every release of Python, as bytecode is not.

Comments, white space and parentheses do not count, nor the name of the function and its decorators, whose effects are
seen in what they return. Everything else does. The source is believed only if compiling it makes the very code that
runs: a file that was changed since, another module's, or one that an import hook rewrites is none.
"""

from __future__ import annotations

import ast
import functools
import linecache
import types
import warnings
from collections.abc import Iterator
from typing import Any, Final, TypeAlias, cast

__all__ = ["Unreadable", "codes_in", "plainly", "source_of"]

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Unreadable(Exception):
    """There is no source that is certain to be that of a function."""


def source_of(code: types.CodeType, names: dict[str, Any]) -> str:
    """The arguments and the body of a function, as text. ``names`` are its globals. Raises `Unreadable`."""
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, names))
    try:
        functions = _functions(text, code.co_flags & _FUTURE)
        said = {_written(function) for function in functions.get(code, ())}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable from error
    if len(said) != 1:
        raise Unreadable
    return said.pop()


def codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code objects directly inside another one."""
    return (each for each in code.co_consts if isinstance(each, types.CodeType))


def plainly(value: object) -> str:
    """A constant as text."""
    # There is no limit for the length of a number but in decimal digits.
    return f"int {value:x}" if type(value) is int else f"{type(value).__name__} {value!r}"


_FUTURE: Final = 0x1000000
"""In the flags of code: annotations are not evaluated (PEP 563)."""
_MARK: Final = 100_000_000
"""More lines than any file has."""


@functools.lru_cache(maxsize=256)
def _functions(text: str, flags: int) -> dict[types.CodeType, list[_Function]]:
    """The functions of a module by the code that each is compiled to.

    Which code is which function's: the module is compiled once more with numbers in place of the lines where its
    functions begin. Raises `ValueError` if that makes other code.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree, marked = ast.parse(text), ast.parse(text)
    functions = _in_order(tree)
    for number, function in enumerate(_in_order(marked)):
        if isinstance(function, ast.Lambda):
            function.lineno = function.end_lineno = _MARK + number
        else:  # it begins where its first decorator stands
            first = ast.Constant(None, lineno=_MARK + number, col_offset=0)
            function.decorator_list.insert(0, first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = [compile(each, "", "exec", flags, dont_inherit=True) for each in (tree, marked)]
    found: dict[types.CodeType, list[_Function]] = {}
    for code, mark in _paired(*codes):
        if mark.co_firstlineno >= _MARK:
            found.setdefault(code, []).append(functions[mark.co_firstlineno - _MARK])
    return found


def _in_order(tree: ast.AST) -> list[_Function]:
    return [node for node in ast.walk(tree) if isinstance(node, _Function)]


def _paired(one: types.CodeType, other: types.CodeType) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    for pair in zip(codes_in(one), codes_in(other), strict=True):
        yield pair
        yield from _paired(*pair)


@functools.lru_cache(maxsize=4096)
def _written(function: _Function) -> str:
    return f"{type(function).__name__} {_dumped(function.args)} {_dumped(function.body)}"


def _dumped(node: object) -> str:
    """A part of a syntax tree. What is empty is left out: releases of Python differ in which such fields there are."""
    if isinstance(node, list):
        return f"[{', '.join(map(_dumped, cast('list[object]', node)))}]"
    if not isinstance(node, ast.AST):
        return plainly(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.JoinedStr):
        fields["values"] = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    given = (f"{name}={_dumped(value)}" for name, value in fields.items() if value is not None and value != [])
    return f"{type(node).__name__}({', '.join(given)})"
