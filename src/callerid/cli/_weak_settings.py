"""Settings of an application that weaken what its guards do, as its access map and its guards have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from callerid.audit._rows import ANYWHERE_ELSE, AccessMap
from callerid.cli._comparing import counted
from callerid.cli._findings import CheckFinding
from callerid.guard import GuardCore
from callerid.issuers import GCLOUD_CLIENT
from callerid.keys._source import is_loopback

__all__ = ["weak_settings"]

_LONG_LEEWAY: Final = 60.0
_MANY_ORIGINS: Final = 10


def weak_settings(found: AccessMap, *, in_production: bool) -> Iterator[CheckFinding]:
    """What weakens, each once; one that says so where nothing does."""
    weak = list(dict.fromkeys((*_of_map(found), *_of_guards(found, in_production=in_production))))
    yield from weak
    if not weak:
        yield CheckFinding("settings", "fine", f"{counted(len(found.guards), 'guard')}: nothing that weakens")


def _of_map(found: AccessMap) -> Iterator[CheckFinding]:
    for problem in found.problems:
        yield _weak(f"a rule cannot be right: {problem}", "callerid routes shows all of them")
    for where in found.unenforced:
        yield _weak(f"rules are not enforced {where} (enforce=False)", "take enforce=False and until= out")
    if any(each.template.startswith(ANYWHERE_ELSE) and each.is_open for each in found.rows):
        yield _weak("the default is open to everybody: a route without a rule is, too", "write default=Nobody()")


def _of_guards(found: AccessMap, *, in_production: bool) -> Iterator[CheckFinding]:
    for guard in found.guards:
        if guard.leeway >= _LONG_LEEWAY:
            yield _weak(
                f"leeway is {guard.leeway:g} s: tokens are good that much longer", "set the clock, and leave it out"
            )
        yield from _origins(guard, in_production=in_production)
        if guard.authenticator.trusted.emulated:
            # In production the guard itself refuses that.
            yield _known("tokens of the Firebase Auth emulator are believed, which nobody signs")
        if any(GCLOUD_CLIENT in issuer.audiences for issuer in guard.issuers):
            yield _gcloud(in_production=in_production)


def _origins(guard: GuardCore, *, in_production: bool) -> Iterator[CheckFinding]:
    origins = sorted(guard.authenticator.origins)
    if len(origins) > _MANY_ORIGINS:
        yield _weak(
            f"{len(origins)} trusted_origins: a page of any of them may act for its users", "name those you need"
        )
    if not in_production:
        return
    for origin in origins:
        if is_loopback(urlsplit(origin).hostname or ""):
            yield _weak(f"{origin} is among trusted_origins, in production", "leave it out: it is for development")
        elif origin.startswith("http:"):
            yield _weak(f"{origin} is among trusted_origins: whoever is on the way can write its pages", "write https")


def _gcloud(*, in_production: bool) -> CheckFinding:
    said = "gcloud=True: tokens are believed that developers mint for every service at once"
    remedy = "leave gcloud=True out in production: let services mint tokens for this service's own audience"
    return _weak(f"{said}, in production", remedy) if in_production else _known(said)


def _weak(said: str, remedy: str) -> CheckFinding:
    return CheckFinding("settings", "finding", said, remedy)


def _known(said: str) -> CheckFinding:
    return CheckFinding("settings", "fine", f"{said}: fine for development")
