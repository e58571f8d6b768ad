"""The figures of the comparison are those of `bench/RESULTS.md`: whoever takes them anew sees here what to correct."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, text_of

RESULTS = (ROOT / "bench/RESULTS.md").read_text(encoding="utf-8")
PAGE = text_of("comparison.md")

VERIFY = "verify a token of"
STARLETTE = "requests/s, Starlette hello under uvicorn, seen tokens"
FASTAPI = "requests/s, FastAPI hello under uvicorn, seen tokens"
FLASK = "requests/s, Flask hello under gunicorn, seen tokens"
FIGURES = [
    (VERIFY, "callerid, seen"),
    (VERIFY, "joserfc"),
    (VERIFY, "callerid, unseen"),
    (VERIFY, "google-auth, certificates in hand"),
    (VERIFY, "PyJWT"),
    (VERIFY, "floor: raw verify, base64 and JSON, no check"),
    ("unseen token, RS256", "callerid"),
    (STARLETTE, "callerid"),
    (STARLETTE, "google-auth in AuthenticationMiddleware"),
    (STARLETTE, "PyJWT in AuthenticationMiddleware"),
    (FASTAPI, "callerid"),
    (FASTAPI, "HTTPBearer + PyJWT dependency"),
    (FLASK, "callerid"),
    (FLASK, "google-auth in the usual decorator"),
    ("requests/s, public route, FastAPI", "callerid"),
    ("requests/s, public route, FastAPI", "floor: middleware that only calls on"),
    ("requests/s, public route, Starlette", "callerid"),
    ("requests/s, public route, Starlette", "floor: middleware that only calls on"),
    ("first request of a cold process, key endpoint 50 ms away", "callerid"),
]
"""The section and the row of each figure of the page, in its order."""


def measured(section: str, row: str) -> str:
    tables = re.findall(rf"(?m)^## {re.escape(section)}[^\n]*\n\n((?:\|.*\n)+)", RESULTS + "\n")
    (ratio,) = {cell for table in tables for cell in re.findall(rf"(?m)^\| {re.escape(row)} \| ([\d.]+) \|", table)}
    return str(ratio)


def test_each_figure_is_the_measured_one() -> None:
    assert re.findall(r"\b\d+\.\d{3}\b", PAGE) == [measured(*each) for each in FIGURES]


@pytest.mark.parametrize("said", [r"taken on ([\d-]+)", r"PyJWT ([\d.]+\d)", r"google-auth ([\d.]+\d)", r"(\d+) bytes"])
def test_what_was_measured_and_when_is_the_same(said: str) -> None:
    assert re.search(said, PAGE, re.IGNORECASE)[1] == re.search(said, RESULTS, re.IGNORECASE)[1]  # type: ignore[index]


def test_the_aim_that_was_missed_is_the_benchmarks() -> None:
    aim = re.search(r"(?ms)^## unseen token, RS256.*?≤ ([\d.]+) \(missed\)", RESULTS)
    assert aim is not None, "the aim is reached: say so on the page"
    assert f"was to cost at most {aim[1]} of the last row" in PAGE
