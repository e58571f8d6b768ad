"""What a person at a terminal is told in one line."""

from __future__ import annotations

from callerid.errors import CalleridError

__all__ = ["CommandError"]


class CommandError(CalleridError):
    """The command cannot be carried out; the message says what to do about it."""
