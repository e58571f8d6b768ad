"""Session cookies and assertions of IAP: what is read of them, whom they name, and where they may come from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import (
    Caller,
    ConfigurationError,
    CrossSite,
    Domain,
    FirebaseUser,
    Guard,
    Kind,
    Reason,
    Refusal,
    SignedInWithin,
    Tenant,
    Unauthenticated,
    firebase,
    firebase_session,
    google,
    iap,
)
from callerid.audit.algebra import No, Side, Yes, new_access
from callerid.authentication import resolve
from callerid.authentication._bare import bare_credential
from callerid.authentication._same_origin import check_same_origin, origins
from callerid.guard import Identity
from callerid.issuers import IAP_ASSERTION, CredentialLocation, cookie_location
from callerid.testing import LocalIssuer
from callerid.testing._claims import numeric_id
from callerid.testing._compact import header_and_claims

from .made import ISSUER, NOW, PROJECT, URL, firebase_token, google_token

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
APP_ENGINE = "/projects/123456789012/apps/shop-prod"
CLOUD_RUN = "/projects/123456789012/locations/europe-west1/services/orders"

SESSION = ISSUER.session_cookie(ISSUER.firebase_user("ada", email="ada@example.com"))
ASSERTION = ISSUER.iap_assertion(ISSUER.workspace_person("ada@example.com"))

GET = {":method": ["GET"]}


def guard_of(*issuers: Any, **options: Any) -> Guard:
    return Guard(*issuers, clock=lambda: NOW, **options)


EVERY = (ISSUER.google(URL), ISSUER.firebase(PROJECT), ISSUER.firebase_session(PROJECT, ["acme"]), ISSUER.iap(BACKEND))
GUARD = guard_of(*EVERY)
EXTERNAL = guard_of(ISSUER.iap(BACKEND, external=PROJECT, tenants=["acme"]))


def identify(guard: Guard, sent: Mapping[str, list[str]]) -> Identity:
    return resolve(partial(guard.identify, {**GET, **sent}))


def by_cookie(token: str, guard: Guard = GUARD, name: str = "session") -> Caller:
    caller = identify(guard, {"cookie": [f"{name}={token}"]}).caller
    assert caller is not None
    return caller


def by_iap(token: str, guard: Guard = GUARD) -> Caller:
    caller = identify(guard, {"x-goog-iap-jwt-assertion": [token]}).caller
    assert caller is not None
    return caller


def refusal(attempt: Any, token: str, *more: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        attempt(token, *more)
    assert token not in str(refused.value) + refused.value.remedy
    return refused.value


# --- sessions ---


def test_a_session_has_the_facts_of_its_id_token() -> None:
    user = ISSUER.firebase_user(
        "ada",
        email="ada@example.com",
        tenant="acme",
        second_factor="totp",
        signed_in_at=NOW - 60,
        claims={"admin": True},
    )
    session = by_cookie(ISSUER.session_cookie(user, lifetime=86_400))
    token = guard_of(ISSUER.firebase(PROJECT, ["acme"])).verify(user)
    assert session.firebase == token.firebase
    assert (session.email, session.kind, str(session)) == (token.email, Kind.FIREBASE, str(token))
    assert session.issuer == "https://session.firebase.google.com/shop-prod"
    assert session.expires_at - session.issued_at == 86_400


def test_a_session_seen_before_costs_no_signature_check(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = guard_of(*EVERY)
    first = by_cookie(SESSION, guard)
    monkeypatch.setattr("callerid.authentication._verification.parse", None)
    assert by_cookie(SESSION, guard) is first
    with pytest.raises(TypeError):
        guard.verify(SESSION)  # in another location it is another credential


@pytest.mark.parametrize("lifetime", [300, 14 * 86_400])
def test_sessions_live_for_five_minutes_to_fourteen_days(lifetime: int) -> None:
    assert by_cookie(ISSUER.session_cookie(firebase_token(), lifetime=lifetime)).firebase is not None


@pytest.mark.parametrize("lifetime", [299, 14 * 86_400 + 61])
def test_no_session_lives_for_less_or_for_more(lifetime: int) -> None:
    session = ISSUER.session_cookie(firebase_token(), lifetime=lifetime, hostile=True)
    assert refusal(by_cookie, session).detail.startswith("expected exp to be 300 to 1209600 s after iat, got")


def test_a_session_says_when_its_user_signed_in() -> None:
    refused = refusal(by_cookie, ISSUER.without(SESSION, "auth_time"))
    assert (refused.reason, refused.detail) == (Reason.BAD_CLAIMS, "expected auth_time to be a date, got none")


def test_sessions_and_id_tokens_are_not_taken_for_each_other_and_the_log_says_which_it_was() -> None:
    refused = refusal(by_cookie, firebase_token())
    assert refused.status == 401
    assert refused.detail == (
        "expected https://session.firebase.google.com/shop-prod, "
        "got 'https://securetoken.google.com/shop-prod': a Firebase ID token"
    )
    assert refused.remedy == "tokens of this issuer are read from authorization, and not from cookie session"
    refused = refusal(GUARD.verify, SESSION)
    assert refused.detail.endswith("/shop-prod': a Firebase session cookie, which is not an ID token")
    assert refused.remedy == "tokens of this issuer are read from cookie session, and not from authorization"
    refused = refusal(GUARD.verify, ASSERTION)
    assert refused.detail.endswith("/iap': an IAP assertion, which is not an ID token")


def test_the_keys_of_sessions_are_not_those_of_id_tokens() -> None:
    guard = guard_of(firebase_session(PROJECT, keys=ISSUER.keys_of("firebase")))
    assert refusal(by_cookie, SESSION, guard).reason is Reason.UNKNOWN_KEY
    assert firebase_session(PROJECT).keys != firebase(PROJECT).keys


def test_the_cookie_may_have_another_name() -> None:
    guard = guard_of(ISSUER.firebase_session(PROJECT, cookie="__session"))
    assert by_cookie(SESSION, guard, "__session").subject == "ada"
    assert identify(guard, {"cookie": [f"session={SESSION}"]}).caller is None


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a,b", "é", "a\n", None, 7, '"a"', "a/b"])
def test_a_cookies_name_is_one(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="cookie= is the name of a cookie"):
        firebase_session(PROJECT, cookie=name)


@pytest.mark.parametrize("project", ["", None, "a/b", 7])
def test_a_session_is_of_a_project(project: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"firebase_session\(\.\.\.\) takes a project's id"):
        firebase_session(project)


# --- assertions ---


def test_an_assertion_names_a_google_account() -> None:
    caller = by_iap(ASSERTION)
    assert (str(caller), caller.domain, caller.kind) == ("user:ada@example.com", "example.com", Kind.GOOGLE)
    assert caller.subject == numeric_id("ada@example.com")
    assert (caller.issuer, caller.audience) == ("https://cloud.google.com/iap", BACKEND)
    assert not caller.is_service_account


def test_a_service_account_is_one_behind_iap_and_is_of_no_workspace() -> None:
    robot = ISSUER.iap_assertion(ISSUER.service_account("robot@shop-prod.iam.gserviceaccount.com"))
    caller = by_iap(ISSUER.altered(robot, hd="example.com"))
    assert (str(caller), caller.domain) == ("serviceAccount:robot@shop-prod.iam.gserviceaccount.com", None)


@pytest.mark.parametrize("subject", ["1", "accounts.google.com:", "accounts.google.com:\t", "sts.google.com:1"])
def test_the_subject_of_an_assertion_is_a_google_account(subject: str) -> None:
    refused = refusal(by_iap, ISSUER.altered(ASSERTION, sub=subject))
    assert refused.detail.startswith("expected sub to be accounts.google.com: and an account's id, got")


def test_an_assertion_without_an_email_is_of_the_account_alone() -> None:
    caller = by_iap(ISSUER.altered(ISSUER.without(ASSERTION, "email", "hd"), email=""))
    assert (caller.email, caller.domain, str(caller)) == (None, None, f"user:{caller.subject}")


@pytest.mark.parametrize("lifetime", [600, 660])
def test_assertions_live_for_ten_minutes_and_twice_the_leeway(lifetime: int) -> None:
    assert by_iap(ISSUER.iap_assertion(google_token(), lifetime=lifetime, hostile=True)).subject
    longer = ISSUER.iap_assertion(google_token(), lifetime=lifetime + 61, hostile=True)
    assert refusal(by_iap, longer).reason is Reason.BAD_CLAIMS


def test_no_assertion_ends_before_it_begins() -> None:
    assert refusal(by_iap, ISSUER.altered(ASSERTION, exp=NOW - 5)).reason is Reason.BAD_CLAIMS


@pytest.mark.parametrize("audience", [BACKEND, APP_ENGINE, CLOUD_RUN])
def test_the_three_forms_of_audience_are_accepted(audience: str) -> None:
    guard = guard_of(ISSUER.iap(audience))
    assert by_iap(ISSUER.iap_assertion(google_token(), audience=audience), guard).audience == audience
    elsewhere = ISSUER.iap_assertion(google_token(), audience=audience.replace("1", "2"))
    refused = refusal(by_iap, elsewhere, guard)
    assert refused.reason is Reason.WRONG_AUDIENCE
    assert audience in refused.detail


@pytest.mark.parametrize(
    "audience",
    [
        URL,
        "1234-abc.apps.googleusercontent.com",
        "/projects/shop-prod/apps/shop-prod",
        "/projects/1/apps/",
        "/projects/1/apps/a/b",
        "/projects/1/global/backendServices/orders",
        "/projects/1/locations/europe-west1/services/",
        "/projects/1/locations//services/orders",
        "projects/1/apps/shop-prod",
        "/projects/1/apps/shop-prod\n",
        "",
    ],
)
def test_other_forms_of_audience_are_errors(audience: str) -> None:
    with pytest.raises(ConfigurationError, match=r"audience"):
        iap(audience)


def test_iap_needs_an_audience() -> None:
    with pytest.raises(ConfigurationError, match="name at least one"):
        iap()


def test_an_assertion_is_signed_by_es256_alone() -> None:
    by_rsa = ISSUER.sign(header_and_claims(ASSERTION)[1], key="google")
    assert refusal(by_iap, by_rsa).reason is Reason.WRONG_ALGORITHM


# --- external identities ---

USER = ISSUER.firebase_user("ada", email="ada@example.com", signed_in_at=NOW - 60, claims={"admin": True})
TENANTS = ISSUER.firebase_user("ada", tenant="acme", provider="saml.acme", email="a@b.com", email_verified=False)


@pytest.mark.parametrize(("user", "name"), [(USER, "ada"), (TENANTS, "acme/ada")])
def test_an_external_identity_has_the_facts_of_its_id_token(user: str, name: str) -> None:
    caller = by_iap(ISSUER.iap_assertion(user), EXTERNAL)
    token = guard_of(ISSUER.firebase(PROJECT, ["acme"])).verify(user)
    assert caller.firebase == token.firebase
    assert (caller.email, caller.has_unverified_email) == (token.email, token.has_unverified_email)
    assert (caller.kind, str(caller), caller.audience) == (Kind.FIREBASE, f"firebase:shop-prod/{name}", BACKEND)


def test_google_accounts_and_external_identities_are_not_taken_for_each_other() -> None:
    external = ISSUER.iap_assertion(USER)
    for token in (external, ISSUER.altered(ASSERTION, gcip={}), ISSUER.altered(ASSERTION, identity_source="GCIP")):
        refused = refusal(by_iap, token)
        assert (refused.reason, "external='PROJECT'" in refused.remedy) == (Reason.BAD_CLAIMS, True)
    for token in (ASSERTION, ISSUER.without(external, "identity_source"), ISSUER.altered(external, identity_source=1)):
        refused = refusal(by_iap, token, EXTERNAL)
        assert (refused.reason, "without external=" in refused.remedy) == (Reason.BAD_CLAIMS, True)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "securetoken.google.com/other-prod:ada"},
        {"sub": "securetoken.google.com/shop-prod:ben"},
        {"sub": "securetoken.google.com/shop-prod/acme:ada"},
        {"sub": "accounts.google.com:1"},
        {"gcip": {}},
        {"gcip": {"sub": ""}},
        {"gcip": {"sub": "a" * 129}},
        {"gcip": {"sub": "ada", "firebase": {"tenant": "acme"}}},
        {"gcip": {"sub": "ada", "firebase": 1}},
        {"gcip": "ada"},
    ],
    ids=str,
)
def test_an_external_identity_is_of_the_project_and_the_user_that_its_subject_names(claims: dict[str, Any]) -> None:
    token = ISSUER.altered(ISSUER.iap_assertion(USER), **claims)
    assert refusal(by_iap, token, EXTERNAL).reason is Reason.BAD_CLAIMS


def test_an_external_project_is_an_id() -> None:
    with pytest.raises(ConfigurationError, match="takes a project's id"):
        iap(BACKEND, external="")


def test_both_families_may_be_behind_backends_of_their_own() -> None:
    guard = guard_of(ISSUER.iap(BACKEND), ISSUER.iap(CLOUD_RUN, external=PROJECT))
    assert by_iap(ASSERTION, guard).kind is Kind.GOOGLE
    assert by_iap(ISSUER.iap_assertion(USER, audience=CLOUD_RUN), guard).kind is Kind.FIREBASE
    assert refusal(by_iap, ISSUER.iap_assertion(USER), guard).reason is Reason.BAD_CLAIMS
    for rule in (Domain("example.com"), FirebaseUser("ada")):
        guard.check_possible(guard.requirement(rule), "/x")
    with pytest.raises(ConfigurationError, match="names none of the guard's Firebase projects: shop-prod"):
        guard.check_possible(guard.requirement(FirebaseUser("ada", project="bank-prod")), "/x")


def test_two_issuers_of_one_backend_are_an_error() -> None:
    for other in (ISSUER.iap(BACKEND, CLOUD_RUN), ISSUER.iap(BACKEND, external=PROJECT)):
        with pytest.raises(ConfigurationError, match=r"two issuers claim the tokens of https://cloud\.google\.com/iap"):
            guard_of(ISSUER.iap(BACKEND), other)
    with pytest.raises(ConfigurationError, match="two issuers claim the tokens of https://session"):
        guard_of(firebase_session(PROJECT), ISSUER.firebase_session(PROJECT))


# --- audiences ---


def test_an_audience_beside_a_rule_speaks_of_google_id_tokens_alone() -> None:
    staff = GUARD.requirement(Domain("example.com"), audience=f"{URL}/tasks")
    assert GUARD.judge(staff, identify(GUARD, {"x-goog-iap-jwt-assertion": [ASSERTION]}), {}) == by_iap(ASSERTION)
    with pytest.raises(Unauthenticated, match="wrong_audience"):
        GUARD.judge(staff, Identity(caller=GUARD.verify(ISSUER.service_account(audience=URL))), {})


def test_an_audience_is_an_error_where_no_google_id_token_is_read() -> None:
    guard = guard_of(ISSUER.iap(BACKEND))
    with pytest.raises(ConfigurationError, match="/x: audience= names audiences of Google ID tokens, and this guard"):
        guard.check_possible(guard.requirement(Domain("example.com"), audience=URL), "/x")
    guard.check_possible(guard.requirement(Domain("example.com")), "/x")


# --- which credential counts ---


def test_a_location_is_read_where_an_issuer_reads_it_and_nowhere_else() -> None:
    proof = {":path", ":method", "sec-fetch-site", "origin", "upgrade"}
    assert set(GUARD.headers.values()) == {*GUARD.slots, *proof}
    assert GUARD.slots == {"authorization", "x-serverless-authorization", "cookie", "x-goog-iap-jwt-assertion"}
    plain = Guard(google(URL), firebase(PROJECT))
    assert set(plain.headers.values()) == plain.slots == {"authorization", "x-serverless-authorization"}
    guard = guard_of(ISSUER.firebase_session(PROJECT))
    assert (set(guard.slots), set(guard.headers.values())) == ({"cookie"}, {"cookie", *proof})
    guard.distrust(*guard.issuers)
    assert not guard.headers


def test_while_the_key_of_a_bearer_token_is_fetched_no_cookie_is_read() -> None:
    with LocalIssuer(clock=lambda: NOW) as remote:
        guard = guard_of(remote.google(URL), ISSUER.firebase_session(PROJECT), ISSUER.iap(BACKEND))
        sent = {"authorization": [f"Bearer {remote.service_account(audience=URL)}"], "cookie": ["session=word"], **GET}
        found = resolve(partial(guard.identify, sent))  # asked twice, unless the key comes at once
        assert found.caller is not None
        assert found.caller.is_service_account


def test_keys_of_sessions_are_waited_for_beside_those_of_a_carrier() -> None:
    with LocalIssuer(clock=lambda: NOW) as remote:
        guard = guard_of(remote.google(URL), remote.firebase_session(PROJECT))
        sent = {
            "x-serverless-authorization": [f"Bearer {remote.service_account(audience=URL)}"],
            "cookie": [f"session={remote.session_cookie(remote.firebase_user('ada'))}"],
        }
        found = identify(guard, sent)
        assert found.caller is not None
        assert found.caller.via == found.via != None  # noqa: E711 - the two are one, and there is one


def test_what_is_ignored_is_told_beside_a_cookie() -> None:
    found = identify(GUARD, {"authorization": ["Basic YTpi"], "cookie": [f"session={SESSION}"]})
    assert found.caller is not None
    assert found.ignored == "Authorization has the scheme Basic, and only Bearer is read"


# --- cookies, whatever is sent ---

COOKIE = cookie_location("session")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((), None),
        (("",), None),
        (("session=",), None),
        (("session",), None),
        (("a=1; b",), None),
        (("session=t",), "t"),
        ((";;session=t;;",), "t"),
        (("a=session=t",), None),
        (("a=1, b=2; session=t",), "t"),
        (("a=1,session=t",), ConfigurationError),
        (("session=t,",), ConfigurationError),
        (("session=t", "a=1"), "t"),
        (("session=t", "session=t"), ConfigurationError),
        (("session=t\0",), ConfigurationError),
        (("session=t u",), ConfigurationError),
        (("session==t",), "=t"),
    ],
)
def test_cookies_are_read_as_pairs(values: tuple[str, ...], found: Any) -> None:
    if found is ConfigurationError:
        with pytest.raises(Refusal) as refused:
            bare_credential(COOKIE, values)
        assert refused.value.status == 400
        assert "the cookie session" in refused.value.detail
    else:
        assert bare_credential(COOKIE, values) == found


def credential_of(location: CredentialLocation, values: list[str]) -> str | int | None:
    """The token, or the status of the refusal."""
    try:
        return bare_credential(location, values)
    except Refusal as refused:
        return refused.status


@given(values=st.lists(st.text(alphabet='session=t;, \t\0"é', max_size=20), max_size=3))
@pytest.mark.slow
def test_whatever_is_sent_it_is_one_token_or_none_or_refused(values: list[str]) -> None:
    for location in (COOKIE, IAP_ASSERTION):
        found = credential_of(location, values)
        one_token = isinstance(found, str) and found.split() == [found] and "," not in found
        assert found in (None, 400) or one_token


# --- where requests come from ---


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "", "WEBSOCKET"])
def test_what_changes_something_has_to_come_from_the_own_pages(method: str) -> None:
    check_same_origin({":method": [method]}, frozenset())
    check_same_origin({":method": [method], "sec-fetch-site": ["same-origin"]}, frozenset())
    check_same_origin({":method": [method], "sec-fetch-site": ["none"]}, frozenset())
    check_same_origin({":method": [method], "origin": [URL]}, frozenset({URL}))
    for sent in ({"sec-fetch-site": ["cross-site"]}, {"sec-fetch-site": ["same-site"]}, {"origin": [URL]}):
        with pytest.raises(CrossSite) as refused:
            check_same_origin({":method": [method], **sent}, frozenset())
        assert (refused.value.status, refused.value.reason) == (403, Reason.CROSS_SITE)
        assert "trusted_origins" in refused.value.remedy


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_may_come_from_anywhere_but_a_handshake(method: str) -> None:
    sent = {":method": [method], "sec-fetch-site": ["cross-site"]}
    check_same_origin(sent, frozenset())
    with pytest.raises(CrossSite):
        check_same_origin({**sent, "upgrade": ["WebSocket"]}, frozenset())


def test_where_no_method_is_told_a_proof_is_needed() -> None:
    with pytest.raises(CrossSite, match=r"got no Sec-Fetch-Site and Origin 'https://evil\.example'"):
        check_same_origin({"origin": ["https://evil.example"]}, frozenset())
    with pytest.raises(CrossSite, match="got no Sec-Fetch-Site and no Origin"):
        check_same_origin({}, frozenset())
    check_same_origin({"origin": [URL]}, frozenset({URL}))


def test_what_a_client_writes_into_an_origin_is_escaped_and_cut() -> None:
    with pytest.raises(CrossSite) as refused:
        check_same_origin({"origin": ["é\n" * 400]}, frozenset())
    assert refused.value.detail.isascii()
    assert len(refused.value.detail) < 2_000


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "orders.example.com",
        "https://",
        f"{URL}/",
        "https://ORDERS.example.com",
        f"{URL}:443",
        "https://*.a.b",
        "http://a.example:80",
        "https://a.example/b",
        "https://u@a.example",
        "https://a.example:",
        "https://a b",
        None,
        7,
    ],
)
def test_what_is_no_origin_is_an_error(origin: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no origin|is never sent"):
        Guard(trusted_origins=(origin,))


@pytest.mark.parametrize("given", ["https://orders.example.com", None, 7])
def test_origins_are_several(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="trusted_origins= takes several"):
        Guard(trusted_origins=given)


def test_origins_may_have_ports_and_addresses() -> None:
    several = ("https://a.example:8443", "http://localhost:8000", "http://[::1]:80800", "http://127.0.0.1", "app://a")
    assert origins(several) == set(several)


def test_a_guard_like_another_has_its_origins_or_its_own() -> None:
    guard = guard_of(*EVERY, trusted_origins=(URL,))
    sent = {":method": ["POST"], "origin": [URL], "cookie": [f"session={SESSION}"]}
    for same in (guard, Guard.like(guard)):
        assert identify(same, sent).caller is not None
    for other in (Guard.like(guard, trusted_origins=()), Guard.like(guard, trusted_origins=("https://b.example",))):
        with pytest.raises(CrossSite):
            identify(other, sent)


@pytest.mark.parametrize("named", [(), ("other",)])
def test_users_of_a_tenant_that_is_not_named_are_refused_however_they_come(named: tuple[str, ...]) -> None:
    guard = guard_of(
        ISSUER.firebase(PROJECT, named),
        ISSUER.firebase_session(PROJECT, named),
        ISSUER.iap(BACKEND, external=PROJECT, tenants=named),
    )
    refused = (
        refusal(guard.verify, TENANTS),
        refusal(by_cookie, ISSUER.session_cookie(TENANTS), guard),
        refusal(by_iap, ISSUER.iap_assertion(TENANTS), guard),
    )
    for each in refused:
        assert each.reason is Reason.WRONG_TENANT
        assert each.detail.endswith("got one of the tenant 'acme'")
        assert "tenants=('acme',)" in each.remedy
        assert ("or of 'other'" in each.detail) is bool(named)


def test_users_of_no_tenant_are_believed_beside_those_of_named_ones() -> None:
    guard = guard_of(ISSUER.firebase(PROJECT, ["acme"]))
    tenants = [guard.verify(token).firebase for token in (USER, TENANTS)]
    assert [None if each is None else each.tenant for each in tenants] == [None, "acme"]


@pytest.mark.parametrize("tenants", ["acme", ("",), (" acme",), ("acme", None), None, 1, ("a\nb",)])
def test_what_names_no_tenants_is_an_error(tenants: Any) -> None:
    for make in (firebase, firebase_session):
        with pytest.raises(ConfigurationError, match="takes the ids of tenants"):
            make(PROJECT, tenants)
    with pytest.raises(ConfigurationError, match="takes the ids of tenants"):
        iap(BACKEND, external=PROJECT, tenants=tenants)


def test_tenants_of_iap_are_those_of_a_project() -> None:
    with pytest.raises(ConfigurationError, match="name that, too"):
        iap(BACKEND, tenants=["acme"])


def test_tenants_are_in_the_lock_and_a_further_one_is_new_access() -> None:
    one, both = firebase(PROJECT, ["acme"]), firebase(PROJECT, ["acme", "other"])
    assert one.settings == {"audience": {PROJECT}, "tenant": {"acme"}}
    assert both.with_settings(one.settings) == both.narrowed(one) == one
    rule = SignedInWithin(60)
    assert isinstance(new_access(Side(rule, issuers=(both,)), Side(rule, issuers=(one,))), No)
    verdict = new_access(Side(rule, issuers=(one,)), Side(rule, issuers=(both,)))
    assert isinstance(verdict, Yes)
    assert verdict.witness.tenant == "other"
    assert isinstance(new_access(Side(Tenant("acme"), issuers=(one,)), Side(Tenant("acme"), issuers=(both,))), No)


def test_a_rule_about_a_tenant_that_no_issuer_names_is_found_at_the_start() -> None:
    guard = guard_of(ISSUER.firebase(PROJECT, ["acme"]))
    guard.check_possible(guard.requirement(Tenant("acme")), "GET /a")
    with pytest.raises(ConfigurationError, match=r"Tenant\('other'\) needs an issuer that names it"):
        guard.check_possible(guard.requirement(Tenant("other")), "GET /a")
