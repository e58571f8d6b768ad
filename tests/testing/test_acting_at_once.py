"""Several callers at once: a block holds in its own context, in what is started there, and nowhere else."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import anyio
import httpx
import pytest
import trio
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import callerid.flask
from callerid import Caller, FirebaseUser, google
from callerid.flask import caller as caller_of_flask
from callerid.guard import Identity
from callerid.starlette import Guard
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person, service_account

ISSUER = LocalIssuer()
ADA, BEN = firebase_user("ada"), firebase_user("ben")
guard = Guard(ISSUER.firebase("shop-prod"))
flask_guard = callerid.flask.Guard(ISSUER.firebase("shop-prod"))


async def who(request: Request) -> Response:
    await anyio.lowlevel.checkpoint()
    return PlainTextResponse(str(request.state.caller))


def who_in_a_thread(request: Request) -> Response:
    return PlainTextResponse(str(request.state.caller))


async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(str(socket.state.caller))
    await socket.close()


app = Starlette(routes=[Route("/who", who), Route("/thread", who_in_a_thread), WebSocketRoute("/live", live)])
guard.protect(app, default=FirebaseUser())
flask_app = Flask(__name__)
flask_guard.protect(flask_app, default=FirebaseUser())
flask_app.get("/who")(lambda: str(caller_of_flask))


@pytest.fixture
def client(backend: str) -> Iterator[TestClient]:
    """Its application runs in a thread that was there before any block."""
    with TestClient(app, backend=backend) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    for each in (guard, flask_guard):
        assert vars(each).keys().isdisjoint({"identify", "recognise"})


def said(answer: Any) -> str:
    """Who the handler saw, or the status."""
    return answer.text if answer.status_code == 200 else str(answer.status_code)


def ask_flask() -> str:
    return said(flask_app.test_client().get("/who"))


async def ask() -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return said(await client.get("/who"))


# --- tasks ---


def test_tasks_act_as_several_callers_at_once(backend: str) -> None:
    seen: dict[str, set[str]] = {"ada": set(), "ben": set(), "stranger": set()}

    async def act(uid: str) -> None:
        with as_caller(guard, firebase_user(uid)):
            for _ in range(5):
                seen[uid].add(await ask())
                await anyio.lowlevel.checkpoint()

    async def stand_by() -> None:
        for _ in range(5):
            seen["stranger"].add(await ask())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(act, "ada")
            tasks.start_soon(act, "ben")
            tasks.start_soon(stand_by)

    anyio.run(main, backend=backend)
    assert seen == {"ada": {"firebase:shop-prod/ada"}, "ben": {"firebase:shop-prod/ben"}, "stranger": {"401"}}


def test_what_is_gathered_inside_a_block_acts_as_its_caller() -> None:
    async def main() -> set[str]:
        with as_caller(guard, ADA):
            return {*await asyncio.gather(ask(), asyncio.create_task(ask()), asyncio.to_thread(asyncio.run, ask()))}

    assert asyncio.run(main()) == {"firebase:shop-prod/ada"}


def test_a_worker_thread_acts_as_the_task_that_waits_for_it(backend: str) -> None:
    async def main() -> str:
        with as_caller(flask_guard, BEN):
            return await anyio.to_thread.run_sync(ask_flask)

    assert anyio.run(main, backend=backend) == "firebase:shop-prod/ben"


def test_a_task_that_outlives_the_block_does_not_act_any_more() -> None:
    async def main() -> list[str]:
        over = asyncio.Event()

        async def late() -> str:
            await over.wait()
            return await ask()

        with as_caller(guard, ADA):
            task = asyncio.create_task(late())
            before = await ask()
        over.set()
        return [before, await task]

    assert asyncio.run(main()) == ["firebase:shop-prod/ada", "401"]


def test_a_task_that_was_there_before_the_block_does_not_act() -> None:
    async def main() -> str:
        opened = asyncio.Event()

        async def early() -> str:
            await opened.wait()
            return await ask()

        task = asyncio.create_task(early())
        with as_caller(guard, ADA):
            opened.set()
            return await task

    assert asyncio.run(main()) == "401"


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)])
def test_a_coroutine_function_is_decorated(run: Callable[[Any], str]) -> None:
    @as_caller(guard, ADA)
    async def act(more: str) -> str:
        await anyio.lowlevel.checkpoint()
        return await ask() + more

    assert act.__name__ == "act"
    assert run(act("!")) == "firebase:shop-prod/ada!"


# --- threads ---


def at_once(*calls: Callable[[], str]) -> list[str]:
    """The results of calls in threads of their own, which all begin before any ends."""
    barrier = threading.Barrier(len(calls))

    def call(each: Callable[[], str]) -> str:
        barrier.wait()
        return each()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def acting(guard: Any, caller: Caller, ask: Callable[[], str]) -> Callable[[], str]:
    def act() -> str:
        with as_caller(guard, caller):
            (answer,) = {ask() for _ in range(10)}
            return answer

    return act


def test_threads_act_as_several_callers_at_once() -> None:
    calls = [acting(flask_guard, ADA, ask_flask), acting(flask_guard, BEN, ask_flask), ask_flask]
    assert at_once(*calls) == ["firebase:shop-prod/ada", "firebase:shop-prod/ben", "401"]


@pytest.mark.parametrize("path", ["/who", "/thread"])
def test_threads_share_a_test_client_and_each_is_its_own_caller(client: TestClient, path: str) -> None:
    def ask() -> str:
        return said(client.get(path))

    calls = [acting(guard, ADA, ask), acting(guard, BEN, ask), ask]
    assert at_once(*calls) == ["firebase:shop-prod/ada", "firebase:shop-prod/ben", "401"]


def test_a_socket_is_that_of_the_caller_who_opened_it(client: TestClient) -> None:
    def ask() -> str:
        with client.websocket_connect("/live") as socket:
            return str(socket.receive_text())

    calls = [acting(guard, ADA, ask), acting(guard, BEN, ask)]
    assert at_once(*calls) == ["firebase:shop-prod/ada", "firebase:shop-prod/ben"]


def test_a_block_of_another_thread_does_not_hold_here() -> None:
    opened, over = threading.Event(), threading.Event()

    def act() -> None:
        with as_caller(flask_guard, ADA):
            opened.set()
            over.wait()

    thread = threading.Thread(target=act)
    thread.start()
    opened.wait()
    assert ask_flask() == "401"
    over.set()
    thread.join()


def test_a_block_of_the_test_holds_in_threads_and_loops_that_were_there_before() -> None:
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as pool:
        assert (runner.run(ask()), pool.submit(ask_flask).result()) == ("401", "401")
        with as_caller(guard, ADA), as_caller(flask_guard, BEN):
            assert runner.run(ask()) == "firebase:shop-prod/ada"
            assert pool.submit(ask_flask).result() == "firebase:shop-prod/ben"
            assert pool.submit(acting(flask_guard, ADA, ask_flask)).result() == "firebase:shop-prod/ada"
            assert pool.submit(ask_flask).result() == "firebase:shop-prod/ben"
        assert (runner.run(ask()), pool.submit(ask_flask).result()) == ("401", "401")


# --- blocks that end in any order, anywhere ---


def test_blocks_may_end_in_the_order_in_which_they_began(client: TestClient) -> None:
    def ask() -> str:
        return said(client.get("/who"))

    one, two, three = as_caller(guard, ADA), as_caller(guard, BEN), as_caller(guard, ADA)
    with one:
        two.__enter__()
        assert ask() == "firebase:shop-prod/ben"
        three.__enter__()
    assert ask() == "firebase:shop-prod/ada"
    two.__exit__(None, None, None)
    assert ask() == "firebase:shop-prod/ada"
    three.__exit__(None, None, None)
    assert ask() == "401"


def test_a_generator_may_end_in_another_context_than_it_began_in() -> None:
    def fixture() -> Iterator[None]:
        with as_caller(flask_guard, ADA):
            yield

    def run(began: Any, ends: Any) -> list[str]:
        block = fixture()
        began.run(next, block)
        inside = began.run(ask_flask)
        ends.run(lambda: next(block, None))
        return [inside, began.run(ask_flask), ends.run(ask_flask)]

    contexts = [copy_context(), copy_context()]
    for began, ends in (contexts, reversed(contexts)):
        assert run(began, ends) == ["firebase:shop-prod/ada", "401", "401"]
        in_thread = functools.partial(run, copy_context(), copy_context())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(in_thread).result() == ["firebase:shop-prod/ada", "401", "401"]


def test_one_block_is_opened_once_at_a_time() -> None:
    block = as_caller(flask_guard, ADA)
    with block:
        with pytest.raises(RuntimeError, match="open already"), block:
            pass
        assert ask_flask() == "firebase:shop-prod/ada"
    with block:
        assert ask_flask() == "firebase:shop-prod/ada"
    block.__exit__(None, None, None)  # closed twice, as by an ExitStack and a test: nothing happens
    assert ask_flask() == "401"


def test_what_yields_is_not_decorated() -> None:
    def fixture() -> Iterator[None]:
        yield

    async def fixture_of_tasks() -> Any:
        yield

    for each in (fixture, fixture_of_tasks):
        with pytest.raises(TypeError, match=rf"{each.__name__} yields: write `with as_caller"):
            as_caller(guard, ADA)(each)


# --- what else stands on the guard ---


def test_a_guard_that_a_test_has_changed_by_hand_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Guard(ISSUER.firebase("shop-prod"))

    def known(sent: Any, waited: Any = ()) -> Any:
        return Identity(BEN)

    monkeypatch.setattr(own, "identify", known)
    with as_caller(own, ADA):
        assert own.identify({}) == Identity(BEN)
    assert own.identify is known


# --- audiences and projects ---

URL, CLIENT, OTHER = "https://tasks.example.com", "99-z.apps.googleusercontent.com", "98-y.apps.googleusercontent.com"


@pytest.mark.parametrize(
    ("audiences", "person", "service"),
    [
        ((URL, CLIENT), CLIENT, URL),
        ((URL,), URL, URL),
        ((CLIENT, OTHER), OTHER, OTHER),
    ],
)
def test_who_was_made_without_an_audience_takes_the_guards(
    audiences: tuple[str, ...], person: str, service: str
) -> None:
    own = Guard(google(*audiences))
    with as_caller(own, google_person()) as caller:
        assert caller.audience == person
    with as_caller(own, service_account()) as caller:
        assert caller.audience == service
    for chosen in (google_person(audience="97-x.apps.googleusercontent.com"), service_account(audience="https://x")):
        with as_caller(own, chosen) as caller:
            assert caller is chosen


def test_a_firebase_user_without_a_project_is_one_of_the_guards() -> None:
    own = Guard(ISSUER.google(URL), ISSUER.firebase("shop-test"))
    with as_caller(own, firebase_user("ada", tenant="t1")) as caller:
        assert caller.firebase is not None
        assert (str(caller), caller.audience) == ("firebase:shop-test/t1/ada", "shop-test")
        assert (caller.issuer, caller.firebase.tenant) == ("https://securetoken.google.com/shop-test", "t1")


def test_with_several_projects_a_user_says_whose() -> None:
    own = Guard(ISSUER.firebase("shop-prod"), ISSUER.firebase("shop-test"))
    with (
        pytest.raises(ValueError, match=r"'shop-prod', 'shop-test': .* firebase_user\('ada', project='shop-prod'\)"),
        as_caller(own, ADA),
    ):
        pass
    with as_caller(own, firebase_user("ada", project="shop-test")) as caller:
        assert str(caller) == "firebase:shop-test/ada"
    assert "identify" not in vars(own)


@pytest.mark.parametrize("caller", [firebase_user("ada"), google_person()])
def test_whom_the_guard_trusts_nobody_to_know_does_not_act(caller: Caller) -> None:
    own = Guard(ISSUER.firebase("shop-test") if caller.firebase is None else ISSUER.google(URL))
    with pytest.raises(ValueError, match="nobody of"), as_caller(own, caller):
        pass
