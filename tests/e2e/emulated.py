"""An example application as on a developer's machine: with the Firebase Auth emulator, and two routes more.

Served from the folder of an example, whose own module is ``app``. (The variables are this test's: the library reads
none.)
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from callerid import CustomClaim, FirebaseUser, PathParam, Tenant, firebase, firebase_session

example: Any = importlib.import_module("app")
app, guard = example.app, example.guard

EMULATOR, TENANTS = os.environ["E2E_EMULATOR"], os.environ["E2E_TENANTS"].split(",")
MEMBER = FirebaseUser(PathParam("uid")) & Tenant(PathParam("tenant"))
TEMPLATE = "/tenants/<tenant>/users/<uid>" if hasattr(app, "wsgi_app") else "/tenants/{tenant}/users/{uid}"


def editors() -> dict[str, str]:
    return {"for": "editors"}


def member(tenant: str, uid: str) -> dict[str, str]:
    return {"tenant": tenant, "uid": uid}


guard.distrust(*(issuer for issuer in guard.issuers if issuer.project is not None))
guard.trust(
    firebase("demo-shop", TENANTS, emulator=EMULATOR), firebase_session("demo-shop", TENANTS, emulator=EMULATOR)
)
app.get("/editors")(guard.allow(CustomClaim("role", "editor"))(editors))
app.get(TEMPLATE)(guard.allow(MEMBER)(member))
