from __future__ import annotations

from typing import Any

import pytest

from callerid.asking import AskPolicy
from callerid.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fetch_seconds", 0),
        ("stale_seconds", -1),
        ("refresh_fraction", 1),
        ("longest_backoff", 0.5),
        ("waiting_threads", 0),
        ("waiting_tasks", True),
        ("brief_wait", float("nan")),
    ],
)
def test_a_number_out_of_range_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        AskPolicy(**{name: value})
