"""The applications under load: each framework's hello, without authentication, with callerid, and with its peers.

``python -m bench.apps NAME PORT`` serves one under uvicorn, and gunicorn serves those of Flask; what they need comes in
``BENCH_SETUP`` as JSON.
"""

import asyncio
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import flask
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from flask import Flask
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser, requires
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

SETUP: dict[str, Any] = json.loads(os.environ.get("BENCH_SETUP", "{}"))


# --- Starlette ---


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def starlette_bare() -> Starlette:
    return Starlette(routes=[Route("/", _hello)])


def starlette_callerid(*, memory: int = 4096, public: bool = False) -> Starlette:
    from callerid import Domain, KeyDocument, Public, google
    from callerid.starlette import Guard

    guard = Guard(google(SETUP["audience"], keys=KeyDocument(SETUP["google_jwks"])), memory=memory)
    app = Starlette(routes=[Route("/", _hello)])
    guard.protect(app, default=Public() if public else Domain("example.com"))
    return app


def _roles(caller: Any) -> set[str]:
    return {"editor", "viewer"}


def starlette_callerid_looked_up() -> Starlette:
    from callerid import Domain, KeyDocument, Lookup, Role, google
    from callerid.starlette import Guard

    keys = KeyDocument(SETUP["google_jwks"])
    guard = Guard(google(SETUP["audience"], keys=keys), lookups=[Lookup("roles", _roles, max_age=3600)])
    app = Starlette(routes=[Route("/", _hello)])
    guard.protect(app, default=Domain("example.com") & Role("editor"))
    return app


def starlette_callerid_unremembered() -> Starlette:
    return starlette_callerid(memory=0)


def starlette_callerid_public() -> Starlette:
    return starlette_callerid(public=True)


class _CallsOn:
    """A middleware that does nothing: what any middleware costs."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class _LooksUp:
    """A middleware that looks up a digest of the token and checks nothing: what any memory of tokens costs."""

    def __init__(self, app: Any, known: dict[bytes, str]) -> None:
        self.app, self.known = app, known

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scope["user"] = self.known.setdefault(hashlib.sha256(value).digest(), "somebody")
        await self.app(scope, receive, send)


def starlette_calls_on() -> Starlette:
    app = starlette_bare()
    app.add_middleware(_CallsOn)
    return app


def starlette_looks_up() -> Starlette:
    app = starlette_bare()
    app.add_middleware(_LooksUp, known={})
    return app


def fastapi_calls_on() -> FastAPI:
    app = fastapi_bare()
    app.add_middleware(_CallsOn)
    return app


def fastapi_depends() -> FastAPI:
    app = FastAPI()

    async def nothing() -> str:
        return "somebody"

    @app.get("/")
    async def hello(caller: Annotated[str, Depends(nothing)]) -> dict[str, str]:
        return {"hello": "world"}

    return app


class _Backend(AuthenticationBackend):
    def claims(self, token: str) -> dict[str, Any]:
        raise NotImplementedError

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        header = conn.headers.get("authorization")
        if header is None:
            return None
        try:
            claims = self.claims(header.partition(" ")[2])
        except Exception as error:
            raise AuthenticationError("invalid token") from error
        if claims.get("hd") != "example.com":
            raise AuthenticationError("not allowed")
        return AuthCredentials(["authenticated"]), SimpleUser(claims["email"])


class _PyJWT(_Backend):
    def __init__(self) -> None:
        import jwt

        self.decode = jwt.decode
        self.key = jwt.PyJWK(json.loads(SETUP["google_jwks"])["keys"][0])

    def claims(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = self.decode(token, self.key, algorithms=["RS256"], audience=SETUP["audience"])
        return found


class _GoogleAuth(_Backend):
    def __init__(self) -> None:
        import google.auth.jwt

        self.decode: Any = google.auth.jwt.decode
        self.certificates = json.loads(SETUP["google_pem"])

    def claims(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = self.decode(token, self.certificates, audience=SETUP["audience"])
        return found


def _behind(backend: AuthenticationBackend) -> Starlette:
    app = Starlette(routes=[Route("/", requires("authenticated")(_hello))])
    app.add_middleware(AuthenticationMiddleware, backend=backend)
    return app


def starlette_pyjwt() -> Starlette:
    return _behind(_PyJWT())


def starlette_google_auth() -> Starlette:
    return _behind(_GoogleAuth())


# --- FastAPI ---


def fastapi_bare() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


def fastapi_callerid() -> FastAPI:
    from callerid import Caller, Domain, KeyDocument, Nobody, google
    from callerid.fastapi import Guard

    guard = Guard(google(SETUP["audience"], keys=KeyDocument(SETUP["google_jwks"])))
    app = FastAPI()
    guard.protect(app, default=Nobody())

    @app.get("/")
    async def hello(caller: Annotated[Caller, guard.allow(Domain("example.com"))]) -> dict[str, str]:
        return {"hello": "world"}

    return app


def fastapi_callerid_looked_up() -> FastAPI:
    from callerid import Caller, Domain, KeyDocument, Lookup, Nobody, Role, google
    from callerid.fastapi import Guard

    keys = KeyDocument(SETUP["google_jwks"])
    guard = Guard(google(SETUP["audience"], keys=keys), lookups=[Lookup("roles", _roles, max_age=3600)])
    app = FastAPI()
    guard.protect(app, default=Nobody())

    @app.get("/")
    async def hello(
        caller: Annotated[Caller, guard.allow(Domain("example.com") & Role("editor"))],
    ) -> dict[str, str]:
        return {"hello": "world"}

    return app


def fastapi_callerid_public() -> FastAPI:
    from callerid import KeyDocument, Nobody, Public, google
    from callerid.fastapi import Guard

    guard = Guard(google(SETUP["audience"], keys=KeyDocument(SETUP["google_jwks"])))
    app = FastAPI()
    guard.protect(app, default=Nobody())

    @app.get("/")
    @guard.allow(Public())
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


def fastapi_pyjwt() -> FastAPI:
    import jwt

    bearer, key = HTTPBearer(), jwt.PyJWK(json.loads(SETUP["google_jwks"])["keys"][0])
    app = FastAPI()

    async def claims(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
        try:
            token = credentials.credentials
            found: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=SETUP["audience"])
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        if found.get("hd") != "example.com":
            raise HTTPException(403)
        return found

    @app.get("/")
    async def hello(found: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, str]:
        return {"hello": "world"}

    return app


def fastapi_firebase_admin() -> FastAPI:
    import firebase_admin
    from firebase_admin import _token_gen, auth

    _token_gen.ID_TOKEN_CERT_URI = SETUP["firebase_keys"]
    firebase_admin.initialize_app(no_credential(), {"projectId": "shop-prod"})
    bearer = HTTPBearer()
    app = FastAPI()

    async def claims(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = auth.verify_id_token(credentials.credentials)
        except auth.InvalidIdTokenError as error:
            raise HTTPException(401) from error
        return found

    @app.get("/")
    async def hello(found: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, str]:
        return {"hello": "world"}

    return app


def no_credential() -> Any:
    from firebase_admin import credentials
    from google.auth.credentials import AnonymousCredentials

    base: Any = credentials.Base
    anonymous: Any = AnonymousCredentials
    return type("Anonymous", (base,), {"get_credential": lambda _: anonymous()})()


# --- Flask ---


def flask_bare() -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def hello() -> str:
        return "hello"

    return app


def flask_callerid(*, public: bool = False) -> Flask:
    from callerid import Domain, KeyDocument, Nobody, Public, google
    from callerid.flask import Guard

    guard = Guard(google(SETUP["audience"], keys=KeyDocument(SETUP["google_jwks"])))
    app = Flask(__name__)
    guard.protect(app, default=Nobody())

    @app.get("/")
    @guard.allow(Public() if public else Domain("example.com"))
    def hello() -> str:
        return "hello"

    return app


def flask_callerid_public() -> Flask:
    return flask_callerid(public=True)


def flask_calls_on() -> Flask:
    app = flask_bare()
    app.before_request(lambda: None)
    return app


def flask_looks_up() -> Flask:
    app = flask_bare()
    known: dict[bytes, str] = {}

    @app.before_request
    def look_up() -> None:
        flask.g.user = known.setdefault(hashlib.sha256(flask.request.headers["Authorization"].encode()).digest(), "")

    return app


def flask_google_auth() -> Flask:
    backend = _GoogleAuth()
    app = Flask(__name__)

    def authenticated(view: Callable[[], str]) -> Callable[[], str]:
        @functools.wraps(view)
        def checked() -> str:
            header = flask.request.headers.get("Authorization", "")
            try:
                claims = backend.claims(header.partition(" ")[2])
            except Exception:  # noqa: BLE001 - as it is usually written
                flask.abort(401)
            if claims.get("hd") != "example.com":
                flask.abort(403)
            return view()

        return checked

    @app.get("/")
    @authenticated
    def hello() -> str:
        return "hello"

    return app


# --- a handler that works ---

_ROWS = [{"order": number, "customer": f"customer {number}", "lines": list(range(10))} for number in range(240)]


def _working(guard: Any = None) -> FastAPI:
    """Waits as for a database, then computes for about a millisecond: what a request usually does."""
    app = FastAPI()
    if guard is not None:
        from callerid import Domain

        guard.protect(app, default=Domain("example.com"))

    @app.get("/")
    async def orders() -> Response:
        await asyncio.sleep(0.005)
        return Response(json.dumps(json.loads(json.dumps(_ROWS))), media_type="application/json")

    return app


def working_bare() -> FastAPI:
    return _working()


def working_callerid() -> FastAPI:
    return _working(_table_guard())


# --- many routes ---


def _table(routes: int, guard: Any = None) -> FastAPI:
    """Routes with parameters, a third each in the app, in an included router and behind a mount; the last is asked."""
    app, router, mounted = FastAPI(), APIRouter(), Starlette()
    if guard is not None:
        from callerid import Domain

        guard.protect(app, default=Domain("example.com"))

    async def item(item_id: str) -> dict[str, str]:
        return {"item": item_id}

    for number in range(routes // 3):
        app.get(f"/own{number}/{{item_id}}")(item)
        router.get(f"/included{number}/{{item_id}}")(item)
        mounted.router.routes.append(Route(f"/mounted{number}/{{item_id}}", _hello))
    app.include_router(router, prefix="/router")
    app.router.routes.append(Mount("/mount", app=mounted))
    return app


def _table_guard() -> Any:
    from callerid import KeyDocument, google
    from callerid.fastapi import Guard

    return Guard(google(SETUP["audience"], keys=KeyDocument(SETUP["google_jwks"])))


def routes_30_bare() -> FastAPI:
    return _table(30)


def routes_30_callerid() -> FastAPI:
    return _table(30, _table_guard())


def routes_300_bare() -> FastAPI:
    return _table(300)


def routes_300_callerid() -> FastAPI:
    return _table(300, _table_guard())


if __name__ == "__main__":
    settings: dict[str, Any] = {"loop": "asyncio", "http": "h11"} if os.environ.get("BENCH_PLAIN") else {}
    uvicorn.run(globals()[sys.argv[1]](), port=int(sys.argv[2]), log_level="critical", access_log=False, **settings)
