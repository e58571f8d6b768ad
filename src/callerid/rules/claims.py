"""Rules that compare a value that a Firebase token carries: a custom claim, or an attribute of a SAML sign-in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, cast

from callerid.callers import FIREBASE_CLAIMS, Claims, FirebaseFacts
from callerid.errors import ConfigurationError
from callerid.rules.accounts import PathParam, named_by_path
from callerid.rules.base import the_caller
from callerid.rules.facts import Facts
from callerid.rules.firebase import FirebaseRule
from callerid.rules.text import printable, same_value

__all__ = ["CustomClaim", "SignInAttribute", "Value"]

Value: TypeAlias = str | int | float | bool
"""What a claim may be compared with."""


class _ValueRule(FirebaseRule):
    """Compares one value, or looks for it in a list. Subclasses have ``name``, ``value`` and ``contains``."""

    __slots__ = ()

    name: Any
    value: Value | PathParam | None
    contains: Value | PathParam | None
    label: ClassVar[str]
    """What is compared, in the rule's words."""
    fact: ClassVar[str]
    """In which of the user's facts it stands."""
    _thing: ClassVar[str]

    @property
    def wanted(self) -> Value | PathParam:
        """What the value, or an item of the list, must be."""
        return cast("Value | PathParam", self.contains if self.value is None else self.value)

    def _check_wanted(self) -> None:
        if (self.value is None) is (self.contains is None):
            raise ConfigurationError(f"{type(self).__name__} takes a value, or contains=..., and not both")
        wanted: Any = self.wanted
        if type(wanted) is PathParam:
            return
        if type(wanted) not in (str, int, float, bool) or wanted in ("", math.inf, -math.inf) or wanted != wanted:  # noqa: PLR0124 - NaN
            raise ConfigurationError(
                f"{self._thing} is compared with text, a number, True, False or a PathParam, not {wanted!r}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The way to the value: the claim, then the members of nested objects."""
        return (self.name,) if isinstance(self.name, str) else self.name

    def found(self, user: FirebaseFacts) -> Any:
        """What the user's token has there; ``None`` where it has nothing."""
        found: Any = getattr(user, self.fact)
        if type(self.name) is str:
            return found.get(self.name)
        for name in self.name:
            found = found.get(name) if isinstance(found, Claims) else None
        return found

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        found, value = self.found(user), self.value
        if value is not None:
            return _is(found, value, facts) if type(value) is PathParam else same_value(found, value)
        items = cast("Iterable[Any]", found) if isinstance(found, tuple) else ()
        return any(_is(item, self.wanted, facts) for item in items)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        if facts.firebase is None:
            return note
        path = named_by_path(self.wanted, facts)
        note += f", whose {self._words} is {self.found(facts.firebase)!r:.80}{path}"
        return note + self._tenant_note(facts.firebase, facts)

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


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CustomClaim(_ValueRule):
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
        names: tuple[Any, ...] = self.name if type(self.name) is tuple else (self.name,)
        for name in names or (None,):
            printable(name, "CustomClaim names a claim, or several as a way through objects")
        if names[0] in FIREBASE_CLAIMS:
            raise ConfigurationError(f"{names[0]!r} is not a custom claim: Firebase, or the user, fills it")
        if len(names) == 1:
            self._set(name=names[0])
        self._check_wanted()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SignInAttribute(_ValueRule):
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
