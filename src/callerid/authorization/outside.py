"""Judging a token that came outside a request's headers, or a caller who was verified before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from callerid.authentication import NOBODY, Identity, Waited
from callerid.authorization.authorize import Request, authorize
from callerid.authorization.engine import Check, Judge, evaluate
from callerid.authorization.requirement import Requirement
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Unauthenticated
from callerid.keys import Wait
from callerid.rules import path_parameters

__all__ = ["TOKEN", "TokenRequest", "allows", "check_path"]

TOKEN: Final = "(token)"  # noqa: S105 - where a token was judged, for the log
"""The route in the log of a token that was judged by itself."""


class _TokenJudge:
    """Stands in for a guard, with one token as the credential in place of headers."""

    def __init__(self, guard: Any, read: Callable[[Waited], Caller | Wait]) -> None:
        self._guard, self._read = guard, read

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        read = self._read(waited)
        return read if isinstance(read, Wait) else Identity(read)

    def judge(self, requirement: Requirement, identity: Identity, path: Mapping[str, Any]) -> Caller | None:
        return self._guard.judge(requirement, identity, path)  # type: ignore[no-any-return]

    def record(self, *arguments: Any) -> str:
        return self._guard.record(*arguments)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token that came outside headers, and what is required of its caller.

    ``read`` returns the caller of the token, ``path`` are values for `PathParam`, ``where`` is the place for the
    log. Raises `ConfigurationError` for a requirement that could hold without a caller, and for a path parameter that
    is not given.
    """

    guard: Any
    read: Callable[[Waited], Caller | Wait]
    requirement: Requirement
    path: Mapping[str, Any]
    where: str

    def __post_init__(self) -> None:
        check_path(self.requirement, self.path)
        if self.requirement.optional:
            raise ConfigurationError(
                f"{self.requirement.rule!r} could hold without a caller, and verify(token, rule) returns one: name a "
                "rule about the caller, or none, and ask guard.allows(caller, rule) afterwards"
            )

    def authorize(self, waited: Waited = ()) -> Caller | Wait:
        """The caller, if they satisfy the requirement; the decision is logged. Raises `Refusal`."""
        judge = _TokenJudge(self.guard, self.read)
        check = Check(judge, self.requirement, self.path)
        decision = authorize(Request(judge, self.where, (check,), lambda _: {}, self.requirement), waited)
        if isinstance(decision, Wait):
            return decision
        if decision.refusal is not None:
            raise decision.refusal
        return cast("Caller", decision.caller)  # the requirement is not optional


def allows(guard: Judge, caller: Caller | None, requirement: Requirement, path: Mapping[str, Any]) -> bool:
    """Whether a caller who was verified before satisfies a requirement now. Nothing is logged."""
    if requirement.public:
        return True
    identity = NOBODY if caller is None else Identity(caller, caller.via)
    if not _is_believed(guard, identity):
        return False
    decision = evaluate((Check(guard, requirement, path),), lambda _: {}, known={guard: identity})
    return not isinstance(decision, Wait) and decision.refusal is None


def _is_believed(guard: Judge, identity: Identity) -> bool:
    """What `Authenticator.identify` would check again: the tokens' times, and for whom the carrier's was minted.

    Issuer and audience of the caller's are checked with every rule.
    """
    authenticator = guard.authenticator
    now = authenticator.clock() - authenticator.leeway
    if any(each is not None and now >= each.expires_at for each in (identity.caller, identity.via)):
        return False
    try:
        if identity.via is not None:
            authenticator.check_audience(identity.via, None)
    except Unauthenticated:
        return False
    return True


def check_path(requirement: Requirement, path: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where the rule compares with a path parameter that is not given."""
    missing = sorted(path_parameters(requirement.rule).difference(path))
    if missing:
        raise ConfigurationError(
            f"{requirement.rule!r} compares with the path parameter {missing[0]!r}, and there is no request: give its "
            f"value, as in path={{{missing[0]!r}: ...}}"
        )
