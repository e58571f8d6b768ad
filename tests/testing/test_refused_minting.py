"""What Google never mints is not minted, unless it is asked for as hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from callerid.testing import COMPUTE_ENGINE, LocalIssuer

from .conftest import NOW
from .reading import claims, is_signed

if TYPE_CHECKING:
    from collections.abc import Mapping

Minting = Callable[..., str]
GMAIL = {"email": "ada@gmail.com", "domain": "example.com"}

PEOPLE: list[tuple[Mapping[str, object], str]] = [
    ({"audience": "https://orders.example.com"}, "not an OAuth client id"),
    ({"audience": " "}, "audience is empty"),
    ({"email": "x@shop-prod.iam.gserviceaccount.com"}, "is a service account, not a person"),
    ({"email": "ada"}, "not an e-mail address"),
    ({"email": "@example.com"}, "not an e-mail address"),
    ({"subject": "ada"}, "not a number"),
    ({"claims": {"iss": "https://issuer.example.net"}}, "'iss' is written by Google itself"),
    ({"lifetime": 3601}, "lifetime of 3601 s"),
    ({"lifetime": 0}, "lifetime of 0 s"),
    ({"claims": {"hd": "example.com"}, "email": "ada@gmail.com"}, "gmail.com belongs to no Workspace"),
]
WORKSPACE: list[tuple[Mapping[str, object], str]] = [
    (GMAIL, "gmail.com belongs to no Workspace"),
    ({"domain": "googlemail.com"}, "googlemail.com belongs to no Workspace"),
    ({"domain": ""}, "hd is empty"),
]
SERVICE_ACCOUNTS: list[tuple[Mapping[str, object], str]] = [
    ({"email": "ada@example.com"}, "is not a service account"),
    ({"email": "x@notgserviceaccount.com"}, "is not a service account"),
    ({"email": "gserviceaccount.com"}, "not an e-mail address"),
    ({"audience": ""}, "audience is empty"),
    ({"claims": {"hd": "example.com"}}, "carry no hd"),
    ({"claims": {"email": "x@example.com"}, "include_email": False}, "carries no other address"),
    ({"include_email": False, "compute_engine": COMPUTE_ENGINE}, "carries the e-mail too"),
]
FIREBASE_USERS: list[tuple[Mapping[str, object], str]] = [
    ({"uid": ""}, "1 to 128 characters, this one 0"),
    ({"uid": "u" * 129}, "1 to 128 characters, this one 129"),
    ({"project": ""}, "audience is empty"),
    ({"claims": {"nonce": "n"}}, "Firebase reserves 'nonce'"),
    ({"claims": {"firebase": {}}}, "'firebase' is written by Google itself"),
    ({"claims": {"email": "x@example.com"}}, "writes its own 'email'"),
    ({"claims": {"role": "x" * 1000}}, "at most 1000 characters"),
    ({"signed_in_at": NOW + 1}, "auth_time is later"),
    ({"provider": " "}, "sign-in provider is empty"),
    ({"provider": "password"}, "by password has an e-mail"),
    ({"provider": "phone"}, "by phone has a number"),
    ({"provider": "anonymous", "email": "x@example.com"}, "anonymous user has no"),
    ({"provider": "anonymous", "second_factor": "totp"}, "anonymous user has no"),
    ({"tenant": ""}, "tenant is empty"),
]
CASES = [
    *[("person", arguments, reason) for arguments, reason in PEOPLE],
    *[("workspace_person", arguments, reason) for arguments, reason in WORKSPACE],
    *[("service_account", arguments, reason) for arguments, reason in SERVICE_ACCOUNTS],
    *[("firebase_user", {"uid": "u1", **arguments}, reason) for arguments, reason in FIREBASE_USERS],
]


@pytest.mark.parametrize(("kind", "arguments", "reason"), CASES)
def test_what_google_never_mints_is_refused_with_the_reason_and_the_way(
    issuer: LocalIssuer, kind: str, arguments: Mapping[str, object], reason: str
) -> None:
    mint: Minting = getattr(issuer, kind)
    with pytest.raises(ValueError, match=reason) as refused:
        mint(**arguments)
    assert "hostile=True" in str(refused.value)


@pytest.mark.parametrize(("kind", "arguments", "reason"), CASES)
def test_it_is_minted_and_signed_where_it_is_asked_for_as_hostile(
    issuer: LocalIssuer, kind: str, arguments: Mapping[str, object], reason: str
) -> None:
    mint: Minting = getattr(issuer, kind)
    token = mint(**arguments, hostile=True)
    assert is_signed(issuer, token, "firebase" if kind == "firebase_user" else "google")


def test_a_hostile_token_says_exactly_what_was_asked(issuer: LocalIssuer) -> None:
    said = claims(issuer.service_account("ada@example.com", claims={"hd": "example.com", "aud": ["a"]}, hostile=True))
    assert (said["email"], said["hd"], said["aud"]) == ("ada@example.com", "example.com", ["a"])
