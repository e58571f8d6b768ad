"""Two processes and a real Redis, Debian's: what one revokes the other refuses, whatever becomes of Redis meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .fleet_members import Member, felt
from .redis_server import Server, until

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def member(server: Server) -> Iterator[Callable[[str], Member]]:
    with ExitStack() as stack:

        def start(url: str = "") -> Member:
            made = Member(url or server.url)
            stack.callback(made.end)
            assert made("ask 9") == "admitted"
            return made

        yield start


@pytest.fixture
def pair(member: Callable[[], Member]) -> tuple[Member, Member]:
    both = member(), member()
    for each in both:
        until(each.is_listening, 10)
    return both


def test_what_one_process_revokes_another_refuses_within_a_second(
    pair: tuple[Member, Member], member: Callable[[], Member]
) -> None:
    here, there = pair
    for who in range(1, 6):
        assert there(f"ask {who}") == "admitted"
        here(f"revoke {who}")
        assert here(f"ask {who}") == "revoked"
        until(felt(there, who), 1)
    assert there("ask 8") == "admitted"
    late = member()
    assert late("ask 1") == "revoked"


def test_a_redis_that_is_killed_and_started_again_empty_is_told_what_was_revoked_meanwhile(
    server: Server, pair: tuple[Member, Member], member: Callable[[], Member]
) -> None:
    here, there = pair
    here("revoke 1")
    until(felt(there, 1), 1)
    server.kill()
    until(lambda: not here.is_listening() and not there.is_listening(), 10)
    here("revoke 2")
    assert [here("ask 1"), here("ask 2"), there("ask 1")] == ["revoked"] * 3
    assert there("ask 2") == "admitted"
    server.start()
    until(felt(there, 2), 10)
    until(lambda: here.status == [True, 2, 0, None], 10)
    late = member()
    assert [late("ask 1"), late("ask 2"), late("ask 3")] == ["revoked", "revoked", "admitted"]


def test_a_redis_that_hangs_stops_nobody(server: Server, pair: tuple[Member, Member]) -> None:
    here, there = pair
    with server.stopped():
        here("revoke 1")
        assert here("ask 1") == "revoked"
        assert there("ask 1") == "admitted"
        until(lambda: not there.is_listening(), 20)
        assert there("ask 2") == "admitted"
    until(felt(there, 1), 10)
    until(there.is_listening, 10)


def test_what_is_known_outlives_a_flush(server: Server, pair: tuple[Member, Member]) -> None:
    here, there = pair
    here("revoke 1")
    until(felt(there, 1), 1)
    server.client.flushall()
    assert there("ask 1") == "revoked"
    here("revoke 2")
    until(felt(there, 2), 1)


def test_connections_that_are_killed_are_made_again(server: Server, pair: tuple[Member, Member]) -> None:
    here, there = pair
    for who in (1, 2):
        server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        here(f"revoke {who}")
        until(felt(there, who), 10)
    server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    here("revoke 3")
    until(felt(there, 3), 10)


def test_with_a_wrong_password_a_process_is_by_itself_and_says_so(
    server: Server, member: Callable[[str], Member]
) -> None:
    right, wrong = member(server.url), member(server.url.replace("right", "wr0ng"))
    until(lambda: wrong.status == [False, 0, 0, "AuthenticationError"], 10)
    wrong("revoke 1")
    assert wrong("ask 1") == "revoked"
    right("revoke 2")
    assert wrong("ask 2") == "admitted"
    assert right("ask 1") == "admitted"
    logged = wrong.close()
    assert logged.count("AuthenticationError") == 1
    assert "wr0ng" not in logged
