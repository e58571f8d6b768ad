"""Random days of a key endpoint behind caches, against a slow model that replays everything from the beginning.

The model knows the true age of every document. It keeps a log of what was fetched and computes from it, each time
anew, what must be held, whether a fetch is due and what a caller must be told.
"""

from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio

from callerid.errors import Unauthenticated, Unavailable
from callerid.keys import KeySource, KeyStore
from callerid.keys import _store as store
from callerid.keys._attempt import AbortHandle, FetchError, KeyResponse
from callerid.keys._fetch import Fetched, _got

from .asking import ask, ask_async, eventually
from .made import pem, pem_map, rsa_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conftest import Clock

EPOCH = 1_700_000_000
DAY = 86_400
SOURCE = KeySource("https://keys.example.com/", stale_wait=5, waiting_threads=4, brief_wait=0.001, waiting_tasks=8)
REREAD = SOURCE.fetch_seconds + 1
NAPS = (0, 1, 2, 5, 10, 29, 30, 31, 54, 60, 61, 300, 3_240, 3_600, 50_000, 86_400, 100_000, 200_000)
LATE = (0.9,) * 8 + (0.95, 0.99, 1, 1)
"""Parts of a lifetime."""
KIDS = ("a", "b", "c", "never")
PUBLISHED = ({"a": "a"}, {"a": "another a"}, {"a": "a", "b": "b"}, {"b": "b"}, {"b": "b", "c": "c"}, {"c": "c"})
"""Key sets: by key id, the name of a key."""


@dataclass(frozen=True)
class Document:
    keys: Mapping[str, str]
    generated_at: float
    max_age: int


@dataclass(frozen=True)
class Landing:
    """What one fetch brought: a document and the seconds it may serve, or nothing."""

    at: float
    document: Document | None = None
    lifetime: float = 0.0


@dataclass
class Endpoint:
    """An origin and three caches in front of it, one of which answers, with honest headers, or none does."""

    clock: Clock
    chance: Random
    landings: list[Landing] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    under_way: int = 0
    most_under_way: int = 0

    def __post_init__(self) -> None:
        self.gate.set()
        self.published: Mapping[str, str] = PUBLISHED[0]
        self.caches = [self.generate() for _ in range(3)]

    def generate(self) -> Document:
        return Document(self.published, self.clock.now, self.chance.choice([0, 30, 100, 3_600, 90_000]))

    def publish(self) -> None:
        self.published = self.chance.choice(PUBLISHED)

    def refresh_a_cache(self) -> None:
        self.caches[self.chance.randrange(3)] = self.generate()

    def fetch(self, _: AbortHandle) -> Fetched:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self._fetch()
        finally:
            self.under_way -= 1

    def _fetch(self) -> Fetched:
        self.gate.wait()
        where = self.chance.random()
        if where < 0.2:
            self.landings.append(Landing(self.clock.now))
            return self._fail()
        document = self.generate() if where < 0.6 else self.chance.choice(self.caches)
        return self._answer(document)

    def _answer(self, document: Document) -> Fetched:
        now = self.clock.now
        age = now - document.generated_at
        shown = self.chance.choice(["Age", "Date", "Age and Date"])
        headers = {"Cache-Control": f"max-age={document.max_age}"}
        if "Age" in shown:
            headers["Age"] = str(int(age))
        if "Date" in shown:
            headers["Date"] = formatdate(EPOCH + document.generated_at, usegmt=True)
        left = document.max_age - (age if "Age" in shown else 0)
        self.landings.append(Landing(now, document, min(max(left, 60), DAY)))
        body = pem_map({kid: pem(rsa_key(name)) for kid, name in document.keys.items()})
        return _got(SOURCE, KeyResponse(200, headers, body))

    def _fail(self) -> Fetched:
        status, body = self.chance.choice([(500, b""), (302, b""), (200, b"<html>"), (200, b"{}"), (0, b"")])
        if not status:
            raise FetchError("down")
        return _got(SOURCE, KeyResponse(status, {}, body))


@dataclass
class Replayed:
    """Where everything has led to by now."""

    held: Landing | None = None
    origin: float = 0.0
    failures: int = 0
    pause_until: float = 0.0
    """Nothing is fetched before, since fetching fails."""
    no_refresh_before: float = 0.0

    def fresh(self, now: float) -> bool:
        return self.held is not None and now < self.held.at + self.held.lifetime

    def usable(self, now: float) -> bool:
        return self.held is not None and now < self.held.at + self.held.lifetime + DAY

    def key(self, kid: str, now: float) -> str | None:
        return self.held.document.keys.get(kid) if self.usable(now) and self.held and self.held.document else None

    def land(self, landing: Landing) -> None:
        now, document = landing.at, landing.document
        older = self.origin - document.generated_at if document else 0
        if document and 0 < older <= REREAD and self._is_held(document):
            self.held, self.failures, self.pause_until, self.no_refresh_before = landing, 0, 0, 0
        elif document and (older <= 0 or not self.usable(now)):
            self.held, self.origin = landing, document.generated_at
            self.failures, self.pause_until, self.no_refresh_before = 0, 0, 0
        elif document and self.fresh(now) and self.held:
            self.failures, self.pause_until = 0, 0
            self.no_refresh_before = min(now + 30, self.held.at + self.held.lifetime)
        else:
            self.pause_until = now + min(2**self.failures, 30)
            self.failures += 1

    def _is_held(self, document: Document) -> bool:
        return self.held is not None and self.held.document is not None and self.held.document.keys == document.keys


@dataclass
class Model:
    endpoint: Endpoint
    cool_down_until: float = 0.0

    def replayed(self) -> Replayed:
        state = Replayed()
        for landing in self.endpoint.landings:
            state.land(landing)
        return state

    def is_fetch_due(self, kid: str, now: float) -> bool:
        state = self.replayed()
        if now < state.pause_until:
            return False
        if state.key(kid, now) is None:
            return not state.fresh(now) or now >= self.cool_down_until
        assert state.held is not None
        return now >= max(state.held.at + 0.9 * state.held.lifetime, state.no_refresh_before)

    def naps_until_a_refresh(self, now: float) -> list[float]:
        """To the last tenth of the lifetime, and to its end: seldom met by chance."""
        held = self.replayed().held
        return [max(0, math.ceil(held.at + part * held.lifetime - now)) for part in LATE] if held else []

    def answer(self, kid: str, now: float, before: Replayed, *, fetched: bool) -> str:
        """What a caller is told; notes the cool-down."""
        after = self.replayed()
        if before.key(kid, now) and before.fresh(now):
            return before.key(kid, now) or ""  # judged at once, by what was held
        if fetched and before.usable(now) and not before.key(kid, now):
            self.cool_down_until = now + 30
        if fetched and not after.failures and not after.key(kid, now):
            self.cool_down_until = now + 30
        return after.key(kid, now) or ("503" if after.failures else "401")


def told(keys: KeyStore, kid: str) -> str:
    """The name of the key found, or the status of the refusal."""
    try:
        return NAMES[ask(keys, SOURCE, kid).material]
    except Unauthenticated:
        return "401"
    except Unavailable as refusal:
        return "503" if 1 <= refusal.retry_after <= 30 else "503 for too long"


def _material(name: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return rsa_key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


NAMES = {_material(name): name for name in ("a", "another a", "b", "c")}


def endpoint_of(clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Endpoint, KeyStore]:
    endpoint = Endpoint(clock, Random(seed))
    monkeypatch.setattr(store, "fetcher", lambda source: endpoint.fetch)
    return endpoint, KeyStore(timer=clock, clock=lambda: EPOCH + clock.now)


@pytest.mark.parametrize("seed", range(24))
def test_on_any_day_the_store_does_what_the_model_says(
    clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(-seed)
    endpoint, keys = endpoint_of(clock, seed, monkeypatch)
    model, known = Model(endpoint), keys.key_set(SOURCE, "RS256")
    for _ in range(150):
        step = chance.random()
        if step < 0.1:
            endpoint.publish()
        elif step < 0.2:
            endpoint.refresh_a_cache()
        elif step < 0.22:
            keys.renew_after_fork()
        elif step < 0.5:
            clock.advance(chance.choice([*NAPS, *model.naps_until_a_refresh(clock.now)]))
        else:
            kid, now, before, fetches = chance.choice(KIDS), clock.now, model.replayed(), len(endpoint.landings)
            due = model.is_fetch_due(kid, now)
            answer = told(keys, kid)
            eventually(lambda: known.in_flight is None)
            assert len(endpoint.landings) - fetches == due
            after = model.replayed()
            assert answer == model.answer(kid, now, before, fetched=due)
            assert known.state.failures == after.failures
            assert {kid: NAMES[key.material] for kid, key in known.state.keys.items()} == (
                after.held.document.keys if after.held and after.held.document else {}
            )
            if after.held:
                assert known.state.expires_at == after.held.at + after.held.lifetime
                assert known.state.origin.clock == EPOCH + after.origin


def threads_ask(keys: KeyStore, seed: int) -> None:
    chance = Random(seed)
    for _ in range(60):
        assert told(keys, chance.choice(KIDS)) in {"401", "503", *NAMES.values()}


async def task_asks(keys: KeyStore, kid: str) -> None:
    with suppress(Unauthenticated, Unavailable):
        assert (await ask_async(keys, SOURCE, kid)).kid == kid


async def asyncio_asks(keys: KeyStore, seed: int) -> None:
    """Twelve tasks at a time, of which some are cancelled."""
    chance = Random(seed)
    for _ in range(15):
        tasks = [asyncio.create_task(task_asks(keys, chance.choice(KIDS))) for _ in range(12)]
        await asyncio.sleep(0)
        for task in chance.sample(tasks, 4):
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in done} <= {type(None), asyncio.CancelledError}


async def trio_asks(keys: KeyStore, seed: int) -> None:
    """Twelve tasks at a time, now and then cancelled all together."""
    chance = Random(seed)
    for _ in range(15):
        with trio.move_on_after(chance.choice([0, 0.001, 5])):
            async with trio.open_nursery() as nursery:
                for _ in range(12):
                    nursery.start_soon(task_asks, keys, chance.choice(KIDS))


@dataclass
class Watch:
    """Looks again and again, while callers ask, at what must hold at every moment."""

    keys: KeyStore
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        origin = 0.0
        while not self.over.wait(0.0005):
            assert len(self.keys._threads) <= SOURCE.waiting_threads
            assert len(self.keys._tasks) <= SOURCE.waiting_tasks
            seen = self.keys.key_set(SOURCE, "RS256").state
            if seen.keys:
                assert seen.origin.clock >= origin, "an older document has replaced a newer one"
                origin = seen.origin.clock


@pytest.mark.parametrize("seed", range(6))
def test_threads_and_tasks_at_once_hold_the_newest_document_and_leave_nothing_behind(
    clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, keys = endpoint_of(clock, seed, monkeypatch)
    watch, chance = Watch(keys), Random(seed)
    with ThreadPoolExecutor(12) as pool:
        watching = pool.submit(watch)
        asking: list[Future[None]] = [pool.submit(threads_ask, keys, seed * 100 + number) for number in range(6)]
        asking.append(pool.submit(lambda: asyncio.run(asyncio_asks(keys, seed))))
        asking.append(pool.submit(trio.run, trio_asks, keys, seed))
        while not all(future.done() for future in asking):
            endpoint.gate.clear()
            clock.advance(chance.choice([0, 1, 30, 60]))
            endpoint.publish()
            endpoint.refresh_a_cache()
            watch.over.wait(0.002)
            endpoint.gate.set()
            watch.over.wait(0.002)
        watch.over.set()
        for future in (watching, *asking):
            future.result()
    eventually(lambda: keys.key_set(SOURCE, "RS256").in_flight is None)
    assert (len(keys._threads), len(keys._tasks), endpoint.most_under_way) == (0, 0, 1)
