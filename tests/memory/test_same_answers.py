"""A memory makes a guard quicker and never another guard: whatever is sent, and whenever, the answers are the same."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from callerid import (
    AnyGoogleAccount,
    Domain,
    FirebaseUser,
    Guard,
    Public,
    Refusal,
    ServiceAccount,
    SignedInWithin,
    Via,
)
from callerid.authentication import resolve
from callerid.testing import LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.guard import Requirement

pytestmark = pytest.mark.slow

NOW = 1_800_000_000
CLIENT = "1234-abc.apps.googleusercontent.com"
URL, TASKS = "https://orders.example.com", "https://orders.example.com/tasks"
CALLER, CARRIER = "authorization", "x-serverless-authorization"
ROBOT = ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com")
ISSUER = LocalIssuer(clock=lambda: NOW)

FORMS = ["Bearer {}"] * 4 + ["bearer {}", "Bearer  {}", " Bearer {} ", "Bearer {},", "Basic {}", "{}", "Bearer\t{}"]
FORMS += ["Bearer", "Bearer {0}, Bearer {0}"]


def tokens() -> list[str]:
    person, user = ISSUER.workspace_person(), ISSUER.firebase_user("u1")
    short = [ISSUER.workspace_person(f"u{seconds}@example.com", lifetime=seconds) for seconds in (5, 40, 3600)]
    robots = [ISSUER.service_account(audience=audience) for audience in (URL, TASKS)]
    old = ISSUER.firebase_user("u1", signed_in_at=NOW - 1000)
    ahead = ISSUER.workspace_person(issued_at=NOW + 60)
    hostile = [*ISSUER.hostile_variants(person).values(), *ISSUER.hostile_variants(user).values()]
    return [*[person, user, old, *short, *robots] * 3, ahead, *hostile, "", "junk"]


def guard_of(memory: int, clock: list[float]) -> Guard:
    return Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod"), memory=memory, clock=lambda: clock[0])


def requirements(guard: Guard) -> list[Requirement]:
    rules = [FirebaseUser("u1"), Via(ROBOT) & FirebaseUser(), SignedInWithin(100), Public() | Domain("example.com")]
    own = [guard.allow(rule, audience=audience) for rule in (AnyGoogleAccount(), ROBOT) for audience in (None, TASKS)]
    return [*map(guard.allow, rules), *own, guard.allow(Domain("example.com"), audience=[CLIENT, TASKS])]


def answer(guard: Guard, requirement: Requirement, sent: Mapping[str, list[str]]) -> object:
    try:
        identity = resolve(partial(guard.identify, sent))
        return guard.judge(requirement, identity, {})
    except Refusal as refusal:
        return type(refusal), refusal.reason, refusal.detail


@pytest.mark.parametrize("seed", range(3))
def test_with_and_without_a_memory_every_request_is_answered_alike(seed: int) -> None:
    chance, clock, known = Random(seed), [float(NOW)], tokens()
    guards = [guard_of(memory, clock) for memory in (0, 3, 4096)]
    asked = requirements(guards[0])
    seen: set[str] = set()
    for _ in range(2500):
        if chance.random() < 0.03:
            clock[0] = NOW + chance.choice((-100, -31, -30, 0, 0, 4, 34, 36, 69, 71, 3629, 3631))
        slots = [slot for slot, often in ((CALLER, 0.95), (CARRIER, 0.4)) if chance.random() < often]
        sent = {
            slot: [chance.choice(FORMS).format(chance.choice(known)) for _ in range(chance.choice((1, 1, 1, 1, 2)))]
            for slot in slots
        }
        requirement = chance.choice(asked)
        bare, small, large = (answer(guard, requirement, sent) for guard in guards)
        assert small == bare
        assert large == bare
        seen.add(type(bare).__name__ if not isinstance(bare, tuple) else bare[0].__name__)
    assert seen == {"Caller", "NoneType", "BadRequest", "Unauthenticated", "Forbidden", "StepUpRequired"}
