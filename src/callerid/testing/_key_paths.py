"""Where Google publishes keys, as paths: those of each signer, and whose keys are at a path."""

from __future__ import annotations

from urllib.parse import quote

from callerid.testing._defaults import FIREBASE_ACCOUNT

__all__ = ["jwks_path", "pem_path", "published_at", "signer_of"]

_OWN_PATHS = {
    "google": ("/oauth2/v1/certs", "/oauth2/v3/certs"),
    "firebase_session": ("/identitytoolkit/v3/relyingparty/publicKeys", "/v1/sessionCookiePublicKeys"),
    "iap": ("/iap/verify/public_key", "/iap/verify/public_key-jwk"),
    "app_check": ("/v1/jwks-pem", "/v1/jwks"),
}
"""Of the signers that are no service accounts, where their certificates or keys are, and their JWK sets."""

_PUBLISHED = {
    path: (which, form) for which, paths in _OWN_PATHS.items() for path, form in zip(paths, ("pem", "jwk"), strict=True)
}
_ACCOUNT_PATHS = {
    "/robot/v1/metadata/x509/": "pem",
    "/service_accounts/v1/metadata/x509/": "pem",
    "/service_accounts/v1/jwk/": "jwk",
    "/service_accounts/v1/metadata/jwk/": "jwk",
}
_PROVIDERS = {"jwk": "/oidc/jwks/", "pem": "/oidc/certs/"}
"""Where the keys of other OpenID Connect providers are, each below its own ``iss``."""


def jwks_path(which: str) -> str:
    """Where the signer's JWK set is published."""
    if _is_provider(which):
        return f"{_PROVIDERS['jwk']}{quote(which, safe='')}"
    return _OWN_PATHS[which][1] if which in _OWN_PATHS else f"/service_accounts/v1/jwk/{_account(which)}"


def pem_path(which: str) -> str:
    """Where the signer's X.509 certificates are published."""
    if _is_provider(which):
        return f"{_PROVIDERS['pem']}{quote(which, safe='')}"
    return _OWN_PATHS[which][0] if which in _OWN_PATHS else f"/robot/v1/metadata/x509/{_account(which)}"


def published_at(path: str) -> tuple[str, str]:
    """The signer whose keys are published at this path, and in which form: ``pem`` or ``jwk``. Empty where none are."""
    if path in _PUBLISHED:
        return _PUBLISHED[path]
    for form, prefix in _PROVIDERS.items():
        if path.startswith(prefix):
            which = path.removeprefix(prefix)
            return which if _is_provider(which) else "", form
    for prefix, form in _ACCOUNT_PATHS.items():
        if path.startswith(prefix):
            return signer_of(path.removeprefix(prefix)), form
    return "", ""


def signer_of(account: str) -> str:
    """The signer whose keys are published for this service account; empty for what is no account."""
    # Only accounts have a path of their own under these prefixes: "google" and "firebase" are names of ours.
    return "firebase" if account == FIREBASE_ACCOUNT else account if "@" in account else ""


def _is_provider(which: str) -> bool:
    return "://" in which


def _account(which: str) -> str:
    return FIREBASE_ACCOUNT if which == "firebase" else which
