from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

from callerid.keys import KeyPolicy
from callerid.keys._freshness import Origin, clamped, generated_at, lifetime, retry_after


@pytest.mark.parametrize(
    ("cache_control", "age", "seconds"),
    [
        ("public, max-age=23000, must-revalidate, no-transform", "3000", 20_000),
        ("max-age=600", None, 600),
        ("MAX-AGE=600", " 5 ", 595),
        ('max-age="600"', None, 600),
        ("private, max-age=600", None, 600),
        ("s-maxage=9, max-age=600", None, 600),
        ("max-age=0", None, 0),
        ("max-age=600", "601", 0),
        ("max-age=600", "9" * 400, 0),
        ("max-age=" + "9" * 400, "5", float("inf")),
        ("max-age=600", "-5", 0),
        ("max-age=600", "soon", 0),
        ("max-age=600", "5, 5", 0),
        ("no-store, max-age=600", None, 0),
        ("no-cache, max-age=600", None, 0),
        ('no-cache="Set-Cookie", max-age=600', None, 0),
        ("max-age=600, max-age=600", None, 0),
        ("max-age=600, max-age=5", None, 0),
        ("max-age=-600", None, 0),
        ("max-age=6e5", None, 0),
        ("max-age=1.5", None, 0),
        ("max-age = 600", None, 0),
        ("max-age", None, 0),
        ("max-age=", None, 0),
        ('max-age="600', None, 0),
        ("max-age=٦", None, 0),
        ("must-revalidate", None, 0),
        ("", None, 0),
        (None, "5", 0),
    ],
)
def test_lifetime_is_max_age_less_age_or_nothing(cache_control: str | None, age: str | None, seconds: float) -> None:
    headers = {"cache-control": cache_control, "age": age}
    given = CaseInsensitiveDict({name: value for name, value in headers.items() if value is not None})
    assert lifetime(given) == seconds


def test_lifetimes_are_clamped_whatever_the_headers_say() -> None:
    policy = KeyPolicy()
    assert [clamped(seconds, policy) for seconds in (0, 59, 61, 86_399, 86_401, float("inf"))] == [
        60,
        60,
        61,
        86_399,
        86_400,
        86_400,
    ]


NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("age", "date", "seconds"),
    [
        (None, None, 0),
        ("300", None, 300),
        (" 300 ", None, 300),
        (None, "Tue, 14 Nov 2023 22:13:20 GMT", 0),
        (None, "Tue, 14 Nov 2023 22:08:20 GMT", 300),
        ("200", "Tue, 14 Nov 2023 22:08:20 GMT", 300),
        ("300", "Tue, 14 Nov 2023 22:13:20 GMT", 300),
        # a date to come, and none that can be
        (None, "Tue, 14 Nov 2023 22:13:21 GMT", 0),
        ("300", "Fri, 31 Dec 2099 23:59:59 GMT", 300),
        (None, "Fri, 31 Feb 2023 00:00:00 GMT", 0),
        (None, "Tue, 14 Nov 2023 25:08:20 GMT", 0),
        # other forms of a date, and none
        (None, "Tuesday, 14-Nov-23 22:08:20 GMT", 0),
        (None, "Tue Nov 14 22:08:20 2023", 0),
        (None, "Tue, 14 Nov 2023 22:08:20 +0100", 0),
        (None, "yesterday", 0),
        # several
        ("300, 5", None, 300),
        (None, "Tue, 14 Nov 2023 22:13:20 GMT, Tue, 14 Nov 2023 22:08:20 GMT", 300),
        # no numbers of seconds
        ("-5", None, 0),
        ("1.5", None, 0),
        ("soon", "Tue, 14 Nov 2023 22:08:20 GMT", 300),
        ("", "", 0),
        ("9" * 5_000, None, 2**31),
    ],
)
def test_a_document_is_as_old_as_age_or_date_say(age: str | None, date: str | None, seconds: float) -> None:
    headers = {"age": age, "date": date}
    given = CaseInsensitiveDict({name: value for name, value in headers.items() if value is not None})
    assert generated_at(given, NOW) == NOW - seconds


def test_an_origin_is_before_another_where_both_clocks_say_so() -> None:
    origin = Origin(100, 1_000)
    assert Origin(90, 995).seconds_before(origin) == 5
    assert Origin(90, 1_000).seconds_before(origin) == 0
    assert Origin(110, 900).seconds_before(origin) == 0
    assert origin.seconds_before(origin) == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), (" 7 ", 7), ("0", 0), ("-7", 0), ("soon", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("", 0)],
)
def test_retry_after_is_read_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(CaseInsensitiveDict({"Retry-After": value})) == seconds
    assert retry_after({}) == 0
