"""The form of Google's button over real servers: how its length is told, and that no more than that is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.asgi.servers import serving
from tests.servers import Address, raw, waitress

from .test_adapters import CSRF, TOKEN, TYPE, fastapi, in_flask

pytestmark = pytest.mark.server

BODY = urlencode({"credential": TOKEN, "g_csrf_token": CSRF}).encode()


@contextlib.contextmanager
def served(server: str) -> Iterator[Address]:
    with waitress(in_flask()) if server == "waitress" else serving(server, fastapi()) as address:
        yield address


def sent(address: Address, body: bytes, *headers: str) -> bytes:
    lines = (
        "POST /sign-in HTTP/1.1",
        "Host: orders.example.com",
        "Connection: close",
        f"Content-Type: {TYPE}",
        f"Cookie: theme=dark; g_csrf_token={CSRF}",
        *headers,
    )
    return raw(address, "\r\n".join((*lines, "", "")).encode() + body)


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "waitress"])
def test_the_buttons_form_signs_in_and_a_body_of_untold_length_does_not(server: str) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    with served(server) as address:
        found = sent(address, BODY, f"Content-Length: {len(BODY)}")
        assert found.startswith(b"HTTP/1.1 200")
        assert b"user:ada@example.com" in found
        for headers in (("Transfer-Encoding: chunked",), ("Transfer-Encoding: chunked", "Content-Length: 5")):
            answer = sent(address, chunked, *headers)
            # Waitress takes in the body before the application is called, and says how long it is.
            assert (b"user:" in answer) is (server == "waitress"), headers
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) is (server != "waitress"), headers
        if server != "waitress":
            long = sent(address, b"", "Content-Length: 1000000", "Expect: 100-continue")
            assert b"malformed_form" in long
            assert b"100 Continue" not in long  # which servers send when the application asks for the body
