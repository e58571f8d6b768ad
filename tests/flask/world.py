"""A protected Flask application, a diary of what ran in it, and a client that sends as anybody."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask
from werkzeug.test import TestResponse

from callerid.flask import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, STAFF, issuers_of, token

F = TypeVar("F", bound=Callable[..., Any])


def new_guard(remote: LocalIssuer | None = None, **options: Any) -> Guard:
    """Its keys are at hand, or those of a serving issuer, which have to be fetched."""
    return Guard(*(AT_HAND if remote is None else issuers_of(remote)), **options)


def closed(guard: Guard | None = None, *, default: Any = STAFF, app: Flask | None = None, **options: Any) -> Flask:
    """A protected application: views come later, as they do."""
    app = app or Flask(__name__)
    (guard or new_guard()).protect(app, default=default, **options)
    return app


class Diary(list[str]):
    """What ran."""

    def view(self, name: str = "view") -> Callable[..., str]:
        def view(**arguments: Any) -> str:
            self.append(name)
            return name

        view.__name__ = name.replace("/", "_").replace(".", "_")
        return view

    def noting(self, name: str) -> Callable[..., None]:
        """For ``before_request`` and its like."""

        def note(*_: Any) -> None:
            self.append(name)

        return note


def ask(app: Any, path: str, who: str | None = None, *, method: str = "GET", **options: Any) -> TestResponse:
    headers = dict(options.pop("headers", {}))
    if who is not None:
        headers["Authorization"] = f"Bearer {token(who)}"
    options.setdefault("buffered", True)  # files are closed
    return app.test_client().open(path, method=method, headers=headers, **options)  # type: ignore[no-any-return]


def status(app: Any, path: str, who: str | None = None, **options: Any) -> int:
    return ask(app, path, who, **options).status_code


def statuses(app: Any, path: str, *callers: str | None, **options: Any) -> list[int]:
    return [status(app, path, who, **options) for who in callers]


def only_others(app: Any, path: str = "/", **options: Any) -> bool:
    """Whether it is the mark that holds, and not the default."""
    return statuses(app, path, None, "staff", "robot", "outsider", **options) == [401, 403, 403, 200]


def keeping(function: F) -> F:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return wrapper  # type: ignore[return-value]


def hiding(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return wrapper
