"""Rules: who each one admits, what it prints, how it is joined, and the laws they all keep."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callerid
from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    AuthorizedParty,
    Caller,
    Claim,
    ConfigurationError,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    IssuedBy,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
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
)
from callerid.callers import Claims
from callerid.rules import (
    Facts,
    all_of,
    any_of,
    is_public,
    leaves,
    member,
    missing_steps,
    needs_no_caller,
    of_any_issuer,
    without_public,
)

from .made import CLIENT, NOW, about, keyholder, odd, person, provided, robot, user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GOOGLE = "https://accounts.google.com"
FIREBASE = "https://securetoken.google.com/shop-prod"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
ID = "110000000000000000001"
KELVIN = "\u212a"


def is_ada(caller: Caller) -> bool:
    return caller.email == "ada@example.com"


def raises(caller: Caller) -> bool:
    raise ZeroDivisionError(caller.email)


def is_own(caller: Caller, path: Mapping[str, Any]) -> bool:
    return bool(path["who"] == caller.subject)


def saml(tenant: str | None = None, **attributes: Any) -> Caller:
    return user(tenant=tenant, provider="saml.acme", sign_in_attributes=Claims(attributes))


def path(**parameters: Any) -> Callable[[Caller | None], Facts]:
    return lambda caller: about(caller, path=parameters)


def tenant(name: str | None = "acme", **facts: Any) -> Caller:
    return user(tenant=name, **facts)


YES: list[tuple[Rule, Facts]] = [
    (Public(), about()),
    (Public(), about(person())),
    (AnyGoogleAccount(), about(person())),
    (AnyGoogleAccount(), about(person("ada@gmail.com", None))),
    (AnyGoogleAccount(), about(person(None, None))),
    (AnyGoogleAccount(), about(robot())),
    (User("ada@example.com"), about(person())),
    (User("Ada@Example.COM"), about(person())),
    (User("ada@example.com"), about(person("ADA@example.com", "EXAMPLE.com"))),
    (User("ada@gmail.com"), about(person("ada@gmail.com", None))),
    (User("ada@gmail.com"), about(person("Ada@GMail.com", None))),
    (User("ada@googlemail.com"), about(person("Ada@GoogleMail.com", None))),
    # A Workspace has further domains, and aliases, than the one that hd names.
    (User("ada@example.com"), about(person(domain="other.example.com"))),
    (User("ada@example.com"), about(person(domain="company.example"))),
    (User("ada@example.com", hosted=False), about(person(domain=None))),
    (User("ada@example.com", hosted=False), about(person(domain="other.example.com"))),
    (User(ID), about(person())),
    (User(ID), about(person(None, None))),
    (User(PathParam("who")), path(who=ID)(person())),
    (User(PathParam("who")), path(who=int(ID))(person())),
    (ServiceAccount(ROBOT), about(robot())),
    (ServiceAccount(ROBOT.upper()), about(robot())),
    (ServiceAccount(ROBOT), about(robot(ROBOT.title()))),
    (ServiceAccount("117000000000000000001"), about(robot(None))),
    (ServiceAccount(PathParam("who")), path(who="117000000000000000001")(robot())),
    (Domain("example.com"), about(person())),
    (Domain("EXAMPLE.com"), about(person(domain="Example.Com"))),
    (Domain("example.com"), about(person(None))),
    (Domain("example.com"), about(person("ada@sub.example.com"))),
    (FirebaseUser(), about(user())),
    (FirebaseUser("u1"), about(user())),
    (FirebaseUser(anonymous=True), about(user(provider="anonymous"))),
    (FirebaseUser(anonymous=True), about(user())),
    (FirebaseUser("u1", anonymous=True), about(user(provider="anonymous"))),
    (FirebaseUser(PathParam("user_id")), path(user_id="u1")(user())),
    (FirebaseUser(PathParam("user_id")), path(user_id=7)(user("7"))),
    (FirebaseUser(project="shop-prod"), about(user())),
    (FirebaseUser("u1", project="shop-prod"), about(user())),
    (FirebaseUser(PathParam("user_id"), project="shop-prod"), path(user_id="u1")(user())),
    (Tenant("acme"), about(tenant())),
    (FirebaseUser("u1") & Tenant("acme"), about(tenant())),
    (FirebaseUser() & Tenant("acme"), about(tenant())),
    (FirebaseUser() & (Tenant("acme") | Tenant("beta")), about(tenant("beta"))),
    (FirebaseUser(PathParam("who")) & Tenant(PathParam("where")), path(who="u1", where="acme")(tenant())),
    (FirebaseUser() | Tenant("acme"), about(tenant())),
    (SecondFactor() & SignedInWithin(60), about(tenant(second_factor="totp"))),
    (SignInProvider("password"), about(user())),
    (SignInProvider("anonymous"), about(user(provider="anonymous"))),
    (SecondFactor(), about(user(second_factor="totp"))),
    (SignedInWithin(300), about(user())),
    (SignedInWithin(300), about(user(signed_in_at=NOW - 300.0))),
    (SignedInWithin(300), about(user(signed_in_at=NOW + 30.0))),
    (CustomClaim("role", "editor"), about(user(claims={"role": "editor"}))),
    (CustomClaim("level", 1), about(user(claims={"level": 1}))),
    (CustomClaim("level", 1.5), about(user(claims={"level": 1.5}))),
    (CustomClaim("admin", True), about(user(claims={"admin": True}))),
    (CustomClaim("admin", False), about(user(claims={"admin": False}))),
    (CustomClaim("level", 0), about(user(claims={"level": 0}))),
    (CustomClaim("roles", contains="editor"), about(user(claims={"roles": ["viewer", "editor"]}))),
    (CustomClaim("flags", contains=0), about(user(claims={"flags": [0]}))),
    (CustomClaim("hd", "example.com"), about(user(claims={"hd": "example.com"}))),
    (EmailDomain("example.com"), about(user())),
    (EmailDomain("Example.com"), about(user(email="Ada@EXAMPLE.com"))),
    (EmailDomain("example.com") & Tenant("acme"), about(tenant())),
    (Tenant("acme") & (EmailDomain("example.com") | FirebaseUser("x")), about(tenant())),
    ((Tenant("acme") | Tenant("beta")) & EmailDomain("example.com"), about(tenant("beta"))),
    (AuthorizedParty(CLIENT), about(person(authorized_party=CLIENT))),
    (AuthorizedParty(ROBOT), about(robot(authorized_party=ROBOT))),
    (Tenant(PathParam("who")), path(who="acme")(tenant())),
    (Tenant(PathParam("who")), path(who=7)(tenant("7"))),
    (Tenant(PathParam("who")) & EmailDomain("example.com"), path(who="acme")(tenant())),
    (CustomClaim("org", PathParam("who")), path(who="acme")(user(claims={"org": "acme"}))),
    (CustomClaim("org", PathParam("who")), path(who=7)(user(claims={"org": "7"}))),
    (CustomClaim("orgs", contains=PathParam("who")), path(who="b")(user(claims={"orgs": ["a", 1, "b"]}))),
    (CustomClaim(("org",), "acme"), about(user(claims={"org": "acme"}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"roles": {"acme": "admin"}}))),
    (CustomClaim(("a", "b", "c"), 1), about(user(claims={"a": {"b": {"c": 1}}}))),
    (CustomClaim(("roles", "acme"), contains="x"), about(user(claims={"roles": {"acme": ["x"]}}))),
    (CustomClaim(("orgs", "own"), PathParam("who")), path(who="a")(user(claims={"orgs": {"own": "a"}}))),
    (SignInAttribute("dept", "sales"), about(saml(dept="sales"))),
    (SignInAttribute("groups", contains="eng"), about(saml(groups=["all", "eng"]))),
    (SignInAttribute("urn:x/y.z", PathParam("who")), path(who="a")(saml(**{"urn:x/y.z": "a"}))),
    (SignInAttribute("dept", "sales") & Tenant("acme"), about(saml("acme", dept="sales"))),
    (Tenant(PathParam("who")) & SignInAttribute("dept", "sales"), path(who="acme")(saml("acme", dept="sales"))),
    (IssuedBy(GOOGLE), about(person())),
    (IssuedBy(FIREBASE), about(user())),
    (Where("is Ada", is_ada), about(person())),
    (Where("their own", is_own), path(who="u1")(user())),
    (Where("at 7", lambda _, path: path["who"] == 7), path(who=7)(person())),
    (Where("is Ada", is_ada), about(user())),
    (Via(ServiceAccount(ROBOT)), about(person(), via=robot())),
    (Via(ServiceAccount(ROBOT)), about(via=robot())),
    (Via(Where("is a robot", lambda caller: caller.is_service_account)), about(user(), via=robot())),
    (Domain("example.com") & Via(ServiceAccount(ROBOT)), about(person(), via=robot())),
    (Domain("other.example.com") | Domain("example.com"), about(person())),
    (Domain("example.com") & User(ID), about(person())),
    (Nobody() | Public(), about()),
]

YES += [
    (Subject("ada"), about(provided())),
    (Subject("shop-7"), about(keyholder())),
    (Subject("ada", of="https://id.example.com"), about(provided())),
    (Subject("shop-7", of="partner-keys"), about(keyholder())),
    (Subject(PathParam("who")), path(who="ada")(provided())),
    (Subject(PathParam("who")), path(who=7)(keyholder("7"))),
    (Subject(PathParam("who"), of="partner-keys"), path(who="7")(keyholder("7"))),
    (Claim("role", "editor"), about(provided(role="editor"))),
    (Claim("level", 1), about(provided(level=1))),
    (Claim("admin", False), about(provided(admin=False))),
    (Claim("groups", contains="staff"), about(provided(groups=["staff", "x"]))),
    (Claim(("realm_access", "roles"), contains="admin"), about(provided(realm_access={"roles": ["admin"]}))),
    (Claim("org", PathParam("who")), path(who="acme")(provided(org="acme"))),
    (Claim("email", "ada@example.com"), about(provided(email="ada@example.com", email_verified=True))),
    (Claim("email_verified", True), about(provided(email_verified=True))),
    (Claim("phone_number", "+1"), about(provided(phone_number="+1", phone_number_verified=True))),
    (Claim("hd", "example.com"), about(provided(hd="example.com"))),
    (Claim("azp", "orders"), about(provided(azp="orders"))),
    (Fact("plan", "gold"), about(keyholder(plan="gold"))),
    (Fact("plans", contains=2), about(keyholder(plans=[1, 2]))),
    (Fact(("org", "id"), PathParam("who")), path(who="a")(keyholder(org={"id": "a"}))),
    (Fact("sub", "x"), about(keyholder(sub="x"))),
    (IssuedBy("partner-keys"), about(keyholder())),
]

NO: list[tuple[Rule, Facts]] = [
    (Nobody(), about()),
    (Nobody(), about(person())),
    (AnyGoogleAccount(), about()),
    (AnyGoogleAccount(), about(user())),
    (AnyGoogleAccount(), about(via=robot())),
    (User("ada@example.com"), about()),
    (User("ada@example.com"), about(user())),
    (User("ada@example.com"), about(person(None))),
    (User("ada@example.com"), about(person(domain=None))),
    (User("ada@example.com"), about(person(domain=""))),
    (User("ada@example.com"), about(person("eve@example.com", "other.example.com"))),
    (User("ada@gmail.com"), about(person("a.da@gmail.com", None))),
    (User("ada@googlemail.com"), about(person("ada@gmail.com", None))),
    (User("ada@mail.gmail.com"), about(person("ada@mail.gmail.com", None))),
    (User("ada@gmail.com"), about(person("ada@googlemail.com", None))),
    (User("ada@gmail.com"), about(person("ada@gmail.com.evil.example.net", None))),
    (User("kim@gmail.com"), about(person(f"{KELVIN}im@gmail.com", None))),
    (User("ada@example.com"), about(person("ad\u0430@example.com"))),
    (User("ada@example.com"), about(person(" ada@example.com"))),
    (User("ada@example.com"), about(person("ada@example.com\0"))),
    (User("ada@example.com"), about(robot("ada@example.com"))),
    (User("ada@example.com", hosted=False), about(person("eve@example.com", None))),
    (User(ID), about(person(subject="2"))),
    (User(ID), about(robot(subject=ID))),
    (User(ID), about(user(ID))),
    (User(PathParam("who")), path(who="2")(person())),
    (User(PathParam("who")), path(who="")(person(subject=""))),
    (User(PathParam("who")), path(other=ID)(person())),
    (User(PathParam("who")), path(who="ada@example.com")(person())),
    (User(PathParam("who")), path(who=float(7))(person(subject="7.0"))),
    (User(PathParam("who")), path(who=True)(person(subject="True"))),
    (User(PathParam("who")), path(who=None)(person(subject="None"))),
    (User(PathParam("who")), path(who=[ID])(person())),
    (ServiceAccount(ROBOT), about()),
    (ServiceAccount(ROBOT), about(person(ROBOT))),
    (ServiceAccount(ROBOT), about(robot(None))),
    (ServiceAccount(ROBOT), about(robot("other@shop-prod.iam.gserviceaccount.com"))),
    (ServiceAccount(ROBOT), about(person(), via=robot())),
    (ServiceAccount("117000000000000000001"), about(person(subject="117000000000000000001"))),
    (Domain("example.com"), about()),
    (Domain("example.com"), about(person(domain=None))),
    (Domain("example.com"), about(person(domain="sub.example.com"))),
    (Domain("example.com"), about(person(domain="example.com."))),
    (Domain("kim.example.com"), about(person(domain=f"{KELVIN}im.example.com"))),
    (Domain("example.com"), about(robot(domain="example.com"))),
    (Domain("example.com"), about(user(claims={"hd": "example.com"}))),
    (FirebaseUser(), about()),
    (FirebaseUser(), about(person())),
    (FirebaseUser(), about(user(provider="anonymous"))),
    (FirebaseUser("u1"), about(user(provider="anonymous"))),
    (FirebaseUser("u1"), about(user("U1"))),
    (FirebaseUser("u1"), about(user("u2"))),
    (FirebaseUser("u2", anonymous=True), about(user())),
    (FirebaseUser(ID), about(person())),
    (FirebaseUser(PathParam("user_id")), path(user_id="u2")(user())),
    (FirebaseUser(PathParam("user_id")), path(user_id="u1 ")(user())),
    (FirebaseUser(PathParam("user_id")), path(uid="u1")(user())),
    (FirebaseUser(PathParam("user_id")), path(user_id="u1")(user(provider="anonymous"))),
    (FirebaseUser(project="shop-prod"), about(user(project="bank-prod"))),
    (FirebaseUser("u1", project="shop-prod"), about(user(project="bank-prod"))),
    (FirebaseUser("u2", project="shop-prod"), about(user())),
    (FirebaseUser(project="shop-prod"), about(user(provider="anonymous"))),
    (FirebaseUser(PathParam("user_id"), project="shop-prod"), path(user_id="u1")(user(project="bank-prod"))),
    (FirebaseUser(project="shop-prod"), about(person())),
    (Tenant("acme"), about()),
    (Tenant("acme"), about(user())),
    (Tenant("acme"), about(tenant("ACME"))),
    (Tenant("acme"), about(person())),
    (SignInProvider("google.com"), about(user())),
    (SignInProvider("password"), about(user(provider=None))),
    (SignInProvider("password"), about(person())),
    (SecondFactor(), about(user())),
    (SecondFactor(), about(person())),
    (SignedInWithin(300), about(user(signed_in_at=NOW - 300.5))),
    (SignedInWithin(300), about(user(signed_in_at=None))),
    (SignedInWithin(300), about(person())),
    (CustomClaim("role", "editor"), about(user())),
    (CustomClaim("role", "editor"), about(user(claims={"role": "Editor"}))),
    (CustomClaim("role", "editor"), about(user(claims={"role": ["editor"]}))),
    (CustomClaim("role", "editor"), about(user(claims={"role": {"editor": True}}))),
    (CustomClaim("admin", True), about(user(claims={"admin": 1}))),
    (CustomClaim("admin", True), about(user(claims={"admin": "true"}))),
    (CustomClaim("admin", False), about(user())),
    (CustomClaim("admin", False), about(user(claims={"admin": None}))),
    (CustomClaim("level", 1), about(user(claims={"level": True}))),
    (CustomClaim("level", 1), about(user(claims={"level": 1.0}))),
    (CustomClaim("level", 1), about(user(claims={"level": "1"}))),
    (CustomClaim("roles", contains="editor"), about(user(claims={"roles": "editor"}))),
    (CustomClaim("roles", contains="edit"), about(user(claims={"roles": ["editor"]}))),
    (CustomClaim("roles", contains="editor"), about(user(claims={"roles": [["editor"]]}))),
    (CustomClaim("roles", contains="editor"), about(user(claims={"roles": {"editor": 1}}))),
    (CustomClaim("flags", contains=1), about(user(claims={"flags": [True, "1", 1.0]}))),
    (CustomClaim("role", "editor"), about(person())),
    (EmailDomain("example.com"), about()),
    (EmailDomain("example.com"), about(user(email=None))),
    (EmailDomain("example.com"), about(user(email="ada@sub.example.com"))),
    (EmailDomain("example.com"), about(user(email="ada@notexample.com"))),
    (EmailDomain("example.com"), about(user(email="ada@evil.example.net@example.com"))),
    (EmailDomain("example.com"), about(user(email="example.com"))),
    (EmailDomain("example.com"), about(user(email="ada@example.com\0"))),
    (EmailDomain("kim.example.com"), about(user(email=f"ada@{KELVIN}im.example.com"))),
    (EmailDomain("example.com"), about(user(email="ad\u0430@example.com"))),
    (EmailDomain("example.com"), about(tenant())),
    (EmailDomain("example.com"), about(person())),
    (EmailDomain("example.com") | Tenant("beta"), about(tenant())),
    (FirebaseUser(), about(tenant())),
    (FirebaseUser(anonymous=True), about(tenant(provider="anonymous"))),
    (FirebaseUser("u1"), about(tenant())),
    (FirebaseUser("u1", project="shop-prod"), about(tenant())),
    (FirebaseUser(PathParam("who")), path(who="u1")(tenant())),
    (FirebaseUser("u1") & Tenant("beta"), about(tenant())),
    (FirebaseUser("u1") & Tenant("acme"), about(user("u1"))),
    (FirebaseUser("u1") & (Tenant("acme") | SecondFactor()), about(tenant(second_factor="totp"))),
    (FirebaseUser("u1") | Tenant("beta"), about(tenant())),
    (EmailDomain("example.com") & Tenant("beta"), about(tenant())),
    ((Tenant("acme") | FirebaseUser()) & EmailDomain("example.com"), about(tenant())),
    ((Tenant("acme") & FirebaseUser("x")) | EmailDomain("example.com"), about(tenant())),
    (AuthorizedParty(CLIENT), about()),
    (AuthorizedParty(CLIENT), about(person())),
    (AuthorizedParty(CLIENT), about(person(audience=CLIENT))),
    (AuthorizedParty(CLIENT), about(person(authorized_party=CLIENT.upper()))),
    (AuthorizedParty(CLIENT), about(user(claims={"azp": CLIENT}))),
    (Tenant(PathParam("who")), path(who="beta")(tenant())),
    (Tenant(PathParam("who")), path(who="acme")(user())),
    (Tenant(PathParam("who")), path(who=None)(user())),
    (Tenant(PathParam("who")), path(who="")(tenant(""))),
    (Tenant(PathParam("who")), path(other="acme")(tenant())),
    (Tenant(PathParam("who")), path(who="acme")(person())),
    (CustomClaim("org", PathParam("who")), path(who="acme")(user(claims={"org": "beta"}))),
    (CustomClaim("org", PathParam("who")), path(who="acme")(user())),
    (CustomClaim("org", PathParam("who")), path(who="acme")(user(claims={"org": ["acme"]}))),
    (CustomClaim("org", PathParam("who")), path(who="acme")(user(claims={"org": {"acme": 1}}))),
    (CustomClaim("org", PathParam("who")), path(who=7)(user(claims={"org": 7}))),
    (CustomClaim("org", PathParam("who")), path(who="True")(user(claims={"org": True}))),
    (CustomClaim("org", PathParam("who")), path(who="None")(user(claims={"org": None}))),
    (CustomClaim("org", PathParam("who")), path(who="")(user(claims={"org": ""}))),
    (CustomClaim("org", PathParam("who")), path(who=True)(user(claims={"org": "True"}))),
    (CustomClaim("org", PathParam("who")), path(other="acme")(user(claims={"org": "acme"}))),
    (CustomClaim("orgs", contains=PathParam("who")), path(who="a")(user(claims={"orgs": "a"}))),
    (CustomClaim("orgs", contains=PathParam("who")), path(who="1")(user(claims={"orgs": [1, True, ["1"]]}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"roles": {"beta": "admin"}}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"roles": "acme"}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"roles": [{"acme": "admin"}]}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"roles.acme": "admin"}))),
    (CustomClaim(("roles", "acme"), "admin"), about(user(claims={"acme": "admin"}))),
    (CustomClaim(("roles", "0"), "admin"), about(user(claims={"roles": ["admin"]}))),
    (CustomClaim(("roles", "acme"), "admin"), about(person())),
    (SignInAttribute("dept", "sales"), about(user(claims={"dept": "sales"}))),
    (SignInAttribute("dept", "sales"), about(saml(dept=["sales"]))),
    (SignInAttribute("groups", contains="eng"), about(saml(groups="eng"))),
    (SignInAttribute("level", 1), about(saml(level=True))),
    (SignInAttribute("dept", "sales"), about(saml("acme", dept="sales"))),
    (SignInAttribute("dept", "sales") & Tenant("beta"), about(saml("acme", dept="sales"))),
    (SignInAttribute("dept", "sales") | Tenant("beta"), about(saml("acme", dept="sales"))),
    (Tenant(PathParam("who")) & SignInAttribute("dept", "sales"), path(who="beta")(saml("acme", dept="sales"))),
    (SignInAttribute("dept", "sales"), about(person())),
    (Where("their own", is_own), path(who="u2")(user())),
    (Where("their own", is_own), path(other="u1")(user())),
    (Where("their own", is_own), path(who="u1")(None)),
    (Where("writes the path", odd(lambda _, path: path.update(who=1) is None)), path(who="u1")(user())),
    (IssuedBy(GOOGLE), about()),
    (IssuedBy(GOOGLE), about(user())),
    (IssuedBy("accounts.google.com"), about(person())),
    (Where("is Ada", is_ada), about()),
    (Where("is Ada", is_ada), about(person("eve@example.com"))),
    (Where("raises", raises), about(person())),
    (Where("is truthy", odd(lambda _: 1)), about(person())),
    (Where("is text", odd(lambda _: "yes")), about(person())),
    (Via(ServiceAccount(ROBOT)), about()),
    (Via(ServiceAccount(ROBOT)), about(robot())),
    (Via(ServiceAccount(ROBOT)), about(person(), via=robot("other@shop-prod.iam.gserviceaccount.com"))),
    (Domain("example.com") & Via(ServiceAccount(ROBOT)), about(person())),
    (Domain("example.com") & Via(ServiceAccount(ROBOT)), about(via=robot())),
    (Domain("other.example.com") | User("eve@example.com"), about(person())),
    (Domain("example.com") & User("eve@example.com"), about(person())),
    (Public() & Nobody(), about(person())),
]


def identify(row: object) -> str | None:
    return str(row) if isinstance(row, Rule) else None


NO += [
    (Subject("ada"), about()),
    (Subject("ada"), about(provided("Ada"))),
    (Subject("ada"), about(provided("ada "))),
    # An id of Google's or Firebase's is nobody's subject, whatever it is.
    (Subject(ID), about(person())),
    (Subject("117000000000000000001"), about(robot())),
    (Subject("u1"), about(user())),
    (Subject(PathParam("who")), path(who=ID)(person())),
    (Subject("ada", of="https://other.example.com"), about(provided())),
    (Subject("ada", of="partner-keys"), about(provided())),
    (Subject("ada"), Facts(via=provided())),
    (Subject(PathParam("who")), path(who="ben")(provided())),
    (Subject(PathParam("who")), path(who=True)(provided("True"))),
    (Claim("role", "editor"), about()),
    (Claim("role", "editor"), about(provided())),
    (Claim("role", "editor"), about(provided(role=["editor"]))),
    (Claim("role", "editor"), about(user(claims={"role": "editor"}))),
    (Claim("role", "editor"), about(keyholder(role="editor"))),
    (Claim("level", 1), about(provided(level=True))),
    (Claim("level", 1), about(provided(level="1"))),
    (Claim("groups", contains="staff"), about(provided(groups="staff"))),
    (Claim("email", "ada@example.com"), about(provided(email="ada@example.com"))),
    (Claim("email", "ada@example.com"), about(provided(email="ada@example.com", email_verified=False))),
    (Claim("email", "ada@example.com"), about(provided(email="ada@example.com", email_verified="true"))),
    (Claim("email", "ada@example.com"), about(provided(email="eve@example.com", email_verified=True))),
    (Claim("email", "ada@example.com"), about(person("ada@example.com"))),
    (Claim("phone_number", "+1"), about(provided(phone_number="+1", email_verified=True))),
    (Fact("plan", "gold"), about()),
    (Fact("plan", "gold"), about(keyholder())),
    (Fact("plan", "gold"), about(provided(plan="gold"))),
    (Fact("plan", "gold"), about(user(claims={"plan": "gold"}))),
    # What another provider says makes nobody a Google account or a Firebase user.
    (AnyGoogleAccount(), about(provided())),
    (AnyGoogleAccount(), about(keyholder())),
    (Domain("example.com"), about(provided(hd="example.com", email="ada@example.com", email_verified=True))),
    (User("7"), about(provided("7"))),
    (User("7"), about(keyholder("7"))),
    (User("ada@example.com", hosted=False), about(provided(email="ada@example.com", email_verified=True))),
    (ServiceAccount("7"), about(provided("7"))),
    (AuthorizedParty(CLIENT), about(provided(azp=CLIENT))),
    (FirebaseUser(anonymous=True), about(provided("u1"))),
    (FirebaseUser("u1"), about(keyholder("u1"))),
    (CustomClaim("role", "editor"), about(provided(role="editor"))),
    (CustomClaim("role", "editor"), about(keyholder(role="editor"))),
    (EmailDomain("example.com"), about(provided(email="ada@example.com", email_verified=True))),
    (Tenant("acme"), about(provided(firebase={"tenant": "acme"}))),
]


@pytest.mark.parametrize(("rule", "facts"), YES, ids=identify)
def test_a_rule_admits_whom_it_names(rule: Rule, facts: Facts) -> None:
    assert rule.admits(facts) is True
    assert rule.explain(facts).holds is True
    assert str(rule.explain(facts)).startswith("+ ")


@pytest.mark.parametrize(("rule", "facts"), NO, ids=identify)
def test_a_rule_admits_nobody_else(rule: Rule, facts: Facts) -> None:
    assert rule.admits(facts) is False
    assert rule.explain(facts).holds is False
    assert str(rule.explain(facts)).startswith("- ")


PRINTED: list[tuple[Rule, str, str]] = [
    (Public(), "Public()", "allUsers"),
    (Nobody(), "Nobody()", "nobody"),
    (AnyGoogleAccount(), "AnyGoogleAccount()", "allAuthenticatedUsers"),
    (User("Ada@Example.com"), "User('ada@example.com')", "user:ada@example.com"),
    (User("ada@example.com", hosted=False), "User('ada@example.com', hosted=False)", "user:ada@example.com"),
    (User("7"), "User('7')", "user:7"),
    (User(PathParam("who")), "User(PathParam('who'))", "user:{who}"),
    (ServiceAccount(ROBOT), f"ServiceAccount('{ROBOT}')", f"serviceAccount:{ROBOT}"),
    (Domain("Example.com"), "Domain('example.com')", "domain:example.com"),
    (FirebaseUser(), "FirebaseUser()", "firebaseUser"),
    (FirebaseUser("u1"), "FirebaseUser('u1')", "firebaseUser:u1"),
    (FirebaseUser("it's"), 'FirebaseUser("it\'s")', "firebaseUser:it's"),
    (FirebaseUser(anonymous=True), "FirebaseUser(anonymous=True)", "firebaseUser or anonymous"),
    (FirebaseUser("u1", anonymous=True), "FirebaseUser('u1', anonymous=True)", "firebaseUser:u1 or anonymous"),
    (FirebaseUser(PathParam("uid")), "FirebaseUser(PathParam('uid'))", "firebaseUser:{uid}"),
    (FirebaseUser(project="a"), "FirebaseUser(project='a')", "firebaseUser of a"),
    (FirebaseUser("u1", project="a"), "FirebaseUser('u1', project='a')", "firebaseUser:u1 of a"),
    (
        FirebaseUser("u1", anonymous=True, project="a"),
        "FirebaseUser('u1', anonymous=True, project='a')",
        "firebaseUser:u1 or anonymous of a",
    ),
    (Tenant("acme"), "Tenant('acme')", "tenant:acme"),
    (SignInProvider("google.com"), "SignInProvider('google.com')", "signInProvider:google.com"),
    (SecondFactor(), "SecondFactor()", "secondFactor"),
    (SignedInWithin(300), "SignedInWithin(300)", "signedInWithin:300s"),
    (CustomClaim("role", "editor"), "CustomClaim('role', value='editor')", "claim:role='editor'"),
    (CustomClaim("admin", False), "CustomClaim('admin', value=False)", "claim:admin=False"),
    (CustomClaim("level", 0), "CustomClaim('level', value=0)", "claim:level=0"),
    (CustomClaim("roles", contains="x"), "CustomClaim('roles', contains='x')", "claim:roles\u220b'x'"),
    (CustomClaim("roles", contains=0), "CustomClaim('roles', contains=0)", "claim:roles\u220b0"),
    (CustomClaim("org", PathParam("x")), "CustomClaim('org', value=PathParam('x'))", "claim:org={x}"),
    (CustomClaim("org", contains=PathParam("x")), "CustomClaim('org', contains=PathParam('x'))", "claim:org\u220b{x}"),
    (CustomClaim(("a", "b"), "x"), "CustomClaim(('a', 'b'), value='x')", "claim:a.b='x'"),
    (CustomClaim(("a",), "x"), "CustomClaim('a', value='x')", "claim:a='x'"),
    (Subject("ada"), "Subject('ada')", "subject:ada"),
    (Subject(PathParam("x")), "Subject(PathParam('x'))", "subject:{x}"),
    (Subject("ada", of="keys"), "Subject('ada', of='keys')", "subject:ada of keys"),
    (Claim("role", "editor"), "Claim('role', value='editor')", "oidcClaim:role='editor'"),
    (Claim(("a", "b"), contains=0), "Claim(('a', 'b'), contains=0)", "oidcClaim:a.b\u220b0"),
    (Fact("plan", True), "Fact('plan', value=True)", "fact:plan=True"),
    (Fact("plans", contains=PathParam("x")), "Fact('plans', contains=PathParam('x'))", "fact:plans\u220b{x}"),
    (SignInAttribute("a", "x"), "SignInAttribute('a', value='x')", "signInAttribute:a='x'"),
    (SignInAttribute("a", contains="x"), "SignInAttribute('a', contains='x')", "signInAttribute:a\u220b'x'"),
    (Tenant(PathParam("x")), "Tenant(PathParam('x'))", "tenant:{x}"),
    (AuthorizedParty(CLIENT), f"AuthorizedParty('{CLIENT}')", f"authorizedParty:{CLIENT}"),
    (EmailDomain("example.com"), "EmailDomain('example.com')", "emailDomain:example.com"),
    (IssuedBy(GOOGLE), f"IssuedBy('{GOOGLE}')", f"issuedBy:{GOOGLE}"),
    (Via(ServiceAccount(ROBOT)), f"Via(ServiceAccount('{ROBOT}'))", f"via serviceAccount:{ROBOT}"),
    (
        Via(ServiceAccount("1") | ServiceAccount("2")),
        "Via(AnyOf(ServiceAccount('1'), ServiceAccount('2')))",
        "via (serviceAccount:1 or serviceAccount:2)",
    ),
    (
        Domain("a.com") & (User("1") | User("2")),
        "AllOf(Domain('a.com'), AnyOf(User('1'), User('2')))",
        "domain:a.com and (user:1 or user:2)",
    ),
    (
        (Tenant("a") & SecondFactor()) | FirebaseUser("x"),
        "AnyOf(AllOf(Tenant('a'), SecondFactor()), FirebaseUser('x'))",
        "(tenant:a and secondFactor) or firebaseUser:x",
    ),
    (AllOf(Public()), "AllOf(Public())", "allUsers"),
]


@pytest.mark.parametrize(("rule", "code", "words"), PRINTED, ids=[words for _, _, words in PRINTED])
def test_a_rule_prints_as_code_and_as_iams_words(rule: Rule, code: str, words: str) -> None:
    assert repr(rule) == code
    assert str(rule) == words
    assert eval(repr(rule), vars(callerid)) == rule
    assert hash(eval(repr(rule), vars(callerid))) == hash(rule)


def test_where_prints_what_it_can() -> None:
    rule = Where("is Ada", is_ada)
    assert (repr(rule), str(rule)) == ("Where('is Ada', ...)", "where is Ada")
    assert rule == Where("is Ada", is_ada) != Where("is Ada", raises)


@pytest.mark.parametrize(
    ("function", "reads_path"),
    [
        (is_ada, False),
        (is_own, True),
        (lambda *seen: len(seen) == 1, False),
        (lambda caller, email="ada@example.com": caller.email == email, False),
        (lambda caller, path, email="ada@example.com": caller.email == email and path == {"who": "u1"}, True),
        (functools.partial(lambda email, caller: caller.email == email, "ada@example.com"), False),
        (functools.partial(lambda email, caller, path: bool(path) and caller.email == email, "ada@example.com"), True),
        (operator.attrgetter("is_authenticated"), False),
        ({person()}.__contains__, False),
    ],
)
def test_whether_where_asks_about_the_path_is_known_by_the_function(function: Any, reads_path: bool) -> None:
    rule = Where("x", function)
    assert rule.reads_path is reads_path
    assert rule.admits(path(who="u1")(person(subject="u1" if function is is_own else ID)))


def test_where_takes_a_built_in_function_that_does_not_say_what_it_takes() -> None:
    assert Where("x", bool).reads_path is False


def test_where_takes_any_callable_even_one_without_a_hash() -> None:
    @dataclasses.dataclass
    class Is:
        email: str

        def __call__(self, caller: Caller) -> bool:
            return caller.email == self.email

    rule = Where("is Ada", Is("ada@example.com")) & Domain("example.com")
    assert rule.admits(about(person()))


def test_a_coroutine_is_no_yes() -> None:
    closed = []

    class Later:
        def __call__(self, caller: Caller) -> Any:
            async def answer() -> bool:
                return caller.email is not None

            coroutine = answer()
            closed.append(coroutine)
            return coroutine

    assert not Where("later", Later()).admits(about(person()))
    assert "answered a coroutine, not True" in str(Where("later", Later()).explain(about(person())))
    for coroutine in closed:
        coroutine.close()


# --- mistakes ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: User(""), "User names one account"),
        (lambda: User("ada"), "User names one account"),
        (lambda: User("ada@"), "User names a domain"),
        (lambda: User("@example.com"), "User names one account"),
        (lambda: User("ada@example"), "User names a domain"),
        (lambda: User("ada@example.com "), "User names a domain"),
        (lambda: User(" ada@example.com"), "User names one account"),
        (lambda: User("ada@b@example.com"), "User names a domain"),
        (lambda: User("ad\u0430@example.com"), "User names one account"),
        (lambda: User("\u0661\u0662"), "User names one account"),
        (lambda: User("1" * 256), "User names one account"),
        (lambda: User(odd(7)), "User names one account"),
        (lambda: User(odd(None)), "User names one account"),
        (lambda: User("*"), "User names one account"),
        (lambda: User(ROBOT), "write ServiceAccount"),
        (lambda: User("7", hosted=False), "hosted=False goes with an e-mail address only"),
        (lambda: User(PathParam("x"), hosted=False), "hosted=False goes with an e-mail address only"),
        (lambda: User("ada@example.com", hosted=odd(0)), "hosted=False goes with an e-mail address only"),
        (lambda: User("ada@example.com", hosted=odd(1)), "hosted=False goes with an e-mail address only"),
        (lambda: ServiceAccount("ada@example.com"), "write User('ada@example.com')"),
        (lambda: ServiceAccount("robot@gserviceaccount.com.example.net"), "write User"),
        (lambda: ServiceAccount("robot@notgserviceaccount.com"), "write User"),
        (lambda: ServiceAccount(""), "ServiceAccount names one account"),
        (lambda: Domain(""), "Domain names a domain"),
        (lambda: Domain("com"), "Domain names a domain"),
        (lambda: Domain("@example.com"), "Domain names a domain"),
        (lambda: Domain("*.example.com"), "Domain names a domain"),
        (lambda: Domain("example.com."), "Domain names a domain"),
        (lambda: Domain("-a.example.com"), "Domain names a domain"),
        (lambda: Domain("https://example.com"), "Domain names a domain"),
        (lambda: Domain("b\u00fccher.example"), "its ASCII form"),
        (lambda: Domain("a." * 127 + "com"), "Domain names a domain"),
        (lambda: Domain(odd(None)), "Domain names a domain"),
        (lambda: Domain("gmail.com"), "admits nobody"),
        (lambda: Domain("GoogleMail.com"), "admits nobody"),
        (lambda: FirebaseUser(""), "FirebaseUser names a uid"),
        (lambda: FirebaseUser(" "), "FirebaseUser names a uid"),
        (lambda: FirebaseUser("u1 "), "FirebaseUser names a uid"),
        (lambda: FirebaseUser("u\n1"), "FirebaseUser names a uid"),
        (lambda: FirebaseUser(odd(1)), "FirebaseUser names a uid"),
        (lambda: FirebaseUser("u" * 129), "at most 128"),
        (lambda: FirebaseUser("u1", anonymous=odd(1)), "anonymous is True or False"),
        (lambda: FirebaseUser(project=""), "id of a Firebase project"),
        (lambda: FirebaseUser(project="a/b"), "id of a Firebase project"),
        (lambda: FirebaseUser(project=odd(True)), "id of a Firebase project"),
        (lambda: Tenant(""), "Tenant names"),
        (lambda: Tenant(odd(None)), "Tenant names"),
        (lambda: SignInProvider(""), "SignInProvider names"),
        (lambda: SignedInWithin(0), "at least 1"),
        (lambda: SignedInWithin(-1), "at least 1"),
        (lambda: SignedInWithin(odd(1.5)), "whole number"),
        (lambda: SignedInWithin(True), "whole number"),
        (lambda: SignedInWithin(odd("300")), "whole number"),
        (lambda: CustomClaim("", "x"), "names a claim"),
        (lambda: CustomClaim("role"), "not both"),
        (lambda: CustomClaim("role", None), "not both"),
        (lambda: CustomClaim("role", "x", contains="x"), "not both"),
        (lambda: CustomClaim("role", ""), "compared with"),
        (lambda: CustomClaim("role", odd(["x"])), "compared with"),
        (lambda: CustomClaim("role", contains=odd({})), "compared with"),
        (lambda: CustomClaim("role", math.nan), "compared with"),
        (lambda: CustomClaim("role", math.inf), "compared with"),
        (lambda: CustomClaim("role", contains=-math.inf), "compared with"),
        (lambda: CustomClaim("name", "Ada"), "is not a custom claim"),
        (lambda: CustomClaim("picture", "x"), "is not a custom claim"),
        (lambda: CustomClaim("email", "x"), "is not a custom claim"),
        (lambda: CustomClaim("sub", "x"), "is not a custom claim"),
        (lambda: CustomClaim("firebase", "x"), "is not a custom claim"),
        (lambda: EmailDomain("ada@example.com"), "EmailDomain names a domain"),
        (lambda: IssuedBy(""), "IssuedBy names"),
        (lambda: Where("", is_ada), "needs a description"),
        (lambda: Where("x", odd(None)), "takes a function"),
        (lambda: Where("x", odd(_asynchronous)), "does no I/O"),
        (lambda: Where("x", odd(_generating)), "does no I/O"),
        (lambda: Where("x", odd(_generating_later)), "does no I/O"),
        (lambda: Where("x", odd(functools.partial(_asynchronous))), "does no I/O"),
        (lambda: Where("x", odd(_Asynchronous())), "does no I/O"),
        (lambda: Where("x", odd(_Asynchronous().asked)), "does no I/O"),
        (lambda: Via(odd("serviceAccount:x")), "Via takes a rule"),
        (lambda: Via(Public()), "cannot"),
        (lambda: Via(Via(AnyGoogleAccount())), "cannot"),
        (lambda: Via(FirebaseUser()), "admits nobody"),
        (lambda: Via(ServiceAccount("1") | FirebaseUser()), "admits nobody"),
        (lambda: User(_LowerCased("who")), "User names one account"),
        (lambda: ServiceAccount(_LowerCased("who")), "ServiceAccount names one account"),
        (lambda: FirebaseUser(_LowerCased("who")), "FirebaseUser names a uid"),
        (lambda: Tenant(_LowerCased("who")), "Tenant names a tenant"),
        (lambda: CustomClaim("org", odd(_LowerCased("who"))), "is compared with"),
        (lambda: CustomClaim("org", PathParam("x"), contains=PathParam("x")), "not both"),
        (lambda: CustomClaim("org", contains=""), "a claim is compared with"),
        (lambda: CustomClaim((), "x"), "names a claim"),
        (lambda: CustomClaim(("roles", ""), "x"), "names a claim"),
        (lambda: CustomClaim(odd(("roles", 7)), "x"), "names a claim"),
        (lambda: CustomClaim(odd(["roles", "acme"]), "x"), "names a claim"),
        (lambda: CustomClaim(("firebase", "tenant"), "x"), "'firebase' is not a custom claim"),
        (lambda: CustomClaim(("name",), "x"), "'name' is not a custom claim"),
        (lambda: Subject(""), "Subject names one"),
        (lambda: Subject("ada "), "Subject names one"),
        (lambda: Subject(odd(7)), "Subject names one"),
        (lambda: Subject("a" * 256), "at most 255"),
        (lambda: Subject(_LowerCased("who")), "Subject names one"),
        (lambda: Subject("ada", of=""), "the name of an issuer"),
        (lambda: Claim("", "x"), "names a claim"),
        (lambda: Claim("role"), "not both"),
        (lambda: Claim("role", odd([])), "a claim is compared with"),
        (lambda: Claim("sub", "x"), "write Subject(...)"),
        (lambda: Claim(("iss",), "x"), "write IssuedBy(...)"),
        (lambda: Claim("aud", contains="x"), "checked of every token"),
        (lambda: Claim("preferred_username", "ada"), "may be somebody else's tomorrow: write Subject(...)"),
        (lambda: Claim(("name", "x"), "ada"), "users write their own"),
        (lambda: Fact("", "x"), "names a fact"),
        (lambda: Fact(("a", ""), "x"), "names a fact"),
        (lambda: Fact("plan", ""), "a fact is compared with"),
        (lambda: Via(Subject("ada")), "admits nobody"),
        (lambda: Via(Claim("role", "x")), "admits nobody"),
        (lambda: Via(AnyGoogleAccount() & Fact("plan", "x")), "admits nobody"),
        (lambda: SignInAttribute("", "x"), "names an attribute"),
        (lambda: SignInAttribute(odd(("a", "b")), "x"), "names an attribute"),
        (lambda: SignInAttribute("a"), "SignInAttribute takes a value"),
        (lambda: SignInAttribute("a", ""), "an attribute is compared with"),
        (lambda: SignInAttribute("a", float("nan")), "an attribute is compared with"),
        (lambda: AuthorizedParty(""), "an OAuth client id"),
        (lambda: AuthorizedParty(odd(None)), "an OAuth client id"),
        (lambda: AuthorizedParty(ID), f"write ServiceAccount('{ID}')"),
        (lambda: Where("none", odd(lambda: True)), "a function of the caller, or of the caller and the path"),
        (lambda: Where("three", odd(lambda caller, path, more: True)), "a function of the caller, or"),
        (lambda: Where("default", odd(lambda caller, path=None: True)), "each without a default"),
        (lambda: Where("named", odd(_named_only)), "a function of the caller, or"),
        (lambda: PathParam(""), "names a path parameter"),
        (lambda: PathParam("{user_id}"), "names a path parameter"),
        (lambda: PathParam(odd(None)), "names a path parameter"),
        (AllOf, "needs at least one rule"),
        (AnyOf, "needs at least one rule"),
        (lambda: AllOf(odd("user:ada@example.com")), "joins rules"),
        (lambda: AnyOf(Public(), odd(True)), "joins rules"),
        (lambda: all_of(()), "everybody"),
        (lambda: any_of(()), "needs at least one rule"),
    ],
)
def test_a_rule_that_says_nothing_clear_is_an_error(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$") as caught:
        make()
    assert words in str(caught.value)


async def _asynchronous(caller: Caller) -> bool:
    return caller.email is not None


def _named_only(caller: Caller, *, path: object) -> bool:
    return path is caller


def _generating(caller: Caller) -> Any:
    yield caller.email


async def _generating_later(caller: Caller) -> Any:
    yield caller.email


class _Asynchronous:
    async def __call__(self, caller: Caller) -> bool:
        return caller.email is not None

    async def asked(self, caller: Caller) -> bool:
        return caller.email is not None


class _LowerCased(PathParam):
    """Compares in a way of its own."""

    def names(self, identifier: str | None, facts: Facts) -> bool:
        return True


# --- joining ---

A, B, C = Domain("a.com"), Domain("b.com"), Domain("c.com")


def test_joining_flattens_and_keeps_each_rule_once() -> None:
    assert (A & B) & C == A & (B & C) == AllOf(A, B, C)
    assert (A | B) | C == A | (B | C) == AnyOf(A, B, C)
    assert AllOf(A, B) == A & B & A
    assert AnyOf(A) == A | A
    assert AnyOf(AllOf(A, B), C) == (A & B) | C
    assert AllOf(AllOf(A), A).rules == (A,)
    assert A & B != A | B
    assert len({A & B, AllOf(A, B), A | B}) == 2


def test_values_of_different_types_are_different_rules() -> None:
    assert CustomClaim("x", 1) != CustomClaim("x", True)
    assert CustomClaim("x", 1) != CustomClaim("x", 1.0)
    assert CustomClaim("x", 1) != CustomClaim("x", contains=1)
    assert CustomClaim("x", 1) != "x"
    assert len((CustomClaim("x", 1) | CustomClaim("x", True)).rules) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", [Public(), Nobody(), A & B, A | B, Where("x", is_ada)])
def test_a_rule_is_neither_true_nor_false(rule: Rule) -> None:
    with pytest.raises(TypeError, match=r"join rules with & and \|"):
        bool(rule)
    with pytest.raises(TypeError, match="join rules"):
        _ = rule and A
    with pytest.raises(TypeError):
        not rule  # noqa: B018


@pytest.mark.parametrize("other", ["user:ada@example.com", None, True, 1, object(), Domain])
@pytest.mark.parametrize(("sign", "join"), [("&", operator.and_), ("|", operator.or_)])
def test_what_a_rule_cannot_be_joined_with_is_named_with_the_remedy(sign: str, join: Any, other: Any) -> None:
    with pytest.raises(TypeError) as on_the_left:
        join(other, A)
    shown = "the class Domain: write Domain(...), with brackets" if other is Domain else repr(other)
    assert f"{sign} joins two rules, not a rule and {shown}: write a rule on both sides" in str(on_the_left.value)
    if other is not Domain:
        with pytest.raises(TypeError) as on_the_right:
            join(A, other)
        assert str(on_the_right.value) == str(on_the_left.value)


def test_a_rule_is_not_negated_and_the_message_says_why() -> None:
    with pytest.raises(TypeError, match="a rule has no negation, which would admit callers"):
        _ = ~A


def test_a_rule_cannot_be_changed() -> None:
    rule = Domain("example.com")
    with pytest.raises((AttributeError, TypeError)):
        rule.domain = "evil.example.net"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        odd(A & B).rules = ()


def test_a_rule_without_an_answer_of_its_own_is_no_rule() -> None:
    with pytest.raises(ConfigurationError, match="admits must be a plain method"):
        Rule()
    with pytest.raises(NotImplementedError):
        Rule.admits(Public(), about())
    with pytest.raises(NotImplementedError):
        callerid.rules._firebase.FirebaseRule().admits(about(user()))


# --- explaining ---


def test_a_yes_is_explained_as_a_no_is() -> None:
    rule = (Domain("example.com") & SecondFactor()) | User("ada@example.com") | Via(ServiceAccount(ROBOT))
    assert str(rule.explain(about(person("ada@example.com", None), via=robot()))) == (
        "+ any of\n"
        "  - all of\n"
        "    - domain:example.com: the caller is user:ada@example.com, of no Workspace domain\n"
        "    - secondFactor: the caller is user:ada@example.com\n"
        "  - user:ada@example.com: the caller is user:ada@example.com (Google does not host this address, so it "
        "does not prove who holds it today: name the account's id, or write hosted=False)\n"
        f"  + via serviceAccount:{ROBOT}: the call was carried by serviceAccount:{ROBOT}\n"
        f"    + serviceAccount:{ROBOT}: the caller is serviceAccount:{ROBOT}"
    )


@pytest.mark.parametrize(
    ("rule", "facts", "line"),
    [
        (Public(), about(), "+ allUsers"),
        (Nobody(), about(), "- nobody"),
        (A, about(), "- domain:a.com: the caller is nobody"),
        (A, about(robot()), f"- domain:a.com: the caller is serviceAccount:{ROBOT}"),
        (A, about(person()), "- domain:a.com: the caller is user:ada@example.com, of example.com"),
        (User("ada@example.com"), about(), "- user:ada@example.com: the caller is nobody"),
        (User("7"), about(person()), "- user:7: the caller is user:ada@example.com"),
        (ServiceAccount(ROBOT), about(), f"- serviceAccount:{ROBOT}: the caller is nobody"),
        (ServiceAccount("7"), about(robot(None, subject="7")), "+ serviceAccount:7: the caller is serviceAccount:7"),
        (ServiceAccount("7"), about(person(None, subject="8")), "- serviceAccount:7: the caller is user:8"),
        (ServiceAccount("7"), about(robot()), f"- serviceAccount:7: the caller is serviceAccount:{ROBOT}"),
        (User("ada@example.com"), about(person()), "+ user:ada@example.com: the caller is user:ada@example.com"),
        (User("ada@example.com"), about(user()), "- user:ada@example.com: the caller is firebase:shop-prod/u1"),
        (
            ServiceAccount(ROBOT),
            about(robot(None)),
            (
                f"- serviceAccount:{ROBOT}: the caller is serviceAccount:117000000000000000001, with no e-mail "
                "in the token (mint it with includeEmail, or name the id in the rule)"
            ),
        ),
        (
            FirebaseUser(PathParam("uid")),
            path(uid="u2")(user(provider="anonymous")),
            "- firebaseUser:{uid}: the caller is firebase:shop-prod/u1, the path names 'u2', an anonymous user",
        ),
        (Tenant("a"), about(user()), "- tenant:a: the caller is firebase:shop-prod/u1, of tenant none"),
        (
            Tenant(PathParam("who")),
            path(who="beta")(tenant()),
            "- tenant:{who}: the caller is firebase:shop-prod/acme/u1, the path names 'beta', of tenant acme",
        ),
        (
            CustomClaim(("roles", "acme"), PathParam("who")),
            path(who="beta")(user(claims={"roles": {"acme": 7}})),
            (
                "- claim:roles.acme={who}: the caller is firebase:shop-prod/u1, whose roles.acme is 7, "
                "the path names 'beta'"
            ),
        ),
        (
            SignInAttribute("dept", "x"),
            about(saml("acme", dept="x")),
            (
                "- signInAttribute:dept='x': the caller is firebase:shop-prod/acme/u1, whose dept is 'x', of tenant "
                "acme (join the rule with & Tenant('acme'))"
            ),
        ),
        (
            AuthorizedParty(CLIENT),
            about(person()),
            f"- authorizedParty:{CLIENT}: the caller is user:ada@example.com, by the client unknown",
        ),
        (AuthorizedParty(CLIENT), about(), f"- authorizedParty:{CLIENT}: the caller is nobody"),
        (SignInAttribute("dept", "x"), about(), "- signInAttribute:dept='x': the caller is nobody"),
        (
            Where("their own", is_own),
            about(user()),
            "- where their own: the caller is firebase:shop-prod/u1; it raised KeyError",
        ),
        (Tenant("a"), about(person()), "- tenant:a: the caller is user:ada@example.com"),
        (
            SignInProvider("x"),
            about(user(provider=None)),
            "- signInProvider:x: the caller is firebase:shop-prod/u1, signed in by nothing known",
        ),
        (SignInProvider("x"), about(), "- signInProvider:x: the caller is nobody"),
        (
            SignedInWithin(60),
            about(user(signed_in_at=NOW - 61.5)),
            "- signedInWithin:60s: firebase:shop-prod/u1 signed in 61 s ago",
        ),
        (SignedInWithin(60), about(), "- signedInWithin:60s: the caller is nobody"),
        (
            CustomClaim("role", "x"),
            about(user(claims={"role": "y" * 200})),
            f"- claim:role='x': the caller is firebase:shop-prod/u1, whose role is '{'y' * 79}",
        ),
        (CustomClaim("role", "x"), about(), "- claim:role='x': the caller is nobody"),
        (
            EmailDomain("example.com"),
            about(tenant()),
            (
                "- emailDomain:example.com: the caller is firebase:shop-prod/acme/u1, of tenant acme (join the rule "
                "with & Tenant('acme'))"
            ),
        ),
        (
            EmailDomain("example.com"),
            about(user(email=None)),
            "- emailDomain:example.com: the caller is firebase:shop-prod/u1, with no e-mail in the token",
        ),
        (
            EmailDomain("example.com"),
            about(user()),
            "+ emailDomain:example.com: the caller is firebase:shop-prod/u1, with the address ada@example.com",
        ),
        (EmailDomain("example.com"), about(), "- emailDomain:example.com: the caller is nobody"),
        (IssuedBy(FIREBASE), about(), f"- issuedBy:{FIREBASE}: the caller is nobody"),
        (
            IssuedBy(FIREBASE),
            about(person()),
            f"- issuedBy:{FIREBASE}: the caller is user:ada@example.com, issued by {GOOGLE}",
        ),
        (Where("is Ada", is_ada), about(), "- where is Ada: the caller is nobody"),
        (Where("is Ada", is_ada), about(person()), "+ where is Ada: the caller is user:ada@example.com"),
        (Where("is Ada", is_ada), about(robot()), f"- where is Ada: the caller is serviceAccount:{ROBOT}"),
        (
            Where("fails", raises),
            about(person()),
            "- where fails: the caller is user:ada@example.com; it raised ZeroDivisionError",
        ),
        (
            Where("counts", odd(lambda _: 1)),
            about(person()),
            "- where counts: the caller is user:ada@example.com; it answered a int, not True",
        ),
    ],
)
def test_an_explanation_says_what_was_found(rule: Rule, facts: Facts, line: str) -> None:
    assert str(rule.explain(facts)) == line


def test_nothing_carried_the_call() -> None:
    assert "nothing carried the call" in str(Via(ServiceAccount(ROBOT)).explain(about(person())))


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b", "\x85", "\u2028", "\0", "\x7f", "\u202e"])
def test_nobody_writes_a_line_into_an_explanation(letter: str) -> None:
    uid = f"u1{letter}  + allUsers"
    rule = (
        FirebaseUser("u2") | CustomClaim("role", "x") | Tenant("a") | SignInProvider("p") | EmailDomain("example.com")
    )
    caller = user(uid, f"a{letter}@b", provider=letter, tenant=letter, claims={"role": f"x{letter}"})
    lines = str(rule.explain(about(caller))).split("\n")
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)


# --- reading ---


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("allUsers", Public()),
        ("allAuthenticatedUsers", AnyGoogleAccount()),
        ("user:ada@example.com", User("ada@example.com")),
        ("user:7", User("7")),
        (f"serviceAccount:{ROBOT}", ServiceAccount(ROBOT)),
        ("domain:example.com", Domain("example.com")),
    ],
)
def test_an_iam_member_string_names_a_rule(text: str, rule: Rule) -> None:
    assert member(text) == rule
    assert member(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user:",
        "user:ada",
        "User:ada@example.com",
        "ada@example.com",
        " allUsers",
        "allusers",
        "allUsers ",
        f"user:{ROBOT}",
        "serviceAccount:ada@example.com",
        "domain:gmail.com",
        "domain:",
        "deleted:user:ada@example.com?uid=7",
        "principal://iam.googleapis.com/x",
        "principalSet://iam.googleapis.com/x",
        "projectOwner:shop-prod",
        None,
        7,
        ["user:ada@example.com"],
    ],
)
def test_a_member_that_cannot_be_judged_is_an_error(text: Any) -> None:
    with pytest.raises(ConfigurationError):
        member(text)


def test_leaves_are_the_rules_without_parts() -> None:
    via = Via(ServiceAccount("1") | ServiceAccount("2"))
    assert list(leaves((A & (B | via)) | C)) == [A, B, via, C]
    assert list(leaves(A)) == [A]


def test_public_adds_nothing_beside_others() -> None:
    assert all_of((Public(), A)) == A
    assert all_of((Public(), AllOf(Public()))) == Public()
    assert all_of((A, B)) == A & B
    assert all_of((Public() | A, B)) == (Public() | A) & B
    assert any_of((A,)) == A
    assert any_of((A, B)) == A | B


@pytest.mark.parametrize(
    ("rule", "public", "no_caller", "telling"),
    [
        (Public(), True, True, Nobody()),
        (AllOf(Public(), Public()), True, True, Nobody()),
        (Public() | A, False, True, AnyOf(A)),
        (Public() & A, False, False, Public() & A),
        (Public() | (Public() & A), False, True, AnyOf(Public() & A)),
        (Public() | ((Public() | A) & B), False, True, AnyOf((Public() | A) & B)),
        ((Public() | A) & (Public() | B), False, True, AnyOf(A) & AnyOf(B)),
        (Via(User("7")), False, True, Via(User("7"))),
        (Via(User("7")) & Public(), False, True, AllOf(Via(User("7")))),
        (Via(User("7")) & A, False, False, Via(User("7")) & A),
        (A, False, False, A),
        (A | B, False, False, A | B),
        (Nobody(), False, False, Nobody()),
    ],
    ids=str,
)
def test_who_needs_to_be_nobody(rule: Rule, public: bool, no_caller: bool, telling: Rule) -> None:
    assert is_public(rule) is public
    assert needs_no_caller(rule) is no_caller
    assert without_public(rule) == telling


SHOPS = FirebaseUser(project="shop-prod")


@pytest.mark.parametrize(
    ("rule", "leaf"),
    [
        (Public(), None),
        (A | Via(ServiceAccount(ROBOT)), None),
        (FirebaseUser(), FirebaseUser()),
        (FirebaseUser("u1"), FirebaseUser("u1")),
        (Tenant("acme"), Tenant("acme")),
        (SignInProvider("x"), SignInProvider("x")),
        (SecondFactor(), SecondFactor()),
        (SignedInWithin(9), SignedInWithin(9)),
        (CustomClaim("role", "x"), CustomClaim("role", "x")),
        (EmailDomain("example.com"), EmailDomain("example.com")),
        (Subject("ada"), Subject("ada")),
        (Subject("ada", of="x"), None),
        (Subject("ada") & IssuedBy("x"), None),
        (Subject("ada", of="x") & Claim("role", "x"), None),
        (Claim("role", "x"), Claim("role", "x")),
        (Fact("plan", "x") & IssuedBy("x"), None),
        (SHOPS, None),
        (SHOPS & Tenant("acme"), None),
        (Tenant("acme") & SHOPS, None),
        (Tenant("acme") & IssuedBy(FIREBASE), None),
        (SHOPS | Tenant("acme"), Tenant("acme")),
        (SHOPS & (Tenant("acme") | SecondFactor()), None),
        ((SHOPS | IssuedBy(FIREBASE)) & Tenant("acme"), None),
        ((SHOPS | SecondFactor()) & Tenant("acme"), SecondFactor()),
        ((SHOPS | A) & Tenant("acme"), Tenant("acme")),
        (Public() | (SHOPS & Tenant("acme")), None),
        (Public() | Tenant("acme"), Tenant("acme")),
        ((SHOPS & Tenant("acme")) | (Tenant("beta") & SHOPS), None),
        (AllOf(AllOf(SHOPS), AnyOf(AllOf(Tenant("acme")))), None),
    ],
    ids=str,
)
def test_which_leaf_holds_of_any_issuers_users(rule: Rule, leaf: Rule | None) -> None:
    assert next(of_any_issuer(rule), None) == leaf


FRESH = SignedInWithin(300)
STALE = about(user(signed_in_at=NOW - 301.0))


@pytest.mark.parametrize(
    ("rule", "facts", "steps"),
    [
        (FRESH, STALE, {FRESH}),
        (FRESH, about(user(signed_in_at=None)), {FRESH}),
        (SecondFactor(), STALE, {SecondFactor()}),
        (FRESH & SecondFactor(), STALE, {FRESH, SecondFactor()}),
        (FRESH & FirebaseUser(), STALE, {FRESH}),
        (FRESH | SecondFactor(), STALE, {FRESH}),
        ((FRESH & SecondFactor()) | SecondFactor(), STALE, {SecondFactor()}),
        (FRESH & FirebaseUser("u2"), STALE, None),
        (FRESH & Tenant("acme"), STALE, None),
        (FirebaseUser("u2") | FRESH, STALE, {FRESH}),
        (FirebaseUser("u2") | Nobody(), STALE, None),
        (FirebaseUser(), STALE, set()),
        (Public(), about(), set()),
        (FRESH, about(), None),
        (FRESH, about(person()), None),
        (SecondFactor() | Domain("a.com"), about(person()), None),
        (FRESH & EmailDomain("example.com"), about(tenant(signed_in_at=None)), None),
        (FRESH & EmailDomain("example.com") & Tenant("acme"), about(tenant(signed_in_at=None)), {FRESH}),
        (Via(ServiceAccount(ROBOT)) & FRESH, STALE, None),
    ],
    ids=str,
)
def test_only_a_fresher_or_stronger_sign_in_is_missing(rule: Rule, facts: Facts, steps: set[Rule] | None) -> None:
    assert missing_steps(rule, facts) == steps


def test_the_facts_tell_families_apart() -> None:
    assert about(person()).google is not None
    assert about(person()).firebase is None
    assert about(user()).google is None
    assert about(user()).firebase is not None
    assert about().google is None
    assert about().firebase is None
    assert Facts(caller=Caller(Kind.FIREBASE, "i", "s", "a", 0, 0)).firebase is None


def test_facts_have_a_hash_whatever_the_path_holds() -> None:
    assert hash(about(user(claims={"a": [{"b": 1}]}), path={"x": []})) == hash(
        about(user(claims={"a": [{"b": 1}]}), path={"x": []})
    )


# --- laws ---

LEAVES: list[Rule] = sorted({leaf for rule, _ in YES + NO for leaf in leaves(rule)}, key=repr)
CALLERS = [
    None,
    *(caller for caller in dict.fromkeys(facts.caller for _, facts in YES + NO) if caller is not None),
]
RULES = st.recursive(
    st.sampled_from(LEAVES),
    lambda parts: st.builds(
        lambda kind, rules: kind(*rules), st.sampled_from([AllOf, AnyOf]), st.lists(parts, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
FACTS = st.builds(
    lambda caller, via, who: about(caller, via=via, path={"who": who, "user_id": who}),
    st.sampled_from(CALLERS),
    st.sampled_from([None, robot(), robot(None)]),
    st.sampled_from([ID, "u1", 7, None]),
)


@given(RULES, RULES, FACTS)
def test_and_narrows_and_or_widens(one: Rule, other: Rule, facts: Facts) -> None:
    if (one & other).admits(facts):
        assert one.admits(facts) or _asks_for_a_tenant(one)
        assert other.admits(facts) or _asks_for_a_tenant(other)
    if one.admits(facts):
        assert (one | other).admits(facts)
        assert (other | one).admits(facts)
    assert (one | other).admits(facts) is (one.admits(facts) or other.admits(facts))


def _asks_for_a_tenant(rule: Rule) -> bool:
    """Those that take a tenant's word alone say no to its users, and only they can say yes in company."""
    return any(leaf.needs_tenant_named for leaf in leaves(rule))


@given(RULES, FACTS)
@pytest.mark.slow
def test_a_rule_is_total_and_explains_itself(rule: Rule, facts: Facts) -> None:
    explanation = rule.explain(facts)
    assert explanation.holds is rule.admits(facts)
    assert (missing_steps(rule, facts) == frozenset()) is rule.admits(facts)
    assert str(explanation)
    if facts.caller is None and facts.via is None and rule.admits(facts):
        assert needs_no_caller(rule)
    if without_public(rule).admits(facts):
        assert rule.admits(facts)


@given(RULES, RULES, FACTS)
def test_the_order_of_rules_is_of_no_account(one: Rule, other: Rule, facts: Facts) -> None:
    assert (one & other).admits(facts) is (other & one).admits(facts)
    assert (one | other).admits(facts) is (other | one).admits(facts)


@given(RULES)
def test_every_rule_that_can_be_written_can_be_written_again(rule: Rule) -> None:
    if not any(isinstance(leaf, Where) or "Where" in repr(leaf) for leaf in leaves(rule)):
        assert eval(repr(rule), vars(callerid)) == rule
    assert (rule & rule).admits(about()) is (rule | rule).admits(about()) is rule.admits(about())


GOOGLE_ID = "110000000000000000001"


@pytest.mark.parametrize(
    ("rule", "caller", "path", "said"),
    [
        (User(PathParam("who")), person(), {"who": "41"}, f"'41', and the account's id is '{GOOGLE_ID}'"),
        (User(PathParam("who")), person(), {"who": 41}, f"'41', and the account's id is '{GOOGLE_ID}'"),
        (User(PathParam("who")), person(), {}, f"nobody, and the account's id is '{GOOGLE_ID}'"),
        (User(PathParam("who")), None, {"who": "41"}, "'41'"),
        (
            ServiceAccount(PathParam("who")),
            robot(None),
            {"who": "a\033[2J\nb"},
            r"'a\x1b[2J\nb', and the account's id is '117000000000000000001'",
        ),
        (FirebaseUser(PathParam("who")), user(), {"who": "x" * 9_000}, f"'{'x' * 200}'"),
    ],
)
def test_whom_the_path_names_is_said_as_text(
    rule: Rule, caller: Caller | None, path: dict[str, object], said: str
) -> None:
    explanation = str(rule.explain(about(caller, path=path)))
    assert explanation == f"- {rule}: the caller is {caller or 'nobody'}, the path names {said}"


def test_only_who_is_named_by_address_is_told_to_send_one() -> None:
    assert "includeEmail" in str(ServiceAccount("a@b.iam.gserviceaccount.com").explain(about(robot(None))))
    for account in ("1", PathParam("who")):
        assert "includeEmail" not in str(ServiceAccount(account).explain(about(robot(None))))
