"""An adapter for a framework that callerid does not know: a dict of paths and functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeAlias

import pytest

from callerid import Caller, ConfigurationError, FirebaseUser, PathParam, Rule, UnguardedEndpointError, User
from callerid._marks import DECIDED, Mark, mark_function, marks_on, unguarded
from callerid.authentication import resolve
from callerid.authorization import DEFAULT, Policy, Request, Written, authorize, policy_of
from callerid.guard import GuardCore
from callerid.testing import LocalIssuer

Endpoint: TypeAlias = Callable[[Caller | None], str]
Response: TypeAlias = tuple[int, str]


def call(endpoint: Endpoint | None, caller: Caller | None = None) -> Response:
    """The framework's dispatch: ``call(routes.get(path))``."""
    return (404, "") if endpoint is None else (200, endpoint(caller))


class Guard(GuardCore):
    def allow(self, rule: Rule | str) -> Callable[[Endpoint], Endpoint]:
        return lambda endpoint: mark_function(endpoint, Mark(self, self.requirement(rule)))

    def protect(self, routes: Mapping[str, Endpoint], *, default: Rule | str) -> Protection:
        self.check_ready()
        return Protection(self, routes, Written(self, self.requirement(default), DEFAULT))


@dataclass(frozen=True)
class LetIn:
    """The state of a request that was let in: which marks were judged."""

    policy: Policy

    def has_decided(self, mark: Mark) -> bool:
        return mark in self.policy.marks


class Protection:
    """The guard is the dispatch: what was looked up once is judged and called."""

    def __init__(self, guard: Guard, routes: Mapping[str, Endpoint], default: Written) -> None:
        self.guard, self.routes, self.default = guard, routes, default
        self.policy = cache(self._policy)  # one for each place
        judged = [(path, self.policy(path, endpoint).whole.rule) for path, endpoint in routes.items()]
        guard.announce(judged, default.requirement.rule)

    def _policy(self, path: str, endpoint: Endpoint | None) -> Policy:
        marks = () if endpoint is None else marks_on(endpoint)
        for mark in marks:
            if mark.guard is not self.guard:
                raise unguarded(mark, path)
        written = [Written(mark.guard, mark.requirement, mark) for mark in marks] or [self.default]
        policy = policy_of((self.guard,), written, path, endpoint=endpoint is not None)
        if policy.names:
            raise ConfigurationError(f"{path}: there are no path parameters here, such as {', '.join(policy.names)}")
        return policy

    def serve(self, path: str, headers: Mapping[str, str]) -> Response:
        guard, endpoint = self.guard, self.routes.get(path)
        place = "(no route)" if endpoint is None else path
        policy = self.policy(place, endpoint)
        sent = {name: [headers[name]] for name in guard.headers.values() if name in headers}
        request = Request(guard, place, tuple(policy.checks({})), lambda _: sent, policy.whole)
        decision = resolve(partial(authorize, request))
        if decision.refusal is not None:
            answer = guard.answer(decision.refusal, decision.instance)
            return answer.status, json.loads(answer.body)["reason"]
        token = DECIDED.set(LetIn(policy))
        try:
            return call(endpoint, decision.caller)
        finally:
            DECIDED.reset(token)


ISSUER = LocalIssuer()
GUARD = Guard(ISSUER.google("1234-abc.apps.googleusercontent.com"))


def hello(caller: Caller | None) -> str:
    return f"hello {caller}"


def _app(routes: Mapping[str, Endpoint]) -> Protection:
    return GUARD.protect(routes, default="domain:example.com")


def test_every_path_is_judged_by_its_own_policy() -> None:
    everybody, ada_alone = GUARD.allow("allUsers"), GUARD.allow("user:ada@example.com")
    app = _app({"/": hello, "/open": everybody(hello), "/ada": ada_alone(hello)})
    ada, ben = ({"authorization": f"Bearer {ISSUER.workspace_person(f'{who}@example.com')}"} for who in ("ada", "ben"))
    assert app.serve("/open", {}) == (200, "hello None")
    assert app.serve("/ada", ada) == (200, "hello user:ada@example.com")
    assert app.serve("/ada", ben) == (403, "not_allowed")
    assert app.serve("/", ben) == (200, "hello user:ben@example.com")
    assert app.serve("/", {}) == app.serve("/unknown", {}) == (401, "no_credential")
    assert app.serve("/unknown", ben) == (404, "")


@pytest.mark.parametrize("rule", [FirebaseUser(), User(PathParam("id")), User("1") & User("2")])
def test_a_rule_that_cannot_hold_is_an_error_at_start_up(rule: Rule) -> None:
    with pytest.raises(ConfigurationError, match=r"^/: "):
        _app({"/": GUARD.allow(rule)(hello)})


def test_a_requirement_of_a_guard_that_is_not_named_is_an_error() -> None:
    written = Written(Guard.like(GUARD), GUARD.requirement("user:ada@example.com"), DEFAULT)
    for endpoint in (True, False):
        with pytest.raises(
            ConfigurationError, match=r"^/: User\('ada@example.com'\) is asked by a guard that does not"
        ):
            policy_of((GUARD,), [written], "/", endpoint=endpoint)


def test_a_marked_endpoint_does_not_run_undecided() -> None:
    with pytest.raises(UnguardedEndpointError):
        call(GUARD.allow("allUsers")(hello))
    with pytest.raises(UnguardedEndpointError):
        _app({"/": Guard.like(GUARD).allow("allUsers")(hello)})
