"""The dashboard of docs/: a real Prometheus scrapes a guard that is at work, and every panel has something to show."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from werkzeug.test import Client

from callerid import AnyGoogleAccount, Caller, Guard, Lookup, Nobody, Refusal, Role
from callerid.fleet import RedisFleet
from callerid.otel import OpenTelemetryObserver
from callerid.testing import LocalIssuer
from callerid.wsgi import CallerMiddleware
from tests.fixtures import CLIENT
from tests.fleet.stand_in import StandIn

from .prometheus_server import Prometheus
from .redis_server import until

pytestmark = pytest.mark.e2e

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
PANELS: list[Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
EXPRESSIONS = [(each["title"], target["expr"]) for each in PANELS for target in each["targets"]]


def ok(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


class Work:
    """Guards that do all they can, again and again: they admit and refuse, remember, look up, and are in trouble."""

    def __init__(self, stack: ExitStack) -> None:
        provider = MeterProvider([PrometheusMetricReader()])
        stack.callback(provider.shutdown)
        issuer, down = (stack.enter_context(LocalIssuer()) for _ in range(2))
        redis = StandIn()
        stack.callback(redis.close)
        fleet = RedisFleet(redis.url)
        stack.callback(fleet.close)
        self.is_failing = False
        roles = Lookup("roles", self.load, max_age=0.1, stale=60, size=50)
        guard = Guard(
            issuer.google(CLIENT),
            observer=OpenTelemetryObserver("orders", meter_provider=provider),
            lookups=[roles],
            fleet=fleet,
        )
        down.fail_with(503)
        keyless = Guard(down.google(CLIENT), observer=OpenTelemetryObserver("keyless", meter_provider=provider))
        shadow = {"/all": Role("editor")}
        routes = {"/all": AnyGoogleAccount(), "/editors": Role("editor")}
        self._made = itertools.count()
        self._issuer, self._down, self._rounds = issuer, down, 0
        self._client = Client(CallerMiddleware(ok, guard=guard, default=Nobody(), routes=routes, shadow=shadow))
        self._keyless = keyless
        self._known = self._bearer()
        self._ends = threading.Event()
        thread = threading.Thread(target=self._run)
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(self._ends.set)

    def load(self, caller: Caller) -> set[str]:
        if self.is_failing:
            raise OSError
        return {"editor"} if str(caller.email).startswith("editor") else set()

    def _bearer(self) -> dict[str, str]:
        token = self._issuer.workspace_person(f"editor{next(self._made)}@example.com", audience=CLIENT)
        return self._issuer.bearer(token)

    def _run(self) -> None:
        while not self._ends.wait(0.02):
            self._rounds += 1
            self.is_failing = self._rounds % 4 != 1
            for headers in (self._known, self._bearer(), {}):
                for path in ("/all", "/editors", "/unknown"):
                    self._client.get(path, headers=headers)
            with suppress(Refusal):
                token = self._down.workspace_person("ada@example.com", audience=CLIENT)
                self._keyless.verify(token, AnyGoogleAccount())


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with ExitStack() as stack:
        Work(stack)
        server, thread = start_http_server(0, addr="127.0.0.1")
        stack.callback(thread.join, 10)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        made = Prometheus(tmp_path_factory.mktemp("prometheus"), server.server_port)
        stack.callback(made.close)
        yield made


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_panel_shows_something(prometheus: Prometheus, title: str, expression: str) -> None:
    asked = expression.replace("$__rate_interval", "10s").replace("$guard", ".*")
    until(lambda: any(each["value"][1] != "NaN" for each in prometheus.query(asked)), 60)


def test_the_guards_to_choose_from_are_those_that_are_at_work(prometheus: Prometheus) -> None:
    [variable] = [
        each
        for each in json.loads(DASHBOARD.read_text(encoding="utf-8"))["templating"]["list"]
        if each["name"] == "guard"
    ]
    assert variable["query"] == "label_values(callerid_decisions_total, guard)"
    guards = "count by (guard) (callerid_decisions_total)"
    until(lambda: {each["metric"]["guard"] for each in prometheus.query(guards)} == {"orders", "keyless"}, 60)
