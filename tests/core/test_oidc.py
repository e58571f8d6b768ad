"""Tokens of OpenID Connect providers: whom they name, which are refused, and what an issuer may be."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from callerid import (
    AnyGoogleAccount,
    Claim,
    ConfigurationError,
    Domain,
    EmailDomain,
    FirebaseUser,
    Forbidden,
    Guard,
    IssuedBy,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    Subject,
    Unauthenticated,
    Unavailable,
    User,
    oidc,
)
from callerid.access import access_map, locked, newcomers
from callerid.asgi import CallerMiddleware
from callerid.audit.algebra import CannotTell, No, Side, new_access
from callerid.authentication import resolve
from callerid.callers import Claims, Profile
from callerid.issuers import OidcIssuer
from callerid.keys import DiscoveredKeys, KeyDocument, KeySource
from callerid.testing import HOSTILE_VARIANTS, LocalIssuer, as_caller, oidc_caller
from tests.asgi.world import Plain

from .made import ABSENT, ISSUER, NOW, PROJECT, odd

if TYPE_CHECKING:
    from collections.abc import Callable

    from callerid import Caller

ID, OTHER, GITHUB = "https://id.example.com", "https://other.example.com", "https://token.actions.githubusercontent.com"
PLAIN = ISSUER.oidc(ID, "orders", "orders-app")
MINT: Callable[..., str] = ISSUER.oidc_caller


def guard_of(*issuers: Any) -> Guard:
    return Guard(*(issuers or (PLAIN,)), clock=lambda: NOW)


def caller_by(token: str, *issuers: Any) -> Caller:
    return guard_of(*issuers).verify(token)


def refused(token: str, *issuers: Any) -> str:
    with pytest.raises(Unauthenticated) as caught:
        caller_by(token, *issuers)
    assert token not in str(caught.value) + repr(caught.value)
    return str(caught.value)


def altered(**claims: Any) -> str:
    token = ISSUER.altered(MINT(), **{name: value for name, value in claims.items() if value is not ABSENT})
    return ISSUER.without(token, *(name for name, value in claims.items() if value is ABSENT))


# --- whom they name ---


def test_its_callers_are_known_by_subject_and_claims_and_by_nothing_else() -> None:
    says = {"email": "ada@example.com", "email_verified": True, "hd": "example.com", "name": "Ada", "azp": "app"}
    caller = caller_by(MINT("ada", claims={**says, "groups": ["staff"]}))
    assert (caller.kind, caller.issuer, caller.subject, caller.audience) == (Kind.OIDC, ID, "ada", "orders")
    assert (caller.issued_at, caller.expires_at) == (NOW, NOW + 3600)
    assert str(caller) == "oidc:id.example.com/ada"
    assert caller.oidc is not None
    assert caller.oidc.claims["groups"] == ("staff",)
    assert set(caller.oidc.claims) == {"iss", "sub", "aud", "iat", "exp", *says, "groups"}
    assert (caller.email, caller.domain, caller.authorized_party, caller.firebase) == (None,) * 4
    assert not caller.is_service_account
    assert caller.profile == Profile("Ada")
    with pytest.raises(TypeError):
        cast("Any", caller.oidc.claims)["groups"] = ("admin",)


GOOGLES: list[Rule] = [
    AnyGoogleAccount(),
    Domain("example.com"),
    User("ada@example.com", hosted=False),
    User("7"),
    FirebaseUser(anonymous=True),
    FirebaseUser("7"),
    EmailDomain("example.com"),
]


@pytest.mark.parametrize("rule", GOOGLES, ids=str)
def test_they_are_nobody_to_the_rules_about_google_and_firebase(rule: Rule) -> None:
    guard = guard_of(PLAIN, ISSUER.google("https://x.example.com"), ISSUER.firebase(PROJECT))
    says = {"email": "ada@example.com", "email_verified": True, "hd": "example.com", "firebase": {"tenant": "acme"}}
    with pytest.raises(Forbidden):
        guard.verify(MINT("7", claims=says), rule)


def test_a_google_and_a_firebase_token_are_nobodys_subject() -> None:
    guard = guard_of(PLAIN, ISSUER.google("https://orders.example.com"), ISSUER.firebase(PROJECT))
    for token in (ISSUER.service_account(subject="7"), ISSUER.firebase_user("7")):
        with pytest.raises(Forbidden):
            guard.verify(token, Subject("7"))
    assert guard.verify(MINT("7"), Subject("7")) is not None


def test_each_provider_verifies_its_own_tokens() -> None:
    curved = "https://curved.example.com"
    other = ISSUER.oidc(curved, "orders", algorithm="ES256")
    for name in (ID, curved):
        assert caller_by(MINT(issuer=name), PLAIN, other).issuer == name
    forged = ISSUER.sign({"iss": ID, "sub": "ada", "aud": "orders", "iat": NOW, "exp": NOW + 60}, key=curved)
    assert refused(forged, PLAIN, other).startswith("wrong_algorithm: expected RS256, got 'ES256'")


# --- audiences ---


@pytest.mark.parametrize(
    ("audience", "party", "named"),
    [
        ("orders", ABSENT, "orders"),
        ("orders", "another-client", "orders"),
        (["orders"], ABSENT, "orders"),
        (["orders-app", "orders"], ABSENT, "orders-app"),
        (["elsewhere", "orders"], "orders", "orders"),
        (["orders", "elsewhere"], "orders-app", "orders"),
    ],
)
def test_a_token_is_for_us_if_one_of_its_audiences_is_ours(audience: object, party: object, named: str) -> None:
    assert caller_by(altered(aud=audience, azp=party)).audience == named


@pytest.mark.parametrize(
    ("audience", "party", "reason"),
    [
        ("elsewhere", "orders", "wrong_audience: expected orders, orders-app, got 'elsewhere'"),
        (["elsewhere"], "orders", "wrong_audience: expected orders, orders-app, got 'elsewhere'"),
        (["elsewhere", "orders"], ABSENT, "bad_claims: expected azp to be one of the accepted audiences, as the token"),
        (["elsewhere", "orders"], "elsewhere", "bad_claims: expected azp to be one of the accepted audiences"),
        (["elsewhere", "orders"], 7, "bad_claims: expected azp to be text, got a int"),
        ([], ABSENT, "bad_claims: expected aud to be a list of texts"),
        (["orders", 7], ABSENT, "bad_claims: expected aud to be a list of texts"),
        (["orders", ""], ABSENT, "bad_claims: expected aud to be a list of texts"),
        (["orders", ["orders"]], ABSENT, "bad_claims: expected aud to be a list of texts"),
        ({"orders": 1}, ABSENT, "bad_claims: expected aud to be text, got a dict"),
        (7, ABSENT, "bad_claims: expected aud to be text, got a int"),
        ("", ABSENT, "bad_claims: expected aud to be text"),
        ("ORDERS", ABSENT, "wrong_audience"),
        (ABSENT, ABSENT, "bad_claims: expected aud to be text, got none"),
    ],
)
def test_a_token_for_others_is_refused(audience: object, party: object, reason: str) -> None:
    assert refused(altered(aud=audience, azp=party)).startswith(reason)


def test_a_list_of_audiences_is_still_none_of_googles() -> None:
    guard = guard_of(PLAIN, ISSUER.google("https://orders.example.com"))
    token = ISSUER.altered(ISSUER.service_account(), aud=["https://orders.example.com"])
    with pytest.raises(Unauthenticated, match="expected aud to be text, got a list"):
        guard.verify(token)


# --- what is no token of a caller ---


@pytest.mark.parametrize("variant", HOSTILE_VARIANTS)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_every_hostile_variant_is_refused(variant: str, algorithm: Any) -> None:
    local = LocalIssuer(clock=lambda: NOW)
    issuer = local.oidc(ID, algorithm=algorithm)
    token = local.oidc_caller()
    assert caller_by(token, issuer)
    refused(getattr(local, variant)(token), issuer)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"sub": ABSENT}, "bad_claims: expected sub to be text, got none"),
        ({"sub": ""}, "bad_claims: expected sub to be text"),
        ({"sub": 7}, "bad_claims: expected sub to be text, got a int"),
        ({"sub": "a" * 256}, "bad_claims: expected sub to be 1 to 255 characters, got 256"),
        ({"sub": "ad\u00e5"}, "bad_claims: expected sub to be printable ASCII"),
        ({"sub": "ada\nadmin"}, "bad_claims: expected sub to be printable ASCII"),
        ({"exp": ABSENT}, "bad_claims: expected exp to be a date, got none"),
        ({"iat": ABSENT}, "bad_claims: expected iat to be a date, got none"),
        ({"iat": NOW + 31}, "not_yet_valid"),
        ({"nbf": NOW + 31}, "not_yet_valid"),
        ({"auth_time": NOW + 31}, "not_yet_valid"),
        ({"exp": NOW - 30}, "expired"),
        ({"iss": f"{ID}/"}, "unknown_issuer"),
        ({"iss": "http://id.example.com"}, "unknown_issuer"),
        ({"iss": "https://ID.example.com"}, "unknown_issuer"),
        (
            {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
            "bad_claims: expected a token of",
        ),
        ({"events": None}, "bad_claims: expected a token of a caller, got a security event or logout token"),
    ],
)
def test_a_token_that_names_nobody_clearly_is_refused(claims: dict[str, Any], reason: str) -> None:
    assert refused(altered(**claims)).startswith(reason)


def test_a_subject_is_taken_as_it_is() -> None:
    for subject in ("repo:acme/shop:ref:refs/heads/main", "a b", "https://acme.example/vm", "a" * 255):
        caller = caller_by(MINT(subject))
        assert guard_of().allows(caller, Subject(subject))
        assert not guard_of().allows(caller, Subject(f"{subject[:-1]}x"))


# --- what an issuer may be ---


@pytest.mark.parametrize(
    "name",
    [
        ID,
        f"{ID}/",
        f"{ID}/realms/shop",
        f"{ID}:8443/x",
        GITHUB,
        "http://127.0.0.1:8080",
        "http://localhost/x",
        "https://[::1]/",
    ],
)
def test_an_issuer_is_an_https_url_and_its_metadata_is_beside_it(name: str) -> None:
    made = oidc(name, "orders")
    assert (made.name, made.accepted_iss, made.audiences) == (name, frozenset({name}), frozenset({"orders"}))
    assert made.keys == DiscoveredKeys(name)
    assert str(made.keys) == f"{name.removesuffix('/')}/.well-known/openid-configuration"
    assert made.algorithm == "RS256"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: oidc(odd(None), "orders"), "takes the issuer's URL first"),
        (lambda: oidc("", "orders"), "if it comes from an environment variable: is that set?"),
        (lambda: oidc(odd(7), "orders"), "takes the issuer's URL first"),
        (lambda: oidc("id.example.com", "orders"), "takes an issuer's https URL"),
        (lambda: oidc("http://id.example.com", "orders"), "use https"),
        (lambda: oidc("file:///etc/keys", "orders"), "takes an issuer's https URL"),
        (lambda: oidc("https://", "orders"), "names no host"),
        (lambda: oidc(f"{ID}?x=1", "orders"), "has no query"),
        (lambda: oidc(f"{ID}#x", "orders"), "fragment"),
        (lambda: oidc("https://ada:secret@id.example.com", "orders"), "holds a user name"),
        (lambda: oidc(f"{ID} ", "orders"), "has a blank"),
        (lambda: oidc(f"{ID}:x/", "orders"), "cannot be read"),
        (lambda: oidc(ID), "name at least one"),
        (lambda: oidc(ID, ""), "is not an audience"),
        (lambda: oidc(ID, "*"), "is not a pattern"),
        (lambda: oidc(ID, "orders", algorithm=odd("HS256")), "algorithm is 'RS256' or 'ES256'"),
        (lambda: oidc(ID, "orders", keys="http://keys.example.com"), "use https"),
        (lambda: oidc("https://accounts.google.com", "orders"), "are read by google(...)"),
        (lambda: oidc("https://accounts.google.com/", "orders"), "are read by google(...)"),
        (lambda: oidc("https://ACCOUNTS.google.com.", "orders", keys=f"{ID}/keys"), "are read by google(...)"),
        (lambda: oidc("https://securetoken.google.com/shop-prod", "shop-prod"), "are read by firebase(...)"),
        (lambda: oidc("https://session.firebase.google.com/shop-prod", "x"), "are read by firebase_session(...)"),
        (lambda: oidc("https://cloud.google.com/iap", "x"), "are read by iap(...)"),
        (lambda: oidc("https://firebaseappcheck.googleapis.com/1", "x"), "are read by app_check(...)"),
        (lambda: oidc("robot@p.iam.gserviceaccount.com", "x"), "are read by service_account(...)"),
    ],
)
def test_another_issuer_is_an_error_that_names_the_remedy(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        make()
    assert words in str(told.value)
    assert "secret" not in str(told.value)


def test_two_issuers_that_could_claim_one_token_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=rf"two issuers claim the tokens of {ID}: write one with all"):
        Guard(oidc(ID, "orders"), oidc(ID, "other", algorithm="ES256"))
    guard = Guard(oidc(ID, "orders"))
    with pytest.raises(ConfigurationError, match="two issuers claim"):
        guard.trust(oidc(ID, "other"))
    guard.trust(oidc(ID, "orders"), oidc(OTHER, "orders"))
    assert [issuer.name for issuer in guard.issuers] == [ID, OTHER]


def test_the_look_alike_of_another_kind_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    for token, words in (
        (ISSUER.firebase_user("u1"), "a Firebase ID token"),
        (ISSUER.session_cookie(ISSUER.firebase_user("u1")), "a Firebase session cookie"),
        (ISSUER.person(), "'https://accounts.google.com'"),
        ("ya29.a0Af", "what looks like an OAuth access token"),
    ):
        assert words in refused(token)


# --- keys, found by metadata ---


def test_the_keys_are_found_by_the_metadata_of_the_issuer() -> None:
    with LocalIssuer() as local:
        guard = Guard(oidc(local.url, "orders"))
        for subject in ("ada", "ben"):
            assert guard.verify(local.oidc_caller(subject, issuer=local.url)).subject == subject
        assert local.fetches[local.url] == 1
        local.rotate(local.url)
        assert guard.verify(local.oidc_caller(issuer=local.url))
        local.oidc_keys(f"{local.url}/realms/shop", "ES256")
        second = Guard(oidc(f"{local.url}/realms/shop", "orders", algorithm="ES256"))
        assert second.verify(local.oidc_caller(issuer=f"{local.url}/realms/shop"))


def test_the_keys_may_be_certificates_at_another_address() -> None:
    with LocalIssuer() as local:
        local.oidc_keys(ID)
        guard = Guard(oidc(ID, "orders", keys=local.pem_url(ID)))
        assert guard.verify(local.oidc_caller(), Subject("ada")) is not None


def test_without_metadata_nobody_is_refused_for_it() -> None:
    with LocalIssuer() as local:
        local.oidc_keys("https://elsewhere.example")
        guard = Guard(oidc(f"{local.url}/nowhere", "orders"))
        token = local.sign(
            {"iss": f"{local.url}/nowhere", "sub": "a", "aud": "orders", "iat": 1, "exp": 9e9},
            key="https://elsewhere.example",
        )
        with pytest.raises(Unavailable, match=r"HTTP status 404") as told:
            guard.verify(token)
        assert told.value.retry_after > 0


# --- in tests, the map, the lock ---


def app_of(rule: Rule, *issuers: Any) -> Any:
    routes = {"/{who}": rule, "/x/open": Public()}
    return CallerMiddleware(Plain(), guard=guard_of(*issuers), default=Nobody(), routes=routes)


def test_the_lock_names_its_keys_algorithm_and_audiences_and_is_read_back() -> None:
    app = app_of(Subject("ada"), oidc(ID, "orders", algorithm="ES256"))
    text = locked(access_map(app))
    for line in (f"issuer {ID}", f"keys {ID}/.well-known/openid-configuration", "algorithm ES256", "audience orders"):
        assert f"{line}\n" in text
    assert "callers of the kind oidc\n" in text
    assert "allow Subject('ada')\n" in text
    assert not newcomers(text, access_map(app))


@pytest.mark.parametrize(
    ("before", "after", "who"),
    [
        (
            (Subject("ada"), PLAIN),
            (Subject("ada") | Claim("role", "x"), PLAIN),
            f"a caller known to {ID} whose claim role is 'x', not subject:ada",
        ),
        (
            (Claim(("a", "b"), contains=1), PLAIN),
            (Claim(("a", "b"), contains=2), PLAIN),
            f"a caller known to {ID} whose claim a.b is [2], not oidcClaim:a.b\u220b1",
        ),
        (
            (Subject("ada"), ISSUER.oidc(ID, "orders")),
            (Subject("ada"), PLAIN),
            f"the caller known as 'ada' to {ID}, with a token for orders-app",
        ),
        (
            (Subject(PathParam("who")), PLAIN),
            (IssuedBy(ID), PLAIN),
            f"a caller known to {ID}, where {{who}} names somebody else, not subject:{{who}}",
        ),
    ],
    ids=lambda each: str(each)[:30],
)
def test_who_comes_in_anew_is_told(before: tuple[Rule, Any], after: tuple[Rule, Any], who: str) -> None:
    found = newcomers(locked(access_map(app_of(*before))), access_map(app_of(*after)))
    assert [str(each).split(": ", 1)[1][: len(who)] for each in found] == [who]
    assert not newcomers(locked(access_map(app_of(*after))), access_map(app_of(*after)))


def test_a_change_of_the_algorithm_or_the_keys_is_one_of_whom_it_believes() -> None:
    rule = Subject("ada")
    for other in (oidc(ID, "orders", algorithm="ES256"), oidc(ID, "orders", keys=f"{ID}/keys")):
        sides = Side(rule, issuers=(oidc(ID, "orders"),)), Side(rule, issuers=(other,))
        assert isinstance(new_access(*sides), CannotTell)
        assert isinstance(new_access(sides[0], sides[0]), No)


def test_a_test_acts_as_its_callers() -> None:
    guard = Guard(oidc(GITHUB, "deploy"))
    made = oidc_caller("repo:acme/shop", claims={"ref": "refs/heads/main"})
    with as_caller(guard, made) as caller:
        assert (caller.issuer, caller.audience) == (GITHUB, "deploy")
        identity = resolve(partial(guard.identify, {}))
        assert identity.caller == caller
        assert guard.allows(caller, Subject("repo:acme/shop") & Claim("ref", "refs/heads/main"))
    several = guard_of(PLAIN, oidc(GITHUB, "deploy"))
    with pytest.raises(ValueError, match=rf"oidc_caller\('ada', issuer='{ID}'\)"), as_caller(several, oidc_caller()):
        pass
    with as_caller(several, oidc_caller(issuer=GITHUB, audience="deploy")) as caller:
        assert caller.issuer == GITHUB
    with pytest.raises(ValueError, match="nobody of"), as_caller(guard_of(ISSUER.firebase(PROJECT)), oidc_caller()):
        pass


def test_a_local_issuer_stands_in_for_its_providers() -> None:
    guard = Guard(oidc(GITHUB, "deploy"), oidc(OTHER, "x", algorithm="ES256"))
    with LocalIssuer().stands_in_for(guard) as local:
        assert guard.verify(local.oidc_caller("a", issuer=GITHUB, audience="deploy")).issuer == GITHUB
        assert guard.verify(local.oidc_caller("a", issuer=OTHER, audience="x")).issuer == OTHER
        with pytest.raises(Unauthenticated):
            guard.verify(local.sign({**claims_of(GITHUB, local)}, key=OTHER))


def claims_of(name: str, local: LocalIssuer) -> dict[str, Any]:
    now = int(local.clock())
    return {"iss": name, "sub": "a", "aud": "deploy", "iat": now, "exp": now + 60}


def test_an_issuer_is_a_value() -> None:
    assert oidc(ID, "a", "b") == oidc(ID, "b", "a")
    assert oidc(ID, "a") != oidc(ID, "a", algorithm="ES256")
    assert isinstance(oidc(ID, "a"), OidcIssuer)
    assert isinstance(oidc(ID, "a", keys=f"{ID}/keys").keys, KeySource)
    document = KeyDocument('{"keys": []}')
    assert oidc(ID, "a", keys=document).keys is document
    assert replace(oidc(ID, "a"), keys=document).keys is document
    assert Claims({"a": 1}) == {"a": 1}
