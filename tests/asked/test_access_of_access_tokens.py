"""Access tokens in the map, the lock, the comparison, and the rules that nobody could meet."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    Guard,
    Issuer,
    Rule,
    Scope,
    ServiceAccount,
    User,
    google,
    google_access_token,
)
from callerid.access import access_map, locked, newcomers
from callerid.asgi import CallerMiddleware

CLIENT = "1234-abc.apps.googleusercontent.com"
OTHER = "5678-def.apps.googleusercontent.com"
URL = "https://orders.example.com"
BY_ID_TOKEN, BY_ACCESS_TOKEN = google(URL), google_access_token(CLIENT)


def app(rule: Rule, *issuers: Issuer) -> Any:
    return CallerMiddleware(Starlette(), guard=Guard(*issuers), default=rule)


def new_access(before: Any, after: Any) -> list[str]:
    return [str(each) for each in newcomers(locked(access_map(before)), access_map(after))]


def test_the_lock_says_who_is_asked_and_for_whom() -> None:
    lock = locked(access_map(app(User("7") & Scope("openid"), BY_ACCESS_TOKEN)))
    assert "issuer https://oauth2.googleapis.com\n" in lock
    assert "keys https://oauth2.googleapis.com/tokeninfo" in lock
    assert f"audience {CLIENT}" in lock
    assert "Scope('openid')" in lock
    assert not new_access(app(User("7"), BY_ACCESS_TOKEN), app(User("7"), BY_ACCESS_TOKEN))


def test_another_client_is_new_access() -> None:
    after = app(User("7"), google_access_token(CLIENT, OTHER))
    (found,) = new_access(app(User("7"), BY_ACCESS_TOKEN), after)
    assert f"the person with the id 7, with a token for {OTHER}" in found


def test_reading_access_tokens_too_is_new_access() -> None:
    (found,) = new_access(app(User("7"), BY_ID_TOKEN), app(User("7"), BY_ID_TOKEN, BY_ACCESS_TOKEN))
    assert "the person with the id 7" in found


@pytest.mark.parametrize(
    ("before", "after", "is_new"),
    [
        (AnyGoogleAccount(), Scope("openid"), False),
        (Scope("openid"), Scope("openid", "email"), False),
        (Scope("openid", "email"), Scope("openid"), True),
        (Scope("openid"), Scope("email"), True),
        (Scope("openid") & User("7"), Scope("openid") & User("8"), True),
        (Scope("openid") & Scope("email"), Scope("openid", "email"), False),
    ],
)
def test_more_scopes_admit_fewer(before: Rule, after: Rule, *, is_new: bool) -> None:
    found = new_access(app(before, BY_ACCESS_TOKEN, BY_ID_TOKEN), app(after, BY_ACCESS_TOKEN, BY_ID_TOKEN))
    assert bool(found) is is_new


def test_who_newly_comes_by_a_scope_is_said_with_it() -> None:
    (found,) = new_access(app(Scope("a", "b"), BY_ACCESS_TOKEN), app(Scope("a"), BY_ACCESS_TOKEN))
    assert "granted a" in found


@pytest.mark.parametrize(
    ("rule", "issuer", "said"),
    [
        (Scope("openid"), BY_ID_TOKEN, "needs google_access_token"),
        (Domain("example.com"), BY_ACCESS_TOKEN, "admits nobody by an access token"),
        (ServiceAccount("a@b.iam.gserviceaccount.com"), BY_ACCESS_TOKEN, "admits nobody by an access token"),
    ],
)
def test_a_rule_that_no_token_can_meet_is_a_start_up_error(rule: Rule, issuer: Issuer, said: str) -> None:
    guard = Guard(issuer)
    with pytest.raises(ConfigurationError, match=said):
        guard.check_possible(guard.requirement(rule), "GET /")
    guard.trust(*({BY_ID_TOKEN, BY_ACCESS_TOKEN} - {issuer}))
    guard.check_possible(guard.requirement(rule), "GET /")
