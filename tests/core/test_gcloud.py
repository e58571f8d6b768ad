"""Developers' tokens of ``gcloud auth print-identity-token``: people only, and only where no rule names audiences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callerid import AnyGoogleAccount, ConfigurationError, Domain, Guard, Reason, Unauthenticated, User, google
from callerid.audit.algebra import No, Side, Yes, new_access
from callerid.callers import Kind
from callerid.guard import Requirement
from callerid.issuers import GCLOUD_CLIENT
from callerid.rules import ServiceAccount
from callerid.testing import as_caller, google_person, service_account
from callerid.testing._personas import headers_of

from .made import CLIENT, ISSUER, NOW, URL, odd

if TYPE_CHECKING:
    from collections.abc import Callable

    from callerid import Rule

ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
GUARD = Guard(ISSUER.google(URL, gcloud=True), clock=lambda: NOW)
DEVELOPER = ISSUER.workspace_person("ada@example.com", audience=GCLOUD_CLIENT)


def test_it_is_one_more_audience_for_people_only() -> None:
    assert google(URL, gcloud=True).audiences == {URL, GCLOUD_CLIENT}
    assert google(URL, gcloud=True).people_only == {GCLOUD_CLIENT}
    assert google(URL).people_only == frozenset()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: google(GCLOUD_CLIENT), "gcloud=True"),
        (lambda: google(URL, GCLOUD_CLIENT), "gcloud=True"),
        (lambda: google(gcloud=True), "name at least one"),
        (lambda: google(URL, gcloud=odd(1)), "gcloud is True or False"),
        (lambda: google(URL, gcloud=odd(None)), "gcloud is True or False"),
        (lambda: GUARD.requirement(Domain("example.com"), audience=GCLOUD_CLIENT), "gcloud=True"),
        (lambda: GUARD.verify(DEVELOPER, audience=[URL, GCLOUD_CLIENT]), "gcloud=True"),
        (lambda: Guard(google(URL, gcloud=True), google(CLIENT, gcloud=True)), "two issuers claim the tokens"),
    ],
)
def test_gclouds_audience_is_asked_for_by_its_own_setting_alone(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)


def test_a_persons_token_is_believed() -> None:
    caller = GUARD.verify(DEVELOPER)
    assert (str(caller), caller.domain, caller.audience) == ("user:ada@example.com", "example.com", GCLOUD_CLIENT)
    assert str(GUARD.verify(ISSUER.person("ada@gmail.com", audience=GCLOUD_CLIENT))) == "user:ada@gmail.com"


@pytest.mark.parametrize(
    ("token", "got"),
    [
        (lambda: ISSUER.service_account(ROBOT, audience=GCLOUD_CLIENT), "one of a service account"),
        (
            lambda: ISSUER.service_account(ROBOT, audience=GCLOUD_CLIENT, include_email=False),
            "one of a service account",
        ),
        (lambda: ISSUER.service_account(ROBOT, audience=GCLOUD_CLIENT, use_email_azp=True), "one of a service account"),
        (
            lambda: ISSUER.altered(ISSUER.service_account(ROBOT, audience=GCLOUD_CLIENT), azp=GCLOUD_CLIENT),
            "one of a service account",
        ),
        (
            lambda: ISSUER.service_account(
                ROBOT, audience=GCLOUD_CLIENT, include_email=False, claims={"azp": CLIENT}, hostile=True
            ),
            f"one for another client, azp '{CLIENT}'",
        ),
        (lambda: ISSUER.person("ada@gmail.com", audience=GCLOUD_CLIENT, azp=CLIENT), "one for another client, azp"),
        (lambda: ISSUER.without(DEVELOPER, "azp"), "one for another client, azp none"),
        (lambda: ISSUER.without(DEVELOPER, "email"), "one without a verified e-mail address"),
        (lambda: ISSUER.altered(DEVELOPER, email_verified=False), "one without a verified e-mail address"),
        (lambda: ISSUER.without(DEVELOPER, "email_verified"), "one without a verified e-mail address"),
    ],
)
def test_all_others_with_its_audience_are_refused_and_the_log_says_what_they_are(
    token: Callable[[], str], got: str
) -> None:
    with pytest.raises(Unauthenticated) as caught:
        GUARD.verify(token())
    assert caught.value.reason is Reason.WRONG_AUDIENCE
    assert caught.value.detail.startswith(f"expected a person's token of gcloud, got {got}")
    assert "gcloud auth print-identity-token --audiences=AUDIENCE" in caught.value.remedy


def test_without_the_setting_the_log_names_it() -> None:
    with pytest.raises(Unauthenticated) as caught:
        Guard(ISSUER.google(URL), clock=lambda: NOW).verify(DEVELOPER)
    assert caught.value.reason is Reason.WRONG_AUDIENCE
    assert "google(..., gcloud=True)" in caught.value.remedy


def judged(requirement: Requirement, token: str) -> Any:
    return GUARD.judge(requirement, odd(GUARD.identify({"authorization": [f"Bearer {token}"]})), {})


def test_a_place_that_names_audiences_is_opened_by_no_token_of_gcloud() -> None:
    assert judged(Requirement(Domain("example.com")), DEVELOPER)
    with pytest.raises(Unauthenticated) as caught:
        judged(Requirement(Domain("example.com"), frozenset({URL})), DEVELOPER)
    assert caught.value.reason is Reason.WRONG_AUDIENCE


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        (AnyGoogleAccount(), f"a person with a Google account, with a token for {GCLOUD_CLIENT}"),
        (Domain("example.com"), f"a person of example.com, with a token for {GCLOUD_CLIENT}"),
        (User("7"), f"the person with the id 7, with a token for {GCLOUD_CLIENT}"),
        (ServiceAccount(ROBOT), ""),
        (ServiceAccount("7"), ""),
    ],
)
def test_turning_it_on_lets_in_people_and_no_service_account(rule: Rule, who: str) -> None:
    old, new = ISSUER.google(URL), ISSUER.google(URL, gcloud=True)
    verdict = new_access(Side(rule, issuers=(old,)), Side(rule, issuers=(new,)))
    assert isinstance(new_access(Side(rule, issuers=(new,)), Side(rule, issuers=(old,))), No)
    if not who:
        assert isinstance(verdict, No)
        return
    assert isinstance(verdict, Yes)
    assert str(verdict).startswith(who)
    assert verdict.witness.family is Kind.GOOGLE
    token = headers_of(verdict.witness, ISSUER)["Authorization"].removeprefix("Bearer ")
    assert judged(Requirement(rule), token)


def test_tests_act_as_such_a_person_where_they_say_so() -> None:
    with as_caller(GUARD, google_person("ada@gmail.com", audience=GCLOUD_CLIENT)) as caller:
        assert caller.audience == GCLOUD_CLIENT
    for someone in (google_person("ada@gmail.com"), service_account(ROBOT)):
        with as_caller(GUARD, someone) as caller:
            assert caller.audience == URL
