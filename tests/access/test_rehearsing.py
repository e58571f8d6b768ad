"""Access tests run over the real application, decide for real, run no handler and leave nothing behind."""

from __future__ import annotations

import gc
import logging
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from flask import Flask
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.routing import Route
from werkzeug.wrappers import Response as WsgiResponse

import callerid.fastapi
import callerid.flask
from callerid import (
    App,
    Claim,
    CustomClaim,
    FirebaseUser,
    Guard,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    Subject,
    User,
    Via,
    app_check,
    asgi,
    firebase,
    google,
    oidc,
    wsgi,
)
from callerid.audit._suite import Case, SuitePersona, read_suite
from callerid.errors import ConfigurationError
from callerid.testing import LocalIssuer
from callerid.testing.access import Judgement, Rehearsal, rehearsing
from tests.access.made import STAFF
from tests.access.made import new_guard as guard_of
from tests.access.made import small as small_of

pytestmark = pytest.mark.slow

IN_FRONT = (
    "nobody decided: what stands before the guard has answered; "
    "if it takes no host named testserver, write site = 'HOST'"
)
URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"


def new_guard() -> Any:
    return guard_of(URL, CLIENT)


def small(rules: dict[str, Rule], **options: Any) -> FastAPI:
    return small_of(rules, **{"guard": new_guard(), **options})


STRANGER = SuitePersona("stranger")
SAM = SuitePersona("sam", "workspace_person", "sam@example.com")
ADA = SuitePersona("ada", "firebase_user", "ada")


def judge(app: Any, persona: SuitePersona, call: str, *, may: bool = True) -> Judgement:
    method, path = call.split()
    with rehearsing(app) as rehearsal:
        return rehearsal.judge(Case(persona, method, path, may))


def test_no_handler_runs_and_the_guard_is_as_before() -> None:
    ran: list[str] = []
    guard = new_guard()
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.post("/refunds")(lambda: ran.append("refund"))
    before = dict(vars(guard))
    judged = judge(app, SAM, "POST /refunds")
    assert (judged.is_right, str(judged)) == (True, "sam may POST /refunds: let in by domain:example.com")
    assert ran == []
    assert vars(guard) == before
    log = logging.getLogger("callerid")
    assert (log.propagate, log.level, log.handlers) == (True, logging.NOTSET, [])


def test_a_token_of_somebody_elses_key_is_worth_nothing_to_it() -> None:
    app = small({"GET /a": STAFF})
    with rehearsing(app) as rehearsal:
        stranger = Rehearsal(app, rehearsal.map, LocalIssuer())
        headers = stranger._headers(SAM)
        vars(rehearsal)["_headers"] = lambda _: headers
        judged = rehearsal.judge(Case(SAM, "GET", "/a", may=True))
    assert not judged.is_right
    assert judged.said == "refused with 401 unknown_key"


def test_a_no_is_explained() -> None:
    judged = judge(small({"GET /a": STAFF}), ADA, "GET /a")
    assert str(judged) == (
        "ada may GET /a: refused with 403 not_allowed\n  - domain:example.com: the caller is firebase:shop-prod/ada"
    )


def test_a_path_that_nobody_answers_is_no_proof() -> None:
    app = small({"GET /a": STAFF})
    for call in ("GET /b", "DELETE /a"):
        judged = judge(app, STRANGER, call, may=False)
        assert (judged.is_right, judged.said) == (False, "no route answers there: correct the path or the method")


def test_a_refusal_that_says_nothing_of_the_caller_is_no_proof() -> None:
    guarded = asgi.CallerMiddleware(_unreached, guard=Guard(google("a")), default=Public())
    judged = judge(guarded, STRANGER, "GET //a", may=False)
    assert (judged.is_right, judged.said) == (False, "refused with 400 ambiguous_path")


async def _unreached(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError


def asgi_app() -> Any:
    app = small({"GET /a": STAFF})
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["shop.example.com"])
    return app


def wsgi_app() -> Any:
    app, guard = Flask("shop"), callerid.flask.Guard(google(URL))
    guard.protect(app, default=STAFF)
    app.add_url_rule("/a", view_func=lambda: "a")

    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        def __call__(self, environ: Any, start_response: Any) -> Any:
            if environ["HTTP_HOST"] == environ["SERVER_NAME"] == "shop.example.com":
                return self.app(environ, start_response)
            return WsgiResponse(status=400)(environ, start_response)

    app.wsgi_app = Front(app.wsgi_app)  # type: ignore[method-assign]
    return app


def test_what_answers_before_the_guard_is_no_proof() -> None:
    app = small({"GET /a": STAFF})

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        await Response()(scope, receive, send)

    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            await answers(*arguments)

    judged = judge(Front(app), STRANGER, "GET /a", may=False)
    assert (judged.is_right, judged.said) == (False, IN_FRONT)


@pytest.mark.parametrize("make", [asgi_app, wsgi_app])
def test_an_application_that_answers_to_one_host_is_called_by_that(make: Any) -> None:
    app = make()
    (case,) = read_suite('[personas.stranger]\nmay_not = ["GET /a"]', "access.toml").cases
    with rehearsing(app, site="shop.example.com") as rehearsal:
        assert rehearsal.judge(case).said == "refused with 401 no_credential"
    with rehearsing(app) as rehearsal:
        assert rehearsal.judge(case).said == IN_FRONT


def test_what_raises_before_the_guard_is_no_proof() -> None:
    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            raise LookupError("gone")

    judged = judge(Front(small({"GET /a": STAFF})), STRANGER, "GET /a", may=False)
    assert (judged.is_right, judged.said) == (False, "the application raised LookupError: gone")


def test_what_reads_before_the_guard_finds_nothing() -> None:
    read: list[Any] = []

    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            read.append(await receive())
            await self.app(scope, receive, send)

    assert judge(Front(small({"GET /a": STAFF})), SAM, "GET /a").is_right
    assert read == [{"type": "http.request", "body": b""}]


def test_an_interruption_is_one() -> None:
    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(Front(small({"GET /a": STAFF})), STRANGER, "GET /a")


@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObjectReceiveStream")
def test_middleware_with_tasks_of_its_own() -> None:
    app = small({"GET /a": STAFF})
    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    assert judge(app, SAM, "GET /a").is_right
    assert judge(app, STRANGER, "GET /a", may=False).is_right
    gc.collect()  # Starlette's first releases leave a stream of theirs open when what is inside raises


def test_sockets() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        raise AssertionError

    assert judge(app, SAM, "WS /live").is_right
    assert judge(app, STRANGER, "WS /live", may=False).is_right


def test_every_layer_is_asked() -> None:
    app = small({"GET /a": FirebaseUser(), "GET /b": FirebaseUser()}, default=FirebaseUser())
    app.add_middleware(
        asgi.CallerMiddleware, guard=new_plain(), default=Public() | STAFF, routes={"/b": STAFF | FirebaseUser("eve")}
    )
    assert judge(app, ADA, "GET /a").is_right
    assert judge(app, STRANGER, "GET /a", may=False).is_right
    assert judge(app, STRANGER, "GET /b", may=False).is_right


def test_what_middleware_asks_is_no_route_that_nobody_calls() -> None:
    app = small({"GET /a": FirebaseUser(), "GET /b": FirebaseUser()})
    app.add_middleware(asgi.CallerMiddleware, guard=new_plain(), default=Public(), routes={"/a": FirebaseUser()})
    with rehearsing(app) as rehearsal:
        assert rehearsal.judge(Case(ADA, "GET", "/a", may=True)).is_right
        assert rehearsal.untested() == ["GET /b"]


def new_plain() -> Guard:
    return Guard(google("https://orders.example.com"), firebase("shop-prod"))


def test_flask_and_wsgi() -> None:
    app = Flask(__name__, static_folder=None)
    callerid.flask.Guard(google("1234-abc.apps.googleusercontent.com")).protect(app, default=STAFF)
    app.get("/grüße")(lambda: pytest.fail("ran"))
    assert judge(app, SAM, "GET /grüße").is_right
    assert judge(app, STRANGER, "GET /grüße", may=False).is_right
    plain = wsgi.CallerMiddleware(lambda environ, start: [b""], guard=new_plain(), default=Public())
    assert judge(plain, STRANGER, "GET /").is_right
    closed = wsgi.CallerMiddleware(lambda environ, start: [b""], guard=new_plain(), default=STAFF)
    assert judge(closed, STRANGER, "GET /", may=False).is_right


SERVICE_ACCOUNT = SuitePersona("robot", "service_account", "r@p.iam.gserviceaccount.com")


@pytest.mark.parametrize(
    ("persona", "rule"),
    [
        (SuitePersona("eve", "person", "eve@gmail.com"), User("eve@gmail.com")),
        (SuitePersona("id", "person", "eve@gmail.com", {"subject": "42"}), User("42")),
        (SERVICE_ACCOUNT, ServiceAccount("r@p.iam.gserviceaccount.com")),
        (SuitePersona("boss", "firebase_user", "b", {"claims": {"role": "boss"}}), CustomClaim("role", "boss")),
        (SuitePersona("two", "firebase_user", "b", {"second_factor": "totp"}), SecondFactor()),
        (SuitePersona("new", "firebase_user", "b", {"signed_in_ago": 10}), SignedInWithin(60)),
        (SuitePersona("via", via="r@p.iam.gserviceaccount.com"), Via(ServiceAccount("r@p.iam.gserviceaccount.com"))),
    ],
)
def test_personas_of_every_kind(persona: SuitePersona, rule: Any) -> None:
    app = small({"GET /a": rule})
    assert judge(app, persona, "GET /a").is_right
    assert judge(app, STRANGER, "GET /a", may=False).is_right


def test_a_persona_may_use_an_app() -> None:
    guard = callerid.fastapi.Guard(firebase("shop-prod"), app_check(1234))
    app = small({"GET /a": FirebaseUser() & App("1:1234:web:abcd")}, guard=guard, default=FirebaseUser())
    ada = SuitePersona("ada", "firebase_user", "ada", app="1:1234:web:abcd")
    assert judge(app, ada, "GET /a").is_right
    assert judge(app, replace(ada, app="1:1234:web:ef"), "GET /a", may=False).is_right
    assert judge(app, ADA, "GET /a", may=False).is_right
    assert judge(app, SuitePersona("app", app="1:1234:web:abcd"), "GET /a", may=False).is_right


@pytest.mark.parametrize(("audience", "persona"), [(URL, SAM), (CLIENT, SERVICE_ACCOUNT)])
def test_without_an_audience_for_their_kind_a_token_fits_nothing(audience: str, persona: SuitePersona) -> None:
    judged = judge(small_of({"GET /a": STAFF}, guard=guard_of(audience)), persona, "GET /a")
    assert (judged.is_right, judged.said) == (False, "refused with 401 wrong_audience")


@pytest.mark.parametrize("audiences", [(URL,), (URL, CLIENT)])
def test_people_call_with_gclouds_token_where_no_client_id_is_named(audiences: tuple[str, ...]) -> None:
    app = small_of({"GET /a": STAFF}, guard=callerid.fastapi.Guard(google(*audiences, gcloud=True)))
    assert judge(app, SAM, "GET /a").is_right
    assert judge(app, replace(SERVICE_ACCOUNT, options={}), "GET /a", may=False).said == "refused with 403 not_allowed"


def test_a_persona_that_google_would_not_know() -> None:
    app = small({"GET /a": STAFF})
    with pytest.raises(ConfigurationError, match="robot: "):
        judge(app, SuitePersona("robot", "service_account", "r@example.com"), "GET /a")


def test_an_application_with_problems_is_not_rehearsed() -> None:
    with pytest.raises(ConfigurationError, match="no guard protects this FastAPI application"), rehearsing(FastAPI()):
        pass


def test_a_route_that_is_never_served_is_told() -> None:
    app = small({"GET /users/{uid}": STAFF, "GET /users/me": STAFF, "POST /users/me": Public(), "GET /a/{x}": STAFF})
    with rehearsing(app) as rehearsal:
        assert rehearsal.shadowed() == ["GET /users/me is never served: GET /users/{uid} comes first"]
    app = small({"GET /a/{y:int}": STAFF, "GET /a/{x:uuid}": STAFF, "GET /b": STAFF})
    with rehearsing(app) as rehearsal:
        assert rehearsal.shadowed() == []
    app = small({"GET /b": STAFF})
    app.add_middleware(asgi.CallerMiddleware, guard=new_plain(), default=STAFF)
    with rehearsing(app) as rehearsal:
        assert rehearsal.shadowed() == []


def test_what_stops_the_process_stops_it() -> None:
    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            raise GeneratorExit

    with pytest.raises(GeneratorExit):
        judge(Front(small({"GET /a": STAFF})), STRANGER, "GET /a")


def test_what_nobody_called_is_told() -> None:
    app = small({"GET /a": STAFF, "POST /b": STAFF})
    with rehearsing(app) as rehearsal:
        rehearsal.judge(Case(SAM, "GET", "/a", may=True))
        assert rehearsal.untested() == ["POST /b"]


# --- everything else ---


def rest_of(app: Any, persona: SuitePersona, *calls: str, may: bool = True) -> list[str]:
    """What is not so of the routes that these calls of a persona do not reach."""
    cases = [Case(persona, method, path, may) for method, path in (call.split() for call in calls)]
    with rehearsing(app) as rehearsal:
        return [str(each) for each in rehearsal.judge_rest(persona, cases) if not each.is_right]


def let_in(app: Any, persona: SuitePersona, *calls: str) -> list[str]:
    """The calls that were made up and let in."""
    start, end = f"{persona.name} may not ", ": let in by "
    return [each.removeprefix(start).partition(end)[0] for each in rest_of(app, persona, *calls)]


def test_everything_else_is_every_route_of_the_map_named_or_not() -> None:
    app = small({"GET /open": Public(), "POST /forgotten": Public(), "GET /a": STAFF, "DELETE /users/{uid}": Public()})
    assert rest_of(app, STRANGER, "GET /open") == [
        "stranger may not POST /forgotten: let in by allUsers",
        "stranger may not DELETE /users/x: let in by allUsers",
    ]
    assert let_in(app, SAM, "GET /open", "POST /forgotten", "DELETE /users/ada") == ["GET /a"]
    assert let_in(app, SAM, "GET /open", "POST /forgotten", "DELETE /users/ada", "GET /a", "GET /nowhere") == []


def test_paths_of_every_shape_are_made_up() -> None:
    paths = ("/a/{n:int}/{f:float}/{u:uuid}/{p:path}", "/b/{x}-{y}.json", "/c/{s:str}/")
    app = small({f"GET {path}": Public() for path in paths})
    app.mount("/static", _unreached)
    app.add_api_websocket_route("/live/{room}", _unreached_endpoint)
    app.router.routes.append(Route("/both", _unreached_endpoint, methods=["GET", "POST"]))
    assert let_in(app, STRANGER) == [
        "GET /a/1/1.5/00000000-0000-4000-8000-000000000000/x/y",
        "GET /b/x-x.json",
        "GET /c/x/",
    ]
    assert let_in(app, SAM)[3:] == ["GET /static/x", "WS /live/x", "GET /both", "POST /both"]
    assert let_in(app, SAM, "GET /static/some/file", "HEAD /both", "WS /live/1")[3:] == ["POST /both"]


async def _unreached_endpoint(request: Any) -> None:
    raise AssertionError


def test_paths_of_every_shape_are_made_up_in_flask() -> None:
    app = Flask(__name__, static_folder="static")
    callerid.flask.Guard(google("1234-abc.apps.googleusercontent.com")).protect(app, default=STAFF)
    rules = ("/a/<int:n>/<path:p>", "/b/<any(left, right):side>", "/c/<string(length=2):lang>", "/d/<int(min=7):n>/")
    for number, rule in enumerate((*rules, "/e/<float:f>-<uuid:u>", "/f/<int(fixed_digits=3):n>")):
        app.add_url_rule(rule, str(number), lambda **_: "")
    assert let_in(app, SAM) == [
        "GET /static/x/y",
        "GET /a/1/x/y",
        "GET /b/left",
        "GET /c/xx",
        "GET /d/7/",
        "GET /e/1.5-00000000-0000-4000-8000-000000000000",
        "GET /f/001",
    ]
    assert rest_of(app, STRANGER) == []


class Weekday(Convertor[str]):
    regex = "monday|sunday"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def test_where_no_path_can_be_made_up_a_call_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "Weekday", Weekday())
    app = small({"GET /on/{day:Weekday}": STAFF})
    assert rest_of(app, STRANGER) == [
        "stranger may not GET /on/{day:Weekday}: no path that can be made up reaches it: write a call of it"
    ]
    assert rest_of(app, STRANGER, "GET /on/sunday", may=False) == []


def test_what_raises_or_answers_in_front_of_a_made_up_call_is_told() -> None:
    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/a":
                raise LookupError("gone")
            await Response()(scope, receive, send)

    assert rest_of(Front(small({"GET /a": STAFF, "GET /b": STAFF})), STRANGER) == [
        "stranger may not GET /a: the application raised LookupError: gone",
        f"stranger may not GET /b: {IN_FRONT}",
    ]


def test_made_up_calls_go_through_every_layer() -> None:
    app = small({"GET /a/{x}": Public(), "GET /b": Public()}, default=FirebaseUser())
    app.add_middleware(asgi.CallerMiddleware, guard=new_plain(), default=FirebaseUser(), routes={"/b": Public()})
    assert let_in(app, STRANGER) == ["GET /b"]
    assert let_in(app, ADA) == ["GET /a/x", "GET /b"]


def test_an_application_guarded_by_path_has_the_entries_of_its_table() -> None:
    table = {"/h": Public(), "POST /t/*": STAFF, "/u/{id}": Public()}
    app = asgi.CallerMiddleware(_unreached, guard=Guard(google(URL, CLIENT)), default=STAFF, routes=table)
    assert let_in(app, STRANGER) == ["GET /h", "GET /u/x"]
    assert let_in(app, SAM, "PUT /h", "GET /u/1") == ["POST /t/x"]


def test_made_up_calls_are_none_of_the_files() -> None:
    app = small({"GET /a": STAFF, "GET /b/{x}": STAFF})
    app.mount("/static", _unreached)
    with rehearsing(app) as rehearsal:
        assert all(each.is_right for each in rehearsal.judge_rest(STRANGER, [Case(STRANGER, "GET", "/a", may=False)]))
        assert rehearsal.untested() == ["GET /b/{x}", "* /static"]
        rehearsal.judge(Case(STRANGER, "GET", "/static/x", may=False))
        rehearsal.judge(Case(STRANGER, "HEAD", "/nowhere", may=False))
        assert rehearsal.untested() == ["GET /b/{x}"]


def test_where_several_projects_are_trusted_a_user_says_whose() -> None:
    guard = callerid.fastapi.Guard(firebase("one"), firebase("two"))
    app = small_of({"GET /a": FirebaseUser(project="two")}, guard=guard, default=Public())
    with pytest.raises(ConfigurationError, match=r'ada: several Firebase projects .* one, two: .* project = "one"'):
        judge(app, ADA, "GET /a")
    assert judge(app, SuitePersona("ada", "firebase_user", "ada", {"project": "two"}), "GET /a").is_right


PROVIDERS = ("https://id.example.com", "https://token.actions.githubusercontent.com")


def provided(name: str, **options: object) -> SuitePersona:
    return SuitePersona(name, "oidc_caller", name, options)


def test_personas_of_an_openid_connect_provider() -> None:
    rule = Subject("ada") | Claim(("realm", "roles"), contains="admin")
    app = asgi.CallerMiddleware(_unreached, guard=Guard(google(URL), oidc(PROVIDERS[1], "deploy")), default=rule)
    boss = provided("eve", claims={"realm": {"roles": ["admin"]}})
    elsewhere, misplaced = provided("ada", issuer=PROVIDERS[0]), provided("ada", audience="orders")
    with rehearsing(app) as rehearsal:
        for persona, may in ((provided("ada"), True), (provided("ben"), False), (boss, True)):
            assert rehearsal.judge(Case(persona, "GET", "/x", may)).is_right, persona
        for persona in (elsewhere, misplaced):
            assert rehearsal.judge(Case(persona, "GET", "/x", may=False)).is_right, persona
    without = asgi.CallerMiddleware(_unreached, guard=Guard(google(URL)), default=STAFF)
    with rehearsing(without) as rehearsal:
        assert rehearsal.judge(Case(provided("ada"), "GET", "/x", may=False)).is_right


def test_of_several_providers_a_persona_says_whose_it_is() -> None:
    guard = Guard(*(oidc(name, "deploy") for name in PROVIDERS))
    app = asgi.CallerMiddleware(_unreached, guard=guard, default=Subject("ada", of=PROVIDERS[0]))
    with rehearsing(app) as rehearsal:
        assert rehearsal.judge(Case(provided("ada", issuer=PROVIDERS[0]), "GET", "/x", may=True)).is_right
        assert rehearsal.judge(Case(provided("ada", issuer=PROVIDERS[1]), "GET", "/x", may=False)).is_right
        with pytest.raises(ConfigurationError, match=r'ada: several OpenID Connect providers .*issuer = "https://id'):
            rehearsal.judge(Case(provided("ada"), "GET", "/x", may=True))


def test_such_a_persona_is_read_from_a_file() -> None:
    text = """
    app = "app:app"
    [personas.pipeline]
    oidc_caller = "repo:acme/shop"
    issuer = "https://token.actions.githubusercontent.com"
    audience = "deploy"
    claims = {ref = "refs/heads/main"}
    may = ["POST /deploy"]
    """
    (case,) = read_suite(text, "access.toml").cases
    assert (case.persona.kind, case.persona.who) == ("oidc_caller", "repo:acme/shop")
    assert case.persona.options["claims"] == {"ref": "refs/heads/main"}
