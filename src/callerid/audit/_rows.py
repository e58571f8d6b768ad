"""The access map as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from callerid.audit._places import ANYWHERE_ELSE, Place, places_of, positions_of
from callerid.audit._trust import believed_by_all
from callerid.audit.algebra import Separate, is_weaker, separate
from callerid.guard import GuardCore, Requirement
from callerid.issuers import Issuer, emulator_warning
from callerid.rules import Facts, Rule, Where, admitted, is_joined, is_public

__all__ = [
    "ANYWHERE_ELSE",
    "AccessMap",
    "Front",
    "GuardRequirement",
    "Order",
    "Part",
    "Router",
    "Row",
    "ServedBy",
    "canonical",
    "earlier",
    "methods_text",
    "row",
    "who_may",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One rule that holds at a route, and where it stands: ``decorator``, ``router``, ``default`` and so on."""

    source: str
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class GuardRequirement:
    """All that one guard asks at a route, as it asks it."""

    guard: GuardCore
    requirement: Requirement


Order: TypeAlias = tuple[tuple[Any, str], ...]
"""Where a route stands: for each part of its path a rank, and what of that rank it is."""


def earlier(one: Order, other: Order) -> bool | None:
    """Whether the one is tried before the other; ``None`` where only the framework's router knows."""
    for part, another in zip(one, other, strict=False):
        if part != another:
            return None if part[0] == another[0] else bool(part[0] < another[0])
    return None


@dataclass(frozen=True, slots=True)
class ServedBy:
    """What serves a route, and for which paths.

    ``endpoint`` is its name, ``MODULE:NAME``. ``written`` is the path with its converters, where the template is
    without. ``below`` is for what is mounted: all below its path. ``either_slash`` is whether a slash at the end makes
    no difference. ``opaque`` is whether it decides by itself what is below, and nobody can look inside. ``answers`` is
    whether something of the application's own answers where there is no route. ``order`` is where it stands among the
    routes that are tried, the first of which serves (see `earlier`). ``mount`` is the template of the rest of the mount
    that it is in, if it is in one. ``options`` is whether the framework answers OPTIONS by itself, ``refuses`` whether
    it answers 405 here, whoever is let in. ``instead`` are the names of the routes that come first at all of its paths,
    so that it never serves (empty: it does).
    """

    endpoint: str = ""
    written: str = ""
    below: bool = False
    either_slash: bool = False
    opaque: bool = False
    answers: bool = False
    order: Order = field(default=(), compare=False)
    mount: str = ""
    options: bool = True
    refuses: bool = False
    instead: tuple[str, ...] = ()


_NOTHING = ServedBy()


@dataclass(frozen=True)
class Row:
    """One route: its methods (``WS`` for a socket, ``*`` for any), its path template, and who may.

    ``parts`` are the rules as they were written, ``asked`` what the guards on the way make of them: all of it must
    hold. ``default`` is what would hold without a rule. ``serves`` tells what serves each of the methods.
    """

    methods: tuple[str, ...]
    template: str
    parts: tuple[Part, ...]
    asked: tuple[GuardRequirement, ...]
    default: Requirement
    serves: tuple[ServedBy, ...] = ()

    @cached_property
    def rule(self) -> Rule:
        """Everything that must hold, as one rule."""
        return separate(each.requirement.rule for each in self.asked)

    @cached_property
    def weaker(self) -> bool:
        """Whether somebody may here whom the default would refuse, or whether that cannot be told."""
        return self.default.rule != self.rule and is_weaker(self.rule, self.default.rule, self.issuers)

    @cached_property
    def judges(self) -> tuple[GuardRequirement, ...]:
        """Those who look at a credential here, each for itself; the outermost alone where nobody has to."""
        return tuple(each for each in self.asked if not each.requirement.public) or self.asked[:1]

    @cached_property
    def believed(self) -> tuple[tuple[Issuer, ...], frozenset[str] | None]:
        """The issuers that all of them believe, and the audiences named here: see `believed_by_all`."""
        return believed_by_all([(each.guard.issuers, each.requirement.audiences) for each in self.judges])

    @property
    def audiences(self) -> frozenset[str] | None:
        """What the token of a Google identity must be minted for, if rules say so: what all of them name."""
        named = [each.requirement.audiences for each in self.judges if each.requirement.audiences is not None]
        return (named[0].intersection(*named) or None) if named else None

    @property
    def is_open(self) -> bool:
        """Whether anybody may, without any credential."""
        return admitted(self.rule, Facts())

    @property
    def is_opaque(self) -> bool:
        """Whether what is mounted here decides by itself what is below, and nobody can look inside."""
        return any(each.opaque for each in self.serves)

    @property
    def instead(self) -> tuple[str, ...]:
        """The routes that come first at all of its paths, so that it never serves; empty where it does."""
        return tuple(dict.fromkeys(name for each in self.serves for name in each.instead))

    @property
    def is_rest(self) -> bool:
        """Whether this is what holds where there is no route."""
        return self.template.endswith(ANYWHERE_ELSE)

    def serving(self, method: str) -> ServedBy:
        """What serves one of the methods."""
        return next((each for own, each in zip(self.methods, self.serves, strict=False) if own == method), _NOTHING)

    def written(self, method: str) -> str:
        """The path with its converters."""
        return self.serving(method).written or self.template

    def named(self, method: str) -> str:
        """The name of one of the methods: with the path."""
        return f"{method} {self.written(method)}"

    def places(self, method: str) -> tuple[Place, ...]:
        """The places that one of the methods is for."""
        serves = self.serving(method)
        return places_of(self.written(method), below=serves.below, either_slash=serves.either_slash)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path parameters, in order."""
        return tuple(positions_of(self.template))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the rules stand, outermost first."""
        return tuple(dict.fromkeys(part.source for part in self.parts))

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Those whom all guards on the way believe."""
        return self.believed[0]

    @property
    def name(self) -> str:
        """Methods and path."""
        return f"{methods_text(self.methods)} {self.written(self.methods[0])}"

    def words(self) -> str:
        """Who may, in words."""
        return who_may(self.rule, self.audiences)


def who_may(rule: Rule, audiences: frozenset[str] | None) -> str:
    """Whom a rule admits, in words; ``audiences`` are those that it names, if it does."""
    said = "everybody" if is_public(rule) else str(rule)
    return said if audiences is None else f"{said} for {' or '.join(sorted(audiences))}"


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front of an application: its name, ``MODULE:NAME``, and the paths it is known to serve by itself.

    ``forwards`` is whether it is known to serve nothing of its own.
    """

    name: str
    paths: tuple[str, ...] = ()
    forwards: bool = False

    def __str__(self) -> str:
        return " ".join((self.name, *self.paths))


class Router(Protocol):
    """The router of an application's framework, asked what serves a request."""

    def __call__(self, method: str, host: str, path: str) -> str | None:
        """The name of the row: method and path, as `Row.name` has it for one method.

        Empty where nothing serves (404, 405, a redirect), ``None`` where that cannot be told. The method is ``WS`` for
        a handshake; an empty host is any.
        """


@dataclass(frozen=True, slots=True)
class AccessMap:
    """Every route of an application with the rule that guards it, as the guard enforces it.

    ``problems`` are what cannot be right, each with its remedy: marks that nobody enforces, rules that can admit
    nobody, entries of a path table that no route answers. ``layers`` is how many decisions a call goes through, one
    behind the other. ``unenforced`` says where, and until when, whatever the rules refuse is let through all the same.
    ``settings`` is what else the application was told that decides who comes in, in lines. ``by_path`` is
    whether nothing but a `callerid.asgi.CallerMiddleware`, or its sister, guards it. ``behind`` are the places of an
    application that has no guard of its own, each with a method, as far as they can be seen. ``gates`` are the rows of
    each middleware in front of an application whose routes have rules, too, outermost first; they are the first of
    ``rows``, where they are told apart by number. ``router`` tells what serves a request, as the framework has it.
    ``answered`` are rows for what the framework itself answers although a route takes it: methods that an endpoint
    class does not have, and in Flask OPTIONS, where that asks something else than all the views there and the default.
    ``fronts`` is what stands in front of the application and may answer by itself, outermost first; ``awaits_start`` is
    whether the application has a lifespan of its own that has not begun, which may add routes. ``prefixes`` are what
    the application cuts off paths behind a path table, which has entries for both forms. ``audited`` are the routes
    whose allowed requests are logged, each as its method and template.
    """

    kind: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    layers: int = 1
    unenforced: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    by_path: bool = False
    behind: tuple[tuple[str, Place], ...] = ()
    gates: tuple[tuple[Row, ...], ...] = ()
    router: Router | None = field(default=None, compare=False)
    answered: tuple[Row, ...] = ()
    fronts: tuple[Front, ...] = ()
    awaits_start: bool = False
    prefixes: tuple[str, ...] = ()
    audited: frozenset[str] = frozenset()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What the map does not show, in sentences."""
        said = [
            f"{each.name} stands in front: what it serves by itself is not seen"
            + (f" ({', '.join(each.paths)})" if each.paths else "")
            for each in self.fronts
        ]
        if self.awaits_start:
            said.append("the application has a lifespan, which has not run: routes added in it are not seen")
        said += [
            f"the application cuts {each} off paths: where one begins with it, the entries for both forms must admit"
            for each in self.prefixes
        ]
        return tuple(said)

    @property
    def routes(self) -> tuple[Row, ...]:
        """The rows without those of the middleware in front."""
        return self.rows[sum(map(len, self.gates)) :]

    @property
    def guards(self) -> tuple[GuardCore, ...]:
        """All guards that are asked anywhere."""
        return tuple(dict.fromkeys(each.guard for row in self.rows for each in row.asked))

    @property
    def unsigned(self) -> tuple[str, ...]:
        """Of each guard that believes unsigned tokens, a sentence that says so."""
        emulated = (guard.authenticator.trusted.emulated for guard in self.guards)
        return tuple(dict.fromkeys(emulator_warning(each) for each in emulated if each))

    def singly(self) -> Iterator[tuple[str, Row]]:
        """Each method of each route by itself, but for HEAD where there is GET; of two for one place the first."""
        return self._singly(self.rows)

    def all_singly(self) -> Iterator[tuple[str, Row]]:
        """The same with what the framework itself answers."""
        return self._singly((*self.rows, *self.answered))

    @staticmethod
    def _singly(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
        seen: set[tuple[str, str]] = set()
        for row in rows:
            for method in row.methods:
                is_covered = method == "HEAD" and "GET" in row.methods
                place = method, row.written(method)
                if not is_covered and place not in seen:
                    seen.add(place)
                    yield method, row


def row(
    place: tuple[str, str],
    parts: Iterable[Part],
    asked: Iterable[tuple[GuardCore, Requirement]],
    default: Requirement,
    serves: ServedBy,
) -> Row:
    """One row; ``place`` is method and template, ``default`` what would hold without a rule."""
    method, template = place
    every = tuple(GuardRequirement(*each) for each in asked)
    return Row((method,), template, tuple(parts), every, default, (serves,))


def methods_text(methods: Iterable[str]) -> str:
    """The methods as people write them: GET covers HEAD."""
    named = list(methods)
    return ",".join(each for each in named if each != "HEAD" or "GET" not in named)


def canonical(rule: Rule) -> Rule:
    """The rule with its members in an order that does not depend on how they were written."""
    if is_joined(rule) or type(rule) is Separate:
        parts = sorted(map(canonical, rule.rules), key=_key)
        return parts[0] if len(parts) == 1 else type(rule)(*parts)
    return rule


def _key(rule: Rule) -> str:
    return f"{rule!r} {rule}" if type(rule) is Where else repr(rule)
