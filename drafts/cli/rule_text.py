"""The text of a rule, parsed and never run: names of callerid's rules, literals, ``&`` and ``|``."""

from __future__ import annotations

import ast
import warnings
from typing import Any, Final

import callerid
from callerid.cli.trouble import CommandError
from callerid.errors import CalleridError, one_line
from callerid.rules import PathParam, Rule, Where, member

__all__ = ["rule_from"]

_LONGEST: Final = 4000
_DEEPEST: Final = 100


def rule_from(text: str) -> Rule:
    """The rule that a text such as ``Domain("example.com") | User("ada@example.com")`` stands for.

    An IAM member string (``domain:example.com``) is one, too. Raises `CommandError` for anything else, and for what is
    over 4000 characters or nested over 100 deep.
    """
    if len(text) > _LONGEST:
        raise CommandError(f"--rule: the text of a rule has at most {_LONGEST} characters")
    try:
        made = _made(_parsed(text), 0) if "(" in text else member(text.strip())
    except CommandError:
        raise
    except (CalleridError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise CommandError(f"--rule: this is not a rule: {one_line(str(error))}") from None
    if not isinstance(made, Rule):
        raise CommandError("--rule: this is not a rule: a PathParam stands inside one")
    return made


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of what looks wrong in code, which this is not
        return ast.parse(text.strip(), mode="eval").body


def _made(node: ast.expr, depth: int) -> Any:
    if depth > _DEEPEST:
        raise CommandError(f"--rule: a rule is nested at most {_DEEPEST} deep")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left, right = _operand(node.left, depth), _operand(node.right, depth)
        return left & right if isinstance(node.op, ast.BitAnd) else left | right
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    kind = _kind(node.func)
    given = [_made(argument, depth + 1) for argument in node.args]
    named = {_keyword(each): _made(each.value, depth + 1) for each in node.keywords}
    return kind(*given, **named)


def _operand(node: ast.expr, depth: int) -> Rule:
    made = _made(node, depth + 1)
    if not isinstance(made, Rule):
        raise CommandError("--rule: & and | join rules: write Domain('example.com') | User('ada@example.com')")
    return made


def _kind(function: ast.expr) -> Any:
    name = function.id if isinstance(function, ast.Name) else ""
    kind: Any = getattr(callerid, name, None) if name in callerid.__all__ else None
    is_known = isinstance(kind, type) and issubclass(kind, Rule | PathParam) and kind not in (Rule, Where)
    if not is_known:
        raise CommandError(f"--rule: {name or 'this'} is not a rule that can be written as text")
    return kind


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise CommandError("--rule: ** is not part of a rule")
    return keyword.arg
