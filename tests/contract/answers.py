"""What is expected, and what came: a row says one of three things about its request."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Dressed", "Expected", "Got", "LetIn", "Refused", "Theirs", "trouble"]

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class LetIn:
    """The handler of this place ran, once, as this caller."""

    place: str
    caller: str = "nobody"


@dataclass(frozen=True)
class Refused:
    """No handler ran; the guard answered."""

    status: int
    reason: str
    error: str | None = None
    max_age: int | None = None
    retry_after: int | None = None
    challenged: bool = True
    realm: str = "callerid"
    parameters: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the guard's part of an answer consists of."""
        headers = {"content-type": PROBLEM, "cache-control": "no-store"}
        if self.challenged:
            challenge = f'Bearer realm="{self.realm}"'
            challenge += f', error="{self.error}"' if self.error else ""
            challenge += f', max_age="{self.max_age}"' if self.max_age is not None else ""
            headers["www-authenticate"] = challenge + self.parameters
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        return headers


@dataclass(frozen=True)
class Theirs:
    """The guard let the request through, and the framework answered by itself with one of these; no handler ran.

    ``decided`` is false for what is let through without asking who it is.
    """

    statuses: tuple[int, ...]
    decided: bool = True


@dataclass(frozen=True)
class Dressed:
    """No handler ran; ``on_refusal`` dressed the guard's answer, and what no refusal goes without was added."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    text: str


Expected: TypeAlias = LetIn | Refused | Dressed | Theirs

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    503: "Service Unavailable",
}


@dataclass
class Got:
    """What came back, what ran, and what the guard logged."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    ran: list[tuple[str, str]] = field(default_factory=list)
    body_was_read: bool = False
    decisions: list[dict[str, Any]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The header's value, ``None`` for none; two of one name are told apart from one."""
        values = [value for each, value in self.headers if each.lower() == name]
        return " AND ".join(values) if values else None


THE_GUARDS = ("content-type", "www-authenticate", "cache-control", "retry-after")


def trouble(expected: Expected, got: Got, method: str, *, bare: bool = True) -> str:
    """What is wrong with an answer; nothing, if all is well.

    ``bare``: nothing stands between the guard and us, so that every header is the guard's, and its log is at hand.
    """
    if isinstance(expected, Refused):
        return _refused(expected, got, method, bare=bare)
    if isinstance(expected, Dressed):
        return _dressed(expected, got, method, bare=bare)
    if got.header("content-type") == PROBLEM or got.header("www-authenticate"):
        return f"it was refused: {got.status} {got.body!r}"
    decided = not isinstance(expected, Theirs) or expected.decided
    if bare and [each["outcome"] for each in got.decisions] != ["allowed"] * decided:
        return f"expected one record of a yes, got {got.decisions}"
    if isinstance(expected, Theirs):
        return "" if not got.ran and got.status in expected.statuses else f"{got.status}, and {got.ran} ran"
    text = f"{expected.place}: {expected.caller}".encode()
    # Servers take the body away where frameworks leave it to them.
    if got.status != 200 or (method != "HEAD" and got.body != text):
        return f"expected {text!r}, got {got.status} {got.body!r}"
    if got.ran != [(expected.place, expected.caller)]:
        return f"{got.ran} ran"
    return ""


def _refused(expected: Refused, got: Got, method: str, *, bare: bool) -> str:
    if got.ran or got.body_was_read:
        return f"{got.ran} ran, the body was {'' if got.body_was_read else 'not '}read"
    shown = {name: value for name in THE_GUARDS if (value := got.header(name)) is not None}
    if (got.status, shown) != (expected.status, expected.headers):
        return f"expected {expected.status} {expected.headers}, got {got.status} {shown} {got.body!r}"
    others = {name.lower() for name, _ in got.headers}.difference(THE_GUARDS, ["content-length"])
    if bare and others:
        return f"who added {others}?"
    if method == "HEAD":
        return f"HEAD has a body: {got.body!r}" if got.body else ""
    if got.header("content-length") != str(len(got.body)):
        return f"content-length {got.header('content-length')} of {len(got.body)}"
    document = json.loads(got.body)
    instance = document.pop("instance")
    said = {
        "type": "about:blank",
        "title": TITLES[expected.status],
        "status": expected.status,
        "reason": expected.reason,
    }
    if document != said:
        return f"expected {said}, got {document}"
    logged = [(each["outcome"], each["status"], each["reason"], each["instance"]) for each in got.decisions]
    if bare and logged != [("refused", str(expected.status), expected.reason, instance)]:
        return f"logged {logged} for {instance}"
    return ""


def _dressed(expected: Dressed, got: Got, method: str, *, bare: bool) -> str:
    shown = {name: value for name in ("location", *THE_GUARDS[1:]) if (value := got.header(name)) is not None}
    body = b"" if method == "HEAD" else expected.text.encode()
    if (got.status, shown, got.body) != (expected.status, dict(expected.headers), body):
        return f"expected {expected}, got {got}"
    if got.ran or got.body_was_read:
        return f"{got.ran} ran"
    logged = [(each["outcome"], each["reason"]) for each in got.decisions]
    return "" if not bare or logged == [("refused", expected.reason)] else f"logged {logged}"
