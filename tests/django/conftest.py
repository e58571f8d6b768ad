from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from django.utils import translation

from callerid.django import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import issuer

from .world import Diary, new_guard

# Installed by the extra `dev` only, and not for the lowest versions.
NEEDED = {"test_cors.py": ("corsheaders",)}
collect_ignore = [name for name, needed in NEEDED.items() if not all(map(find_spec, needed))]


@pytest.fixture(scope="session")
def served() -> Iterator[LocalIssuer]:
    """An issuer whose keys have to be fetched; every guard fetches its own."""
    with issuer as serving:
        yield serving


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Django keeps the language of a request for its thread."""
    yield
    translation.deactivate()


@pytest.fixture
def guard() -> Guard:
    return new_guard()


@pytest.fixture
def ran() -> Diary:
    return Diary()


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def by_asgi(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
