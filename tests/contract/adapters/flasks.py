"""Flask: marks on views; one area is a marked blueprint, the other a blueprint within a marked one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, request

from callerid.flask import Guard, current_caller
from tests.contract.application import AREAS, PLACES, Place, allowed, guard_of

from .driving import WSGI, closing, remote_user

__all__ = ["InFlask"]


def _response(status: int, headers: dict[str, str], text: str) -> Response:
    return Response(text, status, headers, content_type="text/plain")


class InFlask(WSGI):
    name = "flask"
    kinds = frozenset({"flask", "routes", "folding"})

    def application(self, setting: str) -> Any:
        guard = guard_of(Guard, setting)
        app = Flask(__name__)
        for place in PLACES:
            self._add(app, guard, place)
        marked, nested = AREAS
        alone = Blueprint("alone", __name__, url_prefix=marked.prefix)
        for place in marked.places:
            self._add(alone, guard, place)
        app.register_blueprint(guard.allow(marked.rule)(alone))
        outer, inner = Blueprint("outer", __name__, url_prefix=nested.prefix), Blueprint("inner", __name__)
        for place in nested.places:
            self._add(inner, guard, place)
        outer.register_blueprint(inner)
        app.register_blueprint(guard.allow(nested.rule)(outer))
        guard.protect(app, **closing(setting, _response))
        return app

    def _add(self, to: Flask | Blueprint, guard: Guard, place: Place) -> None:
        def view(**_: Any) -> Response:
            caller = current_caller()
            assert request.environ["callerid.caller"] is caller
            assert request.remote_user == remote_user(caller)
            assert "HTTP_REMOTE_USER" not in request.environ
            if place.method == "POST":
                request.get_data()
            return Response(self.diary.wrote(place.name, caller), content_type="text/plain")

        marked = view if place.rule is None else allowed(guard, place)(view)
        path = place.path.replace("{account:int}", "<int:account>").replace("{", "<").replace("}", ">")
        to.add_url_rule(path, place.name, marked, methods=[place.method])
