"""Shadow rules that need a look-up: asked behind the requests, none of which waits for it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from werkzeug.test import Client

import callerid.asgi
import callerid.wsgi
from callerid import Caller, Guard, Identity, IssuedBy, Lookup, Nobody, Public, Role, custom_credential
from tests.asking.made import eventually
from tests.fixtures import AT_HAND, STAFF, token


def by_wsgi(_: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"served"]


def asking(kind: str, guard: Guard, live: Any, shadow: Any) -> Any:
    tables: Any = {"routes": {"/x": live}, "shadow": {"/x": shadow}}
    if kind == "wsgi":
        return Client(callerid.wsgi.CallerMiddleware(by_wsgi, guard=guard, default=Nobody(), **tables))
    app = PlainTextResponse("served")
    return TestClient(callerid.asgi.CallerMiddleware(app, guard=guard, default=Nobody(), **tables))


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_look_up_of_shadow_rules_is_asked_behind_the_request(kind: str) -> None:
    asked, gate, done = list[str](), threading.Event(), list[str]()

    def load(caller: Caller) -> set[str]:
        asked.append(caller.name)
        assert gate.wait(30)
        done.append(caller.name)
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load, timeout=30)])
    client = asking(kind, guard, STAFF, Role("reader"))
    headers = {"Authorization": f"Bearer {token('staff')}"}
    assert [client.get("/x", headers=headers).status_code for _ in range(2)] == [200, 200]  # while it hangs
    assert (guard.shadow.unknown, guard.shadow.would_refuse) == (2, 0)
    gate.set()
    eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))
    assert client.get("/x", headers=headers).status_code == 200
    assert (guard.shadow.unknown, guard.shadow.would_refuse, asked) == (2, 1, done)
    assert len(done) == 1


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_credential_that_only_shadow_rules_read_is_asked_about_behind_the_request(kind: str) -> None:
    keys = custom_credential("keys", header="X-Api-Key", verify={"sk_ada": Identity("ada")}.get)
    guard = Guard(keys)
    client = asking(kind, guard, Public(), IssuedBy("keys"))
    for _ in range(2):
        assert client.get("/x", headers={"X-Api-Key": "sk_ada"}).status_code == 200
        eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))
    assert (guard.shadow.unknown, guard.shadow.agreed) == (1, 1)
