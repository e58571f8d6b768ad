"""What the local issuer answers in place of the IAM Service Account Credentials API. No sockets here.

Source: the API's reference, "REST Resource: projects.serviceAccounts"; google-auth (``iam.py``,
``impersonated_credentials.py``).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from callerid.testing._claims import is_service_account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callerid.testing._local_google import LocalGoogle

__all__ = ["IAM_PREFIX", "iam_answer"]

IAM_PREFIX: Final = "/v1/projects/-/serviceAccounts/"


def iam_answer(issuer: LocalGoogle, path: str, authorization: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a call of ``PREFIX/ACCOUNT:METHOD``.

    Whoever has a bearer token may act for any service account; whose token it is, is not asked.
    """
    account, _, method = path.removeprefix(IAM_PREFIX).rpartition(":")
    called = _METHODS.get(method)
    if called is None or not is_service_account(account):
        return _error(404, "NOT_FOUND", "There is no such account or method here.")
    if not authorization.startswith("Bearer "):
        return _error(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
    try:
        return 200, called(issuer, account, json.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError):
        return _error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")


def _error(code: int, status: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"error": {"code": code, "message": message, "status": status}}


def _generate_id_token(issuer: LocalGoogle, account: str, asked: Mapping[str, Any]) -> dict[str, str]:
    include_email = asked.get("includeEmail", False) is True
    return {"token": issuer.service_account(account, audience=asked["audience"], include_email=include_email)}


def _sign_jwt(issuer: LocalGoogle, account: str, asked: Mapping[str, Any]) -> dict[str, str]:
    key, payload = issuer.account_keys(account).current, asked["payload"].encode()
    json.loads(payload)
    return {"keyId": key.kid, "signedJwt": issuer.sign(payload, key=account)}


def _sign_blob(issuer: LocalGoogle, account: str, asked: Mapping[str, Any]) -> dict[str, str]:
    key, blob = issuer.account_keys(account).current, b64decode(asked["payload"], validate=True)
    return {"keyId": key.kid, "signedBlob": b64encode(key.sign(blob)).decode()}


_METHODS: Final[Mapping[str, Callable[[LocalGoogle, str, Mapping[str, Any]], dict[str, str]]]] = {
    "generateIdToken": _generate_id_token,
    "signJwt": _sign_jwt,
    "signBlob": _sign_blob,
}
