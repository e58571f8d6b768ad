"""Lines for Cloud Logging, by the structure that Google documents."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest

from callerid import Guard
from callerid.cli._why import why
from callerid.errors import ConfigurationError, Refusal
from callerid.logs import AsgiTraceContext, CloudLoggingFormatter, TraceContext, WsgiTraceContext, trace_context
from tests.fixtures import AT_HAND, STAFF, token

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Lines:
    """The lines that a logger writes."""

    def __init__(self, logger: logging.Logger, **options: Any) -> None:
        self.stream = io.StringIO()
        self.logger = logger
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(CloudLoggingFormatter("shop-prod", **options))

    def __enter__(self) -> Self:
        self.logger.addHandler(self.handler)
        self.level = self.logger.level
        self.logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.setLevel(self.level)

    @property
    def texts(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.texts]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with Lines(logging.getLogger("callerid")) as made:
        yield made


def refused(who: str = "outsider") -> str:
    guard = Guard(*AT_HAND)
    with pytest.raises(Refusal) as caught:
        guard.verify(token(who), STAFF, where="POST /refunds/{id}")
    return caught.value.instance


def test_a_refusal_is_one_line_with_its_severity_time_and_fields(lines: Lines) -> None:
    instance = refused()
    (entry,) = lines.entries
    assert entry["severity"] == "INFO"
    assert entry["message"].startswith("refused POST /refunds/{id}: 403 not_allowed")
    assert entry["logger"] == "callerid"
    assert entry["time"].endswith("Z")
    assert abs(datetime.fromisoformat(entry["time"]).timestamp() - datetime.now().timestamp()) < 600  # noqa: DTZ005
    assert entry["httpRequest"] == {"requestMethod": "POST", "status": 403}
    assert entry["callerid"]["instance"] == instance
    assert entry["callerid"]["reason"] == "not_allowed"
    assert "logging.googleapis.com/trace" not in entry


def test_an_allowed_decision_has_no_status(lines: Lines) -> None:
    Guard(*AT_HAND).verify(token("staff"), STAFF)
    (entry,) = lines.entries
    assert entry["severity"] == "DEBUG"
    assert "httpRequest" not in entry


def test_callerid_why_reads_the_lines(lines: Lines, tmp_path: Path) -> None:
    instance = refused()
    log = tmp_path / "app.log"
    log.write_text(lines.stream.getvalue(), encoding="utf-8")
    out = io.StringIO()
    assert why(out, instance, str(log)) == 0
    assert out.getvalue().startswith("refused: POST /refunds/{id}  403 not_allowed")
    assert "- domain:example.com" in out.getvalue()


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (5, "DEBUG"),
        (10, "DEBUG"),
        (20, "INFO"),
        (25, "INFO"),
        (30, "WARNING"),
        (40, "ERROR"),
        (50, "CRITICAL"),
        (90, "CRITICAL"),
    ],
)
def test_levels_are_the_severities_of_cloud_logging(level: int, severity: str) -> None:
    record = logging.LogRecord("app", level, __file__, 1, "hello %s", ("you",), None)
    entry = json.loads(CloudLoggingFormatter().format(record))
    assert (entry["severity"], entry["message"], entry["logger"]) == (severity, "hello you", "app")


def test_a_record_without_a_level_has_the_default_severity() -> None:
    record = logging.LogRecord("app", 0, __file__, 1, "hello", (), None)
    assert json.loads(CloudLoggingFormatter().format(record))["severity"] == "DEFAULT"


def test_a_trace_is_named_within_asgi_middleware(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        logging.getLogger("callerid").info("within")

    async def serve(headers: list[tuple[bytes, bytes]]) -> None:
        await AsgiTraceContext(app)({"type": "http", "headers": headers}, None, None)
        logging.getLogger("callerid").info("outside")

    asyncio.run(serve([(b"Traceparent", PARENT.encode())]))
    within, outside = lines.entries
    assert within["logging.googleapis.com/trace"] == f"projects/shop-prod/traces/{TRACE}"
    assert within["logging.googleapis.com/spanId"] == SPAN
    assert within["logging.googleapis.com/trace_sampled"] is True
    assert "logging.googleapis.com/trace" not in outside
    asyncio.run(AsgiTraceContext(app)({"type": "lifespan"}, None, None))
    assert "logging.googleapis.com/trace" not in lines.entries[-1]


def test_a_trace_is_named_within_wsgi_middleware(lines: Lines) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        logging.getLogger("callerid").info("within")
        return []

    WsgiTraceContext(app)({"HTTP_X_CLOUD_TRACE_CONTEXT": f"{TRACE}/1;o=0"}, None)
    logging.getLogger("callerid").info("outside")
    within, outside = lines.entries
    assert within["logging.googleapis.com/spanId"] == "0000000000000001"
    assert within["logging.googleapis.com/trace_sampled"] is False
    assert "logging.googleapis.com/trace" not in outside


def test_without_a_project_no_trace_is_named() -> None:
    found: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(CloudLoggingFormatter().format(logging.LogRecord("app", 20, __file__, 1, "hello", (), None)))
        return []

    WsgiTraceContext(app)({"HTTP_TRACEPARENT": PARENT}, None)
    assert "trace" not in found[0]


@pytest.mark.parametrize(
    ("traceparent", "cloud_trace", "found"),
    [
        (PARENT, None, TraceContext(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", f"{'1' * 32}/7;o=1", TraceContext(TRACE, SPAN, False)),
        (f"01-{TRACE}-{SPAN}-01-more", None, TraceContext(TRACE, SPAN, True)),
        (None, f"{TRACE.upper()}/{2**64 - 1};o=1", TraceContext(TRACE, "f" * 16, True)),
        (None, f"{TRACE}/{2**64}", TraceContext(TRACE, "", False)),
        (None, TRACE, TraceContext(TRACE, "", False)),
        ("nonsense", TRACE, TraceContext(TRACE, "", False)),
        (f"ff-{TRACE}-{SPAN}-01", None, None),
        (f"00-{'0' * 32}-{SPAN}-01", None, None),
        (f"00-{TRACE}-{'0' * 16}-01", None, None),
        (f'00-{TRACE}-{SPAN}-01\n"', None, None),
        (None, "0" * 32, None),
        (None, f"{TRACE}/../../etc", None),
        (None, None, None),
    ],
)
def test_a_trace_is_read_strictly(traceparent: str | None, cloud_trace: str | None, found: TraceContext | None) -> None:
    assert trace_context(traceparent, cloud_trace) == found


def formatted(message: Any, *arguments: Any, largest: int = 2_000, **extra: Any) -> str:
    record = logging.LogRecord("app", 30, __file__, 1, message, arguments, extra.pop("exc_info", None))
    for name, value in extra.items():
        setattr(record, name, value)
    return CloudLoggingFormatter("shop-prod", largest=largest).format(record)


@pytest.mark.parametrize(
    "message",
    ["Authorization: Bearer {}", "got {} instead", "cookie session={}; path=/", "[{}]", "redis://ada:{}@r.example.com"],
)
def test_what_looks_like_a_token_is_never_in_a_line(message: str) -> None:
    for secret in (token("staff"), token("u1"), f"ya29.{'a1-b2_' * 20}"):
        line = formatted(message.format(secret), callerid={"detail": f"x {secret}", "instance": "y"})
        assert secret not in line
        assert secret[-20:] not in line
        assert "(hidden)" in line


@pytest.mark.parametrize("text", ["eyJ" * 60_000, "x" * 180_000, "." * 180_000, "eyJ." * 45_000, "://" * 60_000])
def test_a_long_text_is_read_once_whatever_it_begins_like(text: str) -> None:
    # A pattern that reads it again from each beginning takes minutes.
    assert json.loads(formatted(text, largest=200_000))["message"] == text


def test_whatever_follows_the_header_of_a_token_is_hidden() -> None:
    token_of_five = "some.long.prefix-eyJhbGciOiJkaXIi.key.iv.text.tag"
    assert json.loads(formatted(f"{token_of_five} eyJ.no"))["message"] == "some.long.prefix-(hidden) eyJ.no"


def test_the_password_of_a_url_and_a_bearer_of_another_kind_are_hidden() -> None:
    line = formatted("cannot reach redis://ada:pa55word@r.example.com: Bearer 0123456789abcdef")
    assert "pa55word" not in line
    assert "0123456789abcdef" not in line
    assert json.loads(line)["message"] == "cannot reach redis://(hidden)@r.example.com: Bearer (hidden)"


def test_an_exception_is_a_stack_trace_without_tokens() -> None:
    with pytest.raises(ValueError, match="no ") as caught:
        raise ValueError(f"no {token('staff')}")
    error = caught.value
    line = formatted("failed", exc_info=(type(error), error, error.__traceback__), stack_info="Stack of the call")
    entry = json.loads(line)
    assert entry["severity"] == "WARNING"
    assert entry["stack_trace"].startswith("Traceback (most recent call last):")
    assert entry["stack_trace"].endswith("Stack of the call")
    assert "ValueError: no (hidden)" in entry["stack_trace"]
    assert "\n" not in line


def test_an_exception_that_was_formatted_before_is_kept() -> None:
    assert json.loads(formatted("failed", exc_text="Traceback of before"))["stack_trace"] == "Traceback of before"
    assert "stack_trace" not in json.loads(formatted("failed", exc_info=(None, None, None)))


@pytest.mark.parametrize("size", [1_000, 10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_line_is_never_longer_than_it_may_be(size: int) -> None:
    line = formatted("é\u2028" * size, callerid={"why": "- rule\n" * size, "instance": "urn:uuid:1", "route": "GET /a"})
    assert len(line.encode()) <= 2_000
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["callerid"]["instance"] == "urn:uuid:1"
    assert entry["message"].endswith("…")


def test_of_a_record_with_too_many_fields_the_message_is_left() -> None:
    line = formatted("hello", callerid={f"field {number}": "x" for number in range(10_000)})
    assert set(json.loads(line)) == {"severity", "message", "time"}


@pytest.mark.parametrize("fields", ["text", 7, ["a"], None])
def test_what_is_no_decision_is_left_out(fields: Any) -> None:
    assert "callerid" not in json.loads(formatted("hello", callerid=fields))


@pytest.mark.parametrize(
    ("fields", "request_"),
    [
        ({"route": "GET /a", "status": "403"}, {"requestMethod": "GET", "status": 403}),
        ({"route": "WS /a", "status": "999"}, None),
        ({"route": "(token)", "status": "401"}, {"status": 401}),
        ({"route": None, "status": None}, None),
    ],
)
def test_of_the_request_only_what_is_known_is_told(fields: Any, request_: Any) -> None:
    assert json.loads(formatted("hello", callerid=fields)).get("httpRequest") == request_


def test_a_message_that_cannot_be_formatted_is_told_as_such() -> None:
    assert json.loads(formatted("%d things", "no number"))["message"] == "%d things (it cannot be formatted: TypeError)"

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    assert json.loads(formatted(Unprintable()))["message"] == "Unprintable (it cannot be formatted: RuntimeError)"


@pytest.mark.parametrize(
    "options", [{"project": "shop prod"}, {"project": ""}, {"largest": 100}, {"largest": 10**9}, {"largest": True}]
)
def test_a_mistake_in_settings_is_an_error(options: Any) -> None:
    with pytest.raises(ConfigurationError):
        CloudLoggingFormatter(**options)


def test_a_line_has_the_members_that_google_documents(lines: Lines) -> None:
    refused()
    (entry,) = lines.entries
    documented = {"severity", "message", "time", "httpRequest"}
    assert documented <= set(entry)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["time"])
