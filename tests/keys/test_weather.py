"""A long walk through good and bad days of a key server: what must hold after every step, whatever came before."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from callerid.errors import Unauthenticated, Unavailable
from callerid.keys import KeySource, KeyStore

from .asking import ask, eventually
from .made import document, jwk_set, rsa_jwk

if TYPE_CHECKING:
    from .conftest import Clock
    from .servers import KeyServer

BAD_DAYS = [
    (500, document("a")),
    (302, document("a")),
    (200, b"<html>"),
    (200, b"{}"),
    (200, jwk_set(rsa_jwk("a"), rsa_jwk("leaked", d="AQAB"))),
]
DAY = 86_400
NAPS = (0.5, 1, 5, 29, 31, 61, 600, 3300, 3599, 3700, 50_000, 86_399, 90_000, 200_000)


def asked(store: KeyStore, source: KeySource, kid: str) -> str:
    try:
        return ask(store, source, kid).kid
    except Unauthenticated:
        return "rejected"
    except Unavailable as refusal:
        return "unavailable" if 1 <= refusal.retry_after <= 30 else "unavailable for too long"


@pytest.mark.parametrize("seed", range(12))
def test_in_any_weather_known_keys_serve_and_nobody_is_told_what_is_not_known(
    server: KeyServer, clock: Clock, seed: int
) -> None:
    # Each fetch is waited for, however slow the machine.
    source = KeySource(server.url, fetch_seconds=30, stale_wait=30)
    chance, store = Random(seed), KeyStore(timer=clock)
    key_set = store.key_set(source, "RS256")
    server.body = published = document("a")
    for _ in range(60):
        step = chance.random()
        if step < 0.15:
            server.status, server.body = chance.choice([(200, published), (200, published), *BAD_DAYS])
        elif step < 0.3:
            published = document(*chance.sample(["a", "b", "c"], chance.randint(1, 3)))
            server.body = published if server.status == 200 else server.body
        elif step < 0.5:
            clock.advance(chance.choice(NAPS))
        else:
            kid, before, fetches = chance.choice(["a", "b", "c", "never"]), key_set.state, len(server.requests)
            answer = asked(store, source, kid)
            eventually(lambda: key_set.in_flight is None)
            after = key_set.state
            known = kid in before.keys and clock.now < before.expires_at + DAY
            assert len(server.requests) <= fetches + 1
            assert bool(after.keys) >= bool(before.keys), "an empty set was stored"
            if known and kid in after.keys:
                assert answer == kid
            elif answer == kid:
                assert kid in after.keys
                assert clock.now < after.expires_at + DAY
            elif answer == "rejected":
                assert kid not in after.keys
                assert clock.now < after.expires_at
                assert not after.failures, "it may be a new key"
            else:
                assert answer == "unavailable"
                assert after.failures
