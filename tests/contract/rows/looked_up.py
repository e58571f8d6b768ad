"""Facts that no token carries, those that cannot be had, and accounts that were revoked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tests.contract.answers import Expected, LetIn, Refused
from tests.contract.looked_up import FAILING

from .row import ADA, FORBIDDEN, STRANGER, U1, U1_OF_X1, Row, bearer, get, invalid

__all__ = ["ROWS"]

ADA_BY_KEY, EVE, U2 = "custom:keys/ada", "user:eve@other.com", "firebase:shop-prod/u2"
UNKNOWABLE: Final = Refused(503, "lookup_unavailable", challenged=False, retry_after=1)
REVOKED: Final = invalid("revoked")

KEY = ("X-Api-Key", "secret-ada")
Asked = Mapping[str, Mapping[tuple[tuple[str, str], ...], Expected]]

LOOKED_UP: Asked = {
    "/role": {
        (): STRANGER,
        (bearer("staff"),): LetIn("role", ADA),
        (bearer("developer"),): LetIn("role", ADA),
        (KEY,): LetIn("role", ADA_BY_KEY),
        # Of the same name, and of another family.
        (bearer("provided"),): FORBIDDEN,
        (bearer("person"),): FORBIDDEN,
        (bearer("outsider"),): FORBIDDEN,
        # What a token claims is no role.
        (bearer("editor"),): FORBIDDEN,
        (bearer("staff.expired"),): invalid("expired"),
        (bearer("staff.forged"),): invalid("bad_signature"),
    },
    "/teams/red": {(bearer("staff"),): LetIn("own team", ADA), (bearer("outsider"),): FORBIDDEN},
    "/teams/blue": {(bearer("staff"),): FORBIDDEN, (): STRANGER},
    "/teams/RED": {(bearer("staff"),): FORBIDDEN},
    # Eve is of another domain: what the look-up says counts.
    "/in-group": {(bearer("outsider"),): LetIn("in group", EVE), (bearer("staff"),): FORBIDDEN, (): STRANGER},
    "/in-order": {
        (bearer("u1"),): LetIn("in order", U1),
        (bearer("u2"),): FORBIDDEN,
        (bearer("u2.expired"),): invalid("expired"),
        (bearer("staff"),): LetIn("in order", ADA),
    },
    "/role-or-customer": {
        (bearer("u1"),): LetIn("role or customer", U1),
        (bearer("staff"),): LetIn("role or customer", ADA),
        (bearer("outsider"),): FORBIDDEN,
    },
    **{f"/{name}": {(bearer("u1"),): LetIn(name, U1)} for name in FAILING},
}

FAILS: Asked = {
    "/open": {(): LetIn("open"), (KEY,): LetIn("open")},
    **{
        f"/{name}": {
            (): STRANGER,
            (KEY,): UNKNOWABLE,
            (("X-Api-Key", "secret-eve"),): invalid("unknown_credential"),
            # The rest of the rule lets them in, whatever a look-up could say.
            (bearer("u1"),): LetIn(name, U1),
        }
        for name in FAILING
    },
}

REVOCATIONS: Asked = {
    "/open": {(bearer("staff"),): LetIn("open"), (KEY,): LetIn("open")},
    "/optional": {(bearer("staff"),): REVOKED, (): LetIn("optional")},
    "/domain": {(bearer("staff"),): REVOKED, (bearer("developer"),): REVOKED, (bearer("outsider"),): FORBIDDEN},
    # It is the token that is not believed: 401, whether a rule would admit the account or not.
    "/robot": {(bearer("robot"),): REVOKED, (bearer("staff"),): REVOKED, (): STRANGER},
    "/user": {(bearer("person"),): LetIn("user", "user:ada@gmail.com")},
    "/role": {(bearer("staff"),): REVOKED, (KEY,): REVOKED},
    "/customer": {(bearer("u1"),): REVOKED, (bearer("u2"),): LetIn("customer", U2)},
    "/tenant": {(bearer("tenant"),): LetIn("tenant", U1_OF_X1)},
    "/key": {(KEY,): REVOKED, (("X-Api-Key", "secret-ben"),): FORBIDDEN},
    "/any-ada": {(("Authorization", "ShopKey secret-ada"),): LetIn("any ada", "custom:partners/ada")},
    "/nowhere": {(bearer("staff"),): REVOKED},
}


def _rows() -> Iterator[Row]:
    for setting, asked in (("usual", LOOKED_UP), ("dark", FAILS), ("revoked", REVOCATIONS)):
        for path, cases in asked.items():
            for headers, expected in cases.items():
                who = "; ".join(value for _, value in headers) or "nobody"
                sent = get(path, None, *headers, setting=setting)
                served = path in ("/role", "/raises", "/hangs", "/customer")
                yield Row(f"looked up, {setting} {path}: {who}", sent, expected, served=served)


ROWS = tuple(_rows())
