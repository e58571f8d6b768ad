"""Processes of an application that are told what to do; see `tests.e2e.fleet_member`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Member", "felt"]

ROOT = Path(__file__).parents[2]


class Member:
    """A process of the application; see `tests.e2e.fleet_member`."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.fleet_member", url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    @property
    def status(self) -> list[Any]:
        return list(json.loads(self("status")))[:4]

    def is_listening(self) -> bool:
        return self.status[0] is True

    def close(self) -> str:
        """End it; returns what it logged."""
        return self.process.communicate(timeout=10)[1]

    def end(self) -> None:
        if self.process.returncode is None:
            self.close()


def felt(by: Member, who: int) -> Callable[[], bool]:
    return lambda: by(f"ask {who}") == "revoked"
