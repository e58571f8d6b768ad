"""Two processes, of four threads each, and a real Redis: a token is accepted once, whatever becomes of Redis meanwhile.

The guards have no leeway: so it takes a second, and not a minute, until Redis is believed that began anew.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from callerid.testing import LocalIssuer

from .redis_server import Server, until
from .use_member import THREADS, URL

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
ROUNDS = 200
USED, UNKNOWN = "401 already_used", "503 single_use_unavailable"
ROBOT = "desk@shop-prod.iam.gserviceaccount.com"

_NUMBERS = itertools.count()


class Pair:
    """Two processes of the application; see `tests.e2e.use_member`."""

    def __init__(self, url: str, issuer: LocalIssuer, patience: float) -> None:
        self._issuer = issuer
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.use_member", url, str(patience)],
                cwd=ROOT,
                env={**os.environ, "KEYS": issuer.jwks_document("google")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]

    def new(self) -> str:
        """A token that nobody has seen."""
        return self._issuer.service_account(ROBOT, audience=URL, claims={"nonce": str(next(_NUMBERS))})

    def present(self, token: str) -> Counter[str]:
        """Present a token in all threads of both at once."""
        for each in self._processes:
            assert each.stdin is not None
            each.stdin.write(f"{token}\n")
            each.stdin.flush()
        said: Counter[str] = Counter()
        for each in self._processes:
            assert each.stdout is not None
            said.update(json.loads(each.stdout.readline()))
        return said

    def is_in_order(self) -> bool:
        """Whether a new token is accepted, once."""
        return self.present(self.new())["admitted"] == 1

    def end(self) -> None:
        for each in self._processes:
            each.communicate(timeout=30)


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    return LocalIssuer()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def pair(server: Server, issuer: LocalIssuer) -> Iterator[Callable[[float], Pair]]:
    with ExitStack() as stack:

        def start(patience: float) -> Pair:
            made = Pair(server.url, issuer, patience)
            stack.callback(made.end)
            until(made.is_in_order, 60)
            return made

        yield start


def test_of_two_processes_that_race_for_a_token_one_request_wins(pair: Callable[[float], Pair]) -> None:
    patient = pair(30)
    expected = Counter({"admitted": 1, USED: 2 * THREADS - 1})
    for _ in range(ROUNDS):
        assert patient.present(patient.new()) == expected


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def flushed(server: Server) -> Iterator[None]:
    server.client.flushall()
    yield


@contextmanager
def slow(server: Server) -> Iterator[None]:
    server.pause(1)
    yield


@contextmanager
def disconnected(server: Server) -> Iterator[None]:
    server.kill_connections()
    yield


FAULTS: dict[str, tuple[Callable[[Server], AbstractContextManager[None]], bool]] = {
    "killed, and started again empty": (killed, True),
    "stopped": (Server.stopped, True),
    "another password": (Server.another_password, True),
    "flushed": (flushed, False),
    "connections killed": (disconnected, False),
    "slow": (slow, False),
}
"""What happens, and whether Redis cannot be asked while it does."""


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_becomes_of_redis_no_token_is_accepted_twice(
    server: Server, pair: Callable[[float], Pair], fault: str
) -> None:
    both = pair(0)
    fails, is_away = FAULTS[fault]
    before = [both.new() for _ in range(5)]
    said = {token: both.present(token) for token in before}
    unused = both.new()
    with fails(server):
        meanwhile = [unused, *(both.new() for _ in range(5))]
        for token in (*before, *meanwhile):
            told = both.present(token)
            said[token] = said.get(token, Counter()) + told
            assert not is_away or told == {UNKNOWN: 2 * THREADS}
    until(both.is_in_order, 60)
    for token in said:
        said[token] += both.present(token)
    assert max(each["admitted"] for each in said.values()) == 1
    assert set().union(*said.values()) <= {"admitted", USED, UNKNOWN}


def test_with_a_wrong_password_nothing_is_accepted(server: Server, issuer: LocalIssuer) -> None:
    wrong = Pair(server.url.replace("right", "wr0ng"), issuer, 0)
    try:
        for _ in range(3):
            assert wrong.present(wrong.new()) == {UNKNOWN: 2 * THREADS}
    finally:
        wrong.end()


def test_tokens_of_before_a_flush_are_refused_even_if_they_were_not_used(
    server: Server, pair: Callable[[float], Pair]
) -> None:
    patient = pair(30)
    used, unused = patient.new(), patient.new()
    assert patient.present(used)["admitted"] == 1
    server.client.flushall()
    assert set(patient.present(used)) <= {USED, UNKNOWN}
    until(patient.is_in_order, 60)
    assert patient.present(used) == patient.present(unused) == {USED: 2 * THREADS}
