"""The Firebase Auth emulator's unsigned tokens: believed where it is written out, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from callerid import (
    ConfigurationError,
    FirebaseUser,
    Guard,
    Issuer,
    Nobody,
    Public,
    Reason,
    Tenant,
    Unauthenticated,
    custom_credential,
    firebase,
    firebase_session,
    google,
    iap,
)
from callerid.authentication import NOBODY
from callerid.issuers import AUTHORIZATION, SERVERLESS_AUTHORIZATION, FirebaseIssuer, GoogleIssuer, is_emulated
from callerid.issuers._emulator import NO_KEYS
from callerid.testing import LocalIssuer
from callerid.testing._compact import compact, encode, header_and_claims

from .made import NOW, URL, assert_silent

PROJECT = "demo-shop"
EMULATOR = "127.0.0.1:9099"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
PLATFORMS = ("K_SERVICE", "GAE_ENV", "GAE_INSTANCE", "KUBERNETES_SERVICE_HOST")
SIGNER = LocalIssuer(clock=lambda: NOW)
UNSIGNED = {"alg": "none", "typ": "JWT"}


@pytest.fixture(autouse=True)
def on_a_developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PLATFORMS:
        monkeypatch.delenv(name, raising=False)


def emulated(**options: Any) -> FirebaseIssuer:
    return firebase(PROJECT, emulator=EMULATOR, **options)


def guard_of(*issuers: Issuer, **options: Any) -> Guard:
    return Guard(*issuers, clock=lambda: NOW, **options)


def signed(uid: str = "u1", **facts: Any) -> str:
    return SIGNER.firebase_user(uid, project=PROJECT, **facts)


def minted(uid: str = "u1", **facts: Any) -> str:
    return SIGNER.unsigned(signed(uid, **facts))


def rewritten(token: str, header: Any = None, signature: bytes = b"", **claims: Any) -> str:
    _, old = header_and_claims(token)
    changed = {name: value for name, value in {**old, **claims}.items() if value is not None}
    return compact(UNSIGNED if header is None else header, changed, lambda _: signature)


def refused(guard: Guard, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(token)
    assert_silent(caught.value, token)
    return caught.value


# --- what it is ---


def test_a_token_of_the_emulator_names_its_user_with_all_facts() -> None:
    guard = guard_of(emulated(tenants=["acme-x1"]))
    token = minted("u1", email="ada@example.com", tenant="acme-x1", second_factor="phone", claims={"role": "admin"})
    caller = guard.verify(token)
    assert str(caller) == f"firebase:{PROJECT}/acme-x1/u1"
    assert (caller.issuer, caller.email) == (f"https://securetoken.google.com/{PROJECT}", "ada@example.com")
    assert caller.firebase is not None
    assert (caller.firebase.tenant, caller.firebase.second_factor) == ("acme-x1", "phone")
    assert caller.firebase.claims["role"] == "admin"
    assert guard.allows(caller, FirebaseUser("u1") & Tenant("acme-x1"))


def test_it_signs_nothing_so_it_has_no_keys_to_fetch() -> None:
    guard = guard_of(emulated())
    assert guard.issuers[0].keys == NO_KEYS
    guard.warm()
    assert guard.status() == []


@pytest.mark.parametrize("address", ["127.0.0.1:9099", "127.9.0.1:1", "localhost:9099", "[::1]:65535"])
def test_it_is_on_this_machine(address: str) -> None:
    assert firebase(PROJECT, emulator=address).emulator == address
    assert firebase_session(PROJECT, emulator=address).emulator == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:09099",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:9099 ",
        "127.0.0.1:9099\n",
        "127.1:9099",
        "127.0.0.01:9099",
        "127.0.0.256:9099",
        "10.0.0.1:9099",
        "0.0.0.0:9099",
        "[::]:9099",
        "[::ffff:127.0.0.1]:9099",
        "::1:9099",
        "[127.0.0.1]:9099",
        "LOCALHOST:9099",
        "localhost.:9099",
        "localhost.example.com:9099",
        "auth-emulator:9099",
        "http://127.0.0.1:9099",
        "ada@127.0.0.1:9099",
        "127.0.0.1:\uff19099",
        9099,
        True,
        b"127.0.0.1:9099",
    ],
)
@pytest.mark.parametrize("make", [firebase, firebase_session])
def test_no_other_address_is_taken(make: Any, address: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"emulator= is the Firebase Auth emulator on this machine"):
        make(PROJECT, emulator=address)


def test_a_variable_that_is_not_set_may_be_why_it_is_empty() -> None:
    with pytest.raises(ConfigurationError, match="is that set"):
        firebase(PROJECT, emulator="")


@pytest.mark.parametrize("make", [firebase, firebase_session])
def test_keys_and_an_emulator_do_not_go_together(make: Any) -> None:
    with pytest.raises(ConfigurationError, match="the emulator signs none: leave keys= or emulator= out"):
        make(PROJECT, keys="https://keys.example.com", emulator=EMULATOR)


@pytest.mark.parametrize("name", ["FIREBASE_AUTH_EMULATOR_HOST", "FIREBASE_EMULATOR_HUB"])
def test_no_environment_variable_turns_it_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, EMULATOR)
    guard = guard_of(firebase(PROJECT))
    assert not is_emulated(guard.issuers[0])
    assert refused(guard, minted()).reason is Reason.UNSIGNED


# --- where it may not be ---


@pytest.mark.parametrize("value", ["orders", ""])
@pytest.mark.parametrize("name", PLATFORMS)
def test_it_is_refused_on_a_platform(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    made, guard = emulated(), guard_of(emulated())
    monkeypatch.setenv(name, value)
    makers: list[Callable[[], Issuer]] = [
        emulated,
        lambda: firebase_session(PROJECT, emulator=EMULATOR),
        lambda: replace(made),
    ]
    for make in makers:
        with pytest.raises(ConfigurationError, match=rf"{name} is set\): leave emulator= out here"):
            make()
    with pytest.raises(ConfigurationError, match=name):
        guard.check_ready()
    with pytest.raises(ConfigurationError, match=name):
        guard.announce((), Nobody())
    with pytest.raises(ConfigurationError, match=name):
        guard.verify(minted())


REAL: dict[str, Callable[[], Issuer]] = {
    "firebase": lambda: firebase("shop-prod"),
    "firebase, the same project": lambda: firebase(PROJECT),
    "session": lambda: firebase_session(PROJECT),
    "iap": lambda: iap("/projects/1/global/backendServices/2", external=PROJECT),
}


@pytest.mark.parametrize("name", REAL)
def test_it_is_never_beside_a_real_firebase_issuer(name: str) -> None:
    real = REAL[name]()
    for first, second in ((real, emulated()), (emulated(), real)):
        with pytest.raises(ConfigurationError, match="leave emulator= out, or the other issuer"):
            Guard(first, second)
        guard = Guard(first)
        with pytest.raises(ConfigurationError):
            guard.trust(second)
        assert guard.issuers == (first,)


def test_it_takes_the_place_of_one() -> None:
    real = firebase(PROJECT)
    guard = guard_of(google(URL), real)
    guard.distrust(real).trust(emulated())
    assert guard.verify(minted()).subject == "u1"


def test_a_guard_like_another_is_as_strict() -> None:
    guard = Guard.like(guard_of(emulated()))
    assert guard.verify(minted()).subject == "u1"
    with pytest.raises(ConfigurationError):
        guard.trust(firebase("shop-prod"))


def test_start_up_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    guard = guard_of(emulated(), firebase_session(PROJECT, emulator=EMULATOR))
    with caplog.at_level(logging.WARNING, "callerid"):
        guard.check_ready()
        guard.announce([("GET /", Public())], Nobody())
        guard.verify(minted())
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.getMessage() == (
        f"believes unsigned tokens of the Firebase Auth emulator ({PROJECT} at {EMULATOR}): anybody who reaches this "
        "application can write one; this is for a developer's machine alone"
    )


# --- a local issuer stands in for it ---


def test_in_tests_a_local_issuer_stands_in_for_it_and_signs() -> None:
    guard = guard_of(emulated())
    with SIGNER.stands_in_for(guard):
        assert guard.verify(signed()).subject == "u1"
        assert refused(guard, minted()).reason is Reason.UNSIGNED
    assert guard.verify(minted()).subject == "u1"
    assert refused(guard, signed()).reason is Reason.WRONG_ALGORITHM


# --- it is read as strictly as what is signed ---


def test_a_signed_token_is_refused() -> None:
    refusal = refused(guard_of(emulated()), signed())
    assert refusal.reason is Reason.WRONG_ALGORITHM
    assert "expected an unsigned token of the Firebase Auth emulator, got 'RS256'" in str(refusal)


BAD_HEADERS: dict[str, Any] = {
    "kid": {**UNSIGNED, "kid": "k1"},
    "no typ": {"alg": "none"},
    "another typ": {"alg": "none", "typ": "at+jwt"},
    "None": {"alg": "None", "typ": "JWT"},
    "NONE": {"alg": "NONE", "typ": "JWT"},
    "RS256": {"alg": "RS256", "typ": "JWT"},
    "HS256": {"alg": "HS256", "typ": "JWT"},
    "no alg": {"typ": "JWT"},
    "null": {"alg": None, "typ": "JWT"},
    "list": {"alg": ["none"], "typ": "JWT"},
    "crit": {**UNSIGNED, "crit": ["exp"]},
    "b64": {**UNSIGNED, "b64": False},
    "jwk": {**UNSIGNED, "jwk": {}},
    "duplicate": '{"alg":"RS256","alg":"none","typ":"JWT"}',
    "not an object": '["none"]',
    "not JSON": "none",
    "NaN": '{"alg":"none","typ":"JWT","x":NaN}',
    "NUL": '{"alg":"none","typ":"JWT\\u0000"}',
    "deep": '{"alg":"none","typ":' + "[" * 40 + "]" * 40 + "}",
    "empty": "",
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_no_other_header_is_taken(name: str) -> None:
    token = rewritten(minted(), header=BAD_HEADERS[name])
    assert refused(guard_of(emulated()), token).reason is Reason.MALFORMED_TOKEN


def test_members_of_the_header_come_in_any_order() -> None:
    token = rewritten(minted(), header=' {"typ" : "JWT", "alg":"none"} ')
    assert guard_of(emulated()).verify(token).subject == "u1"


@pytest.mark.parametrize("signature", [b"x", b"\0" * 256, b"SIGNATURE"])
def test_a_signature_under_alg_none_is_refused(signature: bytes) -> None:
    token = rewritten(minted(), signature=signature)
    assert refused(guard_of(emulated()), token).reason is Reason.MALFORMED_TOKEN


BAD_SHAPES: dict[str, Callable[[str], str]] = {
    "two parts": lambda token: token.rpartition(".")[0],
    "one dot more": lambda token: f"{token}.",
    "a part more": lambda token: f"{token[:-1]}.x.",
    "padded": lambda token: f"{token[:-1]}=.",
    "empty claims": lambda token: f"{token.split('.')[0]}..",
    "dots": lambda _: "..",
    "removed": lambda token: f"{token}SIGNATURE_REMOVED_BY_GOOGLE",
    "not canonical": lambda token: f"{encode(UNSIGNED)}.{encode('{}')[:-1]}{'1' if encode('{}')[-1] == '0' else 'B'}.",
    "not ASCII": lambda token: f"{token[:-1]}é.",
    "too long": lambda token: rewritten(token, padding="x" * 8192),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_no_other_shape_is_taken(name: str) -> None:
    reasons = (Reason.MALFORMED_TOKEN, Reason.SIGNATURE_REMOVED)
    assert refused(guard_of(emulated()), BAD_SHAPES[name](minted())).reason in reasons


BAD_CLAIMS: dict[str, tuple[dict[str, Any], Reason]] = {
    "expired": ({"iat": NOW - 7200, "exp": NOW - 3600}, Reason.EXPIRED),
    "from the future": ({"iat": NOW + 3600, "exp": NOW + 7200}, Reason.NOT_YET_VALID),
    "signed in later": ({"auth_time": NOW + 3600}, Reason.NOT_YET_VALID),
    "no exp": ({"exp": None}, Reason.BAD_CLAIMS),
    "no iat": ({"iat": None}, Reason.BAD_CLAIMS),
    "exp as text": ({"exp": str(NOW + 3600)}, Reason.BAD_CLAIMS),
    "exp true": ({"exp": True}, Reason.BAD_CLAIMS),
    "no auth_time": ({"auth_time": None}, Reason.BAD_CLAIMS),
    "no sub": ({"sub": None}, Reason.BAD_CLAIMS),
    "empty sub": ({"sub": ""}, Reason.BAD_CLAIMS),
    "long sub": ({"sub": "u" * 129}, Reason.BAD_CLAIMS),
    "sub as a number": ({"sub": 7}, Reason.BAD_CLAIMS),
    "no iss": ({"iss": None}, Reason.MALFORMED_TOKEN),
    "another project's iss": ({"iss": "https://securetoken.google.com/shop-prod"}, Reason.UNKNOWN_ISSUER),
    "another project": (
        {"iss": "https://securetoken.google.com/shop-prod", "aud": "shop-prod"},
        Reason.UNKNOWN_ISSUER,
    ),
    "another aud": ({"aud": "shop-prod"}, Reason.WRONG_AUDIENCE),
    "aud as a list": ({"aud": [PROJECT]}, Reason.BAD_CLAIMS),
    "a session": ({"iss": f"https://session.firebase.google.com/{PROJECT}"}, Reason.UNKNOWN_ISSUER),
    "a tenant": ({"firebase": {"sign_in_provider": "password", "tenant": "acme"}}, Reason.WRONG_TENANT),
    "firebase as text": ({"firebase": "x"}, Reason.BAD_CLAIMS),
    "email_verified as text": ({"email": "a@example.com", "email_verified": "true"}, Reason.BAD_CLAIMS),
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_claims_are_judged_as_of_signed_tokens(name: str) -> None:
    changed, reason = BAD_CLAIMS[name]
    assert refused(guard_of(emulated()), rewritten(minted(), **changed)).reason is reason


def test_the_clock_judges_it_each_time() -> None:
    now = [NOW]
    guard = Guard(emulated(), clock=lambda: now[0])
    token = minted()
    assert guard.verify(token).subject == "u1"
    now[0] = NOW + 3600 + 31
    assert refused(guard, token).reason is Reason.EXPIRED


def test_it_has_no_nonce() -> None:
    with pytest.raises(Unauthenticated):
        guard_of(emulated()).verify(minted(), nonce="n")


# --- and nobody else takes one ---


def others() -> Iterator[tuple[Issuer, str]]:
    yield SIGNER.google(URL), SIGNER.service_account(audience=URL)
    yield SIGNER.google(URL, gcloud=True), SIGNER.person(audience="32555940559.apps.googleusercontent.com")
    yield SIGNER.cloud_run(URL), SIGNER.service_account(audience=URL)
    yield SIGNER.service_account_issuer(ROBOT, URL), SIGNER.self_signed(ROBOT, audience=URL)
    yield SIGNER.google_chat(), SIGNER.chat()


FIREBASE = SIGNER.firebase("shop-prod"), SIGNER.firebase_user("u1")


def test_no_issuer_of_signed_tokens_takes_one() -> None:
    for issuer, token in (*others(), FIREBASE):
        guard = guard_of(issuer)
        assert guard.verify(token)
        for header in (UNSIGNED, {**UNSIGNED, "kid": header_and_claims(token)[0]["kid"]}, {"alg": "RS256"}):
            unsigned = rewritten(token, header=header)
            assert refused(guard, unsigned).reason is Reason.UNSIGNED
        kid = header_and_claims(token)[0]["kid"]
        for signature in (b"x", b"\0" * 256):
            named = rewritten(token, header={"alg": "none", "kid": kid}, signature=signature)
            assert refused(guard, named).reason is Reason.WRONG_ALGORITHM


def test_no_other_issuer_of_a_guard_that_has_the_emulator_takes_one() -> None:
    for issuer, token in others():
        guard = guard_of(issuer, emulated())
        assert guard.verify(token)
        assert guard.verify(minted()).subject == "u1"
        assert refused(guard, SIGNER.unsigned(token)).reason is Reason.UNSIGNED
        # A token that was verified is remembered; without its signature it is another one.
        assert refused(guard, f"{token.rpartition('.')[0]}.").reason is Reason.MALFORMED_TOKEN


def elsewhere() -> Iterator[tuple[Issuer, dict[str, str]]]:
    """Issuers whose tokens sit in headers of their own, each with its token."""
    yield SIGNER.app_check(), {"x-firebase-appcheck": SIGNER.app_check_token("1:123456789012:web:abc123")}
    backend = "/projects/123456789012/global/backendServices/1234567890123456789"
    assertion = SIGNER.iap_assertion(SIGNER.workspace_person("ada@example.com"), audience=backend)
    yield SIGNER.iap(backend), {"x-goog-iap-jwt-assertion": assertion}
    yield SIGNER.google(URL), {"x-serverless-authorization": f"Bearer {SIGNER.service_account(audience=URL)}"}


def test_no_issuer_of_another_header_takes_one() -> None:
    for issuer, sent in elsewhere():
        guard = guard_of(issuer, emulated())
        proof = {":method": ["GET"]}
        assert guard.identify({name: [value] for name, value in sent.items()} | proof) != NOBODY
        for name, value in sent.items():
            scheme, _, token = value.rpartition(" ")
            for written in (SIGNER.unsigned(token), minted()):
                with pytest.raises(Unauthenticated) as caught:
                    guard.identify({name: [f"{scheme} {written}".strip()], **proof})
                assert caught.value.reason in (Reason.UNSIGNED, Reason.UNKNOWN_ISSUER)


def test_a_user_of_the_emulator_is_never_a_google_account() -> None:
    guard = guard_of(google(URL), emulated())
    caller = guard.verify(minted(email="ada@example.com", claims={"hd": "example.com"}))
    assert caller.domain is None
    assert not guard.allows(caller, "domain:example.com")
    assert not guard.allows(caller, "user:ada@example.com")


def test_one_that_is_believed_here_is_not_believed_by_a_guard_with_the_same_memory() -> None:
    guard = guard_of(emulated(), google(URL))
    other = Guard.like(guard)
    token = minted()
    assert guard.verify(token) == other.verify(token)
    other.distrust(emulated())
    assert refused(other, token).reason is Reason.UNSIGNED


def test_a_class_of_ones_own_is_not_taken_for_the_emulator() -> None:
    class Sly(GoogleIssuer):
        emulator = EMULATOR
        believes_unsigned = True

    sly = Sly(**{each.name: getattr(google(URL), each.name) for each in fields(GoogleIssuer)})
    assert not is_emulated(sly)
    token = SIGNER.unsigned(SIGNER.service_account(audience=URL))
    assert refused(guard_of(sly), token).reason is Reason.UNSIGNED


def test_no_gateway_forwards_one() -> None:
    with pytest.raises(ConfigurationError, match="takes issuers of signed tokens"):
        SIGNER.gateway(ROBOT, emulated())


def test_a_key_of_the_applications_own_may_look_like_one_and_is_told_apart() -> None:
    seen: list[str] = []

    def verify(text: str) -> None:
        seen.append(text)

    keys = custom_credential("partners", verify=verify, scheme="Bearer", matches="pk_")
    guard = guard_of(keys, emulated())
    assert guard.verify(minted()).subject == "u1"
    assert seen == []
    with pytest.raises(Unauthenticated):
        guard.verify(f"pk_{minted()}")


# --- where it sits ---


def test_a_session_cookie_of_the_emulator_is_read_from_its_cookie_alone() -> None:
    guard = guard_of(firebase_session(PROJECT, emulator=EMULATOR), emulated())
    cookie = SIGNER.unsigned(SIGNER.session_cookie(signed()))
    caller = guard.identify({"cookie": [f"session={cookie}"], ":method": ["GET"]}).caller  # type: ignore[union-attr]
    assert caller is not None
    assert caller.issuer == f"https://session.firebase.google.com/{PROJECT}"
    assert refused(guard, cookie).reason is Reason.UNKNOWN_ISSUER
    with pytest.raises(Unauthenticated):
        guard.identify({"cookie": [f"session={minted()}"], ":method": ["GET"]})
    with pytest.raises(Unauthenticated):
        guard.identify({"cookie": [f"session={SIGNER.session_cookie(signed())}"], ":method": ["GET"]})


@pytest.mark.parametrize("lifetime", [60, 15 * 86_400])
def test_a_session_of_the_emulator_lives_as_long_as_any(lifetime: int) -> None:
    guard = guard_of(firebase_session(PROJECT, emulator=EMULATOR))
    cookie = SIGNER.unsigned(SIGNER.session_cookie(signed(), lifetime=lifetime, hostile=True))
    with pytest.raises(Unauthenticated, match="s after iat"):
        guard.identify({"cookie": [f"session={cookie}"], ":method": ["GET"]})


def test_a_service_that_carried_the_call_has_a_signed_token() -> None:
    guard = guard_of(SIGNER.google(URL), emulated())
    sent = {AUTHORIZATION.header: [f"Bearer {minted()}"]}
    carried = {SERVERLESS_AUTHORIZATION.header: [f"Bearer {SIGNER.service_account(audience=URL)}"]}
    found = guard.identify({**sent, **carried})
    assert (found.caller.subject, found.via.is_service_account) == ("u1", True)  # type: ignore[union-attr]
    with pytest.raises(Unauthenticated):
        guard.identify({**sent, SERVERLESS_AUTHORIZATION.header: [f"Bearer {minted()}"]})


def test_an_expired_one_opens_no_front_door_but_is_refused() -> None:
    guard = guard_of(SIGNER.cloud_run(URL), emulated())
    expired = rewritten(minted(), iat=NOW - 7200, exp=NOW - 3600)
    with pytest.raises(Unauthenticated) as caught:
        guard.identify({AUTHORIZATION.header: [f"Bearer {expired}"], ":path": ["/"], ":method": ["GET"]})
    assert caught.value.reason is Reason.EXPIRED


def test_the_refusal_elsewhere_says_what_such_a_token_is() -> None:
    refusal = refused(guard_of(firebase(PROJECT)), minted())
    assert "emulator='127.0.0.1:9099'" in refusal.remedy
