"""The shapes of headers, the second slot, and everything that looks like an identity and is none."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.answers import Expected, LetIn

from .row import ADA, FORBIDDEN, MALFORMED, ROBOT, SEVERAL, STRANGER, U1, VIA, Row, bearer, get, invalid

__all__ = ["ROWS"]

SLOT = "X-Serverless-Authorization"

IN = LetIn("domain", ADA)

# The values of Authorization, one or several, at /domain.
SHAPES: dict[tuple[str, ...], Expected] = {
    ("Bearer <staff>",): IN,
    ("bearer <staff>",): IN,
    ("BEARER <staff>",): IN,
    ("bEaReR <staff>",): IN,
    (" Bearer <staff> ",): IN,
    ("\tBearer <staff>\t",): IN,
    ("Bearer  <staff>",): MALFORMED,
    ("Bearer\t<staff>",): MALFORMED,
    ("Bearer <staff> x",): MALFORMED,
    ("Bearer <staff> <staff>",): MALFORMED,
    ("Bearer",): MALFORMED,
    ("bearer ",): MALFORMED,
    ("Bearer\t",): MALFORMED,
    ("Bearer <staff>;",): invalid("malformed_token"),
    ('Bearer "<staff>"',): invalid("malformed_token"),
    ("Bearer: <staff>",): MALFORMED,
    ("Bearer=<staff>",): MALFORMED,
    ("Bearer,<staff>",): SEVERAL,
    ("Bearer <staff>,",): SEVERAL,
    ("Bearer <staff>,<staff>",): SEVERAL,
    ("Bearer <staff>, <staff>",): SEVERAL,
    ("Bearer \xe9\xe8",): invalid("malformed_token"),
    ("Bearer <staff>\xa0",): MALFORMED,
    ("Bearer\xa0<staff>",): MALFORMED,
    ("\xa0Bearer <staff>",): STRANGER,
    ("Bearer undefined",): invalid("malformed_token"),
    ("Bearer null",): invalid("malformed_token"),
    ("Bearer Bearer <staff>",): MALFORMED,
    ("Bearer " + "x" * 8192,): invalid("malformed_token"),
    ("Bearer " + "x" * 8193,): invalid("malformed_token"),
    ("Bearer " + "." * 40000,): invalid("malformed_token"),
    # another scheme is no credential
    ("",): STRANGER,
    (" ",): STRANGER,
    ("Basic YWRhOnNlY3JldA==",): STRANGER,
    ("Basic <staff>",): STRANGER,
    ("<staff>",): STRANGER,
    ("Token <staff>",): STRANGER,
    ("JWT <staff>",): STRANGER,
    ("Bearers <staff>",): STRANGER,
    ("Bearer-Token <staff>",): STRANGER,
    ("Bear <staff>",): STRANGER,
    ('Digest username="ada",realm="x"',): STRANGER,
    ("Negotiate abc",): STRANGER,
    ("B\xe9arer <staff>",): STRANGER,
    # two credentials, as two headers or as one
    ("Bearer <staff>", "Bearer <staff>"): SEVERAL,
    ("Bearer <staff>", "Bearer <outsider>"): SEVERAL,
    ("Bearer <outsider>", "Bearer <staff>"): SEVERAL,
    ("Bearer <staff>", "bearer <word>"): SEVERAL,
    ("Bearer <staff>", "Bearer"): SEVERAL,
    ("Bearer", "Bearer <staff>"): SEVERAL,
    ("Bearer <staff>", ""): SEVERAL,
    ("", "Bearer <staff>"): SEVERAL,
    ("Bearer <staff>", "<staff>"): SEVERAL,
    ("Bearer <staff>", "Basic YWRhOg=="): SEVERAL,
    ("Basic YWRhOg==", "Bearer <staff>"): SEVERAL,
    ("Basic YWRhOg==", "Basic YWRhOg=="): SEVERAL,
    ("Bearer <staff>", "Bearer <staff>", "Bearer <staff>"): SEVERAL,
    ("Bearer <staff>,Bearer <staff>",): SEVERAL,
    ("Bearer <staff>, Bearer <outsider>",): SEVERAL,
    ("Bearer <staff> ,\tBearer <outsider>",): SEVERAL,
    ("Bearer <staff>,bearer",): SEVERAL,
    ("Basic YWRhOg==, Bearer <staff>",): SEVERAL,
    ("Basic YWRhOg==,Bearer <staff>",): SEVERAL,
    ("Bearer <staff>, Basic YWRhOg==",): SEVERAL,
    (", Bearer <staff>",): SEVERAL,
}

FOLDED: dict[tuple[str, ...], Expected] = {
    ("", ""): STRANGER,
    ("Basic YWRhOg==", ""): STRANGER,
    ("Digest a=b", "c=d"): STRANGER,
}
"""Two headers that are one value of another scheme to whoever sees them joined."""

FOLDING = "folding: the gateway interface shows one header, and the second half is no credential by itself"

SERVED_SHAPES = {
    ("bearer <staff>",),
    ("Bearer  <staff>",),
    ("Bearer\t<staff>",),
    ("Bearer",),
    ("Bearer <staff>", "Bearer <staff>"),
    ("Bearer <staff>", "Bearer <outsider>"),
    ("Bearer <outsider>", "Bearer <staff>"),
    ("Bearer <staff>, Bearer <outsider>",),
    ("Basic YWRhOg==", "Bearer <staff>"),
    ("Basic YWRhOg==, Bearer <staff>",),
    ("Bearer <staff>", "<staff>"),
    ("Bearer \xe9\xe8",),
    ("Basic <staff>",),
    ("",),
}


def _shapes() -> Iterator[Row]:
    for values, expected in SHAPES.items():
        sent = get("/domain", None, *(("Authorization", value) for value in values))
        name = f"Authorization: {' + '.join(f'{value[:40]!a}' for value in values)} ({sum(map(len, values))})"
        yield Row(name, sent, expected, served=values in SERVED_SHAPES)
    for values, folded in FOLDED.items():
        sent = get("/domain", None, *(("Authorization", value) for value in values))
        yield Row(f"Authorization: {values}", sent, SEVERAL, {"folding": folded}, FOLDING)
    # The same header, however its name is written.
    for name in ("authorization", "AUTHORIZATION", "aUtHoRiZaTiOn"):
        yield Row(f"{name}:", get("/domain", None, bearer("staff", name)), IN)
    yield Row(
        "two spellings of Authorization",
        get("/domain", None, bearer("staff", "authorization"), bearer("staff", "AUTHORIZATION")),
        SEVERAL,
        served=True,
    )


# The values of X-Serverless-Authorization, one or several, beside u1's token, at /carried.
CARRIED: dict[tuple[str, ...], Expected] = {
    ("Bearer <carrier>",): LetIn("carried", U1 + VIA),
    ("bearer <carrier>",): LetIn("carried", U1 + VIA),
    ("Bearer <robot>",): FORBIDDEN,
    ("Bearer <staff>",): FORBIDDEN,
    ("Bearer <carrier.stripped>",): FORBIDDEN,
    ("Bearer <carrier for tasks>",): invalid("wrong_audience"),
    ("Bearer <u1>",): invalid("unknown_issuer"),
    ("Bearer <word>",): invalid("malformed_token"),
    ("Bearer",): MALFORMED,
    ("Bearer  <carrier>",): MALFORMED,
    ("",): FORBIDDEN,
    ("Basic YWRhOg==",): FORBIDDEN,
    ("<carrier>",): FORBIDDEN,
    ("Bearer <carrier>", "Bearer <carrier>"): SEVERAL,
    ("Bearer <robot>", "Bearer <carrier>"): SEVERAL,
    ("Bearer <carrier.stripped>", "Bearer <carrier>"): SEVERAL,
    ("Bearer <carrier>", "Bearer <carrier.stripped>"): SEVERAL,
    ("Bearer <carrier.stripped>", "Bearer <carrier.stripped>"): SEVERAL,
    ("Bearer <carrier>,Bearer <robot>",): SEVERAL,
    ("Bearer <carrier.stripped>, Bearer <carrier>",): SEVERAL,
}


def _carried() -> Iterator[Row]:
    for values, expected in CARRIED.items():
        sent = get("/carried", "u1", *((SLOT, value) for value in values))
        yield Row(f"{SLOT}: {' + '.join(values)}", sent, expected, served=len(values) == 1 or "stripped" in values[0])
    yield Row("carried, and nobody calling", get("/carried", None, bearer("carrier", SLOT)), STRANGER)
    yield Row(
        "carried, whoever is calling", get("/carried-alone", None, bearer("carrier", SLOT)), LetIn("carried alone")
    )
    yield Row("carried by another", get("/carried-alone", None, bearer("robot", SLOT)), STRANGER)
    yield Row(
        "carried, for a user", get("/carried-alone", "u1", bearer("carrier", SLOT)), LetIn("carried alone", U1 + VIA)
    )
    yield Row("a carrier's token as the caller's", get("/carried-alone", "carrier"), FORBIDDEN)
    yield Row("the robot carries, which is no call of its own", get("/robot", None, bearer("robot", SLOT)), STRANGER)
    yield Row("staff, carried", get("/domain", "staff", bearer("carrier", SLOT)), LetIn("domain", ADA + VIA))
    yield Row("staff, carried, stripped", get("/domain", "staff", bearer("carrier.stripped", SLOT)), IN)
    yield Row("stripped alone", get("/domain", None, bearer("staff.stripped", SLOT)), STRANGER)
    yield Row(
        "staff, carried for elsewhere",
        get("/domain", "staff", bearer("carrier for tasks", SLOT)),
        invalid("wrong_audience"),
    )
    yield Row(
        "audience= speaks of Authorization alone",
        get("/tasks", "robot for tasks", bearer("carrier", SLOT), method="POST"),
        LetIn("tasks", ROBOT + VIA),
    )
    yield Row(
        "both slots bad: the caller's is told",
        get("/domain", "staff.expired", bearer("word", SLOT)),
        invalid("expired"),
    )
    yield Row(
        "a doubled carrier at the public", get("/open", None, bearer("word", SLOT), bearer("word", SLOT)), LetIn("open")
    )
    yield Row(
        "a carrier's bad token at the optional",
        get("/optional", "staff", bearer("carrier.forged", SLOT)),
        invalid("bad_signature"),
    )


NO_IDENTITIES: tuple[tuple[str, str], ...] = (
    ("Cookie", "session=<staff>"),
    ("Cookie", "__session=<u1>; token=<staff>; Authorization=Bearer <staff>"),
    ("Proxy-Authorization", "Bearer <staff>"),
    ("X-Authorization", "Bearer <staff>"),
    ("X-Forwarded-Authorization", "Bearer <staff>"),
    ("X-Original-Authorization", "Bearer <staff>"),
    ("Authorization2", "Bearer <staff>"),
    ("X-Goog-IAP-JWT-Assertion", "<staff>"),
    ("X-Goog-Authenticated-User-Email", "accounts.google.com:ada@example.com"),
    ("X-Goog-Authenticated-User-ID", "accounts.google.com:1"),
    ("X-Apigateway-Api-Userinfo", "eyJlbWFpbCI6ICJhZGFAZXhhbXBsZS5jb20ifQ"),
    ("X-Endpoint-API-UserInfo", "eyJlbWFpbCI6ICJhZGFAZXhhbXBsZS5jb20ifQ"),
    ("Sec-WebSocket-Protocol", "callerid.bearer, <staff>"),
    ("Remote-User", "user:ada@example.com"),
    ("X-Remote-User", "user:ada@example.com"),
    ("X-Forwarded-User", "user:ada@example.com"),
    ("X-Forwarded-Email", "ada@example.com"),
    ("X-Auth-Request-Email", "ada@example.com"),
    ("Callerid-Caller", "user:ada@example.com"),
    ("From", "ada@example.com"),
    ("X-User", "ada@example.com"),
    ("REMOTE_USER", "user:ada@example.com"),
    ("HTTP_AUTHORIZATION", "Bearer <staff>"),
    ("X-HTTP-Authorization", "Bearer <staff>"),
    ("X_Serverless_Authorization", "Bearer <carrier>"),
)


def _no_identities() -> Iterator[Row]:
    for name, value in NO_IDENTITIES:
        served = name in (
            "Cookie",
            "Remote-User",
            "REMOTE_USER",
            "X-Goog-IAP-JWT-Assertion",
            "X_Serverless_Authorization",
        )
        shown = f"{name}: {value[:30]}"
        yield Row(f"no identity: {shown}", get("/domain", None, (name, value)), STRANGER, served=served)
        yield Row(f"ignored: {shown}", get("/optional", None, (name, value)), LetIn("optional"))
        yield Row(f"beside one's own: {shown}", get("/domain", "staff", (name, value)), IN)
    for query in (
        "access_token=<staff>",
        "id_token=<staff>&token=<staff>",
        "authorization=Bearer%20<staff>",
        "auth=<staff>",
    ):
        yield Row(f"?{query}", get(f"/domain?{query}", None), STRANGER, served="access" in query)
        yield Row(f"staff, and ?{query}", get(f"/domain?{query}", "staff"), IN)
    form = ("Content-Type", "application/x-www-form-urlencoded")
    yield Row(
        "a token in the body",
        get("/upload", None, form, method="POST", body="access_token=<staff>"),
        STRANGER,
        served=True,
    )
    # A name with underscores is another header; where a server takes it for the same, what arrives is verified.
    folding = "folding: such a server shows one header where two came"
    yield Row(
        "a carrier whose name is folded",
        get("/carried", "u1", ("Folded:X_Serverless_Authorization", "Bearer <carrier>")),
        FORBIDDEN,
        {"folding": LetIn("carried", U1 + VIA)},
        folding,
    )
    yield Row(
        "a forged carrier whose name is folded",
        get("/carried", "u1", ("Folded:X_Serverless_Authorization", "Bearer <carrier.forged>")),
        FORBIDDEN,
        {"folding": invalid("bad_signature")},
        folding,
    )
    yield Row(
        "a second carrier whose name is folded",
        get("/carried", "u1", bearer("carrier", SLOT), ("Folded:X_Serverless_Authorization", "Bearer <robot>")),
        LetIn("carried", U1 + VIA),
        {"folding": SEVERAL},
        folding,
    )
    for name in ("Folded:REMOTE_USER", "Folded:Remote_User", "Remote-User"):
        yield Row(f"{name} at the optional", get("/optional", None, (name, "user:ada@example.com")), LetIn("optional"))


ROWS = (*_shapes(), *_carried(), *_no_identities())
