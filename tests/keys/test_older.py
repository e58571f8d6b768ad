"""A key document that is older than the one held, by ``Age`` or ``Date``, takes no key away and lengthens nothing."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from callerid import Guard, google
from callerid.errors import Reason, Unauthenticated, Unavailable
from callerid.keys import KeyFile, KeySource, KeyStore
from callerid.testing import LocalIssuer

from .asking import ask, at_once, eventually, status, warmed
from .made import document, pem, pem_map, rsa_key

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Clock
    from .servers import KeyServer

HOUR, DAY = 3_600, 86_400
EPOCH = 1_700_000_000
ACCOUNT = "scheduler@shop-prod.iam.gserviceaccount.com"


class World:
    """A key server, a store that asks it, and the clocks of both."""

    def __init__(self, server: KeyServer, clock: Clock) -> None:
        self.server, self.clock = server, clock
        self.wall_ahead = 0.0
        self.store = KeyStore(timer=clock, clock=self.wall)
        # Each fetch is waited for, however slow the machine.
        self.source = KeySource(server.url, fetch_seconds=30, stale_wait=30)

    def wall(self) -> float:
        return self.true_time() + self.wall_ahead

    def true_time(self) -> float:
        return EPOCH + self.clock.now

    def answers(self, *kids: str, age: int = 0, max_age: int = HOUR, by: str = "Age") -> None:
        """The next answers have these keys, of so many seconds ago; the headers named by ``by`` tell it."""
        self.server.headers = {"Cache-Control": f"max-age={max_age}", "Date": formatdate(self.true_time(), usegmt=True)}
        self.server.body = document(*kids)
        if "Age" in by:
            self.server.headers["Age"] = str(age)
        if "Date" in by:
            self.server.headers["Date"] = formatdate(self.true_time() - age, usegmt=True)

    def ask(self, kid: str) -> str:
        try:
            return ask(self.store, self.source, kid).kid
        except Unauthenticated as refusal:
            return str(refusal.reason)
        except Unavailable:
            return "unavailable"

    def landed(self) -> None:
        eventually(lambda: all(known.in_flight is None for known in self.store._entries.values()))

    def kids(self) -> tuple[str, ...]:
        return status(self.store).kids


@pytest.fixture
def world(server: KeyServer, clock: Clock) -> World:
    made = World(server, clock)
    made.answers("a", "b")
    assert warmed(made.store, made.source).fresh
    return made


@pytest.mark.parametrize("by", ["Age", "Date", "Age, Date"])
@pytest.mark.parametrize("age", [1, 300, 10 * DAY])
def test_a_strangers_unknown_kid_takes_no_key_away(world: World, by: str, age: int) -> None:
    held = at_once(world.store, world.source, "b")
    world.answers("a", age=age, by=by)
    assert world.ask("strange") == "unknown_key"
    assert len(world.server.requests) == 2
    assert at_once(world.store, world.source, "b") is held
    assert world.kids() == ("a", "b")


def test_a_withdrawn_key_does_not_come_back_with_an_older_document(world: World) -> None:
    world.clock.advance(HOUR)
    world.answers("b")
    assert world.ask("b") == "b"
    world.clock.advance(60)
    world.answers("a", "b", age=120)
    assert world.ask("a") == "unknown_key"
    assert world.kids() == ("b",)


def test_a_key_leaves_with_a_newer_document_even_if_a_cache_sends_it(world: World) -> None:
    world.clock.advance(600)
    world.answers("b", age=599)
    assert world.ask("strange") == "unknown_key"
    assert world.kids() == ("b",)
    assert world.ask("a") == "unknown_key"


def test_an_equally_old_document_replaces_the_one_held(world: World) -> None:
    world.clock.advance(600)
    world.answers("b", "c", age=600, by="Age, Date")
    assert world.ask("c") == "c"
    assert world.kids() == ("b", "c")


def test_an_older_document_lengthens_nothing(world: World) -> None:
    world.clock.advance(600)
    world.answers("a", age=700, max_age=DAY)
    world.ask("strange")
    assert (status(world.store).expires_in, status(world.store).age) == (HOUR - 600, 600)
    world.answers("a", "b", age=700, max_age=DAY)  # nor with the same keys
    world.clock.advance(30)
    world.ask("strange")
    assert (len(world.server.requests), status(world.store).expires_in) == (3, HOUR - 630)


def test_caches_that_answer_in_turn_leave_the_newest_keys(world: World) -> None:
    for turn in range(20):
        world.clock.advance(30)
        if turn % 2:
            world.answers("a", "b", "c", age=20)
        else:
            world.answers("a", "b", age=5_000)
        assert world.ask("strange") == "unknown_key"
        assert ("c" in world.kids()) is (turn > 0)
    assert len(world.server.requests) == 21


def test_in_the_last_tenth_an_older_document_is_asked_for_again_after_thirty_seconds(world: World) -> None:
    world.answers("a", age=2 * HOUR)
    world.clock.advance(0.95 * HOUR)
    for fetches in (2, 3):
        for _ in range(10):
            assert world.ask("b") == "b"
            world.landed()
        assert len(world.server.requests) == fetches
        world.clock.advance(29)
        assert world.ask("b") == "b"
        assert len(world.server.requests) == fetches
        world.clock.advance(1)
    assert status(world.store).failures == 0


def test_once_expired_an_older_document_is_a_failure_and_the_old_keys_serve(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.answers("a", age=2 * HOUR)
    world.clock.advance(HOUR)
    backoffs = []
    for _ in range(7):
        assert world.ask("b") == "b"
        world.landed()
        fetches = len(world.server.requests)
        assert world.ask("b") == "b"
        assert world.ask("strange") == "unavailable"
        assert len(world.server.requests) == fetches
        backoffs.append(world.store.key_set(world.source, "RS256").state.retry_at - world.clock.now)
        world.clock.advance(backoffs[-1])
    assert backoffs == [1, 2, 4, 8, 16, 30, 30]
    eventually(lambda: len(caplog.records) == 7)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert (
        caplog.records[0]
        .getMessage()
        .endswith("cannot be fetched (its document is 3600 s older than the one held); next try in 1 s.")
    )
    assert status(world.store).last_error == "its document is 3539 s older than the one held"


def test_once_no_key_may_serve_any_document_will_do_and_counts_from_there(world: World) -> None:
    world.clock.advance(HOUR + DAY)
    world.answers("a", age=3 * DAY)
    assert world.ask("a") == "a"
    assert world.ask("b") == "unknown_key"
    world.clock.advance(60)
    world.answers("a", "c", age=2 * DAY)  # newer than the one held now, older than the one held before
    assert world.ask("c") == "c"


@pytest.mark.parametrize("jitter", [1, 5])
def test_a_frozen_document_read_again_and_again_is_fresh_each_time(world: World, jitter: int) -> None:
    world.answers("a", "b")
    for turn in range(1, 30):
        world.clock.advance(HOUR)
        world.answers("a", "b", age=turn * HOUR + jitter * (turn % 2), max_age=60)
        assert world.ask("a") == "a"
        assert (status(world.store).fresh, status(world.store).failures) == (True, 0)
        assert status(world.store).expires_in == 60


def test_an_older_document_in_an_outage_ends_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="callerid")
    world.server.status = 500
    assert world.ask("strange") == "unavailable"
    world.clock.advance(30)
    world.server.status = 200
    world.answers("a", age=300)
    assert world.ask("strange") == "unknown_key"
    eventually(lambda: len(caplog.records) == 3)
    assert [record.getMessage() for record in caplog.records] == [
        f"The keys of {world.source} cannot be fetched (HTTP status 500); next try in 1 s.",
        f"The keys of {world.source} are fetched again, after 1 failures.",
        f"{world.source} sent a document 270 s older than the one held, which stays.",
    ]


# Clocks


@pytest.mark.parametrize("ahead", [-DAY, -HOUR, -1, 1, HOUR, DAY])
def test_a_wall_clock_that_is_wrong_or_set_keeps_no_new_document_out(world: World, ahead: float) -> None:
    for now_ahead, kid in ((0.0, "c"), (ahead, "d"), (ahead, "e"), (0.0, "f"), (-ahead, "g")):
        world.wall_ahead = now_ahead
        world.clock.advance(30)
        world.answers("a", kid)
        assert world.ask(kid) == kid


@pytest.mark.parametrize("ahead", [-DAY, -HOUR, HOUR])
def test_a_wall_clock_that_is_wrong_all_the_time_lets_no_older_document_in(
    server: KeyServer, clock: Clock, ahead: float
) -> None:
    world = World(server, clock)
    world.wall_ahead = ahead
    world.answers("a", "b", by="Age, Date")
    warmed(world.store, world.source)
    world.answers("a", age=300, by="Age, Date")
    assert world.ask("strange") == "unknown_key"
    assert world.kids() == ("a", "b")


def test_a_machine_that_was_suspended_takes_the_new_document(world: World) -> None:
    world.clock.advance(10)
    world.wall_ahead += 5 * HOUR  # the monotonic clock stood still
    world.server.headers = {"Cache-Control": "max-age=20000", "Age": "10000"}
    world.server.headers["Date"] = formatdate(world.wall() - 10_000, usegmt=True)
    world.server.body = document("a", "c")
    assert world.ask("c") == "c"


def test_a_date_to_come_keeps_no_later_document_out(world: World) -> None:
    world.answers("a", "c", age=-100 * DAY, by="Date")
    assert world.ask("c") == "c"
    world.clock.advance(30)
    world.answers("a", "d")
    assert world.ask("d") == "d"


@pytest.mark.parametrize("headers", [{"Date": "junk"}, {"Date": "", "Age": "junk"}])
def test_where_no_header_tells_the_age_the_last_document_counts(world: World, headers: dict[str, str]) -> None:
    world.clock.advance(30)
    world.server.headers, world.server.body = headers, document("c")
    assert world.ask("c") == "c"
    assert world.kids() == ("c",)


# What else holds keys


def test_a_file_that_is_set_back_is_read(tmp_path: Path, clock: Clock) -> None:
    path, store = tmp_path / "keys.json", KeyStore(timer=clock, clock=lambda: EPOCH)
    source = KeyFile(path)
    for kids in (("a", "b"), ("a",), ("b",)):
        path.write_bytes(document(*kids))
        clock.advance(60)
        assert ask(store, source, kids[0]).kid == kids[0]
        assert status(store).kids == kids


def test_a_verified_token_is_known_as_long_as_its_key_is(server: KeyServer, clock: Clock) -> None:
    with LocalIssuer() as issuer:
        server.body = issuer.pem_document().encode()
        guard = Guard(google("https://orders.example.com", keys=KeySource(server.url)), timer=clock)
        token = issuer.service_account(ACCOUNT, audience="https://orders.example.com")
        guard.verify(token)
        server.body, server.headers["Age"] = pem_map({"a": pem(rsa_key("a"))}), "300"
        with pytest.raises(Unauthenticated):
            guard.verify(_with_another_kid(token))
        assert len(server.requests) == 2
        assert guard.verify(token).email == ACCOUNT
        clock.advance(30)
        del server.headers["Age"]
        with pytest.raises(Unauthenticated):
            guard.verify(_with_another_kid(token))
        assert len(server.requests) == 3
        with pytest.raises(Unauthenticated) as refusal:
            guard.verify(token)
        assert refusal.value.reason is Reason.UNKNOWN_KEY


def _with_another_kid(token: str) -> str:
    import base64
    import json

    head, _, rest = token.partition(".")
    members = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps({**members, "kid": "strange"}).encode()).rstrip(b"=").decode()
    return f"{changed}.{rest}"
