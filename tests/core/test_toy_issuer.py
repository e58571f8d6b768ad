"""A kind of credential that callerid does not know, added without a change to it: "Acme ID"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from callerid import Caller, IssuedBy, Issuer, Kind, User
from callerid.access import access_map, locked, newcomers
from callerid.asgi import CallerMiddleware
from callerid.issuers import audience_set
from callerid.keys import AnySource, key_source
from callerid.starlette import Guard
from callerid.testing import LocalIssuer

ACME = "https://id.acme.example"
AUDIENCE = "https://orders.example.com"


@dataclass(frozen=True, slots=True)
class AcmeIssuer(Issuer):
    """Acme ID: RS256, a JWK set, ``Authorization: Bearer``."""

    kind: ClassVar[Kind] = Kind.GOOGLE
    fixed_audience: ClassVar[bool] = False

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """The account's id and nothing else; in a namespace of its own, so that it is nobody's Google account."""
        return Caller(
            kind=self.kind,
            issuer=self.name,
            subject=f"acme:{claims['sub']}",
            audience=claims["aud"],
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
        )


def acme(*audiences: str, keys: str | AnySource = f"{ACME}/keys") -> AcmeIssuer:
    return AcmeIssuer(
        name=ACME,
        accepted_iss=frozenset({ACME}),
        audiences=audience_set(audiences, "acme(...) accepts tokens minted for your own audiences only"),
        keys=key_source(keys),
    )


GOOGLE_SIGNER, ACME_SIGNER = LocalIssuer(), LocalIssuer()


def acme_token(signer: LocalIssuer = ACME_SIGNER, **changes: Any) -> str:
    now = int(signer.clock())
    claims = {"iss": ACME, "aud": AUDIENCE, "sub": "7", "iat": now, "exp": now + 3600}
    return signer.sign({**claims, **changes})


def whoami(request: Any) -> PlainTextResponse:
    return PlainTextResponse(str(request.user))


def _routed(guard: Guard) -> Any:
    app = Starlette(
        routes=[Route("/", guard.allow(IssuedBy(ACME))(whoami)), Route("/one", guard.allow(User("7"))(whoami))]
    )
    guard.protect(app, default="allUsers")
    return app


def _by_path(guard: Guard) -> Any:
    app = Starlette(routes=[Route("/", whoami), Route("/one", whoami)])
    return CallerMiddleware(app, guard=guard, default="allUsers", routes={"/": IssuedBy(ACME), "/one": User("7")})


@pytest.fixture
def guard() -> Guard:
    return Guard(GOOGLE_SIGNER.google(AUDIENCE), acme(AUDIENCE, keys=ACME_SIGNER.keys_of("google")))


@pytest.fixture(params=[_routed, _by_path])
def app(request: pytest.FixtureRequest, guard: Guard) -> Any:
    return request.param(guard)


def _ask(app: Any, token: str, path: str = "/") -> tuple[int, str]:
    response = TestClient(app).get(path, headers=ACME_SIGNER.bearer(token))
    return response.status_code, response.text if response.status_code == 200 else response.json()["reason"]


def test_its_callers_are_verified_and_judged(app: Any) -> None:
    assert _ask(app, acme_token()) == (200, "user:acme:7")
    assert _ask(app, acme_token(), "/one") == (403, "not_allowed")


def test_its_tokens_are_judged_by_its_own_keys_and_audience(app: Any) -> None:
    assert _ask(app, acme_token(GOOGLE_SIGNER)) == (401, "unknown_key")
    assert _ask(app, acme_token(aud="https://other.example.com")) == (401, "wrong_audience")
    assert _ask(app, GOOGLE_SIGNER.service_account(audience=AUDIENCE)) == (403, "not_allowed")


def test_the_access_map_and_the_lock_name_it(app: Any) -> None:
    found = access_map(app)
    assert [row.words() for row in found.rows if row.template == "/"] == [f"issuedBy:{ACME}"]
    assert f"issuer {ACME}\n" in locked(found)


def test_any_account_of_the_family_includes_its_callers_and_the_comparison_says_so(guard: Guard) -> None:
    guards = Guard(GOOGLE_SIGNER.google(AUDIENCE)), guard
    before, after = (CallerMiddleware(Starlette(), guard=each, default="allAuthenticatedUsers") for each in guards)
    assert _ask(before, acme_token()) == (401, "unknown_issuer")
    assert TestClient(after).get("/", headers=ACME_SIGNER.bearer(acme_token())).status_code == 404
    found = [str(each) for each in newcomers(locked(access_map(before)), access_map(after))]
    assert found == [f"* (any other path): a person with an account of {ACME}, with a token for {AUDIENCE}"]
