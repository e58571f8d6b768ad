"""One process of an application, told by lines what to do: ``python -m tests.e2e.fleet_member REDIS``."""

from __future__ import annotations

import json
import sys
import time

from callerid import Guard, Unauthenticated
from callerid.fleet import RedisFleet
from callerid.testing import LocalIssuer

CLIENT = "1234-abc.apps.googleusercontent.com"


def main() -> None:
    issuer = LocalIssuer()
    guard = Guard(issuer.google(CLIENT), fleet=RedisFleet(sys.argv[1]))
    ago = int(time.time()) - 600  # before anything was revoked
    tokens = {who: issuer.person(audience=CLIENT, subject=who * 7, issued_at=ago) for who in "123456789"}
    for line in sys.stdin:
        verb, _, who = line.strip().partition(" ")
        said = "done"
        if verb == "ask":
            try:
                guard.verify(tokens[who])
                said = "admitted"
            except Unauthenticated as refusal:
                said = str(refusal.reason)
        elif verb == "revoke":
            guard.revoke(who * 7)
        else:
            said = json.dumps(guard.fleet_status())
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
