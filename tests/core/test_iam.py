"""Rules from IAM policies: whole, or an error that names what cannot be judged."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
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


UNASKED = """\
bindings:
- members:
  - user:owner@example.com
  role: roles/run.admin
- members:
  - domain:example.com
  - serviceAccount:queue@shop-prod.iam.gserviceaccount.com
  - user:Eve@gmail.com
  role: roles/run.invoker
etag: BwXhqDVsBAE=
version: 1
"""


def policy(*members: Any, **binding: Any) -> dict[str, Any]:
    return {"bindings": [{"role": INVOKER, "members": list(members), **binding}]}


INVOKERS = Domain("example.com") | ServiceAccount("queue@shop-prod.iam.gserviceaccount.com") | User("eve@gmail.com")


@pytest.mark.parametrize("form", [str, str.encode, json.loads])
def test_what_gcloud_prints(form: Any) -> None:
    assert rules_from_iam_policy(form(PRINTED)) == INVOKERS


@pytest.mark.parametrize("form", [str, str.encode])
def test_what_gcloud_prints_where_no_format_is_asked_for(form: Any) -> None:
    assert rules_from_iam_policy(form(UNASKED)) == INVOKERS
    assert rules_from_iam_policy(form(f"---\n{UNASKED}...\n")) == INVOKERS


@pytest.mark.parametrize("text", [PRINTED, UNASKED])
def test_a_file_is_read_whatever_it_is_called(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.txt"
    path.write_text(text, encoding="utf-8")
    assert rules_from_iam_policy(path) == INVOKERS
    with pytest.raises(ConfigurationError, match=r"none\.yaml cannot be read \(No such file or directory\)"):
        rules_from_iam_policy(tmp_path / "none.yaml")


def test_a_condition_and_a_foreign_member_are_named_in_yaml_as_in_json() -> None:
    conditioned = UNASKED.replace(
        "  role: roles/run.inv", "  condition:\n    title: until Friday\n  role: roles/run.inv"
    )
    with pytest.raises(ConfigurationError, match=r"bindings\[1\] holds under the condition 'until Friday'"):
        rules_from_iam_policy(conditioned)
    with pytest.raises(ConfigurationError, match="'projectOwner:shop-prod' cannot be judged"):
        rules_from_iam_policy(UNASKED.replace("domain:example.com", "projectOwner:shop-prod"))


LAUGHS = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefghijklmnopqrs"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bindings: []\nbindings:\n- role: x\n", "a key stands twice in a mapping"),
        ("bindings:\n- role: a\n  members: [allUsers]\n  'role': b\n", "line 2, column 3"),
        ("x: &x [allUsers]\nbindings: *x\n", "an alias: write it out"),
        (LAUGHS, "an alias: write it out"),
        ("bindings:\n- <<: {role: roles/run.invoker}\n  role: b\n", "a merge: write it out"),
        ("bindings: !!python/object/apply:os.system [exit]\n", "could not determine a constructor"),
        ("bindings: !!python/name:os.system\n", "could not determine a constructor"),
        ("bindings: []\n---\nbindings: []\n", "expected a single document"),
        ("? [a]\n: b\n", "found unhashable key"),
        ("bindings: [\n", "expected the node content"),
        ("bindings: \x00\n", "special characters are not allowed"),
        ("- " * 5_000, "recursion"),
    ],
)
def test_yaml_says_what_a_reader_sees_or_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        rules_from_iam_policy(text)
    assert str(raised.value).startswith("this IAM policy cannot be read as a rule: it is neither JSON nor YAML (")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_pyyaml_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert rules_from_iam_policy(PRINTED) == INVOKERS
    with pytest.raises(ConfigurationError, match=r"pip install 'callerid\[yaml\]', or print it with --format=json"):
        rules_from_iam_policy(UNASKED)


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
            "it is neither JSON nor YAML (an object has a member twice)",
        ),
        ("bindings:\n- members", "bindings[0] is not an object"),
        ("{bindings: []}", "it is neither JSON nor YAML"),
        ("[" * 100_000, "it is neither JSON nor YAML"),
        (b"\xff", "it is neither JSON nor YAML"),
        ("[]", "it is not an object"),
        ("", "it is not an object"),
        ("policy.json", "it is not an object"),
        (None, "it is not an object"),
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
