"""``callerid doctor MODULE:APP``: keys, clock, surroundings, settings."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from itertools import count
from pathlib import Path

import pytest

from callerid.cli import main
from tests.keys.made import document
from tests.keys.servers import KeyServer, key_server

APPLICATION = """
from starlette.applications import Starlette
from starlette.routing import Route
from callerid import *
from callerid.keys import KeyDocument, KeyFile, KeySource
from callerid.starlette import Guard

app = Starlette()
guard = Guard(ISSUERS)
guard.protect(app, default=Nobody())
"""
numbers = count()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "K_SERVICE", "K_REVISION"}
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in known | {"KUBERNETES_SERVICE_HOST"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def pip_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in place of pip-audit, which would ask a database; it knows of no advisory."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    module = folder / "pip_audit.py"
    module.write_text(audited({"name": "flask", "version": "3.1.0", "vulns": []}), encoding="utf-8")
    return module


def audited(*packages: object, more: str = "") -> str:
    """The source of a module that prints what pip-audit does of these packages, and ends as it does."""
    said = json.dumps({"dependencies": packages, "fixes": []})
    return f"import sys\nassert '--format=json' in sys.argv\nprint({said!r})\n{more}"


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as server:
        server.body = document("a")
        yield server


class Doctor:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.made: list[str] = []

    def __call__(self, issuers: str, *more: str, default: str = "Nobody()") -> tuple[int, str]:
        name = f"examined_{next(numbers)}"
        self.made.append(name)
        text = APPLICATION.replace("ISSUERS", issuers).replace("Nobody()", default)
        (self.folder / f"{name}.py").write_text(text, encoding="utf-8")
        code = main(["doctor", f"{name}:app", "--app-dir", str(self.folder), *more])
        out, err = self._capsys.readouterr()
        assert err == ""
        return code, out


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    made = Doctor(tmp_path, capsys)
    yield made
    for name in made.made:
        sys.modules.pop(name, None)


def of(server: KeyServer, more: str = "") -> str:
    return f'google("https://orders.example.com", keys=KeySource({server.url!r})){more}'


def test_where_all_is_well_it_says_so(doctor: Doctor, server: KeyServer) -> None:
    code, out = doctor(of(server))
    assert code == 0
    assert out.splitlines() == [
        "ok      environment: none of Google's products: no variable of theirs is set",
        f"ok      keys: {server.url}: 1 key, fresh for 3600 s",
        out.splitlines()[2],
        "ok      settings: 1 guard: nothing that weakens",
        "ok      advisories: pip-audit knows of none for 1 package",
    ]
    assert out.splitlines()[2].startswith("ok      clock: the clock is 0 s ") or "1 s" in out.splitlines()[2]


def test_json_has_each_finding(doctor: Doctor, server: KeyServer) -> None:
    found = json.loads(doctor(of(server), "--json")[1])
    assert found["version"] == 1
    assert [each["check"] for each in found["findings"]] == ["environment", "keys", "clock", "settings", "advisories"]
    assert found["findings"][1]["grade"] == "fine"
    assert list(found["findings"][1]) == ["check", "grade", "said", "remedy"]


@pytest.mark.parametrize(("hours", "words"), [(-2, "ahead of localhost: tokens look expired"), (2, "behind localhost")])
def test_a_clock_that_is_wrong_is_told(doctor: Doctor, server: KeyServer, hours: int, words: str) -> None:
    server.headers["Date"] = formatdate(time.time() + hours * 3600, usegmt=True)
    code, out = doctor(of(server))
    assert code == 1
    assert words in out
    assert "set the clock by NTP" in out


def test_what_a_cache_kept_counts_as_older(doctor: Doctor, server: KeyServer) -> None:
    server.headers |= {"Date": formatdate(time.time() - 1000, usegmt=True), "Age": "1000"}
    assert "ok      clock" in doctor(of(server))[1]


def test_without_a_date_the_clock_cannot_be_told(doctor: Doctor, server: KeyServer) -> None:
    server.headers["Date"] = "today"
    code, out = doctor(of(server))
    assert code == 0
    assert "unknown clock: " in out


def test_keys_that_cannot_be_had_are_told(doctor: Doctor, server: KeyServer) -> None:
    server.status = 500
    code, out = doctor(of(server))
    assert code == 1
    assert f"MEND    keys: {server.url}: cannot be had: " in out
    assert "until they can, tokens are answered with 503" in out
    server.status, server.body = 200, b"{}"
    assert doctor(of(server))[0] == 1


def test_a_file_of_keys_is_read(doctor: Doctor) -> None:
    file = doctor.folder / "keys.json"
    issuers = f'google("https://orders.example.com", keys=KeyFile({str(file)!r}))'
    assert "keys.json: cannot be had: No such file or directory" in doctor(issuers)[1]
    file.write_bytes(document("a"))
    code, out = doctor(issuers)
    assert code == 0
    assert "keys.json: 1 key" in out


def test_keys_in_the_settings_are_not_fetched(doctor: Doctor) -> None:
    keys = f"keys=KeyDocument({document('a').decode()!r})"
    code, out = doctor(f'google("https://orders.example.com", {keys})')
    assert code == 0
    assert "keys that are part of the settings: nothing is fetched" in out


def test_the_proxy_and_the_certificates_are_named_by_their_variables(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuers = 'google("https://orders.example.com", keys=KeySource("https://127.0.0.1:9/keys"))'
    monkeypatch.setenv("SSL_CERT_FILE", "/company.pem")
    out = doctor(issuers)[1]
    assert "network: https goes through no proxy, and trusts the certificates of certifi; SSL_CERT_FILE is set" in out
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:secret@127.0.0.1:9")
    out = doctor(issuers)[1]
    assert "through the proxy of HTTPS_PROXY, and trusts the certificates in /bundle.pem (REQUESTS_CA_BUNDLE)" in out
    assert "secret" not in out


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        (("K_SERVICE", "K_REVISION"), "Cloud Run (K_SERVICE is set)"),
        (("K_SERVICE", "K_REVISION", "FUNCTION_TARGET"), "Cloud Run functions (FUNCTION_TARGET is set)"),
        (("KUBERNETES_SERVICE_HOST",), "Kubernetes (such as GKE)"),
    ],
)
def test_what_it_runs_on_is_told(
    doctor: Doctor, server: KeyServer, variables: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, "orders")
    assert f"environment: {name}" in doctor(of(server))[1]


@pytest.mark.parametrize(
    ("more", "default", "words"),
    [
        (", leeway=60", "Nobody()", "leeway is 60 s: tokens are good that much longer"),
        (
            ", trusted_origins=[f'https://{n}.example.com' for n in range(11)]",
            "Nobody()",
            "11 trusted_origins: a page of any of them may act for its users",
        ),
        ("", "Public()", "the default is open to everybody"),
        ("", "Domain('a.com'), enforce=False, until='2027-01-31'", "rules are not enforced"),
        ("", "Nobody(), routes={'/gone': Public()}", "a rule cannot be right: routes['/gone']"),
    ],
)
def test_settings_that_weaken_are_told(doctor: Doctor, server: KeyServer, more: str, default: str, words: str) -> None:
    code, out = doctor(of(server, more), default=default)
    assert code == 1
    assert f"MEND    settings: {words}" in out


def test_what_is_for_development_is_told_in_production(
    doctor: Doctor, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = ", trusted_origins=['http://localhost:8000', 'http://pages.example.com', 'https://a.example.com']"
    issuers = f"google('https://orders.example.com', gcloud=True, keys=KeySource({server.url!r}))"
    emulated = ", firebase('demo-shop', emulator='127.0.0.1:9099')"
    code, out = doctor(issuers + emulated + origins)
    assert code == 0
    assert "that developers mint for every service at once: fine for development" in out
    assert "emulator are believed, which nobody signs: fine for development" in out
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    code, out = doctor(issuers + origins)
    assert code == 1
    for words in (
        "http://localhost:8000 is among trusted_origins, in production",
        "http://pages.example.com is among trusted_origins: whoever is on the way can write its pages",
        "for every service at once, in production",
    ):
        assert words in out


@pytest.mark.parametrize("arguments", [[], ["app:app", "--cloud-run", "https://orders-abc.a.run.app"]])
def test_it_takes_one_of_the_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *arguments]) == 2
    assert "doctor takes an application, as MODULE:APP, or --cloud-run URL" in capsys.readouterr().err


def test_versions_with_known_advisories_are_told(doctor: Doctor, server: KeyServer, pip_audit: Path) -> None:
    found = [
        {"id": "PYSEC-2026-1", "fix_versions": ["2.1", "3.0"], "aliases": []},
        {"id": "PYSEC-2026-2", "fix_versions": []},
    ]
    packages = {"name": "flask", "version": "2.0", "vulns": found}, {"name": "orders", "skip_reason": "not published"}
    pip_audit.write_text(audited(*packages, more="sys.exit(1)"), encoding="utf-8")
    code, out = doctor(of(server))
    assert code == 1
    assert out.endswith(
        "MEND    advisories: flask 2.0: PYSEC-2026-1 (mended in 2.1 and 3.0), PYSEC-2026-2 (mended in no version)\n"
        "        upgrade it\n"
    )


def test_packages_that_pip_audit_cannot_tell_of_are_counted(doctor: Doctor, server: KeyServer, pip_audit: Path) -> None:
    pip_audit.write_text(audited({"name": "orders", "skip_reason": "not published"}), encoding="utf-8")
    assert (
        "ok      advisories: pip-audit knows of none for 0 packages; it cannot tell of 1 other" in doctor(of(server))[1]
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ModuleNotFoundError('No module named pip_audit')", "pip-audit is not installed here"),
        ("raise SystemExit('one\\nno answer from the database')", "pip-audit failed: no answer from the database"),
        ("raise SystemExit(1)", "pip-audit failed: it printed nothing"),
        ("print('[]')", "pip-audit failed: it printed nothing"),
        ("input()", "pip-audit did not end within 0.01 s"),
    ],
)
def test_where_pip_audit_says_nothing_advisories_are_unknown(
    doctor: Doctor, server: KeyServer, pip_audit: Path, source: str, words: str, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "end within" in words:
        monkeypatch.setattr("callerid.cli._advisories._SECONDS", 0.01)
    pip_audit.write_text(source, encoding="utf-8")
    code, out = doctor(of(server))
    assert code == 0
    assert f"unknown advisories: {words}, so whether any are known cannot be told\n        run pip-audit where" in out


def test_a_module_of_the_current_folder_does_not_stand_for_pip_audit(
    doctor: Doctor, server: KeyServer, pip_audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (doctor.folder / pip_audit.name).write_text("raise SystemExit('not I')", encoding="utf-8")
    monkeypatch.chdir(doctor.folder)
    assert "ok      advisories: pip-audit knows of none" in doctor(of(server))[1]


def test_a_terminal_shows_what_is_waited_for(
    doctor: Doctor, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            if "waiting for keys" in text:
                server.gate.set()
            return super().write(text)

    err = Terminal()
    server.close_gate()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr("callerid.cli._frame._PATIENCE", 0.0)
    assert doctor(of(server))[0] == 0
    assert f"\rwaiting for keys: {server.url} ...\r " in err.getvalue()
