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

from callerid import AnyGoogleAccount, Caller, Claim, IssuedBy, Issuer, Kind, Nobody, OidcFacts, PathParam, Subject
from callerid.access import access_map, locked, newcomers
from callerid.asgi import CallerMiddleware
from callerid.callers import Claims
from callerid.issuers import audience_set
from callerid.keys import AnySource, key_source
from callerid.starlette import Guard
from callerid.testing import LocalIssuer

ACME = "https://id.acme.example"
AUDIENCE = "https://orders.example.com"


@dataclass(frozen=True, slots=True)
class AcmeIssuer(Issuer):
    """Acme ID: RS256, a JWK set, ``Authorization: Bearer``."""

    kind: ClassVar[Kind] = Kind.OIDC
    ignores_named_audience: ClassVar[bool] = True

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Whom Acme knows by ``sub``, and what else its token says; nobody's Google account."""
        return Caller(
            kind=self.kind,
            issuer=self.name,
            subject=claims["sub"],
            oidc=OidcFacts(Claims(claims)),
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


ONE = Subject("8") | Claim("role", "x")


def _routed(guard: Guard) -> Any:
    app = Starlette(
        routes=[
            Route("/", guard.allow(IssuedBy(ACME))(whoami)),
            Route("/one", guard.allow(ONE)(whoami)),
        ]
    )
    guard.protect(app, default="allUsers")
    return app


def _by_path(guard: Guard) -> Any:
    app = Starlette(routes=[Route("/", whoami), Route("/one", whoami)])
    return CallerMiddleware(app, guard=guard, default="allUsers", routes={"/": IssuedBy(ACME), "/one": ONE})


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
    assert _ask(app, acme_token()) == (200, "oidc:id.acme.example/7")
    assert _ask(app, acme_token(), "/one") == (403, "not_allowed")
    assert _ask(app, acme_token(sub="8"), "/one") == (200, "oidc:id.acme.example/8")
    assert _ask(app, acme_token(role="x"), "/one") == (200, "oidc:id.acme.example/7")


def test_its_tokens_are_judged_by_its_own_keys_and_audience(app: Any) -> None:
    assert _ask(app, acme_token(GOOGLE_SIGNER)) == (401, "unknown_key")
    assert _ask(app, acme_token(aud="https://other.example.com")) == (401, "wrong_audience")
    assert _ask(app, GOOGLE_SIGNER.service_account(audience=AUDIENCE)) == (403, "not_allowed")


def test_the_access_map_and_the_lock_name_it(app: Any) -> None:
    found = access_map(app)
    assert [row.words() for row in found.rows if row.template == "/"] == [f"issuedBy:{ACME}"]
    assert f"issuer {ACME}\n" in locked(found)


def test_its_callers_are_no_google_accounts_and_the_comparison_says_who_comes_in(guard: Guard) -> None:
    everybody, known = "allAuthenticatedUsers", Subject(PathParam("who")) | AnyGoogleAccount()
    before, after = (
        CallerMiddleware(Starlette(), guard=guard, default=Nobody(), routes={"/{who}": rule})
        for rule in (everybody, known)
    )
    assert _ask(before, acme_token(), "/7") == (403, "not_allowed")
    assert TestClient(after).get("/7", headers=ACME_SIGNER.bearer(acme_token())).status_code == 404
    found = [str(each) for each in newcomers(locked(access_map(before)), access_map(after))]
    assert found == [f"* /{{who}}: a caller known to {ACME}, where {{who}} names them, not allAuthenticatedUsers"]
    assert not newcomers(locked(access_map(after)), access_map(after))
