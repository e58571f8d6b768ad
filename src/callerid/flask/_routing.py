"""Which rule of the URL map serves a request, by the application's own routing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from flask import Flask, Request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

from callerid.flask._current import Serving

__all__ = ["Destination", "adapter_at", "destination_of", "served"]


class Destination(NamedTuple):
    """What serves a path for a method, and the path parameters. ``is_redirected``: it is the target of a redirect."""

    serving: Serving
    arguments: Mapping[str, Any]
    is_redirected: bool = False


_MOST_HOPS: Final = 5
"""At most this many redirects in a row are followed."""


def destination_of(app: Flask, asked: Request, serving: Serving) -> Destination:
    """What serves a request; for a redirect that Werkzeug answers, what serves its target in this application.

    For a redirect to another host, out of the application, or after too many redirects, nothing does.
    """
    found = Destination(serving, asked.view_args or {})
    if not isinstance(serving.exception, RequestRedirect):
        return found
    return _followed(app, _adapter(app, asked), found)


def served(app: Flask, adapter: MapAdapter, method: str, path: str) -> Destination:
    """What would serve a path, without a request: of the application, only converters run.

    A redirect is followed as by `destination_of`. ``adapter`` is one of `adapter_at`.
    """
    return _followed(app, adapter, _matched(app, adapter, path, method))


def adapter_at(app: Flask, base_url: str | None = None) -> MapAdapter:
    """The routing of an application at a host, such as ``http://api.example.com``, or at its own."""
    from flask.testing import EnvironBuilder  # noqa: PLC0415 - for the map, not for requests

    return _adapter(app, app.request_class(EnvironBuilder(app, base_url=base_url).get_environ()))


def _adapter(app: Flask, asked: Request) -> MapAdapter:
    return cast("MapAdapter", app.create_url_adapter(asked))  # there is one for every request


def _followed(app: Flask, adapter: MapAdapter, found: Destination) -> Destination:
    for _ in range(_MOST_HOPS):
        path = _path_inside(adapter, found.serving.exception)
        if path is None:
            break
        found = _matched(app, adapter, path, found.serving.method)._replace(is_redirected=True)
    return found


def _matched(app: Flask, adapter: MapAdapter, path: str, method: str) -> Destination:
    try:
        rule, arguments = adapter.match(path, method=method, return_rule=True)
    except HTTPException as exception:
        return Destination(Serving(None, exception, None, method), {})
    return Destination(Serving(rule, None, app.view_functions.get(rule.endpoint), method), arguments)


def _path_inside(adapter: MapAdapter, exception: Any) -> str | None:
    """The path in this application that a redirect leads to; ``None`` if it leads elsewhere."""
    if not isinstance(exception, RequestRedirect):
        return None
    try:
        target = urlsplit(exception.new_url)
    except ValueError:  # not a valid host
        return None
    path = unquote(target.path)
    if target.netloc != adapter.get_host(None) or not path.startswith(adapter.script_name):
        return None
    return f"/{path.removeprefix(adapter.script_name)}"
