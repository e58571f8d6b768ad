from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
