"""``callerid show``: what a token says, whatever it is, and never the token itself."""

from __future__ import annotations

import getpass
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid.cli import main
from callerid.cli._show import show
from callerid.cli._token_input import LONGEST_INPUT
from callerid.cli._unverified import taken_apart
from callerid.testing import LocalIssuer
from callerid.testing._compact import compact, segment

NOW = 1_800_000_000
ISSUER = LocalIssuer(clock=lambda: NOW)


class Typed(io.StringIO):
    """Standard input that is a terminal, or fails as told."""

    def isatty(self) -> bool:
        return True


def shown(token: str, now: float = NOW) -> tuple[int, str]:
    out = io.StringIO()
    return show(out, token, now=now), out.getvalue()


def document(token: str) -> dict[str, Any]:
    out = io.StringIO()
    show(out, token, now=NOW, as_json=True)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_what_was_taken_apart_is_not_shown_where_it_is_logged() -> None:
    assert repr(taken_apart(made({"sub": "ada"}))) == "<UnverifiedToken>"


def made(claims: Any, header: Any = '{"alg": "RS256", "kid": "k"}') -> str:
    return compact(header, claims, lambda _: b"signature")


def test_it_is_headed_unverified_and_explains_claims() -> None:
    code, told = shown(ISSUER.workspace_person("ada@example.com"))
    lines = told.splitlines()
    assert code == 0
    assert lines[0].startswith("UNVERIFIED")
    assert "  hd: example.com" in lines
    assert "      the Google Workspace domain; a fact only in Google's own tokens" in lines
    assert "It would be verified by google('1234-abc.apps.googleusercontent.com')." in lines
    assert "odd" not in lines


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "expired 5 s ago"), (90, "expired 1 min ago"), (10_900, "expired 3 h ago"), (200_000, "expired 2 d ago")],
)
def test_times_are_told_as_of_now(seconds: int, said: str) -> None:
    token = ISSUER.service_account()
    assert f": {said}\n" in shown(token, NOW + 3600 + seconds)[1]
    assert ": expires in 59 min\n" in shown(token, NOW + 20)[1]


@pytest.mark.parametrize(
    ("token", "family", "call"),
    [
        (ISSUER.service_account(), "a Google ID token of a service", "google('https://orders.example.com')"),
        (ISSUER.firebase_user("ada"), "a Firebase ID token", "firebase('shop-prod')"),
        (ISSUER.session_cookie(ISSUER.firebase_user("ada")), "a Firebase session cookie", "firebase_session('shop-"),
        (ISSUER.iap_assertion(ISSUER.person()), "an assertion of Identity-Aware Proxy", "iap('/projects/"),
        (ISSUER.app_check_token("1:1234567890:web:abc123"), "an App Check token", "app_check('1234567890')"),
        (ISSUER.self_signed("a@b.iam.gserviceaccount.com"), "a token that a service", "service_account('a@b.iam"),
        (ISSUER.chat(), "a call of Google Chat", "google_chat('123456789012')"),
        (ISSUER.oidc_caller("ada"), "a token of an OpenID Connect", "oidc('https://id.example.com', 'orders')"),
        (made({"iss": "https://["}), "a token of an issuer that callerid does not know", ""),
        (made({"iss": "shop"}), "a token of an issuer that callerid does not know", ""),
        (made({"iss": "a\x1b"}), "a token of an issuer that callerid does not know", ""),
        (made({"iss": "https://id.example.com", "events": {}}), "a security event", ""),
    ],
)
def test_the_likely_issuer_is_named(token: str, family: str, call: str) -> None:
    found = document(token)
    assert found["family"].startswith(family)
    assert (found["issuer"] or "").startswith(call)
    assert (found["version"], found["verified"]) == (1, False)
    assert shown(token)[0] == 0


GOOGLE = {"iss": "https://accounts.google.com", "aud": "a", "iat": NOW, "exp": NOW + 60}


@pytest.mark.parametrize(
    ("token", "odd"),
    [
        (ISSUER.unsigned(ISSUER.person()), "alg none"),
        (ISSUER.hmac_signed(ISSUER.person()), "alg HS..."),
        (ISSUER.without_kid(ISSUER.person()), "there is no kid"),
        (ISSUER.stripped(ISSUER.person()), "SIGNATURE_REMOVED_BY_GOOGLE"),
        (ISSUER.not_yet_valid(ISSUER.person()), "it is issued in the future"),
        (made(GOOGLE, {"alg": 1, "kid": "k"}), "there is no alg in text form"),
        (made(GOOGLE, {"alg": "PS256", "kid": "k"}), "alg: issuers of callerid"),
        (made(GOOGLE, {"alg": "RS256", "kid": "k", "jku": "https://e.example"}), "jku: the token names its own key"),
        (made(GOOGLE, {"alg": "RS256", "kid": "k", "crit": ["x"]}), "crit: an extension"),
        (made('{"iss": "a", "iss": "b"}'), "a member stands twice in the claims"),
        (made(GOOGLE | {"aud": ["a", "b"]}), "aud is a list"),
        (made(GOOGLE | {"email": "ada@example.com"}), "email is not verified"),
        (made(GOOGLE | {"exp": NOW - 1}), "it expires before it is issued"),
        (made(GOOGLE | {"exp": True}), "there is no exp in the form of a number"),
        (made(GOOGLE | {"iss": "https://accounts.googIe.com"}), "iss looks like https://accounts.google.com"),
        (made(GOOGLE | {"iss": "https://accounts.google.com.evil.example"}), "iss looks like "),
        (made(GOOGLE | {"iss": "https://\u0430ccounts.google.com"}), "iss has letters that are no plain ASCII"),
        (made(GOOGLE | {"iss": 7}), "there is no iss in text form"),
        (made({"iss": "https://securetoken.google.com/shop-prod", "hd": "example.com"}), "hd in a Firebase token"),
    ],
)
def test_what_is_odd_is_said(token: str, odd: str) -> None:
    assert any(each.startswith(odd) for each in document(token)["odd"])


@pytest.mark.parametrize(
    "claims",
    ['{"exp": NaN}', '{"exp": 1e999}', '{"exp": 1e300}', '{"exp": "soon"}', '{"exp": true}', '{"iat": -1e18}'],
)
def test_what_is_no_time_is_no_trouble(claims: str) -> None:
    assert "not a time" in shown(made(claims))[1]
    assert "not a time" in "".join(document(made(claims))["notes"].values())


DEEP = b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.mark.parametrize(
    "token",
    [
        "x",
        ".",
        "...",
        "ya29.a0",
        "a.b",
        f"{segment(DEEP)}.{segment(DEEP)}.x",
        f"{segment(b'[]')}.{segment(b'7')}.x",
        "ф",
    ],
)
def test_what_is_no_token_is_said(token: str) -> None:
    code, told = shown(token)
    assert code == 1
    assert "header: cannot be decoded" in told
    assert "claims: cannot be decoded" in told
    assert document(token)["claims"] is None


@pytest.mark.parametrize("kind", ["person", "firebase_user"])
def test_hostile_tokens_are_shown_and_neither_they_nor_their_signatures_are_printed(kind: str) -> None:
    token = ISSUER.person() if kind == "person" else ISSUER.firebase_user("ada")
    for each in ISSUER.hostile_variants(token).values():
        code, told = shown(each)
        assert code == 0
        assert each.rpartition(".")[0] not in told
        assert len(each.rpartition(".")[2]) < 30 or each.rpartition(".")[2] not in told


def test_nothing_in_a_claim_controls_the_terminal() -> None:
    name = "\x1b[2J\x07\x9b\u202e\r\n\x00"
    code, told = shown(made(GOOGLE | {name: name, "nested": {name: [name]}, "long": "x" * 9000}))
    assert code == 0
    assert all(line.isprintable() for line in told.splitlines())
    assert "(9000 characters)" in told


def test_an_output_of_ascii_gets_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert show(out, made(GOOGLE | {"name": "Zoë 🐦"}), now=NOW) == 0


@pytest.mark.slow
@given(st.text())
def test_no_text_crashes_it(text: str) -> None:
    assert shown(text)[0] in (0, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "iat", "email", "hd", "events", "auth_time"]) | st.text()


@pytest.mark.slow
@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from(["alg", "kid", "crit", "jku"]), JSON))
def test_no_claims_crash_it(claims: dict[str, Any], header: dict[str, Any]) -> None:
    token = ".".join(segment(json.dumps(each).encode()) for each in (header, claims)) + ".x"
    code, told = shown(token)
    assert code == 0
    assert all(line.isprintable() for line in told.split("\n"))
    assert json.dumps(document(token), allow_nan=False)


def test_a_token_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given_ in ([], ["-"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"Authorization: Bearer {ISSUER.person()}\n"))
        assert main(["show", "--json", *given_]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)["claims"]["email"] == "ada@gmail.com"
        assert told.err == ""


def test_a_terminal_is_asked_without_echo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Typed())
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: ISSUER.person())
    assert main(["show"]) == 0
    assert "ada@gmail.com" in capsys.readouterr().out


def test_an_argument_works_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    token = ISSUER.person()
    assert main(["show", token]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("callerid: warning: shells keep arguments in their history")
    assert token not in told.err + told.out


class Ended(Typed):
    pass


def ended(*_: object, **__: object) -> str:
    raise EOFError


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (io.StringIO(""), "no token was given: hand it in by standard input"),
        (io.StringIO("Bearer  \n"), "no token was given: hand it in by standard input"),
        (io.StringIO("x" * (LONGEST_INPUT + 1)), "no token is so long: over 65536 characters"),
        (io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"), "standard input is not UTF-8, so it is no token"),
        (None, "no token was given: standard input is closed"),
        (Ended(), "no token was given: hand it in by standard input"),
    ],
)
def test_without_a_token_it_is_said_in_one_line(
    given_: Any, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", given_)
    monkeypatch.setattr(getpass, "getpass", ended)
    assert main(["show"]) == 2
    assert capsys.readouterr() == ("", f"callerid: {said}\n")
