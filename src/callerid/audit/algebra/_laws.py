"""Which leaves exclude each other, and which imply another."""

from __future__ import annotations

from callerid.audit.algebra._formula import formula
from callerid.audit.algebra._named import linked
from callerid.audit.algebra._statements import Conjunction, contradictory, with_consequences
from callerid.audit.algebra._traits import count
from callerid.rules import Rule

__all__ = ["MOST_ALTERNATIVES", "exclude", "implies"]

MOST_ALTERNATIVES = 10_000
"""So many are looked at; a rule with more of them is taken to admit somebody."""


def exclude(one: Rule, other: Rule) -> bool:
    """Whether no caller can satisfy both leaves. Where that cannot be told, they are taken to go together.

    The laws, each true because a caller has only one of the thing in question:

    - *families*: a leaf says no to every caller of another family, and a caller is of one. `Subject` speaks of those of
      two families: of an OpenID Connect provider, and of the application's own;
    - *persons and service accounts*: `User` and `Domain` admit no service account, `ServiceAccount` nothing else;
    - *one value*: of `Domain`, `EmailDomain`, `Tenant`, `SignInProvider`, `AuthorizedParty`, `IssuedBy`, of a uid or a
      subject, of one claim, fact or sign-in attribute (typed: ``1`` is not ``True``; a list or an object has no value).
      Two ``contains=`` go together: a list holds both;
    - *accounts*: an address against another, an id against another. An address and an id may be one account's, and a
      `PathParam` may name anybody, so these go together;
    - *hosted*: ``User(e)`` of a Gmail address excludes every `Domain`: such an account is of no Workspace. Other
      addresses go with any `Domain`, since a Workspace has further domains than the one it is named by;
    - *anonymous*: ``SignInProvider("anonymous")`` against ``FirebaseUser()``, which lets no anonymous user in;
    - *carriers*: one service carries a call, so ``Via(a)`` excludes ``Via(b)`` where ``a`` excludes ``b``;
    - *apps*: one app sends a request, so `App` excludes an `App` that shares no id with it;
    - `Nobody` excludes everything.

    `EmailDomain` and `Tenant` go together, because joined they mean "that tenant's users with such an address". So do
    `SignInAttribute` and `Tenant`.
    """
    if count(one) * count(other) > MOST_ALTERNATIVES:
        return False
    joined = (linked(term) for term in formula(one & other).written_out())
    return all(term is None or any(map(contradictory, term)) for term in joined)


def implies(one: Rule, other: Rule) -> bool:
    """Whether whoever satisfies the one leaf satisfies the other. Where that cannot be told: no.

    The laws:

    - everything implies `Public`, and `Nobody` implies everything;
    - every leaf about Google accounts implies `AnyGoogleAccount`; every leaf about Firebase users implies
      ``FirebaseUser(anonymous=True)``, and those that leave no room for anonymous ones ``FirebaseUser()``, too;
    - ``Subject(s, of=issuer)`` implies ``Subject(s)`` and ``IssuedBy(issuer)``;
    - ``FirebaseUser(uid)`` implies ``FirebaseUser()`` and ``FirebaseUser(uid, anonymous=True)``;
    - ``SignedInWithin(a)`` implies ``SignedInWithin(b)`` for ``a <= b``;
    - ``User(e)`` implies ``User(e, hosted=False)``. Of a Gmail address, or beside a `Domain`, the other way round, too;
    - ``Via(a)`` implies ``Via(b)`` where each alternative of ``a`` implies one of ``b``;
    - a `Where`, and a rule of the application's own, implies one with the same `fingerprint`, or its equal; and if it
      speaks of one family, whatever all of that family satisfy.

    No literal implies a `PathParam` or the other way round: the path may name anybody.
    """
    if count(one) * max(1, count(other)) > MOST_ALTERNATIVES:
        return False
    wanted = formula(other)
    return all(wanted.met_by(Conjunction(*map(with_consequences, term))) for term in formula(one).written_out())
