"""A real Chromium, Debian's, and a certificate for the names of the sites it visits."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import sync_playwright

from .sites import Certificate

Browse = Callable[[dict[str, int]], AbstractContextManager[Any]]

# Nothing is asked of Google's hosts: there is no network in the tests.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that nobody trusts, and its key: files that live as long as the tests."""
    folder: Path = tmp_path_factory.mktemp("certificate")
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    (folder / "certificate.pem").write_bytes(made.public_bytes(encoding))
    return Certificate(folder / "certificate.pem", folder / "key.pem")


@pytest.fixture(scope="session")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browse]:
    """``browse({"shop.example": PORT})`` gives a browser that finds those hosts, by https, on ports of this machine.

    ``"shop.example:80"`` is found by http.

    It sends cookies with what another site's page embeds, as most browsers do unless their user forbids it.
    """
    with sync_playwright() as playwright:

        @contextmanager
        def browsing(hosts: dict[str, int]) -> Iterator[Any]:
            named = {host if ":" in host else f"{host}:443": port for host, port in hosts.items()}
            rules = [*(f"MAP {host} 127.0.0.1:{port}" for host, port in named.items()), "MAP * ~NOTFOUND"]
            arguments = [*QUIET, f"--host-resolver-rules={', '.join([*rules, 'EXCLUDE 127.0.0.1'])}"]
            path = shutil.which("chromium")
            assert path, "make e2e installs chromium"
            profile = tmp_path_factory.mktemp("profile")
            (profile / "Default").mkdir()
            (profile / "Default" / "Preferences").write_text(json.dumps({"profile": {"cookie_controls_mode": 0}}))
            with playwright.chromium.launch_persistent_context(
                profile, executable_path=path, args=arguments, ignore_https_errors=True
            ) as browser:
                yield browser

        yield browsing
