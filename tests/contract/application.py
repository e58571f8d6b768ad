"""The one application that every adapter serves in its own way: its places, their rules, and whom its guard trusts."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import parse_qs

from callerid import (
    AnyApp,
    AnyGoogleAccount,
    App,
    AuthorizedParty,
    Caller,
    Claim,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    GoogleChat,
    Group,
    Identity,
    IssuedBy,
    Issuer,
    KeyDocument,
    KeySource,
    Nobody,
    NotRevoked,
    PathParam,
    Public,
    Reason,
    Refusal,
    Role,
    Rule,
    Scope,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    SignInProvider,
    Subject,
    Tenant,
    User,
    Via,
    Where,
    app_check,
    custom_credential,
    firebase,
    firebase_session,
    gateway,
    google,
    google_access_token,
    google_chat,
    iap,
    oidc,
    service_account,
)
from callerid.guard import GuardCore
from callerid.issuers import CHAT_ACCOUNT, Consumer
from callerid.keys import GoogleAccess, KeyResponse
from callerid.testing import LocalIssuer
from callerid.testing._compact import header_and_claims
from tests.contract.looked_up import FAILING, GROUP, LOOKUPS, revoke

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
TASKS = f"{URL}/tasks"
PROJECT = "shop-prod"
TENANTS = ("acme-x1", "acme-x2")
ROBOT = "scheduler@shop-prod.iam.gserviceaccount.com"
PROJECT_NUMBER = 123456789012
CARRIER = "gateway@shop-prod.iam.gserviceaccount.com"
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
PARTNER = "https://partner.example.net"
PROVIDER = "https://id.example.net/realms/shop"
ACCOUNT_ID = "123456789012345678901"
APP, OTHER_APP = f"1:{PROJECT_NUMBER}:web:abc123", f"1:{PROJECT_NUMBER}:ios:def456"

DRIVE = "https://www.googleapis.com/auth/drive.readonly"

STAFF = Domain("example.com")
ROBOTS = ServiceAccount(ROBOT)
CARRIED = Via(ServiceAccount(CARRIER))

Rules = Rule | tuple[str, ...]
"""One rule, or IAM member strings any of which suffices."""


@dataclass(frozen=True)
class Place:
    """One endpoint. Without a rule of its own it has its area's."""

    name: str
    path: str
    rule: Rules | None
    method: str = "GET"
    audience: str | None = None

    @property
    def plain_path(self) -> str:
        """The path as whoever knows no converters writes it."""
        return self.path.replace(":int", "")

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


@dataclass(frozen=True)
class Area:
    """A part of the application with a rule on the way to it: a mount, a router, a blueprint."""

    prefix: str
    rule: Rule
    places: tuple[Place, ...]


PLACES = (
    Place("open", "/open", Public()),
    Place("optional", "/optional", Public() | STAFF),
    Place("optional customer", "/optional-customer", Public() | FirebaseUser()),
    Place("domain", "/domain", STAFF),
    Place("user", "/user", User("ada@gmail.com")),
    Place("hosted user", "/hosted-user", User("ada@example.com")),
    Place("account", "/account", User(ACCOUNT_ID)),
    Place("members", "/members", ("user:ada@gmail.com", "domain:example.com", f"serviceAccount:{ROBOT}")),
    Place("anyone", "/anyone", AnyGoogleAccount()),
    Place("robot", "/robot", ROBOTS),
    Place("tasks", "/tasks", ROBOTS, "POST", audience=TASKS),
    Place("chat", "/chat", GoogleChat(PROJECT_NUMBER), "POST"),
    Place("owner", "/users/{user}", FirebaseUser(PathParam("user"))),
    Place("own account", "/accounts/{account}", User(PathParam("account"))),
    Place("own number", "/numbers/{account:int}", User(PathParam("account"))),
    Place("customer", "/customer", FirebaseUser()),
    Place("guest", "/guest", FirebaseUser(anonymous=True)),
    Place("second factor", "/second-factor", FirebaseUser() & SecondFactor()),
    Place("recent", "/recent", FirebaseUser() & SignedInWithin(1800)),
    Place("fresh", "/fresh", FirebaseUser() & SecondFactor() & SignedInWithin(1800)),
    Place("tenant", "/tenant", FirebaseUser() & Tenant("acme-x1")),
    Place("own tenant", "/tenants/{tenant}", Tenant(PathParam("tenant"))),
    Place("own role", "/roles/{role}", CustomClaim("roles", contains=PathParam("role"))),
    Place("own space", "/spaces/{space}", CustomClaim(("spaces", "home"), PathParam("space"))),
    Place("department", "/department", SignInAttribute("department", "sales") & Tenant("acme-x1")),
    Place("party", "/party", AuthorizedParty("1234-abc.apps.googleusercontent.com")),
    Place("own path", "/own/{user}", Where("their own path", lambda caller, path: path["user"] == caller.subject)),
    Place("provider", "/provider", SignInProvider("google.com")),
    Place("admin", "/admin", CustomClaim("admin", value=True)),
    Place("editor", "/editor", CustomClaim("roles", contains="editor")),
    Place("mail", "/mail", EmailDomain("example.com")),
    Place("subject", "/subject", Subject("ada", of=PROVIDER)),
    Place("own subject", "/subjects/{subject}", Subject(PathParam("subject"), of=PROVIDER)),
    Place("group", "/group", Claim(("access", "groups"), contains="staff") & IssuedBy(PROVIDER)),
    Place("addressed", "/addressed", Claim("email", "ada@example.com") & IssuedBy(PROVIDER)),
    Place("issued", "/issued", IssuedBy("https://accounts.google.com")),
    Place("where", "/where", Where("the e-mail begins with a", lambda caller: (caller.email or "")[0] == "a")),
    Place("carried", "/carried", FirebaseUser() & CARRIED),
    Place("carried alone", "/carried-alone", CARRIED),
    Place("key", "/key", Subject("ada", of="keys")),
    Place("gold", "/gold", IssuedBy("keys") & Fact("plan", "gold")),
    Place("own key", "/keys/{subject}", Subject(PathParam("subject"), of="keys")),
    Place("any ada", "/any-ada", Where("whoever is called ada", lambda caller: caller.subject == "ada")),
    Place("drive", "/drive", Scope(DRIVE)),
    Place("app", "/app", App(APP)),
    Place("any app", "/any-app", AnyApp()),
    Place("user in app", "/user-in-app", FirebaseUser() & App(APP)),
    Place("app or staff", "/app-or-staff", App(APP) | STAFF),
    Place("either", "/either", STAFF | FirebaseUser()),
    Place("role", "/role", Role("editor")),
    Place("own team", "/teams/{team}", Role(PathParam("team"), of="teams")),
    Place("in group", "/in-group", Group(GROUP)),
    Place("in order", "/in-order", NotRevoked()),
    Place("role or customer", "/role-or-customer", Role("editor") | FirebaseUser()),
    *(Place(name, f"/{name}", Role("editor", of=name) | FirebaseUser()) for name in FAILING),
    Place("nobody", "/nobody", Nobody()),
    Place("upload", "/upload", STAFF, "POST"),
    Place("slash", "/slash/", STAFF),
    Place("robot slash", "/robot-slash/", ROBOTS),
    Place("open slash", "/open-slash/", Public()),
)


def _within(prefix: str) -> Area:
    name = prefix[1:]
    places = (
        Place(f"{name} plain", "/plain", None),
        Place(f"{name} staff", "/staff", STAFF),
        Place(f"{name} robot", "/robot", ROBOTS),
        Place(f"{name} open", "/open", Public()),
    )
    return Area(prefix, STAFF | ROBOTS, places)


AREAS = (_within("/inner"), _within("/sub"))


@dataclass(frozen=True)
class Setting:
    """One way in which the application is closed."""

    default: Rule = STAFF
    floor: Rule | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dressed: bool = False


SETTINGS: Mapping[str, Setting] = {
    "usual": Setting(),
    "open": Setting(default=Public()),
    "shut": Setting(default=Nobody()),
    "floored": Setting(floor=CARRIED),
    "described": Setting(
        options={"realm": "orders", "resource_metadata": f"{URL}/.well-known/oauth-protected-resource"}
    ),
    "dark": Setting(),
    "dressed": Setting(dressed=True),
    "ambient": Setting(options={"trusted_origins": (URL, PARTNER)}),
    "external": Setting(),
    "forwarded": Setting(),
    "limited": Setting(),
    "forwarded beside": Setting(),
    "revoked": Setting(),
}


def dressing(refusal: Refusal) -> tuple[int, dict[str, str], str] | None:
    """What ``on_refusal`` answers instead, in the dressed setting: status, headers and text."""
    if refusal.reason is Reason.NO_CREDENTIAL:
        return 303, {"Location": "/login"}, "sign in"
    if refusal.reason is Reason.EXPIRED:
        return 401, {}, "sign in again"
    if refusal.reason is Reason.SEVERAL_CREDENTIALS:
        return 200, {"Cache-Control": "private"}, "which of you?"
    if refusal.reason is Reason.MALFORMED_HEADER:
        raise RuntimeError("a hook that fails")
    return None


issuer = LocalIssuer()

KEYS = "CALLERID_CONTRACT_KEYS"
"""The variable through which a served application is told the public keys of whoever mints."""


SIGNERS = ("google", "firebase", "firebase_session", "iap", "app_check", ROBOT, CHAT_ACCOUNT, PROVIDER)


def public_keys() -> str:
    """What stands in `KEYS`."""
    for account in (ROBOT, CHAT_ACCOUNT):
        issuer.account_keys(account)
    issuer.oidc_keys(PROVIDER, "ES256")
    return json.dumps({which: issuer.jwks_document(which) for which in SIGNERS})


OWN = {
    "secret-ada": Identity("ada", {"plan": "gold", "roles": ["editor"]}),
    "secret-ben": Identity("ben", {"plan": "free", "email": "ada@example.com", "hd": "example.com"}),
    "secret-odd": Identity("a b/c"),
}
"""The keys and sessions of the application, with their owners."""


def verify(text: str) -> Identity | None:
    if text == "secret-that-fails":
        raise ValueError(text)
    return OWN.get(text)


async def verify_async(text: str) -> Identity | None:
    return verify(text)


def token_info(source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
    """Stands in for Google's endpoint: the tokens are the same in every process."""
    app, _, who = parse_qs(body.decode())["access_token"][0].removeprefix("ya29.secret-").partition("-")
    known = {"aud": CLIENT if app == "ours" else "9-z.apps.googleusercontent.com", "scope": f"openid {DRIVE}"}
    known |= {"sub": ACCOUNT_ID, "email": "ada@gmail.com", "email_verified": "true"} if who == "ada" else {}
    if app not in ("ours", "others"):
        return KeyResponse(400, {}, b'{"error": "invalid_token", "error_description": "Invalid Value"}')
    return KeyResponse(200, {}, json.dumps({**known, "azp": known["aud"], "expires_in": "3599"}).encode())


ASKED = (
    custom_credential("keys", header="X-Api-Key", verify=verify),
    custom_credential("partners", scheme="ShopKey", verify=verify_async),
    custom_credential("bearers", scheme="Bearer", matches="secret-", verify=verify_async),
    replace(google_access_token(CLIENT), send=token_info),
)
"""Whoever has to be asked about a credential."""


def consumed(source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
    """What Firebase says of limited-use tokens here: those of the other app were used before."""
    app = header_and_claims(json.loads(body)["app_check_token"])[1]["sub"]
    return KeyResponse(200, {}, b"{}" if app == APP else b'{"alreadyConsumed": true}')


_ACCESS = GoogleAccess(SimpleNamespace(valid=True, token=""), scope="")
_CONSUMER = Consumer(KeySource(url="https://firebaseappcheck.googleapis.com/"), _ACCESS, consumed)


@functools.cache
def _issuers(setting: str) -> tuple[Issuer, ...]:
    keys = {
        which: KeyDocument(document) for which, document in json.loads(os.environ.get(KEYS) or public_keys()).items()
    }
    ours = google(URL, CLIENT, gcloud=True, keys=keys["google"])
    apps = app_check(PROJECT_NUMBER, keys=keys["app_check"])
    provider = oidc(PROVIDER, "orders", "orders-app", keys=keys[PROVIDER], algorithm="ES256")
    usual = (
        ours,
        firebase(PROJECT, TENANTS, keys=keys["firebase"]),
        service_account(ROBOT, URL, TASKS, keys=keys[ROBOT]),
        google_chat(PROJECT_NUMBER, keys=keys[CHAT_ACCOUNT]),
        provider,
        apps,
        *ASKED,
    )
    session = firebase_session(PROJECT, TENANTS, keys=keys["firebase_session"])
    if setting == "ambient":
        sessions = custom_credential("sessions", cookie="sid", verify=verify_async)
        return *usual, session, iap(BACKEND, keys=keys["iap"]), sessions
    if setting == "external":
        return session, iap(BACKEND, external=PROJECT, tenants=TENANTS, keys=keys["iap"]), ours, apps, provider, *ASKED
    if setting == "limited":
        return *(each for each in usual if each is not apps), replace(apps, consumer=_CONSUMER)
    if setting == "forwarded":
        return gateway(CARRIER, *usual[:3], provider, audience=URL, keys=keys["google"]), apps, *ASKED
    if setting == "forwarded beside":
        return gateway(CARRIER, *usual[:2], audience=URL, keys=keys["google"]), *usual
    return usual


_NOBODY_LISTENS = "http://127.0.0.1:1/keys"

G = TypeVar("G", bound=GuardCore)


def guard_of(kind: type[G], setting: str) -> G:
    """The adapter's own kind of guard. In the dark, Google's keys cannot be had, and some look-ups fail."""
    options = {**SETTINGS[setting].options, "lookups": LOOKUPS}
    if setting != "dark":
        guard = kind(*_issuers(setting), **options)
        return revoke(guard, ROBOT, PROJECT) if setting == "revoked" else guard
    # No time passes between attempts, so that Retry-After is always the same.
    return kind(
        google(URL, CLIENT, gcloud=True, keys=_NOBODY_LISTENS), *_issuers("usual")[1:], timer=lambda: 0.0, **options
    )


def allowed(guard: Any, place: Place) -> Any:
    """``guard.allow(...)`` as the place has it."""
    rules = place.rule if isinstance(place.rule, tuple) else (place.rule,)
    return guard.allow(*rules, audience=place.audience)


def path_table(guard: Any) -> dict[str, Any]:
    """The same rules by path, for what has no routes to ask."""
    table = {f"{place.method} {place.plain_path}": allowed(guard, place) for place in PLACES}
    for area in AREAS:
        for place in area.places:
            own = place.rule
            assert own is None or isinstance(own, Rule)
            table[f"{place.method} {area.prefix}{place.path}"] = area.rule if own is None else area.rule & own
    return table


def found(method: str, path: str) -> Place | int:
    """The routing of the plain applications, which have no framework: a place, or the status they answer with."""
    wrong_method = False
    for prefix, places in (("", PLACES), *((area.prefix, area.places) for area in AREAS)):
        for place in places:
            template = prefix + place.path
            if _covers(template, path):
                if method in place.methods:
                    return place
                wrong_method = True
            if template == f"{path}/":
                return 307
    return 405 if wrong_method else 404


def _covers(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(map(_is_covered, wanted, given))


def _is_covered(wanted: str, given: str) -> bool:
    if not wanted.startswith("{"):
        return wanted == given
    return given.isdecimal() if wanted.endswith(":int}") else bool(given)


class Diary(list[tuple[str, str]]):
    """Which handlers ran, and as whom."""

    def wrote(self, place: str, caller: Caller | None) -> str:
        """Write down that a handler runs; gives its answer's text."""
        who = "nobody" if caller is None else str(caller)
        if caller is not None and caller.via is not None:
            who += f" via {caller.via}"
        if caller is not None and caller.app is not None:
            who += f" in {caller.app}"
        self.append((place, who))
        return f"{place}: {who}"
