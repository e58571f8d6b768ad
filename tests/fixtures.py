"""What the tests of all adapters share: one issuer, its keys at hand, rules, and a token for each kind of caller."""

from __future__ import annotations

import functools
import time

from callerid import Domain, FirebaseUser, Issuer, PathParam, ServiceAccount
from callerid.testing import LocalIssuer

__all__ = [
    "AT_HAND",
    "CLIENT",
    "OTHERS",
    "OWNER",
    "ROBOT",
    "ROBOTS",
    "STAFF",
    "URL",
    "issuer",
    "issuers_of",
    "token",
]

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
ROBOT = "scheduler@shop-prod.iam.gserviceaccount.com"
STAFF = Domain("example.com")
OTHERS = Domain("other.com")
ROBOTS = ServiceAccount(ROBOT)
OWNER = FirebaseUser(PathParam("user"))

issuer = LocalIssuer()


def issuers_of(source: LocalIssuer) -> tuple[Issuer, Issuer]:
    """Whom a guard trusts here. Keys are at hand, or have to be fetched where the local issuer is serving."""
    return source.google(URL, CLIENT), source.firebase("shop-prod")


AT_HAND = issuers_of(issuer)


def token(who: str) -> str:
    """``staff``, ``outsider``, ``robot``, an address at gmail.com or of a Workspace, or else a Firebase user's id.

    It is made anew every twenty minutes: on a busy machine the tests may take longer than it lives.
    """
    return _token(who, int(time.time() // 1200))


@functools.cache
def _token(who: str, _: int) -> str:
    if who == "staff":
        return issuer.workspace_person("ada@example.com")
    if who == "outsider":
        return issuer.workspace_person("eve@other.com")
    if who == "robot":
        return issuer.service_account(ROBOT, audience=URL)
    if who.endswith("@gmail.com"):
        return issuer.person(who)
    if "@" in who:
        return issuer.workspace_person(who)
    return issuer.firebase_user(who)
