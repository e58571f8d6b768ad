from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import trio

from callerid.asking._in_flight import InFlight
from callerid.errors import Unavailable
from callerid.keys import Key, KeySource, KeyStore, Wait
from callerid.keys import _store as store
from tests import held_time

from .asking import ask, ask_async, at_once, eventually, must_wait, status
from .made import document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .servers import KeyServer

CROWD = 100


@pytest.fixture
def source(server: KeyServer) -> KeySource:
    server.body = document("a")
    server.close_gate()
    return KeySource(server.url, fetch_seconds=30, brief_wait=30)  # all may wait, however slow this machine is


def watchers(store: KeyStore) -> int:
    return sum(len(entry.in_flight._watchers) for entry in store._entries.values() if entry.in_flight is not None)


async def until(condition: Callable[[], bool], sleep: Callable[[float], Awaitable[None]]) -> None:
    while not condition():
        await sleep(0.001)


def our_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("callerid-keys"))


def test_a_hundred_cold_threads_make_one_fetch(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    with ThreadPoolExecutor(CROWD) as pool:
        asked = [pool.submit(ask, store, source) for _ in range(CROWD)]
        server.asked.acquire()
        server.gate.set()
        found = {future.result() for future in asked}
    assert found == {at_once(store, source)}
    assert len(server.requests) == 1


async def _crowd_asyncio(server: KeyServer, store: KeyStore, source: KeySource) -> set[Key]:
    tasks = [asyncio.create_task(ask_async(store, source)) for _ in range(CROWD)]
    await until(lambda: watchers(store) == CROWD, asyncio.sleep)
    assert our_threads() == ["callerid-keys", "callerid-keys-watchdog"]
    server.gate.set()
    return set(await asyncio.gather(*tasks))


async def _crowd_trio(server: KeyServer, store: KeyStore, source: KeySource) -> set[Key]:
    found: set[Key] = set()

    async def one() -> None:
        found.add(await ask_async(store, source))

    async with trio.open_nursery() as nursery:
        for _ in range(CROWD):
            nursery.start_soon(one)
        await until(lambda: watchers(store) == CROWD, trio.sleep)
        assert our_threads() == ["callerid-keys", "callerid-keys-watchdog"]
        server.gate.set()
    return found


def test_a_hundred_cold_asyncio_tasks_make_one_fetch_and_cost_no_threads(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    assert asyncio.run(_crowd_asyncio(server, store, source)) == {at_once(store, source)}
    assert len(server.requests) == 1


def test_a_hundred_cold_trio_tasks_make_one_fetch_and_cost_no_threads(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    assert trio.run(_crowd_trio, server, store, source) == {at_once(store, source)}
    assert len(server.requests) == 1


def test_threads_and_loops_of_both_kinds_share_one_fetch(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(ask, store, source) for _ in range(3)]
        asked += [pool.submit(lambda: asyncio.run(ask_async(store, source))) for _ in range(3)]
        asked += [pool.submit(lambda: trio.run(ask_async, store, source)) for _ in range(3)]
        eventually(lambda: watchers(store) == 6)
        server.gate.set()
        assert {future.result() for future in asked} == {at_once(store, source)}
    assert len(server.requests) == 1


def test_cancelling_an_asyncio_task_disturbs_no_other(server: KeyServer, source: KeySource) -> None:
    async def main() -> None:
        store = KeyStore()
        tasks = [asyncio.create_task(ask_async(store, source)) for _ in range(10)]
        await until(lambda: watchers(store) == 10, asyncio.sleep)
        for task in tasks[:5]:
            task.cancel()
        await until(lambda: watchers(store) == 5, asyncio.sleep)
        server.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True] * 5 + [False] * 5
        assert set(results[5:]) == {at_once(store, source)}

    asyncio.run(main())
    assert len(server.requests) == 1


def test_cancelling_a_trio_task_disturbs_no_other(server: KeyServer, source: KeySource) -> None:
    async def main() -> None:
        store = KeyStore()
        found: list[Key] = []

        async def one(scope: trio.CancelScope) -> None:
            with scope:
                found.append(await ask_async(store, source))

        scopes = [trio.CancelScope() for _ in range(10)]
        async with trio.open_nursery() as nursery:
            for scope in scopes:
                nursery.start_soon(one, scope)
            await until(lambda: watchers(store) == 10, trio.sleep)
            for scope in scopes[:5]:
                scope.cancel()
            await until(lambda: watchers(store) == 5, trio.sleep)
            server.gate.set()
        assert found == [at_once(store, source)] * 5

    trio.run(main)
    assert len(server.requests) == 1


def test_a_loop_that_closes_meanwhile_does_not_break_the_fetch(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()

    async def gone() -> None:
        raise TimeoutError from await asyncio.wait_for(ask_async(store, source), 0.02)  # type: ignore[misc]

    with pytest.raises(TimeoutError):
        asyncio.run(gone())
    server.gate.set()
    assert ask(store, source).kid == "a"
    assert len(server.requests) == 1


def test_a_watcher_whose_loop_is_closed_does_not_keep_others_asleep() -> None:
    in_flight, woken = InFlight(0), threading.Event()
    loop = asyncio.new_event_loop()
    loop.close()

    async def note_token() -> trio.lowlevel.TrioToken:
        return trio.lowlevel.current_trio_token()

    token = trio.run(note_token)
    in_flight.watch(partial(loop.call_soon_threadsafe, woken.clear))
    in_flight.watch(partial(token.run_sync_soon, woken.clear))
    in_flight.watch(woken.set)
    in_flight.finish()
    assert woken.is_set()


RUNS: list[Callable[[Callable[[], Awaitable[None]]], None]] = [
    lambda main: asyncio.run(main()),  # type: ignore[arg-type]
    trio.run,
]


@pytest.mark.parametrize("run", RUNS, ids=["asyncio", "trio"])
def test_no_wake_up_is_lost(run: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
    async def main() -> None:
        for number in range(300):
            in_flight = InFlight(0)
            threading.Timer(number % 5 / 10_000, in_flight.finish).start()
            await Wait(in_flight, 3600).pause()  # a lost one is waited for until the test's own time is up
            assert in_flight.is_done
        await Wait(in_flight, 3600).pause()  # and one that is over is not waited for

    run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_pause_ends_after_its_seconds(backend: str) -> None:
    in_flight = InFlight(0)

    async def main() -> float:
        await Wait(in_flight, 60).pause()
        return anyio.current_time()

    assert held_time.run(main, backend) == 60
    assert not in_flight._watchers
    assert not in_flight.is_done


def test_a_thread_is_blocked_for_its_seconds_at_most() -> None:
    in_flight = InFlight(0)
    Wait(in_flight, 0.01).block()
    assert not in_flight.is_done


def test_a_caller_whose_wait_ended_before_the_fetch_gets_503(source: KeySource) -> None:
    store = KeyStore()
    wait = must_wait(store, source)
    with pytest.raises(Unavailable, match="the fetch is not done"):
        store.find(source, "RS256", "a", wait)


FORKED = """
import os, sys
from callerid.keys import Key, KeySource, KeyStore, Wait

warm, cold = KeySource(sys.argv[1], fetch_seconds=30), KeySource(sys.argv[2], fetch_seconds=30)
store = KeyStore()
store.warm(warm, "RS256").block()
before = store.find(warm, "RS256", "a")
assert isinstance(before, Key)
under_way = store.find(cold, "RS256", "a")  # its thread stays behind in the parent
assert isinstance(under_way, Wait)
store._lock.acquire()  # as if another thread held it at that moment
child = os.fork()
if child == 0:
    assert store.find(warm, "RS256", "a") is before
    own = store.find(cold, "RS256", "a")
    assert isinstance(own, Wait) and own.in_flight is not under_way.in_flight
    own.block()
    found = store.find(cold, "RS256", "a", own)
    print([status.fetches for status in store.status()], found.kid, flush=True)
    os._exit(0)
store._lock.release()
_, status = os.waitpid(child, 0)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(status))
"""


def run_python(code: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_forked_child_keeps_the_keys_and_fetches_for_itself(server: KeyServer, source: KeySource) -> None:
    from .servers import key_server

    def answer_the_second() -> None:
        for _ in range(2):
            server.asked.acquire()
        server.gate.set()

    answering = threading.Thread(target=answer_the_second, daemon=True)
    answering.start()
    with key_server() as good:
        good.body = document("a")
        assert run_python(FORKED, good.url, source.url) == "[1, 2] a"
        assert len(good.requests) == 1
    answering.join()
    assert len(server.requests) == 2


FORKED_WHILE_LOADING = """
import os, sys, threading
from callerid.keys import Key, KeySource, KeyStore, Wait

usual = sys.getswitchinterval()

class Slow:
    begun, forking = threading.Event(), threading.Event()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in sys.argv[2:]:
            cls.begun.set()
            cls.forking.wait()

def about_to_fork():
    # Only a fork that waits for the loading to end gives the loading thread its turn.
    sys.setswitchinterval(1_000)
    Slow.forking.set()

# It runs before what the library registers, which was registered before it.
os.register_at_fork(
    before=about_to_fork,
    after_in_parent=lambda: sys.setswitchinterval(usual),
    after_in_child=lambda: sys.setswitchinterval(usual),
)
sys.meta_path.insert(0, Slow)
source, store = KeySource(sys.argv[1], fetch_seconds=30), KeyStore()
store.warm(source, "RS256")
Slow.begun.wait()
child = os.fork()
if child == 0:
    found = store.find(source, "RS256", "a")
    if isinstance(found, Wait):
        found.block()
        found = store.find(source, "RS256", "a", found)
    print(found.kid, flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
os._exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("module", ["cryptography.x509", "urllib3"])
@pytest.mark.slow
def test_a_fork_while_a_first_fetch_loads_its_libraries_leaves_a_child_that_can_fetch(
    server: KeyServer, module: str
) -> None:
    server.body = document("a")
    assert run_python(FORKED_WHILE_LOADING, server.url, module) == "a"


def test_after_a_fork_locks_are_new_and_flights_forgotten(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    in_the_parent = must_wait(store, source)
    with store._lock:
        store.renew_after_fork()
        in_the_child = must_wait(store, source)
    assert in_the_child.in_flight is not in_the_parent.in_flight
    server.gate.set()
    in_the_child.block()
    assert at_once(store, source).kid == "a"


LOADED_MEANWHILE = """
import os, socket, sys, threading
from callerid.keys import KeySource, KeyStore

asked, before = threading.Event(), []

class Watching:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "cryptography.x509":
            before.append(asked.wait(20))

def serve(listening):
    connection, _ = listening.accept()
    asked.set()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + os.environb[b"KEYS"])
    connection.close()

sys.meta_path.insert(0, Watching)
listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listening,)).start()
source, store = KeySource(f"http://127.0.0.1:{listening.getsockname()[1]}/", fetch_seconds=30), KeyStore()
wait = store.find(source, "RS256", "a")
wait.block()
print(store.find(source, "RS256", "a", wait).kid, before)
"""


@pytest.mark.slow
def test_cryptography_loads_while_the_answer_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", document("a").decode())
    assert run_python(LOADED_MEANWHILE) == "a [True]"


def test_what_a_first_fetch_needs_is_loaded_before_its_answer_comes(
    server: KeyServer, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()
    monkeypatch.setattr(store, "_LOADED", loaded)
    wait = must_wait(KeyStore(), source)
    eventually(loaded.is_set)  # the answer is held back all the while
    server.gate.set()
    wait.block()
    assert wait.in_flight.succeeded_at is not None


CLIENTS = """
import sys
from callerid.keys import KeySource, KeyStore
store = KeyStore()
wait = store.warm(KeySource(sys.argv[1], fetch_seconds=30), "RS256")
wait.block()
clients = {"requests", "google.auth.transport.requests", "charset_normalizer"}
print(store.status()[0].kids, sorted(clients & set(sys.modules)))
"""


@pytest.mark.slow
def test_a_fetch_loads_no_other_client_than_urllib3(server: KeyServer) -> None:
    server.body = document("a")
    assert run_python(CLIENTS, server.url) == "('a',) []"


IMPORTED = """
import sys
import callerid.keys
heavy = {"requests", "urllib3", "cryptography", "google.auth", "trio", "anyio.from_thread", "http.client"}
print(sorted(heavy & set(sys.modules)))
"""


def test_importing_the_package_imports_no_client_and_no_cryptography() -> None:
    assert run_python(IMPORTED) == "[]"


def test_status_can_be_asked_while_a_fetch_is_under_way(server: KeyServer, source: KeySource) -> None:
    store = KeyStore()
    wait = must_wait(store, source)
    assert (status(store).fetches, status(store).fresh) == (1, False)
    server.gate.set()
    wait.block()
    assert status(store).fresh
