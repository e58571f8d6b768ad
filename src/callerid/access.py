"""The access map: every route of an application with the rule that guards it, as data.

It is read from the guard that protects the application, by the code that enforces: what is printed is what holds. With
it come the lock (the map as a file to be reviewed), "no new access" (whether anybody may now who could not before), and
access tests as data. The code is in `callerid.audit`.
"""

from callerid.audit.lifespan import started
from callerid.audit.loading import load
from callerid.audit.lock import LOCK_VERSION, differences, locked
from callerid.audit.newcomers import assumed, newcomers
from callerid.audit.reading import access_map
from callerid.audit.rows import AccessMap, Part, Row
from callerid.audit.suite import Suite, read_suite

__all__ = [
    "LOCK_VERSION",
    "AccessMap",
    "Part",
    "Row",
    "Suite",
    "access_map",
    "assumed",
    "differences",
    "load",
    "locked",
    "newcomers",
    "read_suite",
    "started",
]
