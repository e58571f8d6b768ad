"""For tests and local work: real tokens from an issuer of one's own, without Google and without a network.

Importing this needs no test framework and starts nothing. Keys are made at run time and never stored.
"""

from callerid.testing.acting import as_caller
from callerid.testing.callers import firebase_user, google_person, oidc_caller, own_caller, service_account
from callerid.testing.claims import COMPUTE_ENGINE
from callerid.testing.hostile import HOSTILE_VARIANTS
from callerid.testing.issuer import LocalIssuer

__all__ = [
    "COMPUTE_ENGINE",
    "HOSTILE_VARIANTS",
    "LocalIssuer",
    "as_caller",
    "firebase_user",
    "google_person",
    "oidc_caller",
    "own_caller",
    "service_account",
]
