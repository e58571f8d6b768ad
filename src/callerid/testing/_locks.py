"""The access map of an application, held against its lock in a test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from callerid.access import access_map, differences

__all__ = ["assert_access"]


def assert_access(app: Any, lock: str | os.PathLike[str], *, started: bool = False) -> None:
    """Assert that whoever may call an application is whom its lock says, and that the map has no problem.

    ``lock`` is the path of a file that ``callerid routes --lock`` wrote. Raises `AssertionError`, which has every
    difference; `ConfigurationError` for what is no lock or no application; `OSError` where the file cannot be read.

    Of an application that adds routes in its lifespan write ``started=True``, and call it while that runs.
    """
    found, path = access_map(app, started=started), Path(lock)
    wrong = [f"problem: {problem}" for problem in found.problems]
    wrong += map(str, differences(path.read_text(encoding="utf-8"), found, path.name))
    if wrong:
        said = "\n".join(wrong)
        raise AssertionError(
            f"who may call what is not as {path.name} says:\n{said}\n"
            f"If it shall be so, write the lock again: callerid routes MODULE:APP --lock {path.name}"
        )
