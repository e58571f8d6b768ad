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
``after`` the other (see `callerid.audit.order`). A rule is code that makes it again. Of a `Where`, and of a rule of
the application's own, only a hash of its source is there: it says whether the source is the same, whatever release of
Python reads it. Where there is no source, nothing is there, and whether it is the same cannot be told.
A further guard that believes others has a number, and the routes where it is asked name it; where guards name
different audiences, with those audiences.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import callerid.rules
from callerid.audit.algebra import Foreign, Sealed, Separate, every_leaf, fingerprint, is_foreign
from callerid.audit.order import in_order
from callerid.audit.places import ANYWHERE_ELSE
from callerid.audit.rows import AccessMap, GuardRequirement, Row, canonical
from callerid.audit.standing import Standing, is_gate, standing
from callerid.audit.trust import Trust, trust_of
from callerid.errors import CalleridError, ConfigurationError, one_line
from callerid.rules import AnyOf, PathParam, Rule, Via, Where, all_of, any_of, is_joined

__all__ = [
    "LOCK_VERSION",
    "SOURCE_REMEDY",
    "Block",
    "Difference",
    "Lock",
    "LockedRoute",
    "differences",
    "fronts_in",
    "lacks_source",
    "locked",
    "mount_of",
    "read_lock",
    "rule_in",
    "rule_of",
    "said_of",
    "unenforced_in",
    "without_source",
    "written_in",
]

LOCK_VERSION = 4
_FIRST = "callerid-access-lock"
_COMMENT = "# Who may call what. Written by `callerid routes --lock`, checked by `callerid routes --check`."


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a lock: its name, and its lines without their indent."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock taken apart: what is said of the application, of each guard and issuer, and of each route."""

    blocks: Mapping[str, Block] = field(default_factory=dict[str, Block])


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
    for block in _blocks(found).values():
        lines += ["", block.name, *(f"  {line}" for line in block.lines)]
    return "\n".join([*lines, ""])


def differences(lock: str, found: AccessMap, name: str = "the lock") -> list[Difference]:
    """What is otherwise than a lock says. Raises `ConfigurationError` for what is no lock of this version."""
    before, after, unread = read_lock(lock, name).blocks, _blocks(found), set(without_source(found))
    names = dict.fromkeys((*before, *after))
    pairs = [(each, _lines(before, each), _lines(after, each)) for each in names]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2] or pair[0] in unread]


SOURCE_REMEDY = "write it as a function in a module"


def without_source(found: AccessMap) -> list[str]:
    """The blocks with a rule whose source cannot be read, by their names."""
    return [stands.name for _, row, stands in in_order(found) if lacks_source(row.rule)]


def lacks_source(rule: Rule) -> bool:
    """Whether a part of the rule is code whose source cannot be read."""
    return any(fingerprint(leaf) is None for leaf in every_leaf(rule) if type(leaf) is Where or is_foreign(leaf))


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
        raise ConfigurationError(f"{name}: this is not an access lock: the first line of one begins with {_FIRST!r}")
    if version != str(LOCK_VERSION):
        raise ConfigurationError(
            f"{name}: the lock has format version {one_line(version)!r}, and this callerid reads {LOCK_VERSION}: "
            "write it again with callerid routes --lock, from the code that it was written for"
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

_FIRST_GUARD = "guard"


def _blocks(found: AccessMap) -> dict[str, Block]:
    guards = _guards(found)
    names = {trust: name for name, trust in guards.items()}
    ordered = in_order(found)
    mounts = [stands.template for _, _, stands in ordered if stands.is_rest]
    routes = [_route(stands, row, names, mounts) for _, row, stands in ordered]
    by_path = ", by path" if found.by_path else ""
    said = (*sorted(unenforced_in(found)), *found.settings, *sorted(fronts_in(found)))
    first = Block("application", (f"kind {found.kind}{by_path}", *said))
    blocks = [first, *_trusted(guards), *sorted(routes, key=_order)]
    return {block.name: block for block in blocks}


def _order(block: Block) -> tuple[str, str]:
    method, _, path = block.name.partition(" ")
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
        _FIRST_GUARD if number == 1 else f"{_FIRST_GUARD} {number}": trust
        for number, trust in enumerate([*own, *others], 1)
    }


def _trusted(guards: Mapping[str, Trust]) -> Iterator[Block]:
    for name, trust in guards.items():
        yield Block(name, trust.settings)
        of = "" if name == _FIRST_GUARD else f" of {name}"
        seen: dict[str, int] = {}
        for issuer, lines in trust.issuers:
            seen[issuer] = seen.get(issuer, 0) + 1
            again = f" ({seen[issuer]})" if seen[issuer] > 1 else ""
            yield Block(f"issuer {issuer}{again}{of}", lines)


def _route(stands: Standing, row: Row, names: Mapping[Trust, str], mounts: list[str]) -> Block:
    return Block(stands.name, (*_served(stands, row, mounts), *_asked_by(row.judges, names), *said_of(row)))


def _served(stands: Standing, row: Row, mounts: list[str]) -> Iterator[str]:
    serves = row.serving(stands.method)
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
    if stands.mount != mount_of(stands.template, mounts):
        yield f"beside {mount_of(stands.template, mounts)}"
    yield from (f"after {name}" for name in sorted(stands.after))
    yield from (f"other-slash-after {name}" for name in sorted(stands.slash_after))


def mount_of(template: str, mounts: Iterable[str]) -> str:
    """The rest of the mount in which a template seems to be, if it is in one."""
    paths = {each: each.removesuffix(ANYWHERE_ELSE) for each in mounts if each not in (template, ANYWHERE_ELSE)}
    return max((each for each, path in paths.items() if template.startswith(path)), key=len, default="")


def _asked_by(judges: tuple[GuardRequirement, ...], names: Mapping[Trust, str]) -> Iterator[str]:
    asked = {(names[trust_of(each.guard)], each.requirement.audiences) for each in judges}
    if _named_by_all(judges) is None and any(audiences for _, audiences in asked):
        yield from sorted(f"asked-by {name} for {json.dumps(sorted(named or ()))}" for name, named in asked)
    elif {name for name, _ in asked} != {_FIRST_GUARD}:
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


# --- reading ---


@dataclass(frozen=True, slots=True)
class LockedRoute:
    """A route as a lock has it: where it stands, who may, and by which guards that is asked for which audiences.

    ``endpoint`` is what serves, ``said`` the lines that tell who may.
    """

    stands: Standing
    rule: Rule
    asked_by: tuple[tuple[str, frozenset[str] | None], ...]
    endpoint: str
    said: tuple[str, ...]
    opaque: bool = False
    options: bool = True
    refuses: bool = False


def written_in(lock: Lock, name: str) -> tuple[dict[str, Trust], list[LockedRoute], tuple[str, ...]]:
    """The guards by their names, the routes, and what is said of the application; ``name`` is the file's.

    Raises `ConfigurationError` for what no lock says.
    """
    guards: dict[str, Trust] = {}
    blocks: list[Block] = []
    application: tuple[str, ...] = ()
    for block in lock.blocks.values():
        word = block.name.partition(" ")[0]
        if word == "application":
            application = block.lines
        elif word == "guard":
            guards[block.name] = Trust(block.lines)
        elif word == "issuer":
            issuer, _, guard = block.name.removeprefix("issuer ").partition(" of ")
            guard = guard or _FIRST_GUARD
            known = guards.get(guard, Trust())
            guards[guard] = replace(known, issuers=(*known.issuers, (issuer.partition(" (")[0], block.lines)))
        else:
            blocks.append(block)
    mounts = [path for block in blocks if (path := block.name.partition(" ")[2]).endswith(ANYWHERE_ELSE)]
    tells_slashes = "kind Flask" in application
    return guards, [_written(block, name, mounts, tells_slashes=tells_slashes) for block in blocks], application


def _written(block: Block, name: str, mounts: list[str], *, tells_slashes: bool) -> LockedRoute:
    rule, audiences = rule_in(block, name)
    words: dict[str, list[str]] = {}
    for word, _, rest in (line.partition(" ") for line in block.lines):
        words.setdefault(word, []).append(rest)
    beside = words.get("beside", [])
    stands = standing(
        block.name,
        below=not words.keys().isdisjoint({"mounts", "opaque"}),
        either_slash="with" in words,
        strict=not tells_slashes or is_gate(block.name),
        mount=mount_of(block.name.partition(" ")[2], [each for each in mounts if each not in beside]),
    )
    after, slash_after = (frozenset(words.get(word, ())) for word in ("after", "other-slash-after"))
    return LockedRoute(
        replace(stands, after=after, slash_after=slash_after),
        rule,
        tuple(_asking(each, audiences, f"{name}: {block.name}") for each in words.get("asked-by", (_FIRST_GUARD,))),
        next(iter(words.get("mounts", words.get("serves", ()))), ""),
        tuple(line for line in block.lines if line.partition(" ")[0] in _SAYING),
        "opaque" in words,
        "without" not in words,
        "answers" in words,
    )


def _asking(said: str, audiences: frozenset[str] | None, where: str) -> tuple[str, frozenset[str] | None]:
    """A guard that asks, and the audiences named there: ``audiences``, unless it has its own."""
    guard, has_own, own = said.partition(" for ")
    if not has_own:
        return guard, audiences
    try:
        named: Any = json.loads(own)
    except (ValueError, RecursionError):
        named = None
    if not _is_list(named) or not all(isinstance(each, str) for each in named):
        raise ConfigurationError(f"{where}: {own[:200]!r} is not a list of audiences")
    return guard, frozenset(named) or None


def _is_list(value: object) -> bool:
    return isinstance(value, list)


_SAYING = frozenset({"audience", "allow", "and", "or"})
_OTHER_WORDS = frozenset(
    {"serves", "mounts", "opaque", "with", "without", "answers", "beside", "after", "other-slash-after", "asked-by"}
)


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
            parts.append(rule_of(rest, f"{name}: {block.name}"))
        elif word not in _OTHER_WORDS:
            raise ConfigurationError(f"{name}: {block.name}: {line!r} is not a line of a lock")
    if not parts or words >= {"and", "or"}:
        raise ConfigurationError(f"{name}: {block.name}: it has no rule, or both 'and' and 'or'")
    rule = any_of(tuple(parts)) if "or" in words else all_of(tuple(parts))
    return rule, frozenset(audiences) or None


def rule_of(text: str, where: str) -> Rule:
    """The rule that a line holds; ``where`` is for the message. Raises `ConfigurationError`."""
    try:
        made = _made(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, CalleridError, RecursionError) as error:
        raise ConfigurationError(f"{where}: {one_line(text)!r} is not a rule ({one_line(str(error))})") from None
    if not isinstance(made, Rule):
        raise ConfigurationError(f"{where}: {one_line(text)!r} is not a rule")
    return made


def _made(node: ast.expr) -> Any:
    # Calls of our own rules on plain values, and nothing else: a lock is data.
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == Foreign.__name__:
        return Foreign(*(str(_made(argument)) for argument in node.args))
    kind: Any = Separate if name == Separate.__name__ else getattr(callerid.rules, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Rule | PathParam) or kind is Rule:
        raise ConfigurationError(f"{name or 'this'} is not one of callerid's rules")
    given = [_made(argument) for argument in node.args]
    named = {str(each.arg): _made(each.value) for each in node.keywords}
    if kind is Where:
        return Sealed(str(given[0]), str(given[1]), named.get("reads_path") is True)
    return kind(*given, **named)
