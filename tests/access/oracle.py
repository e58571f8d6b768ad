"""Applications made at random, in pairs of before and after a change, and what they really answer to real calls."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import anyio
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

import callerid.fastapi
import callerid.flask
import callerid.starlette
from callerid import Domain, FirebaseUser, PathParam, Public, Rule, User
from callerid.testing import LocalIssuer

ISSUER = LocalIssuer()
URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"
STAFF, GRACE = Domain("example.com"), User("grace@example.com")
RULES: list[Rule] = [STAFF, GRACE, Public(), FirebaseUser(), STAFF | FirebaseUser("a")]
DEFAULTS: list[Rule] = [STAFF, GRACE, Public(), STAFF | FirebaseUser()]
METHODS = ("GET", "POST", "OPTIONS", "PURGE")
PERSONAS: dict[str, Mapping[str, str]] = {
    "nobody": {},
    "grace": ISSUER.bearer(ISSUER.workspace_person("grace@example.com")),
    "staff": ISSUER.bearer(ISSUER.workspace_person("sam@example.com")),
    **{uid: ISSUER.bearer(ISSUER.firebase_user(uid)) for uid in ("a", "7")},
}
UUID = "6f2b6c9e-1111-4222-8333-444455556666"
TEMPLATES = (
    *("/a", "/a/", "/{x}", "/{x}/", "/a/b", "/a/{y}", "/{x}/b", "/{x}/{y}", "/b/{y}/"),
    *("/{int:n}", "/a/{int:n}", "/{uuid:u}", "/{path:p}", "/b/{path:p}"),
)
PATHS = {"": ("a", "b", "7"), "int": ("7",), "uuid": (UUID,), "path": ("a", "a/b")}
"""What stands for a parameter of each converter."""


@dataclass(frozen=True)
class Planned:
    """One route. ``marks`` are by the method where there are several, for classes."""

    template: str
    methods: tuple[str, ...]
    rule: Rule | None
    mount: str = ""
    mounted: Rule | None = None
    is_class: bool = False
    strict: bool = True


@dataclass(frozen=True)
class Plan:
    """An application."""

    framework: str
    routes: tuple[Planned, ...]
    default: Rule
    table: tuple[tuple[str, Rule], ...] = ()
    redirects: bool = True


def a_plan(random: Random, framework: str) -> Plan:
    routes = tuple(_a_route(random, framework) for _ in range(random.randint(1, 5)))
    first = random.choice(routes)
    key = f"{first.methods[0]} {_written(first.template, framework)}"
    table = ((key, random.choice(RULES)),) if random.random() < 0.3 and not first.mount else ()
    return Plan(framework, routes, random.choice(DEFAULTS), table, random.random() < 0.8)


def changed(random: Random, plan: Plan) -> Plan:
    """One thing of it is otherwise."""
    routes, at = list(plan.routes), random.randrange(len(plan.routes))
    another = _a_route(random, plan.framework)
    way = random.choice(["order", "gone", "new", "new", "instead", "rule", "methods", "default", "redirects", "table"])
    if way == "order":
        random.shuffle(routes)
    elif way == "gone":
        del routes[at]
    elif way == "new":
        routes.insert(at, another)
    elif way == "instead":
        routes[at] = another
    elif way == "rule":
        routes[at] = replace(routes[at], rule=_a_rule(random, routes[at].template))
    elif way == "methods":
        routes[at] = replace(routes[at], methods=another.methods)
    elif way == "default":
        return replace(plan, default=random.choice(DEFAULTS))
    elif way == "redirects":
        return replace(plan, redirects=not plan.redirects)
    else:
        return replace(plan, table=())
    return replace(plan, routes=tuple(routes))


def _a_route(random: Random, framework: str) -> Planned:
    template = random.choice(TEMPLATES)
    methods = tuple(sorted(random.sample(("GET", "POST", "OPTIONS"), random.choice((1, 1, 1, 2)))))
    mount = "" if framework == "flask" else random.choice(("", "", "", "/a", "/b", "/{m}"))
    return Planned(
        template,
        methods,
        _a_rule(random, template),
        mount,
        random.choice((None, None, STAFF, Public())) if mount else None,
        random.random() < 0.2,
        random.random() < 0.7,
    )


def _a_rule(random: Random, template: str) -> Rule | None:
    own = [FirebaseUser(PathParam(name)) for name in ("x", "y") if f"{{{name}}}" in template]
    return random.choice([None, *RULES, *own, *(STAFF | each for each in own)])


def _written(template: str, framework: str) -> str:
    """The template as the framework writes it."""
    if framework == "flask":
        return re.sub(r"\{(?:(\w+):)?(\w+)\}", lambda m: f"<{m[1]}:{m[2]}>" if m[1] else f"<{m[2]}>", template)
    return re.sub(r"\{(\w+):(\w+)\}", r"{\2:\1}", template)


# --- the applications ---


def made(plan: Plan) -> Any:
    """The application of a plan; each route answers with its number."""
    return _of_flask(plan) if plan.framework == "flask" else _of_starlette(plan)


def _of_starlette(plan: Plan) -> Starlette:
    is_fastapi = plan.framework == "fastapi"
    kind = callerid.fastapi.Guard if is_fastapi else callerid.starlette.Guard
    guard: Any = kind(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod"))
    app: Any = FastAPI(openapi_url=None) if is_fastapi else Starlette()
    app.router.redirect_slashes = plan.redirects
    for number, each in enumerate(plan.routes):
        path, own = _written(each.template, plan.framework), _marked(guard, each.rule, _endpoint(each, number))
        if is_fastapi and not each.mount and not each.is_class:
            app.add_api_route(path, own, methods=[*each.methods])
            continue
        route = Route(path, own, methods=None if each.is_class else [*each.methods])
        if each.mount:
            inner = Router(routes=[route], redirect_slashes=plan.redirects)
            route = Mount(each.mount, _marked(guard, each.mounted, inner))  # type: ignore[assignment]
        app.router.routes.append(route)
    guard.protect(app, default=plan.default, routes=dict(plan.table))
    return app  # type: ignore[no-any-return]


def _marked(guard: Any, rule: Rule | None, target: Any) -> Any:
    return target if rule is None else guard.allow(rule)(target)


def _endpoint(each: Planned, number: int) -> Any:
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{number}")

    async def handler(_: Any, request: Request) -> PlainTextResponse:
        return await endpoint(request)

    if each.is_class:
        return type("Own", (HTTPEndpoint,), {method.lower(): handler for method in each.methods})
    # FastAPI reads parameters of the path from the request that it is given.
    endpoint.__annotations__ = {"request": Request, "return": Any}
    return endpoint


def _of_flask(plan: Plan) -> Flask:
    guard = callerid.flask.Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod"))
    app = Flask("oracle", static_folder=None)
    guard.protect(app, default=plan.default, routes=dict(plan.table))
    for number, each in enumerate(plan.routes):
        view: Callable[..., str] = lambda number=number, **_: f"{number}"
        app.add_url_rule(
            _written(each.template, "flask"),
            f"view_{number}",
            _marked(guard, each.rule, view),
            methods=[*each.methods],
            strict_slashes=each.strict,
        )
    return app


# --- what they answer ---

Call = tuple[str, str, str]
"""A persona, a method and a path."""


def paths_of(*plans: Plan) -> list[str]:
    """Paths for which the routes are, or nearly."""
    found = {"/", "/z", "/a", "/a/"}
    for each in (route for plan in plans for route in plan.routes):
        found.update(_filled(each.mount + each.template))
        found.update([each.mount, f"{each.mount}/", f"{each.mount}/z"] if each.mount.isalpha() else ())
    return sorted({way for path in found for way in (path, path.removesuffix("/") or "/", f"{path}/")} - {"//"})


def _filled(template: str) -> Iterable[str]:
    parameter = re.search(r"\{(?:(\w+):)?\w+\}", template)
    if parameter is None:
        return [template]
    texts = PATHS[parameter[1] or ""]
    filled = (template[: parameter.start()] + text + template[parameter.end() :] for text in texts)
    return [path for each in filled for path in _filled(each)]


def answers(app: Any, paths: Iterable[str]) -> dict[Call, tuple[int, str]]:
    """Status and body of each call of each persona."""
    calls = [(who, method, path) for who in PERSONAS for method in METHODS for path in paths]
    if isinstance(app, Flask):
        return {call: _of_wsgi(app, *call) for call in calls}

    async def made_calls() -> dict[Call, tuple[int, str]]:
        return {call: await _of_asgi(app, *call) for call in calls}

    return anyio.run(made_calls)


async def _of_asgi(app: Any, who: str, method: str, path: str) -> tuple[int, str]:
    status, body = [500], list[bytes]()

    async def send(message: Any) -> None:
        status[0] = message.get("status", status[0])
        body.append(message.get("body", b""))

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "https",
        "server": ("testserver", 443),
        "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in PERSONAS[who].items()],
    }
    await app(scope, receive, send)
    return status[0], b"".join(body).decode()


def _of_wsgi(app: Flask, who: str, method: str, path: str) -> tuple[int, str]:
    status: list[int] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in PERSONAS[who].items()},
    }
    serve: Any = app.wsgi_app
    body = serve(environ, lambda line, *_: status.append(int(line.split()[0])))
    return status[0], b"".join(body).decode()
