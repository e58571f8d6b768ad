"""Debian's PostgreSQL: a cluster of its own on a Unix socket, which can be stopped and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy

__all__ = ["Cluster", "cluster"]

_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """A cluster in this folder, which nobody else may enter: its superuser ``shop`` needs no password."""

    folder: Path

    @property
    def url(self) -> str:
        """As SQLAlchemy reads it."""
        return f"postgresql+psycopg://shop@/postgres?host={self.folder}&connect_timeout=2"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop it; connections are broken."""
        self.run("pg_ctl", "stop", "-w", "-m", "fast")

    def execute(self, statement: str) -> None:
        """Change something, for whoever asks next."""
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; root does so as ``postgres``, since they refuse to be run by root."""
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        assert found, "make e2e installs postgresql"
        command = [str(found[-1]), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # What it writes goes to a file: the server inherits it, and would keep a pipe open.
        with (self.folder / "said").open("a", encoding="utf-8") as said:
            subprocess.run(command, cwd="/", stdout=said, stderr=said, check=True, timeout=_SECONDS)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A new cluster, started. It is not in pytest's folder, which the user ``postgres`` may not enter."""
    with tempfile.TemporaryDirectory() as name:
        made = Cluster(Path(name))
        if os.geteuid() == 0:
            shutil.chown(made.folder, "postgres", "postgres")
        made.run("initdb", "-U", "shop", "-A", "trust", "--no-sync", "--no-instructions")
        try:
            made.start()
            yield made
        finally:
            if (made.folder / "data" / "postmaster.pid").exists():
                made.stop()
