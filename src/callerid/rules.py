"""Rules: frozen values that say yes or no about the caller of a request.

A rule is pure and total: it looks at a few frozen `Facts`, does no I/O and raises nothing. ``&`` and ``|`` join rules;
there is no negation, because a negation lets in whatever its author did not think of. ``repr(rule)`` is code that makes
the rule again, ``str(rule)`` says it in IAM's words, ``rule.explain(facts)`` says why.

Leaves come in families. `User`, `ServiceAccount`, `Domain` and `AnyGoogleAccount` speak of Google identities;
`FirebaseUser`, `Tenant`, `SignInProvider`, `SecondFactor`, `SignedInWithin`, `CustomClaim` and `EmailDomain` of Firebase
users. A leaf says no to every caller of another family.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeGuard

from callerid.callers import FIREBASE_CLAIMS, Caller, FirebaseFacts, Kind
from callerid.errors import ConfigurationError

__all__ = [
    "AllOf",
    "AnyGoogleAccount",
    "AnyOf",
    "CustomClaim",
    "Domain",
    "EmailDomain",
    "Explanation",
    "Facts",
    "FirebaseUser",
    "IssuedBy",
    "Nobody",
    "PathParam",
    "Public",
    "Rule",
    "SecondFactor",
    "ServiceAccount",
    "SignInProvider",
    "SignedInWithin",
    "Tenant",
    "User",
    "Via",
    "Where",
    "all_of",
    "any_of",
    "is_public",
    "leaves",
    "member",
    "missing_steps",
    "needs_no_caller",
    "without_public",
]

_NO_PATH: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may look at.

    ``caller`` is who is calling (``None``: nobody said), ``via`` the service that carried the call, ``path`` the path
    parameters as the framework converted them, ``now`` the time in seconds since the epoch. ``tenant_named`` is set by
    `AllOf` for its members when one of them names the tenant.
    """

    caller: Caller | None = None
    via: Caller | None = None
    path: Mapping[str, Any] = _NO_PATH
    now: float = 0.0
    tenant_named: bool = False

    @property
    def google(self) -> Caller | None:
        """The caller, if a Google identity."""
        return self.caller if self.caller is not None and self.caller.kind is Kind.GOOGLE else None

    @property
    def firebase(self) -> FirebaseFacts | None:
        """The caller's Firebase facts, if a Firebase user."""
        return self.caller.firebase if self.caller is not None and self.caller.kind is Kind.FIREBASE else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule said yes or no: a tree of ``+`` and ``-`` when printed."""

    rule: Rule
    holds: bool
    note: str = ""
    parts: tuple[Explanation, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self._lines(0))

    def _lines(self, depth: int) -> Iterator[str]:
        words = self.rule.joint if isinstance(self.rule, _Joined) else str(self.rule)
        note = f": {self.note}" if self.note else ""
        yield f"{'  ' * depth}{'+' if self.holds else '-'} {words}{note}"
        for part in self.parts:
            yield from part._lines(depth + 1)


class Rule:
    """What every rule is: immutable, comparable, joined with ``&`` and ``|``."""

    __slots__ = ()

    family: ClassVar[Kind | None] = None
    """The one kind of caller the rule speaks of, or ``None`` where it does not matter."""

    mend: ClassVar[str] = ""

    def admits(self, facts: Facts) -> bool:
        """Whether the rule lets this request in. Raises nothing."""
        raise NotImplementedError

    def explain(self, facts: Facts) -> Explanation:
        """Why `admits` says what it says."""
        holds = self.admits(facts)
        return Explanation(self, holds, self._note(facts, holds=holds))

    def _note(self, facts: Facts, *, holds: bool) -> str:
        who = "nobody" if facts.caller is None else str(facts.caller)
        if holds or not self.mend or facts.caller is None:
            return f"the caller is {who}"
        return f"the caller is {who} ({self.mend})"

    def __and__(self, other: Rule) -> Rule:
        return AllOf(self, other) if isinstance(other, Rule) else NotImplemented

    def __or__(self, other: Rule) -> Rule:
        return AnyOf(self, other) if isinstance(other, Rule) else NotImplemented

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule is neither true nor false by itself: join rules with & and |, not with 'and' and 'or'")

    def __repr__(self) -> str:
        parts = [(member.name, getattr(self, member.name), member.default) for member in fields(self)]  # type: ignore[arg-type]
        shown = [f"{name}={value!r}" for name, value, default in parts[1:] if value != default]
        first = [repr(parts[0][1])] if parts and parts[0][1] != parts[0][2] else []
        return f"{type(self).__name__}({', '.join(first + shown)})"


@dataclass(frozen=True, slots=True, repr=False)
class PathParam:
    """In place of a uid or account id: whoever the path parameter of this name names, and nobody else.

    A ``str`` parameter is compared exactly, an ``int`` one as its ``str()``. Other converters, and a name that the path
    does not have or has twice, are start-up errors.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ConfigurationError(f"PathParam names a path parameter such as 'user_id', not {self.name!r}")

    def names(self, identifier: str | None, facts: Facts) -> bool:
        """Whether the path names this id."""
        value = facts.path.get(self.name)
        if type(value) is int:
            value = str(value)
        return type(value) is str and value != "" and value == identifier

    def __str__(self) -> str:
        return f"{{{self.name}}}"

    def __repr__(self) -> str:
        return f"PathParam({self.name!r})"


# --- who need not be anybody ---


@dataclass(frozen=True, slots=True, repr=False)
class Public(Rule):
    """Everybody, without any credential: IAM's ``allUsers``.

    Where this is the whole rule, no credential is read at all. ``Public() | rule`` is the optional identity.
    """

    def admits(self, facts: Facts) -> bool:
        return True

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return ""

    def __str__(self) -> str:
        return "allUsers"


@dataclass(frozen=True, slots=True, repr=False)
class Nobody(Rule):
    """Nobody at all."""

    def admits(self, facts: Facts) -> bool:
        return False

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return ""

    def __str__(self) -> str:
        return "nobody"


# --- Google identities ---


@dataclass(frozen=True, slots=True, repr=False)
class AnyGoogleAccount(Rule):
    """Anyone on earth with a Google account, service accounts included: IAM's ``allAuthenticatedUsers``.

    This tells nobody apart: an account, and a project that mints tokens for any audience, are free.
    """

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def admits(self, facts: Facts) -> bool:
        return facts.google is not None

    def __str__(self) -> str:
        return "allAuthenticatedUsers"


@dataclass(frozen=True, slots=True, repr=False)
class User(Rule):
    """One person's Google account, by e-mail address or by unique id (the ``sub`` claim, digits).

    By e-mail it holds where Google is the authority for the address: ``@gmail.com``, or a Workspace account whose
    ``hd`` is the address's domain (Google, "Verify the Google ID token on your server side"). Any other address was
    proved once, at sign-up, and may belong to somebody else by now: use the account's id, or write ``hosted=False``.
    """

    account: str | PathParam
    hosted: bool = True

    family: ClassVar[Kind | None] = Kind.GOOGLE
    mend: ClassVar[str] = (
        "an address that Google does not host is no proof of who holds it today; name the account's unique id, or write "
        "hosted=False"
    )

    def __post_init__(self) -> None:
        _set(self, account=_account(self.account, "User"))
        if _is_service_account(self.account):
            raise ConfigurationError(f"{self.account!r} is a service account: write ServiceAccount({self.account!r})")
        if self.hosted is not True and not (self.hosted is False and _is_email(self.account)):
            raise ConfigurationError("hosted is True, or False beside an e-mail address")

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        if caller is None or caller.is_service_account:
            return False
        if not _is_email(self.account):
            return _names(self.account, caller.subject, facts)
        return _same_email(self.account, caller.email) and (not self.hosted or self._is_hosted(caller))

    @staticmethod
    def _is_hosted(caller: Caller) -> bool:
        domain = _domain_of(caller.email)
        return domain == "gmail.com" or (domain is not None and domain == _lower(caller.domain))

    def _note(self, facts: Facts, *, holds: bool) -> str:
        caller = facts.google
        address_only = caller is not None and _is_email(self.account) and _same_email(self.account, caller.email)
        note = f"the caller is {'nobody' if facts.caller is None else facts.caller}"
        return note if holds or not address_only else f"{note} ({self.mend})"

    def __str__(self) -> str:
        return f"user:{self.account}"


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccount(Rule):
    """One service account, by e-mail address or by unique id (the ``sub`` claim, digits).

    Tokens minted without ``includeEmail`` carry no address: those callers are known by id alone.
    """

    account: str | PathParam

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __post_init__(self) -> None:
        _set(self, account=_account(self.account, "ServiceAccount"))
        if _is_email(self.account) and not _is_service_account(self.account):
            raise ConfigurationError(
                f"{self.account!r} is no service account's address (they end in .gserviceaccount.com): "
                f"write User({self.account!r}) for a person"
            )

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        if caller is None or not caller.is_service_account:
            return False
        if _is_email(self.account):
            return _same_email(self.account, caller.email)
        return _names(self.account, caller.subject, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        caller = facts.google
        note = f"the caller is {'nobody' if facts.caller is None else facts.caller}"
        if not holds and caller is not None and caller.is_service_account and caller.email is None:
            return f"{note} (its token carries no e-mail: mint it with includeEmail, or name the id in the rule)"
        return note

    def __str__(self) -> str:
        return f"serviceAccount:{self.account}"


@dataclass(frozen=True, slots=True, repr=False)
class Domain(Rule):
    """Every person of one Google Workspace or Cloud Identity domain (the ``hd`` claim); no service account."""

    domain: str

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __post_init__(self) -> None:
        _set(self, domain=_domain(self.domain, "Domain"))
        if self.domain in ("gmail.com", "googlemail.com"):
            raise ConfigurationError(f"Domain({self.domain!r}) admits nobody: Gmail accounts belong to no domain")

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        return caller is not None and not caller.is_service_account and _lower(caller.domain) == self.domain

    def _note(self, facts: Facts, *, holds: bool) -> str:
        if facts.google is None or facts.google.is_service_account:
            return f"the caller is {'nobody' if facts.caller is None else facts.caller}"
        return f"the caller is {facts.caller}, of {facts.google.domain or 'no Workspace domain'}"

    def __str__(self) -> str:
        return f"domain:{self.domain}"


# --- Firebase users ---


class _FirebaseRule(Rule):
    __slots__ = ()

    family: ClassVar[Kind | None] = Kind.FIREBASE

    def admits(self, facts: Facts) -> bool:
        return facts.firebase is not None and self._holds(facts.firebase, facts)

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, repr=False)
class FirebaseUser(_FirebaseRule):
    """A Firebase user: any, or the one with this uid. Anonymous users only where ``anonymous=True``.

    Anonymous accounts, and usually every other kind, are free to make: ``FirebaseUser()`` tells nobody apart.
    """

    uid: str | PathParam | None = None
    anonymous: bool = False

    def __post_init__(self) -> None:
        if self.uid is not None and not isinstance(self.uid, PathParam):
            _printable(self.uid, "FirebaseUser names a uid")
            if len(self.uid) > 128:
                raise ConfigurationError("a Firebase uid has at most 128 characters")
        if type(self.anonymous) is not bool:
            raise ConfigurationError("anonymous is True or False")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        if user.anonymous and not self.anonymous:
            return False
        return self.uid is None or _names(self.uid, user.uid, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        if isinstance(self.uid, PathParam):
            note += f", the path names {facts.path.get(self.uid.name)!r}"
        return f"{note}, an anonymous user" if facts.firebase is not None and facts.firebase.anonymous else note

    def __str__(self) -> str:
        who = "firebaseUser" if self.uid is None else f"firebaseUser:{self.uid}"
        return f"{who} or anonymous" if self.anonymous else who


@dataclass(frozen=True, slots=True, repr=False)
class Tenant(_FirebaseRule):
    """Firebase users of one Identity Platform tenant (the ``firebase.tenant`` claim)."""

    tenant: str

    def __post_init__(self) -> None:
        _printable(self.tenant, "Tenant names a tenant's id")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.tenant == self.tenant

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        return note if facts.firebase is None else f"{note}, of tenant {facts.firebase.tenant or 'none'}"

    def __str__(self) -> str:
        return f"tenant:{self.tenant}"


@dataclass(frozen=True, slots=True, repr=False)
class SignInProvider(_FirebaseRule):
    """Firebase users who signed in by one provider: ``password``, ``google.com``, ``saml.okta``, …"""

    provider: str

    def __post_init__(self) -> None:
        _printable(self.provider, "SignInProvider names a provider such as 'google.com'")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.provider == self.provider

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        return note if facts.firebase is None else f"{note}, signed in by {facts.firebase.provider or 'nothing known'}"

    def __str__(self) -> str:
        return f"signInProvider:{self.provider}"


@dataclass(frozen=True, slots=True, repr=False)
class SecondFactor(_FirebaseRule):
    """Firebase users who signed in with a second factor (the ``firebase.sign_in_second_factor`` claim)."""

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.second_factor is not None

    def __str__(self) -> str:
        return "secondFactor"


@dataclass(frozen=True, slots=True, repr=False)
class SignedInWithin(_FirebaseRule):
    """Firebase users who gave their credentials at most so many seconds ago (the ``auth_time`` claim)."""

    seconds: int

    def __post_init__(self) -> None:
        if type(self.seconds) is not int or self.seconds < 1:
            raise ConfigurationError(f"SignedInWithin takes a whole number of seconds, at least 1, not {self.seconds!r}")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        return user.signed_in_at is not None and facts.now - user.signed_in_at <= self.seconds

    def _note(self, facts: Facts, *, holds: bool) -> str:
        if facts.firebase is None or facts.firebase.signed_in_at is None:
            return Rule._note(self, facts, holds=holds)
        return f"{facts.caller} signed in {max(0, int(facts.now - facts.firebase.signed_in_at))} s ago"

    def __str__(self) -> str:
        return f"signedInWithin:{self.seconds}s"


@dataclass(frozen=True, slots=True, repr=False)
class CustomClaim(_FirebaseRule):
    """Firebase users whose custom claim has this value, or is a list that contains it.

    Values compare with their type: ``1`` is not ``True`` and not ``"1"``. Names that Firebase itself fills are errors
    (``name`` and ``picture`` among them: every user writes their own).
    """

    name: str
    value: str | int | float | bool | None = None
    contains: str | int | float | bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _printable(self.name, "CustomClaim names a claim")
        if self.name in FIREBASE_CLAIMS:
            raise ConfigurationError(f"{self.name!r} is no custom claim: Firebase, or the user, fills it")
        if (self.value is None) is (self.contains is None):
            raise ConfigurationError("CustomClaim takes a value, or contains=..., and not both")
        wanted = self.contains if self.value is None else self.value
        if type(wanted) not in (str, int, float, bool) or wanted == "" or wanted != wanted:  # noqa: PLR0124 - NaN
            raise ConfigurationError(f"a claim is compared with text, a number, True or False, not {wanted!r}")

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        claim = user.claims.get(self.name)
        if self.value is not None:
            return _same_value(claim, self.value)
        return type(claim) is tuple and any(_same_value(item, self.contains) for item in claim)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        if facts.firebase is None:
            return note
        return f"{note}, whose {self.name} is {facts.firebase.claims.get(self.name)!r:.80}"

    # Dataclass equality would take 1 for True.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, CustomClaim) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self.name, type(self.value), self.value, type(self.contains), self.contains)

    def __str__(self) -> str:
        return f"claim:{self.name}={self.value!r}" if self.contains is None else f"claim:{self.name}∋{self.contains!r}"


@dataclass(frozen=True, slots=True, repr=False)
class EmailDomain(_FirebaseRule):
    """Firebase users with a verified e-mail address of one domain.

    Users of a tenant only where the rule is joined (``&``) with `Tenant`: a tenant's own SAML provider may assert any
    address, also one of yours.
    """

    domain: str

    def __post_init__(self) -> None:
        _set(self, domain=_domain(self.domain, "EmailDomain"))

    def _holds(self, user: FirebaseFacts, facts: Facts) -> bool:
        if user.tenant is not None and not facts.tenant_named:
            return False
        return facts.caller is not None and _domain_of(facts.caller.email) == self.domain

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        if facts.firebase is None or facts.caller is None:
            return note
        if facts.firebase.tenant is not None and not facts.tenant_named:
            return f"{note}, of tenant {facts.firebase.tenant} (join the rule with & Tenant({facts.firebase.tenant!r}))"
        return f"{note}, with {'the address ' + facts.caller.email if facts.caller.email else 'no verified e-mail'}"

    def __str__(self) -> str:
        return f"emailDomain:{self.domain}"


# --- any caller ---


@dataclass(frozen=True, slots=True, repr=False)
class IssuedBy(Rule):
    """Callers whom one issuer vouches for, by its name: the canonical ``iss``, as ``Caller.issuer`` has it."""

    issuer: str

    def __post_init__(self) -> None:
        _printable(self.issuer, "IssuedBy names an issuer such as 'https://accounts.google.com'")

    def admits(self, facts: Facts) -> bool:
        return facts.caller is not None and facts.caller.issuer == self.issuer

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        return note if facts.caller is None else f"{note}, issued by {facts.caller.issuer}"

    def __str__(self) -> str:
        return f"issuedBy:{self.issuer}"


@dataclass(frozen=True, slots=True, repr=False)
class Where(Rule):
    """Callers of whom ``holds(caller)`` is ``True``: exactly ``True``, so that neither an object nor a coroutine passes.

    An exception in it is a no. It must not do I/O.
    """

    description: str
    holds: Callable[[Caller], bool]

    def __post_init__(self) -> None:
        _printable(self.description, "Where needs a description")
        if not callable(self.holds):
            raise ConfigurationError("Where takes a function of the caller")
        if inspect.iscoroutinefunction(self.holds):
            raise ConfigurationError("Where takes a plain function: a rule does no I/O")

    def admits(self, facts: Facts) -> bool:
        if facts.caller is None:
            return False
        try:
            return self.holds(facts.caller) is True
        except Exception:  # noqa: BLE001 - whatever goes wrong in it, it is a no
            return False

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = Rule._note(self, facts, holds=holds)
        if holds or facts.caller is None:
            return note
        try:
            answer = self.holds(facts.caller)
        except Exception as error:  # noqa: BLE001 - its kind is told, not its text
            return f"{note}; it raised {type(error).__name__}"
        return note if answer is False else f"{note}; it answered a {type(answer).__name__}, not True"

    def __str__(self) -> str:
        return f"where {self.description}"

    def __repr__(self) -> str:
        return f"Where({self.description!r}, ...)"


@dataclass(frozen=True, slots=True, repr=False)
class Via(Rule):
    """Requests carried by a service of whom the inner rule holds (its token is in X-Serverless-Authorization)."""

    rule: Rule

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ConfigurationError(f"Via takes a rule, not {self.rule!r}: Via(ServiceAccount(...))")
        for leaf in leaves(self.rule):
            if isinstance(leaf, Via | Public):
                raise ConfigurationError(f"Via(...) speaks of the one service that carried the call: {leaf!r} cannot")
            if leaf.family is Kind.FIREBASE:
                raise ConfigurationError(f"Via({leaf!r}) admits nobody: a call is carried by a service, not by a user")

    def admits(self, facts: Facts) -> bool:
        return facts.via is not None and self.rule.admits(self._inside(facts))

    def explain(self, facts: Facts) -> Explanation:
        inner = self.rule.explain(self._inside(facts))
        note = "nothing carried the call" if facts.via is None else f"the call was carried by {facts.via}"
        return Explanation(self, self.admits(facts), note, (inner,))

    @staticmethod
    def _inside(facts: Facts) -> Facts:
        return replace(facts, caller=facts.via, via=None)

    def __str__(self) -> str:
        return f"via {_grouped(self.rule)}"


class _Joined(Rule):
    __slots__ = ()

    rules: tuple[Rule, ...]
    joint: ClassVar[str]
    sign: ClassVar[str]

    def _take(self, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            if not isinstance(rule, Rule):
                raise ConfigurationError(f"{type(self).__name__} joins rules, not {rule!r}")
        if not rules:
            raise ConfigurationError(f"{type(self).__name__} of nothing says nothing: give it rules")
        flat = [part for rule in rules for part in (rule.rules if isinstance(rule, type(self)) else (rule,))]
        object.__setattr__(self, "rules", tuple(dict.fromkeys(flat)))

    def _within(self, facts: Facts) -> Facts:
        return facts

    def explain(self, facts: Facts) -> Explanation:
        inside = self._within(facts)
        return Explanation(self, self.admits(facts), "", tuple(rule.explain(inside) for rule in self.rules))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.rules))})"

    def __str__(self) -> str:
        return f" {self.sign} ".join(_grouped(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AllOf(_Joined):
    """Whoever every one of these rules admits: ``a & b``."""

    rules: tuple[Rule, ...]
    names_tenant: bool = field(compare=False)

    joint: ClassVar[str] = "all of"
    sign: ClassVar[str] = "and"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)
        object.__setattr__(self, "names_tenant", any(map(_names_tenant, self.rules)))

    def admits(self, facts: Facts) -> bool:
        inside = self._within(facts)
        return all(rule.admits(inside) for rule in self.rules)

    def _within(self, facts: Facts) -> Facts:
        return replace(facts, tenant_named=True) if self.names_tenant else facts


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AnyOf(_Joined):
    """Whoever at least one of these rules admits: ``a | b``."""

    rules: tuple[Rule, ...]

    joint: ClassVar[str] = "any of"
    sign: ClassVar[str] = "or"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)

    def admits(self, facts: Facts) -> bool:
        return any(rule.admits(facts) for rule in self.rules)


# --- reading rules ---


def member(text: str) -> Rule:
    """The rule that an IAM member string names.

    Raises `ConfigurationError` for kinds that cannot be judged here (``group:``, ``deleted:``, ``principal:`` …).
    Source: IAM, "Principal identifiers".
    """
    if text == "allUsers":
        return Public()
    if text == "allAuthenticatedUsers":
        return AnyGoogleAccount()
    kind, colon, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    made: dict[str, Callable[[str], Rule]] = {"user": User, "serviceAccount": ServiceAccount, "domain": Domain}
    if not colon or kind not in made:
        raise ConfigurationError(
            f"{text!r} is no member this library judges: write user:EMAIL, serviceAccount:EMAIL, domain:DOMAIN, "
            "allUsers, allAuthenticatedUsers, or a rule"
        )
    return made[kind](name)


def any_of(rules: tuple[Rule, ...]) -> Rule:
    """The rules joined with ``|``; a single one stays as it is."""
    return rules[0] if len(rules) == 1 else AnyOf(*rules)


def all_of(rules: tuple[Rule, ...]) -> Rule:
    """The rules joined with ``&``; a single one stays as it is, and `Public` adds nothing beside others."""
    telling = tuple(rule for rule in rules if not is_public(rule)) or (Public(),)
    return telling[0] if len(telling) == 1 else AllOf(*telling)


def leaves(rule: Rule) -> Iterator[Rule]:
    """The rules without parts of which this one is made, `Via` counted as one."""
    if isinstance(rule, _Joined):
        for part in rule.rules:
            yield from leaves(part)
    else:
        yield rule


def is_public(rule: Rule) -> bool:
    """Whether the rule is `Public` and nothing else: then no credential is read."""
    return all(isinstance(leaf, Public) for leaf in leaves(rule))


def needs_no_caller(rule: Rule) -> bool:
    """Whether the rule can hold without a caller, so that a handler may be given ``None``."""
    if isinstance(rule, AllOf):
        return all(map(needs_no_caller, rule.rules))
    if isinstance(rule, AnyOf):
        return any(map(needs_no_caller, rule.rules))
    return isinstance(rule, Public | Via)


def without_public(rule: Rule) -> Rule:
    """The rule with nobody let in for nothing: whom it admits then is admitted for who they are."""
    if isinstance(rule, _Joined):
        return type(rule)(*map(without_public, rule.rules))  # type: ignore[call-arg]
    return Nobody() if isinstance(rule, Public) else rule


def missing_steps(rule: Rule, facts: Facts) -> frozenset[Rule] | None:
    """The `SignedInWithin` and `SecondFactor` leaves that alone stand between this caller and a yes.

    Empty if the rule holds already; ``None`` if no fresher or stronger sign-in would do.
    """
    if isinstance(rule, AllOf):
        inside = rule._within(facts)  # noqa: SLF001 - the same module
        parts = [missing_steps(part, inside) for part in rule.rules]
        found = [part for part in parts if part is not None]
        return frozenset().union(*found) if len(found) == len(parts) else None
    if isinstance(rule, AnyOf):
        ways = [way for part in rule.rules if (way := missing_steps(part, facts)) is not None]
        return min(ways, key=len, default=None)
    if rule.admits(facts):
        return frozenset()
    if isinstance(rule, SignedInWithin | SecondFactor) and facts.firebase is not None:
        return frozenset({rule})
    return None


# --- comparing ---


def _set(rule: Rule, **members: Any) -> None:
    for name, value in members.items():
        object.__setattr__(rule, name, value)


def _grouped(rule: Rule) -> str:
    return f"({rule})" if isinstance(rule, _Joined) else str(rule)


def _names_tenant(rule: Rule) -> bool:
    if isinstance(rule, AnyOf):
        return all(map(_names_tenant, rule.rules))
    return isinstance(rule, Tenant) or (isinstance(rule, AllOf) and rule.names_tenant)


def _names(wanted: str | PathParam, identifier: str, facts: Facts) -> bool:
    return wanted.names(identifier, facts) if isinstance(wanted, PathParam) else wanted == identifier


def _same_value(claim: Any, wanted: Any) -> bool:
    return type(claim) is type(wanted) and bool(claim == wanted)


# Only ASCII is folded: other scripts have letters that lower-case to an ASCII one (the Kelvin sign to k).
def _lower(text: str | None) -> str | None:
    return text.lower() if text is not None and text.isascii() else text


def _same_email(wanted: str, email: str | None) -> bool:
    return email is not None and wanted == _lower(email)


def _domain_of(email: str | None) -> str | None:
    lowered = _lower(email)
    if lowered is None or lowered.count("@") != 1 or not lowered.isascii():
        return None
    return lowered.partition("@")[2] or None


_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL_PART = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}")


def _printable(text: Any, what: str) -> str:
    if not isinstance(text, str) or not text.strip() or text != text.strip() or not text.isprintable():
        raise ConfigurationError(f"{what}, not {text!r}")
    return text


def _domain(text: Any, rule: str) -> str:
    lowered = text.lower() if isinstance(text, str) and text.isascii() else ""
    if not _DOMAIN.fullmatch(lowered):
        raise ConfigurationError(f"{rule} names a domain such as 'example.com' (in its ASCII form), not {text!r}")
    return lowered


def _account(account: Any, rule: str) -> str | PathParam:
    if isinstance(account, PathParam):
        return account
    text = account if isinstance(account, str) else ""
    local, at, domain = text.partition("@")
    if at and text.isascii() and _LOCAL_PART.fullmatch(local):
        return f"{local.lower()}@{_domain(domain, rule)}"
    if not at and text.isascii() and text.isdigit() and len(text) <= 255:
        return text
    raise ConfigurationError(f"{rule} names one account by e-mail address or by unique id (digits), not {account!r}")


def _is_email(account: str | PathParam) -> TypeGuard[str]:
    return isinstance(account, str) and "@" in account


def _is_service_account(account: str | PathParam) -> bool:
    return _is_email(account) and account.endswith(".gserviceaccount.com")
