"""The least caller with given traits: nothing is true of them that does not have to be.

Rules have no negation, so whatever the least caller of a term may do, everybody of that term may; and if the least
caller may not, here is somebody who may not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, cast

from callerid.audit.algebra._named import NamedGroup, groups
from callerid.audit.algebra._personas import ClaimName, ClaimValues, Persona
from callerid.audit.algebra._search import Presented
from callerid.audit.algebra._sides import Before, TrustPath
from callerid.audit.algebra._statements import ADDRESSED, PATHS, SERVICE, Conjunction, Thing, Trait, Traits
from callerid.callers import Kind

__all__ = ["Vocabulary", "least"]

CLIENT_ID = ".apps.googleusercontent.com"


@dataclass(frozen=True)
class Vocabulary:
    """All that the two rules speak of: made-up values must be none of it."""

    words: dict[Hashable, set[Any]] = field(default_factory=dict[Hashable, "set[Any]"])

    @classmethod
    def of(cls, terms: Iterable[Conjunction]) -> Vocabulary:
        """The values of all traits in these terms."""
        words: dict[Hashable, set[Any]] = {}
        for term in terms:
            for trait in (trait for part in term for trait in part):
                words.setdefault(trait.of, set()).add(trait.value)
        return cls(words)

    def said(self, of: str) -> set[Any]:
        """All values of one thing."""
        return self.words.get(of, set())

    def another(self, of: str, proposals: Iterator[str]) -> str:
        """The first of the proposals that neither rule names."""
        named = self.said(of)
        return next(each for each in proposals if each not in named)

    def unnamed(self, proposals: Iterator[str], taken: set[str]) -> str:
        """The first of the proposals that neither rule names as anything that a path may name; it is taken then."""
        found = next(each for each in proposals if each not in self._texts and each not in taken)
        taken.add(found)
        return found

    @cached_property
    def _texts(self) -> set[str]:
        found: set[str] = set()
        for value in (value for values in self.words.values() for value in values):
            parts = cast("Iterable[Any]", value) if isinstance(value, tuple) else (value,)
            found.update(part for part in parts if isinstance(part, str))
        return found


class _Named:
    """What the caller's and the carrier's things are, of which path parameters name some."""

    def __init__(self, traits: Conjunction, words: Vocabulary) -> None:
        self._words = words
        self._taken: set[str] = set()
        self.things: dict[tuple[int, Thing], str] = {}
        self.places: dict[Hashable, str] = {}
        for group in sorted(groups(traits), key=lambda group: (0, "subject") not in group.things):
            text = next(iter(group.texts), None) or self._made_up(group)
            self.things.update(dict.fromkeys(group.things, text))
            self.places.update(dict.fromkeys(group.places, text))
        for thing, place in sorted((pair for part in traits for pair in _contained(part)), key=repr):
            if place not in self.places:
                self.places[place] = self._text(thing[-1])

    def _made_up(self, group: NamedGroup) -> str:
        name = min((thing for _, thing in group.things), key=_order)
        return self.another_id() if name == "subject" else self._text(name if isinstance(name, str) else name[-1])

    def another_id(self, first: int = 10**20) -> str:
        """An account's id that nobody else has here."""
        return self._words.unnamed(map(str, count(first + 1)), self._taken)

    def _text(self, name: str) -> str:
        return self._words.unnamed((f"some-{name}{number or ''}" for number in count()), self._taken)


def _order(thing: Thing) -> tuple[bool, str]:
    return thing != "subject", repr(thing)


def _contained(traits: Traits) -> Iterator[tuple[Any, Hashable]]:
    """The lists that contain what the path names, and which parameter that is."""
    return ((trait.value[0], trait.value[1]) for trait in traits if trait.of == "contains path")  # type: ignore[index]


def least(shown: Presented, words: Vocabulary, parameters: tuple[str, ...]) -> Persona:
    """The kind's least caller; ``parameters`` names those of the path, in order.

    They are of no tenant where none is asked for. Only a rule that takes a tenant's word could ask for that, and only
    beside an address or an attribute, which nobody has here of whom none is asked for.
    """
    caller, carrier, app = shown.traits
    named = _Named(shown.traits, words)
    first = _somebody(0, caller, shown.caller, words, named)
    via = _somebody(1, carrier, shown.carrier, words, named) if shown.carrier else None
    path = tuple(_path(named, words, parameters))
    is_asked = words.said("path") or words.said("contains path")
    incidental = {"path"} if not is_asked else set[str]()
    attested = _app(app, words) if shown.app else None
    incidental |= {"app"} if attested and Trait("app", attested) not in app else set[str]()
    is_gateway = shown.carrier is not None and shown.carrier.behind != ""
    known = first.incidental | incidental
    return replace(first, via=via, is_forwarded=is_gateway, app=attested, path=path, incidental=known)


def _app(traits: Traits, words: Vocabulary) -> str:
    said: dict[Any, Any] = {trait.of: trait.value for trait in traits}
    others = (f"1:{said.get('app project') or 1234567890}:web:{number:x}" for number in count(0xABC123))
    return str(said.get("app") or words.another("app", others))


def _somebody(which: int, traits: Traits, trust_path: TrustPath | None, words: Vocabulary, named: _Named) -> Persona:
    if trust_path is None:
        return Persona()
    said: dict[Any, Any] = {trait.of: trait.value for trait in traits}
    subject = named.things.get((which, "subject"))
    about = _facts(trust_path.kind, traits, words, named, is_named=subject is not None and "subject" in said)
    told = {*said, "domain", "claims", "attributes", "tenant", "looked_up"}
    told |= {"authorized_party"} if words.said("authorized party") else set[str]()
    told |= {"email"} if "mailbox" in said else set[str]()
    told |= {"signed_in_ago"} if words.said("age") else set[str]()
    told -= {"issuer", "project"}
    told |= {"project"} if words.said("project") else set[str]()
    if trust_path.before is Before.REFUSED:
        told |= {"project"} if trust_path.kind is Kind.FIREBASE else {"audience"}
    persona = Persona(
        family=trust_path.kind,
        issuer=trust_path.issuer,
        audience=_audience(trust_path, people=SERVICE not in traits),
        subject=subject or named.another_id(),
        project=trust_path.project if trust_path.kind is Kind.FIREBASE else None,
        scopes=tuple(sorted(str(trait.value) for trait in traits if trait.of == "scope")),
        looked_up=tuple(sorted(_values("looked up", traits, named), key=repr)),
        **about,
    )
    made_up = {
        "issuer",
        "audience",
        "project",
        "subject",
        "email",
        "provider",
        "signed_in_ago",
        "authorized_party",
    } - told
    return replace(persona, incidental=frozenset(made_up))


def _facts(kind: Kind, traits: Traits, words: Vocabulary, named: _Named, *, is_named: bool) -> dict[str, Any]:
    said: dict[Any, Any] = {trait.of: trait.value for trait in traits}
    if kind is Kind.GOOGLE:
        return _google_facts(said, words, is_named=is_named)
    if kind is Kind.FIREBASE:
        return _firebase_facts(said, traits, words, named)
    return {"claims": tuple(sorted(_values(_CLAIMS[kind], traits, named), key=repr))}


_CLAIMS = {Kind.OIDC: "claim", Kind.CUSTOM: "fact"}
"""What a value is called that the credentials of a kind carry."""


def _google_facts(said: dict[Any, Any], words: Vocabulary, *, is_named: bool) -> dict[str, Any]:
    domain, service = said.get("domain"), said["sort"] == SERVICE.value
    email, party = said.get("email"), said.get("authorized party")
    if domain is None and said.get("of a Workspace"):
        domain = words.another("domain", _workspaces(str(email)))
    # Who is named by id is known by nothing else: a token need not carry the address. Only one with an address shows a
    # service account whose token another party asked for.
    is_addressed = ADDRESSED.of in said or (service and party is not None)
    if email is None and (domain is not None or not is_named or is_addressed):
        host = "some-project.iam.gserviceaccount.com" if service else domain or "gmail.com"
        email = words.another("email", (f"someone{number or ''}@{host}" for number in count()))
    return {"email": email, "domain": domain, "is_service_account": service, "authorized_party": party}


def _workspaces(email: str) -> Iterator[str]:
    """The likeliest Workspace of an address is that of its domain; but it may be a further domain of another."""
    yield email.rpartition("@")[2]
    yield from (f"workspace{number or ''}.example" for number in count())


def _firebase_facts(said: dict[Any, Any], traits: Traits, words: Vocabulary, named: _Named) -> dict[str, Any]:
    mailbox = said.get("mailbox")
    return {
        "email": None if mailbox is None else f"someone@{mailbox}",
        "provider": said.get("provider") or words.another("provider", _providers()),
        "tenant": named.things.get((0, "tenant")),
        "second_factor": "totp" if "second factor" in said else None,
        "signed_in_ago": _age(traits, words),
        "claims": tuple(sorted(_values("claim", traits, named), key=repr)),
        "attributes": tuple(sorted(_values("attribute", traits, named), key=repr)),
    }


def _providers() -> Iterator[str]:
    yield from ("google.com", "github.com", "apple.com")
    yield from (f"oidc.another-{number}" for number in count(1))


def _age(traits: Traits, words: Vocabulary) -> int:
    """A number of seconds within which they signed in, well past every shorter one that a rule names."""
    ages: set[int] = words.said("age")
    asked: list[Any] = [trait.value for trait in traits if trait.of == "age"]
    if not asked:
        return max(ages) + 3600 if ages else 0
    longest = min(asked)
    return int(max((age for age in ages if age < longest), default=0) + longest + 1) // 2


def _values(kind: str, traits: Traits, named: _Named) -> Iterator[tuple[ClaimName, ClaimValues]]:
    """What the claims are, or the attributes; those in objects by the way to them."""
    said: dict[Any, Any] = {trait.of: trait.value for trait in traits}
    inside: list[Any] = sorted((trait.value for trait in traits if trait.of == "contains"), key=repr)
    for of, value in said.items():
        if of[:2] == ("type", kind) and value != "an object":
            thing = of[1:]
            name = thing[1] if len(thing) == 2 else thing[1:]
            if value == "a list":
                items = [item for each, _, item in inside if each == thing]
                texts = {named.places[place] for each, place in _contained(traits) if each == thing}
                yield name, (*items, *sorted(texts.difference(items)))
            else:
                yield name, said[thing][1] if thing in said else named.things[0, thing]


def _audience(trust_path: TrustPath, *, people: bool) -> str:
    """People get tokens for an OAuth client id, services for any audience: the likelier one, where there is one."""
    return next((each for each in trust_path.audiences if each.endswith(CLIENT_ID) is people), trust_path.audiences[0])


def _path(named: _Named, words: Vocabulary, parameters: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What the path names: whom or what it has to, and otherwise somebody else."""
    # What has no position on the new side has a name, or is a position that only the old side's path has.
    asked = (value[1] for of in PATHS for value in words.said(of))
    others = sorted({place for place in asked if isinstance(place, str)})
    places: dict[Hashable, str] = {**dict(enumerate(parameters)), **{name: name for name in others}}
    somebody_else = named.another_id(2 * 10**20)
    for place, name in places.items():
        yield name, named.places.get(place, somebody_else)
