"""One table against every adapter: the same verdict, status, headers and body, and the same proof of what ran."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from callerid import Reason

from .adapters.every import ADAPTERS
from .answers import LetIn, Refused, trouble
from .application import AREAS, PLACES, SETTINGS
from .remembering import remember
from .rows import ROWS, Row

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def remembered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        remember(patch.setattr)
        yield


# Not the detail, which names the rule: where no route is known, one adapter has more of them to ask than another.
LOGGED = ("outcome", "status", "reason", "caller", "subject", "issuer", "via", "app", "remedy")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_adapter_gives_the_same_answer_and_logs_the_same(row: Row) -> None:
    wrong: list[str] = []
    logged: dict[str, list[list[str | None]]] = {}
    for adapter in ADAPTERS.values():
        got, expected = adapter.ask(row.sent), row.expected_of(adapter.name, adapter.kinds)
        if said := trouble(expected, got, row.sent.method):
            wrong.append(f"{adapter.name}: {said}")
        if re.search("eyJ|secret-|/secret", repr([*got.headers, got.body, got.decisions])):
            wrong.append(f"{adapter.name}: a credential is shown")
        if expected == row.expected:
            logged[adapter.name] = [[each[name] for name in LOGGED] for each in got.decisions]
    assert not wrong, "\n".join([*wrong, row.why])
    assert all(each == next(iter(logged.values())) for each in logged.values()), logged


# --- the table itself ---


def test_there_are_as_many_rows_as_anyone_could_wish_and_each_is_another() -> None:
    assert len({row.name for row in ROWS}) == len({(row.sent.filled, row.name) for row in ROWS}) == len(ROWS) >= 200


def test_every_place_is_shown_open_to_somebody_and_every_other_setting_is_asked() -> None:
    let_in = {each.place for row in ROWS for each in (row.expected, *row.differs.values()) if isinstance(each, LetIn)}
    places = {place.name for place in (*PLACES, *(place for area in AREAS for place in area.places))}
    assert let_in == places - {"nobody"}
    assert {row.sent.setting for row in ROWS} == set(SETTINGS)


def test_every_reason_is_given() -> None:
    reasons = {
        each.reason for row in ROWS for each in (row.expected, *row.differs.values()) if isinstance(each, Refused)
    }
    # No front door stands before this application, nobody signs in by a form, and no token is good for one use.
    elsewhere = {"front_door_open", "malformed_form", "wrong_csrf_token"}
    elsewhere |= {"already_used", "single_use_unavailable"}
    assert reasons == {str(reason) for reason in Reason} - elsewhere


def test_whoever_differs_says_why_and_is_somebody() -> None:
    kinds = {kind for adapter in ADAPTERS.values() for kind in adapter.kinds}
    for row in ROWS:
        assert bool(row.differs) == bool(row.why), row.name
        assert set(row.differs) <= kinds, row.name
        assert not row.why or row.why.partition(":")[0] in ("routing", "paths", "folding", "preflight"), row.name
