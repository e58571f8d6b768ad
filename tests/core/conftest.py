from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from callerid import Guard

from .made import make_guard

settings.register_profile("core", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("core")


@pytest.fixture(scope="session")
def guard() -> Guard:
    """A guard for one Google audience of each kind and one Firebase project, at `made.NOW`."""
    return make_guard()
