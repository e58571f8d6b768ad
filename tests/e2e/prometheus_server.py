"""A real Prometheus, Debian's, that scrapes one target of this machine several times a second."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from .redis_server import free_port, until

__all__ = ["Prometheus"]

CONFIGURATION = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
  - job_name: application
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """It listens on the loopback interface, and keeps what it scrapes in a folder of the test's."""

    def __init__(self, folder: Path, target_port: int) -> None:
        program = shutil.which("prometheus")
        assert program, "make e2e installs prometheus"
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/api/v1/query"
        settings = folder / "prometheus.yml"
        settings.write_text(CONFIGURATION.format(port=target_port), encoding="utf-8")
        options = (f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}")
        self.process = subprocess.Popen(
            [program, *options, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._is_up, 60)

    def _is_up(self) -> bool:
        try:
            return self.query("vector(1)") != []
        except URLError:
            return False

    def query(self, expression: str) -> list[Any]:
        """The series that an expression gives now. Raises `HTTPError` for one that is not PromQL."""
        with urlopen(f"{self._url}?{urlencode({'query': expression})}", timeout=30) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
