from __future__ import annotations

from importlib.util import find_spec

import pytest

# Installed by the extra `dev` only, and not for the lowest versions.
collect_ignore = [] if all(map(find_spec, ("hypercorn", "litestar", "quart"))) else ["test_servers.py"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
