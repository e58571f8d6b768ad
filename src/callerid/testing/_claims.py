"""The claims Google and Firebase write into a token.

Pure functions from facts to a dictionary. Sources: Google's discovery document for ``GenerateIdTokenResponse``,
google-auth's ``oauth2/_client.py`` and ``compute_engine/credentials.py``; for Firebase the tokens its own emulator
mints (firebase-tools ``src/emulator/auth/operations.ts``, ``generateJwt``) and firebase-admin's ``_token_gen.py``.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from callerid.issuers._google import GOOGLE_ISSUER

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "APP_CHECK_ISSUER",
    "COMPUTE_ENGINE",
    "FIREBASE_ISSUER",
    "GOOGLE_ISSUER",
    "IAP_ISSUER",
    "OIDC_ISSUER",
    "SESSION_ISSUER",
    "app_check",
    "domain_of",
    "firebase_session",
    "firebase_user",
    "google_account",
    "iap_assertion",
    "is_client_id",
    "is_service_account",
    "numeric_id",
]

FIREBASE_ISSUER = "https://securetoken.google.com/"
"""The issuer name of Firebase's ID tokens, before the project."""

SESSION_ISSUER = "https://session.firebase.google.com/"
"""The issuer name of Firebase's session cookies, before the project."""

IAP_ISSUER = "https://cloud.google.com/iap"
"""The issuer name of IAP's assertions."""

APP_CHECK_ISSUER = "https://firebaseappcheck.googleapis.com/"
"""The issuer name of App Check's tokens, before the project's number."""

OIDC_ISSUER = "https://id.example.com"
"""The OpenID Connect provider of which `Mint.oidc_caller` makes callers when none is named."""

COMPUTE_ENGINE: Mapping[str, Any] = MappingProxyType(
    {
        "instance_creation_timestamp": 1_700_000_000,
        "instance_id": "1234567890123456789",
        "instance_name": "worker-1",
        "project_id": "shop-prod",
        "project_number": 123_456_789_012,
        "zone": "europe-west1-b",
    }
)
"""An invented machine, in the members that ``format=full`` adds to a token of the metadata server."""

CLIENT_ID = ".apps.googleusercontent.com"


def is_client_id(audience: str) -> bool:
    """Whether an audience is an OAuth client id, the only one a person can get a token for."""
    return audience.endswith(CLIENT_ID)


def numeric_id(email: str) -> str:
    """The account id of an e-mail address: 21 digits, always the same for one address, as Google's ``sub`` looks."""
    digest = int.from_bytes(hashlib.sha256(email.casefold().encode()).digest())
    return f"1{digest % 10**20:020d}"


def is_service_account(email: str) -> bool:
    """Whether an address is a service account's: all of them lie under ``gserviceaccount.com``."""
    domain = domain_of(email)
    return domain == "gserviceaccount.com" or domain.endswith(".gserviceaccount.com")


def google_account(  # noqa: PLR0913 - one parameter a claim
    *,
    audience: str,
    subject: str,
    azp: str,
    email: str | None,
    email_verified: bool,
    domain: str | None = None,
    compute_engine: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of a Google ID token but for its times; those without a value are left out, as Google does."""
    hosted = {} if domain is None else {"hd": domain}
    mailbox = {} if email is None else {"email": email, "email_verified": email_verified}
    machine = {} if compute_engine is None else {"google": {"compute_engine": dict(compute_engine)}}
    return {"iss": GOOGLE_ISSUER, "azp": azp, "aud": audience, "sub": subject, **hosted, **mailbox, **machine}


def firebase_user(  # noqa: PLR0913 - one parameter a claim
    uid: str,
    *,
    project: str,
    provider: str,
    email: str | None,
    email_verified: bool,
    phone: str | None,
    tenant: str | None,
    second_factor: str | None,
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of a Firebase ID token but for its times and custom claims."""
    anonymous = {"provider_id": "anonymous"} if provider == "anonymous" else {}
    mailbox = {} if email is None else {"email": email, "email_verified": email_verified}
    telephone = {} if phone is None else {"phone_number": phone}
    factor = {} if second_factor is None else _second_factor(uid, second_factor)
    firebase = {"identities": _identities(uid, provider, email, phone), "sign_in_provider": provider, **factor}
    if tenant is not None:
        firebase["tenant"] = tenant
    if attributes:
        firebase["sign_in_attributes"] = dict(attributes)
    return {
        **anonymous,
        "iss": FIREBASE_ISSUER + project,
        "aud": project,
        "user_id": uid,
        "sub": uid,
        **mailbox,
        **telephone,
        "firebase": firebase,
    }


def firebase_session(user: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of the session cookie that is made of an ID token, but for its times."""
    return {**user, "iss": SESSION_ISSUER + str(user.get("aud"))}


def app_check(app_id: str, number: str, project: str) -> dict[str, Any]:
    """What App Check attests of an app, but for its times. Source: Firebase, "Verify App Check tokens"."""
    return {"iss": APP_CHECK_ISSUER + number, "aud": [f"projects/{number}", f"projects/{project}"], "sub": app_id}


def iap_assertion(account: Mapping[str, Any], audience: str) -> dict[str, Any]:
    """What IAP says about the account of an ID token, but for its times. Source: IAP, "External identities"."""
    issuer = str(account.get("iss"))
    standard: dict[str, Any] = {"iss": IAP_ISSUER, "aud": audience}
    if issuer.startswith(FIREBASE_ISSUER):
        tenant = account.get("firebase", {}).get("tenant")
        prefix = issuer.removeprefix("https://") + (f"/{tenant}" if tenant else "") + ":"
        gcip = {name: value for name, value in account.items() if name not in ("iss", "aud", "iat", "exp")}
        mailbox = {"email": prefix + account["email"]} if "email" in account else {}
        return {**standard, "sub": f"{prefix}{account['sub']}", **mailbox, "identity_source": "GCIP", "gcip": gcip}
    known = {name: account[name] for name in ("email", "hd") if name in account}
    return {**standard, "sub": f"accounts.google.com:{account.get('sub')}", **known, "identity_source": "GOOGLE"}


def domain_of(email: str) -> str:
    """What an address has behind its at sign."""
    return email.rpartition("@")[2].casefold()


def _identities(uid: str, provider: str, email: str | None, phone: str | None) -> dict[str, list[str]]:
    federated = {} if provider in {"password", "phone", "anonymous", "custom"} else {provider: [numeric_id(uid)]}
    mailbox = {} if email is None else {"email": [email]}
    telephone = {} if phone is None else {"phone": [phone]}
    return {**federated, **mailbox, **telephone}


def _second_factor(uid: str, second_factor: str) -> dict[str, str]:
    identifier = uuid5(NAMESPACE_URL, f"{FIREBASE_ISSUER}{uid}/{second_factor}")
    return {"sign_in_second_factor": second_factor, "second_factor_identifier": str(identifier)}
