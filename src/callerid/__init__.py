"""callerid tells a Python web app who is calling, and lets each route say who may.

A valid token says who is calling; only a rule says whether they may. So: no rule, no entry.

Its parts, each importing only those before it::

    errors ← callers ← rules ← iam              pure
    callers ← observing                         what an observer is told, for metrics and traces
    forks                                       what a forked child makes anew
    errors ← asking                             one call for all who wait for its answer
    asking ← keys                               Google's keys: fetched, kept, chosen
    callers, keys ← issuers                     one module per kind of credential
    issuers ← authentication                    credentials of a request → verified callers
    authentication ← fleet                      revocation that all processes feel
    issuers, fleet ← configuration              settings of environment variables and TOML files
    rules, issuers ← audit.algebra              what rules mean together
    answers                                     what a refused client is told
    applications                                what stands inside an application that is wrapped
    rules ← lookups                             facts that no token carries: roles, groups, account status
    keys, lookups, fleet ← status               how all of that fares, for probes
    rules, authentication ← authorization       requirements → one decision, logged
    guard                                       what users hold
    marks                                       what allow() leaves on an endpoint
    paths                                       rules by path, for what has no routes to ask
    asgi · wsgi                                 any application, guarded by path
    asgi ← mcp                                  servers of the Model Context Protocol
    asgi · wsgi ← risc                          Google's security events, received
    starlette ← fastapi · flask · django        rules tied to routes
    audit ← access                              the access map, the lock, no new access, why
    guard ← otel                                metrics and span attributes of OpenTelemetry
    logs                                        log lines for Cloud Logging
    testing · cli
"""

from callerid.authentication import SignInForm
from callerid.authorization import ShadowCounts
from callerid.callers import Caller, ComputeEngine, CustomFacts, FirebaseFacts, Kind, OidcFacts, Profile
from callerid.errors import (
    BadRequest,
    CalleridError,
    ConfigurationError,
    CrossSite,
    Forbidden,
    Reason,
    Refusal,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnguardedEndpointError,
)
from callerid.guard import Guard
from callerid.iam import rules_from_iam_policy
from callerid.issuers import CustomIdentity as Identity
from callerid.issuers import (
    Issuer,
    app_check,
    cloud_run,
    custom_credential,
    firebase,
    firebase_session,
    gateway,
    google,
    google_access_token,
    google_chat,
    iap,
    oidc,
    service_account,
)
from callerid.keys import KeyDocument, KeyFile, KeySource
from callerid.lookups import Lookup, account_status, groups
from callerid.rules import (
    AllOf,
    AnyApp,
    AnyGoogleAccount,
    AnyOf,
    App,
    AuthorizedParty,
    Claim,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    GoogleChat,
    Group,
    IssuedBy,
    Nobody,
    NotRevoked,
    PathParam,
    Public,
    Role,
    Rule,
    Scope,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    SignInProvider,
    SingleUse,
    Subject,
    Tenant,
    User,
    Via,
    Where,
)

__version__ = "0.1.0"
"""The version of this release, as in its package metadata."""

__all__ = [
    "AllOf",
    "AnyApp",
    "AnyGoogleAccount",
    "AnyOf",
    "App",
    "AuthorizedParty",
    "BadRequest",
    "Caller",
    "CalleridError",
    "Claim",
    "ComputeEngine",
    "ConfigurationError",
    "CrossSite",
    "CustomClaim",
    "CustomFacts",
    "Domain",
    "EmailDomain",
    "Fact",
    "FirebaseFacts",
    "FirebaseUser",
    "Forbidden",
    "GoogleChat",
    "Group",
    "Guard",
    "Identity",
    "IssuedBy",
    "Issuer",
    "KeyDocument",
    "KeyFile",
    "KeySource",
    "Kind",
    "Lookup",
    "Nobody",
    "NotRevoked",
    "OidcFacts",
    "PathParam",
    "Profile",
    "Public",
    "Reason",
    "Refusal",
    "Role",
    "Rule",
    "Scope",
    "SecondFactor",
    "ServiceAccount",
    "ShadowCounts",
    "SignInAttribute",
    "SignInForm",
    "SignInProvider",
    "SignedInWithin",
    "SingleUse",
    "StepUpRequired",
    "Subject",
    "Tenant",
    "Unauthenticated",
    "Unavailable",
    "UnguardedEndpointError",
    "User",
    "Via",
    "Where",
    "account_status",
    "app_check",
    "cloud_run",
    "custom_credential",
    "firebase",
    "firebase_session",
    "gateway",
    "google",
    "google_access_token",
    "google_chat",
    "groups",
    "iap",
    "oidc",
    "rules_from_iam_policy",
    "service_account",
]
