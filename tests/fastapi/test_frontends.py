"""Frontends (FastAPI 0.139 and newer): files that are served where no route matches."""

from pathlib import Path
from typing import Annotated, Any, cast

import anyio
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from callerid import Caller, Domain, Public, Where
from tests.fixtures import OTHERS, STAFF

from .world import HAS_FRONTENDS, Seen, ask, closed, dial, new_guard, start, status, statuses

STRANGERS = (None, "outsider", "robot")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("index.html", "secret.html", "assets/app.js", "admin/secret.html"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"file {name}")
    return tmp_path


if HAS_FRONTENDS:

    def test_a_frontend_without_a_rule_gets_the_default(files: Path) -> None:
        app, _ = closed()
        app.router.frontend("/", directory=files)
        start(app)
        for path in ("/", "/secret.html", "/assets/app.js"):
            assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path
        assert ask(app, "/secret.html", "staff").body == b"file secret.html"
        assert statuses(app, "/missing.js", None, "staff") == [401, 404]
        assert statuses(app, "/secret.html", None, "staff", method="POST") == [401, 405]
        assert statuses(app, "/secret.html", None, "staff", method="HEAD") == [401, 200]

    @pytest.mark.parametrize("default", [Public(), OTHERS], ids=str)
    def test_a_frontends_own_rule_holds_whatever_the_default(files: Path, default: Any) -> None:
        app, guard = closed(default)
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.frontend("/", directory=files)
        app.include_router(router)
        start(app)
        for path in ("/", "/secret.html", "/assets/app.js"):
            assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path

    def test_a_route_that_is_added_while_the_caller_is_judged_does_not_serve_instead(files: Path) -> None:
        class Computed(APIRouter):
            """A router that computes its table."""

            table: list[Any]

            @property
            def routes(self) -> Any:
                return self.table

            @routes.setter
            def routes(self, value: Any) -> None:
                self.table = value

        def add(_: Caller) -> bool:
            app.add_api_route("/secret.html", lambda: "added", include_in_schema=False)
            return True

        for kind in (APIRouter, Computed):
            app = FastAPI(openapi_url=None)
            app.router = kind()
            app.router.frontend("/", directory=files)
            new_guard().protect(app, default=STAFF & Where("adds a route", add))
            assert ask(app, "/secret.html", "staff").body == b"file secret.html", kind
            assert ask(app, "/secret.html", "staff").body == b'"added"', kind

    def test_two_dispatches_of_one_scope_at_once_serve_the_files_they_were_judged_for(files: Path) -> None:
        """Below an included router the copies of a scope share a dictionary, in which FastAPI keeps a file's path."""
        bodies = {"index.html": b"", "secret.html": b""}
        arrived: list[None] = []
        both = anyio.Event()

        async def together() -> None:
            arrived.append(None)
            if len(arrived) == len(bodies):
                both.set()
            await both.wait()

        class AtOnce:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def one(self, scope: Any, receive: Any, name: str) -> None:
                async def send(message: Any) -> None:
                    bodies[name] += message.get("body", b"")

                await self.app({**scope, "path": f"/included/sub/{name}"}, receive, send)

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                async with anyio.create_task_group() as tasks:
                    for name in bodies:
                        tasks.start_soon(self.one, scope, receive, name)
                await PlainTextResponse("done")(scope, receive, send)

        sub = FastAPI(openapi_url=None, dependencies=[Depends(together)])
        sub.add_middleware(AtOnce)
        sub.router.frontend("/", directory=files)
        included = APIRouter()
        included.mount("/sub", sub)
        app = FastAPI(openapi_url=None)
        app.include_router(included, prefix="/included")
        new_guard().protect(app, default=STAFF)
        assert ask(app, "/included/sub/", "staff").body == b"done"
        assert bodies == {name: f"file {name}".encode() for name in bodies}

    def test_middleware_outside_sees_a_frontend_as_without_a_guard(files: Path) -> None:
        seen: list[Any] = []

        class Outside:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await self.app(scope, receive, send)
                seen.append({name: scope.get(name) for name in ("endpoint", "path_params", "route")})

        app = FastAPI(openapi_url=None)
        app.add_middleware(Outside)
        included = APIRouter()
        included.frontend("/ui", directory=files)
        app.include_router(included)
        app.router.frontend("/", directory=files)
        for path in ("/ui/secret.html", "/secret.html"):
            assert status(app, path) == 200
        without = seen.copy()
        seen.clear()
        new_guard().protect(app, default=Public())
        for path in ("/ui/secret.html", "/secret.html"):
            assert status(app, path) == 200
        assert seen == without

    def test_a_public_frontend_in_a_closed_application(files: Path) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/ui", directory=files)
        app.include_router(router)
        app.add_api_route("/api", lambda: "api")
        start(app)
        assert statuses(app, "/ui/index.html", None, "outsider") == [200, 200]
        assert statuses(app, "/api", None, "outsider", "staff") == [401, 403, 200]
        assert status(app, "/nowhere") == 401

    @pytest.mark.parametrize("level", ["inner", "inner include", "outer", "outer include", "app"])
    def test_a_rule_at_any_level_of_a_nested_frontend_holds(files: Path, level: str) -> None:
        app, guard = closed(Public(), app=FastAPI())
        allow = {level: [guard.allow(STAFF)]}
        inner, outer = APIRouter(dependencies=allow.get("inner")), APIRouter(dependencies=allow.get("outer"))
        app.router.dependencies.extend(allow.get("app", []))
        inner.frontend("/ui", directory=files)
        outer.include_router(inner, prefix="/inner", dependencies=allow.get("inner include"))
        app.include_router(outer, prefix="/outer", dependencies=allow.get("outer include"))
        start(app)
        path = "/outer/inner/ui/secret.html"
        assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200]
        assert ask(app, path, "staff").body == b"file secret.html"

    def test_the_more_specific_of_two_frontends_is_judged_by_its_own_rule(files: Path) -> None:
        app, guard = closed()
        for prefix, rule in (("/", Public()), ("/admin", STAFF)):
            router = APIRouter(dependencies=[guard.allow(rule)])
            router.frontend(prefix, directory=files / prefix.strip("/"))
            app.include_router(router)
        start(app)
        assert status(app, "/secret.html") == 200
        assert statuses(app, "/admin/secret.html", *STRANGERS, "staff") == [401, 403, 403, 200]

    def test_the_same_frontend_under_two_rules_is_judged_by_where_it_is(files: Path) -> None:
        app, guard = closed()
        router = APIRouter()
        router.frontend("/ui", directory=files)
        app.include_router(router, prefix="/staff", dependencies=[guard.allow(STAFF)])
        app.include_router(router, prefix="/others", dependencies=[guard.allow(OTHERS)])
        start(app)
        assert statuses(app, "/staff/ui/index.html", None, "staff", "outsider") == [401, 200, 403]
        assert statuses(app, "/others/ui/index.html", None, "staff", "outsider") == [401, 403, 200]

    def test_a_route_goes_before_a_frontend_with_its_own_rule(files: Path) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/", directory=files)
        app.include_router(router)
        app.add_api_route("/secret.html", lambda: "route", dependencies=[guard.allow(STAFF)])
        assert statuses(app, "/secret.html", *STRANGERS, "staff") == [401, 403, 403, 200]
        # A method that the route does not have is its 405, and not the frontend's file.
        assert statuses(app, "/secret.html", None, "staff", method="HEAD") == [401, 405]

    def test_where_the_router_redirects_the_rule_of_the_route_is_asked_and_no_file_is_served(files: Path) -> None:
        app, guard = closed()
        (files / "api").write_text("file api")
        router = APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/", directory=files)
        app.include_router(router)
        app.add_api_route("/api/", lambda: "api", dependencies=[guard.allow(OTHERS)])
        assert statuses(app, "/api", None, "staff", "outsider") == [401, 403, 307]
        assert ask(app, "/api", "outsider").body == b""
        assert status(app, "/index.html") == 200

    def test_no_redirect_is_expected_where_the_router_makes_none(files: Path) -> None:
        app, guard = closed(app=FastAPI(redirect_slashes=False))
        (files / "api").write_text("file api")
        app.add_api_route("/api/", lambda: "api", dependencies=[guard.allow(OTHERS)])
        router = APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/", directory=files)
        app.include_router(router)
        assert ask(app, "/api").body == b"file api"

    def test_the_frontend_of_a_mounted_application_is_served_at_its_root(files: Path) -> None:
        app, guard = closed()
        sub = FastAPI()
        sub.router.frontend("/", directory=files)
        app.mount("/sub", guard.allow(OTHERS)(sub))
        start(app)
        for path in ("/sub/", "/sub/secret.html"):
            assert statuses(app, path, None, "staff", "outsider") == [401, 403, 200], path

    def test_at_the_root_of_a_mounted_application_no_redirect_is_expected(files: Path) -> None:
        app, guard = closed()
        sub = FastAPI()
        sub.router.frontend("/", directory=files)
        sub.router.routes.append(APIRoute("", lambda: "no slash"))
        app.mount("/sub", guard.allow(Public())(sub))
        assert ask(app, "/sub/").body == b"file index.html"

    def test_a_frontend_swapped_in_place_while_it_is_judged_is_not_served(
        files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.frontend("/", directory=files)
        app.include_router(router)
        judge = guard.judge

        async def unjudged(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("unjudged")(scope, receive, send)

        def swap(*args: Any) -> Any:
            included: Any = app.router.routes[-1]
            for context in included.effective_low_priority_routes():
                context.app = unjudged
            return judge(*args)

        monkeypatch.setattr(guard, "judge", swap)
        assert ask(app, "/index.html", "staff").body == b"file index.html"

    def test_a_frontend_of_the_application_that_is_another_once_it_is_judged_is_not_served(
        files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app, guard = closed()
        app.frontend("/", directory=files)
        start(app)
        judge = guard.judge

        def swap(*args: Any) -> Any:
            for route in cast("Any", app.router)._low_priority_routes:
                route.endpoint = object()
            return judge(*args)

        assert status(app, "/index.html", "staff") == 200
        monkeypatch.setattr(guard, "judge", swap)
        reply = ask(app, "/index.html", "staff")
        assert (reply.status, reply.error) == (404, None)

    def test_a_frontends_dependencies_do_not_run_on_a_refusal(files: Path) -> None:
        app, guard = closed(Public())
        seen = Seen()

        def rule(caller: Annotated[Caller, guard.allow(STAFF)]) -> None:
            seen.append("rule")

        router = APIRouter(dependencies=[Depends(seen.dependency("first")), Depends(rule)])
        router.frontend("/", directory=files)
        app.include_router(router)
        assert (statuses(app, "/secret.html", *STRANGERS), seen) == ([401, 403, 403], [])
        assert (status(app, "/secret.html", "staff"), seen) == (200, ["first", "rule"])

    def test_a_frontend_added_after_the_start_is_judged(files: Path) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        app.include_router(router)
        start(app)
        router.frontend("/late", directory=files)
        assert statuses(app, "/late/index.html", *STRANGERS, "staff") == [401, 403, 403, 200]

    def test_an_impossible_rule_of_a_frontend_is_a_start_up_error(files: Path) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(Domain("a.example.com"))])
        router.frontend("/", directory=files)
        app.include_router(router, dependencies=[guard.allow(Domain("b.example.com"))])
        with pytest.raises(ValueError, match="exclude each other"):
            start(app)
        assert status(app, "/index.html", "staff") == 500

    def test_a_websocket_to_a_frontends_path_gets_the_default(files: Path) -> None:
        app, guard = closed()
        router = APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/", directory=files)
        app.include_router(router)
        assert dial(app, "/secret.html")[0]["status"] == 401

    def test_a_path_that_changes_while_it_is_judged_serves_no_other_frontend(
        files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app, guard = closed()
        for prefix, rule in (("/open", Public() | STAFF), ("/admin", OTHERS)):
            router = APIRouter(dependencies=[guard.allow(rule)])
            router.frontend(prefix, directory=files)
            app.include_router(router)
        scopes: list[Any] = []
        judge = guard.judge

        def rewrite(*args: Any) -> Any:
            for scope in scopes:
                scope["path"] = "/admin/secret.html"
            return judge(*args)

        monkeypatch.setattr(guard, "judge", rewrite)

        class Keeping:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                scopes.append(scope)
                await self.app(scope, receive, send)

        app.add_middleware(Keeping)
        reply = ask(app, "/open/index.html")
        assert reply.status == 404 or reply.body == b"file index.html"
