"""Request lines that parsers may read in more than one way.

Where only path rules protect, the application must read the same path as the table did. Parsers differ on dot segments
and percent-encoding (RFC 3986 sections 2.2, 3.3, 5.2.4), on backslashes (WHATWG URL section 4.4), on ``;`` (RFC 2396
section 3.3) and on repeated slashes.
"""

from __future__ import annotations

import re

__all__ = ["ambiguous"]


def ambiguous(path: str, raw_path: bytes | str | None = None, *, method: str = "GET") -> str | None:
    """Why another parser could read this request line differently, for the log; ``None`` if none could.

    ``path`` is decoded once, as the framework sees it. ``raw_path`` is the target as it was sent, where the server
    shows it (``raw_path`` in ASGI, ``RAW_URI`` or ``REQUEST_URI`` in WSGI); a query and an absolute-form's scheme and
    host are not looked at. Methods are case-sensitive (RFC 9110 section 9.1), but some frameworks take any case.
    """
    if not method.isascii() or method != method.upper():
        return "the method is not in capital letters"
    if path and not path.startswith("/"):
        return "the path does not begin with a slash"
    if _DECODED.search(path):
        return (
            "the path has a dot segment, two slashes in a row, a character that parsers differ on, or an encoding left"
        )
    if raw_path is not None and _RAW.search(_path_of(raw_path)):
        return "the path as it was sent encodes a dot, a slash or another character that parsers differ on"
    return None


_SEGMENTS = r"//|/\.{1,2}(?:/|\Z)"
# U+FFFD and lone surrogates stand for bytes that are no UTF-8: an overlong slash, for instance.
_DECODED = re.compile(_SEGMENTS + r"|[\x00-\x1f\x7f-\x9f\\;#?%\ufffd\ud800-\udfff]")
_RAW = re.compile(
    _SEGMENTS + r"|[\x00-\x1f\x7f\\;#]|%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|2[35ef]|3[bf]|5c|7f)", re.IGNORECASE
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)


def _path_of(target: bytes | str) -> str:
    text = target.decode("latin-1") if isinstance(target, bytes) else target
    text = text.partition("?")[0]
    origin = _ORIGIN.match(text)
    return text if origin is None else text[origin.end() :]
