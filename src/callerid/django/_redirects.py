"""Where Django's own middleware sends a request for which the URLconf has no route."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from django.conf import settings
from django.conf.urls import i18n
from django.urls import Resolver404
from django.utils import module_loading, translation

__all__ = ["destination_of", "middleware_classes"]

_i18n: Any = i18n
_translation: Any = translation
_import: Callable[[str], Any] = cast("Any", module_loading).import_string

COMMON: Final = "django.middleware.common.CommonMiddleware"
LOCALE: Final = "django.middleware.locale.LocaleMiddleware"


def destination_of(path: str, resolver: Any, urlconf: Any) -> Any:
    """What Django's resolver finds at the place that a redirect leads to; ``None`` where nothing redirects.

    ``CommonMiddleware`` appends a slash where ``APPEND_SLASH`` is set, and ``LocaleMiddleware`` a language in front.
    """
    return next((found for each in _candidates(path, urlconf) if (found := _found(resolver, each)) is not None), None)


def _candidates(path: str, urlconf: Any) -> Iterator[str]:
    found = middleware_classes(tuple(settings.MIDDLEWARE))
    slashed = settings.APPEND_SLASH and not path.endswith("/")
    if slashed and _has(found, COMMON):
        yield f"{path}/"
    if _has(found, LOCALE) and _is_redirected(path, urlconf):
        prefixed = f"/{_translation.get_language()}{path}"
        yield prefixed
        if slashed:
            yield f"{prefixed}/"


def _is_redirected(path: str, urlconf: Any) -> bool:
    uses_prefixes, has_default_prefixed = _i18n.is_language_prefix_patterns_used(urlconf)
    return uses_prefixes and has_default_prefixed and not _translation.get_language_from_path(path)


def _found(resolver: Any, path: str) -> Any:
    try:
        match = resolver.resolve(path)
    except Resolver404:
        return None
    return match if getattr(match.func, "should_append_slash", True) else None


@functools.cache
def middleware_classes(names: tuple[str, ...]) -> tuple[Any, ...]:
    """What these settings of ``MIDDLEWARE`` name."""
    return tuple(map(_import, names))


def _has(found: tuple[Any, ...], name: str) -> bool:
    wanted = _import(name)
    return any(isinstance(each, type) and issubclass(each, wanted) for each in found)
