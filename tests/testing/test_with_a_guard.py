"""The issuer and the library together: good tokens name their caller, every hostile variant is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callerid import Guard, Unauthenticated, Unavailable
from callerid.testing import HOSTILE_VARIANTS, LocalIssuer

from .conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"

GOOD: dict[str, Callable[[LocalIssuer], str]] = {
    "user:ada@gmail.com": lambda issuer: issuer.person("ada@gmail.com"),
    "user:ada@example.com": lambda issuer: issuer.workspace_person("ada@example.com"),
    "serviceAccount:scheduler@shop-prod.iam.gserviceaccount.com": lambda issuer: issuer.service_account(audience=URL),
    "firebase:shop-prod/u1": lambda issuer: issuer.firebase_user("u1"),
}


@pytest.fixture(scope="module")
def guard(issuer: LocalIssuer) -> Guard:
    return Guard(issuer.google(URL, CLIENT), issuer.firebase("shop-prod"), clock=lambda: NOW)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_names_its_caller(guard: Guard, issuer: LocalIssuer, name: str) -> None:
    assert str(guard.verify(GOOD[name](issuer))) == name


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("variant", HOSTILE_VARIANTS)
def test_every_hostile_variant_is_refused(guard: Guard, issuer: LocalIssuer, name: str, variant: str) -> None:
    hostile = issuer.hostile_variants(GOOD[name](issuer))[variant]
    with pytest.raises(Unauthenticated):
        guard.verify(hostile)


def test_keys_come_over_http_while_it_serves(served: LocalIssuer) -> None:
    guard = Guard(served.google(CLIENT))
    assert guard.verify(served.person()).email == "ada@gmail.com"
    assert guard.verify(served.person("grace@gmail.com")).email == "grace@gmail.com"
    assert served.fetches == {"google": 1}


def test_an_outage_at_the_start_is_nobodys_fault(served: LocalIssuer) -> None:
    served.fail_with(503)
    with pytest.raises(Unavailable):
        Guard(served.google(CLIENT)).verify(served.person())
