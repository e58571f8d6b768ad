"""A caller rebuilt from the record of a decision, as far as the record tells. Pure.

Whoever asks such a caller for what the record does not tell gets an `UntoldFactError`, and never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn, cast
from urllib.parse import unquote

from callerid.audit.decision import LoggedDecision
from callerid.authorization import NOT_RECORDED, RecordedFacts, facts_from
from callerid.callers import Caller, Claims, FirebaseFacts, Kind, OidcFacts
from callerid.rules import Facts, LookedUp

__all__ = ["UntoldFactError", "facts_of"]


class UntoldFactError(BaseException):
    """The record does not tell this fact. No exception that a rule may swallow, which would be a no."""


def facts_of(decision: LoggedDecision) -> Facts:
    """What the record tells of the facts that were judged. Raises `UntoldFactError` where nobody can be rebuilt."""
    recorded = facts_from(decision.fields.get("facts", ""))
    if recorded is not None:
        return _whole(recorded)
    caller = decision.fields.get("caller")
    if caller is None and not _is_known_to_be_nobody(decision):
        raise UntoldFactError("who called, since no credential was read or believed")
    return Facts(
        None if caller is None else _partial(caller, decision.fields.get("subject"), decision.fields.get("issuer")),
        _via(decision.fields.get("via")),
        _UntoldPath({}),
        app=decision.fields.get("app"),
        looked_up=_UNTOLD_LOOK_UPS,
    )


def _is_known_to_be_nobody(decision: LoggedDecision) -> bool:
    return decision.fields.get("reason") in ("no_credential", "no_app_check", "not_allowed")


def _whole(recorded: RecordedFacts) -> Facts:
    path = _UntoldPath(recorded.path)
    caller = recorded.caller
    if caller is not None and caller.oidc is not None:
        caller = replace(caller, oidc=OidcFacts(_RecordedClaims(caller.oidc.claims)))
    return Facts(caller, recorded.via, path, recorded.now, app=recorded.app, looked_up=_UNTOLD_LOOK_UPS)


class _RecordedClaims(Claims):
    """Claims of which some are not recorded."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name in NOT_RECORDED:
            raise UntoldFactError(f"the claim {name}")
        return super().__getitem__(name)


class _UntoldLookUps(LookedUp):
    def says(self, of: str, fact: str) -> bool:
        raise UntoldFactError(f"what the look-up {of!r} said")


_UNTOLD_LOOK_UPS: Final = _UntoldLookUps()


class _UntoldPath(Mapping[str, Any]):
    """The path parameters that are recorded."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def __getitem__(self, name: str) -> Any:
        if name not in self._told:
            raise UntoldFactError(f"the path parameter {{{name}}}")
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return self._refuse()

    def __len__(self) -> int:
        return self._refuse()

    def _refuse(self) -> NoReturn:
        raise UntoldFactError("the path parameters")


# --- without the facts: what the caller's name says ---

_ALWAYS_TOLD: Final = ("kind", "issuer", "subject")


class _PartialCaller(Caller):
    """A caller of whom only some fields are told."""

    __slots__ = ("_told",)

    def __getattribute__(self, name: str) -> Any:
        if name in Caller.__dataclass_fields__ and name not in object.__getattribute__(self, "_told"):
            raise UntoldFactError(name)
        return object.__getattribute__(self, name)


class _PartialUser(FirebaseFacts):
    """A Firebase user of whom no more is told than the name says."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in FirebaseFacts.__dataclass_fields__ and name not in ("project", "uid", "tenant"):
            raise UntoldFactError(f"firebase.{name}")
        return object.__getattribute__(self, name)


def _partial(text: str, subject: str | None, issuer: str | None) -> Caller:
    """The caller of this name (see `Caller`), with what else the record has of them."""
    scheme, _, name = text.partition(":")
    made = {"user": _google, "serviceAccount": _google, "firebase": _firebase, "oidc": _other, "custom": _other}
    if scheme not in made or subject is None or issuer is None:
        raise UntoldFactError(f"who {text!r} is")
    kind, said = made[scheme](scheme, name, subject)
    return _told_of(kind, issuer, subject, said)


def _google(scheme: str, name: str, subject: str) -> tuple[Kind, dict[str, Any]]:
    email = None if name == subject else name
    return Kind.GOOGLE, {"email": email, "is_service_account": scheme == "serviceAccount"}


def _firebase(_: str, name: str, subject: str) -> tuple[Kind, dict[str, Any]]:
    project, *rest = map(unquote, name.split("/"))
    if rest[-1:] != [subject] or len(rest) > 2:
        raise UntoldFactError(f"which user {name!r} is")
    return Kind.FIREBASE, {"firebase": _PartialUser(project, subject, tenant=rest[0] if len(rest) > 1 else None)}


def _other(scheme: str, _: str, __: str) -> tuple[Kind, dict[str, Any]]:
    return Kind(scheme), {}


def _told_of(kind: Kind, issuer: str, subject: str, said: dict[str, Any]) -> Caller:
    made = _PartialCaller(kind, issuer, subject, "", 0, 0, **said)
    object.__setattr__(made, "_told", frozenset((*_ALWAYS_TOLD, *said)))
    return made


def _via(text: str | None) -> Caller | None:
    """The service that carried the call: its name is all that is told."""
    if text is None:
        return None
    scheme, _, name = text.partition(":")
    email = name if "@" in name else None
    said = {"email": email, "is_service_account": scheme == "serviceAccount"}
    made = cast("Any", _told_of(Kind.GOOGLE, "", name, said))
    told = ("kind", *said) if email else ("kind", "subject", *said)
    object.__setattr__(made, "_told", frozenset(told))
    return cast("Caller", made)
