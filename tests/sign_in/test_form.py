"""What the form of Google's button must be, and whose tokens it may carry: ``guard.verify_sign_in``."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import anyio
import pytest

from callerid import (
    AnyGoogleAccount,
    BadRequest,
    ConfigurationError,
    CrossSite,
    Domain,
    FirebaseUser,
    Forbidden,
    Guard,
    Identity,
    Public,
    Reason,
    Refusal,
    SignInForm,
    Unauthenticated,
    Unavailable,
    User,
    custom_credential,
)
from callerid.issuers import GCLOUD_CLIENT
from callerid.testing import LocalIssuer
from tests.fixtures import CLIENT, URL, issuer

GUARD = Guard(issuer.google(URL, CLIENT, gcloud=True), issuer.firebase("shop-prod"))
TYPE = "application/x-www-form-urlencoded"
ADA = "user:ada@example.com"
CSRF = "f00dfeed"


def posted(token: str | None = None, **changes: Any) -> SignInForm:
    """A form as Google's button posts it; ``csrf`` and ``cookie`` are its two tokens, ``None`` for none."""
    csrf, cookie = changes.pop("csrf", CSRF), changes.pop("cookie", CSRF)
    token = issuer.workspace_person("ada@example.com") if token is None else token
    fields = [("credential", token), ("select_by", "btn")] + ([] if csrf is None else [("g_csrf_token", csrf)])
    cookies = () if cookie is None else (f"other=1; g_csrf_token={cookie}",)
    usual: dict[str, Any] = {"method": "POST", "content_type": TYPE, "length": 1_500, "cookies": cookies}
    return SignInForm(**{**usual, "fields": tuple(fields), **changes})


def refused(form: SignInForm, guard: Guard = GUARD, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        guard.verify_sign_in(form, **options)
    return raised.value


def test_whoever_signed_in_is_the_caller() -> None:
    assert str(GUARD.verify_sign_in(posted())) == ADA
    assert str(anyio.run(GUARD.averify_sign_in, posted())) == ADA
    assert str(GUARD.verify_sign_in(posted(issuer.person("ben@gmail.com")))) == "user:ben@gmail.com"


@pytest.mark.parametrize("content_type", [TYPE, f"{TYPE}; charset=utf-8", "Application/X-WWW-Form-Urlencoded ;x"])
def test_a_forms_content_type_may_have_parameters(content_type: str) -> None:
    assert str(GUARD.verify_sign_in(posted(content_type=content_type))) == ADA


@pytest.mark.parametrize("csrf", [None, "", "f00dfeee", "F00DFEED", "f00dfeed0", "\u00fc", "\udcff"])
@pytest.mark.parametrize("cookie", [None, "", CSRF])
def test_another_sites_page_signs_nobody_in(csrf: str | None, cookie: str | None) -> None:
    refusal = refused(posted(csrf=csrf, cookie=cookie))
    assert isinstance(refusal, CrossSite)
    assert (refusal.status, refusal.reason) == (403, Reason.WRONG_CSRF_TOKEN)


def test_an_empty_csrf_token_is_none() -> None:
    assert refused(posted(csrf="", cookie="")).reason is Reason.WRONG_CSRF_TOKEN
    assert refused(posted(csrf="", cookie='""')).reason is Reason.WRONG_CSRF_TOKEN


@pytest.mark.parametrize(
    "cookies",
    [
        (f"g_csrf_token={CSRF}; g_csrf_token={CSRF}",),
        (f"g_csrf_token={CSRF}", f"g_csrf_token={CSRF}"),
        (f"g_csrf_token=attackers; x=1; g_csrf_token={CSRF}",),
        (f"x=1,g_csrf_token={CSRF}; g_csrf_token={CSRF}",),
    ],
)
def test_several_cookies_are_refused_since_one_of_them_may_be_a_neighbouring_sites(cookies: tuple[str, ...]) -> None:
    refusal = refused(posted(cookies=cookies))
    assert isinstance(refusal, BadRequest)
    assert refusal.reason is Reason.SEVERAL_CREDENTIALS


@pytest.mark.parametrize("name", ["credential", "g_csrf_token"])
def test_several_values_of_a_field_are_refused(name: str) -> None:
    form = posted()
    (value,) = [value for own, value in form.fields if own == name]
    for second in (value, "", "another"):
        refusal = refused(replace(form, fields=(*form.fields, (name, second))))
        assert (refusal.status, refusal.reason) == (400, Reason.SEVERAL_CREDENTIALS)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"method": "PUT"},
        {"method": "post"},
        {"content_type": ""},
        {"content_type": "text/plain"},
        {"content_type": "application/json"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": f"text/plain; {TYPE}"},
        {"length": None},
        {"length": 8_192 + 4_097},
    ],
)
def test_what_is_no_form_of_the_button_is_refused(changes: dict[str, Any]) -> None:
    refusal = refused(posted(**changes))
    assert (refusal.status, refusal.reason) == (400, Reason.MALFORMED_FORM)


def test_the_longest_token_fits_into_a_form() -> None:
    assert str(GUARD.verify_sign_in(posted(length=8_192 + 4_096))) == ADA
    more = Guard(*GUARD.issuers, longest_token=16_384)
    assert str(more.verify_sign_in(posted(length=16_384 + 4_096))) == ADA


@pytest.mark.parametrize("fields", [(("g_csrf_token", CSRF),), (("g_csrf_token", CSRF), ("credential", ""))])
def test_a_form_without_a_credential_is_none(fields: tuple[tuple[str, str], ...]) -> None:
    refusal = refused(posted(fields=fields))
    assert (refusal.status, refusal.reason) == (401, Reason.NO_CREDENTIAL)


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({}, None),
        ({"Content-Length": "0"}, 0),
        ({"Content-Length": "1234"}, 1234),
        ({"Content-Length": "-1"}, None),
        ({"Content-Length": "1e3"}, None),
        ({"Content-Length": "\u0661"}, None),
        ({"Content-Length": ""}, None),
        ({"Content-Length": "1" * 10}, None),
        ({"Content-Length": "10", "Transfer-Encoding": "gzip, chunked"}, None),
    ],
)
def test_the_length_is_told_by_content_length_alone(headers: dict[str, str], length: int | None) -> None:
    assert SignInForm.length_in(headers) == length


def test_fields_are_read_as_browsers_write_them() -> None:
    assert SignInForm.fields_of(b"a=1&b=%C3%BC+x&a=&c&&d=%3D%26;e=2") == (
        ("a", "1"),
        ("b", "\u00fc x"),
        ("a", ""),
        ("c", ""),
        ("d", "=&;e=2"),
    )
    assert SignInForm.fields_of(b"\xff=%ff") == (("\ufffd", "\ufffd"),)


# --- whose token ---


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", Reason.NO_CREDENTIAL),
        ("no token", Reason.MALFORMED_TOKEN),
        (issuer.tampered(issuer.person()), Reason.BAD_SIGNATURE),
        (issuer.person(issued_at=1), Reason.EXPIRED),
        (issuer.person(audience="other.apps.googleusercontent.com"), Reason.WRONG_AUDIENCE),
        # Audiences of the guard that no button ever mints for.
        (issuer.person(audience=URL, hostile=True), Reason.WRONG_AUDIENCE),
        (issuer.workspace_person(audience=GCLOUD_CLIENT), Reason.WRONG_AUDIENCE),
        (issuer.service_account(audience=CLIENT), Reason.BAD_CLAIMS),
        (issuer.service_account(audience=CLIENT, include_email=False), Reason.BAD_CLAIMS),
        (issuer.firebase_user("u1"), Reason.UNKNOWN_ISSUER),
        (issuer.session_cookie(issuer.firebase_user("u1")), Reason.UNKNOWN_ISSUER),
    ],
)
def test_only_a_persons_token_for_a_client_id_signs_in(token: str, reason: Reason) -> None:
    refusal = refused(posted(token))
    assert isinstance(refusal, Unauthenticated)
    assert refusal.reason is reason


def test_an_account_that_the_guard_believes_by_its_own_keys_is_no_sign_in() -> None:
    robot = "robot@shop-prod.iam.gserviceaccount.com"
    guard = Guard(issuer.google(CLIENT), issuer.service_account_issuer(robot, CLIENT))
    refusal = refused(posted(issuer.self_signed(robot, audience=CLIENT)), guard)
    assert refusal.reason is Reason.UNKNOWN_ISSUER


def test_what_a_gateway_forwards_is_no_sign_in() -> None:
    account = "gateway@shop-prod.iam.gserviceaccount.com"
    forwarded = issuer.gateway(account, issuer.google(CLIENT), audience=URL)
    with pytest.raises(ConfigurationError, match="OAuth client id"):
        Guard(forwarded).verify_sign_in(posted())


def test_a_credential_of_the_applications_own_is_no_sign_in() -> None:
    own = custom_credential("keys", scheme="Bearer", matches="sk_", verify=lambda _: Identity("ada"))
    guard = Guard(issuer.google(CLIENT), own)
    assert guard.verify("sk_1").subject == "ada"
    assert refused(posted("sk_1"), guard).reason is Reason.UNKNOWN_ISSUER


def test_an_access_token_is_no_sign_in() -> None:
    guard = Guard(issuer.google(CLIENT), issuer.google_access_token(CLIENT))
    refusal = refused(posted(issuer.access_token("ada@gmail.com", audience=CLIENT)), guard)
    assert refusal.reason is Reason.UNKNOWN_ISSUER


def test_the_nonce_is_the_one_that_was_asked_for() -> None:
    token = issuer.person(claims={"nonce": "n-1"})
    assert GUARD.verify_sign_in(posted(token), nonce="n-1").email == "ada@gmail.com"
    for wrong in ("n-2", "", "N-1"):
        assert refused(posted(token), nonce=wrong).reason is Reason.BAD_CLAIMS
    assert refused(posted(), nonce="n-1").reason is Reason.BAD_CLAIMS


def test_a_nonce_that_is_not_remembered_admits_nobody() -> None:
    for token in (issuer.person(claims={"nonce": "n-1"}), issuer.person(), issuer.person(claims={"nonce": None})):
        assert refused(posted(token), nonce=None).reason is Reason.BAD_CLAIMS
        with pytest.raises(Unauthenticated) as raised:
            GUARD.verify(token, nonce=None)
        assert raised.value.reason is Reason.BAD_CLAIMS


def test_a_rule_says_who_may_sign_in(caplog: pytest.LogCaptureFixture) -> None:
    assert str(GUARD.verify_sign_in(posted(), Domain("example.com"))) == ADA
    assert str(GUARD.verify_sign_in(posted(), "domain:example.com")) == ADA
    with caplog.at_level(logging.INFO, "callerid"):
        refusal = refused(posted(), rule=Domain("other.com") | User("ben@gmail.com"))
    assert isinstance(refusal, Forbidden)
    (record,) = caplog.records
    fields: Any = record.__dict__["callerid"]
    assert fields["route"] == "(sign-in)"
    assert fields["caller"] == ADA
    assert fields["instance"] == refusal.instance


def test_every_refusal_is_logged_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    form = posted(csrf="other")
    with caplog.at_level(logging.INFO, "callerid"):
        refusal = refused(form)
    assert refusal.instance in caplog.text
    assert "expected the g_csrf_token of this browser's cookie" in caplog.text
    for secret in (form.fields[0][1], CSRF, form.fields[0][1].rpartition(".")[2]):
        assert secret not in caplog.text
        assert secret not in repr(form)
        assert secret not in repr(refusal) + str(refusal)


def test_keys_that_cannot_be_had_are_no_401() -> None:
    source = LocalIssuer()
    with source as remote:
        guard = Guard(remote.google(CLIENT))
        assert guard.verify_sign_in(posted(remote.person())).email == "ada@gmail.com"
    away = Guard(*guard.issuers)
    refusal = refused(posted(source.person()), away)
    assert isinstance(refusal, Unavailable)


@pytest.mark.parametrize("audiences", [[URL], [URL, "https://x.apps.googleusercontent.com.example"]])
def test_a_guard_without_a_client_id_says_so(audiences: list[str]) -> None:
    for guard in (Guard(issuer.google(*audiences, gcloud=True)), Guard(issuer.firebase("shop-prod"))):
        with pytest.raises(ConfigurationError, match="OAuth client id"):
            guard.verify_sign_in(posted())


def test_mistakes_in_the_call_are_errors() -> None:
    with pytest.raises(ConfigurationError, match="could hold without a caller"):
        GUARD.verify_sign_in(posted(), Public() | AnyGoogleAccount())
    with pytest.raises(ConfigurationError, match="admits no Google account"):
        GUARD.verify_sign_in(posted(), FirebaseUser())
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        Guard().verify_sign_in(posted())
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        anyio.run(Guard().averify_sign_in, posted())
