"""Names that the settings of the tests have, and a file of them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CLIENT", "GOOGLE", "ROBOT", "URL", "written"]

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
ROBOT = "scheduler@shop-prod.iam.gserviceaccount.com"
GOOGLE = f'[google]\naudiences = ["{URL}"]\n'


def written(tmp_path: Path, text: str) -> Path:
    """A file of settings."""
    path = tmp_path / "callerid.toml"
    path.write_text(text, encoding="utf-8")
    return path
