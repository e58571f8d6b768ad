"""The one place where a request is judged: checks, what was sent and the time → who is let in, or a refusal.

Every adapter calls `evaluate`, live and in the shadow, enforced and report-only; nothing else asks a rule. It does no
I/O: where a key has to be fetched it returns a `Wait`, and is called again once that is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, cast

from callerid.authentication import NOBODY, Authenticator, Identity, Waited, request_of
from callerid.authorization._remedies import Judged, what_came
from callerid.authorization._requirement import Requirement, check_whose
from callerid.callers import Caller
from callerid.errors import Forbidden, Reason, Refusal, StepUpRequired, Unauthenticated, Unavailable
from callerid.keys import Wait
from callerid.lookups import KnownFacts, look_up_for
from callerid.rules import NOT_ASKED, Facts, SignedInWithin, admitted, leaves, missing_steps, some_app

__all__ = ["Check", "Credentials", "Decision", "Judge", "Known", "evaluate", "judge"]


class Judge(Protocol):
    """Who identifies the callers of a request: a guard."""

    @property
    def authenticator(self) -> Authenticator:
        """Its issuers, keys and clock."""
        ...

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        """See `Authenticator.identify`."""
        ...

    def judge(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
    ) -> Caller | Wait | None:
        """See `judge`."""
        ...

    def use_up(self, identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
        """See `Authenticator.use_up`."""
        ...


class Check(NamedTuple):
    """One requirement to judge: the guard that judges it, and the path parameters of the request.

    ``place`` is where it is written, for the log, if that is not the request's own place.
    """

    guard: Any
    requirement: Requirement
    parameters: Mapping[str, Any]
    place: str = ""


Credentials: TypeAlias = Callable[[Any], Mapping[str, list[str]]]
"""Returns the values of the headers that a guard reads; it is not called where no credential is read."""

Known: TypeAlias = Mapping[Any, Identity | Refusal]
"""By guard, the identity or refusal that its credentials led to in an earlier decision about the same request."""


_NONE: Final = cast("dict[Any, Any]", MappingProxyType({}))

_new: Final = cast("Any", tuple).__new__
"""Makes a named tuple faster than its class does; one is made for every request."""


class Decision:
    """The decision about a request.

    ``callers`` are those that the application gets, ``identities`` all that were verified, each by guard; ``caller`` is
    whom the innermost guard admitted. ``refusal`` is the first that is enforced, ``check`` what led to it; ``waived``
    are the refusals that are only logged.
    ``supposes_first_use``: it is for a token that was not used before, which was not found out.
    """

    # Shared defaults, which are replaced and never changed: a decision is made for every request.
    refusal: Refusal | None = None
    check: Check | None = None
    identities: dict[Any, Identity] = _NONE
    callers: dict[Any, Caller | None] = _NONE
    caller: Caller | None = None
    instance = ""
    """The id by which a refusal is found in the log."""
    waived: tuple[tuple[Refusal, Check], ...] = ()
    supposes_first_use = False

    @property
    def first_refusal(self) -> Refusal | None:
        """The first refusal, whether it is enforced or not."""
        return self.waived[0][0] if self.waived else self.refusal

    @property
    def known(self) -> Known:
        """The results of reading the credentials, for another decision about the same request."""
        refused = [*self.waived, *([] if self.refusal is None or self.check is None else [(self.refusal, self.check)])]
        unbelieved = {check.guard: refusal for refusal, check in refused if refusal.reason is not Reason.AMBIGUOUS_PATH}
        return {**unbelieved, **self.identities}


def evaluate(  # noqa: PLR0913 - a request, and how it is judged
    checks: Sequence[Check],
    credentials: Credentials,
    waited: Waited = (),
    *,
    waives: Callable[[Any], bool] | None = None,
    known: Known | None = None,
    uses_up: bool = True,
) -> Decision | Wait:
    """Judge a request: every check must hold. Returns a `Wait` where a key has to be fetched first.

    Where all hold, and one of them only if the token was not used before, the token is used up. Unless ``uses_up``:
    then it counts as not used before.

    ``waives`` says whether a guard's refusals are only logged at present. ``known`` are credentials that were read for
    an earlier decision; others are read now.
    """
    decision = Decision()
    decision.identities = {}
    callers: list[Caller | None] = []
    due: dict[Any, Check] = {}
    for check in checks:
        guard, requirement, parameters, _ = check
        caller: Caller | None = None
        try:
            if not requirement.public:
                identity = decision.identities.get(guard) or _identity(guard, decision, credentials, waited, known)
                if isinstance(identity, Wait):
                    return identity
                judged = (
                    _judged_with_use(check, identity, waited, due)
                    if requirement.single_use
                    else guard.judge(requirement, identity, parameters, waited)
                )
                if isinstance(judged, Wait):
                    return judged
                caller = judged
        except Refusal as refusal:
            # Its frames hold this decision, and the token: a reference back would keep both until garbage is collected.
            refusal.__traceback__ = None
            if waives is None or not waives(guard):
                decision.refusal, decision.check = refusal, check
                return decision
            decision.waived = (*decision.waived, (refusal, check))
            caller = _despite(refusal, decision.identities.get(guard, NOBODY))
        callers.append(caller)
    if due:
        decision.supposes_first_use = not uses_up
        if uses_up and (ended := _used_up(decision, due.values(), waited, waives)) is not None:
            return ended
    decision.callers = {checks[0].guard: callers[0]} if len(callers) == 1 else _by_guard(checks, callers)
    decision.caller = callers[0] if len(callers) == 1 else _innermost(decision.callers)
    return _settled(decision, waives) if decision.waived and waives is not None else decision


def _identity(
    guard: Judge, decision: Decision, credentials: Credentials, waited: Waited, known: Known | None
) -> Identity | Wait:
    """The identity that a request's credentials prove to one guard; kept in the decision. Raises `Refusal`."""
    # Where a refusal of the credentials was waived, the guard's further checks see no caller.
    if decision.waived and any(at.guard is guard for _, at in decision.waived):
        return NOBODY
    found: Identity | Refusal | Wait | None = None if known is None else known.get(guard)
    if found is None:
        found = guard.identify(credentials(guard), waited)
    elif isinstance(found, Refusal):
        raise found
    if not isinstance(found, Wait):
        decision.identities[guard] = found
    return found


def _judged_with_use(check: Check, identity: Identity, waited: Waited, due: dict[Any, Check]) -> Caller | Wait | None:
    """As `judge`, where the answer may depend on whether the token was used before: then the check is put into ``due``.

    As for look-ups: rules have no negation, so who is admitted although the token counts as used needs no use of it,
    and who is refused although it does not, either.
    """
    guard, requirement, parameters, _ = check
    can_use = identity.caller is not None and identity.use_id is not None
    try:
        judged = guard.judge(requirement, identity, parameters, waited)
        if judged is not None or not can_use:
            return judged  # type: ignore[no-any-return]
    except Unavailable:
        raise
    except Refusal:
        if not can_use:
            raise
    judged = guard.judge(requirement, identity._replace(first_use=True), parameters, waited)
    if isinstance(judged, Caller):
        due.setdefault(guard, check)
    return judged  # type: ignore[no-any-return]


def _used_up(
    decision: Decision, due: Iterable[Check], waited: Waited, waives: Callable[[Any], bool] | None
) -> Decision | Wait | None:
    """Use up the tokens that these checks admit for one request.

    Returns the decision where that refuses the request, and a `Wait` where a fleet has to answer first. In report-only
    mode no token is used up that is refused anyway.
    """
    request = request_of(waited)
    for check in due:
        guard = check.guard
        is_waived = waives is not None and waives(guard)
        if is_waived and decision.waived:
            continue
        try:
            wait: Wait | None = guard.use_up(decision.identities[guard], request, waited)
        except Refusal as refusal:
            refusal.__traceback__ = None  # as above
            if not is_waived:
                decision.refusal, decision.check = refusal, check
                return decision
            decision.waived = (*decision.waived, (refusal, check))
        else:
            if wait is not None:
                return wait
    return None


def _settled(decision: Decision, waives: Callable[[Any], bool]) -> Decision:
    """The decision, if its waived refusals are still waived: report-only mode may have ended meanwhile."""
    for refusal, check in decision.waived:
        if not waives(check.guard):
            decision.refusal, decision.check = refusal, check
        elif refusal.reason is Reason.WRONG_AUDIENCE:
            decision.callers = {**decision.callers, check.guard: None}
            decision.caller = _innermost(decision.callers)
    return decision


def _innermost(callers: Mapping[Any, Caller | None]) -> Caller | None:
    return next(reversed(tuple(callers.values())), None)


def _despite(refusal: Refusal, identity: Identity) -> Caller | None:
    """The caller that the application gets although a refusal was waived; ``None`` if the audience was wrong."""
    return None if refusal.reason is Reason.WRONG_AUDIENCE else identity.caller


def _by_guard(checks: Sequence[Check], callers: Sequence[Caller | None]) -> dict[Any, Caller | None]:
    """By guard, the caller whom all of its checks admitted."""
    found: dict[Any, list[tuple[Requirement, Caller | None]]] = {}
    for check, caller in zip(checks, callers, strict=True):
        found.setdefault(check.guard, []).append((check.requirement, caller))
    return {guard: each[0][1] if len(each) == 1 else _shown(each) for guard, each in found.items()}


def _shown(found: list[tuple[Requirement, Caller | None]]) -> Caller | None:
    """The caller whom all checks of a guard admitted. Where all are optional, only if every one identified a caller."""
    judged = [(requirement, caller) for requirement, caller in found if not requirement.public]
    due = [caller for requirement, caller in judged if not requirement.optional] or [caller for _, caller in judged]
    return None if None in due or not due else due[0]


def judge(
    guard: Any, requirement: Requirement, identity: Identity, parameters: Mapping[str, Any], waited: Waited = ()
) -> Caller | Wait | None:
    """The caller that the handler gets, if the requirement admits them; else raises `Refusal`. It reads the clock.

    Returns a `Wait` where a look-up has to be waited for.
    """
    if requirement.public:
        return None
    authenticator, rule, caller = guard.authenticator, requirement.rule, identity.caller
    trusted = authenticator.trusted
    if trusted.is_ambiguous:
        # Issuers may have been added since the start-up check.
        check_whose(requirement, trusted, "a rule in force")
    if caller is not None:
        authenticator.check_audience(caller, requirement.audiences, identity.accepted)
    known = KnownFacts(guard, caller) if requirement.lookups and caller is not None else None
    says, now = NOT_ASKED if known is None else known, authenticator.clock()
    facts: Facts = _new(Facts, (caller, identity.via, parameters, now, False, identity.app, says, identity.first_use))
    if known is not None:
        if admitted(requirement.identifying_rule, facts):
            return caller
        may = partial(_may_be_admitted, requirement)
        wait = look_up_for(requirement.identifying_rule, facts, known, waited, may)
        if wait is not None:
            return wait
    if admitted(rule, facts):
        # A caller admitted only by Public() is not passed on: the other alternatives must identify them.
        is_known = not requirement.optional or admitted(requirement.identifying_rule, facts)
        return caller if is_known else None
    judged = Judged(rule, facts, names_issuer=trusted.is_ambiguous)
    refusal: Refusal
    if requirement.apps and identity.app is None and _admits_with_app(requirement, facts):
        who = caller or "nobody"
        refusal = Unauthenticated(Reason.NO_APP_CHECK, lambda: f"expected {rule}, got {who} without an App Check token")
    elif caller is None and (identity.app is None or not all(map(some_app, leaves(rule)))):
        refusal = Unauthenticated(Reason.NO_CREDENTIAL, lambda: f"expected {rule}, got {_sent(identity)}")
    else:
        refusal = _refusal(requirement, judged)
    refusal.judged = judged
    raise refusal


def _may_be_admitted(requirement: Requirement, facts: Facts) -> bool:
    """Whether the rule admits, or would with an App Check token or another sign-in."""
    rule = requirement.identifying_rule
    if admitted(rule, facts):
        return True
    if requirement.optional:
        return False
    if requirement.has_steps and missing_steps(rule, facts) is not None:
        return True
    return facts.app is None and _admits_with_app(requirement, facts)


def _admits_with_app(requirement: Requirement, facts: Facts) -> bool:
    """Whether nothing but an App Check token is missing."""
    return any(admitted(requirement.rule, facts._replace(app=app)) for app in requirement.apps)


def _sent(identity: Identity) -> str:
    """What was sent instead of a caller's credential, in words."""
    carried = "" if identity.via is None else f"{identity.via}, which carried the call"
    app = "" if identity.app is None else f"an App Check token of {identity.app}"
    came = " and ".join(filter(None, (carried, app)))
    sent = f"only {came}" if came else "no credential"
    return f"{sent}: {identity.ignored}" if identity.ignored else sent


def _refusal(requirement: Requirement, judged: Judged) -> Refusal:
    rule, facts = judged.rule, judged.facts

    def expected() -> str:
        return f"expected {rule}, got {what_came(judged)}"

    def why() -> str:
        return str(judged.explanation)

    steps = missing_steps(rule, facts) if requirement.has_steps else None
    if steps is None:
        return Forbidden(expected, why=why)
    ages = [step.seconds for step in steps if isinstance(step, SignedInWithin)]
    return StepUpRequired(expected, max_age=min(ages, default=None), why=why)
