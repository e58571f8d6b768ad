"""A decision found again in the log.

The log's lines are JSON objects, one a line, in which the fields of the record are an object of any name, at any place;
Cloud Logging's own envelope round them does not matter, nor whether it is one document, as ``gcloud logging read
--format=json`` prints it. A formatter of a few lines writes them::

    class JsonFormatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            fields = {"severity": record.levelname, "message": record.getMessage()}
            return json.dumps(fields | {"callerid": getattr(record, "callerid", None)})

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("callerid")
    log.addHandler(handler)
    log.setLevel(logging.INFO)  # the level of refusals
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from callerid.errors import ConfigurationError, one_line

__all__ = ["LoggedDecision", "find", "instance_of", "objects_in"]

_PREFIX = "urn:uuid:"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DEEPEST = 8


def instance_of(text: str) -> str:
    """The ``instance`` that a text names, with or without ``urn:uuid:``. Raises `ConfigurationError`."""
    name = text.strip().lower().removeprefix(_PREFIX)
    if not _UUID.fullmatch(name):
        raise ConfigurationError(
            f"{text!r} is not a decision's id: that is the instance in a refusal's body, urn:uuid:...",
            code="decision-id",
        )
    return _PREFIX + name


def find(lines: Iterable[str], instance: str) -> LoggedDecision | str | None:
    """The decision of this ``instance``, if it is in a log; else the first line that speaks of it, if there is one."""
    spoken = None
    for line in _entries(lines):
        if instance.removeprefix(_PREFIX) in line:
            found = _decision(line, instance)
            if found is not None:
                return found
            spoken = spoken or line.strip()
    return spoken


def _entries(lines: Iterable[str]) -> Iterable[str]:
    """The lines; or all of them as one, where they are one document."""
    every = iter(lines)
    first = next((line for line in every if line.strip()), "").removeprefix("\ufeff")  # what may stand before UTF-8
    if first.strip() not in ("[", "{"):
        return chain([first], every)
    whole = [first, *every]
    return ["".join(whole), *whole]


def _decision(text: str, instance: str) -> LoggedDecision | None:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for fields in objects_in(given):
        if fields.get("instance") == instance and "outcome" in fields:
            return LoggedDecision({key: value for key, value in fields.items() if isinstance(value, str)})
    return None


def objects_in(given: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON value, outermost first, down to some depth."""
    inside: Iterable[Any] = given if _is_array(given) else ()
    if isinstance(given, dict):
        members = cast("dict[str, Any]", given)
        yield members
        inside = members.values()
    if depth < _DEEPEST:
        for value in inside:
            yield from objects_in(value, depth + 1)


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """What the log says of one decision."""

    fields: Mapping[str, str]

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a field that has several, each fit for a terminal: ``why`` and ``remedies``."""
        return tuple(map(one_line, self.fields.get(name, "").split("\n"))) if self.fields.get(name) else ()

    def text(self, name: str) -> str | None:
        """A field of one line, fit for a terminal."""
        value = self.fields.get(name)
        return None if value is None else one_line(value)
