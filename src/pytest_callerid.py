"""pytest's door to `callerid.testing.plugin`: nothing of callerid is imported before there is an ``access.toml``.

A plugin is imported before coverage is measured, so that what it imports would count as never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def pytest_collect_file(file_path: Path, parent: Any) -> Any:
    """Collect ``access.toml``: access tests as items."""
    if file_path.name != "access.toml":
        return None
    from callerid.testing import plugin  # noqa: PLC0415 - see above

    kind: Any = plugin.AccessFile  # pytest's own annotations are partial
    return kind.from_parent(parent, path=file_path)
