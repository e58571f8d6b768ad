"""The facts that a rule judged, as one line of JSON for the log, and read back from it. Pure.

It holds personal data (addresses, account ids, claims) and nothing of a token. What no rule can name is left out: the
profile that users write themselves, phone numbers of Firebase, identifiers of the token itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from callerid.callers import Caller, Claims, CustomFacts, FirebaseFacts, Kind, OidcFacts
from callerid.rules import Facts

__all__ = ["LONGEST_FACTS", "NOT_RECORDED", "RecordedFacts", "facts_from", "facts_text"]

LONGEST_FACTS: Final = 32 * 1024
"""Facts whose text is longer, in characters, are not recorded: log entries have a largest size."""

_VERSION: Final = 1

NOT_RECORDED: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf"}  # no rule can name them
    | {"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"}
    | {"profile", "picture", "website"}
    | {"jti", "nonce", "at_hash", "c_hash", "s_hash", "sid"}  # identifiers of the token and of the session
)
"""Claims of an OpenID Connect provider that are left out."""

_TEXTS: Final = {"email": "email", "domain": "domain", "authorized_party": "azp"}
_FIREBASE: Final = ("project", "uid", "provider", "tenant", "second_factor", "signed_in_at")


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What a rule judged: as `Facts` has it, ``now`` in seconds since the epoch. Nothing of look-ups is recorded."""

    caller: Caller | None = None
    via: Caller | None = None
    app: str | None = None
    path: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    now: float = 0.0


def facts_text(facts: Facts, names: frozenset[str]) -> str:
    """The facts as JSON in one line, with the path parameters of these ``names`` alone: others may be secrets.

    Empty where the text would be longer than `LONGEST_FACTS`.
    """
    path = {name: facts.path[name] for name in sorted(names) if type(facts.path.get(name)) in (str, int)}
    said = {
        "v": _VERSION,
        "at": round(facts.now, 3),
        "caller": None if facts.caller is None else _said_of(facts.caller),
        "via": None if facts.via is None else _said_of(facts.via),
        "app": facts.app,
        "path": path or None,
    }
    text = json.dumps(_without_nothing(said), default=_plain, separators=(",", ":"))
    return text if len(text) <= LONGEST_FACTS else ""


def facts_from(text: str) -> RecordedFacts | None:
    """The facts in such a text; ``None`` for any other text, and for a version that is not known."""
    try:
        said = json.loads(text)
        if said["v"] != _VERSION:
            return None
        return RecordedFacts(
            _caller_of(said.get("caller"), said),
            _caller_of(said.get("via"), {}),
            _text(said.get("app")),
            _path(said.get("path", {})),
            float(said["at"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _said_of(caller: Caller) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": str(caller.kind), "iss": caller.issuer, "sub": caller.subject}
    said["aud"] = caller.audience
    said |= {short: getattr(caller, name) for name, short in _TEXTS.items()}
    said["service_account"] = caller.is_service_account or None
    said["scopes"] = sorted(caller.scopes) or None
    if caller.firebase is not None:
        user = caller.firebase
        said |= {name: getattr(user, name) for name in _FIREBASE}
        said |= {"claims": user.claims or None, "attributes": user.sign_in_attributes or None}
    if caller.oidc is not None:
        said["claims"] = {name: each for name, each in caller.oidc.claims.items() if name not in NOT_RECORDED}
    if caller.custom is not None:
        said["facts"] = caller.custom.facts
    return _without_nothing(said)


def _caller_of(said: Any, beside: Mapping[str, Any]) -> Caller | None:
    if said is None:
        return None
    kind = Kind(said["kind"])
    claims = Claims(said.get("claims", {}))
    firebase = None
    if kind is Kind.FIREBASE:
        user = {name: said.get(name) for name in _FIREBASE}
        attributes = Claims(said.get("attributes", {}))
        firebase = FirebaseFacts(**cast("Any", user), claims=claims, sign_in_attributes=attributes)
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
        oidc=OidcFacts(claims) if kind is Kind.OIDC else None,
        custom=CustomFacts(Claims(said.get("facts", {}))) if kind is Kind.CUSTOM else None,
        via=_caller_of(beside.get("via"), {}),
        app=_text(beside.get("app")),
        authorized_party=_text(said.get("azp")),
        scopes=frozenset(map(_required, said.get("scopes", ()))),
    )


def _path(said: Any) -> dict[str, str | int]:
    if any(type(value) not in (str, int) for value in said.values()):
        raise TypeError("a path parameter is text or a whole number")
    return dict(said)


def _required(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is due")
    return value


def _text(value: Any) -> str | None:
    return None if value is None else _required(value)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
