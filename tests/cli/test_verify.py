"""``callerid verify``: real signatures, real keys, and a rule that is read and never run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import (
    AllOf,
    AnyOf,
    CustomClaim,
    Domain,
    FirebaseUser,
    PathParam,
    Rule,
    Scope,
    ServiceAccount,
    SignedInWithin,
    User,
    Via,
)
from callerid.cli import main
from callerid.cli._rule_text import rule_from
from callerid.cli._trouble import CommandError
from callerid.testing import LocalIssuer

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
IAP = "/projects/123456789012/global/backendServices/1234567890123456789"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
PROVIDER = "https://id.example.com"
ISSUER = LocalIssuer()

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Hand a token in by standard input; returns the exit code and both outputs."""

    def called(token: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))
        code = main(["verify", *arguments])
        told = capsys.readouterr()
        assert len(token) < 20 or token not in told.out + told.err
        signature = token.rpartition(".")[2]
        assert len(signature) < 40 or signature not in told.out + told.err
        return code, told.out, told.err

    return called


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], str]:
    """The public keys of a signer, as a file."""

    def written(which: str) -> str:
        file = tmp_path / "keys.json"
        file.write_text(ISSUER.jwks_document(which), encoding="utf-8")
        return str(file)

    return written


def documented(verify: Verify, token: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = verify(token, *arguments, "--json")
    assert err == ""
    found: dict[str, Any] = json.loads(out)
    assert list(found) == [
        *("version", "verified", "allowed", "rule", "caller", "status", "reason", "detail", "why", "remedy")
    ]
    return code, found


@pytest.mark.parametrize(
    ("mint", "signer", "options", "name"),
    [
        (ISSUER.service_account, "google", ["--google", URL], "serviceAccount:scheduler@shop-prod.iam"),
        (ISSUER.person, "google", ["--google", URL, "--google", CLIENT], "user:ada@gmail.com"),
        (lambda: ISSUER.firebase_user("ada"), "firebase", ["--firebase", "shop-prod"], "firebase:shop-prod/ada"),
        (
            lambda: ISSUER.session_cookie(ISSUER.firebase_user("ada")),
            "firebase_session",
            ["--firebase-session", "shop-prod"],
            "firebase:shop-prod/ada",
        ),
        (lambda: ISSUER.iap_assertion(ISSUER.person(), audience=IAP), "iap", ["--iap", IAP], "user:ada@gmail.com"),
        (lambda: ISSUER.self_signed(ROBOT), ROBOT, ["--service-account", ROBOT, URL], f"serviceAccount:{ROBOT}"),
        (lambda: ISSUER.oidc_caller("ada"), PROVIDER, ["--oidc", PROVIDER, "orders"], "oidc:id.example.com/ada"),
    ],
)
def test_a_good_token_names_its_caller(
    mint: Callable[[], str], signer: str, options: list[str], name: str, *, verify: Verify, keys: Callable[[str], str]
) -> None:
    token, options = mint(), [*options, "--keys", keys(signer)]
    code, out, err = verify(token, *options)
    assert (code, err) == (0, "")
    assert out.startswith(f"verified: {name}")
    assert "  expires_at         20" in out
    code, found = documented(verify, token, *options)
    assert (code, found["verified"], found["allowed"], found["reason"]) == (0, True, None, None)
    assert found["caller"]["name"].startswith(name)


def test_what_the_issuer_vouches_for_is_shown_and_nothing_else(verify: Verify, keys: Callable[[str], str]) -> None:
    token = ISSUER.firebase_user("ada", claims={"roles": ["a", {"b": 1}]}, email="ada@example.com")
    _, found = documented(verify, token, "--firebase", "shop-prod", "--keys", keys("firebase"))
    assert found["caller"]["firebase"]["claims"] == {"roles": ["a", {"b": 1}]}
    assert "profile" not in found["caller"]
    assert "domain" not in found["caller"]
    _, out, _ = verify(ISSUER.self_signed(ROBOT), "--service-account", ROBOT, URL, "--keys", keys(ROBOT))
    assert "  is_service_account true\n" in out


@pytest.mark.parametrize(
    ("rule", "code", "last"),
    [
        ('Domain("example.com")', 0, "let in: domain:example.com"),
        ("domain:example.com", 0, "let in: domain:example.com"),
        (" User('eve@gmail.com') | Domain('example.com') ", 0, "let in: user:eve@gmail.com or domain:example.com"),
        ("User(PathParam('id'))", 0, "let in: "),
        ("User('eve@gmail.com')", 1, "  - user:eve@gmail.com: the caller is user:ada@example.com"),
        ("Domain('example.com') & User('eve@gmail.com')", 1, "  "),
        ("Nobody()", 1, "  "),
    ],
)
def test_a_rule_is_asked_about_the_caller(
    rule: str, code: int, last: str, verify: Verify, keys: Callable[[str], str]
) -> None:
    token = ISSUER.workspace_person("ada@example.com", subject="7")
    options = ["--google", CLIENT, "--keys", keys("google"), "--rule", rule, "--path-param", "id=7"]
    found, out, err = verify(token, *options)
    assert (found, err) == (code, "")
    assert out.startswith("verified: user:ada@example.com\n")
    assert out.splitlines()[-1].startswith(last)
    assert ("refused: 403 not_allowed" in out) is bool(code)
    found, document = documented(verify, token, *options)
    assert (found, document["verified"], document["allowed"]) == (code, True, not code)
    assert document["why"] == [] or code == 1


def test_what_would_help_is_said(verify: Verify, keys: Callable[[str], str]) -> None:
    token = ISSUER.iap_assertion(ISSUER.person(), audience=IAP)
    _, out, _ = verify(token, "--iap", IAP.replace("789", "780"), "--keys", keys("iap"))
    assert "  remedy: IAP made this for another backend" in out


@pytest.mark.parametrize("token", ["x", "a.b.c", *ISSUER.hostile_variants(ISSUER.person()).values()])
def test_a_token_that_is_not_good_is_refused(token: str, verify: Verify, keys: Callable[[str], str]) -> None:
    options = ["--google", CLIENT, "--keys", keys("google"), "--rule", "allAuthenticatedUsers"]
    code, out, _ = verify(token, *options)
    assert code == 1
    assert out.startswith("refused: 40")
    assert all(line.isprintable() for line in out.splitlines())
    code, found = documented(verify, token, *options)
    assert (code, found["verified"], found["allowed"], found["caller"]) == (1, False, None, None)


def test_another_issuers_keys_verify_nothing(verify: Verify, keys: Callable[[str], str]) -> None:
    code, out, _ = verify(ISSUER.person(), "--google", CLIENT, "--keys", keys("firebase"))
    assert (code, out.splitlines()[0]) == (1, "refused: 401 unknown_key")


def test_keys_are_fetched_from_a_url_and_keys_that_cannot_be_had_are_no_verdict(verify: Verify) -> None:
    with LocalIssuer() as issuer:
        options = ["--google", CLIENT, "--keys", issuer.jwks_url("google")]
        assert verify(issuer.person(), *options)[0] == 0
    code, out, err = verify(issuer.person(), *options)
    assert (code, out) == (2, "")
    assert "callerid: it cannot be told: keys_unavailable: " in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "whom is the token to be believed from? Give --google AUDIENCE"),
        (["--google", CLIENT, "--firebase", "shop-prod", "--keys", "x"], "--keys are the keys of one issuer"),
        (["--google", CLIENT, "--keys", "missing.json"], "cannot read missing.json: No such file"),
        (["--google", CLIENT, "--keys", "http://keys.example"], ""),
        (["--firebase", ""], ""),
        (["--google", CLIENT, "--path-param", "id"], "--path-param takes NAME=VALUE, not 'id'"),
        (["--google", CLIENT, "--rule", "User(PathParam('id'))"], "User(PathParam('id')) compares with the path"),
        (["--google", CLIENT, "--rule", "Public()"], "Public() could hold without a caller"),
        (["--google", CLIENT, "--rule", "Group('a@example.com')"], "(token): Group('a@example.com'): it needs the"),
        (["--google", CLIENT, "--rule", "everyone"], "--rule: 'everyone' is not an IAM member"),
    ],
)
def test_what_cannot_be_judged_is_told_in_one_line(
    options: list[str], said: str, verify: Verify, keys: Callable[[str], str]
) -> None:
    if "--rule" in options:
        options = [*options, "--keys", keys("google")]
    code, out, err = verify(ISSUER.person(), *options)
    assert (code, out) == (2, "")
    assert err.startswith(f"callerid: {said}")
    assert err.count("\n") == 1


def test_a_private_key_is_refused(verify: Verify, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"keys": [{"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB", "d": "AQAB"}]}', encoding="utf-8")
    code, _, err = verify(ISSUER.person(), "--google", CLIENT, "--keys", str(file))
    assert (code, err.count("\n")) == (2, 1)
    assert "public keys only" in err


@pytest.mark.parametrize(
    "rule",
    [
        Domain("example.com") | User("eve@gmail.com"),
        AllOf(Domain("example.com"), AnyOf(User("eve@gmail.com"), User("7"))),
        User("ada@example.com", hosted=False),
        FirebaseUser(PathParam("user_id")) & SignedInWithin(300),
        CustomClaim("roles", contains="admin"),
        CustomClaim("level", -7),
        Via(ServiceAccount(ROBOT)),
        Scope("https://www.googleapis.com/auth/drive"),
    ],
    ids=repr,
)
def test_the_repr_of_a_rule_is_its_text(rule: Rule) -> None:
    assert rule_from(repr(rule)) == rule


def test_rules_are_joined_as_in_python() -> None:
    one, two, three = Domain("a.example"), Domain("b.example"), User("7")
    assert rule_from("Domain('a.example') | Domain('b.example') & User('7')") == one | two & three
    assert rule_from("Via(Domain('a.example') | User('7'))") == Via(one | three)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not an IAM member"),
        ("Domain(", "this is not a rule: write"),
        ("()", "this is not a rule: write"),
        ("(7)", "this is not a rule: write"),
        ("PathParam('id')", "this is not a rule: write"),
        ("Domain('a.example') | (7)", "this is not a rule: write"),
        ("Domain('a.example') + Domain('b.example')", "this is not a rule: write"),
        ("Domain('a.example') if () else Domain('b.example')", "this is not a rule: write"),
        ("Domain('\0')", "this is not a rule: write"),
        ("Where('x', print)", "Where is not a rule that can be written as text"),
        ("Rule()", "Rule is not a rule that can be written as text"),
        ("Guard()", "Guard is not a rule that can be written as text"),
        ("google('https://orders.example.com')", "google is not a rule that can be written as text"),
        ("__import__('os').abort()", "this is not a rule that can be written as text"),
        ("print('run')", "print is not a rule that can be written as text"),
        ("Domain(print('run'))", "print is not a rule that can be written as text"),
        ("Domain(open)", "what stands in a rule is a rule, a text or a number"),
        ("Domain(f'{print(1)}')", "what stands in a rule is a rule, a text or a number"),
        ("Domain([x for x in (1,)])", "what stands in a rule is a rule, a text or a number"),
        ("Domain(*('example.com',))", "what stands in a rule is a rule, a text or a number"),
        ("Domain(**{'domain': 'example.com'})", "** is not part of a rule"),
        ("Domain()", ""),
        ("Domain(domain='a.example', colour=1)", ""),
        ("Domain('')", ""),
        ("Domain(7)", ""),
        ("x" * 4001, "the text of a rule has at most 4000 characters"),
        ("(" * 3000 + ")" * 1000, "this is not a rule: write"),
        ("-" * 3990 + "1()", "this is not a rule: write"),
        ("Domain(" + "-" * 3900 + "1)", ""),
        ("Via(" * 120 + "User('7')" + ")" * 120, "a rule is nested at most 100 deep"),
        (" | ".join(["User('7')"] * 120), "a rule is nested at most 100 deep"),
    ],
)
def test_what_is_no_rule_is_told_and_never_run(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError) as raised:
        rule_from(text)
    assert str(raised.value).startswith(f"--rule: {said}")
    assert str(raised.value).isprintable()
    assert capsys.readouterr().out == ""


NAMES = st.sampled_from(
    ["Domain", "User", "Where", "AnyOf", "(", ")", "'a.example'", "|", "&", ",", "=", "*", "-", "7"]
)


@given(st.text() | st.lists(NAMES, max_size=30).map("".join))
def test_no_text_of_a_rule_crashes_it(text: str) -> None:
    with suppress(CommandError):
        assert isinstance(rule_from(text), Rule)
