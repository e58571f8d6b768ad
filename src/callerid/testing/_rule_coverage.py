"""``pytest --callerid-rules=MODULE:APP``: which alternatives of an application's rules let nobody in during the tests.

What no test was let in by may be wrong, or not be needed, and no test would tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callerid.access import AccessMap, access_map, load
from callerid.authentication import Identity, Waited
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement
from callerid.keys import Wait
from callerid.lookups import looked_up
from callerid.rules import Facts, admitted, is_public
from callerid.rules._alternatives import holding_alternatives, written_alternatives

__all__ = ["RuleCoverage", "unused"]

_OUTPUT = "callerid_rules"
"""Under this name a worker of pytest-xdist hands over what it has counted."""

Used = set[tuple[str, str]]
"""The alternatives that let somebody in: the rule, and the part of it, as code."""


def unused(found: AccessMap, used: Used) -> dict[str, list[str]]:
    """By route, in words, the alternatives that let nobody in. Routes that are open to everybody have none."""
    result: dict[str, list[str]] = {}
    for method, row in found.singly():
        rules = [each.requirement.rule for each in row.asked if not is_public(each.requirement.rule)]
        idle = [
            str(part) for rule in rules for part in written_alternatives(rule) if (repr(rule), repr(part)) not in used
        ]
        if idle and not row.is_rest:
            result[f"{method} {row.template}"] = list(dict.fromkeys(idle))
    return result


class RuleCoverage:
    """A plugin of pytest: counts what lets callers in, and prints at the end what did not.

    A rule that stands at several routes counts once. Rules are told apart as code, so that an application may be made
    anew for each test.
    """

    def __init__(self, application: str, folder: Path) -> None:
        self._application, self._folder = application, folder
        self.used: Used = set()
        """What has let somebody in so far."""
        self._judge = GuardCore.judge

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Listen to what guards judge."""
        coverage, judge = self, self._judge

        def judge_and_count(
            self: GuardCore, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
        ) -> Caller | Wait | None:
            found = judge(self, requirement, identity, path, waited)
            if not isinstance(found, Wait):
                coverage.used.update(_letting_in(self, requirement, identity, path, waited))
            return found

        listening: Any = judge_and_count
        GuardCore.judge = listening  # type: ignore[method-assign]  # put back at the end

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Listen no more; a worker hands over what it has heard."""
        GuardCore.judge = self._judge  # type: ignore[method-assign]  # as it was
        output: Any = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = sorted(self.used)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker has heard, unless it crashed."""
        handed: Iterable[tuple[str, str]] = getattr(node, "workeroutput", {}).get(_OUTPUT, ())
        self.used.update((rule, part) for rule, part in handed)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the alternatives that let nobody in."""
        terminalreporter.section("callerid: alternatives that let nobody in")
        try:
            idle = unused(access_map(load(self._application, self._folder)), self.used)
        except ConfigurationError as error:
            terminalreporter.line(str(error), red=True)
            return
        for route, parts in idle.items():
            terminalreporter.line(f"{route}: {', '.join(parts)}")
        if not idle:
            terminalreporter.line("none: every alternative of every route has let somebody in")


def _letting_in(
    guard: GuardCore, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited
) -> Iterator[tuple[str, str]]:
    """The alternatives that hold of a request that was let in; of those inside one that does not, none."""
    rule, now = requirement.rule, guard.authenticator.clock()
    facts = Facts(identity.caller, identity.via, path, now, app=identity.app, first_use=identity.first_use)
    if requirement.lookups and identity.caller is not None:
        may = partial(admitted, requirement.identifying_rule)
        found = looked_up(requirement.identifying_rule, facts, identity.caller, guard, waited, may=may)
        facts = facts if isinstance(found, Wait) else found
    for part in holding_alternatives(rule, facts):
        yield repr(rule), repr(part)
