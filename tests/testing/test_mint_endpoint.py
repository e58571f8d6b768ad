"""The local issuer mints for programs on this machine, and for no page in a browser on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callerid.testing import LocalIssuer
from callerid.testing._endpoints import answer
from callerid.testing._server import ReceivedRequest

ISSUER = LocalIssuer()
SENT = {"host": "127.0.0.1:8085", "x-callerid-mint": "1"}
ADA = {"kind": "person", "who": "ada@gmail.com"}


def asked(document: Any, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, dict[str, str]]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    response = answer(ISSUER, ReceivedRequest(method, "/callerid/mint", SENT if headers is None else headers, body))
    assert method == "GET" or response.headers["Cache-Control"] == "no-store"
    return response.status, json.loads(response.body) if method == "POST" else {}


@pytest.mark.parametrize("host", ["127.0.0.1:8085", "localhost:8085", "LOCALHOST", "127.0.0.1"])
def test_a_program_on_this_machine_gets_a_token(host: str) -> None:
    status, found = asked(ADA, {**SENT, "host": host})
    assert (status, list(found)) == (200, ["token"])
    assert found["token"].count(".") == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"host": "issuer.example:8085"},
        {"host": "127.0.0.1.issuer.example"},
        {"host": "user@127.0.0.1.example"},
        {"host": "0.0.0.0:8085"},
        {"host": "["},
        {"host": ""},
        {"x-callerid-mint": ""},
        {"x-callerid-mint": "true"},
        {"origin": "http://127.0.0.1:8085"},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
    ids=str,
)
def test_a_page_in_a_browser_and_another_host_name_get_none(changed: dict[str, str]) -> None:
    status, found = asked(ADA, {**SENT, **changed})
    assert (status, list(found)) == (403, ["error"])


@pytest.mark.parametrize("missing", SENT)
def test_a_request_without_its_header_or_a_host_gets_none(missing: str) -> None:
    assert asked(ADA, {name: value for name, value in SENT.items() if name != missing})[0] == 403


def test_nothing_is_minted_by_get() -> None:
    assert asked(ADA, method="GET")[0] == 404


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{", "Expecting property name"),
        (b"[" * 30_000, "maximum recursion depth"),
        (b"\xff", "'utf-8' codec can't decode"),
        ([], "a request has kind (one of person, "),
        ({"kind": "own_credential", "who": "billing"}, "a request has kind (one of person, "),
        ({"kind": "close", "who": "x"}, "a request has kind (one of person, "),
        ({"kind": ["person"], "who": "x"}, "a request has kind (one of person, "),
        ({"kind": "person", "who": 7}, "a request has kind (one of person, "),
        ({**ADA, "options": []}, "a request has kind (one of person, "),
        ({**ADA, "options": {"hostile": True}}, "options: 'hostile' is not a setting of a person"),
        ({**ADA, "options": {"audience": 7}}, "options: audience is 7, and has to be of type str"),
        ({"kind": "person", "who": "a@b.iam.gserviceaccount.com"}, "Google mints no such token: "),
    ],
)
def test_what_is_no_request_to_mint_is_told(document: Any, said: str) -> None:
    status, found = asked(document)
    assert (status, list(found)) == (400, ["error"])
    assert found["error"].startswith(said)
