"""Rules that compare one value of those that a credential says: a claim, a fact, an attribute of a SAML sign-in."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, cast

from callerid.callers import FIREBASE_CLAIMS, Claims, FirebaseFacts, Kind
from callerid.errors import ConfigurationError
from callerid.rules._accounts import PathParam, named_by_path
from callerid.rules._base import Rule
from callerid.rules._facts import Facts
from callerid.rules._firebase import FirebaseRule
from callerid.rules._judging import the_caller
from callerid.rules._text import printable, same_value

__all__ = ["Claim", "CustomClaim", "Fact", "SignInAttribute", "Value", "ValueRule"]

Value: TypeAlias = str | int | float | bool
"""What a claim may be compared with."""


class ValueRule(Rule):
    """Compares one value, or looks for it in a list. Subclasses have ``name``, ``value`` and ``contains``."""

    __slots__ = ()

    name: Any
    value: Value | PathParam | None
    contains: Value | PathParam | None
    label: ClassVar[str]
    """What is compared, in the rule's words."""
    _thing: ClassVar[str]

    @property
    def wanted(self) -> Value | PathParam:
        """What the value, or an item of the list, must be."""
        return cast("Value | PathParam", self.contains if self.value is None else self.value)

    def _check_wanted(self) -> None:
        if (self.value is None) is (self.contains is None):
            raise ConfigurationError(
                f"{type(self).__name__} takes a value, or contains=..., and not both", code="rule-argument"
            )
        wanted: Any = self.wanted
        if type(wanted) is PathParam:
            return
        if type(wanted) not in (str, int, float, bool) or wanted in ("", math.inf, -math.inf) or wanted != wanted:  # noqa: PLR0124 - NaN
            raise ConfigurationError(
                f"{self._thing} is compared with text, a number, True, False or a PathParam, not {wanted!r}",
                code="rule-argument",
            )

    def _check_name(self, reserved: Mapping[str, str] | None = None) -> None:
        """Check one name, or several as a way through objects, whose first is none of the ``reserved``."""
        kind = type(self).__name__
        names: tuple[Any, ...] = self.names if type(self.name) in (str, tuple) else (self.name,)
        for name in names or (None,):
            printable(name, f"{kind} names {self._thing}, or several names as a way through objects")
        why = (reserved or {}).get(names[0])
        if why is not None:
            raise ConfigurationError(f"{names[0]!r} {why}", code="rule-argument")
        if len(names) == 1:
            self._set(name=names[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The way to the value: the claim, then the members of nested objects."""
        return (self.name,) if isinstance(self.name, str) else self.name

    @abstractmethod
    def _told(self, facts: Facts) -> Claims | None:
        """Where the value stands; ``None`` for a caller of another family."""

    def found(self, facts: Facts) -> Any:
        """What the caller's credential has there; ``None`` where it has nothing."""
        found: Any = self._told(facts)
        if type(self.name) is str:
            return None if found is None else found.get(self.name)
        for name in self.name:
            found = found.get(name) if isinstance(found, Claims) else None
        return found

    def admits(self, facts: Facts) -> bool:
        return self._matches(facts)

    def _matches(self, facts: Facts) -> bool:
        found, value = self.found(facts), self.value
        if value is not None:
            return _is(found, value, facts) if type(value) is PathParam else same_value(found, value)
        items = cast("Iterable[Any]", found) if isinstance(found, tuple) else ()
        return any(_is(item, self.wanted, facts) for item in items)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return self._value_note(facts)

    def _value_note(self, facts: Facts) -> str:
        note = the_caller(facts)
        if self._told(facts) is None:
            return note
        return f"{note}, whose {self._words} is {self.found(facts)!r:.80}{named_by_path(self.wanted, facts)}"

    @property
    def _words(self) -> str:
        return ".".join(self.names)

    # Dataclass equality would take 1 for True.
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self.names, type(self.value), self.value, type(self.contains), self.contains)

    def __str__(self) -> str:
        wanted = str(self.wanted) if isinstance(self.wanted, PathParam) else repr(self.wanted)
        return f"{self.label}:{self._words}{'=' if self.contains is None else '∋'}{wanted}"


def _is(found: Any, wanted: Value | PathParam, facts: Facts) -> bool:
    if isinstance(wanted, PathParam):
        return type(found) is str and wanted.names(found, facts)
    return same_value(found, wanted)


class _FirebaseValue(ValueRule, FirebaseRule):
    """A value of a Firebase user's."""

    __slots__ = ()

    fact: ClassVar[str]
    """In which of the user's facts it stands."""

    def _told(self, facts: Facts) -> Claims | None:
        return None if facts.firebase is None else getattr(facts.firebase, self.fact)

    def admits(self, facts: Facts) -> bool:
        return FirebaseRule.admits(self, facts)

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return self._matches(facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        user = facts.firebase
        note = self._value_note(facts)
        return note if user is None else note + self._tenant_note(user, facts)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CustomClaim(_FirebaseValue):
    """Firebase users whose custom claim has this value, or is a list that contains it.

    Values compare with their type: ``1`` is not ``True`` and not ``"1"``. With a `PathParam` in their place, the claim
    (or an item of the list) must be the text that the path names. Several names are a way through nested objects:
    ``CustomClaim(("roles", "acme"), "admin")`` holds for ``{"roles": {"acme": "admin"}}``. Names that Firebase itself
    fills are errors (``name`` and ``picture`` among them: every user writes their own).
    """

    name: str | tuple[str, ...]
    value: Value | PathParam | None = None
    contains: Value | PathParam | None = field(default=None, kw_only=True)

    label: ClassVar[str] = "claim"
    fact: ClassVar[str] = "claims"
    _thing: ClassVar[str] = "a claim"

    def __post_init__(self) -> None:
        self._check_name(_FILLED)
        self._check_wanted()


_FILLED = dict.fromkeys(FIREBASE_CLAIMS, "is not a custom claim: Firebase, or the user, fills it")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SignInAttribute(_FirebaseValue):
    """Firebase users of whom their SAML provider says this, at sign-in: ``firebase.sign_in_attributes``.

    The attribute has this value, or is a list that contains it; values compare as for `CustomClaim`. It is the
    provider's word: users of a tenant only where the rule is joined (``&``) with `Tenant`, since a tenant's own
    provider may assert anything; where a project has several, ``& SignInProvider("saml.…")`` says whose word counts.
    """

    name: str
    value: Value | PathParam | None = None
    contains: Value | PathParam | None = field(default=None, kw_only=True)

    label: ClassVar[str] = "signInAttribute"
    fact: ClassVar[str] = "sign_in_attributes"
    _thing: ClassVar[str] = "an attribute"
    needs_tenant_named: ClassVar[bool] = True

    def __post_init__(self) -> None:
        printable(self.name, "SignInAttribute names an attribute")
        self._check_wanted()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Claim(ValueRule):
    """Callers of an OpenID Connect provider whose token has this claim, or a list there that contains the value.

    Values, `PathParam` and several names are as for `CustomClaim`: ``Claim(("realm_access", "roles"),
    contains="admin")``. What a claim means, its provider says: where a guard trusts several, `IssuedBy` beside the rule
    says whose. An ``email`` counts only where ``email_verified`` is ``true`` beside it, a ``phone_number`` only beside
    ``phone_number_verified`` (OpenID Connect Core section 5.1): with many providers users write their own. Claims that
    are checked of every token (``iss``, ``sub``, ``aud``, ``exp`` …) are errors, and so are those that users write
    themselves (``name``, ``preferred_username`` …; section 5.7).
    """

    name: str | tuple[str, ...]
    value: Value | PathParam | None = None
    contains: Value | PathParam | None = field(default=None, kw_only=True)

    family: ClassVar[Kind | None] = Kind.OIDC
    label: ClassVar[str] = "oidcClaim"
    _thing: ClassVar[str] = "a claim"

    def __post_init__(self) -> None:
        self._check_name(_REGISTERED)
        self._check_wanted()

    @property
    def verified_by(self) -> str | None:
        """The claim that must be ``true`` beside this one for it to count."""
        return _VERIFIED_BY.get(self.names[0])

    def _told(self, facts: Facts) -> Claims | None:
        return None if facts.oidc is None else facts.oidc.claims

    def admits(self, facts: Facts) -> bool:
        told, by = self._told(facts), self.verified_by
        return told is not None and (by is None or told.get(by) is True) and self._matches(facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note, told, by = self._value_note(facts), self._told(facts), self.verified_by
        return note if told is None or by is None or told.get(by) is True else f"{note}, not verified"


_VERIFIED_BY = {"email": "email_verified", "phone_number": "phone_number_verified"}

_REGISTERED = {
    **dict.fromkeys(("aud", "exp", "iat", "nbf"), "is no claim to compare: it is checked of every token"),
    "iss": "is no claim to compare: write IssuedBy(...)",
    "sub": "is no claim to compare: write Subject(...)",
    **dict.fromkeys(
        "name given_name family_name middle_name nickname preferred_username profile picture website".split(),  # noqa: SIM905
        "is no claim to compare: users write their own, and it may be somebody else's tomorrow: write Subject(...)",
    ),
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Fact(ValueRule):
    """Callers with a credential of the application's own, of whom it says this: ``Identity.facts``.

    The fact has this value, or is a list that contains it. Values, `PathParam` and several names are as for
    `CustomClaim`. Where a guard takes several such credentials, `IssuedBy` beside the rule says which.
    """

    name: str | tuple[str, ...]
    value: Value | PathParam | None = None
    contains: Value | PathParam | None = field(default=None, kw_only=True)

    family: ClassVar[Kind | None] = Kind.CUSTOM
    label: ClassVar[str] = "fact"
    _thing: ClassVar[str] = "a fact"

    def __post_init__(self) -> None:
        self._check_name()
        self._check_wanted()

    def _told(self, facts: Facts) -> Claims | None:
        return None if facts.custom is None else facts.custom.facts
