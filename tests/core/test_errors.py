"""The tree of errors: one class per HTTP outcome, one reason per cause."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import callerid.errors
from callerid import (
    BadRequest,
    CalleridError,
    ConfigurationError,
    CrossSite,
    Forbidden,
    Reason,
    Refusal,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnguardedEndpointError,
)
from callerid.errors import one_line


@pytest.mark.parametrize(
    ("kind", "bases", "status"),
    [
        (ConfigurationError, (CalleridError, ValueError), None),
        (UnguardedEndpointError, (CalleridError, RuntimeError), None),
        (Refusal, (CalleridError,), 500),
        (BadRequest, (Refusal,), 400),
        (Unauthenticated, (Refusal,), 401),
        (StepUpRequired, (Refusal,), 401),
        (Forbidden, (Refusal,), 403),
        (CrossSite, (Refusal,), 403),
        (Unavailable, (Refusal,), 503),
    ],
)
def test_the_tree(kind: type[CalleridError], bases: tuple[type, ...], status: int | None) -> None:
    assert kind.__bases__ == bases
    assert getattr(kind, "status", None) == status
    assert kind.__name__ in (callerid.errors.__doc__ or "")


def test_a_stranger_is_told_apart_from_a_developer() -> None:
    assert not issubclass(Refusal, ValueError)
    assert not issubclass(ConfigurationError, Refusal)
    assert not issubclass(StepUpRequired, Unauthenticated)


def test_reasons_are_their_own_words() -> None:
    assert all(str(reason) == reason == reason.name.lower() for reason in Reason)


def test_a_refusal_says_its_reason_and_detail() -> None:
    refusal = Unauthenticated(Reason.EXPIRED, "expired 5 s ago", why="because", remedy="wait")
    assert str(refusal) == "expired: expired 5 s ago"
    assert (refusal.detail, refusal.why, refusal.remedy) == ("expired 5 s ago", "because", "wait")
    assert str(Unauthenticated(Reason.EXPIRED)) == "expired"


def test_a_refusal_is_put_into_words_when_somebody_asks_and_once() -> None:
    asked: list[str] = []

    def told(text: str) -> Callable[[], str]:
        def tell() -> str:
            asked.append(text)
            return text

        return tell

    refusal = Forbidden(told("expected\nsomebody"), why=told("- nobody"))
    assert asked == []
    assert [refusal.detail, refusal.detail, refusal.why, refusal.why] == [r"expected\nsomebody"] * 2 + ["- nobody"] * 2
    assert asked == ["expected\nsomebody", "- nobody"]


def test_only_nothing_sent_has_no_error_code() -> None:
    missing = {Reason.NO_CREDENTIAL, Reason.NO_APP_CHECK}
    assert {Unauthenticated(reason).error for reason in missing} == {None}
    assert all(Unauthenticated(reason).error == "invalid_token" for reason in set(Reason) - missing)
    assert (CrossSite().error, Unavailable().error, Forbidden().error) == (None, None, "insufficient_scope")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain \u00e9\u5c71", "plain \u00e9\u5c71"),
        ("", ""),
        ("a\nb", "a\\nb"),
        ("a\r\tb", "a\\r\\tb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x85\u2028\u202e", "\\x85\\u2028\\u202e"),
        ("\ud800\0", "\\ud800\\x00"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_a_line_stays_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
    assert Unauthenticated(Reason.EXPIRED, text).detail == line


def test_the_remedy_goes_by_its_old_name_too() -> None:
    made = [
        Unauthenticated(Reason.EXPIRED, mend="wait"),
        StepUpRequired(mend="wait"),
        Forbidden(mend="wait"),
        CrossSite(mend="wait"),
        Unavailable(mend="wait"),
    ]
    assert [(each.remedy, each.mend) for each in made] == [("wait", "wait")] * len(made)
