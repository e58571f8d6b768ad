"""The rules in the OpenAPI document: derived from what is enforced."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI

from callerid.fastapi._decorator import SCHEME
from callerid.guard import GuardCore
from callerid.issuers import APP_CHECK
from callerid.rules import needs_app
from callerid.starlette._protection import Protection
from callerid.starlette._startup_checks import checked_routes

__all__ = ["describe_rules"]

APP_SCHEME = "app-check"
"""The name of App Check in the document."""

_PROBLEM: dict[str, Any] = {
    "application/problem+json": {
        "schema": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "reason": {"type": "string"},
                "instance": {"type": "string", "format": "uri"},
            },
        }
    }
}
_RESPONSES = {"401": "Who is calling is not known", "403": "The caller may not"}


def describe_rules(app: FastAPI, protection: Protection) -> None:
    """Let ``app.openapi()`` tell which operations need a caller, and what the others get."""
    original = app.openapi
    described: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal described
        document = original()
        # FastAPI keeps its document, and gives the same one every time.
        if document is not described:
            _describe(document, app, protection)
            described = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _describe(document: dict[str, Any], app: FastAPI, protection: Protection) -> None:
    guarded = attested = False
    offered = _schemes(protection.guard)
    operations: dict[tuple[str, str], Any] = {
        (path, method): operation
        for path, methods in document.get("paths", {}).items()
        for method, operation in methods.items()
    }
    for found in checked_routes(app.router, protection):
        # Of several routes with one path and method the first serves.
        operation = operations.pop((found.template, found.method.lower()), None)
        if operation is None or found.policy is None:
            continue
        requirements = dict(found.policy.parts)
        requirement = requirements.get(protection.guard)
        security = [each for each in operation.pop("security", []) if SCHEME not in each]
        if requirement is not None and not requirement.public:
            guarded = True
            beside: dict[str, list[str]] = {APP_SCHEME: []} if needs_app(requirement.rule) else {}
            attested = attested or bool(beside)
            security += [beside] if requirement.optional else []
            security += [{name: [], **beside} for name in offered]
            for status, description in _RESPONSES.items():
                operation.setdefault("responses", {}).setdefault(
                    status, {"description": description, "content": _PROBLEM}
                )
        if security:
            operation["security"] = security
    if guarded:
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        own = {APP_SCHEME: {"type": "apiKey", "in": "header", "name": APP_CHECK.header}} if attested else {}
        for name, scheme in {**offered, **own}.items():
            schemes.setdefault(name, scheme)


def _schemes(guard: GuardCore) -> dict[str, Any]:
    """The security schemes of a guard by their names: one for each location of a caller's credential."""
    schemes: dict[str, Any] = {}
    for location in guard.authenticator.trusted.locations:
        # The names of components are of these letters (OpenAPI 3.1 section 4.8.7).
        own = re.sub(r"[^A-Za-z0-9._-]", "-", location.name)
        if location.cookie:
            schemes[own] = {"type": "apiKey", "in": "cookie", "name": location.cookie}
        elif location.is_app:
            continue  # it names no caller
        elif location.is_bare:
            schemes[own] = {"type": "apiKey", "in": "header", "name": location.header}
        elif location.scheme != "Bearer":
            schemes[own] = {"type": "http", "scheme": location.scheme}
        elif not location.is_intermediary:
            schemes[SCHEME] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return schemes
