from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from callerid.testing import LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000


@pytest.fixture(scope="session")
def issuer() -> LocalIssuer:
    """An issuer that stands at `NOW` and does not serve; tests that turn its keys make their own."""
    return LocalIssuer(clock=lambda: NOW)


@pytest.fixture
def served() -> Iterator[LocalIssuer]:
    """A serving issuer on the real clock."""
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A client that no proxy of this machine gets in the way of."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
