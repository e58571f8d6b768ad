"""Log lines for Cloud Logging: `CloudLoggingFormatter`, and middleware that tells it the trace of a request.

Each record is one line of JSON, as the agents of Cloud Run, GKE and the Ops Agent read it from stdout or stderr. The
fields of a decision are a member, ``callerid``, which ``callerid why`` reads.

Source: Cloud Logging, "Structured logging", "Special JSON fields in messages"; LogEntry, ``LogSeverity``, ``trace``;
W3C Trace Context section 3.2 (``traceparent``); Cloud Trace, "Trace context" (``X-Cloud-Trace-Context``).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

from callerid.callers import is_project
from callerid.errors import ConfigurationError

__all__ = ["AsgiTraceContext", "CloudLoggingFormatter", "TraceContext", "WsgiTraceContext", "trace_context"]

LARGEST: Final = 200_000
"""Bytes of a line: Cloud Logging takes entries of 256 KB, with its own fields."""

_SEVERITIES: Final = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (1, "DEBUG"))

_SECRET: Final = re.compile(r"(?<=[Bb]earer )[\w.~+/-]{8,}=*|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
"""What looks like a bearer token, or the password of a URL."""

_RUN: Final = re.compile(r"[\w.-]{6,}")
"""In which a token may stand. A pattern of tokens alone would read the rest of a run again for each ``eyJ`` in it: a
stranger's long path would cost seconds."""

_HIDDEN: Final = "(hidden)"

_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([01]))?")


class TraceContext(NamedTuple):
    """The trace that a request is part of: ids in lower-case hexadecimal digits; ``span_id`` may be empty."""

    trace_id: str
    span_id: str
    is_sampled: bool


def trace_context(traceparent: str | None, cloud_trace: str | None) -> TraceContext | None:
    """The trace of a request by its headers ``traceparent``, or else ``X-Cloud-Trace-Context``; ``None`` by neither."""
    found = _PARENT.fullmatch((traceparent or "").strip())
    if found is not None and not found[0].startswith("ff") and int(found[1], 16) and int(found[2], 16):
        return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1))
    old = _CLOUD_TRACE.fullmatch((cloud_trace or "").strip())
    if old is None or not int(old[1], 16):
        return None
    span = int(old[2] or 0)
    return TraceContext(old[1].lower(), f"{span:016x}" if 0 < span < 2**64 else "", old[3] == "1")


_CURRENT: ContextVar[TraceContext | None] = ContextVar("callerid trace", default=None)


class AsgiTraceContext:
    """ASGI middleware that tells `CloudLoggingFormatter` the trace of each request. It decides nothing."""

    def __init__(self, app: Callable[..., Awaitable[Any]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request within its trace."""
        found = dict[bytes, str]()
        for name, value in scope.get("headers", ()):
            found.setdefault(name.lower(), value.decode("latin-1"))
        token = _CURRENT.set(trace_context(found.get(b"traceparent"), found.get(b"x-cloud-trace-context")))
        try:
            await self.app(scope, receive, send)
        finally:
            _CURRENT.reset(token)


class WsgiTraceContext:
    """The same for WSGI. A record that is made while the body is sent has no trace."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve a request within its trace."""
        context = trace_context(environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_X_CLOUD_TRACE_CONTEXT"))
        token = _CURRENT.set(context)
        try:
            return self.app(environ, start_response)
        finally:
            _CURRENT.reset(token)


class CloudLoggingFormatter(logging.Formatter):
    """Formats a record as one line of JSON, of at most ``largest`` bytes, as Cloud Logging documents it.

    ``project`` is the id of the Google Cloud project whose traces these are; without one no trace is named. Members:
    ``severity``, ``message``, ``time``, ``logger``, the trace where it is known, ``httpRequest`` (method, status) and
    ``callerid`` of a decision, ``stack_trace`` of an exception. What looks like a token is replaced wherever it stands,
    and texts are cut where the line would be too long. Raises `ConfigurationError`.
    """

    def __init__(self, project: str | None = None, *, largest: int = LARGEST) -> None:
        super().__init__()
        if project is not None and not is_project(project):
            raise ConfigurationError(
                f"project= is the id of a Google Cloud project, such as 'shop-prod', not {project!r}",
                code="log-formatter",
            )
        if type(largest) is not int or not 2_000 <= largest <= LARGEST:
            raise ConfigurationError(f"largest= is 2000 to {LARGEST} bytes, not {largest!r}", code="log-formatter")
        self._project, self._largest = project, largest

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break."""
        entry: dict[str, Any] = {
            "severity": next((name for level, name in _SEVERITIES if record.levelno >= level), "DEFAULT"),
            "message": _message(record),
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z"),
            "logger": record.name,
            **self._trace(),
        }
        fields: object = getattr(record, "callerid", None)
        if isinstance(fields, Mapping):
            entry |= _decision(cast("Mapping[str, Any]", fields))
        trouble = self._trouble(record)
        if trouble:
            entry["stack_trace"] = trouble
        return self._fitting(entry)

    def _trace(self) -> dict[str, Any]:
        context = _CURRENT.get()
        if context is None or self._project is None:
            return {}
        span = {"logging.googleapis.com/spanId": context.span_id} if context.span_id else {}
        return {
            "logging.googleapis.com/trace": f"projects/{self._project}/traces/{context.trace_id}",
            **span,
            "logging.googleapis.com/trace_sampled": context.is_sampled,
        }

    def _trouble(self, record: logging.LogRecord) -> str:
        raised = self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else record.exc_text
        stack = self.formatStack(record.stack_info) if record.stack_info else None
        return "\n".join(filter(None, (raised, stack)))

    def _fitting(self, entry: Mapping[str, Any]) -> str:
        longest = self._largest
        while longest > _SHORTEST:
            line = json.dumps(_cut(entry, longest), separators=(",", ":"))
            if len(line) <= self._largest:
                return line
            longest //= 2
        first = {name: entry[name] for name in ("severity", "message", "time")}
        return json.dumps(_cut(first, _SHORTEST), separators=(",", ":"))


_SHORTEST: Final = 40
"""Texts are cut no further; then the line has its first three members alone."""


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - of arguments that do not fit, or whose __str__ fails
        text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{text} (it cannot be formatted: {type(error).__name__})"


def _decision(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a decision, and what of the request is known by them: no path, no address, no browser."""
    said = {str(name): None if value is None else str(value) for name, value in fields.items()}
    method, _, rest = (said.get("route") or "").partition(" ")
    status = said.get("status") or ""
    request = {
        **({"requestMethod": method} if rest and method.isalpha() and method != "WS" else {}),
        **({"status": int(status)} if re.fullmatch("[1-5][0-9]{2}", status) else {}),
    }
    return {"callerid": said, **({"httpRequest": request} if request else {})}


def _without_token(run: re.Match[str]) -> str:
    """The run up to what looks like a token of Google's: a JWT's header and a dot, or ``ya29.`` and more."""
    text = run[0]
    begins = [begin for begin in (_jwt_in(text), text.find("ya29.", 0, -1)) if begin >= 0]
    return f"{text[: min(begins)]}{_HIDDEN}" if begins else text


def _jwt_in(text: str) -> int:
    """Where ``eyJ``, eight characters or more, and a dot begin; -1 if nowhere."""
    begin = 0
    for part in text.split(".")[:-1]:
        place = part.find("eyJ")
        if 0 <= place <= len(part) - 11:
            return begin + place
        begin += len(part) + 1
    return -1


def _cut(value: Any, longest: int) -> Any:
    """A copy without what looks like a token, in which no text is longer than this."""
    if isinstance(value, Mapping):
        return {name: _cut(each, longest) for name, each in cast("Mapping[str, Any]", value).items()}
    if not isinstance(value, str):
        return value
    text = _RUN.sub(_without_token, _SECRET.sub(_HIDDEN, value))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
