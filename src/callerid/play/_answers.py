"""What came of one call: status, content type, the start of the body, or what was raised instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from callerid.errors import one_line

__all__ = ["MOST_BODY", "PlayAnswer", "header_pairs", "raised", "scrubbed", "secrets_in"]

MOST_BODY: Final = 65_536
"""So many bytes of a body are read; then the call is cut off."""

SHOWN: Final = 2_000
"""So many characters of it are shown."""


@dataclass(frozen=True, slots=True)
class PlayAnswer:
    """An answer. ``status`` is ``None`` where there is none: the call was stopped, raised or took too long (``late``).

    ``error`` is what the application raised, its class and the first line of its text. A WebSocket that was accepted
    has the status 101.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    late: bool = False
    is_cut: bool = False

    @property
    def content_type(self) -> str:
        """The content type, as it was sent."""
        return next((value for name, value in self.headers if name == "content-type"), "")

    @property
    def text(self) -> str:
        """The start of the body as text; empty where it is no text."""
        kind = self.content_type.partition(";")[0].strip()
        is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "form-urlencoded"))
        if not self.body or not (is_text or not kind):
            return ""
        text = self.body.decode("utf-8", "replace")
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return next((value for name, value in self.headers if name == "location"), "")


def raised(error: BaseException) -> str:
    """What was raised, on one line that is not too long."""
    text = one_line(str(error))
    return type(error).__name__ + (f": {text[:300]}" if text else "")


def scrubbed(answer: PlayAnswer, secrets: Iterable[str]) -> PlayAnswer:
    """The answer without these texts, wherever the application repeats them: no page shows a credential."""
    for secret in secrets:
        hidden = secret.encode()
        answer = replace(
            answer,
            headers=tuple((name, value.replace(secret, HIDDEN)) for name, value in answer.headers),
            body=answer.body.replace(hidden, HIDDEN.encode()),
            error=answer.error.replace(secret, HIDDEN),
        )
    return answer


HIDDEN: Final = "[the credential]"


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """The credentials in request headers, and the signatures of those that have one; the longest first."""
    found: set[str] = set()
    for value in headers.values():
        credential = value.rpartition(" ")[2].rpartition("=")[2] if "=" in value else value.rpartition(" ")[2]
        found |= {value, credential, credential.rpartition(".")[2]}
    return sorted((each for each in found if len(each) >= SHORTEST), key=len, reverse=True)


SHORTEST: Final = 12
"""Texts shorter than this are no secrets, and would blot out what is none."""


def header_pairs(headers: Iterable[tuple[Any, Any]]) -> tuple[tuple[str, str], ...]:
    """Response headers as text, names in lower case."""
    return tuple((_text(name).lower(), _text(value)) for name, value in headers)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
