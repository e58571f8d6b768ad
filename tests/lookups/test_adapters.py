"""What a route answers whose rule needs a look-up, in every adapter."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest

from callerid import Caller, ConfigurationError, FirebaseUser, Lookup, PathParam, Public, Role, Where
from tests.asking.made import Clock
from tests.fixtures import STAFF

from .apps import ON_EVENT_LOOPS, WITH_DJANGO, asking, on_one_loop

every_adapter = pytest.mark.parametrize("adapter", WITH_DJANGO)


class Roles:
    """Roles by e-mail address, and who was asked about."""

    def __init__(self, **roles: set[str]) -> None:
        self.roles = roles
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.error: Exception | None = None

    def load(self, caller: Caller) -> Any:
        self.asked.append(caller.name)
        self.threads.add(threading.current_thread())
        if self.error is not None:
            raise self.error
        return self.roles.get(caller.name.partition("@")[0], set())

    async def aload(self, caller: Caller) -> Any:
        await asyncio.sleep(0)
        return self.load(caller)


@every_adapter
@pytest.mark.parametrize("function", ["load", "aload"])
def test_a_role_is_looked_up_once_for_each_caller(adapter: str, function: str) -> None:
    roles = Roles(ada={"editor"}, grace={"reader"})
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", getattr(roles, function))])
    assert [ask(who)[0] for who in ("staff", "staff", "grace@example.com", None, "staff")] == [200, 200, 403, 401, 200]
    assert roles.asked == ["ada@example.com", "grace@example.com"]


@every_adapter
def test_a_function_that_blocks_never_runs_on_the_event_loop(adapter: str) -> None:
    roles = Roles(ada={"editor"})
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", roles.load)])
    assert ask("staff")[0] == 200
    assert {thread.name for thread in roles.threads} == {"callerid-asking"}


@every_adapter
def test_nobody_is_asked_about_whom_the_rest_of_the_rule_decides(adapter: str) -> None:
    roles = Roles(ada={"editor"}, eve={"editor"})
    rule = STAFF & Role("editor") | FirebaseUser()
    _, ask = asking(adapter, rule, lookups=[Lookup("roles", roles.load)])
    assert [ask(who)[0] for who in ("outsider", "some-user", None, "staff")] == [403, 200, 401, 200]
    assert roles.asked == ["ada@example.com"]
    assert ask("staff", "/open")[0] == 200


@every_adapter
def test_a_role_may_be_what_the_path_names(adapter: str) -> None:
    roles = Roles(ada={"red"})
    rule = Role(PathParam("team"), of="teams")
    _, ask = asking(adapter, rule, lookups=[Lookup("teams", roles.load)])
    assert [ask("staff", path)[0] for path in ("/team/red", "/team/blue", "/team/red")] == [200, 403, 200]
    assert roles.asked == ["ada@example.com"]


@every_adapter
def test_an_outage_is_503_and_no_401_and_the_public_route_goes_on(
    adapter: str, caplog: pytest.LogCaptureFixture
) -> None:
    roles, clock = Roles(ada={"editor"}), Clock()
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", roles.load)], timer=clock)
    roles.error = RuntimeError("the secret in the message")
    with caplog.at_level(logging.INFO, "callerid"):
        status, body, headers = ask("staff")
    assert (status, body["reason"], headers["Retry-After"]) == (503, "lookup_unavailable", "1")
    assert "the look-up 'roles' cannot be asked (RuntimeError at " in caplog.text
    assert "the secret" not in caplog.text
    assert ask("staff", "/open")[0] == 200
    roles.error = None
    assert ask("staff")[0] == 503  # it is left alone for a moment
    clock.advance(2)
    assert ask("staff")[0] == 200


@every_adapter
@pytest.mark.parametrize("returned", [None, "editor", {"editor": 1}, {"editor", 1}, 7, [b"editor"]])
def test_what_is_no_set_of_texts_is_503(adapter: str, returned: Any) -> None:
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", lambda _: returned)])
    assert ask("staff")[1]["reason"] == "lookup_unavailable"


async def _hangs(_: Caller) -> Any:
    await asyncio.sleep(3600)


@every_adapter
@pytest.mark.parametrize("is_async", [False, True])
def test_a_look_up_that_hangs_is_503_and_named_by_one_record(
    adapter: str, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ends = threading.Event()
    load: Any = _hangs if is_async else lambda _: ends.wait(30)
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", load, timeout=0.05)])
    with caplog.at_level(logging.WARNING, "callerid"):
        assert ask("staff")[1]["reason"] == "lookup_unavailable"
    told = [each.getMessage() for each in caplog.records if not hasattr(each, "callerid")]  # beside the decision
    assert told == ["the look-up 'roles' cannot be asked (not done within 0.05 s); next try in 1 s."]
    assert ask(None, "/open")[0] == 200
    ends.set()


class Held:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

    def load(self, _: Caller) -> set[str]:
        self.begun.set()
        self.gate.wait(30)
        return {"editor"}


@pytest.mark.parametrize("adapter", ON_EVENT_LOOPS)
def test_while_one_request_waits_for_a_slow_look_up_its_event_loop_serves_others(adapter: str) -> None:
    held, statuses = Held(), list[int]()
    ask = on_one_loop(adapter, Role("editor"), lookups=[Lookup("roles", held.load, timeout=30)])

    async def waiting() -> None:
        statuses.append(await ask("staff", "/team/red"))

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting)
            assert await anyio.to_thread.run_sync(held.begun.wait, 30)
            statuses.append(await ask(None, "/open"))
            held.gate.set()

    anyio.run(both)
    assert statuses == [200, 200]


@pytest.mark.parametrize("adapter", [each for each in WITH_DJANGO if each not in ON_EVENT_LOOPS])
def test_while_one_thread_waits_for_a_slow_look_up_others_serve(adapter: str) -> None:
    held = Held()
    _, ask = asking(adapter, Role("editor"), lookups=[Lookup("roles", held.load, timeout=30)])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, "staff")
        assert held.begun.wait(30)
        assert ask(None, "/open")[0] == 200
        held.gate.set()
        assert waiting.result(30)[0] == 200


@every_adapter
def test_the_last_answer_is_used_while_the_source_fails(adapter: str) -> None:
    roles, clock = Roles(ada={"editor"}), Clock()
    lookup = Lookup("roles", roles.load, max_age=60, stale=600)
    _, ask = asking(adapter, Role("editor"), lookups=[lookup], timer=clock)
    assert ask("staff")[0] == 200
    roles.error = OSError("down")
    for seconds in (50, 100, 400):
        clock.advance(seconds)
        assert ask("staff")[0] == 200
    clock.advance(200)
    assert ask("staff")[0] == 503


@every_adapter
def test_who_cannot_be_looked_up_is_let_in_where_that_is_written_out_and_to_the_horizon(
    adapter: str, caplog: pytest.LogCaptureFixture
) -> None:
    roles, clock = Roles(), Clock()
    lookup = Lookup("roles", roles.load, on_error="allow", horizon=3600)
    _, ask = asking(adapter, STAFF & Role("editor"), lookups=[lookup], timer=clock)
    assert ask("staff")[0] == 403
    roles.error = OSError("down")
    clock.advance(700)
    with caplog.at_level(logging.WARNING, "callerid"):
        assert [ask(who)[0] for who in ("staff", "outsider", None)] == [200, 403, 401]
    assert "whoever needs it is let in, for at most 3600 s more" in caplog.text
    clock.advance(3590)
    assert ask("staff")[0] == 200
    clock.advance(20)
    assert ask("staff")[0] == 503
    roles.error = None
    clock.advance(60)
    assert ask("staff")[0] == 403


@every_adapter
def test_what_is_forgotten_is_looked_up_anew(adapter: str) -> None:
    roles = Roles(ada={"editor"}, grace={"editor"})
    callers: list[Caller] = []
    noted = Where("noted", lambda caller: callers.append(caller) or True)  # type: ignore[func-returns-value]
    guard, ask = asking(adapter, noted & Role("editor"), lookups=[Lookup("roles", roles.load)])
    assert [ask(who)[0] for who in ("staff", "grace@example.com")] == [200, 200]
    roles.roles = {}
    assert ask("staff")[0] == 200
    asyncio.run(guard.forget(callers[-1]))
    assert [ask(who)[0] for who in ("staff", "grace@example.com")] == [403, 200]


@every_adapter
def test_facts_asked_one_by_one_are_answered_one_by_one(adapter: str) -> None:
    asked: list[str] = []

    def member(caller: Caller, fact: str) -> bool:
        asked.append(fact)
        return fact == "red"

    rule = Role(PathParam("team"), of="teams")
    _, ask = asking(adapter, rule, lookups=[Lookup("teams", member, one_by_one=True)])
    paths = ("/team/red", "/team/blue", "/team/red", "/team/blue")
    assert [ask("staff", path)[0] for path in paths] == [200, 403, 200, 403]
    assert asked == ["red", "blue"]


@pytest.mark.parametrize("adapter", ["starlette", "flask", "asgi", "wsgi"])
def test_an_optional_identity_waits_for_what_identifies_them(adapter: str) -> None:
    roles = Roles(ada={"editor"})
    _, ask = asking(adapter, Public() | Role("editor"), lookups=[Lookup("roles", roles.load)])
    assert [ask(who)[0] for who in ("staff", "outsider", None)] == [200, 200, 200]
    assert roles.asked == ["ada@example.com", "eve@other.com"]


@every_adapter
def test_a_rule_whose_look_up_is_not_there_is_an_error_at_start(adapter: str) -> None:
    with pytest.raises(ConfigurationError, match="needs the look-up 'roles', and the guard has 'teams'"):  # noqa: PT012
        guard, ask = asking(adapter, STAFF & Role("editor"), lookups=[Lookup("teams", lambda _: set())])
        ask(None)
        guard.check_possible(guard.requirement(Role("editor")), "a view")  # Flask answers 500 to each request
