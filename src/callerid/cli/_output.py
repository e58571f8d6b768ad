"""The command's own output, kept apart from what the application under it prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, TextIO

__all__ = ["Output"]

_STDOUT, _STDERR = 1, 2


class Output:
    """Standard output for the command alone: whatever else the process writes there goes to standard error.

    An application may print while it is imported, in its factory, in its rules and at exit, by Python or by C code, so
    both ``sys.stdout`` and file descriptor 1 are redirected. ``file`` is where the command writes. The redirection
    stays until `give_back` is called.
    """

    def __init__(self) -> None:
        self._stdout: Any = sys.stdout
        self._kept = _duplicate(_STDOUT)
        self.file = self._own(self._stdout)
        _flush(self._stdout)
        if self._kept is not None:
            _point_at_stderr(_STDOUT)
        sys.stdout = sys.stderr

    def _own(self, stdout: TextIO | None) -> TextIO:
        if stdout is None:  # the process was started with standard output closed
            return Path(os.devnull).open("w", encoding="utf-8")
        if self._kept is None or _descriptor(stdout) != _STDOUT:
            return stdout
        return open(os.dup(self._kept), "w", encoding=stdout.encoding, errors=stdout.errors)  # noqa: PTH123 - of a descriptor

    def give_back(self) -> None:
        """Undo the redirection."""
        _flush(sys.stdout)
        if self.file is not self._stdout:
            self.file.close()
        if self._kept is not None:
            os.dup2(self._kept, _STDOUT)
            os.close(self._kept)
        sys.stdout = self._stdout


def _duplicate(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:  # it is closed
        return None


def _descriptor(file: TextIO) -> int | None:
    try:
        return file.fileno()
    except (OSError, ValueError, AttributeError):  # held in memory, as in tests
        return None


def _point_at_stderr(descriptor: int) -> None:
    try:
        os.dup2(_STDERR, descriptor)
    except OSError:  # standard error is closed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def _flush(file: TextIO | None) -> None:
    if file is not None:
        file.flush()
