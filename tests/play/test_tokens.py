"""Which claims are facts, and whose word the others are."""

from __future__ import annotations

from typing import Any

import pytest

from callerid.play._tokens import tokens_in
from callerid.testing import COMPUTE_ENGINE, LocalIssuer

LOCAL = LocalIssuer()


def claims(headers: dict[str, str], *, believed: bool = True) -> dict[str, tuple[bool, str]]:
    (shown,) = tokens_in(headers, believed=believed)
    return {claim.name: (claim.is_fact, claim.says) for claim in shown.claims}


@pytest.mark.parametrize(
    ("token", "is_fact", "says"),
    [
        (LOCAL.person("ada@gmail.com"), True, "it hosts this mailbox"),
        (LOCAL.workspace_person("ada@example.com"), True, "it hosts this mailbox"),
        (LOCAL.person("ada@example.com"), False, "proved once, at sign-up"),
        (LOCAL.person("ada@gmail.com", email_verified=False), False, "nobody proved"),
        (LOCAL.service_account(), True, "own name"),
        (LOCAL.firebase_user("ada", email="ada@example.com"), True, "proved by the user"),
        (LOCAL.firebase_user("ada", email="ada@example.com", email_verified=False), False, "nobody proved"),
        (LOCAL.oidc_caller("ada", claims={"email": "ada@example.com"}), False, "does not say that it was proved"),
        (
            LOCAL.oidc_caller("ada", claims={"email": "a@b.example", "email_verified": True}),
            False,
            "id.example.com's word",
        ),
        (LOCAL.iap_assertion(LOCAL.workspace_person("ada@example.com")), True, "IAP"),
    ],
)
def test_an_address_is_a_fact_where_its_issuer_knows(token: str, is_fact: bool, says: str) -> None:
    found = claims(LOCAL.bearer(token))["email"]
    assert found[0] is is_fact
    assert says in found[1]


def test_firebase_passes_words_on() -> None:
    found = claims(
        LOCAL.bearer(
            LOCAL.firebase_user(
                "ada",
                phone="+15550100",
                provider="saml.acme",
                attributes={"department": "sales"},
                claims={"role": "admin", "name": "Ada"},
            )
        )
    )
    facts = {name for name, (is_fact, _) in found.items() if is_fact}
    assert {"sub", "aud", "iss", "user_id", "phone_number", "firebase.sign_in_provider", "auth_time"} <= facts
    assert not {"role", "name", "firebase.identities", "firebase.sign_in_attributes"} & facts
    assert "custom claims" in found["role"][1]


def test_google_vouches_for_its_machines_and_not_for_names() -> None:
    token = LOCAL.service_account(compute_engine=COMPUTE_ENGINE)
    assert claims(LOCAL.bearer(token))["google.compute_engine.zone"][0]
    assert not claims(LOCAL.bearer(LOCAL.person(claims={"name": "Ada"})))["name"][0]


def test_who_signs_for_themselves_writes_what_they_like() -> None:
    account = "ci@shop-prod.iam.gserviceaccount.com"
    found = claims(LOCAL.bearer(LOCAL.self_signed(account, claims={"role": "admin"})))
    assert found["sub"][0]
    assert not found["role"][0]
    assert not found["aud"][0]


def test_external_identities_of_iap_are_those_of_firebase() -> None:
    token = LOCAL.iap_assertion(LOCAL.firebase_user("ada", claims={"role": "admin"}))
    found = claims(LOCAL.assertion(token))
    assert found["gcip.sub"][0]
    assert not found["gcip.role"][0]
    assert found["identity_source"][0]


def test_iap_passes_attributes_on() -> None:
    token = LOCAL.sign({"iss": "https://cloud.google.com/iap", "aud": "/projects/1/apps/shop", "team": "blue"})
    assert claims(LOCAL.assertion(token))["team"] == (False, "an attribute that the project's settings pass on")


def test_an_app_is_attested_and_a_provider_says_who_signed_in() -> None:
    found = claims(LOCAL.app_check_header(LOCAL.app_check_token("1:123456789012:web:abc123")))
    assert all(is_fact for is_fact, _ in found.values())
    found = claims(LOCAL.bearer(LOCAL.oidc_caller("ada", claims={"name": "Ada", "ref": "refs/heads/main"})))
    assert found["sub"][0]
    assert (found["name"][0], found["ref"][0]) == (False, False)


def test_what_is_not_believed_is_nobodys_word() -> None:
    found = claims(LOCAL.bearer(LOCAL.person()), believed=False)
    assert {is_fact for is_fact, _ in found.values()} == {False}


def test_what_is_no_jwt_shows_nothing_and_the_signature_is_never_there() -> None:
    (shown,) = tokens_in({"Authorization": "Bearer ya29.example"}, believed=True)
    assert shown.claims == ()
    assert "ya29" not in repr(shown)
    token = LOCAL.session_cookie(LOCAL.firebase_user("ada"))
    (shown,) = tokens_in(LOCAL.cookie(token) | {"Sec-Fetch-Site": "same-origin"}, believed=True)
    assert shown.where == "cookie session"
    assert token.rpartition(".")[2] not in repr(shown)


@pytest.mark.parametrize("value", [10**20, "soon", float("1e300")])
def test_odd_times_and_long_values_are_shown_as_they_are(value: Any) -> None:
    (shown,) = tokens_in(
        LOCAL.bearer(LOCAL.sign({"iss": "https://x.example", "exp": value, "long": "x" * 999})), believed=False
    )
    assert {claim.name: len(claim.value) for claim in shown.claims}["long"] == 301
