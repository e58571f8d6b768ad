"""The facts that a rule judged, as one line of JSON for the log. Pure.

It holds personal data (addresses, account ids, claims) and nothing of a token. What no rule can name is left out: the
profile that users write themselves, phone numbers of Firebase, identifiers of the token itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from callerid.callers import Caller
from callerid.rules import Facts

__all__ = ["FACTS_VERSION", "FIREBASE_FACTS", "NOT_RECORDED", "facts_text"]

_LONGEST: Final = 32 * 1024
"""Facts whose text is longer, in characters, are not recorded: log entries have a largest size."""

FACTS_VERSION: Final = 1
"""Which form the text has: its member ``v``."""

NOT_RECORDED: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf"}  # no rule can name them
    | {"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"}
    | {"profile", "picture", "website"}
    | {"jti", "nonce", "at_hash", "c_hash", "s_hash", "sid"}  # identifiers of the token and of the session
)
"""Claims of an OpenID Connect provider that are left out."""

_TEXTS: Final = {"email": "email", "domain": "domain", "authorized_party": "azp"}
FIREBASE_FACTS: Final = ("project", "uid", "provider", "tenant", "second_factor", "signed_in_at")
"""The fields of `callerid.callers.FirebaseFacts` that are recorded by their own names."""


def facts_text(facts: Facts, names: frozenset[str]) -> str:
    """The facts as JSON in one line, with the path parameters of these ``names`` alone: others may be secrets.

    Empty where the text would be longer than `_LONGEST`.
    """
    path = {name: facts.path[name] for name in sorted(names) if type(facts.path.get(name)) in (str, int)}
    said = {
        "v": FACTS_VERSION,
        "at": round(facts.now, 3),
        "caller": None if facts.caller is None else _said_of(facts.caller),
        "via": None if facts.via is None else _said_of(facts.via),
        "app": facts.app,
        "path": path or None,
    }
    # With blanks between members: without, an issuer before an address looks like a URL with a password to those who
    # hide such in logs (`callerid.logs`).
    text = json.dumps(_without_nothing(said), default=_plain)
    return text if len(text) <= _LONGEST else ""


def _said_of(caller: Caller) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": str(caller.kind), "iss": caller.issuer, "sub": caller.subject}
    said["aud"] = caller.audience
    said |= {short: getattr(caller, name) for name, short in _TEXTS.items()}
    said["service_account"] = caller.is_service_account or None
    said["scopes"] = sorted(caller.scopes) or None
    if caller.firebase is not None:
        user = caller.firebase
        said |= {name: getattr(user, name) for name in FIREBASE_FACTS}
        said |= {"claims": user.claims or None, "attributes": user.sign_in_attributes or None}
    if caller.oidc is not None:
        said["claims"] = {name: each for name, each in caller.oidc.claims.items() if name not in NOT_RECORDED}
    if caller.custom is not None:
        said["facts"] = caller.custom.facts
    return _without_nothing(said)


def _plain(value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else str(value)


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
