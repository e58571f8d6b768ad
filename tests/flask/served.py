"""What gunicorn serves in the tests: an application of its own process, told by the environment where keys are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, request
from flask.views import MethodView

from callerid import FirebaseUser, PathParam, Public, ServiceAccount, firebase, google
from callerid.flask import Guard, caller, current_caller
from tests.fixtures import CLIENT, ROBOT, STAFF, URL


def wrote(text: str) -> str:
    with Path(os.environ["SERVED_DIARY"]).open("a", encoding="utf-8") as diary:
        diary.write(f"{text}\n")
    return text


def application() -> Flask:
    guard = Guard(google(URL, CLIENT, keys=os.environ["SERVED_KEYS"]), firebase("shop-prod"))
    guard.warm()  # with --preload: before the fork
    app = Flask("served")
    guard.protect(app, default=STAFF)
    app.before_request(lambda: wrote("before") and None)

    @app.get("/public")
    @guard.allow(Public())
    def public() -> str:
        return wrote(f"public {request.remote_user} {current_caller()}")

    @app.get("/x")
    def x() -> str:
        return wrote(f"x {caller}")

    @app.get("/users/<user_id>")
    @guard.allow(FirebaseUser(PathParam("user_id")))
    def user(user_id: str) -> str:
        return wrote(user_id)

    @app.get("/files/<path:name>")
    def files(name: str) -> str:
        return wrote(name)

    @guard.allow(ServiceAccount(ROBOT))
    class Jobs(MethodView):
        async def post(self) -> str:
            return wrote("post")

        def delete(self) -> str:
            return wrote("delete")

    app.add_url_rule("/jobs", view_func=Jobs.as_view("jobs"))
    admin: Any = guard.allow(ServiceAccount(ROBOT))(Blueprint("admin", __name__, url_prefix="/admin"))
    admin.add_url_rule("/", "index", lambda: wrote("admin"))
    app.register_blueprint(admin)
    return app
