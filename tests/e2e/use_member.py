"""One process that accepts each token once: ``python -m tests.e2e.use_member REDIS PATIENCE``, keys in the environment.

Each line on stdin is a token, which several threads present at once; the answer is what they were told, as JSON.
``PATIENCE`` is for how many seconds a request waits for Redis: a busy machine may need longer than the library allows.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from callerid import Guard, KeyDocument, Refusal, SingleUse, google
from callerid.authentication import _uses as uses
from callerid.fleet import RedisFleet
from callerid.fleet import _redis_fleet as redis_fleet

URL = "https://orders.example.com"
THREADS = 4


def ask(guard: Guard, token: str) -> str:
    try:
        guard.verify(token, SingleUse())
    except Refusal as refusal:
        return f"{refusal.status} {refusal.reason}"
    return "admitted"


def main() -> None:
    _, url, patience = sys.argv
    if float(patience):
        uses.USE_SECONDS = redis_fleet.WRITE_SECONDS = float(patience)  # type: ignore[misc]  # constants of the library
    guard = Guard(google(URL, keys=KeyDocument(os.environ["KEYS"])), fleet=RedisFleet(url), leeway=0)
    with ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            said = list(pool.map(partial(ask, guard), [line.strip()] * THREADS))
            sys.stdout.write(f"{json.dumps(said)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
