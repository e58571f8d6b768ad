"""A decision found again in the log, and what would have made it another one.

The log's lines are JSON objects, one a line, in which the fields of the record are an object of any name, at any place;
Cloud Logging's own envelope round them does not matter, nor whether it is one document, as ``gcloud logging read
--format=json`` prints it. A formatter of six lines writes them::

    class JsonFormatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            fields = {"severity": record.levelname, "message": record.getMessage()}
            return json.dumps(fields | {"callerid": getattr(record, "callerid", None)})

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.getLogger("callerid").addHandler(handler)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self, cast

from callerid.errors import ConfigurationError
from callerid.rules import FirebaseUser, Rule, ServiceAccount, User, Via

__all__ = ["Branch", "Decision", "find", "instance_of"]

_PREFIX = "urn:uuid:"
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DEEPEST = 8
_JOINTS = {"all of": "and", "any of": "or"}


def instance_of(text: str) -> str:
    """The ``instance`` that a text names, with or without ``urn:uuid:``. Raises `ConfigurationError`."""
    name = text.strip().lower().removeprefix(_PREFIX)
    if not _UUID.fullmatch(name):
        raise ConfigurationError(f"{text!r} is no decision's id: it is the instance of a refusal, urn:uuid:...")
    return _PREFIX + name


def find(lines: Iterable[str], instance: str) -> Decision | str | None:
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
    first = next((line for line in every if line.strip()), "")
    if first.strip() not in ("[", "{"):
        return chain([first], every)
    whole = [first, *every]
    return ["".join(whole), *whole]


def _decision(text: str, instance: str) -> Decision | None:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for fields in _objects(given, 0):
        if fields.get("instance") == instance and "outcome" in fields:
            return Decision({key: value for key, value in fields.items() if isinstance(value, str)})
    return None


def _objects(given: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    inside: Iterable[Any] = given if _is_array(given) else ()
    if isinstance(given, dict):
        members = cast("dict[str, Any]", given)
        yield members
        inside = members.values()
    if depth < _DEEPEST:
        for value in inside:
            yield from _objects(value, depth + 1)


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree that explains a decision: ``+`` or ``-``, what was asked, and what there was."""

    holds: bool
    words: str
    note: str = ""
    parts: tuple[Branch, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The tree, from its lines; ``None`` where there is none."""
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines or not all(line.lstrip()[:2] in ("+ ", "- ") for line in lines):
            return None
        roots = cls._read(lines)
        return roots[0] if len(roots) == 1 else None

    @classmethod
    def _read(cls, lines: list[str]) -> tuple[Self, ...]:
        if not lines:
            return ()
        margin = len(lines[0]) - len(lines[0].lstrip())
        starts = [place for place, line in enumerate(lines) if len(line) - len(line.lstrip()) <= margin]
        found: list[Self] = []
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            said = lines[start].strip()
            words, _, note = said[2:].partition(": ")
            found.append(cls(said[0] == "+", words, note, cls._read(lines[start + 1 : end])))
        return tuple(found)

    def lacking(self) -> tuple[Branch, ...]:
        """What alone was missing, in the alternative that lacked the least; empty where this holds."""
        if self.holds:
            return ()
        if self.words == "any of":
            return min((part.lacking() for part in self.parts), key=len)
        if self.words == "all of":
            return tuple(each for part in self.parts for each in part.lacking())
        return (self,)

    def nearest(self) -> tuple[Branch, ...]:
        """All that the alternative asks which lacked the least."""
        if self.words == "any of":
            return min(self.parts, key=lambda part: len(part.lacking())).nearest()
        if self.words == "all of":
            return tuple(each for part in self.parts for each in part.nearest())
        return (self,)

    def failing(self) -> tuple[Branch, ...]:
        """The parts, all of which must hold, that do not: each stands in one rule, of those on the way."""
        parts = self.parts if self.words == "all of" else (self,)
        return tuple(part for part in parts if not part.holds)

    def __str__(self) -> str:
        if self.words not in _JOINTS:
            return self.words
        return f" {_JOINTS[self.words]} ".join(
            f"({part})" if part.words in _JOINTS else str(part) for part in self.parts
        )

    def walk(self) -> Iterator[Branch]:
        """The branch itself and all below."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the log says of one decision."""

    fields: Mapping[str, str]

    @property
    def tree(self) -> Branch | None:
        """Why, as a tree, where the rule was asked."""
        return Branch.read(self.fields.get("why", ""))

    def admitting(self) -> Rule | None:
        """A rule that admits this caller and nobody else.

        Joined with ``|`` to each of the failing parts of the tree, it would have let them in.
        ``None`` where no rule would have: nobody called, or what was sent was not believed.
        """
        caller, via = self.fields.get("caller", ""), self.fields.get("via", "")
        if self.fields.get("reason") == "no_credential" and via.startswith("serviceAccount:"):
            return Via(ServiceAccount(via.partition(":")[2]))
        if self.fields.get("reason") != "not_allowed":
            return None
        if caller.startswith("firebase:"):
            return FirebaseUser(self.fields.get("subject", ""), anonymous=self._may_be_anonymous())
        if caller.startswith("serviceAccount:"):
            return ServiceAccount(caller.partition(":")[2])
        return User(caller.partition(":")[2] if self._is_hosted(caller) else self.fields.get("subject", ""))

    def _may_be_anonymous(self) -> bool:
        # The leaves that ask for a user say whether it is an anonymous one; no other does.
        asked = [branch for branch in self._branches() if branch.words.startswith("firebaseUser")]
        return not asked or any(branch.note.endswith("an anonymous user") for branch in asked)

    def _is_hosted(self, caller: str) -> bool:
        """Whether Google is known to be the authority for the caller's address (see `callerid.User`)."""
        domain = caller.rpartition("@")[2]
        if domain == caller:
            return True  # an id
        said = (branch.note.rpartition(", of ")[2] for branch in self._branches() if branch.words.startswith("domain:"))
        return domain == "gmail.com" or domain in said

    def _branches(self) -> Iterator[Branch]:
        return iter(()) if self.tree is None else self.tree.walk()
