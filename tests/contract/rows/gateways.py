"""Calls through API Gateway: its own token in ``Authorization``, the caller's in another header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callerid.testing import HOSTILE_VARIANTS
from tests.contract.answers import Expected, LetIn
from tests.contract.application import APP
from tests.contract.sending import Sent

from .callers import HOSTILE
from .row import ADA, FORBIDDEN, MALFORMED, ROBOT, SEVERAL, STRANGER, U1, VIA, Row, bearer, get, invalid

__all__ = ["ROWS"]

FORWARDED = "X-Forwarded-Authorization"
SLOT = "X-Serverless-Authorization"
USERINFO = "eyJzdWIiOiJ1MSJ9"
"""What the gateway says of a caller, unsigned, and whoever calls directly may write, too."""

CUSTOMER = LetIn("customer", U1 + VIA)
DIRECT = LetIn("customer", U1)

# What stands in Authorization, what in X-Forwarded-Authorization, and the answer at the place of customers: behind the
# gateway alone, and where users may come directly, too.
AT_CUSTOMER: Mapping[tuple[str | None, str | None], tuple[Expected, Expected]] = {
    ("carrier", "u1"): (CUSTOMER, CUSTOMER),
    ("carrier", None): (STRANGER, STRANGER),
    ("carrier", "staff"): (FORBIDDEN, FORBIDDEN),
    ("carrier", "carrier"): (invalid("bad_claims"), invalid("bad_claims")),
    ("carrier", "other project"): (invalid("unknown_issuer"), invalid("unknown_issuer")),
    ("carrier", "session"): (invalid("unknown_issuer"), invalid("unknown_issuer")),
    ("carrier", "app"): (invalid("unknown_issuer"), invalid("unknown_issuer")),
    ("carrier", "word"): (invalid("malformed_token"), invalid("malformed_token")),
    ("carrier for tasks", "u1"): (invalid("wrong_audience"), invalid("wrong_audience")),
    ("other robot", "u1"): (invalid("bad_claims"), FORBIDDEN),
    ("staff", "u1"): (invalid("wrong_audience"), FORBIDDEN),
    ("u1", None): (invalid("unknown_issuer"), DIRECT),
    ("u1", "u1"): (invalid("unknown_issuer"), DIRECT),
    ("u1", "admin uid"): (invalid("unknown_issuer"), DIRECT),
    ("u1", "word"): (invalid("unknown_issuer"), DIRECT),
    (None, "u1"): (STRANGER, STRANGER),
    (None, "word"): (STRANGER, STRANGER),
    (None, "carrier"): (STRANGER, STRANGER),
    ("word", "u1"): (invalid("malformed_token"), invalid("malformed_token")),
}

VALUES: Mapping[tuple[str, ...], Expected] = {
    ("bearer <u1>",): CUSTOMER,
    ("Basic YTpi",): STRANGER,
    ("<u1>",): STRANGER,
    ("",): STRANGER,
    ("Bearer",): MALFORMED,
    ("Bearer <u1> x",): MALFORMED,
    ("Bearer <u1>", "Bearer <u1>"): SEVERAL,
    ("Bearer <u1>, Bearer <u1>",): SEVERAL,
    ("", "Bearer <u1>"): SEVERAL,
}


def _ask(target: str, who: str | None, *headers: tuple[str, str], setting: str = "forwarded") -> Sent:
    return get(target, who, *headers, setting=setting)


def _rows() -> Iterator[Row]:
    for (who, forwarded), answers in AT_CUSTOMER.items():
        own = () if forwarded is None else (bearer(forwarded, FORWARDED),)
        for setting, expected in zip(("forwarded", "forwarded beside"), answers, strict=True):
            name = f"{setting}: {who or 'nobody'}, {forwarded or 'nothing'} forwarded"
            yield Row(name, _ask("/customer", who, *own, setting=setting), expected, served=setting == "forwarded")
    for values, expected in VALUES.items():
        sent = _ask("/customer", "carrier", *((FORWARDED, value) for value in values))
        yield Row(f"forwarded values: {values}", sent, expected, served=expected == SEVERAL)
    assert set(HOSTILE) == set(HOSTILE_VARIANTS)
    for variant, reason in HOSTILE.items():
        bad = _ask("/customer", "carrier", bearer(f"u1.{variant}", FORWARDED))
        yield Row(f"forwarded, {variant}", bad, invalid(reason))
        theirs = _ask("/customer", f"carrier.{variant}", bearer("u1", FORWARDED))
        yield Row(f"forwarded by a gateway's token, {variant}", theirs, invalid(reason))
        optional = _ask("/optional-customer", "carrier", bearer(f"u1.{variant}", FORWARDED))
        yield Row(f"forwarded, {variant}, at the optional", optional, invalid(reason))
    twice = _ask("/customer", "carrier", bearer("carrier"), bearer("u1", FORWARDED))
    yield Row("two tokens of the gateway", twice, SEVERAL)
    for name in ("X-Apigateway-Api-Userinfo", "X-Endpoint-API-UserInfo"):
        for who in ("carrier", None):
            sent = _ask("/customer", who, (name, USERINFO))
            yield Row(f"{name} of {who or 'nobody'}", sent, STRANGER)
    staff = _ask("/domain", "carrier", bearer("staff", FORWARDED))
    yield Row("staff through a gateway", staff, LetIn("domain", ADA + VIA))
    for who, expected in (("robot", LetIn("robot", ROBOT + VIA)), ("signer", LetIn("robot", ROBOT + VIA))):
        yield Row(f"{who} through a gateway", _ask("/robot", "carrier", bearer(who, FORWARDED)), expected)
    tasks = get("/tasks", "carrier", bearer("robot for tasks", FORWARDED), method="POST", setting="forwarded")
    yield Row("a robot for tasks through a gateway", tasks, LetIn("tasks", ROBOT + VIA))
    wrong = get("/tasks", "carrier", bearer("robot", FORWARDED), method="POST", setting="forwarded")
    yield Row("a robot through a gateway, for another audience", wrong, invalid("wrong_audience"))
    yield Row("carried by a gateway", _ask("/carried", "carrier", bearer("u1", FORWARDED)), LetIn("carried", U1 + VIA))
    yield Row("carried by a gateway, without a user", _ask("/carried-alone", "carrier"), LetIn("carried alone"))
    yield Row("a gateway is nobody", _ask("/anyone", "carrier"), STRANGER)
    optional = _ask("/optional-customer", None, bearer("u1", FORWARDED))
    yield Row("a planted token at the optional", optional, LetIn("optional customer"))
    in_app = _ask("/user-in-app", "carrier", bearer("u1", FORWARDED), ("X-Firebase-AppCheck", "<app>"))
    yield Row("a user in an app, through a gateway", in_app, LetIn("user in app", f"{U1}{VIA} in {APP}"))
    beside = _ask("/customer", "u1", bearer("carrier", SLOT), bearer("u2", FORWARDED), setting="forwarded beside")
    yield Row("a gateway's token beside the user's own forwards nothing", beside, LetIn("customer", U1 + VIA))
    folded = _ask("/customer", "carrier", bearer("u1", FORWARDED), bearer("admin uid", "X_Forwarded_Authorization"))
    yield Row("a second forwarded token whose name is folded", folded, CUSTOMER)


ROWS = tuple(_rows())
