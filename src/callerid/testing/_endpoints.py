"""What the local issuer answers: Google's key documents, its token endpoints and the metadata server. No sockets here.

Sources: the URLs in google-auth (``oauth2/id_token.py``, ``compute_engine/_metadata.py``, ``oauth2/_client.py``,
``oauth2/service_account.py``) and firebase-admin; RFC 6749 sections 5.1 and 5.2 and RFC 7523 section 2.1 for the token
endpoint; Google's pages on metadata for the header rules.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from google.auth import jwt

from callerid.testing._access_tokens import ACCESS_TOKENS, CLOUD_PLATFORM, TOKEN_INFO_PATH
from callerid.testing._app_check import APP_CHECK_TOKENS, CONSUMING
from callerid.testing._by_kind import MINT_PATH, mint_answer
from callerid.testing._iam_endpoints import IAM_PREFIX, iam_answer
from callerid.testing._key_paths import published_at, signer_of
from callerid.testing._server import ReceivedRequest, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.testing._local_google import LocalGoogle

__all__ = ["GOOGLE_TOKEN_URI", "answer", "id_token_of"]

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
"""The audience google-auth writes into every assertion, wherever it sends it (``_GOOGLE_OAUTH2_TOKEN_ENDPOINT``)."""

_REFRESH = "refresh_token"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JSON = "application/json; charset=UTF-8"
_DISCOVERY = "/.well-known/openid-configuration"
_METADATA = "/computeMetadata/v1/"
_ACCOUNTS = "instance/service-accounts/"
_FLAVOR = {"Metadata-Flavor": "Google"}


def answer(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    """The answer to any request."""
    if request.method == "POST":
        if request.path == TOKEN_INFO_PATH:
            return _token_info(issuer, request)
        if request.path.endswith(CONSUMING):
            return _app_check(issuer, request)
        if request.path.startswith(IAM_PREFIX):
            return _iam(issuer, request)
        if request.path == MINT_PATH:
            return _minted(issuer, request)
        return _token(issuer, request) if request.path == "/token" else _not_found(request)
    if request.path == "/":
        return Response(200, b"computeMetadata/\n", headers=_FLAVOR)
    if request.path.startswith(_METADATA):
        return _metadata(issuer, request)
    return _keys(issuer, request)


def _not_found(request: ReceivedRequest) -> Response:
    return Response(404, f"Nothing is served at {request.path}\n".encode())


def _app_check(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    authorization = request.headers.get("authorization", request.headers.get("Authorization", ""))
    failure = issuer.arrive(APP_CHECK_TOKENS)
    status, body = failure or issuer.consume_app_check_token(request.path, authorization, request.body)
    return Response(status, body, _JSON)


def _token_info(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    failure = issuer.arrive(ACCESS_TOKENS)
    status, body = failure or issuer.token_info(request.form.get("access_token", ""))
    return Response(status, body, _JSON)


def _iam(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    status, body = iam_answer(issuer, request.path, request.headers.get("authorization", ""), request.body)
    return Response(status, json.dumps(body).encode(), _JSON, {"Cache-Control": "no-store"})


def _minted(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    status, body = mint_answer(issuer, request.headers, request.body)
    return Response(status, json.dumps(body).encode(), _JSON, {"Cache-Control": "no-store"})


# Keys


def _keys(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    if request.path.endswith(_DISCOVERY):
        return _provider_metadata(issuer, request, request.path.removesuffix(_DISCOVERY))
    which, form = published_at(request.path)
    if which not in issuer.signers:
        return _not_found(request)
    failure = issuer.arrive(which)
    if failure is not None:
        return Response(failure[0], failure[1], _JSON)
    document = issuer.pem_document(which) if form == "pem" else issuer.jwks_document(which)
    caching = f"public, max-age={issuer.max_age}, must-revalidate, no-transform"
    return Response(200, document.encode(), _JSON, {"Cache-Control": caching, "Age": str(issuer.age)})


def _provider_metadata(issuer: LocalGoogle, request: ReceivedRequest, path: str) -> Response:
    """The metadata of the OpenID Connect provider that this issuer is, or that one of its paths was made."""
    name = f"{issuer.url}{path}"
    if path and name not in issuer.signers:
        return _not_found(request)
    algorithm = issuer.oidc_keys(name).algorithm
    found = {"issuer": name, "jwks_uri": issuer.jwks_url(name), "id_token_signing_alg_values_supported": [algorithm]}
    return Response(200, json.dumps(found).encode(), _JSON)


# The token endpoint


class _RefusedGrantError(Exception):
    """An error of RFC 6749 section 5.2: its code and a description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


def _token(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    try:
        status, answer_ = 200, _granted(issuer, request.form)
    except _RefusedGrantError as refused:
        status, answer_ = 400, {"error": refused.code, "error_description": refused.description}
    return Response(status, json.dumps(answer_).encode(), _JSON, {"Cache-Control": "no-store"})


def _granted(issuer: LocalGoogle, form: Mapping[str, str]) -> dict[str, Any]:
    if form.get("grant_type") == _REFRESH:
        return _refreshed(issuer, form)
    if form.get("grant_type") != _JWT_BEARER:
        raise _RefusedGrantError("unsupported_grant_type", f"Only {_JWT_BEARER} and {_REFRESH} are supported.")
    assertion = _verified(issuer, form.get("assertion", ""))
    audience = assertion.get("target_audience")
    if not isinstance(audience, str) or not audience.strip():
        raise _RefusedGrantError("invalid_request", "Only ID tokens are issued here: target_audience is required.")
    return {"id_token": issuer.service_account(assertion["iss"], audience=audience, use_email_azp=True)}


def _refreshed(issuer: LocalGoogle, form: Mapping[str, str]) -> dict[str, Any]:
    client_id = form.get("client_id", "")
    email = issuer.signed_in.get((client_id, form.get("refresh_token", "")))
    if email is None:
        raise _RefusedGrantError("invalid_grant", "Bad Request")
    access_token = issuer.access_token(email, audience=client_id)
    return {"id_token": id_token_of(issuer, email, client_id), **_bearer(access_token)}


def id_token_of(issuer: LocalGoogle, email: str, client_id: str) -> str:
    """The ID token of a person by their address alone: of a Workspace account, but for ``gmail.com``."""
    makes = issuer.person if email.endswith("@gmail.com") else issuer.workspace_person
    return makes(email, audience=client_id)


def _bearer(access_token: str) -> dict[str, Any]:
    return {"access_token": access_token, "expires_in": 3599, "token_type": "Bearer"}


def _verified(issuer: LocalGoogle, assertion: str) -> Mapping[str, Any]:
    """The claims of an assertion signed by an added service account.

    Read by Google's own library, as its real counterpart's clients write it. Its times are judged by the real clock:
    the client's library has no other. What the library says about a bad one may quote it, so none of that is passed on.
    """
    try:
        account = _decoded(assertion, verify=False)["iss"]
        certificates = json.loads(issuer.pem_document(signer_of(account)))
        return _decoded(assertion, certs=certificates, audience=[GOOGLE_TOKEN_URI, f"{issuer.url}/token"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _RefusedGrantError("invalid_grant", "Invalid JWT: not one of an account known here, for here.") from None


def _decoded(assertion: str, **how: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", jwt.decode(assertion, **how))  # type: ignore[no-untyped-call]


# The metadata server


def _metadata(issuer: LocalGoogle, request: ReceivedRequest) -> Response:
    if request.headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in request.headers:
        return Response(403, b"Missing Metadata-Flavor:Google header.\n", headers=_FLAVOR)
    found = _metadata_value(issuer, request)
    if isinstance(found, Response):
        return found
    if isinstance(found, str):
        return Response(200, found.encode(), headers=_FLAVOR)
    return Response(200, json.dumps(found).encode(), "application/json", _FLAVOR)


def _metadata_value(issuer: LocalGoogle, request: ReceivedRequest) -> str | dict[str, Any] | Response:
    entry = request.path.removeprefix(_METADATA)
    if entry.startswith(_ACCOUNTS):
        return _metadata_account(issuer, request, entry.removeprefix(_ACCOUNTS))
    machine = issuer.metadata_machine
    values = {
        "project/project-id": machine["project_id"],
        "project/numeric-project-id": str(machine["project_number"]),
        "instance/zone": f"projects/{machine['project_number']}/zones/{machine['zone']}",
        "universe/universe-domain": "googleapis.com",
    }
    return values.get(entry) or Response(404, headers=_FLAVOR)


def _metadata_account(issuer: LocalGoogle, request: ReceivedRequest, entry: str) -> str | dict[str, Any] | Response:
    email = issuer.metadata_account
    name, _, fact = entry.partition("/")
    if name not in {"default", email}:
        return Response(404, headers=_FLAVOR)
    if fact == "email":
        return email
    if fact == "identity":
        return _identity(issuer, request.query)
    if fact == "token":
        return _bearer(issuer.access_token(email, scopes=[CLOUD_PLATFORM]))
    if fact == "":
        return {"aliases": ["default"], "email": email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
    return Response(404, headers=_FLAVOR)


def _identity(issuer: LocalGoogle, query: Mapping[str, str]) -> str | Response:
    audience = query.get("audience", "")
    if not audience.strip():
        return Response(400, b"non-empty audience parameter required\n", headers=_FLAVOR)
    full = query.get("format") == "full"
    return issuer.service_account(
        issuer.metadata_account,
        audience=audience,
        include_email=full,
        compute_engine=issuer.metadata_machine if full else None,
    )
