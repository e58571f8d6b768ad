"""Django's settings, once for all tests of one process, and projects with settings of their own."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType, ModuleType
from typing import Any, cast

import django
from django.conf import LazySettings, settings

__all__ = ["Project", "configure", "wsgi_of"]


def configure() -> None:
    """Set Django up, whoever comes first."""
    if settings.configured:
        return
    settings.configure(
        ROOT_URLCONF="tests.asgi.djangos",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY=os.urandom(8).hex(),
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "rest_framework",
            "callerid.django",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["callerid.django.CallerAuthentication"]},
        LOGGING={"version": 1, "disable_existing_loggers": False, "loggers": {"django": {"level": "CRITICAL"}}},
    )
    # Django has one object for all settings; each context may have values of its own.
    object.__dict__["__class__"].__set__(settings, _Settings)
    django.setup()


_own: ContextVar[Mapping[str, Any]] = ContextVar("own settings", default=MappingProxyType({}))


class _Settings(LazySettings):
    def __getattribute__(self, name: str) -> Any:
        own = _own.get()
        return own[name] if name in own else super().__getattribute__(name)


_numbers = itertools.count()


class Project:
    """A URLconf with its settings, which hold within `settings`."""

    def __init__(self, urlpatterns: Any, guard: Any = None, middleware: Any = (), **options: Any) -> None:
        configure()
        self.module = cast("Any", ModuleType(f"tests_django_project_{next(_numbers)}"))
        self.module.urlpatterns = urlpatterns
        self.module.guard = guard
        sys.modules[self.module.__name__] = self.module
        ours = [] if guard is None else ["callerid.django.CallerMiddleware"]
        self._options: dict[str, Any] = {
            "ROOT_URLCONF": self.module.__name__,
            "MIDDLEWARE": [*middleware, *ours],
            "CALLERID_GUARD": f"{self.module.__name__}.guard",
            **options,
        }

    @contextmanager
    def settings(self) -> Iterator[None]:
        """In this context, without the signals of ``override_settings``: they would have Django forget all URLconfs."""
        token = _own.set(self._options)
        try:
            yield
        finally:
            _own.reset(token)


def wsgi_of(project: Project) -> Any:
    """The project as a WSGI application, under its settings."""
    from django.core.handlers.wsgi import WSGIHandler

    with project.settings():
        handler: Any = WSGIHandler()

    def app(environ: Any, start_response: Any) -> Any:
        with project.settings():
            return handler(environ, start_response)

    return app
