"""Limited-use tokens of App Check, each of which is used up by a call to Firebase.

Source: Firebase, "Enable replay protection" (App Check); the method ``projects.verifyAppCheckToken``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from callerid.asking import AskError, AskPolicy, Source, SourceAnswer
from callerid.errors import Reason
from callerid.issuers._asked import Denied
from callerid.keys import GoogleAccess, KeyResponse, KeySource, json_object, post, retry_after

__all__ = ["KEPT_FOR", "USED", "Consumer"]

KEPT_FOR: Final = 60.0
"""Seconds for which the one request that asked may come for its answer."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """Tells Firebase that a token was used, and hears whether it had been before. ``endpoint`` is the method's."""

    endpoint: KeySource
    access: GoogleAccess = field(compare=False, repr=False)
    send: Callable[[KeySource, bytes, Mapping[str, str]], KeyResponse] = field(default=post, compare=False, repr=False)
    """Sends JSON to the endpoint: another function in tests."""
    source: Source = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        own = self.endpoint
        policy = AskPolicy(fetch_seconds=own.fetch_seconds, refresh_fraction=0.0, stale_seconds=0.0)
        remedy = f"let this process reach {own}, with an account that has the role Firebase App Check Token Verifier"
        object.__setattr__(self, "source", Source("Firebase App Check", policy, remedy=remedy))

    def question(self, text: str) -> Callable[[], SourceAnswer[Denied | None]]:
        """What asks about one token: ``None`` says that it had not been used before."""

        def ask() -> SourceAnswer[Denied | None]:
            headers = {"Authorization": f"Bearer {self.access.token()}", "Content-Type": "application/json"}
            answer = self.send(self.endpoint, json.dumps({"app_check_token": text}).encode(), headers)
            return SourceAnswer(_verdict(answer), KEPT_FOR, is_known=False)

        return ask


def _verdict(answer: KeyResponse) -> Denied | None:
    """What Firebase says. Raises `AskError` where it says nothing about the token."""
    if answer.status == 403 and not _is_about_us(answer.body):
        return _NOT_VALID
    if answer.status != 200:
        raise AskError(f"HTTP status {answer.status}", retry_after=retry_after(answer.headers))
    try:
        said = json_object(answer.body).get("alreadyConsumed", False)
    except ValueError as error:
        raise AskError(f"HTTP status 200, and a body that is {error}") from None
    if type(said) is not bool:
        raise AskError("an answer whose alreadyConsumed is neither true nor false")
    return USED if said else None


def _is_about_us(body: bytes) -> bool:
    """Whether a 403 is about the account that asked, or its project: it has no role, or the method is not enabled.

    IAM and Service Infrastructure say so in an ``ErrorInfo`` of a domain of theirs (``google.api.ErrorReason``).
    """
    try:
        error: Any = json_object(body).get("error")
    except ValueError:
        return False
    details: Any = cast("Mapping[str, Any]", error).get("details") if isinstance(error, Mapping) else None
    return isinstance(details, list) and any(
        isinstance(each, Mapping) and cast("Mapping[str, Any]", each).get("domain") in _OF_THE_ASKER
        for each in cast("Iterable[Any]", details)
    )


_OF_THE_ASKER: Final = ("googleapis.com", "iam.googleapis.com")


USED: Final = Denied(
    Reason.ALREADY_CONSUMED,
    "expected a limited-use App Check token, got one that was used before",
    "get a new one for each request: getLimitedUseToken() in the client's SDK",
)

_NOT_VALID: Final = Denied(
    Reason.UNKNOWN_CREDENTIAL,
    "expected an App Check token that Firebase believes, got HTTP status 403 for it",
    "if this is so of all tokens, give this service's account the role Firebase App Check Token Verifier",
)
