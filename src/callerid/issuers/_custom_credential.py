"""Credentials of an application's own, API keys and sessions: a function of the application says whose one is."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias, cast

from callerid.asking import AskError, AskPolicy, Source, SourceAnswer
from callerid.callers import CUSTOM, Caller, Claims, CustomFacts, Kind
from callerid.errors import ConfigurationError, Reason
from callerid.issuers._asked import AskedIssuer, Denied, Question, Verdict
from callerid.issuers._emulator import NO_KEYS
from callerid.issuers._issuer import AUTHORIZATION, CredentialLocation, asking, cookie_location

__all__ = ["CustomCredentialIssuer", "CustomIdentity", "custom_credential"]

MOST_AGE: Final = 86_400
LONGEST_TIMEOUT: Final = 60

_REFUSED_FOR: Final = 5.0
"""Seconds for which a refusal is believed: a key may have been made just now."""

_LONGEST_SUBJECT: Final = 255
_DEEPEST: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX: Final = re.compile("[!-~]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110 section 5.6.2: the name of a header, or of a scheme."""

_READ_OTHERWISE: Final = frozenset(
    {"authorization", "cookie", "host", "origin", "proxy-authorization", "sec-fetch-site", "upgrade", "forwarded"}
    | {"x-serverless-authorization", "x-forwarded-authorization", "x-firebase-appcheck", "x-goog-iap-jwt-assertion"}
)
"""Headers that mean something else: no credential of an application's own is in one of them."""

_BROWSERS: Final = frozenset({"basic", "digest", "negotiate", "ntlm", "hoba", "mutual"})
"""Schemes that browsers use by themselves once a user has signed in: any site's page could then act for them."""


@dataclass(frozen=True, slots=True)
class CustomIdentity:
    """Whose credential it is: what the ``verify`` function of a `custom_credential` returns.

    ``subject`` is who it is to the application, at most 255 characters. ``facts`` are what rules may ask for (`Fact`):
    text, numbers, truth values, and lists and mappings of them. ``expires_at`` is when the credential ends, in seconds
    since the epoch, where that is sooner than ``max_age`` from now.
    """

    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    expires_at: float | None = None


Verify: TypeAlias = Callable[[str], CustomIdentity | None] | Callable[[str], Awaitable[CustomIdentity | None]]


@dataclass(frozen=True, slots=True)
class CustomCredentialIssuer(AskedIssuer):
    """The application, which knows its own credentials."""

    verify: Verify = field(kw_only=True, repr=False)
    max_age: float = field(kw_only=True)
    timeout: float = field(kw_only=True)

    kind: ClassVar[Kind] = CUSTOM
    signer: ClassVar[str] = "custom"
    credential: ClassVar[str] = "the application's own credential"
    ignores_named_audience: ClassVar[bool] = True

    def __post_init__(self) -> None:
        name = f"verify= of custom_credential({self.name!r})"
        remedy = "look for its warnings in this log; verify returns None for a credential that it does not know"
        source = Source(name, self.policy, is_async=_is_async(self.verify), remedy=remedy)
        object.__setattr__(self, "source", source)

    @property
    def policy(self) -> AskPolicy:
        """One call within ``timeout``; an answer is refreshed behind requests, and never used past ``max_age``."""
        return AskPolicy(
            fetch_seconds=self.timeout,
            stale_seconds=0.0,
            longest_backoff=5.0,
            brief_wait=0.5,
        )

    @property
    def verifier(self) -> object:
        """See `Issuer.verifier`."""
        return self.verify

    def question(self, text: str, clock: Callable[[], float]) -> Question:
        """See `AskedIssuer.question`."""
        verify: Any = self.verify
        if self.source.is_async:

            async def ask_async() -> Verdict:
                return self._verdict(await verify(text), clock())

            return ask_async

        return lambda: self._verdict(verify(text), clock())

    def _verdict(self, found: object, now: float) -> Verdict:
        """What the function's answer means. Raises `AskError` for what it should not have returned."""
        if found is None:
            return SourceAnswer(_UNKNOWN, min(self.max_age, _REFUSED_FOR), is_known=False)
        if not isinstance(found, CustomIdentity):
            if inspect.iscoroutine(found):
                found.close()
            raise AskError(f"it returned a {type(found).__name__}, and not an Identity or None")
        ends_at: Any = math.inf if found.expires_at is None else found.expires_at
        if type(ends_at) not in (int, float) or math.isnan(ends_at):
            raise AskError("it returned an Identity whose expires_at is no number of seconds since the epoch")
        if ends_at <= now:
            return SourceAnswer(_EXPIRED, min(self.max_age, _REFUSED_FOR), is_known=False)
        ends_at = min(ends_at, now + self.max_age)
        return SourceAnswer(
            self.caller({"sub": found.subject, "facts": found.facts, "iat": now, "exp": ends_at}), ends_at - now
        )

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Whom the function named. Raises `AskError` where that is nobody who can be named."""
        subject, facts = claims["sub"], claims["facts"]  # of any type: the application wrote them
        if type(subject) is not str or not subject.isprintable() or not 1 <= len(subject.strip()) <= _LONGEST_SUBJECT:
            raise AskError(f"it returned an Identity whose subject is not 1 to {_LONGEST_SUBJECT} printable characters")
        if subject != subject.strip() or not isinstance(facts, Mapping) or not _is_plain(cast("object", facts)):
            what = "subject has a blank at an end" if subject != subject.strip() else "facts are not plain values"
            raise AskError(f"it returned an Identity whose {what}")
        return Caller(
            kind=CUSTOM,
            issuer=self.name,
            subject=subject,
            audience=self.name,
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            custom=CustomFacts(Claims(cast("Mapping[str, Any]", facts))),
        )


def custom_credential(  # noqa: PLR0913 - plain settings
    name: str,
    *,
    verify: Verify,
    header: str | None = None,
    cookie: str | None = None,
    scheme: str | None = None,
    matches: str = "",
    max_age: float = 60,
    timeout: float = 2,
) -> CustomCredentialIssuer:
    """API keys or sessions of the application's own, which ``verify`` knows: ``custom_credential("keys", ...)``.

    Where they are sent is one of ``header="X-Api-Key"``, ``cookie="sid"`` and ``scheme="ApiKey"``, a scheme of
    ``Authorization`` (RFC 9110 section 11.4). With ``scheme="Bearer"``, ``matches="sk_"`` says what each of them begins
    with, which tells keys and signed tokens apart in one route. Cookies come unasked: they need the proof of same
    origin that session cookies do (see ``trusted_origins`` of the guard). One route may take several kinds.

    ``verify(text)`` returns ``Identity(subject, facts)``, or ``None`` for a credential that it does not know. It may be
    async. It is called once however many requests wait, never on the event loop if it is a plain function, sees
    nothing of the request but the credential, and has ``timeout`` seconds (at most 60). A plain function runs in a
    thread; an async one on the loop of the request that waits for it, or under WSGI on one loop for all. Its answer is
    believed for ``max_age`` seconds (at most a day), asked for again behind requests shortly before, and kept by the
    credential's digest. So a key that is revoked is refused ``max_age`` seconds later. ``None`` is believed for up to 5
    seconds. If it raises, takes too long or returns something else, the answer is 503, and the log names it; of an
    exception it has type and place, since a message may hold the key.

    Callers are of the family ``CUSTOM``: `IssuedBy` (this name), `Subject` and `Fact` speak of them, and no rule about
    Google accounts or Firebase users does. Compare keys in constant time, or better look up a hash of the key.

    Raises `ConfigurationError`, also where the guard has another issuer that could claim one of the credentials.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"custom_credential takes a name such as 'api-keys', not {name!r}", code="custom-credential"
        )
    _check_function(verify, name)
    if not isinstance(matches, str) or not _PREFIX.fullmatch(matches):
        raise ConfigurationError(
            f"matches= is what each credential begins with, such as 'sk_', not {matches!r}", code="custom-credential"
        )
    for setting, value, most in (("max_age", max_age, MOST_AGE), ("timeout", timeout, LONGEST_TIMEOUT)):
        if type(value) not in (int, float) or not 0 < value <= most:
            raise ConfigurationError(
                f"{setting}= is above 0 and at most {most} seconds, not {value!r}", code="custom-credential"
            )
    return CustomCredentialIssuer(
        name=name,
        accepted_iss=frozenset(),
        audiences=frozenset({name}),
        keys=NO_KEYS,
        locations=(_location(header, cookie, scheme),),
        prefix=matches,
        verify=verify,
        max_age=max_age,
        timeout=timeout,
    )


def _location(header: object, cookie: object, scheme: object) -> CredentialLocation:
    if [header, cookie, scheme].count(None) != 2:
        raise ConfigurationError(
            "custom_credential takes exactly one of header=, cookie= and scheme=: where the credential is sent",
            code="custom-credential",
        )
    if cookie is not None:
        return cookie_location(cookie)
    given = header if scheme is None else scheme
    word = "header" if scheme is None else "scheme"
    if not isinstance(given, str) or not _TOKEN.fullmatch(given):
        example = "'X-Api-Key'" if scheme is None else "'ApiKey'"
        raise ConfigurationError(
            f"{word}= is the name of a {word}, such as {example}, not {given!r}{asking(given)}",
            code="custom-credential",
        )
    if scheme is None:
        if given.lower() in _READ_OTHERWISE:
            raise ConfigurationError(
                f"header={given!r} means something else: for Authorization, name a scheme=", code="custom-credential"
            )
        return CredentialLocation(given.lower(), is_bare=True)
    if given.lower() in _BROWSERS:
        raise ConfigurationError(
            f"browsers send {given} by themselves, whichever site's page asks: choose a scheme of your own, such as "
            "scheme='ApiKey', or a cookie",
            code="custom-credential",
        )
    return AUTHORIZATION if given.lower() == "bearer" else CredentialLocation("authorization", scheme=given)


def _check_function(verify: object, name: str) -> None:
    function = _unwrapped(verify)
    if not callable(verify) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"verify= of custom_credential({name!r}) is a function of the credential's text", code="custom-credential"
        )
    try:
        inspect.signature(verify).bind("")
    except TypeError:
        raise ConfigurationError(
            f"verify= of custom_credential({name!r}) is called with one argument, the credential's text",
            code="custom-credential",
        ) from None
    except ValueError:
        pass  # a function of another language, which does not say


def _unwrapped(function: Any) -> Any:
    """The function behind partials and callable objects."""
    while isinstance(function, functools.partial):
        function = cast("Any", function.func)
    if inspect.isroutine(function):
        return function
    return getattr(cast("Any", type(function)), "__call__", None)  # noqa: B004 - it is looked into


def _is_async(verify: object) -> bool:
    return inspect.iscoroutinefunction(_unwrapped(verify))


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value is text, a number, a truth value, or a list or mapping of such: what JSON has."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value).items()
        return all(type(name) is str and _is_plain(each, depth + 1) for name, each in members)
    if isinstance(value, list | tuple):
        return all(_is_plain(each, depth + 1) for each in cast("list[object]", value))
    return value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))


_UNKNOWN: Final = Denied(Reason.UNKNOWN_CREDENTIAL, "expected a credential that the application knows, got another")
_EXPIRED: Final = Denied(Reason.EXPIRED, "expected a credential that is valid, got one that has expired")
