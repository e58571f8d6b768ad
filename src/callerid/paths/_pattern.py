"""One key of a path table: ``"/health"``, ``"POST /tasks/*"``, ``"/users/{uid}/orders"``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callerid.errors import ConfigurationError
from callerid.paths._ambiguity import ambiguous

__all__ = ["ANY_METHOD", "METHODS", "REST", "WEBSOCKET", "Pattern", "method_and_path", "segments_of"]

ANY_METHOD: Final = ""
"""The method of an entry that names none."""

WEBSOCKET: Final = "WEBSOCKET handshake"
"""The method of a WebSocket handshake in look-ups. HTTP methods have no spaces, so no client can send this one."""

METHODS: Final = {
    **{
        word: word for word in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE", "CONNECT")
    },
    "WEBSOCKET": WEBSOCKET,
}
"""The methods that an entry may name; one without a method covers these and every other."""

REST: Final = "*"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed key. Segments are literal, ``{name}``, or ``*`` as the last one."""

    text: str
    method: str
    path: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: object) -> Pattern:
        """Parse a key. Raises `ConfigurationError`, with the remedy in its message."""
        method, path = method_and_path(text)
        pattern = cls(str(text), method, path, segments_of(path))
        pattern._check()
        return pattern

    @property
    def names(self) -> tuple[tuple[int, str], ...]:
        """The path parameters, each with the index of its segment."""
        return tuple((place, each[1:-1]) for place, each in enumerate(self.segments) if each.startswith("{"))

    def _check(self) -> None:
        for segment in self.segments[:-1]:
            if segment == REST:
                raise ConfigurationError(
                    f"{self.text!r}: * stands last only; for one segment write a {{name}}", code="path-pattern"
                )
        for segment in self.segments:
            if segment != REST and not _is_parameter(segment):
                self._check_literal(segment)
        names = [name for _, name in self.names]
        if len(set(names)) < len(names):
            raise ConfigurationError(
                f"{self.text!r} has a parameter twice: give each a name of its own", code="path-pattern"
            )

    def _check_literal(self, segment: str) -> None:
        if set(segment) & set("{}<>*") or segment.startswith(":"):
            raise ConfigurationError(
                f"{self.text!r}: {segment!r} is not a whole segment: write /a, or /{{name}} (no converter), "
                "or /* at the end",
                code="path-pattern",
            )
        if ambiguous(f"/{segment}") or not segment:
            raise ConfigurationError(
                f"{self.text!r}: no request is let through to such a path: write it decoded, without query, fragment, "
                "dot segments, doubled slashes, backslashes or semicolons",
                code="path-pattern",
            )


def method_and_path(text: object) -> tuple[str, str]:
    """The method of a key (`ANY_METHOD` where it names none), and its path.

    Raises `ConfigurationError` for an invalid key.
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(
            f"routes= maps paths such as '/health' or 'POST /tasks/*' to rules, not {text!r}", code="path-pattern"
        )
    word, _, path = ("", "", text) if text.startswith("/") else text.partition(" ")
    if word and word not in METHODS:
        raise ConfigurationError(
            f"{text!r}: {word!r} is not an HTTP method: write one of {', '.join(METHODS)} and one space, or a path",
            code="path-pattern",
        )
    if not path.startswith("/") or path != path.rstrip() or text.startswith(" "):
        raise ConfigurationError(
            f"{text!r}: a path begins with a slash, and has no spaces around it", code="path-pattern"
        )
    return METHODS.get(word, ANY_METHOD), path


def segments_of(path: str) -> tuple[str, ...]:
    """The segments of a path; a slash at its end is ignored."""
    return tuple(path.removesuffix("/").split("/")[1:])


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}") and segment[1:-1].isidentifier()
