"""The host that calls of an application name."""

from __future__ import annotations

from typing import Any, Final, cast

from callerid.audit._rows import AccessMap

__all__ = ["SITE", "site_of"]

SITE: Final = "testserver"
"""What test clients send as the host."""


def site_of(found: AccessMap, preferred: str = SITE) -> str:
    """The host to call the application of this map by: ``preferred``, unless its Django settings refuse that name.

    Django answers 400 to a host that ``ALLOWED_HOSTS`` does not have, before any guard is asked; the list has the
    local names where it is empty and ``DEBUG`` is on.
    """
    if found.kind != "Django":
        return preferred
    from django.conf import settings  # noqa: PLC0415 - only a project's map needs it
    from django.http import request  # noqa: PLC0415

    allowed: list[str] = settings.ALLOWED_HOSTS or (["localhost"] if settings.DEBUG else [])
    if not allowed or cast("Any", request).validate_host(preferred, allowed):
        return preferred
    return allowed[0].removeprefix(".")
