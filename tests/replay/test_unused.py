"""Which alternatives let nobody in, by a log."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

from callerid import Domain, FirebaseUser, Where
from callerid.audit.log_entries import EntriesOfLog
from callerid.audit.unused import DAY, Use, used

from .world import NOW, log_of, mapped

ROUTE = "GET /x/{user_id}"
RULE = (Domain("example.com") | Domain("other.com")) & (FirebaseUser() | Where("anybody", lambda _: True))
SINCE = NOW - 90 * DAY


def written(days_ago: float) -> str:
    return datetime.fromtimestamp(NOW - days_ago * DAY, UTC).isoformat().replace("+00:00", "Z")


def allowed(by: str | None, days_ago: float | None = 1, route: str = ROUTE) -> dict[str, Any]:
    said: dict[str, Any] = {"outcome": "allowed", "route": route}
    if by is not None:
        said["by"] = by
    return said if days_ago is None else said | {"time": written(days_ago)}


def use(*records: dict[str, Any], audit: tuple[str, ...] = (ROUTE,), text: str | None = None) -> Use:
    log = io.StringIO(log_of(*records) if text is None else text)
    *_, last = used(EntriesOfLog(log), mapped(Domain("example.com") | Domain("other.com"), audit=audit), SINCE)
    return last


def test_an_alternative_that_let_nobody_in_is_named() -> None:
    found = use(allowed("domain:example.com"), allowed("domain:example.com", 100))
    assert found.unused == [(ROUTE, "domain:other.com")]
    assert found.routes[ROUTE].by == {"domain:example.com": 1, "domain:other.com": 0}


def test_a_route_where_nobody_was_let_in_is_named_as_a_whole() -> None:
    assert use(allowed("domain:example.com", 100)).unused == [(ROUTE, "")]
    assert use({"outcome": "refused", "route": ROUTE, "time": written(1)}).unused == [(ROUTE, "")]


def test_of_a_route_that_is_not_audited_nothing_can_be_told() -> None:
    found = use(allowed("domain:example.com"))
    assert found.unaudited == ("GET /open",)
    assert use(audit=()).routes == {}


def test_where_the_record_does_not_say_which_it_cannot_be_told() -> None:
    found = use(allowed(None), allowed("domain:example.com"))
    assert found.unused == []
    assert found.untold == (ROUTE,)


def test_a_log_that_does_not_go_back_far_enough_is_said_to() -> None:
    assert not use(allowed("domain:example.com", 89)).is_covered
    assert use(allowed("domain:example.com", 91)).is_covered
    assert not use().is_covered


def test_a_decision_without_a_time_counts() -> None:
    found = use(allowed("domain:example.com", None))
    assert (found.undated, found.routes[ROUTE].count, found.first) == (1, 1, None)


def test_the_time_of_cloud_loggings_entry_counts() -> None:
    entries = [{"jsonPayload": allowed("domain:example.com", None), "timestamp": "2027-01-14T08:00:00.123456789Z"}]
    found = use(text=json.dumps(entries, indent=2))
    assert (found.undated, found.routes[ROUTE].count) == (0, 1)
    assert found.first is not None


def test_head_counts_for_get_and_unknown_routes_for_nothing() -> None:
    found = use(allowed("domain:other.com", route="HEAD /x/{user_id}"), allowed("domain:other.com", route="GET /gone"))
    assert found.routes[ROUTE].count == 1
