"""The Google accounts that an application's own rules name, as personas to call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from callerid.audit._rows import Row
from callerid.audit._suite import SuitePersona
from callerid.rules import Domain, Rule, ServiceAccount, User, leaves

__all__ = ["named_people"]

MOST_NAMED: Final = 8
"""An application may name any number: the table shows the first."""


def named_people(rows: Iterable[Row]) -> list[SuitePersona]:
    """Those whom the rules let in by their address or domain, in the order of the routes.

    Where a rule stands with audiences of its own, the account's token is for one of those.
    """
    found: dict[tuple[str, str], SuitePersona] = {}
    for row in rows:
        for kind, who in filter(None, map(_account, leaves(row.rule))):
            options = {"audience": min(row.audiences)} if row.audiences else {}
            found.setdefault((kind, who), SuitePersona(who.partition("@")[0], kind, who, options))
    return list(_distinct(list(found.values())[:MOST_NAMED]))


def _account(rule: Rule) -> tuple[str, str] | None:
    """The kind and the address of somebody whom a rule is about, where it names one."""
    match rule:
        case Domain(domain=domain):
            return "workspace_person", f"sam@{domain}"
        case ServiceAccount(account=str(account)) if "@" in account:
            return "service_account", account
        case User(account=str(account)) if "@" in account:
            is_private = account.endswith(("@gmail.com", "@googlemail.com"))
            return "person" if is_private else "workspace_person", account
        case _:
            return None


def _distinct(people: Iterable[SuitePersona]) -> Iterator[SuitePersona]:
    """The same people; who has the name of another is called by the whole address."""
    taken = {"stranger", "eve", "robot", "ada", "ben", "guest", "pipeline"}
    for each in people:
        name = each.who if each.name in taken else each.name
        taken.add(name)
        yield SuitePersona(name, each.kind, each.who, each.options)
