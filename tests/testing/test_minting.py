from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from callerid.testing import COMPUTE_ENGINE

from .conftest import NOW
from .reading import claims, header, is_signed

if TYPE_CHECKING:
    from callerid.testing import LocalIssuer

GOOGLE = "https://accounts.google.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
SCHEDULER = "scheduler@shop-prod.iam.gserviceaccount.com"


def test_a_persons_token_says_what_google_says(issuer: LocalIssuer) -> None:
    token = issuer.person("ada@gmail.com")
    said = claims(token)
    assert re.fullmatch(r"1\d{20}", said.pop("sub"))
    assert said == {
        "iss": GOOGLE,
        "azp": CLIENT,
        "aud": CLIENT,
        "email": "ada@gmail.com",
        "email_verified": True,
        "iat": NOW,
        "exp": NOW + 3600,
    }
    assert is_signed(issuer, token)


def test_the_header_has_googles_three_members(issuer: LocalIssuer) -> None:
    said = header(issuer.person())
    assert re.fullmatch(r"[0-9a-f]{40}", said.pop("kid"))
    assert said == {"alg": "RS256", "typ": "JWT"}


def test_an_address_always_has_the_same_account_id_in_any_case(issuer: LocalIssuer) -> None:
    first, same, other = (
        claims(issuer.person(email))["sub"] for email in ("a@gmail.com", "A@gmail.com", "b@gmail.com")
    )
    assert first == same != other


def test_facts_of_a_person_can_be_chosen(issuer: LocalIssuer) -> None:
    said = claims(
        issuer.person(
            "ada@example.com",
            audience="9-x.apps.googleusercontent.com",
            azp="9-phone.apps.googleusercontent.com",
            subject="123",
            email_verified=False,
            lifetime=60,
            issued_at=NOW - 30,
            claims={"name": "Ada", "nonce": "n"},
        ),
    )
    assert said == {
        "iss": GOOGLE,
        "azp": "9-phone.apps.googleusercontent.com",
        "aud": "9-x.apps.googleusercontent.com",
        "sub": "123",
        "email": "ada@example.com",
        "email_verified": False,
        "iat": NOW - 30,
        "exp": NOW + 30,
        "name": "Ada",
        "nonce": "n",
    }


def test_without_the_email_scope_a_persons_token_has_no_email(issuer: LocalIssuer) -> None:
    said = claims(issuer.person(None, subject="123"))
    assert said["sub"] == "123"
    assert said.keys().isdisjoint({"email", "email_verified", "hd"})


def test_a_person_with_neither_email_nor_subject_is_nobody(issuer: LocalIssuer) -> None:
    with pytest.raises(ValueError, match="needs subject="):
        issuer.person(None)


def test_a_workspace_token_carries_the_domain(issuer: LocalIssuer) -> None:
    assert claims(issuer.workspace_person("ada@example.com"))["hd"] == "example.com"
    assert claims(issuer.workspace_person("ada@sub.example.com", domain="example.com"))["hd"] == "example.com"
    assert "hd" not in claims(issuer.person("ada@example.com"))


def test_a_service_accounts_token_says_what_google_says(issuer: LocalIssuer) -> None:
    said = claims(issuer.service_account(audience="https://orders.example.com/tasks"))
    assert said == {
        "iss": GOOGLE,
        "azp": said["sub"],
        "aud": "https://orders.example.com/tasks",
        "sub": said["sub"],
        "email": SCHEDULER,
        "email_verified": True,
        "iat": NOW,
        "exp": NOW + 3600,
    }
    assert re.fullmatch(r"1\d{20}", said["sub"])


def test_a_service_account_has_its_email_only_where_it_was_asked_for(issuer: LocalIssuer) -> None:
    said = claims(issuer.service_account(include_email=False, use_email_azp=True, subject="42"))
    assert said.keys().isdisjoint({"email", "email_verified"})
    assert (said["azp"], said["sub"]) == (SCHEDULER, "42")


def test_compute_engine_facts_come_nested(issuer: LocalIssuer) -> None:
    said = claims(issuer.service_account(compute_engine=COMPUTE_ENGINE))
    assert said["google"] == {"compute_engine": COMPUTE_ENGINE}


@pytest.mark.parametrize(
    "email",
    [
        "123-compute@developer.gserviceaccount.com",
        "shop-prod@appspot.gserviceaccount.com",
        "service-1@gcp-sa-iap.iam.gserviceaccount.com",
        "chat@system.gserviceaccount.com",
    ],
)
def test_every_kind_of_service_account_is_one(issuer: LocalIssuer, email: str) -> None:
    assert claims(issuer.service_account(email))["email"] == email


def test_a_firebase_token_says_what_firebase_says(issuer: LocalIssuer) -> None:
    token = issuer.firebase_user("u1", email="ada@example.com", signed_in_at=NOW - 5, claims={"role": "admin"})
    assert claims(token) == {
        "iss": "https://securetoken.google.com/shop-prod",
        "aud": "shop-prod",
        "auth_time": NOW - 5,
        "user_id": "u1",
        "sub": "u1",
        "iat": NOW,
        "exp": NOW + 3600,
        "email": "ada@example.com",
        "email_verified": True,
        "firebase": {"identities": {"email": ["ada@example.com"]}, "sign_in_provider": "password"},
        "role": "admin",
    }
    assert is_signed(issuer, token, "firebase")


def test_firebase_users_without_more_signed_in_with_a_custom_token_now(issuer: LocalIssuer) -> None:
    said = claims(issuer.firebase_user("u1", project="other"))
    assert said["firebase"] == {"identities": {}, "sign_in_provider": "custom"}
    assert (said["aud"], said["auth_time"]) == ("other", NOW)


def test_who_has_a_number_signed_in_by_phone(issuer: LocalIssuer) -> None:
    said = claims(issuer.firebase_user("u1", phone="+15555550100"))
    assert said["phone_number"] == "+15555550100"
    assert said["firebase"] == {"identities": {"phone": ["+15555550100"]}, "sign_in_provider": "phone"}


def test_anonymous_users_carry_a_provider_id(issuer: LocalIssuer) -> None:
    said = claims(issuer.firebase_user("u1", provider="anonymous"))
    assert said["provider_id"] == "anonymous"
    assert said["firebase"] == {"identities": {}, "sign_in_provider": "anonymous"}


def test_tenant_second_factor_and_federated_identity_are_in_the_firebase_claim(issuer: LocalIssuer) -> None:
    token = issuer.firebase_user("u1", email="a@example.com", provider="saml.acme", tenant="t-1", second_factor="totp")
    firebase = claims(token)["firebase"]
    assert (firebase["sign_in_provider"], firebase["tenant"]) == ("saml.acme", "t-1")
    assert firebase["sign_in_second_factor"] == "totp"
    assert re.fullmatch(r"[0-9a-f-]{36}", firebase["second_factor_identifier"])
    assert firebase["identities"].keys() == {"saml.acme", "email"}


def test_custom_claims_may_be_called_hd_or_name(issuer: LocalIssuer) -> None:
    custom = {"hd": "example.com", "name": "Ada", "picture": "p"}
    assert claims(issuer.firebase_user("u1", claims=custom)).items() >= custom.items()


def test_a_raw_token_has_whatever_its_author_wrote(issuer: LocalIssuer) -> None:
    token = issuer.sign('{"a":1,"a":NaN}', b'\xef\xbb\xbf{"alg":"RS256"}')
    assert [part.rstrip("=") for part in token.split(".")[:2]] == ["77u_eyJhbGciOiJSUzI1NiJ9", "eyJhIjoxLCJhIjpOYU59"]
    assert (
        header(issuer.sign({}, {"typ": "at+jwt", "crit": ["b64"]}, key="firebase")).items()
        >= {
            "alg": "RS256",
            "typ": "at+jwt",
        }.items()
    )


def test_nobody_signs_under_a_name_unknown(issuer: LocalIssuer) -> None:
    with pytest.raises(ValueError, match=r"No signer is called 'gogle'; there are \['app_check', 'firebase', 'fireb"):
        issuer.sign({}, key="gogle")


def test_a_bearer_header_carries_the_token(issuer: LocalIssuer) -> None:
    assert issuer.bearer("a.b.c") == {"Authorization": "Bearer a.b.c"}
