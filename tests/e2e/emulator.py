"""The Firebase Auth emulator, in a process of its own, and what its clients ask of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

__all__ = ["PROJECT", "Emulator", "emulator"]

PROJECT = "demo-shop"
"""A project of the emulators alone: they ask nothing of Google for one whose id begins with ``demo-``."""

_CLI = Path(__file__).parents[2] / "node_modules/firebase-tools/lib/bin/firebase.js"
_READY = "All emulators ready"
_SECONDS = 90.0
_PASSWORD = "correct horse"


@dataclass(frozen=True)
class Emulator:
    """A running emulator. Source of the paths: Identity Toolkit's REST API, which it serves."""

    host: str

    def tenant(self, name: str) -> str:
        """A new tenant's id."""
        made = self._asked(
            f"identitytoolkit.googleapis.com/v2/projects/{PROJECT}/tenants",
            {"displayName": name, "allowPasswordSignup": True, "enableAnonymousUser": True},
            Authorization="Bearer owner",
        )
        return str(made["name"]).rpartition("/")[2]

    def sign_up(self, email: str | None = None, tenant: str | None = None) -> dict[str, Any]:
        """A new user, signed in: ``localId``, ``idToken``, ``refreshToken``. Without an address an anonymous one."""
        return self._account("signUp", tenant, **({} if email is None else {"email": email, "password": _PASSWORD}))

    def sign_in(self, email: str, tenant: str | None = None) -> dict[str, Any]:
        """A user who was there, signed in anew."""
        return self._account("signInWithPassword", tenant, email=email, password=_PASSWORD)

    def exchange(self, custom_token: str, tenant: str | None = None) -> dict[str, Any]:
        """A user, signed in by a token that a server of the project made."""
        return self._account("signInWithCustomToken", tenant, token=custom_token)

    def refreshed(self, refresh_token: str) -> str:
        """A new ID token."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return str(self._asked("securetoken.googleapis.com/v1/token?key=any", form)["id_token"])

    def _account(self, call: str, tenant: str | None, **asked: Any) -> dict[str, Any]:
        whose = {} if tenant is None else {"tenantId": tenant}
        path = f"identitytoolkit.googleapis.com/v1/accounts:{call}?key=any"
        return self._asked(path, {**asked, **whose, "returnSecureToken": True})

    def _asked(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"http://{self.host}/{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """The emulator on a free port of this machine; ``folder`` is for what it writes."""
    node = shutil.which("node")
    assert node, "the emulator needs Node.js"
    assert _CLI.exists(), "make e2e installs firebase-tools"
    auth, hub, logs = _free_ports(3)
    settings = {
        "auth": {"host": "127.0.0.1", "port": auth},
        "hub": {"host": "127.0.0.1", "port": hub},
        "logging": {"host": "127.0.0.1", "port": logs},
        "ui": {"enabled": False},
    }
    (folder / "firebase.json").write_text(json.dumps({"emulators": settings}))
    # With a home of its own, nobody is signed in, and nothing is told to Google about its use.
    quiet = {"HOME": str(folder), "TMPDIR": str(folder), "CI": "true", "NO_UPDATE_NOTIFIER": "1"}
    process = subprocess.Popen(
        [node, str(_CLI), "emulators:start", "--only", "auth", "--project", PROJECT],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **quiet},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    ready = threading.Event()
    reader = threading.Thread(target=_read, args=(process, said, ready))
    reader.start()
    try:
        assert ready.wait(_SECONDS), "".join(said)
        assert process.poll() is None, "".join(said)
        yield Emulator(f"127.0.0.1:{auth}")
    finally:
        _end(process)
        reader.join(20)


def _read(process: subprocess.Popen[str], said: list[str], ready: threading.Event) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            said.append(line)
            if _READY in line:
                ready.set()
    ready.set()  # it has ended


def _end(process: subprocess.Popen[str]) -> None:
    """End the process, which closes its emulators, and whatever of its session is left."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        listening = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in listening]
