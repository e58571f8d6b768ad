"""Random applications: made again from one seed they are the same, once without a guard and once behind one.

Every rule admits staff, so that staff must be answered as the framework alone answers. Of all others it is known whom
the rules on the way to an endpoint admit.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from callerid import AnyGoogleAccount, Public, Rule
from tests.fixtures import OTHERS, ROBOTS, STAFF

from .world import Reply, asked, dialled

CALLERS = (None, "staff", "outsider", "robot")
EVERYBODY = frozenset(CALLERS)
DEFAULT = frozenset({"staff"})
RULES: Mapping[Rule, frozenset[str | None]] = {
    STAFF: DEFAULT,
    STAFF | OTHERS: frozenset({"staff", "outsider"}),
    STAFF | ROBOTS: frozenset({"staff", "robot"}),
    AnyGoogleAccount(): EVERYBODY - {None},
    Public(): EVERYBODY,
}
PATHS = ("/", "/a", "/b", "/a/", "/a/b", "/{x}", "/{y}/b", "/{z:int}", "/{rest:path}")
SEGMENTS = ("a", "b", "7", "x%2fy", "a.b", "", "é", "..", "a\n")
HOSTS = ("orders.example.com", "shop.example.com")


class Way(NamedTuple):
    """The rules on the way to a place: whom they admit, ``None`` where there are none."""

    admitted: frozenset[str | None] | None = None

    def under(self, rule: Rule) -> Way:
        return Way(RULES[rule] if self.admitted is None else self.admitted & RULES[rule])


class Tree:
    """Makes one application. Without ``allow`` it has the same routes and no rules."""

    def __init__(self, seed: int, allow: Callable[[Rule], Any] | None) -> None:
        self.random = random.Random(seed)
        self.allow = allow
        self.admitted: dict[str, frozenset[str | None]] = {}
        """By an endpoint's name, whom the rules on the way to it admit."""

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def rule(self) -> Rule:
        return self.random.choice(tuple(RULES))

    def marked(self, target: Any, rule: Rule) -> Any:
        return target if self.allow is None else self.allow(rule)(target)

    def name(self, way: Way) -> str:
        name = f"endpoint{len(self.admitted)}"
        self.admitted[name] = DEFAULT if way.admitted is None else way.admitted
        return name

    def endpoint(self, way: Way) -> Any:
        rule = self.rule() if self.maybe(0.6) else None
        name = self.name(way if rule is None else way.under(rule))

        async def endpoint(request: Request) -> JSONResponse:
            return JSONResponse([name, request.scope["path"], {k: str(v) for k, v in request.path_params.items()}])

        return endpoint if rule is None else self.marked(endpoint, rule)

    def socket(self, way: Way) -> Any:
        name = self.name(way)

        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(name)
            await websocket.close()

        return socket

    def table(self, way: Way, depth: int) -> list[BaseRoute]:
        return [self.route(way, depth) for _ in range(self.random.randint(1, 5))]

    def route(self, way: Way, depth: int) -> BaseRoute:
        path = self.random.choice(PATHS)
        kind = self.random.random()
        if kind < 0.6 or depth > 2:
            methods = self.random.choice((None, ["GET"], ["POST"], ["GET", "PUT"]))
            return Route(path, self.endpoint(way), methods=methods)
        if kind < 0.7:
            return WebSocketRoute(path, self.socket(way))
        if kind < 0.78:
            return Host(self.random.choice((*HOSTS, "{sub}.example.com")), self.router(way, depth + 1))
        return self.mount(self.random.choice(("/a", "/b", "/{w}", "")), way, depth)

    def mount(self, path: str, way: Way, depth: int) -> Mount:
        rule = self.rule() if self.maybe(0.3) else None
        inner = way if rule is None else way.under(rule)
        app = self.random.choice((self.router, self.application, self.opaque))(inner, depth + 1)
        return Mount(path, app if rule is None else self.marked(app, rule))

    def router(self, way: Way, depth: int) -> Router:
        router = Router(self.table(way, depth), redirect_slashes=self.maybe(0.7))
        if self.maybe(0.2):
            router.default = PlainTextResponse("nothing here", 404)
        return router

    def application(self, way: Way, depth: int) -> Starlette:
        app = Starlette(routes=self.table(way, depth))
        app.router.redirect_slashes = self.maybe(0.7)
        return app

    def opaque(self, way: Way, _: int) -> Any:
        name = self.name(way)

        async def opaque(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.send", "text": name})
            else:
                await JSONResponse([name, scope["path"], scope["root_path"]])(scope, receive, send)

        return opaque


class Asking(NamedTuple):
    """One request."""

    path: str
    method: str
    options: dict[str, Any]

    async def of(self, app: Any, who: str | None) -> Reply:
        if not self.method:
            return await dialled(app, self.path, who, **self.options)
        return await asked(app, self.path, who, method=self.method, **self.options)


def requests(seed: int, count: int) -> Iterable[Asking]:
    chance = random.Random(-seed)
    for _ in range(count):
        segments = chance.choices(
            ("a", "b", "7", "x%2fy", "a.b", "", "é", "..", "a\n"), (9, 9, 3, 1, 1, 1, 1, 1, 1), k=3
        )
        path = "/" + "/".join(segments[: chance.randint(0, 3)]) + chance.choice(("", "", "/"))
        root = chance.choice(("", "", "", "", "/a", "/a/", "/"))
        options: dict[str, Any] = {"root_path": root} if root else {}
        if chance.random() < 0.1:
            yield Asking(path, "", options)
        else:
            host = (b"host", chance.choice(HOSTS).encode())
            method = chance.choice(("GET", "GET", "GET", "HEAD", "POST", "OPTIONS"))
            yield Asking(path, method, {**options, "headers": [host]})


def told(reply: Reply) -> tuple[Any, ...]:
    headers = reply.headers if reply.types and reply.types[0].endswith("http.response.start") else {}
    allow = sorted(headers.get("allow", "").split(", "))
    return reply.types, reply.status, headers.get("location"), allow, reply.body, type(reply.error)


def served(reply: Reply) -> str | None:
    """The endpoint that has answered, if one has."""
    if reply.types[:1] == ["websocket.accept"]:
        return str(reply.messages[1]["text"])
    return str(reply.json[0]) if reply.status == 200 else None


async def compare(bare: Any, guarded: Any, tree: Tree, seed: int, count: int) -> int:
    """Ask both applications the same; returns how often an endpoint has served somebody."""
    times = 0
    for asking in requests(seed, count):
        free = await asking.of(bare, None)
        for who in CALLERS:
            reply, name = await asking.of(guarded, who), served(free)
            seen = f"seed {seed}: {asking} by {who}: {told(reply)} instead of {told(free)}"
            if who == "staff" or (name in tree.admitted and who in tree.admitted[name]):
                assert told(reply) == told(free), seen
                times += name is not None
            elif free.status != 307:  # that is judged by the place which it leads to
                refused = 401 if who is None else 403
                # A wrong method may be told to whom the endpoint is for.
                assert reply.status in {refused, 405} & {refused, free.status}, seen
    return times


def run(*arguments: Any) -> int:
    return anyio.run(compare, *arguments)
