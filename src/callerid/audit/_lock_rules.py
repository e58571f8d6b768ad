"""The rules of a lock as text: written as code that makes them again, and read, without running anything."""

from __future__ import annotations

import ast
from typing import Any

import callerid.rules
from callerid.audit.algebra import Foreign, Sealed, Separate, every_leaf, fingerprint, is_foreign
from callerid.errors import CalleridError, ConfigurationError, one_line
from callerid.rules import PathParam, Rule, Via, Where, is_joined

__all__ = ["SOURCE_REMEDY", "bad_lock", "code", "lacks_source", "rule_of"]

SOURCE_REMEDY = "write it as a function in a module"


def bad_lock(message: str) -> ConfigurationError:
    """The error for what no lock says."""
    return ConfigurationError(message, code="access-lock")


def lacks_source(rule: Rule) -> bool:
    """Whether a part of the rule is code whose source cannot be read."""
    return any(fingerprint(leaf) is None for leaf in every_leaf(rule) if type(leaf) is Where or is_foreign(leaf))


def code(rule: Rule) -> str:
    """Code that makes the rule again; a `Where` is told by a hash of its source."""
    if is_joined(rule) or type(rule) is Separate:
        return f"{type(rule).__name__}({', '.join(map(code, rule.rules))})"
    if type(rule) is Via:
        return f"Via({code(rule.rule)})"
    if type(rule) is Where:
        reads_path = ", reads_path=True" if rule.reads_path else ""
        return f"Where({rule.description!r}, {fingerprint(rule) or ''!r}{reads_path})"
    if is_foreign(rule):
        kind = f"{type(rule).__module__}:{type(rule).__qualname__}"
        return f"Foreign({kind!r}, {one_line(str(rule))!r}, {fingerprint(rule) or ''!r})"
    return repr(rule)


def rule_of(text: str, where: str) -> Rule:
    """The rule that a line holds; ``where`` is for the message. Raises `ConfigurationError`."""
    try:
        made = _made(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, CalleridError, RecursionError) as error:
        raise bad_lock(f"{where}: {one_line(text)!r} is not a rule ({one_line(_said(error))})") from None
    if not isinstance(made, Rule):
        raise bad_lock(f"{where}: {one_line(text)!r} is not a rule")
    return made


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ConfigurationError) else str(error)


def _made(node: ast.expr) -> Any:
    # Calls of our own rules on plain values, and nothing else: a lock is data.
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == Foreign.__name__:
        return Foreign(*(str(_made(argument)) for argument in node.args))
    kind: Any = Separate if name == Separate.__name__ else getattr(callerid.rules, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Rule | PathParam) or kind is Rule:
        raise bad_lock(f"{name or 'this'} is not one of callerid's rules")
    given = [_made(argument) for argument in node.args]
    named = {str(each.arg): _made(each.value) for each in node.keywords}
    if kind is Where:
        return Sealed(str(given[0]), str(given[1]), named.get("reads_path") is True)
    return kind(*given, **named)
