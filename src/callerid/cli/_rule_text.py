"""The text of a rule, parsed and never run: names of callerid's rules, literals, ``&`` and ``|``."""

from __future__ import annotations

import ast
import warnings
from typing import Any, Final

import callerid
from callerid.cli._trouble import CommandError
from callerid.errors import ConfigurationError, one_line
from callerid.rules import PathParam, Rule, Where, member

__all__ = ["rule_from"]

_LONGEST: Final = 4000
_DEEPEST: Final = 100
_EXAMPLE: Final = "write Domain('example.com') | User('ada@gmail.com'), or an IAM member such as domain:example.com"


def rule_from(text: str) -> Rule:
    """The rule that a text such as ``Domain("example.com") | User("ada@example.com")`` stands for.

    An IAM member string (``domain:example.com``) is one, too. Raises `CommandError` for anything else, and for what is
    over 4000 characters or nested over 100 deep.
    """
    try:
        return _read(text)
    except (CommandError, ConfigurationError) as error:
        raise CommandError(f"--rule: {one_line(str(error))}") from None


def _read(text: str) -> Rule:
    if len(text) > _LONGEST:
        raise CommandError(f"the text of a rule has at most {_LONGEST} characters")
    return _rule(_parsed(text), 0) if "(" in text else member(text.strip())


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of what looks wrong in code, which this is not
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CommandError(f"this is not a rule: {_EXAMPLE}") from None


def _rule(node: ast.expr, depth: int) -> Rule:
    if depth > _DEEPEST:
        raise CommandError(f"a rule is nested at most {_DEEPEST} deep")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left, right = _rule(node.left, depth + 1), _rule(node.right, depth + 1)
        return left & right if isinstance(node.op, ast.BitAnd) else left | right
    made = _called(node, depth) if isinstance(node, ast.Call) else None
    if not isinstance(made, Rule):
        raise CommandError(f"this is not a rule: {_EXAMPLE}")
    return made


def _called(node: ast.Call, depth: int) -> object:
    kind = _kind(node.func)
    given = [_value(each, depth + 1) for each in node.args]
    named = {_keyword(each): _value(each.value, depth + 1) for each in node.keywords}
    try:
        return kind(*given, **named)
    except TypeError as error:
        raise CommandError(str(error)) from None


def _kind(function: ast.expr) -> Any:
    name = function.id if isinstance(function, ast.Name) else ""
    kind: Any = getattr(callerid, name) if name in callerid.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, Rule | PathParam)) or kind in (Rule, Where):
        raise CommandError(f"{name or 'this'} is not a rule that can be written as text")
    return kind


def _value(node: ast.expr, depth: int) -> object:
    """An argument of a rule: another rule, a `PathParam` or a literal."""
    if isinstance(node, ast.BinOp):
        return _rule(node, depth)
    if isinstance(node, ast.Call):
        if depth > _DEEPEST:
            raise CommandError(f"a rule is nested at most {_DEEPEST} deep")
        return _called(node, depth)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise CommandError("what stands in a rule is a rule, a text or a number, or a list of them") from None


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise CommandError("** is not part of a rule")
    return keyword.arg
