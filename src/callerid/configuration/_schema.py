"""All settings, by section: those of the guard itself, and one section for each kind of issuer.

``docs/configuration.md`` has the same table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from callerid.configuration._values import FLAG, NUMBER, TEXT, TEXTS, WHOLE, Setting
from callerid.issuers import (
    Issuer,
    app_check,
    cloud_run,
    firebase,
    firebase_session,
    gateway,
    google,
    google_access_token,
    google_chat,
    iap,
    oidc,
    service_account,
)

__all__ = ["FLEET_PREFIX", "FLEET_URL", "FLEET_URL_FROM", "GUARD", "KEY_FILE", "SECTIONS", "Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of one kind of issuer, and the function that makes it of them.

    ``first`` is the setting that is its first argument, ``others`` the one whose values are further arguments; the
    rest are named ones. ``inner`` are sections within this one (of a gateway).
    """

    make: Callable[..., Issuer]
    settings: tuple[Setting, ...]
    first: str = ""
    others: str = ""
    inner: Mapping[str, Section] = field(default_factory=lambda: MappingProxyType({}))


FLEET_URL: Final = "fleet_url"
"""Holds a password, so it is read from the environment alone."""

FLEET_URL_FROM: Final = "fleet_url_from"
"""Names, in a file, the environment variable with the fleet's URL."""

FLEET_PREFIX: Final = "fleet_prefix"

KEY_FILE: Final = "key_file"

GUARD: Final = (
    Setting("leeway", NUMBER),
    Setting("trusted_origins", TEXTS),
    Setting("realm", TEXT),
    Setting("resource_metadata", TEXT),
    Setting("memory", WHOLE),
    Setting("longest_token", WHOLE),
    Setting(FLEET_PREFIX, TEXT),
)
"""The settings of the guard itself; beside them stand ``fleet_url`` (environment) and ``fleet_url_from`` (file)."""

_AUDIENCES: Final = Setting("audiences", TEXTS, required=True)
_PROJECT: Final = Setting("project", TEXT, required=True)
_TENANTS: Final = Setting("tenants", TEXTS)
_EMULATOR: Final = Setting("emulator", TEXT, in_environment=False)
_KEYS: Final = Setting(KEY_FILE, TEXT)

_GOOGLE: Final = Section(google, (_AUDIENCES, Setting("gcloud", FLAG), _KEYS), others="audiences")
_FIREBASE: Final = Section(firebase, (_PROJECT, _TENANTS, _EMULATOR, _KEYS), first="project")
_OIDC: Final = Section(
    oidc,
    (
        Setting("issuer", TEXT, required=True),
        _AUDIENCES,
        Setting("algorithm", TEXT),
        Setting("keys", TEXT),
        _KEYS,
    ),
    first="issuer",
    others="audiences",
)
SECTIONS: Final[Mapping[str, Section]] = MappingProxyType(
    {
        "google": _GOOGLE,
        "cloud_run": Section(
            cloud_run, (_AUDIENCES, Setting("probes", TEXTS), Setting("gcloud", FLAG), _KEYS), others="audiences"
        ),
        "firebase": _FIREBASE,
        "firebase_session": Section(
            firebase_session, (_PROJECT, _TENANTS, Setting("cookie", TEXT), _EMULATOR, _KEYS), first="project"
        ),
        "iap": Section(iap, (_AUDIENCES, Setting("external", TEXT), _TENANTS, _KEYS), others="audiences"),
        "oidc": _OIDC,
        "service_account": Section(
            service_account,
            (Setting("email", TEXT, required=True), _AUDIENCES, Setting("longest_lifetime", WHOLE), _KEYS),
            first="email",
            others="audiences",
        ),
        "google_access_token": Section(
            google_access_token, (Setting("client_ids", TEXTS, required=True),), others="client_ids"
        ),
        "google_chat": Section(
            google_chat, (Setting("project_number", TEXT, required=True), _KEYS), first="project_number"
        ),
        "app_check": Section(
            app_check,
            (Setting("project_number", TEXT, required=True), Setting("consume", FLAG), _KEYS),
            first="project_number",
        ),
        "gateway": Section(
            gateway,
            (Setting("service_account", TEXT, required=True), Setting("audience", TEXTS, required=True), _KEYS),
            first="service_account",
            inner=MappingProxyType({"firebase": _FIREBASE, "google": _GOOGLE, "oidc": _OIDC}),
        ),
    }
)
"""The kinds of issuers that settings can name; `custom_credential` takes a function, so it is written in code."""
