"""The least caller with given traits: nothing is true of them that does not have to be.

Rules have no negation, so whatever the least caller of a term may do, everybody of that term may; and if the least
caller may not, here is somebody who may not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from callerid.algebra.personas import ClaimValue, Persona
from callerid.algebra.search import Presented
from callerid.algebra.sides import Before, Door
from callerid.algebra.traits import ADDRESSED, SERVICE, Term, Traits
from callerid.callers import Kind

__all__ = ["Vocabulary", "least"]

CLIENT_ID = ".apps.googleusercontent.com"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All that the two rules speak of: made-up values must be none of it."""

    words: dict[Hashable, set[Any]] = field(default_factory=dict[Hashable, "set[Any]"])

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Vocabulary:
        """The values of all traits in these terms."""
        words: dict[Hashable, set[Any]] = {}
        for term in terms:
            for trait in (*term.caller, *term.carrier):
                words.setdefault(trait.of, set()).add(trait.value)
        return cls(words)

    def said(self, of: str) -> set[Any]:
        """All values of one thing."""
        return self.words.get(of, set())

    def another(self, of: str, proposals: Iterator[str], but: Iterable[str] = ()) -> str:
        """The first of the proposals that neither rule names."""
        named = self.said(of) | set(but)
        return next(each for each in proposals if each not in named)


def least(shown: Presented, words: Vocabulary, parameters: tuple[str, ...]) -> Persona:
    """The kind's least caller; ``parameters`` names those of the path, in order.

    They are of no tenant where none is asked for. Only `EmailDomain` could ask for that, and only beside an address,
    which nobody has here of whom none is asked for.
    """
    caller, carrier = shown.traits
    first = _somebody(caller, shown.caller, words, ())
    via = _somebody(carrier, shown.carrier, words, (first.subject,)) if shown.carrier else None
    if via is not None and any(trait.of == "path" for trait in caller & carrier):
        via = replace(via, subject=first.subject)
    path = tuple(_path(shown.traits, (first, via or Persona()), words, parameters))
    incidental = first.incidental if words.said("path") else first.incidental | {"path"}
    return replace(first, via=via, path=path, incidental=incidental)


def _somebody(traits: Traits, door: Door | None, words: Vocabulary, taken: tuple[str, ...]) -> Persona:
    if door is None:
        return Persona()
    said: dict[Any, Any] = {trait.of: trait.value for trait in traits}
    about = _firebase_facts(said, traits, words) if door.kind is Kind.FIREBASE else _google_facts(said, words)
    told = {*said, "domain", "claims", "tenant"} | ({"email"} if "mailbox" in said else set[str]())
    told |= {"signed_in_ago"} if words.said("age") else set[str]()
    told -= {"issuer", "project"}
    told |= {"project"} if words.said("project") else set[str]()
    if door.before is Before.REFUSED:
        told |= {"project"} if door.kind is Kind.FIREBASE else {"audience"}
    persona = Persona(
        family=door.kind,
        issuer=door.issuer,
        audience=_audience(door, people=SERVICE not in traits),
        subject=said.get("subject") or words.another("subject", map(str, count(10**20 + 1)), taken),
        project=door.project if door.kind is Kind.FIREBASE else None,
        **about,
    )
    made_up = {"issuer", "audience", "project", "subject", "email", "provider", "signed_in_ago"} - told
    return replace(persona, incidental=frozenset(made_up))


def _google_facts(said: dict[Any, Any], words: Vocabulary) -> dict[str, Any]:
    domain, service = said.get("domain"), said["sort"] == SERVICE.value
    email = said.get("email")
    if domain is None and said.get("of a Workspace"):
        domain = words.another("domain", _workspaces(str(email)))
    # Who is named by id is known by nothing else: a token need not carry the address.
    if email is None and (domain is not None or "subject" not in said or ADDRESSED.of in said):
        host = "some-project.iam.gserviceaccount.com" if service else domain or "gmail.com"
        email = words.another("email", (f"someone{number or ''}@{host}" for number in count()))
    return {"email": email, "domain": domain, "is_service_account": service}


def _workspaces(email: str) -> Iterator[str]:
    """The likeliest Workspace of an address is that of its domain; but it may be a further domain of another."""
    yield email.rpartition("@")[2]
    yield from (f"workspace{number or ''}.example" for number in count())


def _firebase_facts(said: dict[Any, Any], traits: Traits, words: Vocabulary) -> dict[str, Any]:
    mailbox = said.get("mailbox")
    return {
        "email": None if mailbox is None else f"someone@{mailbox}",
        "provider": said.get("provider") or words.another("provider", _providers()),
        "tenant": said.get("tenant"),
        "second_factor": "totp" if "second factor" in said else None,
        "signed_in_ago": _age(traits, words),
        "claims": tuple(sorted(_claims(traits))),
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


def _claims(traits: Traits) -> Iterator[tuple[str, ClaimValue | tuple[ClaimValue, ...]]]:
    inside: list[Any] = sorted((trait.value for trait in traits if trait.of == "contains"), key=repr)
    for trait in traits:
        if isinstance(trait.of, tuple):
            claim, wanted = trait.of[1], trait.value
            listed = tuple(value for name, _, value in inside if name == claim)
            yield claim, wanted[1] if isinstance(wanted, tuple) else listed


def _audience(door: Door, *, people: bool) -> str:
    """People get tokens for an OAuth client id, services for any audience: the likelier one, where there is one."""
    return next((each for each in door.audiences if each.endswith(CLIENT_ID) is people), door.audiences[0])


def _path(
    traits: Term, subjects: tuple[Persona, Persona], words: Vocabulary, parameters: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """What the path names: whom it has to, and otherwise somebody else."""
    named = {
        trait.value: persona.subject
        for persona, known in zip(subjects, traits, strict=True)
        for trait in known
        if trait.of == "path"
    }
    # What has no position on the new side has a name, or is a position that only the old side's path has.
    others = sorted(place for place in words.said("path") if isinstance(place, str))
    places: dict[Hashable, str] = {**dict(enumerate(parameters)), **{name: name for name in others}}
    somebody_else = words.another("subject", map(str, count(2 * 10**20 + 1)))
    for place, name in places.items():
        yield name, named.get(place, somebody_else)
