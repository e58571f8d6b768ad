"""Fresh processes: importing, the first request after a cold start, and what a remembered token weighs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median

from bench.measure import Row
from callerid import Guard
from callerid.authentication import resolve
from callerid.testing import LocalIssuer

__all__ = ["rows"]

ROUNDS = 11
REMEMBERED = 100_000

_OURS = "import callerid"
_GOOGLES = "import google.oauth2.id_token, google.auth.transport.requests"

_COLD_OURS = """
import os
from callerid import Guard, firebase
Guard(firebase("shop-prod", keys=os.environ["KEYS"])).verify(os.environ["TOKEN"])
"""
_COLD_FIREBASE_ADMIN = """
import os
import firebase_admin
from firebase_admin import _token_gen, auth, credentials
from google.auth.credentials import AnonymousCredentials
class Anonymous(credentials.Base):
    def get_credential(self):
        return AnonymousCredentials()
_token_gen.ID_TOKEN_CERT_URI = os.environ["KEYS"]
firebase_admin.initialize_app(Anonymous(), {"projectId": "shop-prod"})
auth.verify_id_token(os.environ["TOKEN"])
"""
# What it takes without a client, without an answer and without a line of code run: one import after the other, and the
# time until the answer comes. (callerid loads cryptography meanwhile.)
_COLD_FLOOR = """
import callerid, http.client, time
from cryptography import x509
from google.auth.crypt import es256, rsa
time.sleep(0.05)
"""


def rows() -> Iterator[Row]:
    """All rows about processes and memory."""
    section = "import in a fresh process (google.oauth2.id_token and its transport = 1.0)"
    yield Row(section, "import callerid", _ratio(_OURS, _GOOGLES, {}), "≤", 0.65)
    with LocalIssuer() as issuer:
        issuer.delay = 0.05
        environment = {"KEYS": issuer.pem_url("firebase"), "TOKEN": issuer.firebase_user("u1", project="shop-prod")}
        section = "first request of a cold process, key endpoint 50 ms away (firebase-admin the same = 1.0)"
        yield Row(section, "callerid", _ratio(_COLD_OURS, _COLD_FIREBASE_ADMIN, environment), "≤", 0.85)
        floor = _ratio(_COLD_FLOOR, _COLD_FIREBASE_ADMIN, environment)
        yield Row(section, "floor: imports without a client, and 50 ms", floor)
    yield Row("remembered tokens", f"kB for each of {REMEMBERED:,}", _weight(), "≤", 1.2)


def _ratio(ours: str, theirs: str, environment: Mapping[str, str]) -> float:
    bare = median(_seconds("pass", {}) for _ in range(ROUNDS))
    pairs = [(_seconds(ours, environment), _seconds(theirs, environment)) for _ in range(ROUNDS)]
    return median((one - bare) / (other - bare) for one, other in pairs)


def _seconds(code: str, environment: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})
    return time.perf_counter() - begin


def _weight() -> float:
    issuer = LocalIssuer()
    one = issuer.firebase_user("u" * 28, project="shop-prod", email="ada@example.com")
    guard = Guard(issuer.firebase("shop-prod"), memory=REMEMBERED)

    def see(uid: str) -> None:
        resolve(partial(guard.identify, {"authorization": ["Bearer " + issuer.altered(one, sub=uid, user_id=uid)]}))

    see("warm")
    # Small enough to take seconds; the weight of one does not depend on how many there are, but for the tables' steps.
    count = REMEMBERED // 20
    gc.collect()
    tracemalloc.start()
    for number in range(count):
        see(f"{number:028}")
    gc.collect()
    weight = tracemalloc.get_traced_memory()[0] / count / 1000
    tracemalloc.stop()
    return weight
