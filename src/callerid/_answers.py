"""What a refused client is told: status, challenge and a problem document. Pure.

The client learns what, the log learns why, and nobody sees the token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from callerid.errors import ConfigurationError, CrossSite, Reason, Refusal, StepUpRequired, Unavailable

__all__ = ["Answer", "Challenge", "answer", "dressed", "is_needed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers (names in lower case) and body. A HEAD request gets the headers alone."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Challenge:
    """The ``WWW-Authenticate: Bearer`` challenge: its realm, and parameters such as ``resource_metadata`` (RFC 9728).

    Raises `ConfigurationError` for what cannot stand in it, and for parameters that a refusal itself fills.
    """

    realm: str = "callerid"
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name, value in (("realm", self.realm), *self.parameters.items()):
            if not _is_name(name) or not _is_quotable(value):
                raise ConfigurationError(
                    f"{name}={value!r} cannot stand in a challenge: give printable ASCII text",
                    code="challenge-parameter",
                )
        # Names are compared without regard to case (RFC 9110 section 11.2).
        names = [name.lower() for name in self.parameters]
        if _FILLED.intersection(names):
            raise ConfigurationError(
                f"{', '.join(sorted(_FILLED))} are filled by the refusal: leave them out of challenge= (realm= has a "
                "place of its own)",
                code="challenge-parameter",
            )
        if len(set(names)) < len(names):
            raise ConfigurationError(
                "challenge= has a parameter twice, spelled differently: leave one of them out",
                code="challenge-parameter",
            )

    def header(self, refusal: Refusal) -> str | None:
        """The header's value for a refusal, or ``None`` where there is nothing to prove (RFC 6750 section 3)."""
        if isinstance(refusal, CrossSite | Unavailable) or refusal.reason is Reason.AMBIGUOUS_PATH:
            return None
        shown = {"realm": self.realm}
        # MCP clients answer a 403 with insufficient_scope by a whole new authorization.
        if refusal.error is not None and not (refusal.status == 403 and "resource_metadata" in self.parameters):
            shown["error"] = refusal.error
        if isinstance(refusal, StepUpRequired) and refusal.max_age is not None:
            shown["max_age"] = str(refusal.max_age)
        shown.update(self.parameters)
        return "Bearer " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in shown.items())


def answer(refusal: Refusal, challenge: Challenge, instance: str) -> Answer:
    """The answer to a refusal, as ``application/problem+json`` (RFC 9457); ``instance`` finds it in the log."""
    document = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "reason": str(refusal.reason),
        "instance": instance,
    }
    body = json.dumps(document).encode()
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    ]
    challenged = challenge.header(refusal)
    if challenged is not None:
        headers.append(("www-authenticate", challenged))
    if isinstance(refusal, Unavailable):
        headers.append(("retry-after", str(refusal.retry_after)))
    return Answer(refusal.status, tuple(headers), body)


def dressed(answer: Answer, usual: Answer) -> Answer:
    """A re-dressed answer, with what no refusal goes without: never stored, and a challenge where one is due."""
    length = ("content-length", str(len(answer.body)))
    needed = [header for header in usual.headers if is_needed(header[0], answer.status)]
    given = {name.lower() for name, _ in answer.headers}
    added = [header for header in (length, *needed) if header[0] not in given]
    return Answer(answer.status, (*answer.headers, *added), answer.body)


def is_needed(header: str, status: int) -> bool:
    """Whether a refusal's header goes with a re-dressed answer of this status, too."""
    return header == "cache-control" or (header == "www-authenticate" and status in (400, 401, 403))


_FILLED = frozenset({"error", "error_description", "error_uri", "max_age", "realm"})


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.replace("_", "").isalnum()


def _is_quotable(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
