"""Where the guard sits in a Flask application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from callerid.errors import ConfigurationError
from callerid.flask.current import ATTRIBUTE, SERVING, Admission, request_now, tell_of_no_guard, undecided_dispatch
from callerid.flask.protection import Protection
from callerid.flask.startup_checks import check

__all__ = ["install"]

EXTENSION: Final = "callerid"
"""Where an application's protection is found, in ``app.extensions``; and what tells our dispatch from others."""


def install(protection: Protection) -> None:
    """Put the guard where the application begins to prepare a request. Raises `ConfigurationError` for a second one."""
    app = protection.app
    if EXTENSION in app.extensions:
        raise ConfigurationError("this application is protected already: call protect once, with all its rules")
    app.extensions[EXTENSION] = protection
    preprocess = app.preprocess_request
    is_checked, seated = False, _seat(app)

    def guarded_preprocess() -> Any:
        nonlocal is_checked, seated
        if not is_checked:
            protection.check_once(check)
            is_checked = True
        # Some extensions put a dispatch of their own in the application, and some of those do not call ours.
        if app.dispatch_request is not seated:
            seated = _seat(app)
        answer = protection.admit(request_now())
        return preprocess() if answer is None else answer

    app.preprocess_request = guarded_preprocess  # type: ignore[method-assign]
    _watch_blueprints(app)


def _watch_blueprints(app: Flask) -> None:
    """Have the blueprints of an application tell of others that are registered with an application without a guard."""
    register = app.register_blueprint

    def watched_register(*arguments: Any, **options: Any) -> None:
        register(*arguments, **options)
        _watch(app)

    app.register_blueprint = watched_register  # type: ignore[method-assign]
    _watch(app)


def _watch(app: Flask) -> None:
    # What is registered already has taken its functions along: this is for applications to come.
    for blueprint in app.blueprints.values():
        functions = blueprint.before_request_funcs.setdefault(None, [])
        if tell_of_no_guard not in functions:
            functions.insert(0, tell_of_no_guard)


def _seat(app: Flask) -> Callable[[], Any]:
    """Put the guard's dispatch around the application's, unless it is one."""
    dispatch: Callable[[], Any] = app.dispatch_request
    is_ours = getattr(dispatch, EXTENSION, None) is dispatch  # and no wrapper that has taken its attributes along
    if is_ours:
        return dispatch

    def guarded_dispatch() -> Any:
        asked = request_now()
        decision: Admission | None = getattr(asked, ATTRIBUTE, None)
        if decision is None:
            raise undecided_dispatch()
        decision.check(app, asked)
        own = vars(asked)
        around = own.get(SERVING)
        own[SERVING] = decision
        try:
            return dispatch()
        finally:
            own[SERVING] = around

    setattr(guarded_dispatch, EXTENSION, guarded_dispatch)
    app.dispatch_request = guarded_dispatch  # type: ignore[method-assign]
    return guarded_dispatch
