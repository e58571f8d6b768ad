"""``access.toml`` files as pytest items, one for each call of each persona; ``pytest_callerid`` collects them.

The file names its application (``app = "app:app"``), whose module is imported from the file's own folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from callerid.access import load, read_suite
from callerid.access.suite import Case
from callerid.errors import ConfigurationError
from callerid.testing.access import Judgement, Rehearsal, rehearsing

__all__ = ["AccessFile", "AccessItem", "NotSoError"]


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
        self._application = suite.application
        for case in suite.cases:
            yield _ITEM.from_parent(self, name=str(case), case=case)

    def setup(self) -> None:
        """Let the application's guards believe a local issuer."""
        self._undo = ExitStack()
        self.rehearsal: Rehearsal | ConfigurationError
        try:
            self.rehearsal = self._undo.enter_context(rehearsing(load(self._application, self.path.parent)))
        except ConfigurationError as error:
            self.rehearsal = error

    def teardown(self) -> None:
        """Let them believe whom they believed before."""
        self._undo.close()


class AccessItem(pytest.Item):
    """One call of one persona."""

    def __init__(self, *, case: Case, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - pytest's own annotations are partial
        self.case = case

    def runtest(self) -> None:
        """Make the call."""
        owner = self.getparent(AccessFile)
        assert owner is not None  # noqa: S101 - made by it
        if isinstance(owner.rehearsal, ConfigurationError):
            raise owner.rehearsal
        judgement = owner.rehearsal.judge(self.case)
        if not judgement.is_right:
            raise NotSoError(judgement)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What came of it, in a line or two."""
        if isinstance(excinfo.value, NotSoError | ConfigurationError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, for the report."""
        return self.path, None, self.name


_ITEM: Any = AccessItem  # pytest's own annotations are partial


class NotSoError(Exception):
    """Somebody may what they may not, or may not what they may."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(str(judgement))
