"""``callerid token``: tokens of anybody, which a local issuer's guard believes and nobody else."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callerid import Guard, google
from callerid.cli import main
from callerid.testing import LocalIssuer
from callerid.testing._server import Response, Server

CLIENT = "1234-abc.apps.googleusercontent.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"

Token = Callable[..., tuple[int, str, str]]


@pytest.fixture
def token(capsys: pytest.CaptureFixture[str]) -> Token:
    def called(*arguments: str) -> tuple[int, str, str]:
        code = main(["token", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.mark.parametrize(
    ("arguments", "believed", "name"),
    [
        (["person", "ada@gmail.com"], ["--google", CLIENT], "user:ada@gmail.com"),
        (["workspace_person", "ada@example.com"], ["--google", CLIENT], "user:ada@example.com"),
        (
            ["service_account", ROBOT, "--with", "audience=https://a.example"],
            ["--google", "https://a.example"],
            f"serviceAccount:{ROBOT}",
        ),
        (
            ["self_signed", ROBOT, "--with", "audience=https://a.example"],
            ["--service-account", ROBOT, "https://a.example"],
            f"serviceAccount:{ROBOT}",
        ),
        (
            ["firebase_user", "ada", "--with", 'claims={"role": "admin"}', "--with", "signed_in_ago=60"],
            ["--firebase", "shop-prod", "--rule", "CustomClaim('role', 'admin') & SignedInWithin(90)"],
            "firebase:shop-prod/ada",
        ),
        (
            ["oidc_caller", "ada"],
            ["--oidc", "https://id.example.com", "orders"],
            "oidc:id.example.com/ada",
        ),
    ],
)
def test_a_token_is_minted_that_its_keys_verify(
    arguments: list[str],
    believed: list[str],
    name: str,
    *,
    token: Token,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = tmp_path / "keys.json"
    code, minted, err = token(*arguments, "--write-keys", str(keys))
    assert (code, err) == (0, "")
    monkeypatch.setattr(sys, "stdin", io.StringIO(minted))
    assert main(["verify", *believed, "--keys", str(keys)]) == 0
    assert capsys.readouterr().out.startswith(f"verified: {name}\n")


def test_a_running_issuer_mints_what_its_guards_believe(token: Token, issuer: LocalIssuer) -> None:
    guard = Guard(google(CLIENT, keys=issuer.jwks_url("google")))
    for host in (issuer.url, issuer.url.replace("127.0.0.1", "localhost")):
        code, minted, err = token("person", "ada@gmail.com", "--issuer", host)
        assert (code, err) == (0, "")
        assert str(guard.verify(minted.strip())) == "user:ada@gmail.com"


def test_json_has_the_token_and_what_it_says(token: Token, issuer: LocalIssuer) -> None:
    _, out, _ = token("chat", "123456789012", "--issuer", issuer.url, "--json")
    found = json.loads(out)
    assert list(found) == ["version", "kind", "who", "issuer", "token", "claims"]
    assert (found["kind"], found["who"], found["issuer"]) == ("chat", "123456789012", issuer.url)
    assert found["claims"]["aud"] == "123456789012"
    _, out, _ = token("access_token", "ada@gmail.com", "--with", 'scopes=["email"]', "--issuer", issuer.url, "--json")
    found = json.loads(out)
    assert found["claims"] is None
    assert issuer.token_info(found["token"])[0] == 200


def test_a_token_whose_keys_are_gone_is_one_to_look_at(token: Token) -> None:
    code, minted, err = token("person", "ada@gmail.com")
    assert (code, minted.count(".")) == (0, 2)
    assert err.startswith("callerid: nobody can verify this token, whose keys are gone: --issuer")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["own_credential", "billing"], "callerid token: Invalid value for 'KIND'"),
        (["person", "ada@gmail.com", "--with", "audience"], "callerid: --with takes NAME=VALUE, not 'audience'"),
        (["person", "ada@gmail.com", "--with", "hd=a.example"], "callerid: --with: 'hd' is not a setting of a person"),
        (["firebase_user", "ada", "--with", "claims=admin"], "callerid: --with claims=admin: what is no text is writ"),
        (["firebase_user", "ada", "--with", "claims=[]"], "callerid: --with: claims is [], and has to be of type dict"),
        (["firebase_user", "ada", "--with", "claims=" + "[" * 9999], "callerid: --with claims=[["),
        (["person", ROBOT], "callerid: Google mints no such token: "),
        (["access_token", "ada@gmail.com"], "callerid: an access token is known to the issuer that minted it alone"),
        (
            ["person", "a@gmail.com", "--write-keys", "no/such/file"],
            "callerid: cannot write no/such/file: ",
        ),
        (["person", "a@gmail.com", "--write-keys", "k", "--issuer", "x"], "callerid: --write-keys is for tokens that"),
        (["person", "a@gmail.com", "--issuer", "https://a.example"], "callerid: --issuer takes the address of a local"),
        (["person", "a@gmail.com", "--issuer", "http://["], "callerid: --issuer takes the address of a local issuer"),
        (["person", "a@gmail.com", "--issuer", "http://a.example"], "callerid: --issuer takes the address of a local"),
        (["person", "a@gmail.com", "--issuer", "http://localhost:99999"], "callerid: no local issuer answers at http:"),
    ],
)
def test_what_cannot_be_minted_is_told_in_one_line(arguments: list[str], said: str, token: Token) -> None:
    code, out, err = token(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_what_the_issuer_refuses_is_told(token: Token, issuer: LocalIssuer) -> None:
    code, _, err = token("person", ROBOT, "--issuer", issuer.url)
    assert code == 2
    assert err.startswith(f"callerid: the issuer at {issuer.url} minted no token: Google mints no such token: ")


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response(200, b'{"token": 7}'), "minted no token: None"),
        (Response(500, b'{"token": "a.b.c", "error": "a\\u001b"}'), "minted no token: a\\x1b"),
        (Response(200, b"[]"), "no local issuer answers at"),
        (Response(200, b"<html>"), "no local issuer answers at"),
        (Response(302, b"", headers={"Location": "http://127.0.0.1:1/"}), "no local issuer answers at"),
    ],
)
def test_what_answers_and_is_no_issuer_is_told(response: Response, said: str, token: Token) -> None:
    server = Server(lambda _: response)
    try:
        code, out, err = token("person", "ada@gmail.com", "--issuer", server.url)
    finally:
        server.close()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
