"""Facts that no token carries: roles, groups, the status of an account. Asked for when a rule needs them, and cached.

    lookup      one named source of facts
    lookups     those of a guard
    judging     which of them a rule's answer depends on
    account_status      whether a Firebase user's account is in order
    groups      who is in a Google group

Each module imports only those before it.
"""

from callerid.lookups._account_status import account_status
from callerid.lookups._groups import groups
from callerid.lookups._judging import KnownFacts, LooksUp, look_up_for, looked_up
from callerid.lookups._lookup import Load, Lookup
from callerid.lookups._lookups import Lookups, missing

__all__ = [
    "KnownFacts",
    "Load",
    "LooksUp",
    "Lookup",
    "Lookups",
    "account_status",
    "groups",
    "look_up_for",
    "looked_up",
    "missing",
]
