"""Rules that only code can judge: what can be said about them without running it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from callerid.audit.algebra._code import described
from callerid.audit.algebra._source import Unreadable
from callerid.rules import Facts, Rule, Where

__all__ = ["UNREADABLE", "Foreign", "Sealed", "code_fingerprint", "fingerprint"]

UNREADABLE: Final = "code that cannot be read"
"""In a setting of a guard: it may have changed, whatever is the same."""


@dataclass(frozen=True, slots=True, repr=False)
class Sealed(Rule):
    """A `Where` of which only the `fingerprint` is known, as a lock file has it. By itself it admits nobody.

    ``reads_path`` is whether it is asked about the path parameters, too.
    """

    description: str
    fingerprint: str
    reads_path: bool = False

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return f"where {self.description}"


@dataclass(frozen=True, slots=True, repr=False)
class Foreign(Rule):
    """A rule of the application's own, as a lock file has it. By itself it admits nobody.

    Its name and its words are known, and its `fingerprint` (empty, where it has none).
    """

    kind: str
    words: str
    fingerprint: str = ""

    @property
    def needs_caller(self) -> bool:
        return False  # a lock does not say, and less asked before a change is the safer guess

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return self.words


def fingerprint(rule: Rule) -> str | None:
    """A hash of the source of a `Where`, or of a rule of the application's own.

    It is the same for source that is the same but for comments and layout, in whatever process and release of Python,
    and covers what `described` sees: the source, the functions it calls by name, the constants and objects that it
    reaches as defaults, in its closure or in its module; of a rule of the application's own its class, those it is
    derived from, and its values. Two equal fingerprints are *assumed* to mean the same: what code reaches by other ways
    (a library's object, a file, the clock) is not seen.

    ``None`` where that cannot be told: for a rule of which only the words are known, and for code whose source is not
    to be had (made by ``exec``, compiled C, rewritten by an import hook).
    """
    if isinstance(rule, Sealed | Foreign):
        return rule.fingerprint or None
    return code_fingerprint(rule.holds if type(rule) is Where else rule)


def code_fingerprint(code: Any) -> str | None:
    """The same of a function, or of another object that is called; ``None`` where it cannot be told."""
    try:
        text = described(code, _package_of(code))
    except (Unreadable, RecursionError):
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _package_of(code: Any) -> str:
    """The package by which a rule was written: it is the application's own, even if it is installed."""
    inner = getattr(code, "func", code)
    return str(getattr(inner, "__module__", None) or type(inner).__module__).partition(".")[0]
