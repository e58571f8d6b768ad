"""docs/observability.md says what the code does."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")


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
        log.handlers = handlers
        log.setLevel(level)
    assert json.loads(written.getvalue())["message"] == "hello"


@pytest.mark.slow
def test_the_code_about_readiness_and_metrics_runs() -> None:
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT.partition("\n## Readiness\n")[2])
    assert len(blocks) == 4
    asked_first = """
from fastapi.testclient import TestClient

assert TestClient(app).get("/readyz").status_code == 503
"""
    asked = """
from callerid import Refusal

try:
    guard.verify("no token", "domain:example.com")
except Refusal:
    assert refused == {"malformed_token": 1}
else:
    raise AssertionError
"""
    subprocess.run(
        [sys.executable, "-c", "\n\n".join((blocks[0], asked_first, *blocks[1:], asked))],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HTTPS_PROXY": "http://127.0.0.1:1",  # nobody is asked for keys
            "https_proxy": "http://127.0.0.1:1",
        },
        check=True,
        timeout=60,
    )
