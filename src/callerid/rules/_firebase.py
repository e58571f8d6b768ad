"""Rules about Firebase (Identity Platform) users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from callerid.callers import FirebaseFacts, Kind, is_project
from callerid.errors import ConfigurationError
from callerid.rules._accounts import PathParam, address_of, named_by_path, names
from callerid.rules._base import Rule
from callerid.rules._facts import Facts
from callerid.rules._judging import the_caller
from callerid.rules._text import domain_name, domain_of, printable

__all__ = [
    "EmailDomain",
    "FirebaseRule",
    "FirebaseUser",
    "SecondFactor",
    "SignInProvider",
    "SignedInWithin",
    "Tenant",
]


class FirebaseRule(Rule):
    """A rule about Firebase users: no to every caller of another family."""

    __slots__ = ()

    family: ClassVar[Kind | None] = Kind.FIREBASE

    def admits(self, facts: Facts) -> bool:
        user = facts.firebase
        if user is None or (self.needs_tenant_named and user.tenant is not None and not facts.tenant_named):
            return False
        return self._holds(user, facts)

    def _tenant_note(self, user: FirebaseFacts, facts: Facts) -> str:
        """Why a tenant's user is refused where no rule names the tenant, to be said behind their name."""
        if not self.needs_tenant_named or user.tenant is None or facts.tenant_named:
            return ""
        return f", of tenant {user.tenant} (join the rule with & Tenant({user.tenant!r}))"

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, repr=False)
class FirebaseUser(FirebaseRule):
    """A Firebase user: any, or the one with this uid. Anonymous users only where ``anonymous=True``.

    Anonymous accounts, and usually every other kind, are free to make: ``FirebaseUser()`` tells nobody apart.

    A uid, like a custom claim, means something within one project only. Where a guard trusts several Firebase projects,
    every rule about their users says whose: ``project="shop-prod"`` here, or `IssuedBy` beside it.

    In a project with tenants a uid means something within one tenant only. So this rule is about users of no tenant,
    ``FirebaseUser()`` too, unless it is joined (``&``) with `Tenant`: ``FirebaseUser("u1") & Tenant("acme-x1")`` is
    u1 of that tenant, ``FirebaseUser() & (Tenant("acme-x1") | Tenant("acme-x2"))`` is any user of these two.

    Source: Identity Platform, "Multi-tenancy": each tenant has its own users.
    """

    uid: str | PathParam | None = None
    anonymous: bool = False
    project: str | None = field(default=None, kw_only=True)

    needs_tenant_named: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.uid is not None and type(self.uid) is not PathParam:
            uid = printable(self.uid, "FirebaseUser names a uid")
            if len(uid) > 128:
                raise ConfigurationError("a Firebase uid has at most 128 characters", code="rule-argument")
        if type(self.anonymous) is not bool:
            raise ConfigurationError("anonymous is True or False", code="rule-argument")
        if self.project is not None and not is_project(self.project):
            raise ConfigurationError(
                f"project= is the id of a Firebase project, such as 'shop-prod', not {self.project!r}",
                code="rule-argument",
            )

    @property
    def wants(self) -> str | None:
        return f"id {self.uid}" if isinstance(self.uid, str) else None

    @property
    def names_project(self) -> bool:
        return type(self) is FirebaseUser and self.project is not None

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        if (user.anonymous and not self.anonymous) or self.project not in (None, user.project):
            return False
        return self.uid is None or names(self.uid, user.uid, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts) + named_by_path(self.uid, facts)
        if facts.firebase is not None and self.project not in (None, facts.firebase.project):
            note += f", of the project {facts.firebase.project}"
        elif facts.firebase is not None and self._holds(facts.firebase, facts):
            note += self._tenant_note(facts.firebase, facts)
        return f"{note}, an anonymous user" if facts.firebase is not None and facts.firebase.anonymous else note

    def __str__(self) -> str:
        who = "firebaseUser" if self.uid is None else f"firebaseUser:{self.uid}"
        who = f"{who} or anonymous" if self.anonymous else who
        return who if self.project is None else f"{who} of {self.project}"


@dataclass(frozen=True, slots=True, repr=False)
class Tenant(FirebaseRule):
    """Firebase users of one Identity Platform tenant (the ``firebase.tenant`` claim).

    ``Tenant(PathParam("tenant"))``: of the tenant that the path names, at its own place.
    """

    tenant: str | PathParam

    def __post_init__(self) -> None:
        if type(self.tenant) is not PathParam:
            printable(self.tenant, "Tenant names a tenant's id")

    @property
    def names_tenant(self) -> bool:
        return type(self) is Tenant

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.tenant is not None and names(self.tenant, user.tenant, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts) + named_by_path(self.tenant, facts)
        return note if facts.firebase is None else f"{note}, of tenant {facts.firebase.tenant or 'none'}"

    def __str__(self) -> str:
        return f"tenant:{self.tenant}"


@dataclass(frozen=True, slots=True, repr=False)
class SignInProvider(FirebaseRule):
    """Firebase users who signed in by one provider: ``password``, ``google.com``, ``saml.okta`` and so on."""

    provider: str

    def __post_init__(self) -> None:
        printable(self.provider, "SignInProvider names a provider such as 'google.com'")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.provider == self.provider

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        return note if facts.firebase is None else f"{note}, signed in by {facts.firebase.provider or 'nothing known'}"

    def __str__(self) -> str:
        return f"signInProvider:{self.provider}"


@dataclass(frozen=True, slots=True, repr=False)
class SecondFactor(FirebaseRule):
    """Firebase users who signed in with a second factor (the ``firebase.sign_in_second_factor`` claim)."""

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.second_factor is not None

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return the_caller(facts) + ("" if holds or facts.firebase is None else ", with no second factor")

    def __str__(self) -> str:
        return "secondFactor"


@dataclass(frozen=True, slots=True, repr=False)
class SignedInWithin(FirebaseRule):
    """Firebase users who gave their credentials at most so many seconds ago (the ``auth_time`` claim)."""

    seconds: int

    def __post_init__(self) -> None:
        if type(self.seconds) is not int or self.seconds < 1:
            raise ConfigurationError(
                f"SignedInWithin takes a whole number of seconds, at least 1, not {self.seconds!r}",
                code="rule-argument",
            )

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.signed_in_at is not None and facts.now - user.signed_in_at <= self.seconds

    def _note(self, facts: Facts, *, holds: bool) -> str:
        if facts.firebase is None or facts.firebase.signed_in_at is None:
            return the_caller(facts)
        return f"{facts.caller} signed in {max(0, int(facts.now - facts.firebase.signed_in_at))} s ago"

    def __str__(self) -> str:
        return f"signedInWithin:{self.seconds}s"


@dataclass(frozen=True, slots=True, repr=False)
class EmailDomain(FirebaseRule):
    """Firebase users with a verified e-mail address of one domain.

    Users of a tenant only where the rule is joined (``&``) with `Tenant`: a tenant's own SAML provider may assert any
    address, also one of yours. Beside ``Tenant(PathParam(...))`` every tenant's word is taken at its own place.
    """

    domain: str

    needs_tenant_named: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._set(domain=domain_name(self.domain, "EmailDomain"))

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return facts.caller is not None and domain_of(facts.caller.email) == self.domain

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        if facts.firebase is None or facts.caller is None:
            return note
        if tenant := self._tenant_note(facts.firebase, facts):
            return note + tenant
        return note + (f", with the address {facts.caller.email}" if facts.caller.email else address_of(facts.caller))

    def __str__(self) -> str:
        return f"emailDomain:{self.domain}"
