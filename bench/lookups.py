"""Look-ups: how often Identity Toolkit is asked, what a warm look-up costs under load, and what an answer weighs."""

from __future__ import annotations

import gc
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import firebase_admin
from firebase_admin import _token_gen, _user_mgt, auth

from bench.apps import no_credential
from bench.measure import Row
from bench.serving import Load, measured
from callerid import Caller, FirebaseUser, Guard, Lookup, NotRevoked, account_status
from callerid.asking import Wait
from callerid.lookups import Lookups
from callerid.testing import LocalIssuer, google_person

__all__ = ["rows"]

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "10000"))
CACHED = int(os.environ.get("BENCH_CACHED", "100000"))
USERS = 100
PROJECT = "shop-prod"
MINUTE = 60.0


def rows() -> Iterator[Row]:
    """All rows about look-ups."""
    yield from _calls()
    yield from _warm()
    weight = _weight()
    yield Row("memory of a look-up's answers", f"kB for each of {CACHED:,} callers", weight / 1000, "≤", 0.75)


def _calls() -> Iterator[Row]:
    section = f"account-status calls of {REQUESTS:,} requests of {USERS} users in a minute, counted at the endpoint"
    sample = max(USERS, REQUESTS // 10)  # it asks at each request
    with LocalIssuer() as issuer, _identity_toolkit() as (url, asked):
        tokens = [issuer.firebase_user(f"user{number}", project=PROJECT) for number in range(USERS)]
        _ours(issuer, url, tokens)
        ours = len(asked)
        asked.clear()
        _firebase_admins(issuer, url, tokens, sample)
        theirs = len(asked)
    section += " (one for each request = 1.0)"
    # At most one call for each user and max_age, which is the minute.
    yield Row(section, f"callerid, account_status: {ours:,} calls", ours / REQUESTS, "≤", USERS / REQUESTS)
    yield Row(section, f"firebase-admin, check_revoked=True: {theirs:,} calls of {sample:,}", theirs / sample)


def _ours(issuer: LocalIssuer, url: str, tokens: list[str]) -> None:
    """A minute of requests at even distances, by a clock that is held: so it takes a second."""
    now = [0.0]
    status = account_status(PROJECT, max_age=MINUTE, token=lambda: "token", endpoint=url, timeout=30)
    guard = Guard(issuer.firebase(PROJECT), lookups=[status], timer=lambda: now[0])
    rule = FirebaseUser() & NotRevoked()
    for number in range(REQUESTS):
        now[0] = number * MINUTE / REQUESTS
        guard.verify(tokens[number % USERS], rule)


def _firebase_admins(issuer: LocalIssuer, url: str, tokens: list[str], requests: int) -> None:
    _token_gen.ID_TOKEN_CERT_URI = issuer.pem_url("firebase")
    _user_mgt.UserManager.ID_TOOLKIT_URL = url
    app = firebase_admin.initialize_app(no_credential(), {"projectId": PROJECT}, name="account status")
    for number in range(requests):
        auth.verify_id_token(tokens[number % USERS], app, check_revoked=True)
    firebase_admin.delete_app(app)


@contextmanager
def _identity_toolkit() -> Iterator[tuple[str, list[str]]]:
    """A local stand-in of ``accounts:lookup``, by which every account is in order: its URL, and who was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            uid = question["localId"][0]
            asked.append(uid)
            body = json.dumps({"users": [{"localId": uid, "validSince": "1", "disabled": False}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            server.shutdown()
            thread.join()


def _warm() -> Iterator[Row]:
    for framework, prefix in (("Starlette", "starlette"), ("FastAPI", "fastapi")):
        yield from measured(
            [
                Load(
                    f"requests/s, {framework} hello under uvicorn, with a warm look-up (without it = 1.0)",
                    {"without": f"{prefix}_callerid", "callerid": f"{prefix}_callerid_looked_up"},
                    "steady",
                    reach=0.97,
                    cost_reach=1 / 0.97,
                )
            ]
        )


def _weight() -> float:
    """Bytes that each answer of a look-up takes, with its key."""
    lookup = Lookup("roles", _roles, max_age=3600, size=CACHED)
    lookups = Lookups([lookup])
    person = google_person(subject="1" * 21)
    _look_up(lookups, person)
    gc.collect()
    tracemalloc.start()
    for number in range(CACHED):
        _look_up(lookups, replace(person, subject=f"{number:021}"))
    gc.collect()
    weight = tracemalloc.get_traced_memory()[0] / CACHED
    tracemalloc.stop()
    return weight


def _roles(caller: Caller) -> set[str]:
    """One of a hundred sets, of texts that are made anew each time, as a database's driver makes them."""
    return {"editor", f"team-{caller.subject[-2:]}"}


def _look_up(lookups: Lookups, caller: Caller) -> None:
    found = lookups.find("roles", caller, "editor")
    if isinstance(found, Wait):
        found.block()
        found = lookups.find("roles", caller, "editor", [found])
    if found is None or isinstance(found, Wait) or "editor" not in found:
        raise RuntimeError("the look-up was not answered")
