"""CORS headers of flask-cors' ``@cross_origin``, on responses that the guard sends instead of calling the view.

The decorated view does not run for a refusal or a preflight, so the headers are added here, by flask-cors' own
functions with the decorator's options. (``CORS(app)`` and ``CORS(blueprint)`` add theirs in ``after_request``, which
runs for every response.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import Flask, Request, Response

from callerid._marks import layers_of

__all__ = ["CrossOrigin", "cross_origin_of", "is_preflight"]

_MODULE: Final = "flask_cors.decorator"


@dataclass(frozen=True, slots=True, eq=False)
class CrossOrigin:
    """The options of one ``@cross_origin``, and the functions of flask-cors that apply them."""

    options: Mapping[str, Any]
    resolve: Callable[..., Any]
    apply: Callable[..., Any]
    done: str

    def answers_options(self, app: Flask) -> bool:
        """Whether flask-cors answers OPTIONS itself, without calling the view."""
        usual: bool = cast("Any", app.config).get("CORS_AUTOMATIC_OPTIONS", True)
        return bool(self.options.get("automatic_options", usual))

    def add_to(self, response: Response, app: Flask) -> Response:
        """Add the headers to a response to the current request, as the decorator does."""
        self.apply(response, self.resolve(app, self.options))
        setattr(response, self.done, True)  # tells CORS(app) not to add headers again
        return response


def cross_origin_of(*callables: Any) -> CrossOrigin | None:
    """The outermost ``@cross_origin`` on these; ``None`` without one, or where its options cannot be read."""
    return next((found for each in callables for layer in layers_of(each) if (found := _read(layer))), None)


def _read(layer: Any) -> CrossOrigin | None:
    module: dict[str, Any] = getattr(layer, "__globals__", {})
    if module.get("__name__") != _MODULE:
        return None
    cells = zip(layer.__code__.co_freevars, layer.__closure__ or (), strict=True)
    options = next((cell.cell_contents for name, cell in cells if name == "_options"), None)
    functions: list[Any] = [
        module.get(name) for name in ("get_cors_options", "set_cors_headers", "FLASK_CORS_EVALUATED")
    ]
    return None if options is None or None in functions else CrossOrigin(options, *functions)


def is_preflight(asked: Request) -> bool:
    """Whether this is a CORS preflight (Fetch standard, "CORS-preflight fetch"), which carries no credential."""
    return asked.method == "OPTIONS" and {"HTTP_ORIGIN", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"} <= asked.environ.keys()
