"""A server of the MCP SDK's that authenticates by `TokenVerifier`, and real clients: callers, sessions, signing in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import anyio
import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    Tenant,
    User,
)
from callerid.asgi import CallerMiddleware
from callerid.mcp import ProtectedResource, TokenVerifier, current_caller
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, CLIENT, ROBOT, ROBOTS, STAFF, URL, issuer, token

from .servers import serving_at

ISSUER = "https://accounts.google.com"


VERIFIERS: list[TokenVerifier] = []


async def judge() -> str:
    """A tool that verifies a token of its own."""
    return str(await VERIFIERS[-1].verify_token(token("outsider")))


async def whoami() -> str:
    """Who is calling?"""
    caller, known = current_caller(), get_access_token()
    assert caller is not None
    assert known is not None
    assert known.token == ""
    return f"{caller} {known.client_id} {known.scopes} {known.resource}"


def verified(address: str, guard: Guard | None = None, *, answering: bool = False, **settings: Any) -> Starlette:
    """An application of the SDK's, which authenticates by a verifier."""
    resource = f"{address}/mcp"
    guard = guard or Guard(*AT_HAND, resource_metadata=ProtectedResource(resource).metadata_url)
    verifier = TokenVerifier(guard, STAFF | ROBOTS, resource=resource, scopes=["tools"])
    auth = AuthSettings(
        issuer_url=settings.get("authorization_server", ISSUER),
        resource_server_url=cast("Any", resource),  # as text: a URL of pydantic's gains a slash
        required_scopes=["tools"],
        validate_token_resource=True,
    )
    tools = MCPServer("tools", auth=auth, token_verifier=verifier)
    tools.tool()(whoami)
    tools.tool()(judge)
    VERIFIERS.append(verifier)
    app = tools.streamable_http_app()
    if answering:
        verifier.answer_refusals(app)
    return app


def in_front(address: str, *, authorization_server: str = ISSUER) -> Any:
    """The same tools behind our middleware."""
    resource = ProtectedResource(f"{address}/mcp", (authorization_server,), ("tools",))
    guard = Guard(*AT_HAND, resource_metadata=resource.metadata_url)
    tools = MCPServer("tools")
    tools.tool()(whoami)
    app = CallerMiddleware(tools.streamable_http_app(), guard=guard, default=Nobody(), routes={"/mcp": STAFF | ROBOTS})
    return resource.before(app)


def call(address: str, *, auth: Any = None, who: str | None = None, mode: Any = "auto", tool: str = "whoami") -> str:
    async def run() -> str:
        headers = {} if who is None else {"authorization": f"Bearer {token(who)}"}
        async with httpx2.AsyncClient(headers=headers, auth=auth, trust_env=False) as http:
            transport = streamable_http_client(f"{address}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                answer: Any = await client.call_tool(tool, {})
                return str(answer.content[0].text)

    return anyio.run(run)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def post(address: str, text: str | None, **headers: str) -> httpx2.Response:
    own = {} if text is None else {"authorization": f"Bearer {text}"}
    kinds = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    with httpx2.Client(trust_env=False) as http:
        return http.post(f"{address}/mcp", json=INITIALIZE, headers={**own, **kinds, **headers})


# --- what the verifier says ---


def make(rule: Any = STAFF, **options: Any) -> TokenVerifier:
    return TokenVerifier(Guard(*AT_HAND), rule, **{"resource": "https://tools.example.com/mcp", **options})


def verify(verifier: TokenVerifier, text: str) -> Any:
    return anyio.run(verifier.verify_token, text)


def test_a_verified_caller_is_an_access_token_without_its_text() -> None:
    text = token("staff")
    found = verify(make(scopes=("tools", "admin")), text)
    caller = Guard(*AT_HAND).verify(text)
    assert (found.client_id, found.subject, found.scopes) == (str(caller), caller.subject, ["tools", "admin"])
    assert (found.token, found.resource) == ("", "https://tools.example.com/mcp")
    assert found.expires_at == caller.expires_at
    assert found.claims == {
        "iss": ISSUER,
        "sub": caller.subject,
        "aud": CLIENT,
        "email": "ada@example.com",
        "email_verified": True,
        "hd": "example.com",
    }
    assert found.caller == caller
    for shown in (repr(found), str(found), found.model_dump_json()):
        assert text not in shown
        assert text.rpartition(".")[2] not in shown


def test_what_nobody_vouches_for_is_no_claim() -> None:
    robot = issuer.service_account(ROBOT, audience=URL, include_email=False)
    assert set(verify(make(AnyGoogleAccount()), robot).claims) == {"iss", "sub", "aud"}
    user = verify(make(FirebaseUser()), issuer.firebase_user("u1", claims={"hd": "example.com"}))
    assert "hd" not in user.claims
    assert user.client_id == "firebase:shop-prod/u1"


def test_the_same_uid_of_another_tenant_is_another_client() -> None:
    guard = Guard(issuer.firebase("shop-prod", ["acme-x1"]))
    verifier = TokenVerifier(guard, FirebaseUser() & Tenant("acme-x1"), resource="https://tools.example.com/mcp")
    found = verify(verifier, issuer.firebase_user("u1", tenant="acme-x1"))
    assert found.client_id == "firebase:shop-prod/acme-x1/u1"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "\u00fc", issuer.tampered(issuer.person()), token("outsider")])
def test_a_refused_token_is_none_and_is_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "callerid"):
        assert verify(make(), text) is None
    (record,) = caplog.records
    assert record.getMessage().startswith("refused (mcp): ")


def test_scopes_of_an_access_token_are_its_own() -> None:
    guard = Guard(*AT_HAND, issuer.google_access_token(CLIENT))
    verifier = TokenVerifier(guard, User("ada@gmail.com"), resource="https://tools.example.com/mcp", scopes=["tools"])
    found = verify(verifier, issuer.access_token("ada@gmail.com", audience=CLIENT, scopes=["openid", "email"]))
    assert found.scopes == ["tools", "email", "openid"]
    assert verify(verifier, "ya29.unknown") is None


def test_the_audience_is_the_rules() -> None:
    robot = issuer.service_account(ROBOT, audience=URL)
    assert verify(make(ROBOTS, audience=URL), robot) is not None
    assert verify(make(ROBOTS, audience="https://tools.example.com"), robot) is None


def test_mistakes_are_errors_at_once() -> None:
    with pytest.raises(ConfigurationError, match="could hold without a caller"):
        make(Public() | STAFF)
    with pytest.raises(ConfigurationError, match="path parameter"):
        make(FirebaseUser(PathParam("user")))
    with pytest.raises(ConfigurationError, match="nobody"):
        make(Domain("example.com") & FirebaseUser())
    with pytest.raises(ConfigurationError, match="is a URL such as"):
        make(resource="tools.example.com")
    with pytest.raises(ConfigurationError, match="scopes= takes several"):
        make(scopes="tools")
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        TokenVerifier(Guard(), STAFF, resource="https://tools.example.com/mcp")


def test_outside_of_a_server_nobody_is_calling() -> None:
    assert current_caller() is None


# --- over HTTP ---


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with serving_at(verified, lifespan="on") as address:
        yield address


@pytest.fixture(scope="module")
def answering() -> Iterator[str]:
    with serving_at(lambda address: verified(address, answering=True), lifespan="on") as address:
        yield address


@pytest.mark.server
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("served", ["plain", "answering"])
def test_a_tool_knows_who_calls_it(served: str, mode: str, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue(served)
    ada = "user:ada@example.com"
    assert call(address, who="staff", mode=mode) == f"{ada} {ada} ['tools'] {address}/mcp"


@pytest.mark.server
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_token_that_a_tool_verifies_is_none_where_it_is_refused(answering: str, mode: str) -> None:
    assert call(answering, who="staff", tool="judge", mode=mode) == "None"


@pytest.mark.server
def test_behind_our_middleware_a_tool_asks_the_same_question() -> None:
    with serving_at(in_front, lifespan="on") as address:
        for mode in ("auto", "legacy"):
            assert call(address, who="staff", mode=mode).startswith("user:ada@example.com user:ada@example.com ")


@pytest.mark.server
def test_a_session_answers_its_creator_alone(plain: str) -> None:
    begun = post(plain, token("staff"))
    session = {"mcp-session-id": begun.headers["mcp-session-id"]}
    statuses = [post(plain, token(who), **session).status_code for who in ("bob@example.com", "robot")]
    assert statuses == [404, 404]
    assert post(plain, token("outsider"), **session).status_code == 401
    # Her next token goes on with it.
    assert post(plain, issuer.workspace_person("ada@example.com", lifetime=3000), **session).status_code == 200


@pytest.mark.server
def test_refusals_are_the_sdks_or_the_guards_and_say_where_to_sign_in(plain: str, answering: str) -> None:
    for address, denied in ((plain, 401), (answering, 403)):
        metadata = f'resource_metadata="{address}/.well-known/oauth-protected-resource/mcp"'
        for text, status in ((None, 401), (issuer.tampered(token("staff")), 401), (token("outsider"), denied)):
            answer = post(address, text)
            assert answer.status_code == status
            assert metadata in answer.headers["www-authenticate"]
            assert "insufficient_scope" not in answer.headers["www-authenticate"]


@pytest.mark.server
def test_the_guards_answers_say_where_to_sign_in_whether_or_not_it_was_told() -> None:
    with serving_at(
        lambda url: verified(url, Guard(*AT_HAND, realm="tools"), answering=True), lifespan="on"
    ) as address:
        for text, status in ((issuer.tampered(token("staff")), 401), (token("outsider"), 403)):
            answer = post(address, text)
            challenge = answer.headers["www-authenticate"]
            assert (answer.status_code, answer.json()["status"]) == (status, status)
            assert challenge.startswith('Bearer realm="tools"')
            assert f'resource_metadata="{address}/.well-known/oauth-protected-resource/mcp"' in challenge
            assert "insufficient_scope" not in challenge


@pytest.mark.server
def test_what_the_sdk_serves_to_everybody_it_serves_whatever_token_comes(answering: str) -> None:
    url = f"{answering}/.well-known/oauth-protected-resource/mcp"
    with httpx2.Client(trust_env=False) as http:
        for text in (token("outsider"), issuer.tampered(token("staff")), "x"):
            assert http.get(url, headers={"authorization": f"Bearer {text}"}).status_code == 200


@pytest.mark.server
@pytest.mark.parametrize(("answers", "status"), [(False, 500), (True, 503)])
def test_an_outage_is_no_401(answers: bool, status: int) -> None:
    source = LocalIssuer()
    with source as remote:
        google = remote.google(CLIENT)
    text = source.workspace_person("ada@example.com")
    with serving_at(lambda url: verified(url, Guard(google), answering=answers), lifespan="on") as address:
        answer = post(address, text)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is answers


@pytest.mark.server
def test_the_metadata_of_the_sdk_is_where_ours_would_be(plain: str) -> None:
    resource = ProtectedResource(f"{plain}/mcp", (ISSUER,), ("tools",))
    with httpx2.Client(trust_env=False) as http:
        answer = http.get(resource.metadata_url)
        assert answer.json() == resource.metadata
        assert http.get(f"{plain}/.well-known/oauth-protected-resource").status_code == 404


# --- signing in ---


class Accounts:
    """An authorization server whose every visitor is Ada: what a client of MCP needs of one, and no more."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[dict[str, str]] = []

    def app(self) -> Starlette:
        paths = {
            "/.well-known/oauth-authorization-server": self.metadata,
            "/register": self.register,
            "/authorize": self.authorize,
            "/token": self.token,
        }
        return Starlette(routes=[Route(path, serve, methods=["GET", "POST"]) for path, serve in paths.items()])

    async def metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "registration_endpoint": f"{self.address}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def register(self, request: Request) -> Response:
        return JSONResponse({**await request.json(), "client_id": CLIENT}, 201)

    async def authorize(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        back = urlencode({"code": "c-1", "state": request.query_params["state"]})
        return RedirectResponse(f"{request.query_params['redirect_uri']}?{back}")

    async def token(self, request: Request) -> Response:
        assert dict(parse_qsl((await request.body()).decode()))["code"] == "c-1"
        return JSONResponse({"access_token": token("staff"), "token_type": "Bearer", "expires_in": 3600})


class Forgetful:
    """The storage of a client that runs once."""

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None: ...

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None: ...


def signing_in(address: str) -> OAuthClientProvider:
    """What a user's client does who presses "allow" at once."""
    places: list[str] = []

    async def redirect(url: str) -> None:
        async with httpx2.AsyncClient(trust_env=False) as http:
            places.append((await http.get(url)).headers["location"])

    async def come_back() -> AuthorizationCodeResult:
        found = parse_qs(urlsplit(places[-1]).query)
        return AuthorizationCodeResult(code=found["code"][0], state=found["state"][0])

    about = OAuthClientMetadata(redirect_uris=[AnyUrl("http://127.0.0.1/back")], client_name="test")
    return OAuthClientProvider(f"{address}/mcp", about, cast("Any", Forgetful()), redirect, come_back)


@pytest.mark.server
@pytest.mark.parametrize("way", [in_front, verified])
def test_a_client_finds_where_to_sign_in_and_comes_back_as_its_user(way: Any) -> None:
    made: list[Accounts] = []

    def accounts_at(address: str) -> Starlette:
        made.append(Accounts(address))
        return made[0].app()

    with (
        serving_at(accounts_at) as accounts,
        serving_at(lambda url: way(url, authorization_server=accounts), lifespan="on") as address,
    ):
        found = call(address, auth=signing_in(address))
    assert found.startswith("user:ada@example.com ")
    (asked,) = made[0].asked
    assert (asked["client_id"], asked["scope"], asked["resource"]) == (CLIENT, "tools", f"{address}/mcp")


@pytest.mark.server
def test_a_caller_whom_no_rule_admits_is_not_sent_to_sign_in_again(answering: str) -> None:
    provider = signing_in(answering)
    with pytest.raises(ExceptionGroup):
        call(answering, who="outsider", auth=None)
    assert provider.context.auth_server_url is None
