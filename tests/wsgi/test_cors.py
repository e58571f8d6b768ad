"""CORS middleware of Flask inside of ``CallerMiddleware``: recognised as the package itself installs it."""

from __future__ import annotations

from typing import Any

import flask
import flask_cors
import pytest

from callerid import Public

from .world import guarded, statuses


def by_class(app: flask.Flask) -> None:
    flask_cors.CORS(app)


def for_some_paths(app: flask.Flask) -> None:
    flask_cors.CORS(app, resources={"/api/*": {"origins": "https://shop.example"}})


def of_a_blueprint(app: flask.Flask) -> None:
    blueprint = flask.Blueprint("api", __name__)
    flask_cors.CORS(blueprint)
    app.register_blueprint(blueprint)


@pytest.mark.parametrize("install", [by_class, for_some_paths, of_a_blueprint])
def test_flask_cors_inside_is_warned_of(install: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("orders")
    shut = guarded(app.wsgi_app, default=Public())
    assert caplog.messages == []
    install(app)
    assert statuses(shut, "/x", None, None) == [404, 404]
    (said,) = caplog.messages
    assert "flask-cors stands inside of CallerMiddleware" in said
