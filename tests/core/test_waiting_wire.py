"""A front door's wire, while the key of the other token is still awaited."""

from __future__ import annotations

import socket

import pytest

from callerid import Guard, KeySource, Unauthenticated, cloud_run
from callerid.testing import LocalIssuer

URL = "https://orders.example.com"


def test_a_token_whose_key_has_yet_to_come_does_not_trip_the_wire() -> None:
    issuer = LocalIssuer()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and answers nothing
        keys = KeySource(f"http://127.0.0.1:{silent.getsockname()[1]}/", fetch_seconds=0.5)
        guard = Guard(cloud_run(URL, keys=keys, insist=True))
        sent = {
            "authorization": ["Bearer x.y.z"],
            "x-serverless-authorization": [f"Bearer {issuer.service_account(audience=URL)}"],
        }
        for _ in range(2):
            with pytest.raises(Unauthenticated) as refusal:
                guard.identify(sent)
            assert refusal.value.status == 401
