"""Asks the processes of `fleet_service` all the time, from several threads, and remembers each answer."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from callerid.testing import LocalIssuer

from .fleet_service import OPERATOR
from .redis_server import until

__all__ = ["WORKERS", "Answer", "Services", "percentile", "wrong_admissions"]

WORKERS = 5
"""Two of gunicorn at each of two ports, and uvicorn."""


class Answer(NamedTuple):
    """An answer: of which process, at what time there, and between which times here. All by one monotonic clock."""

    path: str
    who: str
    status: int
    worker: int
    at: float
    sent: float
    received: float
    body: Any

    @property
    def is_admitted(self) -> bool:
        return self.status == 200

    @property
    def is_refused(self) -> bool:
        return self.status == 401 and self.body["reason"] == "revoked"


class Services:
    """The running servers, and what they have answered."""

    def __init__(self, ports: Sequence[int], issuer: LocalIssuer) -> None:
        self.ports = ports
        self.answers: list[Answer] = []
        self.losses: list[str] = []
        """Requests that got no answer."""
        self._issuer, self._tokens = issuer, dict[str, str]()
        self._issued_at = int(time.time()) - 600  # before anything is revoked

    def token(self, who: str) -> str:
        if who not in self._tokens:
            self._tokens[who] = self._issuer.firebase_user(who, issued_at=self._issued_at)
        return self._tokens[who]

    def ask(self, port: int, path: str, who: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {self.token(who)}"} if who else {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = time.monotonic()
        try:
            connection.request("GET", path, headers={**headers, "Connection": "close"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        worker, at = (response.headers["X-Worker"] or "0 0").split()
        is_json = "json" in response.headers["Content-Type"]
        answer = Answer(
            path,
            who,
            response.status,
            int(worker),
            float(at),
            sent,
            time.monotonic(),
            json.loads(body) if is_json else "",
        )
        self.answers.append(answer)
        return answer

    def revoke(self, port: int, who: str) -> Answer:
        answer = self.ask(port, f"/revoke/{who}", OPERATOR)
        assert answer.status == 200, answer
        return answer

    def until_all(self, path: str, who: str, holds: Callable[[Answer], object], seconds: float = 90) -> float:
        """Ask until the last answer of each process is so; returns the time here.

        Several threads ask at each port, so that both processes behind it are asked.
        """
        last: dict[int, Answer] = {}
        over = threading.Event()

        def probe(port: int) -> None:
            while not over.is_set():
                answer = self._try(port, path, who)
                if answer is not None:
                    last[answer.worker] = answer
                over.wait(0.01)

        def all_hold() -> bool:
            return len(known := list(last.values())) >= WORKERS and all(map(holds, known))

        with threads(probe, [*self.ports, *self.ports, *self.ports], over):
            until(all_hold, seconds)
        return time.monotonic()

    def workers(self) -> set[int]:
        """The processes that answer now."""
        begun = len(self.answers)
        self.until_all("/public", "", lambda answer: True)
        return {each.worker for each in self.answers[begun:]}

    def until_settled(self) -> float:
        """Wait until all processes hear Redis and have told it everything."""
        return self.until_all(
            "/status", "", lambda answer: answer.body[0] and not answer.body[2] and not answer.body[3]
        )

    @contextmanager
    def load(self, users: Iterable[str], *, pause: float = 0.04) -> Iterator[list[Answer]]:
        """Ask on behalf of these users, and of nobody at the public route; gives the answers since it began."""
        over, begun, names = threading.Event(), len(self.answers), list(users)
        found: list[Answer] = []

        def ask(port: int) -> None:
            for who in itertools.cycle(["", *names]):
                if over.is_set():
                    return
                self._try(port, "/mine" if who else "/public", who)
                over.wait(pause)

        with threads(ask, [*self.ports, *self.ports], over):
            yield found
        found.extend(self.answers[begun:])

    def _try(self, port: int, path: str, who: str) -> Answer | None:
        try:
            return self.ask(port, path, who)
        except (OSError, http.client.HTTPException) as error:
            self.losses.append(type(error).__name__)
            return None


@contextmanager
def threads(run: Callable[[int], None], ports: Iterable[int], over: threading.Event) -> Iterator[None]:
    """One thread for each, until the block ends."""
    started = [threading.Thread(target=run, args=(port,)) for port in ports]
    with ExitStack() as stack:
        for each in started:
            each.start()
            stack.callback(each.join, 60)
        stack.callback(over.set)
        yield


def wrong_admissions(answers: Iterable[Answer], revoked: Mapping[str, float] | None = None) -> list[Answer]:
    """Admissions that were asked for after that process had refused, or revoked, the same user.

    ``revoked`` are users whom nobody may admit any more: since when, by the clock here.
    """
    refused: dict[tuple[int, str], float] = {}
    known = list(answers)
    for each in known:
        told = each.path.removeprefix("/revoke/") if each.path.startswith("/revoke/") else None
        if each.is_refused or told:
            key = (each.worker, told or each.who)
            refused[key] = min(each.received, refused.get(key, each.received))
    since = revoked or {}
    never = float("inf")
    return [
        each
        for each in known
        if each.path == "/mine"
        and each.is_admitted
        and each.sent > min(refused.get((each.worker, each.who), never), since.get(each.who, never))
    ]


def percentile(values: Iterable[float], part: float) -> float:
    """The least value that so many hundredths of them do not exceed."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * part / 100))]
