"""How the texts in rules and claims are read and compared, and which functions may stand in a rule."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any, cast

from callerid.errors import ConfigurationError

__all__ = ["domain_name", "domain_of", "is_deferred", "lower", "printable", "same_email", "same_value", "takes_two"]

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def printable(text: Any, what: str) -> str:
    """The text, if it can be read and has no blank at its ends. Raises `ConfigurationError`."""
    if not isinstance(text, str) or not text.strip() or text != text.strip() or not text.isprintable():
        raise ConfigurationError(f"{what}, not {text!r}", code="rule-argument")
    return text


def domain_name(text: Any, rule: str) -> str:
    """The domain in lower case. Raises `ConfigurationError` for what is none."""
    lowered = text.lower() if isinstance(text, str) and text.isascii() else ""
    if not _DOMAIN.fullmatch(lowered):
        raise ConfigurationError(
            f"{rule} names a domain such as 'example.com' (in its ASCII form), not {text!r}", code="rule-argument"
        )
    return lowered


# Only ASCII is folded: other scripts have letters that lower-case to an ASCII one (the Kelvin sign to k).
def lower(text: str | None) -> str | None:
    """The text in lower case if it is ASCII, else unchanged."""
    return text.lower() if text is not None and text.isascii() else text


def same_email(wanted: str, email: str | None) -> bool:
    """Whether an address is the one in a rule, which is in lower case."""
    return email is not None and wanted == lower(email)


def domain_of(email: str | None) -> str | None:
    """The domain of an address, in lower case; ``None`` where it is not plain which that is."""
    lowered = lower(email)
    if lowered is None or lowered.count("@") != 1 or not lowered.isascii():
        return None
    return lowered.partition("@")[2] or None


def same_value(claim: Any, wanted: Any) -> bool:
    """Whether two values are equal and of one type: ``1`` is not ``True``."""
    return type(claim) is type(wanted) and bool(claim == wanted)


def is_deferred(function: Any) -> bool:
    """Whether a call gives a coroutine or a generator, and no answer: for functions, methods and callable objects."""
    while isinstance(function, functools.partial):
        function = cast("Any", function.func)
    asked = (function, getattr(cast("Any", type(function)), "__call__", None))  # noqa: B004 - it is looked into
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(is_kind(each) for each in asked for is_kind in kinds)


def takes_two(function: Any) -> bool:
    """Whether a function is to be called with the caller and the path, and not with the caller alone.

    That is known by the parameters that it requires. A built-in function that does not say which takes the caller.
    Raises `ConfigurationError` for a function that takes neither, and for a ``path`` that may be left out: it would
    always be.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    positional = [each for each in signature.parameters.values() if each.kind in _POSITIONAL]
    if _binds(signature, 1) and not any(each.name == "path" for each in positional[1:2]):
        return False
    if _binds(signature, 2) and positional[1:2] and positional[1].default is inspect.Parameter.empty:
        return True
    raise ConfigurationError(
        f"Where takes a function of the caller, or of the caller and the path, each without a default, not one of "
        f"{signature}",
        code="where-function",
    )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
