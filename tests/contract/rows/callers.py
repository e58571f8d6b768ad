"""Every kind of caller before every kind of rule, and every hostile variant of a token."""

from __future__ import annotations

from collections.abc import Iterator

from callerid.testing import HOSTILE_VARIANTS
from tests.contract.answers import Expected, LetIn
from tests.contract.application import ACCOUNT_ID, PLACES

from .row import ADA, CHAT, FORBIDDEN, ROBOT, STRANGER, U1, U1_OF_X1, Row, bearer, get, invalid, step_up

__all__ = ["ROWS"]

METHOD = {place.path: place.method for place in PLACES}
NAME = {place.path: place.name for place in PLACES}

PROVIDED = "oidc:id.example.net/realms/shop/ada"

Who = str | None
Asked = tuple[str, dict[Who, Expected | str]]

# Who asks, and what they get; text is the caller as whom the handler runs.
BEFORE_RULES: tuple[Asked, ...] = (
    ("/open", {None: "nobody", "staff": "nobody", "staff.forged": "nobody", "word": "nobody"}),
    (
        "/optional",
        {
            None: "nobody",
            "staff": ADA,
            "outsider": "nobody",
            "robot": "nobody",
            "u1": "nobody",
            "staff.expired": invalid("expired"),
            "word": invalid("malformed_token"),
        },
    ),
    ("/optional-customer", {None: "nobody", "u1": U1, "staff": "nobody", "anonymous": "nobody"}),
    (
        "/domain",
        {
            None: STRANGER,
            "staff": ADA,
            "outsider": FORBIDDEN,
            "subdomain": FORBIDDEN,
            "person": FORBIDDEN,
            "consumer": FORBIDDEN,
            "robot": FORBIDDEN,
            "robot in domain": FORBIDDEN,
            "u1": FORBIDDEN,
            "mailed": FORBIDDEN,
            "claims hd": FORBIDDEN,
            "claims google": FORBIDDEN,
            "signer": FORBIDDEN,
            "signer of claims": FORBIDDEN,
            "chat": FORBIDDEN,
            "developer": ADA,
            "developer of another": FORBIDDEN,
            "largest": ADA,
            "short issuer": ADA,
            "jku": ADA,
        },
    ),
    (
        "/user",
        {
            None: STRANGER,
            "person": "user:ada@gmail.com",
            "stranger": FORBIDDEN,
            "unverified": FORBIDDEN,
            "without mail": FORBIDDEN,
            "claims google": FORBIDDEN,
        },
    ),
    ("/hosted-user", {"staff": ADA, "consumer": FORBIDDEN, "mailed": FORBIDDEN}),
    ("/account", {"numbered": "user:grace@gmail.com", "person": FORBIDDEN, "robot": FORBIDDEN, "u1": FORBIDDEN}),
    (
        "/members",
        {None: STRANGER, "person": "user:ada@gmail.com", "staff": ADA, "robot": ROBOT, "outsider": FORBIDDEN},
    ),
    (
        "/anyone",
        {
            None: STRANGER,
            "stranger": "user:eve@gmail.com",
            "without mail": "user:111111111111111111111",
            "foreign robot": "serviceAccount:scheduler@evil-corp.iam.gserviceaccount.com",
            "signer": ROBOT,
            "chat": CHAT,
            "u1": FORBIDDEN,
        },
    ),
    (
        "/robot",
        {
            None: STRANGER,
            "robot": ROBOT,
            "robot on a machine": ROBOT,
            "robot in domain": ROBOT,
            "robot without mail": FORBIDDEN,
            "other robot": FORBIDDEN,
            "foreign robot": FORBIDDEN,
            "staff": FORBIDDEN,
            "robot for tasks": invalid("wrong_audience"),
            "google for project": invalid("wrong_audience"),
            "signer": ROBOT,
            "signer for tasks": ROBOT,
            "signer of claims": ROBOT,
            "chat": FORBIDDEN,
            "robot by gcloud": invalid("wrong_audience"),
        },
    ),
    (
        "/tasks",
        {
            None: STRANGER,
            "signer for tasks": ROBOT,
            "signer": invalid("wrong_audience"),
            "chat": invalid("wrong_audience"),
            "developer": invalid("wrong_audience"),
            "robot by gcloud": invalid("wrong_audience"),
            "robot for tasks": ROBOT,
            "robot": invalid("wrong_audience"),
            "other robot for tasks": FORBIDDEN,
            "staff": invalid("wrong_audience"),
            "u1": FORBIDDEN,
        },
    ),
    (
        "/chat",
        {
            None: STRANGER,
            "chat": CHAT,
            "chat by URL": CHAT,
            "chat of another": invalid("wrong_audience"),
            "add-on": "serviceAccount:service-123456789012@gcp-sa-gsuiteaddons.iam.gserviceaccount.com",
            "add-on of another": FORBIDDEN,
            "signer": FORBIDDEN,
            "staff": FORBIDDEN,
        },
    ),
    (
        "/users/u1",
        {None: STRANGER, "u1": U1, "u2": FORBIDDEN, "staff": FORBIDDEN, "other project": invalid("unknown_issuer")},
    ),
    ("/users/admin", {"admin uid": "firebase:shop-prod/admin", "u1": FORBIDDEN}),
    # A uid is somebody within one tenant, and without a tenant somebody else.
    ("/users/u1", {"tenant": FORBIDDEN, "other tenant": FORBIDDEN}),
    ("/users/anonymous", {"anonymous": FORBIDDEN}),
    ("/users/a1", {"anonymous": FORBIDDEN}),
    ("/users/U1", {"u1": FORBIDDEN}),
    (f"/accounts/{ACCOUNT_ID}", {"numbered": "user:grace@gmail.com", "person": FORBIDDEN, "u1": FORBIDDEN}),
    (f"/numbers/{ACCOUNT_ID}", {None: STRANGER, "numbered": "user:grace@gmail.com", "person": FORBIDDEN}),
    (f"/numbers/{ACCOUNT_ID}0", {"numbered": FORBIDDEN}),
    ("/numbers/grace", {"numbered": FORBIDDEN, None: STRANGER}),
    (f"/numbers/-{ACCOUNT_ID}", {"numbered": FORBIDDEN}),
    (f"/numbers/+{ACCOUNT_ID}", {"numbered": FORBIDDEN}),
    (f"/numbers/{ACCOUNT_ID}.0", {"numbered": FORBIDDEN}),
    ("/customer", {None: STRANGER, "u1": U1, "anonymous": FORBIDDEN, "staff": FORBIDDEN, "tenant": FORBIDDEN}),
    ("/guest", {"anonymous": "firebase:shop-prod/a1", "u1": U1, "staff": FORBIDDEN, None: STRANGER}),
    ("/second-factor", {"with factor": U1, "u1": step_up(), "staff": FORBIDDEN, None: STRANGER}),
    ("/recent", {"u1": U1, "long ago": step_up(1800), "staff": FORBIDDEN, "anonymous": FORBIDDEN}),
    (
        "/fresh",
        {
            "with factor": U1,
            "u1": step_up(),
            "long ago": step_up(1800),
            "long ago with factor": step_up(1800),
            "staff": FORBIDDEN,
        },
    ),
    ("/tenant", {"tenant": U1_OF_X1, "other tenant": FORBIDDEN, "u1": FORBIDDEN, None: STRANGER}),
    ("/tenants/acme-x1", {"tenant": U1_OF_X1, "other tenant": FORBIDDEN, "u1": FORBIDDEN, "staff": FORBIDDEN}),
    ("/tenants/acme-x2", {"tenant": FORBIDDEN, "other tenant": "firebase:shop-prod/acme-x2/u1", None: STRANGER}),
    ("/tenants/None", {"u1": FORBIDDEN}),
    ("/roles/editor", {"editor": U1, "editor in text": FORBIDDEN, "u1": FORBIDDEN, "staff": FORBIDDEN}),
    ("/roles/owner", {"editor": FORBIDDEN, None: STRANGER}),
    ("/spaces/attic", {"at home": U1, "at home in a list": FORBIDDEN, "editor": FORBIDDEN}),
    ("/spaces/cellar", {"at home": FORBIDDEN}),
    (
        "/department",
        {"sales": U1_OF_X1, "sales elsewhere": FORBIDDEN, "sales in claims": FORBIDDEN, "tenant": FORBIDDEN},
    ),
    ("/party", {"staff": ADA, "by another client": FORBIDDEN, "u1": FORBIDDEN, None: STRANGER}),
    ("/own/u1", {"u1": U1, "u2": FORBIDDEN, None: STRANGER}),
    ("/provider", {"by google": U1, "u1": FORBIDDEN, "staff": FORBIDDEN}),
    ("/admin", {"admin": U1, "one for true": FORBIDDEN, "text for true": FORBIDDEN, "u1": FORBIDDEN, None: STRANGER}),
    ("/editor", {"editor": U1, "editor in text": FORBIDDEN, "u1": FORBIDDEN}),
    ("/mail", {"mailed": U1, "unverified mail": FORBIDDEN, "tenant mail": FORBIDDEN, "staff": FORBIDDEN}),
    ("/issued", {"staff": ADA, "u1": FORBIDDEN, "provided": FORBIDDEN}),
    (
        "/subject",
        {
            None: STRANGER,
            "provided": PROVIDED,
            "provided mailed": PROVIDED,
            "provided for both": PROVIDED,
            "provided by us for others": PROVIDED,
            "provided for others": invalid("bad_claims"),
            "provided elsewhere": invalid("wrong_audience"),
            "provided by another": invalid("unknown_issuer"),
            "provided other": FORBIDDEN,
            "logout": invalid("bad_claims"),
            "staff": FORBIDDEN,
            "u1": FORBIDDEN,
            "signer": FORBIDDEN,
        },
    ),
    ("/subjects/ada", {"provided": PROVIDED, "provided other": FORBIDDEN, "staff": FORBIDDEN, None: STRANGER}),
    (f"/subjects/{ACCOUNT_ID}", {"numbered": FORBIDDEN}),
    ("/subjects/u1", {"u1": FORBIDDEN}),
    (f"/accounts/{ACCOUNT_ID}", {"provided as account": FORBIDDEN}),
    ("/users/ada", {"provided": FORBIDDEN}),
    (
        "/group",
        {
            "provided staff": "oidc:id.example.net/realms/shop/cy",
            "provided word": FORBIDDEN,
            "provided": FORBIDDEN,
            "editor": FORBIDDEN,
        },
    ),
    ("/addressed", {"provided mailed": PROVIDED, "provided unverified": FORBIDDEN, "staff": FORBIDDEN}),
    ("/domain", {"provided mailed": FORBIDDEN}),
    ("/mail", {"provided mailed": FORBIDDEN}),
    ("/anyone", {"provided": FORBIDDEN}),
    ("/guest", {"provided": FORBIDDEN}),
    ("/own/repo:acme", {"provided odd": FORBIDDEN}),
    ("/where", {"staff": ADA, "outsider": FORBIDDEN, "u1": FORBIDDEN, None: STRANGER}),
    ("/either", {"staff": ADA, "u1": U1, "outsider": FORBIDDEN, "anonymous": FORBIDDEN, None: STRANGER}),
    ("/nobody", {None: STRANGER, "staff": FORBIDDEN, "robot": FORBIDDEN, "u1": FORBIDDEN}),
    ("/carried", {None: STRANGER, "u1": FORBIDDEN, "carrier": FORBIDDEN}),
    ("/carried-alone", {None: STRANGER, "carrier": FORBIDDEN}),
)

HOSTILE = {
    "expired": "expired",
    "not_yet_valid": "not_yet_valid",
    "forged": "bad_signature",
    "tampered": "bad_signature",
    "wrong_kid": "unknown_key",
    "without_kid": "malformed_token",
    "crossed": "unknown_key",
    "unsigned": "unsigned",
    "hmac_signed": "wrong_algorithm",
    "stripped": "signature_removed",
    "wrong_audience": "wrong_audience",
    "wrong_issuer": "unknown_issuer",
}

NO_TOKEN_OF_OURS = {
    "too large": "malformed_token",
    "without exp": "bad_claims",
    "without iat": "bad_claims",
    "event": "bad_claims",
    "text exp": "bad_claims",
    "true iat": "bad_claims",
    "not before": "not_yet_valid",
    "listed audience": "bad_claims",
    "no audience": "bad_claims",
    "nan": "malformed_token",
    "twice exp": "malformed_token",
    "deep": "malformed_token",
    "list": "malformed_token",
    "crit": "malformed_token",
    "b64": "malformed_token",
    "numeric kid": "malformed_token",
    "es256": "wrong_algorithm",
    "small rs256": "wrong_algorithm",
    "padded": "malformed_token",
    "four parts": "malformed_token",
    "two parts": "malformed_token",
    "junk after": "malformed_token",
    "access token": "unknown_credential",
    "word": "malformed_token",
    "session cookie": "unknown_issuer",
    "http issuer": "unknown_issuer",
    "slash issuer": "unknown_issuer",
    "project of another": "unknown_issuer",
    "other project": "unknown_issuer",
    "google for project": "wrong_audience",
    "developer without mail": "wrong_audience",
    "developer unverified": "wrong_audience",
    "developer by another client": "wrong_audience",
    "foreign robot by gcloud": "wrong_audience",
    "robot by gcloud, without mail": "wrong_audience",
    "unnamed tenant": "wrong_tenant",
    "without auth_time": "bad_claims",
    "signer for a client": "wrong_audience",
    "signer for long": "bad_claims",
    "signer for another": "bad_claims",
    "signer without sub": "bad_claims",
    "other signer": "unknown_issuer",
    "signer as google": "unknown_key",
    "google as signer": "unknown_key",
    "custom token": "wrong_audience",
}

SERVED = {"/open", "/optional", "/tasks", "/chat", "/users/u1", "/second-factor", "/fresh", "/subject", "/nobody"}


def _before_rules() -> Iterator[Row]:
    for target, answers in BEFORE_RULES:
        path = next(path for path in METHOD if path == target or path[: path.find("{")] == target[: path.find("{")])
        for who, answer in answers.items():
            expected = LetIn(NAME[path], answer) if isinstance(answer, str) else answer
            sent = get(target, who, method=METHOD[path])
            yield Row(f"{who or 'a stranger'} at {target}", sent, expected, served=target in SERVED)


def _hostile() -> Iterator[Row]:
    assert set(HOSTILE) == set(HOSTILE_VARIANTS)
    for variant, reason in HOSTILE.items():
        yield Row(f"a person's token, {variant}", get("/domain", f"staff.{variant}"), invalid(reason), served=True)
        yield Row(f"a user's token, {variant}", get("/users/u1", f"u1.{variant}"), invalid(reason))
        yield Row(
            f"a robot's token, {variant}",
            get("/tasks", f"robot for tasks.{variant}", method="POST"),
            invalid(reason),
        )
        yield Row(f"a self-signed token, {variant}", get("/robot", f"signer.{variant}"), invalid(reason))
        # ES256, and Google signs by another algorithm.
        own = "wrong_algorithm" if variant == "crossed" else reason
        yield Row(f"a token of another provider, {variant}", get("/subject", f"provided.{variant}"), invalid(own))
        yield Row(f"a token of Google Chat, {variant}", get("/chat", f"chat.{variant}", method="POST"), invalid(reason))
        # Once a credential is read it must be believed, whoever else may come in without any.
        yield Row(f"{variant} at the optional", get("/optional", f"staff.{variant}"), invalid(reason))
        yield Row(f"{variant} at the public", get("/open", f"staff.{variant}"), LetIn("open"))
        # What carried the call, too; only there a stripped token is no credential.
        carried = get("/customer", "u1", bearer(f"carrier.{variant}", "X-Serverless-Authorization"))
        yield Row(
            f"a carrier's token, {variant}",
            carried,
            LetIn("customer", U1) if variant == "stripped" else invalid(reason),
        )
    for name, reason in NO_TOKEN_OF_OURS.items():
        yield Row(f"no token of ours: {name}", get("/domain", name), invalid(reason))


ROWS = (*_before_rules(), *_hostile())
