"""Run by `make dist` with the Python of a new environment, in which a wheel was installed with the extra `fastapi`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

import callerid
import callerid.access
import callerid.asgi
import callerid.wsgi
from callerid import Domain, google
from callerid.fastapi import Guard
from callerid.testing import LocalIssuer

CLIENT = "1234-abc.apps.googleusercontent.com"


def main() -> None:
    """Check that what was installed works, and is what was installed."""
    package = Path(callerid.__file__).parent
    assert package.is_relative_to(sysconfig.get_path("purelib")), package
    assert (package / "py.typed").is_file()
    assert callerid.__version__ == version("callerid")
    app, guard = FastAPI(), Guard(google(CLIENT))
    guard.protect(app, default=Domain("example.com"))
    assert callerid.access.access_map(app).problems == ()
    issuer = LocalIssuer()
    with issuer.stands_in_for(guard):
        assert guard.verify(issuer.workspace_person("ada@example.com", audience=CLIENT)).domain == "example.com"
    command = Path(sysconfig.get_path("scripts")) / "callerid"
    shown = subprocess.run([command, "--version"], check=True, capture_output=True, text=True, timeout=60)
    assert callerid.__version__ in shown.stdout
    print(f"Python {sys.version.split()[0]}: callerid {callerid.__version__} works")  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
