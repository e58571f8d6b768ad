"""Versions of what this library is used with for which there are known advisories.

The table is small and has a date: it knows nothing that was published later, and is no replacement for a scanner that
asks a database, such as ``pip-audit``. Each entry has the id under which the advisory was published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from callerid.checkup.findings import CheckFinding

__all__ = ["ADVISORIES", "AS_OF", "Advisory", "advisories", "installed"]

AS_OF: Final = "2026-11-29"
"""When the table was put together."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One advisory: its ids, the package, the first version that is affected (empty: any) and the first that is not."""

    package: str
    ids: str
    introduced: str
    fixed: str
    about: str


ADVISORIES: Final = (
    Advisory("cryptography", "GHSA-h4gh-qq45-vh27", "37.0.0", "43.0.1", "the wheels have a vulnerable OpenSSL"),
    Advisory("cryptography", "CVE-2026-26007, GHSA-r6ph-v2qm-q3c2", "", "46.0.5", "binary elliptic curves (SECT)"),
    Advisory(
        "urllib3", "CVE-2025-50181, GHSA-pq67-6m6q-mj2v", "", "2.5.0", "redirects that a pool was told not to follow"
    ),
    Advisory("urllib3", "CVE-2025-66418, GHSA-gm62-xv2j-4w53", "1.24", "2.6.0", "any number of chained encodings"),
    Advisory("urllib3", "CVE-2025-66471, GHSA-2xpw-w6gg-jr37", "1.0", "2.6.0", "highly compressed data in streams"),
    Advisory("urllib3", "CVE-2026-44431, GHSA-qccp-gfcp-xxvc", "1.23", "2.7.0", "headers kept in proxied redirects"),
    Advisory(
        "requests", "CVE-2024-47081, GHSA-9hjg-9r4m-mvj7", "", "2.32.4", ".netrc credentials sent to another host"
    ),
    Advisory("requests", "CVE-2026-25645, GHSA-gc5v-m9x4-r6x2", "", "2.33.0", "predictable names of temporary files"),
    Advisory("starlette", "CVE-2024-47874, GHSA-f96h-pmfr-66vw", "", "0.40.0", "form fields of any size"),
    Advisory("starlette", "CVE-2025-54121, GHSA-2c2j-9gv5-cj73", "", "0.47.2", "large files block the event loop"),
    Advisory("starlette", "CVE-2025-62727, GHSA-7f5h-v6xp-fcq8", "0.39.0", "0.49.1", "slow Range headers for files"),
    Advisory("starlette", "CVE-2026-48710, GHSA-86qp-5c8j-p5mr", "", "1.0.1", "Host can change request.url.path"),
    Advisory("starlette", "PYSEC-2026-248", "", "1.3.0", "the path can change request.url.hostname"),
    Advisory("flask", "CVE-2025-47278, GHSA-4grg-w6v8-c28g", "3.1.0", "3.1.1", "sessions signed with a fallback key"),
    Advisory("werkzeug", "CVE-2024-34069, GHSA-2g68-c3qc-8985", "", "3.0.3", "the debugger can run an attacker's code"),
    Advisory("werkzeug", "GHSA-q34m-jh98-gwm2", "", "3.0.6", "form fields of any size"),
    Advisory("django", "CVE-2025-64459, GHSA-frmv-pr5f-9mcr", "4.2", "4.2.26", "SQL injection by _connector"),
    Advisory("django", "CVE-2025-64459, GHSA-frmv-pr5f-9mcr", "5.1", "5.1.14", "SQL injection by _connector"),
    Advisory("django", "CVE-2025-64459, GHSA-frmv-pr5f-9mcr", "5.2", "5.2.8", "SQL injection by _connector"),
    Advisory("django", "CVE-2026-1287, PYSEC-2026-46", "4.2", "4.2.28", "SQL injection in column aliases"),
    Advisory("django", "CVE-2026-1287, PYSEC-2026-46", "5.2", "5.2.11", "SQL injection in column aliases"),
    Advisory("django", "CVE-2026-1287, PYSEC-2026-46", "6.0", "6.0.2", "SQL injection in column aliases"),
)
"""Only what has an id and whose versions are published with it."""


def installed(package: str) -> str | None:
    """The version of a package that is installed; ``None`` where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def advisories(version_of: Callable[[str], str | None] = installed) -> Iterator[CheckFinding]:
    """What is known of the versions that are installed."""
    versions = {name: version_of(name) for name in dict.fromkeys(each.package for each in ADVISORIES)}
    found = [finding for each in ADVISORIES if (finding := _finding(each, versions[each.package])) is not None]
    yield from found
    if not any(each.grade == "finding" for each in found):
        known = ", ".join(f"{name} {number}" for name, number in versions.items() if number is not None)
        yield CheckFinding(
            "versions", "fine", f"no advisory known as of {AS_OF} for {known or 'nothing that is installed'}"
        )


def _finding(advisory: Advisory, number: str | None) -> CheckFinding | None:
    if number is None:
        return None
    key, fixed = _order(number), _order(advisory.fixed)
    if key is None or fixed is None:
        return CheckFinding("versions", "unknown", f"{advisory.package} {number}: no version that can be compared")
    if key >= fixed or (advisory.introduced and key < (_order(advisory.introduced) or fixed)):
        return None
    said = f"{advisory.package} {number}: {advisory.about} ({advisory.ids}), as of {AS_OF}"
    return CheckFinding("versions", "finding", said, f"upgrade {advisory.package} to {advisory.fixed} or later")


_VERSION: Final = re.compile(r"(\d+(?:\.\d+)*)(a|b|rc|\.dev)?\d*.*")


def _order(number: str) -> tuple[tuple[int, ...], bool] | None:
    """A version as something that can be compared: one before a release comes before it (PEP 440)."""
    found = _VERSION.fullmatch(number)
    if found is None:
        return None
    parts = [int(part) for part in found[1].split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts), found[2] is None
