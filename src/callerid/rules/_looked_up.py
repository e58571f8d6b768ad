"""Rules about what only a look-up knows of a caller: roles, groups, whether the account is in order.

Whatever a look-up says can only let somebody in who would not be otherwise: rules have no negation, so one that was not
asked, and one without an answer, ends closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from callerid.errors import ConfigurationError
from callerid.rules._accounts import PathParam, account_name, is_email, named_by_path
from callerid.rules._base import Rule, leaves
from callerid.rules._facts import Facts
from callerid.rules._judging import the_caller
from callerid.rules._text import printable

__all__ = ["ACTIVE", "Group", "LookUpRule", "NotRevoked", "Role", "look_up_rules"]

ACTIVE = "active"
"""What a look-up of account status says of an account that is neither disabled nor deleted nor revoked."""


class LookUpRule(Rule):
    """A rule that holds of whom a look-up says so: ``of`` is the look-up's name."""

    __slots__ = ()

    of: str

    @property
    def says(self) -> str | PathParam:
        """What the look-up has to say of the caller."""
        raise NotImplementedError  # pragma: no cover - each rule has its own

    def asked(self, facts: Facts) -> str:
        """The same for this request; empty where the path names nothing."""
        says = self.says
        if type(says) is str:
            return says
        value = facts.path.get(says.name) if isinstance(says, PathParam) else says
        if type(value) is int:
            value = str(value)
        return value if type(value) is str else ""

    def admits(self, facts: Facts) -> bool:
        said = self.asked(facts)
        return facts.caller is not None and said != "" and facts.looked_up.says(self.of, said)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts) + named_by_path(self.says, facts)
        if facts.caller is None or holds:
            return note
        known = facts.looked_up.was_asked(self.of, self.asked(facts))
        return note + (f", of whom {self.of!r} does not say so" if known else f", and {self.of!r} was not asked")

    def _suffix(self, usual: str) -> str:
        return "" if self.of == usual else f" of {self.of}"


def _check_name(of: str, rule: str) -> None:
    printable(of, f"{rule}(of=...) is the name of a look-up, such as 'roles'")


@dataclass(frozen=True, slots=True, repr=False)
class Role(LookUpRule):
    """Callers who have this role by a look-up: the one named "roles", or ``of=...``.

    The look-up returns a set of texts, and this is one of them, exactly. With a `PathParam` it is what the path names:
    ``Role(PathParam("team"), of="teams")``. Which look-ups there are is said in ``Guard(lookups=[...])``.
    """

    role: str | PathParam
    of: str = field(default="roles", kw_only=True)

    def __post_init__(self) -> None:
        if type(self.role) is not PathParam:
            printable(self.role, "Role names a role, such as 'editor'")
        _check_name(self.of, "Role")

    @property
    def says(self) -> str | PathParam:
        return self.role

    def __str__(self) -> str:
        return f"role:{self.role}{self._suffix('roles')}"


@dataclass(frozen=True, slots=True, repr=False)
class Group(LookUpRule):
    """Callers who are members of this group, IAM's ``group:``, by the look-up named "groups", or ``of=...``.

    `callerid.groups` is one that asks Cloud Identity. Source: IAM, "Principal identifiers".
    """

    email: str
    of: str = field(default="groups", kw_only=True)

    def __post_init__(self) -> None:
        name = account_name(self.email, "Group")
        if not is_email(name):
            raise ConfigurationError(
                f"Group names a group by its e-mail address, not by {self.email!r}", code="rule-argument"
            )
        self._set(email=name)
        _check_name(self.of, "Group")

    @property
    def says(self) -> str | PathParam:
        return self.email

    def __str__(self) -> str:
        return f"group:{self.email}{self._suffix('groups')}"


@dataclass(frozen=True, slots=True, repr=False)
class NotRevoked(LookUpRule):
    """Callers whose account is in order by the look-up named "account_status", or ``of=...``.

    That is one which says ``"active"`` of accounts that are neither disabled, nor deleted, nor signed out since the
    token was issued. `callerid.account_status` is one that asks Firebase Authentication.
    """

    of: str = "account_status"

    def __post_init__(self) -> None:
        _check_name(self.of, "NotRevoked")

    @property
    def says(self) -> str | PathParam:
        return ACTIVE

    def __str__(self) -> str:
        return f"notRevoked{self._suffix('account_status')}"


def look_up_rules(rule: Rule) -> Iterator[LookUpRule]:
    """The leaves of a rule that need a look-up; those inside a rule of another make are not known."""
    return (leaf for leaf in leaves(rule) if isinstance(leaf, LookUpRule))
