"""One application for a developer's machine, by the Firebase Auth emulator's tokens, in every adapter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from callerid import ConfigurationError, FirebaseUser, PathParam, firebase
from callerid.testing import LocalIssuer

from .test_projects import ADAPTERS, App

Make = Callable[..., tuple[Any, App]]

PLATFORMS = ("K_SERVICE", "GAE_ENV", "GAE_INSTANCE", "KUBERNETES_SERVICE_HOST")
ISSUER = LocalIssuer()
OWNER = FirebaseUser(PathParam("uid"))


@pytest.fixture(autouse=True)
def on_a_developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PLATFORMS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("make", ADAPTERS)
def test_an_unsigned_token_of_the_emulator_names_its_user_and_a_signed_one_nobody(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    signed = ISSUER.firebase_user("ada", project="demo-shop")
    with caplog.at_level(logging.WARNING, "callerid"):
        app = make(OWNER, firebase("demo-shop", emulator="127.0.0.1:9099"))[1]
        app.start()
    (warning,) = [each for each in caplog.records if "unsigned tokens" in each.getMessage()]
    assert warning.levelno == logging.WARNING
    unsigned = ISSUER.unsigned(signed)
    assert [app.get(f"/users/{uid}", unsigned) for uid in ("ada", "ben")] == [200, 403]
    assert app.get("/users/ada", signed) == 401
    assert app.get("/users/ada", ISSUER.unsigned(ISSUER.service_account())) == 401


@pytest.mark.parametrize("make", ADAPTERS)
def test_without_it_an_unsigned_token_names_nobody(make: Make) -> None:
    app = make(OWNER, ISSUER.firebase("demo-shop"))[1]
    app.start()
    signed = ISSUER.firebase_user("ada", project="demo-shop")
    assert (app.get("/users/ada", signed), app.get("/users/ada", ISSUER.unsigned(signed))) == (200, 401)


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("make", ADAPTERS)
def test_on_a_platform_the_application_does_not_start(make: Make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = firebase("demo-shop", emulator="127.0.0.1:9099")
    monkeypatch.setenv(name, "orders")
    with pytest.raises(ConfigurationError, match=f"{name} is set"):
        make(OWNER, issuer)


@pytest.mark.parametrize("make", ADAPTERS[:3])
def test_it_does_not_start_where_that_is_found_out_later(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make(OWNER, firebase("demo-shop", emulator="127.0.0.1:9099"))[1]
    monkeypatch.setenv("K_SERVICE", "orders")
    with pytest.raises(ConfigurationError, match="K_SERVICE is set"):
        app.start()
