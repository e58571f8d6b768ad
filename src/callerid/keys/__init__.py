"""The public keys of an issuer: fetched, cached, refreshed behind requests, and kept through outages.

Its modules, each importing only those before it::

    key · documents ← source        values, and the strict reading of a key document: pure
    discovery                       where an OpenID Connect provider's metadata says that its keys are: pure
    freshness                       how long a document may serve and how old it is, from its HTTP headers: pure
    plan                            what to do about one key id, and what each event changes: pure
    verifiers                       a document's entries turned into keys     (cryptography, google.auth.crypt)
    environment                     proxies and certificates, as the environment names them
    attempt ← causes ← transport ← fetch      one fetch, aborted in time; why it failed  (urllib3)
    google_access                   access tokens for Google's own APIs       (google.auth, urllib3)
    store                           the state, its lock, one fetch at a time for all who wait (callerid.asking)

Importing this package imports neither an HTTP client nor cryptography: both come with the first fetch.
"""

from callerid.asking._in_flight import Wait
from callerid.keys._attempt import KeyResponse
from callerid.keys._discovery import DiscoveredKeys
from callerid.keys._documents import DocumentError, json_object
from callerid.keys._fetch import get, post
from callerid.keys._freshness import retry_after
from callerid.keys._google_access import GoogleAccess
from callerid.keys._key import Algorithm, Key
from callerid.keys._source import AnySource, KeyDocument, KeyFile, KeyPolicy, KeySource, is_loopback, key_source
from callerid.keys._store import CachedKeySet, KeyStatus, KeyStore

__all__ = [
    "Algorithm",
    "AnySource",
    "CachedKeySet",
    "DiscoveredKeys",
    "DocumentError",
    "GoogleAccess",
    "Key",
    "KeyDocument",
    "KeyFile",
    "KeyPolicy",
    "KeyResponse",
    "KeySource",
    "KeyStatus",
    "KeyStore",
    "Wait",
    "get",
    "is_loopback",
    "json_object",
    "key_source",
    "post",
    "retry_after",
]
