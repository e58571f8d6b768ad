"""The optional identity, and parameters that ask for a caller where there may be none."""

from dataclasses import dataclass
from typing import Annotated, Any, Optional

import pytest
from fastapi import APIRouter, FastAPI

from callerid import Caller, ConfigurationError, Domain, Public, Rule, ServiceAccount, Via
from callerid.rules import Facts
from tests.fixtures import OTHERS, ROBOT, STAFF

from .world import ask, closed, new_guard, start, status, statuses

guard = new_guard()
EITHER = Public() | STAFF
either = guard.allow(EITHER)
public = guard.allow(Public())


def serving(endpoint: Any, **options: Any) -> FastAPI:
    app = FastAPI()
    guard.protect(app, default=OTHERS)
    app.add_api_route("/x", endpoint, **options)
    return app


def new_style(caller: Annotated[Caller | None, either]) -> str:
    return str(caller)


def old_style(caller: Annotated[Optional[Caller], either]) -> str:  # noqa: UP045 - people write it
    return str(caller)


def as_anything(caller: Annotated[Any, either]) -> str:
    return str(caller)


@pytest.mark.parametrize("endpoint", [new_style, old_style, as_anything], ids=lambda each: each.__name__)
def test_an_optional_identity_is_the_rules_and_not_the_tokens(endpoint: Any) -> None:
    app = serving(endpoint)
    start(app)
    assert [ask(app, "/x", who).json for who in (None, "outsider", "robot", "staff")] == [
        "None",
        "None",
        "None",
        "user:ada@example.com",
    ]


def test_an_invalid_credential_is_no_absent_one() -> None:
    app = serving(new_style)
    assert status(app, "/x", headers={"authorization": "Bearer not.a.token"}) == 401
    assert status(app, "/x", headers={"authorization": "Bearer"}) == 400
    assert status(app, "/x", headers={"authorization": "Basic YTpi"}) == 200


def demanding(caller: Annotated[Caller, either]) -> str:
    return str(caller)


class Demanding:
    def __init__(self, caller: Annotated[Caller, either]) -> None:
        self.caller = caller


class Answering:
    def __call__(self, caller: Annotated[Caller, either]) -> str:
        return str(caller)


@pytest.mark.parametrize("where", [demanding, Demanding, Answering()], ids=["function", "class", "object"])
@pytest.mark.parametrize("below", [False, True])
def test_a_caller_alone_under_an_optional_rule_is_a_start_up_error(where: Any, below: bool) -> None:
    from fastapi import Depends

    if below:

        def endpoint(value: Annotated[Any, Depends(where)]) -> None: ...

        app = serving(endpoint)
    elif where is demanding:
        app = serving(where)
    else:
        return
    with pytest.raises(ConfigurationError, match=r"Annotated\[Caller \| None, \.\.\.\]"):
        start(app)
    assert statuses(app, "/x", None, "staff") == [500, 500]


def unreadable(caller: Annotated[Caller | None, either]) -> "Nowhere":  # type: ignore[name-defined] # noqa: F821
    return str(caller)


def test_types_that_cannot_be_read_are_not_judged() -> None:
    app = serving(unreadable, response_model=None)
    start(app)
    assert [ask(app, "/x", who).json for who in (None, "staff")] == ["None", "user:ada@example.com"]


def test_a_caller_under_a_rule_of_the_carrier_alone_may_be_none() -> None:
    app = FastAPI()
    guard.protect(app, default=OTHERS)

    @app.get("/x")
    def endpoint(caller: Annotated[Caller, guard.allow(Via(ServiceAccount(ROBOT)))]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Caller \| None"):
        start(app)


@dataclass(frozen=True)
class InOffice(Rule):
    """A rule of the application's own, which looks at no caller."""

    anybody: bool

    @property
    def needs_caller(self) -> bool:
        return not self.anybody

    def admits(self, facts: Facts) -> bool:
        return True

    def __str__(self) -> str:
        return "inOffice"


def test_a_rule_of_ones_own_that_needs_no_caller_is_an_error_beside_a_parameter_that_does() -> None:
    app = FastAPI()
    guard.protect(app, default=OTHERS)

    @app.get("/x")
    def endpoint(caller: Annotated[Caller, guard.allow(InOffice(anybody=True))]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"inOffice may let a request in without a caller: .*Caller \| None"):
        start(app)


def test_a_rule_of_ones_own_is_not_asked_about_nobody_unless_it_says_so() -> None:
    app = FastAPI()
    guard.protect(app, default=OTHERS)

    @app.get("/x")
    def endpoint(caller: Annotated[Caller, guard.allow(InOffice(anybody=False))]) -> str:
        return str(caller)

    start(app)
    assert statuses(app, "/x", None, "staff") == [401, 200]


@pytest.mark.parametrize("kind", [Caller, Caller | None])
def test_a_parameter_that_asks_under_public_is_a_start_up_error(kind: Any) -> None:
    def endpoint(caller: Annotated[kind, public]) -> None: ...

    app = serving(endpoint)
    with pytest.raises(ConfigurationError, match=r"write Public\(\) \| rule for an optional identity"):
        start(app)
    assert statuses(app, "/x", None, "staff") == [500, 500]


def test_public_as_a_dependency_or_decorator_reads_no_credential() -> None:
    app, own = closed()
    app.add_api_route("/dependency", lambda: None, dependencies=[own.allow(Public())])
    app.add_api_route("/decorator", own.allow(Public())(lambda: None))
    start(app)
    for path in ("/dependency", "/decorator"):
        assert statuses(app, path, None, "outsider") == [200, 200]
        assert status(app, path, headers={"authorization": "Bearer not.a.token"}) == 200
        assert status(app, path, headers={"authorization": "Bearer"}) == 200


def test_public_on_a_route_does_not_open_a_closed_router(caplog: pytest.LogCaptureFixture) -> None:
    app, own = closed(OTHERS)
    router = APIRouter(dependencies=[own.allow(STAFF)])

    @router.get("/x", dependencies=[own.allow(Public())])
    def endpoint(caller: Annotated[Caller, own.allow(Public() | Domain("example.com"))]) -> str:
        return str(caller)

    app.include_router(router)
    start(app)
    assert statuses(app, "/x", None, "outsider") == [401, 403]
    assert ask(app, "/x", "staff").json == "user:ada@example.com"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["Public() opens nothing at GET /x: domain:example.com has to hold there, too"]


def test_one_endpoint_may_be_optional_here_and_demanding_there() -> None:
    app, own = closed(OTHERS)
    router = APIRouter()

    @router.get("/x")
    def endpoint(caller: Annotated[Caller | None, own.allow(Public() | Domain("example.com"))]) -> str:
        return str(caller)

    app.include_router(router, prefix="/open")
    app.include_router(router, prefix="/closed", dependencies=[own.allow(STAFF)])
    start(app)
    assert ask(app, "/open/x").json == "None"
    assert statuses(app, "/closed/x", None, "outsider", "staff") == [401, 403, 200]
