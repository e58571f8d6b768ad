"""What uvicorn serves in the tests: a receiver in a process of its own, told by the environment where keys are."""

from __future__ import annotations

import os

from callerid import Guard
from callerid.risc import EventReceiver, SecurityEvent
from callerid.risc.receiver import AsgiEvents
from tests.fixtures import AT_HAND, CLIENT


def on_event(event: SecurityEvent) -> None:
    if event.reason == "fail":
        raise OSError("the database is down")


def application() -> AsgiEvents:
    return EventReceiver(Guard(*AT_HAND), CLIENT, on_event=on_event, keys=os.environ["SERVED_KEYS"]).asgi
