"""Installs the guard in a Flask application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from callerid.errors import ConfigurationError, Refusal
from callerid.flask._current import ATTRIBUTE, SERVING, Admission, request_now, tell_of_no_guard, undecided_dispatch
from callerid.flask._protection import Protection
from callerid.flask._startup_checks import check

__all__ = ["install"]

EXTENSION: Final = "callerid"
"""The key of the protection in ``app.extensions``, and the attribute that marks our own dispatch function."""


def install(protection: Protection) -> None:
    """Wrap ``preprocess_request``, where the guard decides. Raises `ConfigurationError` for a second guard."""
    app = protection.app
    if EXTENSION in app.extensions:
        raise ConfigurationError(
            "this application is protected already: call protect once, with all its rules", code="protected-twice"
        )
    app.extensions[EXTENSION] = protection
    preprocess = app.preprocess_request
    is_checked, seated = False, _seat(app)

    def guarded_preprocess() -> Any:
        nonlocal is_checked, seated
        if not is_checked:
            protection.check_once(check)
            is_checked = True
        # Some extensions replace the application's dispatch, and some of those do not call ours: wrap theirs, too.
        if app.dispatch_request is not seated:
            seated = _seat(app)
        answer = protection.admit(request_now())
        return preprocess() if answer is None else answer

    app.preprocess_request = guarded_preprocess  # type: ignore[method-assign]
    # Not by register_error_handler: it replaces one of the application's own, and fails once the application serves.
    app.error_handler_spec[None][None].setdefault(Refusal, protection.answer_raised)
    _watch_blueprints(app)


def _watch_blueprints(app: Flask) -> None:
    """Have blueprints log a warning if an application without a guard serves them, too."""
    register = app.register_blueprint

    def watched_register(*arguments: Any, **options: Any) -> None:
        register(*arguments, **options)
        _watch(app)

    app.register_blueprint = watched_register  # type: ignore[method-assign]
    _watch(app)


def _watch(app: Flask) -> None:
    # Flask copies a blueprint's functions when it is registered, so this affects later registrations only.
    for blueprint in app.blueprints.values():
        functions = blueprint.before_request_funcs.setdefault(None, [])
        if tell_of_no_guard not in functions:
            functions.insert(0, tell_of_no_guard)


def _seat(app: Flask) -> Callable[[], Any]:
    """Wrap the application's ``dispatch_request`` in the guard's, unless that was done already."""
    dispatch: Callable[[], Any] = app.dispatch_request
    is_ours = getattr(dispatch, EXTENSION, None) is dispatch  # not a wrapper that copied its attributes
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
