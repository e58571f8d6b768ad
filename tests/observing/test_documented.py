"""docs/observability.md says what the code does."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")


def test_the_code_about_cloud_logging_writes_lines_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    log = logging.getLogger("callerid")
    handlers, level = list(log.handlers), log.level
    block = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)[0]
    try:
        exec(compile(block, "docs/observability.md", "exec", dont_inherit=True), {})
        log.info("hello")
    finally:
        log.handlers, _ = handlers, log.setLevel(level)
    assert json.loads(written.getvalue())["message"] == "hello"
