"""For tests and local work: real tokens from an issuer of one's own, without Google and without a network.

Importing this needs no test framework and starts nothing. Keys are made at run time and never stored.
"""

from callerid.testing._acting import as_caller
from callerid.testing._builder import persona
from callerid.testing._callers import firebase_user, google_person, oidc_caller, own_caller, service_account
from callerid.testing._claims import COMPUTE_ENGINE
from callerid.testing._clients import CallerClients
from callerid.testing._hostile import HOSTILE_VARIANTS
from callerid.testing._issuer import LocalIssuer
from callerid.testing._locks import assert_access

__all__ = [
    "COMPUTE_ENGINE",
    "HOSTILE_VARIANTS",
    "CallerClients",
    "LocalIssuer",
    "as_caller",
    "assert_access",
    "firebase_user",
    "google_person",
    "oidc_caller",
    "own_caller",
    "persona",
    "service_account",
]
