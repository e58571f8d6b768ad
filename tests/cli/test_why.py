"""``callerid why``: from what a refused client was told to what would have let them in."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

import callerid
from callerid import (
    Domain,
    EmailDomain,
    FirebaseUser,
    KeySource,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    Tenant,
    User,
    Via,
    Where,
    google,
)
from callerid.audit._decision import find, instance_of
from callerid.cli import main
from callerid.cli._why import why
from callerid.fastapi import Guard
from callerid.rules._base import grouped
from callerid.testing import LocalIssuer
from tests.access.made import small

URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"
ROBOT = "robot@anybody.iam.gserviceaccount.com"
ISSUER = LocalIssuer()


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class JsonFormatter(logging.Formatter):
    """As the documentation has it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"severity": record.levelname, "message": record.getMessage()}
        return json.dumps(fields | {"callerid": getattr(record, "callerid", None)})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "app.log"
    handler, logger = logging.FileHandler(file, encoding="utf-8"), logging.getLogger("callerid")
    handler.setFormatter(JsonFormatter())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.warning("something else")
    yield file
    logger.setLevel(level)
    logger.removeHandler(handler)
    handler.close()


def ask(rule: Rule, headers: dict[str, str], path: str = "/users/ada") -> Any:
    guard = Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod", ["t", "u", "v"]))
    return TestClient(small({"GET /users/{user_id}": rule}, guard=guard)).get(path, headers=headers)


def told(instance: str, log: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["why", instance, str(log)]) == 0
    return capsys.readouterr().out.splitlines()


ELSEWHERE = (
    "A rule that stands at a router, a floor or the default holds at other routes, too, and a middleware may ask for "
    "more: callerid routes shows where each stands."
)
STAFF_OR_SELF = Domain("example.com") | (FirebaseUser(PathParam("user_id")) & EmailDomain("example.net"))


def test_a_refusal_is_found_and_explained(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(STAFF_OR_SELF, {})
    ben = "firebase:shop-prod/ben"
    refused = ask(STAFF_OR_SELF, ISSUER.bearer(ISSUER.firebase_user("ben", email="ben@example.net")))
    ask(STAFF_OR_SELF, {})
    assert told(refused.json()["instance"], log, capsys) == [
        "refused: GET /users/{user_id}  403 not_allowed",
        "  caller  firebase:shop-prod/ben, says https://securetoken.google.com/shop-prod",
        "  rule    domain:example.com or (firebaseUser:{user_id} and emailDomain:example.net)",
        f"  detail  expected {STAFF_OR_SELF}, got {ben}, the path names 'ada'",
        "  more    callerid explain not_allowed (docs/errors.md#not_allowed)",
        "",
        "  - any of",
        "    - domain:example.com: the caller is firebase:shop-prod/ben",
        "    - all of",
        "      - firebaseUser:{user_id}: the caller is firebase:shop-prod/ben, the path names 'ada'",
        "      + emailDomain:example.net: the caller is firebase:shop-prod/ben, with the address ben@example.net",
        "",
        "nearest: firebaseUser:{user_id} and emailDomain:example.net, where only firebaseUser:{user_id} did not hold",
        "to let this caller in, the narrowest first, if they should be:",
        "  1. call it where {user_id} is 'ben': no rule needs to change",
        f"  2. write | FirebaseUser('ben') beside the rule: admits {ben} and nobody else, at every {{user_id}}",
        ELSEWHERE,
    ]


TOKENS: dict[str, Any] = {
    "person": (lambda: ISSUER.person("eve@gmail.com"), "User('eve@gmail.com')"),
    "workspace": (lambda: ISSUER.workspace_person("eve@example.org"), "User('eve@example.org')"),
    "elsewhere": (lambda: ISSUER.person("eve@example.org", subject="42"), "User('42')"),
    "no address": (lambda: ISSUER.person(None, subject="43"), "User('43')"),
    "robot": (lambda: ISSUER.service_account(ROBOT, audience=URL), f"ServiceAccount({ROBOT!r})"),
    "robot without": (
        lambda: ISSUER.service_account(ROBOT, audience=URL, include_email=False, subject="44"),
        "ServiceAccount('44')",
    ),
    "user": (lambda: ISSUER.firebase_user("ben"), "FirebaseUser('ben')"),
    "guest": (lambda: ISSUER.firebase_user("guest", provider="anonymous"), "FirebaseUser('guest', anonymous=True)"),
}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize(
    "rule", [Domain("example.com"), User("grace@example.com"), FirebaseUser("x") | Domain("a.com")]
)
@pytest.mark.slow
def test_what_it_proposes_admits(name: str, rule: Rule, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headers = ISSUER.bearer(TOKENS[name][0]())
    refused = ask(rule, headers)
    assert refused.status_code == 403
    lines = told(refused.json()["instance"], log, capsys)
    proposed = re.findall(r"write \| (.*) beside the rule: admits (?:.*) and nobody else$", lines[-2])
    made = eval(proposed[0], vars(callerid).copy())
    assert ask(rule | made, headers).status_code == 200
    assert ask(rule | made, ISSUER.bearer(ISSUER.firebase_user("somebody"))).status_code == 403
    if rule == Domain("example.com"):
        assert proposed == [TOKENS[name][1]]


@pytest.mark.parametrize("name", TOKENS)
def proposal(line: str) -> tuple[Rule, list[str]]:
    """The rule that a line proposes, and beside which rules it is to be written."""
    written, _, _ = line.partition(": admits ")
    code, *beside = written.removeprefix("  1. write | ").split(" beside ")
    return eval(code, vars(callerid).copy()), [each.removesuffix(" and") for each in beside]


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.slow
def test_what_it_proposes_admits_where_several_rules_must_hold(
    name: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = ISSUER.bearer(TOKENS[name][0]())
    rules: list[Rule] = [
        User("grace@example.com") | Domain("a.com"),
        Domain("a.com"),
        FirebaseUser("x") | User("7") | Domain("a.com"),
        Domain("a.com") | User("8"),
    ]

    def asked(router: Rule, mark: Rule, floor: Rule, entry: Rule) -> Any:
        guard, app = Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod", ["t", "u", "v"])), FastAPI()
        guard.protect(app, default=Public(), floor=floor, routes={"GET /a": entry})
        inner = APIRouter(dependencies=[guard.allow(router)])
        inner.get("/a")(guard.allow(mark)(lambda: None))
        app.include_router(inner)
        return TestClient(app).get("/a", headers=token)

    refused = asked(*rules)
    assert refused.status_code == 403
    made, beside = proposal(told(refused.json()["instance"], log, capsys)[-2])
    assert sorted(beside) == sorted(grouped(rule) for rule in rules)
    assert asked(*(rule | made for rule in rules)).status_code == 200
    assert [asked(*(rule | made if rule is not left else rule for rule in rules)).status_code for left in rules] == [
        403
    ] * 4


RULES_OF_TWO = (FirebaseUser("x") | User("7"), Domain("a.com"))


def test_a_guard_further_in_whose_keys_are_not_at_hand_is_left_out(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, inner = Guard(ISSUER.google(CLIENT)), Guard(google(CLIENT, keys=KeySource("http://127.0.0.1:9/keys")))
    app, behind = FastAPI(), FastAPI()
    outer.protect(app, default=Public(), floor=Domain("a.com"))
    inner.protect(behind, default=Domain("a.com"))
    behind.get("/a")(lambda: None)
    app.mount("/in", behind)
    refused = TestClient(app).get("/in/a", headers=ISSUER.bearer(ISSUER.person("eve@gmail.com")))
    assert refused.status_code == 403
    assert " beside the rule: " in told(refused.json()["instance"], log, capsys)[-2]


@pytest.mark.parametrize("path", ["/in/a", "/in/b"])
@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.slow
def test_what_it_proposes_admits_where_guards_stand_behind_each_other(
    name: str, path: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = ISSUER.bearer(TOKENS[name][0]())

    def asked(outside: Rule, inside: Rule) -> Any:
        outer, inner = (Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod")) for _ in range(2))
        app, behind = FastAPI(), FastAPI()
        outer.protect(app, default=Public(), floor=outside)
        inner.protect(behind, default=Public(), routes={"/a": inside})
        behind.get("/a")(lambda: None)
        behind.get("/b")(lambda: None)
        app.mount("/in", behind)
        return TestClient(app).get(path, headers=token)

    refused = asked(*RULES_OF_TWO)
    assert refused.status_code == 403
    lines = told(refused.json()["instance"], log, capsys)
    made, beside = proposal(lines[-2])
    if path == "/in/b":
        assert beside == ["the rule"]
    else:
        assert beside == [grouped(rule) for rule in RULES_OF_TWO]
        assert [line[:3] for line in lines if line.startswith(("  -", "  +"))] == ["  -", "  -"]
    assert asked(*(rule | made for rule in RULES_OF_TWO)).status_code == 200


def test_a_guard_further_in_that_believes_nothing_leaves_nothing_to_propose(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, inner = Guard(ISSUER.google(CLIENT)), Guard(ISSUER.google("other"))
    app, behind = FastAPI(), FastAPI()
    outer.protect(app, default=Public(), floor=Domain("a.com"))
    inner.protect(behind, default=Domain("a.com"))
    behind.get("/a")(lambda: None)
    app.mount("/in", behind)
    refused = TestClient(app).get("/in/a", headers=ISSUER.bearer(ISSUER.person("eve@gmail.com")))
    assert refused.status_code == 403
    assert told(refused.json()["instance"], log, capsys)[-1] == "nearest: only domain:a.com did not hold"


def test_where_one_of_several_rules_was_in_the_way(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = FirebaseUser() & EmailDomain("example.net") & (SecondFactor() | FirebaseUser("root"))
    token = ISSUER.firebase_user("ben", email="ben@example.org", second_factor="totp")
    lines = told(ask(rule, ISSUER.bearer(token)).json()["instance"], log, capsys)
    mailbox = "emailDomain:example.net"
    assert lines[-4:] == [
        f"nearest: firebaseUser and {mailbox} and secondFactor, where only {mailbox} did not hold",
        "to let this caller in, if they should be:",
        f"  1. write | FirebaseUser('ben') beside {mailbox}: admits firebase:shop-prod/ben and nobody else",
        ELSEWHERE,
    ]
    changed = FirebaseUser() & (EmailDomain("example.net") | FirebaseUser("ben")) & SecondFactor()
    assert ask(changed, ISSUER.bearer(token)).status_code == 200


def test_a_user_of_a_tenant_is_named_with_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = Tenant("t") & EmailDomain("example.net")
    token = ISSUER.bearer(ISSUER.firebase_user("ben", email="ben@example.net", tenant="u"))
    made, beside = proposal(told(ask(rule, token).json()["instance"], log, capsys)[-2])
    assert (made, beside) == (FirebaseUser("ben") & Tenant("u"), ["tenant:t"])
    assert ask((Tenant("t") | made) & EmailDomain("example.net"), token).status_code == 200
    namesake = ISSUER.bearer(ISSUER.firebase_user("ben", email="ben@example.net", tenant="v"))
    assert ask((Tenant("t") | made) & EmailDomain("example.net"), namesake).status_code == 403


def test_nothing_is_proposed_that_would_not_admit(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = (Tenant("t") & Domain("a.com")) | (EmailDomain("a.com") & Tenant("t"))
    for each in (rule, rule & SecondFactor()):
        token = ISSUER.bearer(ISSUER.firebase_user("ben", tenant="u"))
        made, beside = proposal(told(ask(each, token).json()["instance"], log, capsys)[-2])
        assert len(beside) == (1 if each is rule else 2)
        assert ask(each | made, token).status_code == 200


def test_of_several_projects_the_users_own_is_named(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = FirebaseUser("x", project="shop-prod")

    def asked(rule: Rule, project: str = "shop-test") -> Any:
        guard = Guard(ISSUER.google(URL), ISSUER.firebase("shop-prod", ["t", "u", "v"]), ISSUER.firebase("shop-test"))
        headers = ISSUER.bearer(ISSUER.firebase_user("ben", project=project))
        return TestClient(small({"GET /a": rule}, guard=guard)).get("/a", headers=headers)

    made, _ = proposal(told(asked(rule).json()["instance"], log, capsys)[-2])
    assert made == FirebaseUser("ben", project="shop-test")
    assert [asked(rule | made, project).status_code for project in ("shop-test", "shop-prod")] == [200, 403]


def test_who_carried_the_call_where_several_rules_must_hold(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = Via(ServiceAccount("gateway@shop-prod.iam.gserviceaccount.com"))
    rule = gateway & Domain("a.com")
    headers = {"X-Serverless-Authorization": f"Bearer {ISSUER.service_account(ROBOT, audience=URL)}"}
    made, beside = proposal(told(ask(rule, headers).json()["instance"], log, capsys)[-2])
    assert (made, beside) == (Via(ServiceAccount(ROBOT)), [str(gateway), "domain:a.com"])
    assert ask((gateway | made) & (Domain("a.com") | made), headers).status_code == 200


def test_who_carried_the_call(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = Via(ServiceAccount("gateway@shop-prod.iam.gserviceaccount.com"))
    token = ISSUER.service_account(ROBOT, audience=URL)
    refused = ask(rule, {"X-Serverless-Authorization": f"Bearer {token}"})
    assert find(log.read_text().splitlines(), refused.json()["instance"]) is not None
    lines = told(refused.json()["instance"], log, capsys)
    assert f"  via     serviceAccount:{ROBOT}" in lines
    proposed = f"Via(ServiceAccount({ROBOT!r}))"
    whom = f"every call that serviceAccount:{ROBOT} carries, whoever is behind it"
    assert lines[-2] == f"  1. write | {proposed} beside the rule: admits {whom}"
    made = rule | Via(ServiceAccount(ROBOT))
    assert ask(made, {"X-Serverless-Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("rule", "token", "path", "place"),
    [
        (FirebaseUser(PathParam("user_id")), ISSUER.firebase_user("ben"), "/users/ada", "'ben'"),
        (FirebaseUser(PathParam("user_id")), ISSUER.firebase_user("7"), "/numbers/8", "'7'"),
        (User(PathParam("user_id")), ISSUER.person("eve@gmail.com", subject="42"), "/users/41", "'42'"),
        (
            ServiceAccount(PathParam("user_id")) & Where("a robot", lambda caller: caller.is_service_account),
            ISSUER.service_account(ROBOT, audience=URL, subject="43"),
            "/users/41",
            "'43'",
        ),
        # of another kind, anonymous, in no path of whole numbers, in no path of one segment; and asked for more
        (FirebaseUser(PathParam("user_id")), ISSUER.person("eve@gmail.com", subject="42"), "/users/41", None),
        (FirebaseUser(PathParam("user_id")), ISSUER.firebase_user("g", provider="anonymous"), "/users/ada", None),
        (FirebaseUser(PathParam("user_id")), ISSUER.firebase_user("ben"), "/numbers/8", None),
        (FirebaseUser(PathParam("user_id")), ISSUER.firebase_user("ben/x"), "/users/ada", None),
        (FirebaseUser(PathParam("user_id")) & EmailDomain("a.com"), ISSUER.firebase_user("ben"), "/users/ada", None),
        (Domain("a.com"), ISSUER.firebase_user("ben"), "/users/ada", None),
    ],
)
def test_whoever_may_at_a_place_of_their_own_is_told_where(
    rule: Rule, token: str, path: str, *, place: str | None, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod", ["t", "u", "v"]))
    app = small({"GET /users/{user_id}": rule, "GET /numbers/{user_id:int}": rule}, guard=guard)
    client, headers = TestClient(app), ISSUER.bearer(token)
    lines = told(client.get(path, headers=headers).json()["instance"], log, capsys)
    first = next(line for line in lines if line.startswith("  1. "))
    if place is None:
        assert first.startswith("  1. write | ")
    else:
        assert first == f"  1. call it where {{user_id}} is {place}: no rule needs to change"
        own = f"{path.rpartition('/')[0]}/{place[1:-1]}"
        assert client.get(own, headers=headers).status_code == 200
    every = [line for line in lines if "write | " in line]
    assert [line.endswith(", at every {user_id}") for line in every] == [rule != Domain("a.com")]


def test_an_account_that_no_rule_can_name_gets_no_proposal(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = ask(Domain("a.com"), ISSUER.bearer(ISSUER.firebase_user("a\u2028b")))
    assert told(refused.json()["instance"], log, capsys)[-1] == "nearest: only domain:a.com did not hold"


def test_a_log_writes_nothing_to_a_terminal_but_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "urn:uuid:0b5e1c1e-0000-4000-8000-000000000000"
    fields = dict.fromkeys(("outcome", "route", "caller", "detail", "remedy", "live", "nearest"), "\033[2J\n\u202e")
    trees = {"why": "- a\033[2J\n- b\u202e", "remedies": "write \033[2J", "instance": name}
    file = tmp_path / "app.log"
    file.write_text(json.dumps({"callerid": {**fields, **trees}}))
    lines = told(name, file, capsys)
    assert all(line.isprintable() for line in lines)
    assert lines[0] == r"\x1b[2J\n\u202e: \x1b[2J\n\u202e"
    assert lines[-7:-5] == [r"  - a\x1b[2J", r"  - b\u202e"]


def test_what_is_long_is_wrapped_for_a_terminal(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    rule = callerid.AnyOf(*(Domain(f"example{number}.com") for number in range(20)))
    refused = ask(rule, ISSUER.bearer(ISSUER.firebase_user("ben")))
    out = Terminal()
    assert why(out, refused.json()["instance"], str(log)) == 0
    lines = [re.sub("\033\\[[0-9;]*m", "", line) for line in out.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert "\033[31mrefused: GET /users/{user_id}  403 not_allowed\033[0m" in out.getvalue()
    assert "      domain:example6.com or" in "\n".join(lines)


def test_who_is_to_type_the_log_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["why", "0b5e1c1e-0000-4000-8000-000000000000"]) == 1
    assert capsys.readouterr().err == "reading the log from standard input; Ctrl-D ends it\n"


def test_a_closed_standard_input_is_no_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["why", "0b5e1c1e-0000-4000-8000-000000000000"]) == 2
    assert "no log was given: standard input is closed" in capsys.readouterr().err


def test_a_step_up_needs_no_other_rule(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = FirebaseUser() & SecondFactor() & SignedInWithin(60)
    weak = ISSUER.firebase_user("ada", signed_in_at=int(ISSUER.clock()) - 500)
    lines = told(ask(rule, ISSUER.bearer(weak)).json()["instance"], log, capsys)
    assert lines[0] == "refused: GET /users/{user_id}  401 step_up"
    assert lines[-3].startswith("nearest: firebaseUser and ")
    assert lines[-1] == "  1. sign in again, as the rule asks: no rule needs to change"
    assert ask(rule, ISSUER.bearer(ISSUER.firebase_user("ada", second_factor="totp"))).status_code == 200


def test_what_was_not_believed_no_rule_would_admit(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(ask(Domain("example.com"), {}).json()["instance"], log, capsys)
    assert lines == [
        "refused: GET /users/{user_id}  401 no_credential",
        "  caller  nobody: no credential was sent, or none that could be believed",
        "  rule    domain:example.com",
        "  detail  expected domain:example.com, got no credential",
        "  more    callerid explain no_credential (docs/errors.md#no_credential)",
    ]
    astray = ISSUER.service_account(ROBOT, audience="https://elsewhere.example.com")
    lines = told(ask(ServiceAccount(ROBOT), ISSUER.bearer(astray)).json()["instance"], log, capsys)
    assert lines[0] == "refused: GET /users/{user_id}  401 wrong_audience"
    assert not any("write |" in line for line in lines)


def test_who_was_let_in_is_found_too(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(Public(), {}).status_code == 200
    allowed = json.loads(log.read_text().splitlines()[-1])["callerid"]["instance"]
    assert told(allowed, log, capsys)[0] == "allowed: GET /users/{user_id}"


def test_a_refusal_that_was_not_enforced_says_that_it_was_let_through(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod", ["t", "u", "v"]))
    app = FastAPI(openapi_url=None)
    app.get("/x")(lambda: None)
    guard.protect(app, default=Domain("example.com"), enforce=False, until="2999-12-31", shadow={"/x": Public()})
    assert TestClient(app).get("/x", headers=ISSUER.bearer(ISSUER.firebase_user("ben"))).status_code == 200
    found = [json.loads(line)["callerid"] for line in log.read_text().splitlines()]
    instances = {each["outcome"]: each["instance"] for each in found if each and "instance" in each}
    lines = told(instances["would refuse"], log, capsys)
    assert lines[0] == "would refuse: GET /x  403 not_allowed"
    assert lines[5] == "  it was let through: the rules were not enforced (enforce=False)"
    assert lines[-2].startswith("  1. write | FirebaseUser('ben') beside the rule: admits ")
    assert told(instances["shadow would admit"], log, capsys) == [
        "shadow would admit: GET /x",
        "  caller  firebase:shop-prod/ben, says https://securetoken.google.com/shop-prod",
        "  rule    allUsers",
        "  by the rules in force: 403 not_allowed (this is what the shadow= table would do)",
    ]


def test_from_standard_input_without_the_prefix_in_any_envelope(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "0b5e1c1e-0000-4000-8000-000000000000"
    fields = {"instance": f"urn:uuid:{name}", "outcome": "refused", "why": "no tree", "status": 403}
    lines = [
        f"not JSON {name}",
        "[" * 100_000 + name,
        json.dumps({"message": name}),
        f'{"[" * 20}"{name}"{"]" * 20}',
        json.dumps({"jsonPayload": fields}),
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["why", name.upper()]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "refused: ?"


def test_from_what_gcloud_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "urn:uuid:0b5e1c1e-0000-4000-8000-000000000000"
    fields = {"instance": name, "outcome": "refused", "route": "GET /a"}
    entries = [{"textPayload": name}, {"jsonPayload": {"message": name, "callerid": fields}}]
    file = tmp_path / "entries.json"
    file.write_text(json.dumps(entries, indent=2))
    assert told(name, file, capsys)[0] == "refused: GET /a"
    file.write_text("\n[\n" + json.dumps(entries[1]))  # no document, but lines
    assert told(name, file, capsys)[0] == "refused: GET /a"


def test_what_is_there_in_words_alone_is_shown_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "urn:uuid:0b5e1c1e-0000-4000-8000-000000000000"
    said = f"refused GET /a: 403 not_allowed: expected a, got b [{name}]"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\nelse\n INFO {said}\n{json.dumps([name])}\n"))
    assert main(["why", name]) == 1
    shown, mend = capsys.readouterr().out.splitlines()
    assert shown == f"{name} is in standard input, but only as text: INFO {said}"
    assert "log JSON lines with getattr(record, 'callerid', None) as a member" in mend


def test_what_is_not_there_exits_1(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "urn:uuid:0b5e1c1e-0000-4000-8000-000000000000"
    assert main(["why", name, str(log)]) == 1
    told, remedy = capsys.readouterr().out.splitlines()
    assert told == f"{name} is not in {log}"
    assert "logged at INFO" in remedy


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nonsense"],
            (
                "callerid: 'nonsense' is not a decision's id: that is the instance in a refusal's body, urn:uuid:... "
                "(more: callerid explain decision-id)\n"
            ),
        ),
        (
            ["0b5e1c1e-0000-4000-8000-000000000000", "no/such.log"],
            "callerid: cannot read no/such.log: No such file or directory\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exits_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", *arguments]) == 2
    assert capsys.readouterr().err == said


def test_an_id_is_read_in_any_case() -> None:
    assert instance_of(" URN:UUID:0B5E1C1E-0000-4000-8000-000000000000 ").startswith("urn:uuid:0b5e")
