"""``access.toml`` files as pytest items, one for each call of each persona; ``pytest_callerid`` collects them.

One more stands for "everything else" that a persona may not, and one for the routes that no call of the file reaches,
which are a warning (`UncalledRouteWarning`), and those that are never served, which are a failure.

The file names its application (``app = "app:app"``), whose module is imported from the file's own folder.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from callerid.access import load, read_suite
from callerid.audit._suite import EVERYTHING_ELSE, Case, Suite, SuitePersona
from callerid.errors import ConfigurationError
from callerid.testing.access import Rehearsal, rehearsing

__all__ = ["AccessFile", "AccessItem", "CaseItem", "NotSoError", "RestItem", "RoutesItem", "UncalledRouteWarning"]


class AccessFile(pytest.File):
    """One ``access.toml``: its application is loaded when its first item runs, and left as it was after the last."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each case."""
        try:
            suite = read_suite(self.path.read_text(encoding="utf-8"), self.path.name)
        except (ConfigurationError, UnicodeDecodeError) as error:
            raise self.CollectError(str(error)) from None
        if suite.application is None:
            raise self.CollectError(f'{self.path.name}: name the application: app = "app:app"')
        self._application, self._site = suite.application, suite.site
        for case in suite.cases:
            yield _CASE.from_parent(self, name=str(case), case=case)
        for persona in suite.rest:
            yield _REST.from_parent(
                self, name=f"{persona.name} may not {EVERYTHING_ELSE}", persona=persona, suite=suite
            )
        yield _ROUTES.from_parent(self, name="every route is called", suite=suite)

    def setup(self) -> None:
        """Let the application's guards believe a local issuer."""
        self._undo = ExitStack()
        self.rehearsal: Rehearsal | ConfigurationError
        try:
            app = load(self._application, self.path.parent)
            self.rehearsal = self._undo.enter_context(rehearsing(app, site=self._site))
        except ConfigurationError as error:
            self.rehearsal = error

    def teardown(self) -> None:
        """Let them believe whom they believed before."""
        self._undo.close()


class AccessItem(pytest.Item):
    """What is asked of one file's application."""

    def runtest(self) -> None:
        """Ask it."""
        owner = self.getparent(AccessFile)
        assert owner is not None  # noqa: S101 - made by it
        if isinstance(owner.rehearsal, ConfigurationError):
            raise owner.rehearsal
        wrong = list(self.wrong(owner.rehearsal))
        if wrong:
            raise NotSoError("\n".join(map(str, wrong)))

    @abstractmethod
    def wrong(self, rehearsal: Rehearsal) -> Iterable[object]:
        """What is not as the file says, in words."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What came of it, in a line or two."""
        if isinstance(excinfo.value, NotSoError | ConfigurationError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, for the report."""
        return self.path, 0, self.name


class CaseItem(AccessItem):
    """One call of one persona."""

    def __init__(self, *, case: Case, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - pytest's own annotations are partial
        self.case = case

    def wrong(self, rehearsal: Rehearsal) -> Iterable[object]:
        """Make the call."""
        judgement = rehearsal.judge(self.case)
        return () if judgement.is_right else (judgement,)


class RestItem(AccessItem):
    """All calls of one persona that the file does not name."""

    def __init__(self, *, persona: SuitePersona, suite: Suite, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - as above
        self.persona, self.suite = persona, suite

    def wrong(self, rehearsal: Rehearsal) -> Iterable[object]:
        """Make them."""
        return (each for each in rehearsal.judge_rest(self.persona, self.suite.cases) if not each.is_right)


class RoutesItem(AccessItem):
    """The routes of the application, beside the calls of the file."""

    def __init__(self, *, suite: Suite, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - as above
        self.suite = suite

    def wrong(self, rehearsal: Rehearsal) -> Iterable[object]:
        """Those that are never served; without one, warn of those that no call reaches."""
        for case in self.suite.cases:
            rehearsal.judge(case)
        untested, idle = rehearsal.untested(), rehearsal.shadowed()
        if untested and not idle:
            self.warn(UncalledRouteWarning(f"{self.path.name}: no call of the file reaches {', '.join(untested)}"))
        return idle


_CASE: Any = CaseItem  # pytest's own annotations are partial
_REST: Any = RestItem
_ROUTES: Any = RoutesItem


class UncalledRouteWarning(pytest.PytestWarning):
    """No call of an ``access.toml`` reaches a route of its application."""


class NotSoError(Exception):
    """Somebody may what they may not, or may not what they may."""
