from __future__ import annotations

from collections.abc import Iterator

import pytest

from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import issuer

from .world import Diary, new_guard


@pytest.fixture(scope="session")
def served() -> Iterator[LocalIssuer]:
    """An issuer whose keys have to be fetched; every guard fetches its own."""
    with issuer as serving:
        yield serving


@pytest.fixture
def guard() -> Guard:
    return new_guard()


@pytest.fixture
def ran() -> Diary:
    return Diary()
