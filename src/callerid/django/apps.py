"""``"callerid.django"`` in ``INSTALLED_APPS``: the checks of ``manage.py check``."""

from __future__ import annotations

from typing import Any, cast

from django import urls
from django.apps import AppConfig
from django.core import checks

from callerid.django._dispatch import configured, settings_problems
from callerid.django._protection import Protection
from callerid.django._routes import UrlconfReader
from callerid.django._startup_checks import checked_views, problems_of

__all__ = ["CalleridConfig"]

_checks: Any = checks


class CalleridConfig(AppConfig):  # type: ignore[misc]
    """Has Django's check framework say what is wrong with the guard and its rules."""

    name = "callerid.django"
    label = "callerid"

    def ready(self) -> None:
        """Register the checks."""
        _checks.register(check_guard, _checks.Tags.security)


def check_guard(**_: Any) -> list[Any]:
    """What is wrong, as errors of Django's check framework."""
    problems = settings_problems()
    if problems:
        return [_checks.Error(each, id="callerid.E001") for each in problems]
    protection = cast("Protection", configured().protection)
    routing = UrlconfReader(cast("Any", urls).get_resolver())
    found = problems_of(protection, routing, tuple(checked_views(protection, routing)))
    return [_checks.Error(each, id="callerid.E002") for each in found]
