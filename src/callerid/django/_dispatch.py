"""``CallerMiddleware``: the guard in Django's dispatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers import base
from django.utils import module_loading

from callerid._marks import DECIDED
from callerid.django._current import ATTRIBUTE, ViewAdmission, held, is_async, undecided
from callerid.django._guard import Guard
from callerid.django._protection import Protection
from callerid.django._startup_checks import check
from callerid.errors import ConfigurationError, Refusal, pointed

__all__ = ["MIDDLEWARE", "CallerMiddleware", "configured", "protection_of", "settings_problems"]

_base: Any = base
_import: Callable[[str], object] = cast("Any", module_loading).import_string

MIDDLEWARE: Final = "callerid.django.CallerMiddleware"
SETTING: Final = "CALLERID_GUARD"

_PLACE: Final = (
    f"{MIDDLEWARE!r} stands last in MIDDLEWARE: what came after it could answer, or change what serves, after the "
    "guard had decided"
)
_NEEDED: Final = ("resolve_request", "make_view_atomic")


def configured() -> Guard:
    """The guard that the settings name. Raises `ConfigurationError`, with the remedy in its message."""
    name = getattr(settings, SETTING, None)
    if not isinstance(name, str):
        raise ConfigurationError(
            f"the setting {SETTING} names the guard, as 'project.access.guard', where project/access.py says "
            f"guard = Guard(...) and guard.protect(default=...); it is {name!r}",
            code="django-settings",
        )
    try:
        guard: object = _import(name)
    except ImportError as error:
        raise ConfigurationError(f"{SETTING} = {name!r} cannot be imported: {error}", code="django-settings") from error
    if not isinstance(guard, Guard):
        raise ConfigurationError(
            f"{SETTING} = {name!r} is not a callerid.django.Guard, but {guard!r}", code="django-settings"
        )
    if guard.protection is None:
        raise ConfigurationError(
            f"{SETTING} = {name!r}: call guard.protect(default=...) where the guard is made", code="django-settings"
        )
    return guard


class CallerMiddleware:
    """Django middleware that judges every request by the rule of the view that serves it. It stands last.

    ``settings.CALLERID_GUARD`` names the guard (see `Guard.protect`). Django's own resolver is asked once, before any
    ``process_view``; the decision is made; and Django's handler serves the match that was judged. Raises
    `ConfigurationError` where the server starts, for settings and rules that cannot hold.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._protection = cast("Protection", configured().protection)
        self._handler = _handler_of(get_response)
        self._resolve = _seat(self._handler)
        setattr(self._handler, _PROTECTION, self._protection)
        if is_async(get_response):
            cast("Any", markcoroutinefunction)(self)
            self._call: Callable[[Any], Any] = self._serve_async
        else:
            self._call = self._serve
        self._protection.routing(None, check)

    def __call__(self, request: Any) -> Any:
        """Serve a request, if it may."""
        return self._call(request)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Answer a refusal that a view raised and did not catch; all else is Django's to answer."""
        return self._protection.answer_raised(request, exception) if isinstance(exception, Refusal) else None

    def _target(self, request: Any) -> Any:
        routing = self._protection.routing(getattr(request, "urlconf", None), check)
        return self._protection.target(request, routing, self._resolve)

    def _serve(self, request: Any) -> Any:
        answer = self._protection.admit(request, self._target(request))
        if answer is not None:
            return answer
        response = self._get_response(request)
        _end(request)
        return response

    async def _serve_async(self, request: Any) -> Any:
        answer = await self._protection.admit_async(request, self._target(request))
        if answer is not None:
            return answer
        response = await self._get_response(request)
        _end(request)
        return response


def _handler_of(get_response: Any) -> Any:
    """Django's handler, whose own method is what the last middleware is given (`BaseHandler.load_middleware`)."""
    handler = getattr(getattr(get_response, "__wrapped__", None), "__self__", None)
    if not isinstance(handler, _base.BaseHandler):
        raise ConfigurationError(_PLACE, code="django-middleware-place")
    for name in _NEEDED:
        if not callable(getattr(handler, name, None)):
            raise ConfigurationError(
                f"this release of Django has no BaseHandler.{name}: callerid cannot guard it", code="django-release"
            )
    return handler


_PROTECTION: Final = "_callerid_protection"


def protection_of(handler: object) -> Protection | None:
    """What protects the project that a handler serves; ``None`` where nothing does."""
    return cast("Protection | None", getattr(handler, _PROTECTION, None))


_SEAT: Final = "_callerid_seat"


def _seat(handler: Any) -> Callable[[Any], Any]:
    """Have a handler serve what was judged: what it resolves, and the view that it calls.

    Returns how it resolves by itself.
    """
    original: Callable[[Any], Any] = held(handler).get(_SEAT, handler.resolve_request)
    if _SEAT in held(handler):
        return original
    make_view_atomic = handler.make_view_atomic

    def resolve_request(request: Any) -> Any:
        return _admission_of(request).served()

    def guarded_view(view: Any) -> Callable[..., Any]:
        atomic = make_view_atomic(view)
        if is_async(atomic):

            async def guarded_async(request: Any, *args: Any, **kwargs: Any) -> Any:
                token = DECIDED.set(_checked(request, view, kwargs))
                try:
                    return await atomic(request, *args, **kwargs)
                finally:
                    DECIDED.reset(token)

            return guarded_async

        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            token = DECIDED.set(_checked(request, view, kwargs))
            try:
                return atomic(request, *args, **kwargs)
            finally:
                DECIDED.reset(token)

        return guarded

    handler.resolve_request = resolve_request
    handler.make_view_atomic = guarded_view
    setattr(handler, _SEAT, original)
    return original


def _admission_of(request: Any) -> ViewAdmission:
    admission: ViewAdmission | None = held(request).get(ATTRIBUTE)
    if admission is None:
        raise undecided("this request is dispatched although no guard let it in")
    return admission


def _checked(request: Any, view: Any, kwargs: dict[str, Any]) -> ViewAdmission:
    admission = _admission_of(request)
    admission.check(view, request, kwargs)
    return admission


def _end(request: Any) -> None:
    """End what the decision was for: middleware that calls its ``get_response`` again makes a new request of it."""
    if not _admission_of(request).is_served:
        raise undecided("this release of Django does not ask its handler which view serves: callerid cannot guard it")
    held(request)[ATTRIBUTE] = None


def settings_problems() -> list[str]:
    """What is wrong with the settings that concern the guard."""
    ours = [isinstance(each, type) and issubclass(each, CallerMiddleware) for each in map(_import, settings.MIDDLEWARE)]
    if not any(ours):
        missing = f"MIDDLEWARE has no {MIDDLEWARE!r}, so that no rule is enforced: put it last"
        return [pointed(missing, "django-middleware-place")]
    problems = [] if ours[-1] else [pointed(_PLACE, "django-middleware-place")]
    try:
        configured()
    except (ConfigurationError, ImproperlyConfigured) as error:
        problems.append(str(error))
    return problems
