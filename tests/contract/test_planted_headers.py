"""On every server, a header with underscores for hyphens is none of those that the guard reads.

To a gateway interface both have one name (RFC 3875 section 4.1.18), and what stands before an application writes, or
removes, the name with hyphens alone: a front door, a proxy, a gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest

from callerid.testing import LocalIssuer
from tests.asgi.servers import serving
from tests.servers import Address, gunicorn, status, waitress

from .planted import BACKEND, BEHIND, GATEWAY, PROJECT_NUMBER, ROBOT, URL, asgi, wsgi

pytestmark = pytest.mark.server

SERVERS: dict[str, Callable[[], AbstractContextManager[Address]]] = {
    "uvicorn": lambda: serving("uvicorn", asgi()),
    "hypercorn": lambda: serving("hypercorn", asgi()),
    "gunicorn": lambda: gunicorn("tests.contract.planted:wsgi()"),
    "gunicorn-threads": lambda: gunicorn("tests.contract.planted:wsgi()", "--threads", "4"),
    "waitress": lambda: waitress(wsgi()),
}


@dataclass(frozen=True)
class Planted:
    """A header that opens a path where it has its right name, beside others of the same request."""

    name: str
    value: str = field(repr=False)
    path: str
    beside: tuple[str, ...] = field(default=(), repr=False)
    without: int = 401
    """The status where it does not come."""


@pytest.fixture(scope="module")
def kinds() -> Iterator[dict[str, Planted]]:
    with LocalIssuer() as issuer, pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEYS_AT", " ".join(map(issuer.jwks_url, ("google", "firebase", "iap", "app_check"))))
        carrier = issuer.service_account(ROBOT, audience=URL)
        user = (f"Authorization: Bearer {issuer.firebase_user('ada')}",)
        person = issuer.iap_assertion(issuer.workspace_person("ada@example.com"), audience=BACKEND)
        app = issuer.app_check_token(f"1:{PROJECT_NUMBER}:web:abc")
        forwarding = (f"Authorization: Bearer {issuer.service_account(GATEWAY, audience=BEHIND)}",)
        carriers, proxies = "X-Serverless-Authorization", "X-Goog-IAP-JWT-Assertion"
        yield {
            "stripped": Planted(carriers, f"Bearer {issuer.stripped(carrier)}", "/carried", user, 403),
            "carrier": Planted(carriers, f"Bearer {carrier}", "/carried", user, 403),
            "assertion": Planted(proxies, person, "/signed-in"),
            "app": Planted("X-Firebase-AppCheck", app, "/attested"),
            "forwarded": Planted(
                "X-Forwarded-Authorization", f"Bearer {issuer.firebase_user('ada')}", "/forwarded", forwarding
            ),
        }


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, kinds: dict[str, Planted]) -> Iterator[Address]:
    with SERVERS[request.param]() as address:
        yield address


def spellings(name: str) -> Iterator[str]:
    """With an underscore for every hyphen, for each alone, and as the gateway interface would write it."""
    yield name.replace("-", "_")
    for at, letter in enumerate(name):
        if letter == "-":
            yield f"{name[:at]}_{name[at + 1 :]}"
    yield f"HTTP_{name.upper().replace('-', '_')}"


@pytest.mark.parametrize("kind", ["stripped", "carrier", "assertion", "app", "forwarded"])
def test_no_header_with_underscores_is_read(kind: str, server: Address, kinds: dict[str, Planted]) -> None:
    header = kinds[kind]
    assert status(server, header.path, *header.beside, f"{header.name}: {header.value}") == 200
    for name in spellings(header.name):
        assert status(server, header.path, *header.beside, f"{name}: {header.value}") == header.without
        # Nor does it make a second value of what is there.
        both = (f"{header.name}: {header.value}", f"{name}: {header.value}")
        assert status(server, header.path, *header.beside, *both) == 200
        assert status(server, header.path, *header.beside, *both[::-1]) == 200
