"""What uvicorn and gunicorn serve in the tests: a receiver, told by the environment where keys are."""

from __future__ import annotations

import os

from callerid import Guard
from callerid.risc import EventReceiver, SecurityEvent
from callerid.risc._receiver import AsgiEvents, WsgiEvents
from tests.fixtures import AT_HAND, CLIENT


def on_event(event: SecurityEvent) -> None:
    if event.reason == "fail":
        raise OSError("the database is down")


def receiver() -> EventReceiver:
    return EventReceiver(Guard(*AT_HAND), CLIENT, on_event=on_event, keys=os.environ["SERVED_KEYS"])


def application() -> AsgiEvents:
    return receiver().asgi


def wsgi_application() -> WsgiEvents:
    return receiver().wsgi
