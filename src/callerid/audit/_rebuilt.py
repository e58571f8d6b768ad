"""The facts that a rule judged, read back from the record of a decision. Pure.

Whoever asks for what the record does not tell gets an `UntoldFactError`, and never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from callerid.audit._decision import LoggedDecision
from callerid.authorization._recorded_facts import FACTS_VERSION, FIREBASE_FACTS, NOT_RECORDED
from callerid.callers import Caller, Claims, CustomFacts, FirebaseFacts, Kind, OidcFacts
from callerid.rules import Facts, LookedUp

__all__ = ["UntoldFactError", "facts_of"]


class UntoldFactError(BaseException):
    """The record does not tell this fact. No exception that a rule may swallow, which would be a no."""


def facts_of(decision: LoggedDecision) -> Facts:
    """The facts that were judged, as far as the record tells them. Raises `UntoldFactError` where it has none."""
    text = decision.fields.get("facts", "")
    if not text:
        raise UntoldFactError("the facts that were judged (audit= does)")
    try:
        said = json.loads(text)
        if said["v"] != FACTS_VERSION:
            raise UntoldFactError(f"the facts in a form that this version knows, but in form {said['v']}")
        return Facts(
            _caller(said.get("caller"), said),
            _caller(said.get("via"), {}),
            _RecordedPath(said.get("path")),
            float(said["at"]),
            app=_text(said.get("app")),
            looked_up=_UNTOLD_LOOK_UPS,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise UntoldFactError("the facts as text that can be read") from None


def _caller(said: Any, beside: Mapping[str, Any]) -> Caller | None:
    if said is None:
        return None
    kind = Kind(said["kind"])
    claims = said.get("claims", {})
    firebase = None
    if kind is Kind.FIREBASE:
        user = {name: said.get(name) for name in FIREBASE_FACTS}
        own = {"claims": Claims(claims), "sign_in_attributes": Claims(said.get("attributes", {}))}
        firebase = FirebaseFacts(**cast("Any", user | own))
    return Caller(
        kind=kind,
        issuer=_required(said["iss"]),
        subject=_required(said["sub"]),
        audience=_required(said["aud"]),
        issued_at=0,
        expires_at=0,
        email=_text(said.get("email")),
        domain=_text(said.get("domain")),
        is_service_account=said.get("service_account") is True,
        firebase=firebase,
        oidc=OidcFacts(_RecordedClaims(claims)) if kind is Kind.OIDC else None,
        custom=CustomFacts(Claims(said.get("facts", {}))) if kind is Kind.CUSTOM else None,
        via=_caller(beside.get("via"), {}),
        app=_text(beside.get("app")),
        authorized_party=_text(said.get("azp")),
        scopes=frozenset(map(_required, said.get("scopes", ()))),
    )


def _required(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is due")
    return value


def _text(value: Any) -> str | None:
    return None if value is None else _required(value)


class _RecordedClaims(Claims):
    """A provider's claims, of which some are not recorded."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name in NOT_RECORDED:
            raise UntoldFactError(f"the claim {name}")
        return super().__getitem__(name)


class _RecordedPath(Claims):
    """The path parameters, of which those alone are recorded that the rule compared with."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        try:
            return super().__getitem__(name)
        except KeyError:
            raise UntoldFactError(f"the path parameter {{{name}}}") from None


class _UntoldLookUps(LookedUp):
    def says(self, of: str, fact: str) -> bool:
        raise UntoldFactError(f"what the look-up {of!r} said")


_UNTOLD_LOOK_UPS: Final = _UntoldLookUps()
