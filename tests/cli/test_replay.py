"""``callerid replay``: a log, judged by the rules of today."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from callerid import Caller
from callerid.access import load
from callerid.cli import main
from callerid.logs import CloudLoggingFormatter
from callerid.testing import as_caller, firebase_user, google_person, oidc_caller, own_caller
from tests.starlette.world import ask

APPLICATION = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from callerid import *
from callerid.starlette import Guard

own = custom_credential("partner", header="X-Api-Key", verify=lambda _: None)
provider = oidc("https://id.example.com", "shop")


async def told(request):
    return PlainTextResponse("told")


def roles(caller):
    return {"editor"}


guard = Guard(ISSUERS, lookups=[Lookup("roles", roles)])
app = Starlette(routes=[Route("/x/{user_id}", told), Route("/open", told), Mount("/files", told)])
guard.protect(app, default=DEFAULT, routes={"/x/{user_id}": RULE}, audit=["/x/{user_id}"])
"""
ISSUERS = 'google("https://orders.example.com"), firebase("shop-prod", ["acme-x1"]), own, provider'
STAFF = 'Domain("example.com")'
ANYBODY = "AnyGoogleAccount() | FirebaseUser() | FirebaseUser() & Tenant('acme-x1') | Subject('acme', of='partner')"
ANYBODY += " | Subject('ada', of=provider.name)"
ADA = google_person("ada@example.com", domain="example.com")
USER = firebase_user("ada", claims={"plan": "gold"}, second_factor="totp")
numbers = count()


class World:
    """Applications made for a test, what they log, and what the command says of it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.made: list[str] = []

    def application(self, rule: str, *, default: str = "Nobody()", issuers: str = ISSUERS) -> str:
        name = f"replayed_{next(numbers)}"
        text = APPLICATION.replace("RULE", rule).replace("DEFAULT", default).replace("ISSUERS", issuers)
        (self.folder / f"{name}.py").write_text(text, encoding="utf-8")
        self.made.append(name)
        return f"{name}:app"

    def log(self, rule: str, caller: Caller | None, path: str = "/x/ada", headers: Any = None) -> str:
        """What an application with this rule logs of a request, by the formatter for Cloud Logging."""
        name = self.application(rule)
        app = load(name, self.folder)
        guard = sys.modules[name.partition(":")[0]].guard
        stream, log = io.StringIO(), logging.getLogger("callerid")
        handler, before = logging.StreamHandler(stream), log.level
        handler.setFormatter(CloudLoggingFormatter())
        ask(app, "/open")  # what start-up logs is none of it
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            if caller is None:
                ask(app, path, headers=headers or {})
            else:
                with as_caller(guard, caller):
                    ask(app, path)
        finally:
            log.removeHandler(handler)
            log.setLevel(before)
        return stream.getvalue()

    def run(self, log: str, app: str, *more: str) -> tuple[int, str, str]:
        (self.folder / "app.log").write_text(log, encoding="utf-8")
        given = (str(self.folder / "app.log"), "--against", app, "--app-dir", str(self.folder))
        code = main(["replay", *given, *more])
        out, err = self._capsys.readouterr()
        return code, out, err

    def document(self, log: str, app: str) -> dict[str, Any]:
        code, out, _ = self.run(log, app, "--json")
        found: dict[str, Any] = json.loads(out)
        assert code == (1 if found["changed"] else 0 if found["same"] else 2)
        return found

    def verdict(self, log: str, rule: str, **options: str) -> str:
        """What comes of one decision: ``same``, ``refused``, ``let in``, or why it cannot be told."""
        found = self.document(log, self.application(rule, **options))
        assert found["decisions"] == 1
        if found["cannot_tell"]:
            why: str = found["cannot_tell"][0]["why"]
            return why
        return "same" if found["same"] else str(found["differences"][0]["change"])


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    world = World(tmp_path, capsys)
    yield world
    for name in world.made:
        sys.modules.pop(name, None)


def record(outcome: str = "refused", route: str = "GET /x/{user_id}", **more: str | None) -> str:
    return json.dumps({"callerid": {"outcome": outcome, "route": route, **more}}) + "\n"


PROVIDED = oidc_caller("ada", audience="shop", claims={"groups": ["a", "b"]})
PARTNER = own_caller("acme", issuer="partner", facts={"plan": "pro"})
UNTOLD_SID = "the record does not tell the claim sid"
CODE = "where anything is decided by code of the application"


@pytest.mark.parametrize(
    ("caller", "rule", "expected"),
    [
        (ADA, STAFF, "same"),
        (ADA, 'Domain("other.com")', "refused"),
        (ADA, 'User("ada@example.com") | Nobody()', "same"),
        (ADA, "Public()", "same"),
        (USER, 'FirebaseUser("ada")', "same"),
        (USER, 'FirebaseUser("ben")', "refused"),
        (USER, 'FirebaseUser(PathParam("user_id"))', "the record does not tell the path parameter {user_id}"),
        (USER, 'FirebaseUser() & CustomClaim("plan", "gold")', "same"),
        (USER, 'FirebaseUser() & CustomClaim("plan", "silver")', "refused"),
        (USER, "FirebaseUser() & SecondFactor()", "same"),
        (USER, "FirebaseUser() & SignedInWithin(3600)", "same"),
        (firebase_user("ada", tenant="acme-x1"), 'FirebaseUser("ada") & Tenant("acme-x1")', "same"),
        (PROVIDED, "Subject('ada', of=provider.name)", "same"),
        (
            oidc_caller("ada", audience="shop"),
            "Claim('sid', 's-1') & IssuedBy(provider.name)",
            UNTOLD_SID,
        ),
        (
            own_caller("acme", issuer="partner", facts={"plan": "pro"}),
            'Fact("plan", "pro") & IssuedBy("partner")',
            "same",
        ),
        (PROVIDED, "Claim('groups', contains='a') & IssuedBy(provider.name)", "same"),
        (ADA, 'Where("anything", lambda _: True)', CODE),
        (ADA, f'{STAFF} | Where("anything", lambda _: True)', "same"),
        (ADA, 'Domain("other.com") & Where("anything", lambda _: True)', "refused"),
        (ADA, f'{STAFF} & Role("editor")', "the record does not tell what the look-up 'roles' said"),
        (ADA, f"{STAFF} & SingleUse()", "the record does not tell whether the token was used before"),
        (ADA, 'Via(ServiceAccount("robot@shop-prod.iam.gserviceaccount.com"))', "refused"),
    ],
)
def test_whoever_was_let_in_is_judged_by_the_rule_of_today(
    caller: Caller, rule: str, expected: str, world: World
) -> None:
    assert world.verdict(world.log(ANYBODY, caller), rule) == expected


def test_whoever_was_refused_may_be_let_in_now(world: World) -> None:
    log = world.log('Domain("other.com")', ADA)
    assert world.verdict(log, STAFF) == "let in"
    assert world.verdict(log, 'Domain("third.com")') == "same"


def test_nobody_is_let_in_where_the_route_is_open_now(world: World) -> None:
    for log in (world.log(STAFF, None), record(status="401", reason="no_credential")):
        assert world.verdict(log, 'Domain("other.com")') == "same"
        assert world.verdict(log, "Public()") == "let in"
        assert world.verdict(log, f"Public() | {STAFF}") == "let in"
    carried = record(status="401", reason="no_credential", via="serviceAccount:robot@shop-prod.iam.gserviceaccount.com")
    assert world.verdict(carried, STAFF) == "the record does not tell the facts that were judged (audit= does)"


def test_a_bad_token_stays_bad_unless_none_is_read(world: World) -> None:
    expired, unknown, path = (
        record(status=status, reason=reason)
        for status, reason in (("401", "expired"), ("401", "unknown_issuer"), ("400", "ambiguous_path"))
    )
    assert world.verdict(expired, STAFF) == "same"
    assert world.verdict(expired, "Public()") == "let in"
    assert world.verdict(unknown, STAFF) == "it was refused before any rule was asked (unknown_issuer)"
    assert world.verdict(path, "Public()") == "it was refused before any rule was asked (ambiguous_path)"


def test_records_without_the_facts_cannot_be_told(world: World) -> None:
    log = record("allowed", caller="user:ada@example.com", subject="1", issuer="https://accounts.google.com")
    assert world.verdict(log, STAFF) == "the record does not tell the facts that were judged (audit= does)"


@pytest.mark.parametrize(
    "facts",
    [
        "no JSON",
        "[]",
        '{"at": 1}',
        '{"v": 1}',
        '{"v": 1, "at": "noon"}',
        '{"v": 1, "at": 1, "app": 7}',
        '{"v": 1, "at": 1, "path": 7}',
        '{"v": 1, "at": 1, "caller": {"kind": "google"}}',
        '{"v": 1, "at": 1, "caller": {"kind": "robot"}}',
        '{"v": 1, "at": 1, "caller": {"kind": "google", "iss": 7, "sub": "1", "aud": "a"}}',
    ],
)
def test_facts_that_nobody_wrote_so_are_never_guessed(facts: str, world: World) -> None:
    assert world.verdict(record("allowed", facts=facts), STAFF) == (
        "the record does not tell the facts as text that can be read"
    )


def test_facts_of_another_version_cannot_be_told(world: World) -> None:
    why = world.verdict(record("allowed", facts='{"v": 2, "at": 1}'), STAFF)
    assert why == "the record does not tell the facts in a form that this version knows, but in form 2"


@pytest.mark.parametrize(
    "more", [{"reason": "\x1b[2J"}, {"reason": "not_allowed", "facts": '{"v": "\\u001b[2J", "at": 1}'}]
)
def test_nothing_of_a_log_controls_the_terminal(more: dict[str, str], world: World) -> None:
    log = record(route="GET /x/{user_id}\x1b[2J") + record(**more)
    assert "\x1b" not in "".join(world.run(log, world.application(STAFF))[1:])


def test_another_audience_another_issuer_and_another_tenant_are_refused(world: World) -> None:
    log, user = world.log(ANYBODY, ADA), world.log(ANYBODY, firebase_user("ada", tenant="acme-x1"))
    assert world.verdict(log, STAFF, issuers=ISSUERS.replace("orders", "others")) == "refused"
    elsewhere = ISSUERS.replace("shop-prod", "other-prod")
    assert world.verdict(user, "FirebaseUser() & Tenant('acme-x1')", issuers=elsewhere) == "refused"
    other = ISSUERS.replace("acme-x1", "acme-x2")
    assert world.verdict(user, "FirebaseUser() & Tenant('acme-x2')", issuers=other) == "refused"


ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
CARRIED: dict[str, Any] = {
    "v": 1,
    "at": 1,
    "caller": {"kind": "firebase", "iss": "https://securetoken.google.com/shop-prod", "sub": "ada", "aud": "shop-prod"},
    "via": {"kind": "google", "iss": "https://accounts.google.com", "sub": "1", "aud": "x", "email": ROBOT},
}
CARRIED["caller"] |= {"uid": "ada", "project": "shop-prod"}
CARRIED["via"] |= {"service_account": True}


def test_who_carried_the_call_is_judged_too(world: World) -> None:
    log, other = record("allowed", facts=json.dumps(CARRIED)), ROBOT.replace("robot", "other")
    assert world.verdict(log, f"FirebaseUser('ada') & Via(ServiceAccount({ROBOT!r}))") == "same"
    assert world.verdict(log, f"FirebaseUser('ada') & Via(ServiceAccount({other!r}))") == "refused"
    alone = ISSUERS.partition(", ")[2]
    why = world.verdict(log, "FirebaseUser('ada')", issuers=alone)
    assert why == "the guard trusts no issuer of the service that carried the call"


def test_outages_and_shadow_decisions_are_not_judged(world: World) -> None:
    log = record(status="503", reason="keys_unavailable") + record("shadow would refuse")
    code, out, _ = world.run(log, world.application(STAFF))
    assert code == 2
    assert "2 that no rule decided (outages, shadow=)" in out


def test_differences_are_told_by_route_and_caller(world: World) -> None:
    ben = google_person("ben@example.com", domain="example.com")
    log = world.log(STAFF, ADA) * 3 + world.log(STAFF, ben)
    app = world.application('User("eve@example.com")')
    code, out, _ = world.run(log, app)
    assert code == 1
    assert out.splitlines() == [
        "GET /x/{user_id}",
        "  asked now: user:eve@example.com",
        "  now refused: user:ada@example.com, 3 times",
        "  now refused: user:ben@example.com, once",
        "4 decisions: 0 as before, 4 otherwise, 0 that cannot be told",
    ]
    found = world.document(log, app)
    assert list(found) == [
        *("version", "decisions", "same", "changed", "ignored", "differences", "cannot_tell", "broken"),
    ]
    first = found["differences"][0]
    assert (first["caller"], first["change"], first["count"]) == ("user:ada@example.com", "refused", 3)
    assert (first["rule"], first["before"]) == ("user:eve@example.com", "domain:example.com")
    assert first["instance"].startswith("urn:uuid:")


def test_of_many_callers_the_most_frequent_are_printed(world: World) -> None:
    log = "".join(record(status="401", reason="expired", caller=f"user:{each}@example.com") for each in range(25))
    out = world.run(log + "no JSON\n", world.application("Public()"))[1]
    assert out.count("  now let in: user:") == 20
    assert "  and 5 more callers (--json has all)\n" in out
    assert "25 decisions: 0 as before, 25 otherwise, 0 that cannot be told; 1 entry is no JSON, or longer" in out


def test_of_very_many_the_rest_is_counted_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callerid.audit._replay._MOST_GROUPS", 2)
    log = "".join(record(status="401", reason="expired", caller=f"user:{each}@example.com") for each in range(5))
    found = world.document(log, world.application("Public()"))
    assert [(each["route"], each["count"]) for each in found["differences"]] == [
        ("GET /x/{user_id}", 1),
        ("GET /x/{user_id}", 1),
        ("(others)", 3),
    ]
    assert "(others)\n  now let in: (others), 3 times\n" in world.run(log, world.application("Public()"))[1]
    gone = "".join(record(route=f"GET /gone/{each}", reason="not_allowed", status="403") for each in range(5))
    told = world.document(gone, world.application("Public()"))["cannot_tell"]
    assert told[0] == {"route": "(others)", "why": "several reasons", "count": 3}


def test_a_route_that_is_gone_cannot_be_told_and_what_has_none_is_the_default(world: World) -> None:
    assert world.verdict(record("allowed", "GET /gone"), STAFF) == "there is no such route now"
    nowhere = record(route="GET (no route)", status="401", reason="expired")
    assert world.verdict(nowhere, STAFF) == "same"
    out = world.run(record("allowed", "GET /gone"), world.application(STAFF))[1]
    assert "cannot tell GET /gone: there is no such route now, once\n" in out


def test_head_is_judged_as_get(world: World) -> None:
    assert world.verdict(record(route="HEAD /x/{user_id}", status="401", reason="expired"), STAFF) == "same"


def test_that_no_route_is_audited_is_said(world: World) -> None:
    app = world.application(STAFF)
    module = world.folder / f"{app.partition(':')[0]}.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace('audit=["/x/{user_id}"]', "audit=[]"), encoding="utf-8"
    )
    out = world.run(record(status="401", reason="expired"), app)[1]
    assert out.endswith("no route of this application is audited (audit=): who was let in is not in its log at INFO\n")


def test_a_log_without_decisions_is_an_error(world: World) -> None:
    code, out, err = world.run("nothing\n", world.application(STAFF))
    assert (code, out) == (2, "")
    assert "no decision is in" in err
