"""What OpenTelemetry's own SDK is told, and under which names Prometheus gets it."""

from __future__ import annotations

import gc
import importlib
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY, generate_latest

from callerid import Guard, KeyDocument, Lookup, Role, firebase, google
from callerid.errors import ConfigurationError, Refusal
from callerid.fleet import RedisFleet
from callerid.otel import MOST_ROUTES, OTHER, OpenTelemetryObserver
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, CLIENT, STAFF, token
from tests.fleet.stand_in import StandIn
from tests.lookups.apps import asking

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"


class Measured:
    """A provider of meters, and what was measured by it."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in found if metric.name == name for point in metric.data.data_points]

    def values(self, name: str) -> dict[tuple[Any, ...], float]:
        """Values (or counts of a histogram) by their attributes, without the guard's."""
        return {
            tuple(value for key, value in sorted(point.attributes.items()) if key != "guard"): (
                point.value if hasattr(point, "value") else point.count
            )
            for point in self.points(name)
        }


@pytest.fixture
def measured() -> Any:
    made = Measured()
    yield made
    made.provider.shutdown()


def test_decisions_are_counted_by_outcome_reason_and_route(measured: Measured) -> None:
    observer = OpenTelemetryObserver("orders", meter_provider=measured.provider)
    _, ask = asking("fastapi", STAFF, observer=observer)
    for who in ("staff", "staff", "outsider", None):
        ask(who)
    points = measured.points("callerid.decisions")
    assert {each.attributes["guard"] for each in points} == {"orders"}
    assert measured.values("callerid.decisions") == {
        ("allowed", "GET /team/{team}"): 2,
        ("refused", "not_allowed", "GET /team/{team}"): 1,
        ("refused", "no_credential", "GET /team/{team}"): 1,
    }


def test_no_metric_has_a_path_a_caller_or_a_token(measured: Measured) -> None:
    observer = OpenTelemetryObserver(personal=True, meter_provider=measured.provider)
    _, ask = asking(
        "fastapi", STAFF & Role("editor"), observer=observer, lookups=[Lookup("roles", lambda _: {"editor"})]
    )
    for who in ("staff", "outsider", None):
        ask(who)
    ask("staff", "/nothing/secret-path")
    names = ("callerid.decisions", "callerid.verification.duration", "callerid.lookup.duration")
    shown = repr([point.attributes for name in names for point in measured.points(name)])
    assert not re.search("ada|eve|secret|red|eyJ", shown.replace("refused", "").replace("credential", ""))


def test_a_strangers_methods_and_routes_do_not_grow_without_end(measured: Measured) -> None:
    observer = OpenTelemetryObserver(meter_provider=measured.provider)
    guard = Guard(*AT_HAND, observer=observer)
    for number in range(MOST_ROUTES + 20):
        guard.verify(token("staff"), STAFF, where=f"BREW{number} /pot")
        guard.verify(token("staff"), STAFF, where=f"GET /{number}")
    found = measured.values("callerid.decisions")
    assert len(found) == MOST_ROUTES + 1
    assert found[("allowed", f"{OTHER} /pot")] == MOST_ROUTES + 20
    assert found[("allowed", OTHER)] == 21


def test_verifications_are_timed_by_family_and_memory(measured: Measured) -> None:
    guard = Guard(*AT_HAND, observer=OpenTelemetryObserver(meter_provider=measured.provider))
    for who in ("staff", "staff", "u1"):
        guard.verify(token(who))
    assert measured.values("callerid.verification.duration") == {
        ("google", False): 1,
        ("google", True): 1,
        ("firebase", False): 1,
    }


def test_keys_are_measured(measured: Measured) -> None:
    observer = OpenTelemetryObserver(meter_provider=measured.provider)
    with LocalIssuer() as serving:
        guard = Guard(serving.google(CLIENT), observer=observer)
        assert guard.verify(serving.workspace_person("ada@example.com", audience=CLIENT))
        Guard.like(guard)  # shares the keys: they are told once
    source = guard.status()[0].source
    assert measured.values("callerid.keys.fetch.duration") == {("ok", source): 1}
    assert measured.values("callerid.keys.usable") == {(source,): 1}
    (age,) = measured.values("callerid.keys.age").values()
    assert age >= 0


def test_two_documents_of_keys_are_told_apart(measured: Measured) -> None:
    issuers = LocalIssuer(), LocalIssuer()
    first, second = (KeyDocument(f"{each.jwks_document('google'):<2000}") for each in issuers)
    observer = OpenTelemetryObserver(meter_provider=measured.provider)
    guard = Guard(google(CLIENT, keys=first), firebase("shop-prod", keys=second), observer=observer)
    guard.verify(issuers[0].workspace_person("ada@example.com", audience=CLIENT))
    assert list(measured.values("callerid.keys.usable").values()) == [1, 0]


def test_a_guard_is_not_kept_alive(measured: Measured) -> None:
    observer = OpenTelemetryObserver(meter_provider=measured.provider)
    Guard(*AT_HAND, observer=observer).warm()
    gc.collect()
    assert measured.values("callerid.keys.usable") == {}


def test_look_ups_are_measured(measured: Measured) -> None:
    observer = OpenTelemetryObserver(meter_provider=measured.provider)
    guard = Guard(*AT_HAND, observer=observer, lookups=[Lookup("roles", lambda _: {"editor"})])
    for _ in range(2):
        assert guard.verify(token("staff"), Role("editor"))
    assert measured.values("callerid.lookup.answer.age") == {("roles", False): 2}
    assert set(measured.values("callerid.lookup.duration")) <= {("roles", "ok")}


def test_a_fleet_is_measured(measured: Measured) -> None:
    server = StandIn()
    fleet = RedisFleet(server.url)
    try:
        observer = OpenTelemetryObserver(meter_provider=measured.provider)
        guard = Guard(*AT_HAND, observer=observer, fleet=fleet)
        assert measured.values("callerid.fleet.connected") == {(): 0}
        assert guard.verify(token("staff"))
        assert measured.values("callerid.fleet.unsent") == {(): 0}
        assert measured.values("callerid.fleet.denials") == {(): 0}
    finally:
        fleet.close()
        server.close()


def test_shadow_rules_are_measured(measured: Measured) -> None:
    guard = Guard(*AT_HAND, observer=OpenTelemetryObserver(meter_provider=measured.provider))
    guard.tally.count("would_admit")
    assert measured.values("callerid.shadow.comparisons")[("would_admit",)] == 1


def test_two_guards_are_told_apart_by_name(measured: Measured) -> None:
    guards = [
        Guard(*AT_HAND, observer=OpenTelemetryObserver(name, meter_provider=measured.provider))
        for name in ("orders", "tasks")
    ]
    for guard in guards:
        guard.verify(token("staff"), STAFF)
        guard.tally.count("agreed")
    assert {each.attributes["guard"] for each in measured.points("callerid.decisions")} == {"orders", "tasks"}
    assert {each.attributes["guard"] for each in measured.points("callerid.shadow.comparisons")} == {"orders", "tasks"}


@pytest.mark.parametrize("name", ["", " ", "a\nb", 7])
def test_an_observer_has_a_name(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="an observer has a name"):
        OpenTelemetryObserver(name)


def span_of(who: str | None, **options: Any) -> dict[str, Any]:
    """The attributes of the span in which a token was judged."""
    guard = Guard(*AT_HAND, observer=OpenTelemetryObserver("orders", **options))
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    with tracer.start_as_current_span("request") as span, suppress(Refusal):
        guard.verify(token(who) if who else "", STAFF)
    return dict(getattr(span, "attributes", None) or {})


def test_a_span_says_what_was_decided_and_of_nobody() -> None:
    assert span_of("staff") == {
        "callerid.guard": "orders",
        "callerid.outcome": "allowed",
        "callerid.route": "(token)",
        "callerid.family": "google",
    }
    refused = span_of("outsider")
    assert refused["callerid.reason"] == "not_allowed"
    assert refused["callerid.instance"].startswith("urn:uuid:")
    assert "eve" not in repr(refused)
    assert "callerid.family" not in span_of(None)


def test_a_span_names_the_caller_where_that_is_asked_for() -> None:
    assert span_of("staff", personal=True)["enduser.id"] == "user:ada@example.com"


def test_without_a_span_and_without_an_sdk_nothing_happens() -> None:
    guard = Guard(*AT_HAND, observer=OpenTelemetryObserver())
    assert guard.verify(token("staff"), STAFF)


def test_the_core_imports_no_opentelemetry() -> None:
    code = "import sys, callerid, callerid.logs; print([name for name in sys.modules if 'opentelemetry' in name])"
    environ = {"PYTHONPATH": str(Path(sys.modules["callerid"].__file__ or "").parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "callerid.otel")
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'callerid[otel]'")):
        importlib.import_module("callerid.otel")


# --- Prometheus and Grafana ---


def exported() -> str:
    """What Prometheus scrapes of a guard that has done everything once."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    server = StandIn()
    fleet = RedisFleet(server.url)
    try:
        with LocalIssuer() as serving:
            guard = Guard(
                serving.google(CLIENT),
                observer=OpenTelemetryObserver("orders", meter_provider=provider),
                lookups=[Lookup("roles", lambda _: {"editor"})],
                fleet=fleet,
            )
            guard.verify(serving.workspace_person("ada@example.com", audience=CLIENT), Role("editor"))
            return generate_latest(REGISTRY).decode()
    finally:
        provider.shutdown()
        fleet.close()
        server.close()


def test_every_expression_of_the_dashboard_names_metrics_and_labels_that_are_exported() -> None:
    text = exported()
    sampled: dict[str, set[str]] = {}
    for name, labels in re.findall(r"(?m)^(callerid_\w+)(?:\{(.*)\})? ", text):
        sampled.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    named = {name for each in expressions for name in re.findall(r"callerid_\w+", each)}
    assert sorted(named - sampled.keys()) == []
    for each in expressions:
        for name, selector in re.findall(r"(callerid_\w+)\{([^}]*)\}", each):
            assert set(re.findall(r"(\w+)[=!]", selector)) - {"reason"} <= sampled[name], each
    documented = set(re.findall(r"`(callerid_\w+)`", (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")))
    bases = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in sampled}
    assert documented == bases


def panels() -> list[Any]:
    found: list[Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [each["id"] for each in panels()]
    assert len(set(ids)) == len(ids) >= 10
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    text = DASHBOARD.read_text(encoding="utf-8")
    builtin = {"__rate_interval", "__all"}
    assert set(re.findall(r"\$\{?(\w+)", text)) - builtin == variables
    for each in panels():
        assert each["title"]
        assert each["description"]
        assert {target["refId"] for target in each["targets"]}
        grid = each["gridPos"]
        assert grid["x"] + grid["w"] <= 24
    taken = {
        (x, y)
        for each in panels()
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in [each["gridPos"]["y"]]
    }
    assert len(taken) == sum(each["gridPos"]["w"] for each in panels())
