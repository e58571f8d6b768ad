"""The map as a file to be reviewed: ``access.lock``.

One block for each method of each route, in the order of the paths, so that moving code about changes nothing::

    callerid-access-lock 4

    application
      kind FastAPI

    guard
      leeway 30

    issuer https://accounts.google.com
      keys https://www.googleapis.com/oauth2/v1/certs
      audience https://orders.example.com

    GET /reports/daily
      serves app:daily
      allow Domain('example.com')
      or User('eve@gmail.com')

    POST /tasks/reindex
      serves app:reindex
      audience https://orders.example.com/tasks
      allow ServiceAccount('queue@shop-prod.iam.gserviceaccount.com')

Where moving code about does change who serves, since two routes are for the same paths, the later one is said to stand
``after`` the other (see `callerid.audit._order`). A rule is code that makes it again. Of a `Where`, and of a rule of
the application's own, only a hash of its source is there: it says whether the source is the same, whatever release of
Python reads it. Where there is no source, nothing is there, and whether it is the same cannot be told.
A guard of `from_env` or `from_toml` says where its settings were written: ``configured-by file callerid.toml``.
A further guard that believes others has a number, and the routes where it is asked name it; where guards name
different audiences, with those audiences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from callerid.audit._lock_rules import SOURCE_REMEDY, bad_lock, code, lacks_source
from callerid.audit._order import in_order
from callerid.audit._places import ANYWHERE_ELSE
from callerid.audit._rows import AccessMap, GuardRequirement, Row, canonical
from callerid.audit._scope import RouteScope
from callerid.audit._trust import Trust, trust_of
from callerid.errors import one_line
from callerid.rules import AnyOf, is_joined

__all__ = [
    "CONFIGURED_BY",
    "FIRST_GUARD",
    "LOCK_VERSION",
    "Difference",
    "Lock",
    "differences",
    "fronts_in",
    "locked",
    "mount_of",
    "read_lock",
    "said_of",
    "unenforced_in",
    "without_source",
]

LOCK_VERSION = 4
_FIRST = "callerid-access-lock"
_COMMENT = "# Who may call what. Written by `callerid routes --lock`, checked by `callerid routes --check`."


_Block: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a block, and its lines without their indent."""

Lock: TypeAlias = Mapping[str, tuple[str, ...]]
"""The blocks of a lock by their names: of the application, of each guard and issuer, and of each route."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What has changed in one block: the lines that went, and those that came."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def is_unknown(self) -> bool:
        """Whether it cannot be told what has changed, if anything: the source of a rule is not to be had."""
        return self.before == self.after

    def __str__(self) -> str:
        if self.is_unknown:
            return f"cannot tell: {self.name}, where the source of a rule cannot be read: {SOURCE_REMEDY}"
        word = "added" if not self.before else "removed" if not self.after else "changed"
        gone = [f"  - {line}" for line in self.before if line not in self.after]
        come = [f"  + {line}" for line in self.after if line not in self.before]
        return "\n".join([f"{word}: {self.name}", *gone, *come])


def locked(found: AccessMap) -> str:
    """The map as the text of a lock."""
    lines = [_COMMENT, f"{_FIRST} {LOCK_VERSION}"]
    for name, said in _blocks(found).items():
        lines += ["", name, *(f"  {line}" for line in said)]
    return "\n".join([*lines, ""])


def differences(lock: str, found: AccessMap, name: str = "the lock") -> list[Difference]:
    """What is otherwise than a lock says. Raises `ConfigurationError` for what is no lock of this version."""
    before, after, unread = read_lock(lock, name), _blocks(found), set(without_source(found))
    pairs = [Difference(each, before.get(each, ()), after.get(each, ())) for each in {**before, **after}]
    return [each for each in pairs if each.before != each.after or each.name in unread]


def without_source(found: AccessMap) -> list[str]:
    """The blocks with a rule whose source cannot be read, by their names."""
    return [scope.name for row, scope in in_order(found) if lacks_source(row.rule)]


def read_lock(text: str, name: str) -> Lock:
    """Take a lock apart; ``name`` is its file's. Raises `ConfigurationError` in one line that says what and where."""
    numbered = [
        (number, line.rstrip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    word, _, version = (numbered[0][1] if numbered else "").partition(" ")
    if word != _FIRST:
        raise bad_lock(f"{name}: this is not an access lock: the first line of one begins with {_FIRST!r}")
    if version != str(LOCK_VERSION):
        raise bad_lock(
            f"{name}: the lock has format version {one_line(version)!r}, and this callerid reads {LOCK_VERSION}: "
            "write it again with callerid routes --lock, from the code that it was written for"
        )
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in numbered[1:]:
        if not line.startswith(" "):
            if line in found:
                raise bad_lock(f"{name}, line {number}: {line!r} is there twice")
            current = found[line] = []
        elif current is None:
            raise bad_lock(f"{name}, line {number}: an indented line belongs to a route or an issuer")
        else:
            current.append(line.strip())
    return {each: tuple(lines) for each, lines in found.items()}


# --- writing ---

FIRST_GUARD = "guard"
CONFIGURED_BY = "configured-by"
"""Begins the line of a guard that says where its settings were written, if not in code."""


def _blocks(found: AccessMap) -> Lock:
    guards = _guards(found)
    names = {trust: name for name, trust in guards.items()}
    ordered = in_order(found)
    mounts = [scope.template for _, scope in ordered if scope.is_rest]
    routes = [_route(scope, row, names, mounts) for row, scope in ordered]
    by_path = ", by path" if found.by_path else ""
    said = (*sorted(unenforced_in(found)), *found.settings, *sorted(fronts_in(found)))
    first = "application", (f"kind {found.kind}{by_path}", *said)
    return dict([first, *_trusted(guards), *sorted(routes, key=_order)])


def _order(block: _Block) -> tuple[str, str]:
    method, _, path = block[0].partition(" ")
    return path, method


def unenforced_in(found: AccessMap) -> set[str]:
    """Where the rules are not enforced, as a lock says it."""
    return {f"unenforced {each}" for each in found.unenforced}


def fronts_in(found: AccessMap) -> set[str]:
    """What stands in front and may serve by itself, as a lock says it."""
    return {f"in-front {each}" for each in found.fronts if not each.forwards}


def _guards(found: AccessMap) -> dict[str, Trust]:
    """The guards by their names: that of the application, then the others, told apart by what they were told."""
    rest = [row for row in found.rows if row.is_rest][-1:]
    own = [trust_of(each.guard) for row in rest for each in row.judges[:1]]
    others = sorted({trust_of(guard) for guard in found.guards} - {*own}, key=repr)
    return {
        FIRST_GUARD if number == 1 else f"{FIRST_GUARD} {number}": trust
        for number, trust in enumerate([*own, *others], 1)
    }


def _trusted(guards: Mapping[str, Trust]) -> Iterator[_Block]:
    for name, trust in guards.items():
        written = (f"{CONFIGURED_BY} {trust.configured_by}",) if trust.configured_by else ()
        yield name, (*written, *trust.settings)
        of = "" if name == FIRST_GUARD else f" of {name}"
        seen: dict[str, int] = {}
        for issuer, lines in trust.issuers:
            seen[issuer] = seen.get(issuer, 0) + 1
            again = f" ({seen[issuer]})" if seen[issuer] > 1 else ""
            yield f"issuer {issuer}{again}{of}", lines


def _route(scope: RouteScope, row: Row, names: Mapping[Trust, str], mounts: list[str]) -> _Block:
    return scope.name, (*_served(scope, row, mounts), *_asked_by(row.judges, names), *said_of(row))


def _served(scope: RouteScope, row: Row, mounts: list[str]) -> Iterator[str]:
    serves = row.serving(scope.method)
    if serves.endpoint:
        yield f"{'mounts' if serves.below else 'serves'} {serves.endpoint}"
    if serves.opaque:
        yield "opaque"
    if serves.either_slash:
        yield "with or without a slash"
    if serves.refuses:
        yield "answers 405"
    if not serves.options:
        yield "without OPTIONS"
    seeming = mount_of(scope.template, mounts)
    if seeming not in ("", scope.mount):
        yield f"beside {seeming}"
    yield from (f"after {name}" for name in sorted(scope.after))
    yield from (f"other-slash-after {name}" for name in sorted(scope.slash_after))


def mount_of(template: str, mounts: Iterable[str]) -> str:
    """The rest of the mount in which a template seems to be, if it is in one."""
    paths = {each: each.removesuffix(ANYWHERE_ELSE) for each in mounts if each not in (template, ANYWHERE_ELSE)}
    return max((each for each, path in paths.items() if template.startswith(path)), key=len, default="")


def _asked_by(judges: tuple[GuardRequirement, ...], names: Mapping[Trust, str]) -> Iterator[str]:
    asked = {(names[trust_of(each.guard)], each.requirement.audiences) for each in judges}
    if _named_by_all(judges) is None and any(audiences for _, audiences in asked):
        yield from sorted(f"asked-by {name} for {json.dumps(sorted(named or ()))}" for name, named in asked)
    elif {name for name, _ in asked} != {FIRST_GUARD}:
        yield from sorted(f"asked-by {name}" for name, _ in asked)


def _named_by_all(judges: tuple[GuardRequirement, ...]) -> frozenset[str] | None:
    """The audiences that each of them names, if they are the same."""
    named = {each.requirement.audiences for each in judges}
    return next(iter(named)) if len(named) == 1 else None


def said_of(row: Row) -> Iterator[str]:
    """Who may, in lines."""
    for audience in sorted(_named_by_all(row.judges) or ()):
        yield f"audience {audience}"
    rule = canonical(row.rule)
    parts = rule.rules if is_joined(rule) else (rule,)
    joint = "or" if type(rule) is AnyOf else "and"
    yield f"allow {code(parts[0])}"
    for part in parts[1:]:
        yield f"{joint} {code(part)}"
