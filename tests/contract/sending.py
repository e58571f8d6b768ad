"""What is sent, with tokens by name; and the tokens."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote_to_bytes

from callerid.issuers import GCLOUD_CLIENT
from callerid.testing import COMPUTE_ENGINE
from callerid.testing._compact import header_and_claims
from callerid.testing._defaults import PERSON_AUDIENCE

from .application import ACCOUNT_ID, APP, CARRIER, OTHER_APP, PROJECT_NUMBER, PROVIDER, ROBOT, TASKS, issuer

__all__ = ["CALLERS", "Sent", "token"]

_PERSON = issuer.workspace_person
_ROBOT = functools.partial(issuer.service_account, ROBOT)
_USER = issuer.firebase_user
issuer.oidc_keys(PROVIDER, "ES256")
_PROVIDED = functools.partial(issuer.oidc_caller, issuer=PROVIDER)

CUSTOM_TOKEN_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"


def _now() -> int:
    return int(issuer.clock())


def token(name: str) -> str:
    """The token of this name."""
    return CALLERS[name]() if name == "new app" else _token(name, _now() // FRESH)


FRESH = 240
"""Seconds for which a token is sent again: those of IAP live for ten minutes."""


@functools.cache
def _token(name: str, _: int) -> str:
    who, _dot, variant = name.partition(".")
    made: str = getattr(issuer, variant)(token(who)) if variant else CALLERS[who]()
    return made


CALLERS: Mapping[str, Callable[[], str]] = {
    # Google accounts
    "staff": lambda: _PERSON("ada@example.com"),
    "outsider": lambda: _PERSON("eve@other.com"),
    "subdomain": lambda: _PERSON("eve@hr.example.com"),
    "person": lambda: issuer.person("ada@gmail.com"),
    "stranger": lambda: issuer.person("eve@gmail.com"),
    "consumer": lambda: issuer.person("ada@example.com"),  # a consumer account under an address that is not Google's
    "unverified": lambda: issuer.person("ada@gmail.com", email_verified=False),
    "numbered": lambda: issuer.person("grace@gmail.com", subject=ACCOUNT_ID),
    "without mail": lambda: issuer.person(None, subject="1" * 21),
    "robot": _ROBOT,
    "robot for tasks": lambda: _ROBOT(audience=TASKS),
    "robot without mail": lambda: _ROBOT(include_email=False),
    "robot on a machine": lambda: _ROBOT(compute_engine=COMPUTE_ENGINE),
    "other robot": lambda: issuer.service_account("else@shop-prod.iam.gserviceaccount.com"),
    "other robot for tasks": lambda: issuer.service_account("else@shop-prod.iam.gserviceaccount.com", audience=TASKS),
    "foreign robot": lambda: issuer.service_account("scheduler@evil-corp.iam.gserviceaccount.com"),
    "robot in domain": lambda: _ROBOT(claims={"hd": "example.com"}, hostile=True),
    "carrier": lambda: issuer.service_account(CARRIER),
    "carrier for tasks": lambda: issuer.service_account(CARRIER, audience=TASKS),
    # developers, by gcloud auth print-identity-token, and what else has its audience
    "developer": lambda: _PERSON("ada@example.com", audience=GCLOUD_CLIENT),
    "developer of another": lambda: _PERSON("eve@other.com", audience=GCLOUD_CLIENT),
    "developer without mail": lambda: issuer.person(None, subject="1" * 21, audience=GCLOUD_CLIENT),
    "developer unverified": lambda: issuer.person("ada@gmail.com", audience=GCLOUD_CLIENT, email_verified=False),
    "developer by another client": lambda: _PERSON("ada@example.com", audience=GCLOUD_CLIENT, azp=PERSON_AUDIENCE),
    "robot by gcloud": lambda: _ROBOT(audience=GCLOUD_CLIENT),
    "foreign robot by gcloud": lambda: issuer.service_account(
        "a@evil-corp.iam.gserviceaccount.com", audience=GCLOUD_CLIENT
    ),
    "robot by gcloud, without mail": lambda: _ROBOT(audience=GCLOUD_CLIENT, include_email=False),
    # service accounts by tokens of their own
    "signer": lambda: issuer.self_signed(ROBOT),
    "signer for tasks": lambda: issuer.self_signed(ROBOT, audience=TASKS),
    "signer for a client": lambda: issuer.self_signed(ROBOT, audience="1234-abc.apps.googleusercontent.com"),
    "signer for long": lambda: issuer.self_signed(ROBOT, lifetime=3601),
    "signer for another": lambda: issuer.self_signed(ROBOT, claims={"sub": "ada@example.com"}),
    "signer without sub": lambda: issuer.without(token("signer"), "sub"),
    "signer of claims": lambda: issuer.self_signed(
        ROBOT, claims={"email": "ada@example.com", "email_verified": True, "hd": "example.com", "azp": ROBOT}
    ),
    "other signer": lambda: issuer.self_signed("else@shop-prod.iam.gserviceaccount.com"),
    "signer as google": lambda: issuer.self_signed(ROBOT, claims={"iss": "https://accounts.google.com"}),
    "google as signer": lambda: issuer.altered(token("robot"), iss=ROBOT, sub=ROBOT),
    "custom token": lambda: issuer.self_signed(ROBOT, audience=CUSTOM_TOKEN_AUDIENCE, claims={"uid": "u1"}),
    # Google Chat and add-ons
    "chat": lambda: issuer.chat(PROJECT_NUMBER),
    "chat of another": lambda: issuer.chat(210987654321),
    "chat by URL": lambda: issuer.service_account("chat@system.gserviceaccount.com"),
    "add-on": lambda: issuer.service_account(f"service-{PROJECT_NUMBER}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com"),
    "add-on of another": lambda: issuer.service_account("service-2@gcp-sa-gsuiteaddons.iam.gserviceaccount.com"),
    # Firebase users
    "u1": lambda: _USER("u1"),
    "u2": lambda: _USER("u2"),
    "admin uid": lambda: _USER("admin"),
    "accented uid": lambda: _USER("z\xfcrich"),
    "odd uid": lambda: _USER("a b:c@d"),
    "mailed": lambda: _USER("u1", email="u1@example.com"),
    "unverified mail": lambda: _USER("u1", email="u1@example.com", email_verified=False),
    "anonymous": lambda: _USER("a1", provider="anonymous"),
    "by google": lambda: _USER("u1", provider="google.com", email="u1@gmail.com"),
    "with factor": lambda: _USER("u1", email="u1@example.com", second_factor="totp"),
    "long ago": lambda: _USER("u1", signed_in_at=_now() - 3000),
    "long ago with factor": lambda: _USER("u1", email="u1@x.org", second_factor="phone", signed_in_at=_now() - 3000),
    "tenant": lambda: _USER("u1", tenant="acme-x1", provider="saml.acme"),
    "tenant mail": lambda: _USER("u1", tenant="acme-x1", provider="saml.acme", email="u1@example.com"),
    "other tenant": lambda: _USER("u1", tenant="acme-x2"),
    "unnamed tenant": lambda: _USER("u1", tenant="acme-x3"),
    "without auth_time": lambda: issuer.without(token("u1"), "auth_time"),
    "admin": lambda: _USER("u1", claims={"admin": True}),
    "one for true": lambda: _USER("u1", claims={"admin": 1}),
    "text for true": lambda: _USER("u1", claims={"admin": "true"}),
    "editor": lambda: _USER("u1", claims={"roles": ["viewer", "editor"]}),
    "at home": lambda: _USER("u1", claims={"spaces": {"home": "attic"}}),
    "at home in a list": lambda: _USER("u1", claims={"spaces": {"home": ["attic"]}}),
    "sales": lambda: _USER("u1", tenant="acme-x1", provider="saml.acme", attributes={"department": "sales"}),
    "sales elsewhere": lambda: _USER("u1", tenant="acme-x2", provider="saml.x", attributes={"department": "sales"}),
    "sales in claims": lambda: _USER("u1", tenant="acme-x1", claims={"department": "sales"}),
    "by another client": lambda: issuer.workspace_person("ada@example.com", azp="9-z.apps.googleusercontent.com"),
    "editor in text": lambda: _USER("u1", claims={"roles": "editor"}),
    "claims hd": lambda: _USER("u1", claims={"hd": "example.com"}),
    "claims google": lambda: _USER("u1", email="ada@gmail.com", claims={"hd": "example.com", "azp": "x"}, hostile=True),
    "other project": lambda: _USER("u1", project="shop-test"),
    "google for project": lambda: issuer.service_account(ROBOT, audience="shop-prod"),
    # callers of another OpenID Connect provider
    "provided": lambda: _PROVIDED("ada"),
    "provided other": lambda: _PROVIDED("ben"),
    "provided as account": lambda: _PROVIDED(ACCOUNT_ID),
    "provided odd": lambda: _PROVIDED("repo:acme/shop:ref"),
    "provided staff": lambda: _PROVIDED("cy", claims={"access": {"groups": ["x", "staff"]}}),
    "provided word": lambda: _PROVIDED("cy", claims={"access": {"groups": "staff"}}),
    "provided mailed": lambda: _PROVIDED(
        "ada", claims={"email": "ada@example.com", "email_verified": True, "hd": "example.com"}
    ),
    "provided unverified": lambda: _PROVIDED("ada", claims={"email": "ada@example.com"}),
    "provided for both": lambda: _PROVIDED("ada", audience=["orders", "orders-app"]),
    "provided for others": lambda: _PROVIDED("ada", audience=["orders", "elsewhere"]),
    "provided by us for others": lambda: _PROVIDED(
        "ada", audience=["orders", "elsewhere"], claims={"azp": "orders-app"}
    ),
    "provided elsewhere": lambda: _PROVIDED("ada", audience="elsewhere"),
    "provided by another": lambda: issuer.oidc_caller("ada", issuer="https://id.example.net/realms/bank"),
    "logout": lambda: _PROVIDED("ada", claims={"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    # what is no bearer token
    "session": lambda: issuer.session_cookie(token("u1")),
    "session of another": lambda: issuer.session_cookie(token("u2")),
    "session of another project": lambda: issuer.session_cookie(token("other project")),
    "session of a day": lambda: issuer.session_cookie(token("u1"), lifetime=86_400),
    "session of under five minutes": lambda: issuer.session_cookie(token("u1"), lifetime=299, hostile=True),
    "session of a month": lambda: issuer.session_cookie(token("u1"), lifetime=30 * 86_400, hostile=True),
    "session without sign-in": lambda: issuer.without(token("session"), "auth_time"),
    "assertion": lambda: issuer.iap_assertion(token("staff")),
    "assertion of a robot": lambda: issuer.iap_assertion(token("robot")),
    "assertion of a user": lambda: issuer.iap_assertion(token("u1")),
    "assertion of a tenant": lambda: issuer.iap_assertion(token("tenant")),
    "assertion for an hour": lambda: issuer.iap_assertion(token("staff"), lifetime=3600, hostile=True),
    "assertion of nobody": lambda: issuer.altered(token("assertion"), sub="111111111111111111111"),
    "assertion of another project": lambda: issuer.iap_assertion(token("other project")),
    # apps, as App Check attests them
    "app": lambda: issuer.app_check_token(APP),
    "new app": lambda: issuer.app_check_token(APP, claims={"jti": str(uuid.uuid4())}),
    "other app": lambda: issuer.app_check_token(OTHER_APP),
    "app for a week": lambda: issuer.app_check_token(APP, lifetime=7 * 86_400),
    "app for eight days": lambda: issuer.app_check_token(APP, lifetime=8 * 86_400, hostile=True),
    "app of another project": lambda: issuer.app_check_token("1:999:web:abc123"),
    "app for another project": lambda: issuer.altered(token("app"), aud=["projects/999", "projects/shop-prod"]),
    "app for text": lambda: issuer.altered(token("app"), aud=f"projects/{PROJECT_NUMBER}"),
    "app of a prefix": lambda: issuer.altered(token("app"), iss="https://firebaseappcheck.googleapis.com/"),
    "app of another type": lambda: issuer.sign(_claims("app"), {"typ": "at+jwt"}, key="app_check"),
    "app without a name": lambda: issuer.altered(token("app"), sub=""),
    # sizes
    "largest": lambda: _padded(8192),
    "too large": lambda: _padded(8193),
    # what is no token of ours, or not written as one
    "without exp": lambda: issuer.without(token("staff"), "exp"),
    "without iat": lambda: issuer.without(token("staff"), "iat"),
    "event": lambda: issuer.altered(issuer.without(token("staff"), "exp"), events={"urn:x": {}}),
    "text exp": lambda: issuer.altered(token("staff"), exp=str(_now() + 60)),
    "true iat": lambda: issuer.altered(token("staff"), iat=True),
    "not before": lambda: issuer.altered(token("staff"), nbf=_now() + 600),
    "listed audience": lambda: issuer.altered(token("staff"), aud=["1234-abc.apps.googleusercontent.com"]),
    "no audience": lambda: issuer.without(token("staff"), "aud"),
    "nan": lambda: issuer.sign('{"iss":"https://accounts.google.com","exp":NaN}'),
    "twice exp": lambda: issuer.sign('{"iss":"https://accounts.google.com","exp":1,"exp":9999999999}'),
    "deep": lambda: issuer.sign('{"iss":' + "[" * 40 + "]" * 40 + "}"),
    "list": lambda: issuer.sign("[]"),
    "crit": lambda: issuer.sign(_claims("staff"), {"crit": ["exp"]}),
    "b64": lambda: issuer.sign(_claims("staff"), {"b64": False}),
    "numeric kid": lambda: issuer.sign(_claims("staff"), {"kid": 7}),
    "es256": lambda: issuer.sign(_claims("staff"), {"alg": "ES256"}),
    "small rs256": lambda: issuer.sign(_claims("staff"), {"alg": "rs256"}),
    "jku": lambda: issuer.sign(_claims("staff"), {"jku": "https://evil.example/keys", "typ": "whatever"}),
    "padded": lambda: token("staff") + "=",
    "four parts": lambda: token("staff") + ".e30",
    "two parts": lambda: token("staff").rpartition(".")[0],
    "junk after": lambda: token("staff") + "!",
    "access token": lambda: "ya29.a0AfH6SMBx-not-an-id-token",
    "word": lambda: "admin",
    "session cookie": lambda: issuer.altered(token("u1"), iss="https://session.firebase.google.com/shop-prod"),
    "short issuer": lambda: issuer.altered(token("staff"), iss="accounts.google.com"),
    "http issuer": lambda: issuer.altered(token("staff"), iss="http://accounts.google.com"),
    "slash issuer": lambda: issuer.altered(token("staff"), iss="https://accounts.google.com/"),
    "project of another": lambda: issuer.altered(token("u1"), iss="https://securetoken.google.com/shop-test"),
}
"""The tokens by name; ``staff.expired`` is the variant ``expired`` of ``staff``, made by `LocalIssuer`."""


def _claims(name: str) -> dict[str, Any]:
    return header_and_claims(token(name))[1]


def _padded(size: int) -> str:
    """A good token of exactly this many bytes."""
    # Three letters more in a part make it four longer, and one or two make it two or three: one of these fits.
    for letters in range(3):
        header = {"x": "x" * letters}
        rest = size - len(issuer.sign({**_claims("staff"), "pad": ""}, header))
        for length in range(rest * 3 // 4 - 3, rest * 3 // 4 + 4):
            made = issuer.sign({**_claims("staff"), "pad": "p" * length}, header)
            if len(made) == size:
                return made
    raise AssertionError(f"no token has {size} bytes")


_NAMED = re.compile("<([^<>]+)>")


@dataclass(frozen=True)
class Sent:
    """One request, as it stands on the wire: ``<staff>`` in a header, target or body is that token.

    ``root`` is where the application is mounted, ``setting`` how it is closed.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    root: str = ""
    setting: str = "usual"

    @property
    def filled(self) -> Self:
        """With the tokens in place of their names."""
        return replace(
            self,
            target=_filled(self.target),
            headers=tuple((name, _filled(value)) for name, value in self.headers),
            body=_filled(self.body),
        )

    @property
    def raw_path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands after the question mark."""
        return self.target.partition("?")[2]

    @property
    def path(self) -> bytes:
        """The path, decoded once."""
        return unquote_to_bytes(self.raw_path.encode("latin-1"))


def _filled(text: str) -> str:
    return _NAMED.sub(lambda named: token(named[1]), text)
