"""Who is in a Google group, by a Cloud Identity that speaks the real format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import callerid.flask
from callerid import ConfigurationError, Forbidden, Group, Guard, Unavailable, groups, rules_from_iam_policy
from callerid.keys import KeyResponse, KeySource
from tests.fixtures import AT_HAND, STAFF, token

ENG, OPS = "eng@example.com", "ops@example.com"


class CloudIdentity:
    """Answers as Cloud Identity does; ``is_premium`` is whether the edition has transitive memberships."""

    def __init__(self, *, is_premium: bool = True, **members: set[str]) -> None:
        self.is_premium, self.members = is_premium, members
        self.answer: KeyResponse | None = None
        self.asked: list[str] = []

    def get(self, source: KeySource, headers: Mapping[str, str]) -> KeyResponse:
        assert headers == {"Authorization": "Bearer ya29.of-the-server"}
        url = urlsplit(source.url)
        path, query = url.path.removeprefix("/v1/"), {name: value for name, (value,) in parse_qs(url.query).items()}
        self.asked.append(path.rpartition(":")[2] + " " + next(iter(query.values())))
        if self.answer is not None:
            return self.answer
        if path == "groups:lookup":
            name = query["groupKey.id"].partition("@")[0]
            return _said(200, name=f"groups/{name}") if name in self.members else _said(404)
        members = self.members[path.split("/")[1]]
        if path.endswith(":checkTransitiveMembership"):
            member = query["query"].removeprefix("member_key_id == '").removesuffix("'").replace("\\'", "'")
            return _said(200, hasMembership=member in members) if self.is_premium else _said(403)
        member = query["memberKey.id"]
        return _said(200, name=f"{path.partition(':')[0]}/1") if member in members else _said(404)


def _said(status: int, **members: Any) -> KeyResponse:
    return KeyResponse(status, {}, json.dumps(members).encode())


def guard_of(cloud: CloudIdentity) -> Guard:
    return Guard(*AT_HAND, lookups=[groups(token=lambda: "ya29.of-the-server", get=cloud.get)])


def is_in(guard: Guard, group: str, who: str = "staff") -> bool:
    try:
        guard.verify(token(who), Group(group))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("is_premium", [True, False])
def test_a_member_of_a_group_is_let_in_and_nobody_else(is_premium: bool) -> None:
    guard = guard_of(CloudIdentity(is_premium=is_premium, eng={"ada@example.com"}, ops={"eve@other.com"}))
    assert [is_in(guard, ENG), is_in(guard, OPS), is_in(guard, OPS, "outsider")] == [True, False, True]


def test_each_group_is_asked_about_once_for_a_caller() -> None:
    cloud = CloudIdentity(eng={"ada@example.com"}, ops=set())
    guard = guard_of(cloud)
    for _ in range(3):
        assert [is_in(guard, ENG), is_in(guard, OPS)] == [True, False]
    assert cloud.asked == [
        f"lookup {ENG}",
        "checkTransitiveMembership member_key_id == 'ada@example.com'",
        f"lookup {OPS}",
        "checkTransitiveMembership member_key_id == 'ada@example.com'",
    ]


def test_an_edition_that_refuses_is_asked_for_direct_members_from_then_on() -> None:
    cloud = CloudIdentity(is_premium=False, eng={"ada@example.com", "grace@example.com"})
    guard = guard_of(cloud)
    assert [is_in(guard, ENG), is_in(guard, ENG, "grace@example.com")] == [True, True]
    assert [each.partition(" ")[0] for each in cloud.asked] == [
        "lookup",
        "checkTransitiveMembership",
        "lookup",
        "lookup",
    ]


def test_an_address_with_a_quotation_mark_stays_one_text() -> None:
    cloud = CloudIdentity(eng={"o'brien@example.com"})
    assert is_in(guard_of(cloud), ENG, "o'brien@example.com")
    assert cloud.asked[1] == "checkTransitiveMembership member_key_id == 'o\\'brien@example.com'"


@pytest.mark.parametrize("who", ["some-user"])
def test_nobody_is_asked_about_who_is_no_google_account(who: str) -> None:
    cloud = CloudIdentity(eng={"ada@example.com"})
    assert is_in(guard_of(cloud), ENG, who) is False
    assert cloud.asked == []


def test_a_group_that_is_not_there_has_no_members() -> None:
    assert is_in(guard_of(CloudIdentity()), ENG) is False


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize(
    ("status", "body"),
    [(500, {}), (429, {}), (200, b"no JSON"), (200, {"name": 7, "hasMembership": "yes"}), (200, {"name": "people/1"})],
)
def test_what_is_no_answer_is_an_outage_or_ends_closed(step: int, status: int, body: Any) -> None:
    cloud = CloudIdentity(is_premium=step < 2, eng={"ada@example.com"})
    bad = KeyResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
    get = cloud.get

    def then(source: KeySource, headers: Mapping[str, str]) -> KeyResponse:
        cloud.answer = bad if len(cloud.asked) == step else None
        return get(source, headers)

    guard = Guard(*AT_HAND, lookups=[groups(token=lambda: "ya29.of-the-server", get=then)])
    is_lenient = status == 200 and isinstance(body, dict) and step > 0 and body["name"] == "people/1"
    if is_lenient:  # no hasMembership is none, and neither is a membership of something else
        assert is_in(guard, ENG) is False
    else:
        with pytest.raises(Unavailable):
            is_in(guard, ENG)


def test_who_may_ask_nothing_is_an_outage() -> None:
    cloud = CloudIdentity()
    cloud.answer = _said(403)
    with pytest.raises(Unavailable) as refusal:
        is_in(guard_of(cloud), ENG)
    assert "HTTP status 403" in refusal.value.detail


def test_a_group_of_an_iam_policy_is_a_rule() -> None:
    policy = {"bindings": [{"role": "roles/run.invoker", "members": [f"group:{ENG}", "domain:example.com"]}]}
    assert rules_from_iam_policy(policy) == Group(ENG) | STAFF


def test_a_member_string_may_name_a_group_where_there_is_a_look_up() -> None:
    guard = callerid.flask.Guard(*AT_HAND)
    requirement = guard.requirement(f"group:{ENG}")
    with pytest.raises(ConfigurationError, match=r"needs the look-up 'groups'.*, or the look-up groups\(\) \(more"):
        guard.check_possible(requirement, "GET /")
