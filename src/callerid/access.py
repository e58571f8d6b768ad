"""The access map: every route of an application with the rule that guards it, as data.

It is read from the guard that protects the application, by the code that enforces: what is printed is what holds. With
it come the lock (the map as a file to be reviewed), "no new access" (whether anybody may now who could not before), and
access tests as data. The code is in `callerid.audit`.
"""

from callerid.audit._lifespan import started
from callerid.audit._loading import load
from callerid.audit._lock import LOCK_VERSION, differences, locked
from callerid.audit._newcomers import assumed, newcomers
from callerid.audit._reading import access_map
from callerid.audit._rows import AccessMap, Part, Row
from callerid.audit._suite import Suite, read_suite

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
