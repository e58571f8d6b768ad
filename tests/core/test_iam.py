"""Rules from IAM policies: whole, or an error that names what cannot be judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    Public,
    Rule,
    ServiceAccount,
    User,
    rules_from_iam_policy,
)

from .made import about, person

INVOKER = "roles/run.invoker"

PRINTED = """\
{
  "bindings": [
    {
      "members": ["user:owner@example.com"],
      "role": "roles/run.admin"
    },
    {
      "members": [
        "domain:example.com",
        "serviceAccount:queue@shop-prod.iam.gserviceaccount.com",
        "user:Eve@gmail.com"
      ],
      "role": "roles/run.invoker"
    }
  ],
  "etag": "BwXhqDVsBAE=",
  "version": 1
}
"""


def policy(*members: Any, **binding: Any) -> dict[str, Any]:
    return {"bindings": [{"role": INVOKER, "members": list(members), **binding}]}


@pytest.mark.parametrize("form", [str, str.encode, json.loads])
def test_what_gcloud_prints(form: Any) -> None:
    assert rules_from_iam_policy(form(PRINTED)) == (
        Domain("example.com") | ServiceAccount("queue@shop-prod.iam.gserviceaccount.com") | User("eve@gmail.com")
    )


def test_another_role() -> None:
    assert rules_from_iam_policy(PRINTED, "roles/run.admin") == User("owner@example.com")


@pytest.mark.parametrize(("member", "rule"), [("allUsers", Public()), ("allAuthenticatedUsers", AnyGoogleAccount())])
def test_everybody(member: str, rule: Rule) -> None:
    assert rules_from_iam_policy(policy(member)) == rule


def test_several_bindings_of_a_role_are_joined_and_doubles_kept_once() -> None:
    both = {"bindings": policy("domain:a.com")["bindings"] + policy("domain:b.com", "domain:a.com")["bindings"]}
    assert rules_from_iam_policy(both) == Domain("a.com") | Domain("b.com")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("deleted:user:ada@example.com?uid=123", "the account was deleted"),
        ("deleted:serviceAccount:a@b.iam.gserviceaccount.com?uid=1", "the account was deleted"),
        ("principalSet://iam.googleapis.com/locations/global/workforcePools/p/*", "never has Google ID tokens"),
        ("principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s", "never has a Google ID token"),
        ("projectOwner:shop-prod", "who has a role in a project is not known"),
        ("domain:no domain", "names a domain"),
        ("user:robot@b.iam.gserviceaccount.com", "is a service account"),
        ("allusers", "is not an IAM member that this library can judge"),
        ("", "is not an IAM member that this library can judge"),
    ],
)
def test_a_member_that_cannot_be_judged_is_named(member: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        rules_from_iam_policy(policy("domain:example.com", member))
    assert repr(member) in str(raised.value)
    assert why in str(raised.value)


def test_a_condition_is_named() -> None:
    condition = {"title": "until Friday", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}
    for conditioned in (condition, "until Friday"):
        with pytest.raises(ConfigurationError, match=r"bindings\[0\] holds under the condition 'until Friday'"):
            rules_from_iam_policy(policy("allUsers", condition=conditioned))


def test_what_is_said_of_other_roles_does_not_matter() -> None:
    other = {"role": "roles/run.admin", "members": ["group:x@example.com"], "condition": {"title": "x"}}
    assert rules_from_iam_policy({"bindings": [other, *policy("allUsers")["bindings"]]}) == Public()


@pytest.mark.parametrize("given", ["{}", {"bindings": []}, policy(), {"etag": "ACAB"}])
def test_nobody_is_said_and_not_guessed(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"'roles/run\.invoker' is granted to nobody.*write Nobody\(\)"):
        rules_from_iam_policy(given)


def test_a_misspelt_role_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'roles/run\.invokr' is granted to nobody"):
        rules_from_iam_policy(PRINTED, "roles/run.invokr")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            '{"bindings": [], "bindings": [{"role": "roles/run.invoker"}]}',
            "it is not JSON (an object has a member twice)",
        ),
        ("bindings:\n- members", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        (b"\xff", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        (None, "it is not a JSON object"),
        ({"version": 4}, "its version is 4"),
        ({"version": True}, "its version is True"),
        ({"version": "1"}, "its version is '1'"),
        ({"bindings": {}}, "bindings is not an array"),
        ({"bindings": ["x"]}, "bindings[0] is not an object"),
        ({"bindings": [{"members": []}]}, "bindings[0] has no role"),
        ({"bindings": [{"role": INVOKER}]}, "bindings[0].members is not an array of strings"),
        (policy(1), "bindings[0].members is not an array of strings"),
    ],
)
def test_what_is_no_policy_is_told_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        rules_from_iam_policy(given)
    assert str(raised.value).startswith(f"this IAM policy cannot be read as a rule: {said}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("email", "domain"),
    [("ada@example.com", "example.com"), ("ada@alias.example", "example.com"), ("ada@googlemail.com", None)],
)
def test_a_member_is_let_in_by_every_address_that_google_is_the_authority_for(email: str, domain: str | None) -> None:
    rule = rules_from_iam_policy(policy(f"user:{email}"))
    assert rule.admits(about(person(email, domain)))
    assert not rule.admits(about(person("eve@example.com", domain)))
    if domain is not None:
        assert not rule.admits(about(person(email, None)))
