"""What keeps a command that serves."""

from __future__ import annotations

import threading

__all__ = ["until_interrupted"]


def until_interrupted() -> None:
    """Wait for Ctrl-C or SIGTERM, which raise `KeyboardInterrupt` here."""
    threading.Event().wait()
