"""Plain statements about one caller, and which of them go together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import NamedTuple, TypeAlias

from callerid.callers import Kind
from callerid.rules import PathParam
from callerid.rules._accounts import CONSUMER_DOMAINS
from callerid.rules._text import domain_of

__all__ = [
    "ADDRESSED",
    "ANONYMOUS",
    "ATTESTED",
    "BY_ACCESS_TOKEN",
    "HAS_SCOPES",
    "KNOWN",
    "NO_SCOPES",
    "NO_WORKSPACE",
    "PATHS",
    "PERSON",
    "SERVICE",
    "SEVERAL",
    "SOMEBODY",
    "WORKSPACE",
    "Conjunction",
    "Place",
    "Thing",
    "Trait",
    "Traits",
    "ages_in",
    "by_name",
    "contradictory",
    "family",
    "is_opaque",
    "together",
    "with_consequences",
]

Thing: TypeAlias = str | tuple[str, ...]
"""Of what a trait speaks."""


class Trait(NamedTuple):
    """One statement about a caller: of what it speaks, and what it says.

    That is a word, or for a claim the way to it: ``("claim", "roles", "acme")``, ``("attribute", "department")``,
    ``("fact", "plan")``, and ``("type", "claim", "roles")`` for what kind of value is there.
    """

    of: Thing
    value: Hashable


Traits: TypeAlias = frozenset[Trait]


class Conjunction(NamedTuple):
    """A conjunction: what must be true of the caller, of the service that carried the call, and of the app."""

    caller: Traits = frozenset()
    carrier: Traits = frozenset()
    app: Traits = frozenset()


def together(terms: Iterable[Conjunction]) -> Conjunction:
    """All that these conjunctions ask for, as one."""
    return Conjunction(*(frozenset[Trait]().union(*parts) for parts in zip(*terms, strict=True)))


SOMEBODY = Trait("known at all", True)
PERSON = Trait("sort", "person")
SERVICE = Trait("sort", "service account")
ADDRESSED = Trait("has an address", True)
ATTESTED = Trait("is an app", True)
HAS_SCOPES = Trait("has scopes", True)
NO_SCOPES = frozenset({Trait("has scopes", False)})
KNOWN = Trait("anonymous", False)
ANONYMOUS = frozenset({Trait("anonymous", True), Trait("provider", "anonymous")})

WORKSPACE, NO_WORKSPACE = Trait("of a Workspace", True), Trait("of a Workspace", False)

BY_ACCESS_TOKEN = frozenset({PERSON, HAS_SCOPES, NO_WORKSPACE})
"""What is true of everybody whom Google's access tokens name: they do not say of which Workspace one is."""


SEVERAL = frozenset({"path", "age", "contains", "contains path", "scope", "where", "unknown"})
"""A caller may have several traits of these at once; of all others only one."""

PATHS = frozenset({"path", "contains path"})
"""That a path parameter names something of the caller's: the value is what it names, and which parameter it is."""

Place = Callable[[PathParam], Hashable]
"""What tells one path parameter from another."""


def by_name(parameter: PathParam) -> Hashable:
    """Path parameters told apart by name."""
    return parameter.name


@cache
def family(kind: Kind) -> Traits:
    """Being of one family of callers, and whether that is one of those whose callers have a `Subject`."""
    return frozenset({Trait("family", kind), Trait("has a subject", _HAS_SUBJECT[kind])})


_HAS_SUBJECT = {Kind.GOOGLE: False, Kind.FIREBASE: False, Kind.OIDC: True, Kind.CUSTOM: True}


def ages_in(traits: Traits) -> list[int]:
    """Within how many seconds they signed in, by all that is said of it."""
    return [trait.value for trait in traits if trait.of == "age" and isinstance(trait.value, int)]


def is_opaque(trait: Trait) -> bool:
    """Whether only code can say if a caller has the trait."""
    return trait.of in ("where", "unknown")


def contradictory(traits: Traits) -> bool:
    """Whether nobody has all these traits: two of them speak of one thing that a caller has only once."""
    said: dict[Thing, Hashable] = {}
    return any(trait.of not in SEVERAL and said.setdefault(trait.of, trait.value) != trait.value for trait in traits)


def with_consequences(traits: Traits) -> Traits:
    """The traits and all that follows from them, but for longer ages (see `callerid.audit.algebra._set_trie`).

    Who has a Gmail address is judged as a `User` whose address Google hosts, however the address came to be known.
    """
    for of, value in traits:
        if of == "email" and domain_of(str(value)) in CONSUMER_DOMAINS:
            return traits | {NO_WORKSPACE}
    return traits
