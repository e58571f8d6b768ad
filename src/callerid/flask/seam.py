"""Where the guard sits in a Flask application."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask

from callerid.errors import ConfigurationError
from callerid.flask.current import decision_about, request_now, undecided_dispatch
from callerid.flask.protection import Protection
from callerid.flask.survey import check
from callerid.marks import DECIDED

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

    def guarded_preprocess() -> Any:
        protection.check_once(check)
        # Some extensions put a dispatch of their own in the application, and some of those do not call ours.
        if not hasattr(app.dispatch_request, EXTENSION):
            _seat(app)
        answer = protection.admit(request_now())
        return preprocess() if answer is None else answer

    _seat(app)
    app.preprocess_request = guarded_preprocess  # type: ignore[method-assign]


def _seat(app: Flask) -> None:
    dispatch = app.dispatch_request

    def guarded_dispatch() -> Any:
        asked = request_now()
        decision = decision_about(asked)
        if decision is None:
            raise undecided_dispatch()
        decision.check(app, asked)
        undo = DECIDED.set(decision)
        try:
            return dispatch()
        finally:
            DECIDED.reset(undo)

    setattr(guarded_dispatch, EXTENSION, True)
    app.dispatch_request = guarded_dispatch  # type: ignore[method-assign]
