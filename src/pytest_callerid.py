"""pytest's door to `callerid.testing`: nothing of callerid is imported before a test or an ``access.toml`` asks for it.

A plugin is imported before coverage is measured, so that what it imports would count as never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option ``--callerid-rules``."""
    parser.getgroup("callerid").addoption(
        "--callerid-rules",
        metavar="MODULE:APP",
        help="print which alternatives of this application's rules let nobody in during the tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count what lets callers in, if that is asked for."""
    application = config.getoption("callerid_rules")
    if application:
        from callerid.testing._rule_coverage import RuleCoverage  # noqa: PLC0415 - see above

        config.pluginmanager.register(RuleCoverage(application, config.rootpath), "callerid-rules")


def pytest_collect_file(file_path: Path, parent: Any) -> Any:
    """Collect ``access.toml``: access tests as items."""
    if file_path.name != "access.toml":
        return None
    from callerid.testing import plugin  # noqa: PLC0415 - see above

    kind: Any = plugin.AccessFile  # pytest's own annotations are partial
    return kind.from_parent(parent, path=file_path)


@pytest.fixture
def local_issuer() -> Iterator[Any]:
    """A `callerid.testing.LocalIssuer` that serves on a port of its own, until the test ends.

    Override it to choose its clock, for guards that have one of their own.
    """
    from callerid.testing import LocalIssuer  # noqa: PLC0415 - see above

    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def caller_client(local_issuer: Any) -> Iterator[Any]:
    """``caller_client(app, persona("service_account"))`` is a test client that calls as that persona.

    See `callerid.testing.CallerClients`, which it is.
    """
    from callerid.testing import CallerClients  # noqa: PLC0415 - see above

    with CallerClients(local_issuer) as clients:
        yield clients
