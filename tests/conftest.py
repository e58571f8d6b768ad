"""What all tests share."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator

import pytest
import requests
from hypothesis import settings

from tests.rsa_keys import share_primes

share_primes()

# No test measures how long computing takes: it says as much about the machine as about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives until the end: the garbage collector need not look at it, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object) -> str | None:
    """No token in a test's name: it would be printed, and be another one in each of xdist's workers."""
    return "token" if isinstance(val, str) and val.removeprefix("Bearer ").startswith("eyJ") else None


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A client that takes no proxy from the environment."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
