"""How many callers wait for keys at a time: the rest go on at once, and who gives up makes room."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from callerid import Guard, google
from callerid.asking._crowd import Count
from callerid.asking._in_flight import InFlight
from callerid.errors import Unavailable
from callerid.keys import Key, KeySource, KeyStore, Wait
from callerid.testing import LocalIssuer

from .asking import ask, ask_async, at_once, eventually, must_wait
from .made import document
from .servers import key_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .conftest import Clock
    from .servers import KeyServer


@pytest.fixture
def source(server: KeyServer) -> KeySource:
    """The keys of a server that hangs until its gate opens."""
    server.body = document("a")
    server.close_gate()
    return KeySource(server.url, fetch_seconds=30, waiting_threads=2, brief_wait=0, waiting_tasks=2)


@pytest.fixture
def other() -> Iterator[KeyServer]:
    """Another server that hangs."""
    with key_server() as server:
        server.body = document("b")
        server.close_gate()
        yield server


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(9) as made:
        yield made


def waiting(
    pool: ThreadPoolExecutor, store: KeyStore, source: KeySource, count: int, kid: str = "a"
) -> list[Future[Key]]:
    """So many threads more that wait."""
    already = len(store._threads)
    asked = [pool.submit(ask, store, source, kid) for _ in range(count)]
    eventually(lambda: len(store._threads) == already + count)
    return asked


def refused(store: KeyStore, source: KeySource, kid: str = "a") -> Unavailable:
    """Asks where nobody else may wait: the answer comes although the fetch goes on."""
    with pytest.raises(Unavailable) as refusal:
        ask(store, source, kid)
    return refusal.value


# Threads


def test_more_threads_than_may_wait_get_503_at_once(
    server: KeyServer, source: KeySource, pool: ThreadPoolExecutor
) -> None:
    store = KeyStore()
    asked = waiting(pool, store, source, 2)
    for _ in range(20):
        refusal = refused(store, source)
        assert refusal.retry_after == 1
        assert "enough callers wait for the fetch" in refusal.detail
    assert not any(future.done() for future in asked)
    server.gate.set()
    assert {future.result() for future in asked} == {at_once(store, source)}
    assert (len(store._threads), len(server.requests)) == (0, 1)


def test_a_fetch_that_does_not_hang_is_waited_for_by_all(
    server: KeyServer, source: KeySource, pool: ThreadPoolExecutor
) -> None:
    store, source = KeyStore(), replace(source, brief_wait=20)
    asked = waiting(pool, store, source, 2)
    asked += [pool.submit(ask, store, source) for _ in range(5)]
    assert server.asked.acquire(timeout=40)
    server.gate.set()
    assert {future.result() for future in asked} == {at_once(store, source)}
    assert (len(store._threads), len(server.requests)) == (0, 1)


def test_a_brief_wait_begins_when_the_source_is_asked(pool: ThreadPoolExecutor) -> None:
    in_flight = InFlight(0)
    brief = [pool.submit(in_flight.block_briefly, 20, 0) for _ in range(2)]
    landed = pool.submit(in_flight.block_briefly, 20, 20)
    assert not any(future.done() for future in brief)
    in_flight.mark_sent()
    for future in brief:
        future.result()
    assert not landed.done()
    in_flight.finish()
    landed.result()
    in_flight.block_briefly(20, 20)


def test_a_brief_wait_ends_with_a_fetch_that_was_never_sent(pool: ThreadPoolExecutor) -> None:
    in_flight = InFlight(0)
    brief = pool.submit(in_flight.block_briefly, 20, 20)
    in_flight.finish()
    brief.result()
    InFlight(0).block_briefly(0, 20)  # nor is loading waited for without end


def test_a_brief_wait_is_never_longer_than_a_whole_one() -> None:
    in_flight = InFlight(0)
    in_flight.mark_sent()
    in_flight.block_briefly(0.01, 3_600)
    assert not in_flight.is_done


def test_who_is_refused_a_wait_is_judged_by_the_old_keys(
    server: KeyServer, source: KeySource, clock: Clock, pool: ThreadPoolExecutor
) -> None:
    store, source = KeyStore(timer=clock), replace(source, stale_wait=30)
    server.gate.set()
    held = ask(store, source)
    server.close_gate()
    clock.advance(3_600)
    asked = waiting(pool, store, source, 2)
    assert ask(store, source) is held
    assert not any(future.done() for future in asked)
    server.gate.set()
    assert [future.result() for future in asked] == [held, held]


def test_a_thread_whose_wait_ends_makes_room(source: KeySource) -> None:
    store = KeyStore()
    waits = [must_wait(store, source) for _ in range(3)]
    for wait in waits:
        wait.seconds = 0.01
        wait.block()
    assert [wait.admitted for wait in waits] == [True] * 3
    assert len(store._threads) == 0


def test_a_thread_that_is_interrupted_makes_room(source: KeySource, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(in_flight: InFlight, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(InFlight, "block", interrupted)
    store = KeyStore()
    with pytest.raises(KeyboardInterrupt):
        must_wait(store, source).block()
    assert len(store._threads) == 0


def test_a_wait_that_nobody_waits_takes_no_place(source: KeySource) -> None:
    store = KeyStore()
    waits = [must_wait(store, source) for _ in range(10)]
    assert (len(waits), len(store._threads), len(store._tasks)) == (10, 0, 0)


def test_the_threads_of_all_sources_count_and_one_may_always_wait_for_each(
    source: KeySource, server: KeyServer, other: KeyServer, pool: ThreadPoolExecutor
) -> None:
    store, second = KeyStore(), replace(source, url=other.url)
    asked = waiting(pool, store, source, 2)
    asked += waiting(pool, store, second, 1, "b")
    refused(store, second, "b")
    refused(store, source)
    server.gate.set()
    for future in asked[:2]:
        future.result()
    # The first source's threads have left: there is room for one more.
    asked += waiting(pool, store, second, 1, "b")
    refused(store, second, "b")
    other.gate.set()
    assert [future.result().kid for future in asked] == ["a", "a", "b", "b"]


def test_warming_waits_however_many_do(server: KeyServer, source: KeySource, pool: ThreadPoolExecutor) -> None:
    store = KeyStore()
    waiting(pool, store, source, 2)
    wait = store.warm(source, "RS256")
    assert wait is not None
    server.gate.set()
    wait.block()
    assert at_once(store, source)


def test_never_more_are_let_in_than_may_wait(pool: ThreadPoolExecutor) -> None:
    count, fetch, start = Count(), object(), threading.Barrier(9)
    counted = []

    def enter() -> None:
        start.wait()
        for _ in range(200):
            with count.place(fetch, 3) as admitted:
                if admitted:
                    counted.append(len(count))

    for future in [pool.submit(enter) for _ in range(9)]:
        future.result()
    assert max(counted) <= 3
    assert (len(count), len(count._waiting)) == (0, 0)


# Tasks

RUNS: list[Callable[[Callable[[], Awaitable[None]]], None]] = [
    lambda main: asyncio.run(main()),  # type: ignore[arg-type]
    trio.run,
]


async def until(condition: Callable[[], bool], sleep: Callable[[float], Awaitable[None]]) -> None:
    while not condition():
        await sleep(0.001)


@pytest.mark.parametrize("run", RUNS, ids=["asyncio", "trio"])
def test_more_tasks_than_may_wait_get_503_at_once_and_threads_count_apart(
    run: Callable[[Callable[[], Awaitable[None]]], None],
    server: KeyServer,
    source: KeySource,
    pool: ThreadPoolExecutor,
) -> None:
    store = KeyStore()

    async def one() -> None:
        assert (await ask_async(store, source)).kid == "a"

    loops = [pool.submit(run, one) for _ in range(2)]
    eventually(lambda: len(store._tasks) == 2)

    async def crowded() -> None:
        with pytest.raises(Unavailable, match="enough callers wait for the fetch"):
            await ask_async(store, source)

    run(crowded)
    asked = waiting(pool, store, source, 2)
    server.gate.set()
    for loop in loops:
        loop.result()
    assert {future.result() for future in asked} == {at_once(store, source)}
    assert (len(store._tasks), len(store._threads)) == (0, 0)


def test_an_asyncio_task_that_is_cancelled_makes_room(server: KeyServer, source: KeySource) -> None:
    async def main() -> None:
        store = KeyStore()
        tasks = [asyncio.create_task(ask_async(store, source)) for _ in range(2)]
        await until(lambda: len(store._tasks) == 2, asyncio.sleep)
        tasks[0].cancel()
        with suppress(asyncio.CancelledError):
            await tasks[0]
        tasks.append(asyncio.create_task(ask_async(store, source)))
        await until(lambda: len(store._tasks) == 2, asyncio.sleep)
        with pytest.raises(Unavailable):
            await ask_async(store, source)
        server.gate.set()
        assert await asyncio.gather(*tasks[1:]) == [at_once(store, source)] * 2
        assert len(store._tasks) == 0

    asyncio.run(main())


def test_a_trio_task_that_is_cancelled_makes_room(server: KeyServer, source: KeySource) -> None:
    async def main() -> None:
        store = KeyStore()
        found: list[Key] = []

        async def one(scope: trio.CancelScope) -> None:
            with scope:
                found.append(await ask_async(store, source))

        scopes = [trio.CancelScope() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, scopes[0])
            nursery.start_soon(one, scopes[1])
            await until(lambda: len(store._tasks) == 2, trio.sleep)
            scopes[0].cancel()
            await until(lambda: len(store._tasks) == 1, trio.sleep)
            nursery.start_soon(one, scopes[2])
            await until(lambda: len(store._tasks) == 2, trio.sleep)
            with pytest.raises(Unavailable):
                await ask_async(store, source)
            server.gate.set()
        assert found == [at_once(store, source)] * 2
        assert len(store._tasks) == 0

    trio.run(main)


def test_a_task_whose_loop_ends_makes_room(source: KeySource) -> None:
    store = KeyStore()

    async def gone() -> None:
        asyncio.create_task(ask_async(store, source))  # noqa: RUF006 - it is to be left behind
        await until(lambda: len(store._tasks) == 1, asyncio.sleep)

    asyncio.run(gone())
    assert len(store._tasks) == 0


def test_a_task_that_is_thrown_away_makes_room() -> None:
    async def main() -> None:
        store = KeyStore()
        pausing = Wait(InFlight(0), 60, crowd=_crowd(store)).pause()
        task: Any = pausing.__await__()
        next(task)
        assert len(store._tasks) == 1
        task.close()
        assert len(store._tasks) == 0

    asyncio.run(main())


def _crowd(store: KeyStore) -> Any:
    from callerid.asking._crowd import Crowd

    return Crowd(store._threads, store._tasks, "a source", KeySource("https://host.example/"))


# Forks, and guards


def test_in_a_forked_child_nobody_waits_yet(server: KeyServer, source: KeySource, pool: ThreadPoolExecutor) -> None:
    store = KeyStore()
    in_the_parent = store._threads
    with in_the_parent.place("a fetch", 2), in_the_parent.place("a fetch", 2):
        assert len(in_the_parent) == 2
        with in_the_parent._lock:  # as if another thread held it at that moment
            store.renew_after_fork()
        asked = waiting(pool, store, source, 2)
        refused(store, source)
    server.gate.set()
    assert {future.result() for future in asked} == {at_once(store, source)}
    assert (len(store._threads), len(in_the_parent)) == (0, 0)


def test_a_guard_refuses_with_503_whom_it_lets_not_wait(
    server: KeyServer, source: KeySource, pool: ThreadPoolExecutor
) -> None:
    with LocalIssuer() as issuer:
        server.body = issuer.pem_document().encode()
        guard = Guard(google("https://orders.example.com", keys=source))
        token = issuer.service_account("queue@shop-prod.iam.gserviceaccount.com", audience="https://orders.example.com")
        asked = [pool.submit(guard.verify, token) for _ in range(2)]
        eventually(lambda: len(guard.authenticator.keys._threads) == 2)
        with pytest.raises(Unavailable):
            guard.verify(token)
        task = pool.submit(lambda: asyncio.run(guard.averify(token)))
        eventually(lambda: len(guard.authenticator.keys._tasks) == 1)
        server.gate.set()
        assert {str(future.result()) for future in (*asked, task)} == {
            "serviceAccount:queue@shop-prod.iam.gserviceaccount.com"
        }
