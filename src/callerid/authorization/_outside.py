"""Judging a token that came outside a request's headers, a sign-in, or a caller who was verified before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from callerid.authentication import NOBODY, Attempt, ExpectedNonce, Identity, SignInForm, Waited
from callerid.authorization._authorize import Request, authorize
from callerid.authorization._engine import Check, Judge, evaluate
from callerid.authorization._requirement import Requirement, requirement_of
from callerid.authorization._startup import check_lookups
from callerid.callers import GOOGLE, Caller
from callerid.errors import ConfigurationError, Reason, Refusal, Unauthenticated, Unavailable
from callerid.issuers import AUTHORIZATION, GCLOUD_CLIENT, GoogleIssuer
from callerid.keys import Wait
from callerid.rules import AnyGoogleAccount, Rule, path_parameters

__all__ = ["TOKEN", "TokenRequest", "allows", "check_names_caller", "check_path", "instance_of", "signing_in"]

TOKEN: Final = "(token)"  # noqa: S105 - where a token was judged, for the log
"""The route in the log of a token that was judged by itself."""

SIGN_IN: Final = "(sign-in)"
"""The same of a form that Google's button posted."""


class _TokenJudge:
    """Stands in for a guard, with one token as the credential in place of headers."""

    def __init__(self, guard: Any, read: Callable[[Waited], Identity | Wait]) -> None:
        self._guard, self._read = guard, read
        self.use_up, self.observer = guard.use_up, guard.observer

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        return self._read(waited)

    def judge(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
    ) -> Caller | Wait | None:
        return self._guard.judge(requirement, identity, path, waited)  # type: ignore[no-any-return]

    def record(self, *arguments: Any) -> str:
        return self._guard.record(*arguments)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token that came outside headers, and what is required of its caller.

    ``read`` returns what the token proves, ``path`` are values for `PathParam`, ``where`` is the place for the
    log. Raises `ConfigurationError` for a requirement that could hold without a caller, for a path parameter that is
    not given, and for a look-up that the guard does not have.
    """

    guard: Any
    read: Callable[[Waited], Identity | Wait]
    requirement: Requirement
    path: Mapping[str, Any]
    where: str

    def __post_init__(self) -> None:
        check_names_caller(self.requirement, self.path)
        check_lookups(self.guard, self.requirement, self.where)

    def authorize(self, waited: Waited = ()) -> Caller | Wait:
        """The caller, if they satisfy the requirement; the decision is logged. Raises `Refusal`."""
        judge = _TokenJudge(self.guard, self.read)
        check = Check(judge, self.requirement, self.path)
        decision = authorize(Request(judge, self.where, (check,), lambda _: {}, self.requirement), waited)
        if isinstance(decision, Wait):
            return decision
        if decision.refusal is not None:
            decision.refusal.instance = decision.instance
            raise decision.refusal
        return cast("Caller", decision.caller)  # the requirement is not optional


def signing_in(guard: Any, form: SignInForm, rule: Rule | str | None, nonce: ExpectedNonce) -> Attempt[Caller]:
    """An attempt at the person who signed in with Google's button; see `callerid.guard.GuardCore.verify_sign_in`."""
    direct = (issuer for issuer in guard.issuers if AUTHORIZATION in issuer.locations)
    issuers = [issuer for issuer in direct if isinstance(issuer, GoogleIssuer)]
    named = {audience for issuer in issuers for audience in issuer.audiences if audience.endswith(_CLIENT)}
    clients = named - {GCLOUD_CLIENT}
    if not clients:
        raise ConfigurationError(
            "Google's button signs people in for an OAuth client id, and this guard knows of none: write "
            f"google(..., '1234-abc{_CLIENT}')",
            code="sign-in-without-client-id",
        )

    def read(waited: Waited) -> Identity | Wait:
        token = form.credential(guard.authenticator.longest_token)
        found: Identity | Wait = guard.authenticator.read(token, waited=waited)
        if not isinstance(found, Wait):
            _check_signed_in(cast("Caller", found.caller), issuers)
            guard.authenticator.check_nonce(token, nonce)
        return found

    requirement = requirement_of((AnyGoogleAccount() if rule is None else rule,), clients)
    return TokenRequest(guard, read, requirement, {}, SIGN_IN).authorize


_CLIENT: Final = ".apps.googleusercontent.com"
"""How an OAuth client id ends."""


def _check_signed_in(caller: Caller, issuers: Iterable[GoogleIssuer]) -> None:
    if caller.kind is not GOOGLE or all(caller.issuer != issuer.name for issuer in issuers):
        raise Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected a Google ID token, got one of {caller.issuer}")
    if caller.is_service_account:
        # Any of them can have a token minted for any audience, and none of them ever signs in by a button.
        raise Unauthenticated(Reason.BAD_CLAIMS, "expected a person's token, got one of a service account")


def instance_of(guard: Any, refusal: Refusal) -> str:
    """By what a refusal that a handler raised is found in the log; it is logged here, if it was not before."""
    return refusal.instance or guard.record(TOKEN, None, None, refusal)


def allows(
    guard: Judge, caller: Caller | None, requirement: Requirement, path: Mapping[str, Any], waited: Waited = ()
) -> bool | Wait:
    """Whether a caller who was verified before satisfies a requirement now. Nothing is logged.

    Returns a `Wait` where a look-up has to be waited for; raises `Unavailable` where it cannot be asked.
    """
    if requirement.public:
        return True
    identity = NOBODY if caller is None else _in_hand(guard, caller)
    if not _is_believed(guard, identity):
        return False
    decision = evaluate(
        (Check(guard, requirement, path),), lambda _: {}, waited, known={guard: identity}, uses_up=False
    )
    if isinstance(decision, Wait):
        return decision
    if isinstance(decision.refusal, Unavailable):
        raise decision.refusal
    return decision.refusal is None


def _in_hand(guard: Judge, caller: Caller) -> Identity:
    accepted = guard.authenticator.trusted.audiences_of(caller.issuer) or None
    return Identity(caller, caller.via, app=caller.app, accepted=accepted)


def _is_believed(guard: Judge, identity: Identity) -> bool:
    """What `Authenticator.identify` would check again: times, revocations, and for whom the carrier's was minted.

    Issuer and audience of the caller's are checked with every rule.
    """
    authenticator = guard.authenticator
    now = authenticator.clock() - authenticator.leeway
    if any(each is not None and now >= each.expires_at for each in (identity.caller, identity.via)):
        return False
    clock, revocations = authenticator.clock(), authenticator.revocations
    if any(each is not None and revocations.is_revoked(each, clock) for each in (identity.caller, identity.via)):
        return False
    return identity.via is None or authenticator.is_carrier(identity.via)


def check_names_caller(requirement: Requirement, path: Mapping[str, Any]) -> None:
    """As `check_path`, and raise `ConfigurationError` for a requirement that could hold without a caller."""
    check_path(requirement, path)
    if requirement.optional:
        raise ConfigurationError(
            f"{requirement.rule!r} could hold without a caller, and verify(token, rule) returns one: name a rule about "
            "the caller, or none, and ask guard.allows(caller, rule) afterwards",
            code="rule-outside-a-request",
        )


def check_path(requirement: Requirement, path: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where the rule compares with a path parameter that is not given."""
    missing = sorted(path_parameters(requirement.rule).difference(path))
    if missing:
        raise ConfigurationError(
            f"{requirement.rule!r} compares with the path parameter {missing[0]!r}, and there is no request: give its "
            f"value, as in path={{{missing[0]!r}: ...}}",
            code="rule-outside-a-request",
        )
