"""Callers for property tests with Hypothesis: whoever a rule may meet.

For instance::

    @given(callers(guard))
    def test_nobody_from_outside_may(caller):
        assert caller.domain == "example.com" or not guard.allows(caller, reports)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from callerid.callers import Caller, Kind
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore
from callerid.issuers import Issuer, SpeaksFor
from callerid.testing._callers import firebase_user, fitted, google_person, oidc_caller, own_caller, service_account
from callerid.testing._defaults import FIREBASE_PROJECT, OIDC_AUDIENCE

try:
    from hypothesis import strategies as st
except ImportError:
    raise ConfigurationError(
        "callerid.testing.strategies needs Hypothesis: pip install hypothesis", code="test-kit"
    ) from None

__all__ = ["callers", "firebase_users", "google_people", "oidc_callers", "own_callers", "service_accounts"]

NAMES: Final = ("ada", "ben")
DOMAINS: Final = ("example.com", "example.org")

_MONTH: Final = 30 * 86_400


def callers(
    guard: GuardCore | None = None, *, names: Sequence[str] = NAMES, domains: Sequence[str] = DOMAINS
) -> st.SearchStrategy[Caller]:
    """Callers of all families; with a ``guard`` those alone whom it may come to know, with its audiences and projects.

    ``names`` are those that your rules know (the part of an address before the ``@``, uids, subjects), ``domains``
    theirs: such callers come often, and others beside them. Raises `ConfigurationError` for a guard that knows no
    callers.
    """
    if guard is None:
        return st.one_of(
            google_people(names=names, domains=domains),
            service_accounts(names=names),
            firebase_users(names=names, domains=domains),
            oidc_callers(names=names),
        )
    known = [each for each in guard.issuers if SpeaksFor.CALLER in each.roles]
    found = [each for issuer in known for each in _of_issuer(issuer, guard, names, domains)]
    if not found:
        raise ConfigurationError(
            "a guard without an issuer of callers knows nobody: give it one, such as google(...)",
            code="guard-without-issuers",
        )
    return st.one_of(found)


def google_people(
    *, names: Sequence[str] = NAMES, domains: Sequence[str] = DOMAINS, audience: str | None = None
) -> st.SearchStrategy[Caller]:
    """People with a Google account: of Workspace, of Gmail, with another address, verified or not, or none."""

    def of_workspace(name: str, domain: str) -> Caller:
        return google_person(f"{name}@{domain}", domain=domain, audience=audience)

    def of_nothing(name: str, domain: str, is_verified: bool) -> Caller:
        return google_person(f"{name}@{domain}", email_verified=is_verified, audience=audience)

    def nameless(number: int) -> Caller:
        return google_person(None, subject=str(number), audience=audience)

    return st.one_of(
        st.builds(of_workspace, _words(names), st.sampled_from(domains)),
        st.builds(of_nothing, _words(names), st.sampled_from(("gmail.com", *domains)), st.booleans()),
        st.builds(nameless, st.integers(10**20, 10**21)),
    )


def service_accounts(
    *, names: Sequence[str] = NAMES, project: str = FIREBASE_PROJECT, audience: str | None = None
) -> st.SearchStrategy[Caller]:
    """Service accounts of a project, with their address in the token or without."""

    def made(name: str, includes: bool) -> Caller:
        address = f"{name}@{project}.iam.gserviceaccount.com"
        return service_account(address, include_email=includes, audience=audience)

    return st.builds(made, _words(names), st.booleans())


def firebase_users(
    *,
    names: Sequence[str] = NAMES,
    domains: Sequence[str] = DOMAINS,
    project: str | None = None,
    tenants: Sequence[str] = (),
) -> st.SearchStrategy[Caller]:
    """Users of a Firebase project: anonymous ones, by password, with a second factor, claims, and of these tenants."""

    def made(uid: str, ago: int, tenant: str | None, said: dict[str, Any], claims: dict[str, Any]) -> Caller:
        signed_in = int(time.time()) - ago
        return firebase_user(uid, project=project, tenant=tenant, signed_in_at=signed_in, claims=claims, **said)

    address = st.builds("{}@{}".format, _words(names), st.sampled_from(domains))
    said = st.one_of(
        st.just({"provider": "anonymous"}),
        st.fixed_dictionaries({"phone": st.from_regex(r"\A\+1555[0-9]{7}\Z")}),
        st.fixed_dictionaries(
            {
                "email": address,
                "email_verified": st.booleans(),
                "provider": st.sampled_from(("password", "google.com", "saml.acme")),
                "second_factor": st.sampled_from((None, "phone", "totp")),
            }
        ),
    )
    value = st.one_of(st.booleans(), st.integers(0, 9), _words(names), st.lists(_words(names), max_size=2))
    claims = st.dictionaries(st.sampled_from(("role", "team", "hd", "plan")), value, max_size=2)
    uid = st.one_of(
        st.sampled_from(names), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
    )
    return st.builds(made, uid, st.integers(0, _MONTH), st.sampled_from((None, *tenants)), said, claims)


def oidc_callers(
    *, names: Sequence[str] = NAMES, issuer: str | None = None, audience: str = OIDC_AUDIENCE
) -> st.SearchStrategy[Caller]:
    """Whom an OpenID Connect provider knows, with some claims."""
    claims = st.dictionaries(st.sampled_from(("role", "team")), _words(names), max_size=2)
    return st.builds(partial(oidc_caller, issuer=issuer, audience=audience), _words(names), claims=claims)


def own_callers(issuer: str, *, names: Sequence[str] = NAMES) -> st.SearchStrategy[Caller]:
    """Whoever has a credential of the application's own, with some facts."""
    facts = st.dictionaries(st.sampled_from(("role", "plan")), _words(names), max_size=2)
    return st.builds(partial(own_caller, issuer=issuer), _words(names), facts=facts)


def _of_issuer(
    issuer: Issuer, guard: GuardCore, names: Sequence[str], domains: Sequence[str]
) -> list[st.SearchStrategy[Caller]]:
    if issuer.account is not None:  # which speaks for itself, and for nobody else
        return [st.just(_of(issuer, service_account(issuer.account)))]
    if issuer.signer == "access_token":
        people = st.builds(partial(google_person, scopes=["openid"]), st.builds("{}@gmail.com".format, _words(names)))
        return [people.map(partial(fitted, guard=guard))]
    if issuer.kind is Kind.GOOGLE:
        every = (google_people(names=names, domains=domains), service_accounts(names=names))
        return [each.map(partial(fitted, guard=guard)) for each in every]
    if issuer.kind is Kind.FIREBASE:
        tenants: Sequence[str] = sorted(getattr(issuer, "tenants", None) or ())
        users = firebase_users(names=names, domains=domains, project=issuer.project, tenants=tenants)
        return [users.map(partial(_of, issuer))]
    if issuer.kind is Kind.OIDC:
        return [oidc_callers(names=names, issuer=issuer.name, audience=min(issuer.audiences))]
    return [own_callers(issuer.name, names=names)]


def _of(issuer: Issuer, caller: Caller) -> Caller:
    return replace(caller, issuer=issuer.name, audience=min(issuer.audiences))


def _words(names: Sequence[str]) -> st.SearchStrategy[str]:
    """One of these names, or another."""
    return st.one_of(st.sampled_from(names), st.from_regex(r"\A[a-z][a-z0-9]{5,9}\Z"))
