"""Rules: frozen values that say yes or no about the caller of a request.

A rule is pure and total: it looks at a few frozen `Facts`, does no I/O and raises nothing. ``&`` and ``|`` join rules;
there is no negation, because a negation lets in whatever its author did not think of. ``repr(rule)`` is code that makes
the rule again, ``str(rule)`` says it in IAM's words, ``rule.explain(facts)`` says why.

Leaves come in families. `User`, `ServiceAccount`, `Domain`, `AuthorizedParty`, `Scope` and `AnyGoogleAccount` speak of
Google identities; `FirebaseUser`, `Tenant`, `SignInProvider`, `SecondFactor`, `SignedInWithin`, `CustomClaim`,
`SignInAttribute` and `EmailDomain` of Firebase users; `Claim` of callers of another OpenID Connect provider, `Fact` of
those with a credential of the application's own, `Subject` of both. A leaf says no to every caller of another family.
`App` and `AnyApp` speak of the app that sent a request, and of no caller.

Each module imports only those before it::

    text            how names are read and compared
    facts           all that a rule may look at
    accounts        an account written out, or the one that the path names
    judging         how every rule is asked
    base            what every rule is; AllOf, AnyOf, explanations
    google          rules about Google identities
    chat            Google Chat and add-ons, as rules about Google identities
    firebase        rules about Firebase users
    subjects        rules about callers of other issuers, by their subject
    claims          rules that compare one value that a credential says
    apps            rules about the app that sent the request
    looked_up       rules about what only a look-up knows
    single_use      the rule that a token opens one request
    alternatives    the alternatives in a rule, and those that hold
    anyone          rules about any caller, or none
    reading         rules read, joined and taken apart
"""

from callerid.rules._accounts import PathParam
from callerid.rules._anyone import IssuedBy, Nobody, Public, Via, Where
from callerid.rules._apps import AnyApp, App, needs_app, some_app
from callerid.rules._base import AllOf, AnyOf, Explanation, Rule, described, is_joined, leaves
from callerid.rules._chat import GoogleChat
from callerid.rules._claims import Claim, CustomClaim, Fact, SignInAttribute
from callerid.rules._facts import NOT_ASKED, Facts, LookedUp
from callerid.rules._firebase import (
    EmailDomain,
    FirebaseUser,
    SecondFactor,
    SignedInWithin,
    SignInProvider,
    Tenant,
)
from callerid.rules._google import AnyGoogleAccount, AuthorizedParty, Domain, Scope, ServiceAccount, User
from callerid.rules._judging import admitted, needs_no_caller
from callerid.rules._looked_up import ACTIVE, Group, NotRevoked, Role, look_up_rules
from callerid.rules._reading import (
    STEPS,
    all_of,
    any_of,
    compared_with_path,
    is_public,
    member,
    missing_steps,
    needs_path,
    of_any_issuer,
    path_parameters,
    reads_path,
    without_public,
)
from callerid.rules._single_use import SingleUse, needs_use
from callerid.rules._subjects import Subject

__all__ = [
    "ACTIVE",
    "NOT_ASKED",
    "STEPS",
    "AllOf",
    "AnyApp",
    "AnyGoogleAccount",
    "AnyOf",
    "App",
    "AuthorizedParty",
    "Claim",
    "CustomClaim",
    "Domain",
    "EmailDomain",
    "Explanation",
    "Fact",
    "Facts",
    "FirebaseUser",
    "GoogleChat",
    "Group",
    "IssuedBy",
    "LookedUp",
    "Nobody",
    "NotRevoked",
    "PathParam",
    "Public",
    "Role",
    "Rule",
    "Scope",
    "SecondFactor",
    "ServiceAccount",
    "SignInAttribute",
    "SignInProvider",
    "SignedInWithin",
    "SingleUse",
    "Subject",
    "Tenant",
    "User",
    "Via",
    "Where",
    "admitted",
    "all_of",
    "any_of",
    "compared_with_path",
    "described",
    "is_joined",
    "is_public",
    "leaves",
    "look_up_rules",
    "member",
    "missing_steps",
    "needs_app",
    "needs_no_caller",
    "needs_path",
    "needs_use",
    "of_any_issuer",
    "path_parameters",
    "reads_path",
    "some_app",
    "without_public",
]
