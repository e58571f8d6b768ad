"""The map as a file to be reviewed: ``access.lock``.

One block for each method of each route, in the order of the paths, so that moving code about changes nothing::

    callerid-access-lock 1

    guard
      leeway 30

    issuer https://accounts.google.com
      keys https://www.googleapis.com/oauth2/v1/certs
      audience https://orders.example.com

    GET /reports/daily
      allow Domain('example.com')
      or User('eve@gmail.com')

    POST /tasks/reindex
      audience https://orders.example.com/tasks
      allow ServiceAccount('queue@shop-prod.iam.gserviceaccount.com')

A rule is code that makes it again. Of a `Where`, only a hash of its code is there: it says whether the code is the
same, in one release of Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import callerid.rules
from callerid.access.rows import AccessMap, Row, canonical
from callerid.algebra import Sealed, fingerprint
from callerid.errors import CalleridError, ConfigurationError, one_line
from callerid.issuers import Issuer
from callerid.keys import KeySource
from callerid.rules import AllOf, AnyOf, PathParam, Rule, Via, Where, all_of, any_of

__all__ = [
    "LOCK_VERSION",
    "Block",
    "Difference",
    "Lock",
    "differences",
    "locked",
    "read_lock",
    "rule_in",
    "settings_of",
    "source_of",
    "unenforced_in",
]

LOCK_VERSION = 1
_FIRST = "callerid-access-lock"
_COMMENT = "# Who may call what. Written by `callerid routes --lock`, checked by `callerid routes --check`."


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a lock: its name, and its lines without their indent."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock taken apart: what is said of each issuer, and of each route."""

    blocks: Mapping[str, Block] = field(default_factory=dict[str, Block])


@dataclass(frozen=True, slots=True)
class Difference:
    """What has changed in one block: the lines that went, and those that came."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        word = "added" if not self.before else "removed" if not self.after else "changed"
        gone = [f"  - {line}" for line in self.before if line not in self.after]
        come = [f"  + {line}" for line in self.after if line not in self.before]
        return "\n".join([f"{word}: {self.name}", *gone, *come])


def locked(found: AccessMap) -> str:
    """The map as the text of a lock."""
    lines = [_COMMENT, f"{_FIRST} {LOCK_VERSION}"]
    for block in _blocks(found).values():
        lines += ["", block.name, *(f"  {line}" for line in block.lines)]
    return "\n".join([*lines, ""])


def differences(lock: str, found: AccessMap, name: str = "the lock") -> list[Difference]:
    """What is otherwise than a lock says. Raises `ConfigurationError` for what is no lock of this version."""
    before, after = read_lock(lock, name).blocks, _blocks(found)
    names = dict.fromkeys((*before, *after))
    pairs = [(each, _lines(before, each), _lines(after, each)) for each in names]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def _lines(blocks: Mapping[str, Block], name: str) -> tuple[str, ...]:
    return blocks[name].lines if name in blocks else ()


def read_lock(text: str, name: str) -> Lock:
    """Take a lock apart; ``name`` is its file's. Raises `ConfigurationError` in one line that says what and where."""
    numbered = [
        (number, line.rstrip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    word, _, version = (numbered[0][1] if numbered else "").partition(" ")
    if word != _FIRST:
        raise ConfigurationError(f"{name}: this is no access lock: it would begin with {_FIRST!r}")
    if version != str(LOCK_VERSION):
        raise ConfigurationError(
            f"{name}: a lock of format version {one_line(version)!r}, and this callerid reads {LOCK_VERSION}: "
            "write it anew with callerid routes --lock"
        )
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in numbered[1:]:
        if not line.startswith(" "):
            if line in found:
                raise ConfigurationError(f"{name}, line {number}: {line!r} is there twice")
            current = found[line] = []
        elif current is None:
            raise ConfigurationError(f"{name}, line {number}: an indented line belongs to a route or an issuer")
        else:
            current.append(line.strip())
    return Lock({each: Block(each, tuple(lines)) for each, lines in found.items()})


# --- writing ---


def _blocks(found: AccessMap) -> dict[str, Block]:
    blocks = [Block("guard", settings_of(found)), *_issuers(found), *sorted(_routes(found), key=_order)]
    return {block.name: block for block in blocks}


def _order(block: Block) -> tuple[str, str]:
    method, _, path = block.name.partition(" ")
    return path, method


def _issuers(found: AccessMap) -> Iterator[Block]:
    issuers: dict[str, list[Issuer]] = {}
    for guard in found.guards:
        for issuer in guard.issuers:
            issuers.setdefault(issuer.name, []).append(issuer)
    for name in sorted(issuers):
        keys = sorted({f"keys {source_of(issuer)}" for issuer in issuers[name]})
        audiences = sorted({audience for issuer in issuers[name] for audience in issuer.audiences})
        yield Block(f"issuer {name}", (*keys, *(f"audience {audience}" for audience in audiences)))


def settings_of(found: AccessMap) -> tuple[str, ...]:
    """What else the guards were told that decides who comes in."""
    return tuple(sorted({f"leeway {guard.leeway}" for guard in found.guards} | unenforced_in(found)))


def unenforced_in(found: AccessMap) -> set[str]:
    """Where the rules are not enforced, as a lock says it."""
    return {f"unenforced {each}" for each in found.unenforced}


def source_of(issuer: Issuer) -> str:
    """Where an issuer's keys come from."""
    # A file's path is a machine's own, and a document's keys change.
    return issuer.keys.url if isinstance(issuer.keys, KeySource) else f"by {type(issuer.keys).__name__}"


def _routes(found: AccessMap) -> Iterator[Block]:
    for method, row in found.singly():
        yield Block(f"{method} {row.template}", tuple(_said(row)))


def _said(row: Row) -> Iterator[str]:
    for audience in sorted(row.audiences or ()):
        yield f"audience {audience}"
    rule = canonical(row.rule)
    parts = rule.rules if isinstance(rule, AllOf | AnyOf) else (rule,)
    joint = "or" if isinstance(rule, AnyOf) else "and"
    yield f"allow {code(parts[0])}"
    for part in parts[1:]:
        yield f"{joint} {code(part)}"


def code(rule: Rule) -> str:
    """Code that makes the rule again; a `Where` is told by a hash of its code."""
    if isinstance(rule, AllOf | AnyOf):
        return f"{type(rule).__name__}({', '.join(map(code, rule.rules))})"
    if isinstance(rule, Via):
        return f"Via({code(rule.rule)})"
    if isinstance(rule, Where):
        return f"Where({rule.description!r}, {fingerprint(rule)!r})"
    return repr(rule)


# --- reading ---


def rule_in(block: Block, name: str) -> tuple[Rule, frozenset[str] | None]:
    """The rule that a block holds, and the audiences. Raises `ConfigurationError` for what is none of ours."""
    parts: list[Rule] = []
    words: set[str] = set()
    audiences: set[str] = set()
    for line in block.lines:
        word, _, rest = line.partition(" ")
        if word == "audience":
            audiences.add(rest)
        elif word in ("allow", "and", "or"):
            words.add(word)
            parts.append(_rule(rest, f"{name}: {block.name}"))
        else:
            raise ConfigurationError(f"{name}: {block.name}: {line!r} is nothing that a lock says")
    if not parts or words >= {"and", "or"}:
        raise ConfigurationError(f"{name}: {block.name}: no rule, or 'and' beside 'or'")
    rule = any_of(tuple(parts)) if "or" in words else all_of(tuple(parts))
    return rule, frozenset(audiences) or None


def _rule(text: str, where: str) -> Rule:
    try:
        made = _made(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, CalleridError, RecursionError) as error:
        raise ConfigurationError(f"{where}: {one_line(text)!r} is no rule ({one_line(str(error))})") from None
    if not isinstance(made, Rule):
        raise ConfigurationError(f"{where}: {one_line(text)!r} is no rule")
    return made


def _made(node: ast.expr) -> Any:
    # Calls of our own rules on plain values, and nothing else: a lock is data.
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    kind: Any = getattr(callerid.rules, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Rule | PathParam) or kind is Rule:
        raise ConfigurationError(f"{name or 'this'} is none of callerid's rules")
    given = [_made(argument) for argument in node.args]
    named = {str(each.arg): _made(each.value) for each in node.keywords}
    if kind is Where:
        return Sealed(str(given[0]), str(given[1]))
    return kind(*given, **named)
