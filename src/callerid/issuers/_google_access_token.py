"""Google's OAuth access tokens, which are opaque. Source: Google Identity, "OAuth 2.0 for Web Server Applications"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlencode

from callerid.asking import AskError, AskPolicy, Source, SourceAnswer
from callerid.callers import GOOGLE, Caller, Kind
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers._asked import AskedIssuer, Denied, Verdict
from callerid.issuers._claims import LATEST_DATE, shown
from callerid.issuers._google import is_service_address
from callerid.issuers._issuer import AUTHORIZATION, CredentialLocation, audience_set
from callerid.keys import KeyResponse, KeySource, json_object, post, retry_after

__all__ = ["ACCESS_TOKENS", "ACCESS_TOKEN_PREFIX", "TOKEN_INFO", "GoogleAccessTokenIssuer", "google_access_token"]

TOKEN_INFO: Final = "https://oauth2.googleapis.com/tokeninfo"  # noqa: S105 - an address

ACCESS_TOKENS: Final = "https://oauth2.googleapis.com"
"""The name of their issuer. It is not that of Google's ID tokens: a client id accepted here says nothing of theirs."""

ACCESS_TOKEN_PREFIX: Final = "ya29."  # noqa: S105 - what each of them begins with

_REFUSED_FOR: Final = 10.0
"""Seconds for which a refusal is believed: what is refused once has expired or was revoked."""

_LONGEST_LIFETIME: Final = 43_200
"""Seconds: an access token lives for an hour, one of a service account for up to twelve."""

_EVERYBODYS: Final = frozenset({"764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"})
"""The client id of ``gcloud auth application-default login``, which every developer has tokens of."""

_NUMBER: Final = re.compile("[0-9]{1,12}")
_SUBJECT: Final = re.compile("[0-9]{1,255}")


@dataclass(frozen=True, slots=True)
class GoogleAccessTokenIssuer(AskedIssuer):
    """Google's authorization server, asked by its tokeninfo endpoint."""

    send: Callable[[KeySource, bytes, Mapping[str, str]], KeyResponse] = field(default=post, compare=False, repr=False)
    """Sends a form to the endpoint: another function in tests."""

    kind: ClassVar[Kind] = GOOGLE
    is_final: ClassVar[bool] = True
    signer: ClassVar[str] = "access_token"
    credential: ClassVar[str] = "Google access token"
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (AUTHORIZATION,)

    def __post_init__(self) -> None:
        remedy = f"let this process reach {self.keys}"
        object.__setattr__(self, "source", Source(f"Google's endpoint {self.keys}", self.policy, remedy=remedy))

    @property
    def policy(self) -> AskPolicy:
        """That of the key source, but for an answer's end: it is never believed past it."""
        own = cast("KeySource", self.keys)
        return AskPolicy(
            fetch_seconds=own.fetch_seconds,
            refresh_fraction=0.0,
            stale_seconds=0.0,
            shortest_backoff=own.shortest_backoff,
            longest_backoff=own.longest_backoff,
            waiting_threads=own.waiting_threads,
            brief_wait=own.brief_wait,
            waiting_tasks=own.waiting_tasks,
        )

    def question(self, text: str, clock: Callable[[], float]) -> Callable[[], Verdict]:
        """See `AskedIssuer.question`. The token is in the request's body: a URL would be logged on the way."""

        def ask() -> Verdict:
            asked_at = clock()
            form = urlencode({"access_token": text}).encode()
            answer = self.send(cast("KeySource", self.keys), form, _FORM)
            if answer.status == 400 and _members(answer).get("error") == "invalid_token":
                return SourceAnswer(_INVALID, _REFUSED_FOR, is_known=False)
            if answer.status != 200:
                said = retry_after(answer.headers)
                raise AskError(f"HTTP status {answer.status}", retry_after=said, is_source=_is_source(answer))
            info = _read(_members(answer), asked_at)
            try:
                caller = self.caller(info)
            except Unauthenticated as refusal:
                denied = Denied(refusal.reason, refusal.detail, refusal.remedy)
                return SourceAnswer(denied, _REFUSED_FOR, is_known=False)
            return SourceAnswer(caller, caller.expires_at - asked_at)

        return ask

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A person, by what tokeninfo says of their token, in the types of a token's claims. Raises `Unauthenticated`.

        It names no ``hd``, so a caller has no domain.
        """
        audience, party, email = claims["aud"], claims.get("azp"), claims.get("email")
        for client in (audience, party):
            if client is not None and client not in self.audiences:
                raise Unauthenticated(
                    Reason.WRONG_AUDIENCE,
                    f"expected an access token for {', '.join(sorted(self.audiences)):.400}, got one for "
                    f"{shown(client)}",
                    remedy=_SERVICE if str(client).isdecimal() else _OTHER_APP,
                )
        if is_service_address(email):
            raise Unauthenticated(
                Reason.BAD_CLAIMS, "expected a person's access token, got a service account's", remedy=_SERVICE
            )
        if "sub" not in claims:
            raise Unauthenticated(
                Reason.BAD_CLAIMS,
                "expected an access token that says whose it is, got one without",
                remedy="ask the user for the scope openid, and email where rules name addresses",
            )
        if claims["exp"] <= claims["iat"]:
            raise Unauthenticated(Reason.EXPIRED, "expected a valid access token, got one that has expired")
        is_verified = claims.get("email_verified") is True
        return Caller(
            kind=GOOGLE,
            issuer=self.name,
            subject=claims["sub"],
            audience=audience,
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            email=email if email and is_verified else None,
            has_unverified_email=bool(email) and not is_verified,
            authorized_party=party,
            scopes=frozenset(claims.get("scope", "").split()),
        )


def google_access_token(*client_ids: str, keys: str | KeySource = TOKEN_INFO) -> GoogleAccessTokenIssuer:
    """Google's OAuth access tokens (``ya29.…``) in ``Authorization: Bearer``, of people who signed in to your app.

    ``client_ids`` are the OAuth client ids of your app. A token that was granted to another app is refused, whoever has
    it: that app's server could send it here (the "confused deputy"). Both ``aud`` and ``azp`` must be among them: name
    the client ids of mobile apps, too.

    Google is asked for each new token (tokeninfo), once however many requests wait. The answer is believed until the
    token expires, and no longer; a token that is revoked meanwhile is believed until then. Where Google cannot be asked
    the answer is 503. Prefer ID tokens (`google`), which need no call: an access token is for calling Google's APIs.

    Callers are Google accounts, with the token's scopes as facts (`Scope`). Whose token it is Google says only where
    the scope ``openid`` was granted, and the address where ``email`` was. It does not say ``hd``: ``Domain(...)`` holds
    of nobody here, and ``User(address)`` of addresses that Google itself hosts (gmail.com), so name people by id. A
    service account's access tokens are refused: they name no app that they are meant for. Services send ID tokens.

    ``keys`` is the endpoint: https, or http on loopback. Raises `ConfigurationError`. Sources: Google Identity, "OAuth
    2.0 for Mobile & Desktop Apps"; RFC 6750 section 5.2 on tokens for others.
    """
    named = audience_set(
        client_ids,
        "google_access_token(...) accepts tokens granted to your own apps only",
        example="1234-abc.apps.googleusercontent.com",
    )
    for client in sorted(named):
        if not client.endswith(".apps.googleusercontent.com"):
            raise ConfigurationError(
                f"{client!r} is no OAuth client id: those end in .apps.googleusercontent.com"
                f"{_ACCOUNT if client.isdecimal() else ''}",
                code="google-access-token",
            )
        if client in _EVERYBODYS:
            raise ConfigurationError(
                f"{client!r} is gcloud's own client id, for which every developer has tokens",
                code="google-access-token",
            )
    source = KeySource(keys, **_PATIENCE) if isinstance(keys, str) else keys
    if not isinstance(source, KeySource):
        raise ConfigurationError(
            f"keys= is the address of Google's tokeninfo endpoint, not a {type(source).__name__}",
            code="google-access-token",
        )
    return GoogleAccessTokenIssuer(
        name=ACCESS_TOKENS,
        accepted_iss=frozenset(),
        audiences=named,
        keys=source,
        locations=(AUTHORIZATION,),
        prefix=ACCESS_TOKEN_PREFIX,
    )


_ACCOUNT: Final = " (a service account's access token names no app that it is meant for)"

_PATIENCE: Final[dict[str, Any]] = {"largest_document": 65_536, "brief_wait": 0.5}
"""Any thread may wait longer than for keys, which are fetched rarely."""

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}

_INVALID: Final = Denied(
    Reason.UNKNOWN_CREDENTIAL,
    "expected a valid access token, got one that Google does not know, or that expired or was revoked",
    "sign in again",
)

_OTHER_APP: Final = (
    "sign in to this app, and send its own token; name the client id in google_access_token(...) only if it is yours: "
    "whoever runs that app has its users' tokens"
)
_SERVICE: Final = "a service account calls with an ID token for this service's URL: google('https://…')"


def _members(answer: KeyResponse) -> Mapping[str, Any]:
    try:
        found = json_object(answer.body)
    except ValueError as error:
        cause = f"HTTP status {answer.status}, and a body that is {error}"
        raise AskError(cause, is_source=_is_source(answer)) from None
    if found.repeated:
        raise AskError("a body with a member that occurs twice", is_source=_is_source(answer))
    return found


def _is_source(answer: KeyResponse) -> bool:
    """Whether an answer that says nothing is due to the endpoint: 400 is about what was asked."""
    return answer.status != 400


def _read(info: Mapping[str, Any], asked_at: float) -> dict[str, Any]:
    """What tokeninfo says, in the types of a token's claims: it writes numbers and truth as text.

    Raises `AskError` for what it never writes.
    """
    found: dict[str, Any] = {name: info[name] for name in _TEXTS if name in info}
    for name, value in found.items():
        if type(value) is not str or not value.isprintable():
            raise _odd(name)
    if not found.get("aud") or ("sub" in found and not _SUBJECT.fullmatch(found["sub"])):
        raise _odd("sub" if found.get("aud") else "aud")
    verified = info.get("email_verified", False)
    if verified not in (True, False, "true", "false") or type(verified) not in (bool, str):
        raise _odd("email_verified")
    ends: list[float] = [_number(info, "exp")] if "exp" in info else []
    ends += [asked_at + min(_number(info, "expires_in"), _LONGEST_LIFETIME)] if "expires_in" in info else []
    if not ends:
        raise _odd("expires_in")
    return {**found, "email_verified": verified in (True, "true"), "iat": asked_at, "exp": min(ends)}


_TEXTS: Final = ("aud", "azp", "sub", "email", "scope")


def _number(info: Mapping[str, Any], name: str) -> int:
    value = info[name]
    text = str(value) if type(value) is int else value
    if type(text) is not str or not _NUMBER.fullmatch(text) or int(text) > LATEST_DATE:
        raise _odd(name)
    return int(text)


def _odd(name: str) -> AskError:
    return AskError(f"an answer whose {name} is not as tokeninfo writes it")
