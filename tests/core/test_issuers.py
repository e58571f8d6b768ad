"""Whom we trust, and for what."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from callerid import ConfigurationError, KeyDocument, KeyFile, KeySource, Kind, firebase, google
from callerid.issuers import AUTHORIZATION, SERVERLESS_AUTHORIZATION, CredentialLocation

from .made import ISSUER, odd

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://orders.example.com"


def test_google_is_trusted_for_google_identities() -> None:
    issuer = google(URL, "1234-abc.apps.googleusercontent.com")
    assert (issuer.name, issuer.kind, issuer.algorithm) == ("https://accounts.google.com", Kind.GOOGLE, "RS256")
    assert issuer.accepted_iss == {"https://accounts.google.com", "accounts.google.com"}
    assert issuer.audiences == {URL, "1234-abc.apps.googleusercontent.com"}
    assert issuer.keys == KeySource("https://www.googleapis.com/oauth2/v1/certs")
    assert issuer.locations == (AUTHORIZATION, SERVERLESS_AUTHORIZATION)
    assert not issuer.fixed_audience
    assert issuer.project is None


def test_firebase_is_trusted_for_one_projects_users() -> None:
    issuer = firebase("shop-prod")
    assert (issuer.name, issuer.kind, issuer.algorithm) == (
        "https://securetoken.google.com/shop-prod",
        Kind.FIREBASE,
        "RS256",
    )
    assert issuer.accepted_iss == {issuer.name}
    assert issuer.audiences == {"shop-prod"}
    assert issuer.keys == KeySource(
        "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
    )
    assert issuer.locations == (AUTHORIZATION,)
    assert issuer.fixed_audience
    assert issuer.project == "shop-prod"


def test_slots_are_two_headers() -> None:
    assert CredentialLocation("authorization") == AUTHORIZATION
    assert CredentialLocation("x-serverless-authorization", is_intermediary=True) == SERVERLESS_AUTHORIZATION


def test_keys_may_come_from_elsewhere() -> None:
    document = KeyDocument(ISSUER.jwks_document())
    assert google(URL, keys=document).keys == document
    assert firebase("p", keys=KeyFile("keys.json")).keys == KeyFile("keys.json")
    assert google(URL, keys="http://127.0.0.1:8080/x").keys == KeySource("http://127.0.0.1:8080/x")


def test_an_issuer_is_a_value() -> None:
    assert google(URL) == google(URL)
    assert len({google(URL), google(URL), firebase("p")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        google(URL).audiences = frozenset({"*"})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (google, "name at least one"),
        (lambda: google(""), "write each as a string"),
        (lambda: google(" "), "write each as a string"),
        (lambda: google(f"{URL} "), "write each as a string"),
        (lambda: google(f"{URL}\n"), "write each as a string"),
        (lambda: google(odd(None)), "write each as a string"),
        (lambda: google(odd([URL])), "write each as a string"),
        (lambda: google(URL, odd(None)), "write each as a string"),
        (lambda: google(URL, keys="http://keys.example.com"), "use https"),
        (lambda: google(URL, keys=odd(None)), "give a URL"),
        (lambda: firebase(""), "takes a project's id"),
        (lambda: firebase(odd(None)), "takes a project's id"),
        (lambda: firebase("shop prod"), "takes a project's id"),
        (lambda: firebase("shop/prod"), "takes a project's id"),
        (lambda: firebase("https://securetoken.google.com/shop-prod"), "takes a project's id"),
        (lambda: firebase("shop\u00e9"), "takes a project's id"),
        (lambda: firebase("shop\n"), "takes a project's id"),
        (lambda: firebase("shop\x0b"), "takes a project's id"),
        (lambda: firebase("shop\x7f"), "takes a project's id"),
    ],
)
def test_trust_in_nothing_clear_is_an_error(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)
