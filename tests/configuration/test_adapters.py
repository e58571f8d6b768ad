"""The guard of every adapter, by settings."""

from __future__ import annotations

from pathlib import Path

import pytest

import callerid
import callerid.django
import callerid.fastapi
import callerid.flask
import callerid.starlette
from callerid import google
from callerid.guard import GuardCore
from tests.configuration.made import GOOGLE, URL, written


@pytest.mark.parametrize(
    "kind",
    [
        callerid.Guard,
        callerid.fastapi.Guard,
        callerid.starlette.Guard,
        callerid.flask.Guard,
        callerid.django.Guard,
    ],
)
def test_the_guard_of_every_adapter_is_made_of_a_file(kind: type[GuardCore], tmp_path: Path) -> None:
    guard = kind.from_toml(written(tmp_path, f"leeway = 5\n{GOOGLE}"))
    assert type(guard) is kind
    assert guard.issuers == (google(URL),)
    assert guard.leeway == 5
    assert kind.from_env(environ={"CALLERID_GOOGLE_AUDIENCES": URL}).issuers == guard.issuers
