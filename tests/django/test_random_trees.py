"""Random URLconfs, asked as every kind of caller: whom the rules admit is answered as Django alone would."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views import View

from callerid import ConfigurationError, Public, Rule
from tests.djangos import Project
from tests.fixtures import OTHERS, ROBOTS, STAFF

from .world import ask, closed, new_guard

WORDS = ("a", "b", "c")
RULES: tuple[Rule, ...] = (STAFF, OTHERS, ROBOTS, STAFF | OTHERS, Public())
ADMITTED: dict[str | None, set[Rule]] = {
    None: {Public()},
    "staff": {STAFF, STAFF | OTHERS, Public()},
    "outsider": {OTHERS, STAFF | OTHERS, Public()},
    "robot": {ROBOTS, Public()},
}
DEFAULT = STAFF


@dataclass
class Tree:
    """The same URLconf for the same seed; ``allow`` marks, and ``None`` makes it without any rule."""

    seed: int
    allow: Any
    asked: dict[str, list[Rule]] = field(default_factory=dict)
    """For each view the rules on the way to it."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def table(self, depth: int = 0, on_the_way: tuple[Rule, ...] = ()) -> list[Any]:
        return [self._entry(depth, on_the_way) for _ in range(self._random.randint(1, 4))]

    def _entry(self, depth: int, on_the_way: tuple[Rule, ...]) -> Any:
        route, regex = self._random.choice(
            [
                *((f"{word}/", None) for word in WORDS),
                ("", None),
                ("<str:name>/", None),
                ("<int:number>/", None),
                ("<path:rest>", None),
                ("", r"^(?P<name>[ab])/"),
                ("", r"^(?P<name>[bc])/$"),
            ]
        )
        rule = self._random.choice([None, None, *RULES])
        where = (*on_the_way, *([] if rule is None else [rule]))
        if depth < 3 and self._random.random() < 0.4:
            inner: Any = include(self.table(depth + 1, where))
        else:
            inner = self._view(where)
        marked = inner if rule is None or self.allow is None else self.allow(rule)(inner)
        return path(route, marked) if regex is None else re_path(regex, marked)

    def _view(self, where: tuple[Rule, ...]) -> Any:
        name = f"view {len(self.asked)}"
        self.asked[name] = list(where)

        def view(request: Any, *_: Any, **named: Any) -> HttpResponse:
            return HttpResponse(f"{name} {sorted(named.items())}")

        if self._random.random() < 0.5:
            return view
        return type("Got", (View,), {"get": staticmethod(view)}).as_view()  # type: ignore[attr-defined]


def _paths(chance: random.Random, count: int) -> list[str]:
    words = (*WORDS, "7", "x", "")
    return ["/" + "/".join(chance.choice(words) for _ in range(chance.randint(0, 4))) for _ in range(count)]


def _is_admitted(who: str | None, rules: list[Rule]) -> bool:
    return all(rule in ADMITTED[who] for rule in rules or [DEFAULT])


@pytest.mark.slow
def test_whom_the_rules_admit_is_answered_as_django_alone_would(by_asgi: bool) -> None:
    served = refused = 0
    for seed in range(15 if by_asgi else 40):
        bare, guard = Project(Tree(seed, None).table()), new_guard()
        tree = Tree(seed, guard.allow)
        project = closed(tree.table(), guard, default=DEFAULT)
        try:
            ask(project, "/")
        except ConfigurationError:  # rules on one way that nobody can meet
            continue
        for place in _paths(random.Random(seed), 12):
            alone = ask(bare, place, by_asgi=by_asgi)
            name = alone.content.decode().partition(" [")[0] if alone.status_code == 200 else ""
            for who in ADMITTED:
                got = ask(project, place, who, by_asgi=by_asgi)
                if _is_admitted(who, tree.asked.get(name, [DEFAULT])):
                    assert (got.status_code, got.content) == (alone.status_code, alone.content), (seed, place, who)
                    served += got.status_code == 200
                else:
                    assert got.status_code == (401 if who is None else 403), (seed, place, who)
                    refused += 1
    assert served > 20
    assert refused > 150
