"""Rules about what only a look-up knows: their words, and what they mean beside other rules."""

from __future__ import annotations

import pytest

import callerid
from callerid import ConfigurationError, Domain, Group, Kind, NotRevoked, PathParam, Role, Rule
from callerid.audit.algebra import No, Persona, Side, Yes, exclude, implies, new_access
from callerid.rules import Facts
from callerid.testing import google_person
from tests.fixtures import AT_HAND

ADA = google_person("ada@example.com", domain="example.com")

WORDS = [
    (Role("editor"), "Role('editor')", "role:editor"),
    (Role("editor", of="teams"), "Role('editor', of='teams')", "role:editor of teams"),
    (Role(PathParam("team")), "Role(PathParam('team'))", "role:{team}"),
    (Group("Eng@Example.com"), "Group('eng@example.com')", "group:eng@example.com"),
    (NotRevoked(), "NotRevoked()", "notRevoked"),
    (NotRevoked(of="status"), "NotRevoked('status')", "notRevoked of status"),
]


@pytest.mark.parametrize(("rule", "code", "words"), WORDS)
def test_a_rule_says_what_it_is(rule: Rule, code: str, words: str) -> None:
    assert (repr(rule), str(rule)) == (code, words)
    assert eval(code, vars(callerid).copy()) == rule


@pytest.mark.parametrize("make", [lambda: Role(""), lambda: Role(7), lambda: Role("a", of=""), lambda: Group("eng")])  # type: ignore[arg-type]
def test_a_rule_that_cannot_be_meant_is_an_error(make: object) -> None:
    with pytest.raises(ConfigurationError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("rule", [rule for rule, _, _ in WORDS])
def test_nothing_is_so_that_was_not_looked_up(rule: Rule) -> None:
    facts = Facts(ADA, path={"team": "red"})
    assert rule.admits(facts) is False
    assert "was not asked" in str(rule.explain(facts))


@pytest.mark.parametrize("rule", [rule for rule, _, _ in WORDS])
def test_nothing_is_said_of_nobody(rule: Rule) -> None:
    assert str(rule.explain(Facts())) == f"- {rule}: the caller is nobody" + (
        ", the path names nobody" if "{" in str(rule) else ""
    )


def test_a_group_is_named_by_its_address() -> None:
    with pytest.raises(ConfigurationError, match="by its e-mail address, not by '123'"):
        Group("123")


@pytest.mark.parametrize("path", [{}, {"team": ""}, {"team": None}, {"team": True}, {"team": 1.5}])
def test_a_path_that_names_nothing_is_no_role(path: dict[str, object]) -> None:
    assert Role(PathParam("team")).asked(Facts(ADA, path=path)) == ""


def test_a_number_in_the_path_is_the_role_that_it_is_written_as() -> None:
    assert Role(PathParam("team")).asked(Facts(ADA, path={"team": 7})) == "7"


def test_rules_about_look_ups_are_told_apart() -> None:
    assert implies(Role("editor") & Domain("example.com"), Role("editor"))
    assert not implies(Role("editor"), Role("owner"))
    assert not implies(Role("editor"), Role("editor", of="teams"))
    assert not exclude(Role("editor"), Role("owner"))


def side(rule: Rule) -> Side:
    return Side(rule, issuers=AT_HAND)


@pytest.mark.parametrize(
    ("before", "after", "newcomer"),
    [
        (Role("editor"), Role("editor"), None),
        (Role("editor"), Role("editor") & Domain("example.com"), None),
        (Role("editor"), Role("editor") | Role("owner"), "of whom 'roles' says ['owner']"),
        (Role("editor"), Role("editor", of="teams"), "of whom 'teams' says ['editor']"),
        (Domain("example.com") & NotRevoked(), Domain("example.com"), "of example.com"),
        (Group("eng@example.com"), Group("ops@example.com"), "of whom 'groups' says ['ops@example.com']"),
        # A group may have members of another domain.
        (Domain("example.com"), Group("eng@example.com"), "of whom 'groups' says ['eng@example.com']"),
        (Role("red"), Role(PathParam("team")), "of whom 'roles' says ['some-roles']"),
    ],
)
def test_who_is_new_is_said_by_what_a_look_up_says_of_them(before: Rule, after: Rule, newcomer: str | None) -> None:
    found = new_access(side(before), side(after))
    assert isinstance(found, No if newcomer is None else Yes)
    if isinstance(found, Yes):
        assert newcomer is not None
        assert newcomer in str(found.witness)


def test_what_a_persona_lacks_is_said_as_of_a_caller() -> None:
    persona = Persona(family=Kind.GOOGLE, subject="7", looked_up=(("roles", ("reader",)),))
    assert Role("reader").admits(persona.facts())
    assert "of whom 'roles' does not say so" in str(Role("editor").explain(persona.facts()))
