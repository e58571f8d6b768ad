"""From the credentials of a request to verified callers.

    jws             a token taken apart, strictly
    look_alikes     what a token of another kind is, for the log
    claims          what is judged of every token's claims
    identity        who is calling, and which service carried the call
    bearer          the one bearer token in a header
    bare            the one token in another header, or in a cookie
    same_origin     whether a browser's request comes from the application's own pages
    sign_in         the form that Google's button posts
    gateways        the tokens that a gateway forwards
    token_cache     tokens verified before
    observed        how long verifications take, for an observer
    trust           the issuers that are trusted, by where their tokens sit
    choosing        which of them a token is of
    emulator        unsigned tokens of the Firebase Auth emulator
    consuming       limited-use tokens, each for one request
    revocations     accounts that are refused from a moment on
    uses            tokens that open one request each
    verification    one token verified
    denying         whose account is revoked, and for how long
    cloud_run       tokens whose signature Cloud Run's front door removed
    authenticator   all of it together: who is calling
    holding         what every guard does by its authenticator
    waiting         what waits for keys, in threads and in tasks

Each module imports only those before it.
"""

from callerid.authentication._authenticator import Authenticator
from callerid.authentication._claims import UNCHECKED, ExpectedNonce
from callerid.authentication._cloud_run import SUBPROTOCOL
from callerid.authentication._denying import denial_by_google
from callerid.authentication._holding import HoldsAuthenticator
from callerid.authentication._identity import NOBODY, Identity
from callerid.authentication._jws import LONGEST_TOKEN
from callerid.authentication._revocations import (
    CATCH_UP_SECONDS,
    LONGEST_DENIAL,
    Account,
    Denial,
    Denials,
    Fleet,
    FleetStatus,
    UseRecord,
)
from callerid.authentication._same_origin import METHOD
from callerid.authentication._sign_in import SignInForm
from callerid.authentication._token_cache import DEFAULT_SIZE
from callerid.authentication._uses import request_of
from callerid.authentication._verification import Waited
from callerid.authentication._waiting import Attempt, resolve, resolve_async

__all__ = [
    "CATCH_UP_SECONDS",
    "DEFAULT_SIZE",
    "LONGEST_DENIAL",
    "LONGEST_TOKEN",
    "METHOD",
    "NOBODY",
    "SUBPROTOCOL",
    "UNCHECKED",
    "Account",
    "Attempt",
    "Authenticator",
    "Denial",
    "Denials",
    "ExpectedNonce",
    "Fleet",
    "FleetStatus",
    "HoldsAuthenticator",
    "Identity",
    "SignInForm",
    "UseRecord",
    "Waited",
    "denial_by_google",
    "request_of",
    "resolve",
    "resolve_async",
]
