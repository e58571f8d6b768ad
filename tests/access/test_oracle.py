"""The map and its comparisons against what the applications answer: random ones, the same in every run."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from callerid.access import AccessMap, access_map, locked, newcomers
from tests.access.oracle import Call, Plan, a_plan, answers, changed, made, paths_of

pytestmark = pytest.mark.slow

TRIALS = 9
"""In each of the parts."""


# Coverage is measured in the first part alone: the others go the same ways.
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.no_cover) for part in (1, 2))])
@pytest.mark.parametrize("framework", ["starlette", "fastapi", "flask"])
def test_what_is_said_is_what_is_answered(framework: str, part: int) -> None:
    random, seen = Random(f"{framework} {part}"), Counter[str]()
    while seen["judged"] < TRIALS:
        plan = a_plan(random, framework)
        seen.update(trial(plan, changed(random, plan)))
    assert seen["gained"], "no change of these lets in anybody: the trials show nothing"


def trial(plan: Plan, new_plan: Plan) -> list[str]:
    """Judge one change; gives what there was to be seen, and nothing where the guard itself finds fault with it."""
    old, new, again = made(plan), made(new_plan), made(plan)
    maps = [access_map(each) for each in (old, new, again)]
    if any(map(_faults, maps)):
        return []
    lock = locked(maps[0])
    assert not newcomers(lock, maps[2]), ("an application is not as its own lock says", plan)
    found = list(map(str, newcomers(lock, maps[1])))
    paths = paths_of(plan, new_plan)
    before, after = answers(old, paths), answers(new, paths)
    gained = [call for call in before if before[call][0] in (401, 403) and after[call][0] < 300]
    assert found or not gained, ("nobody may who could not before", plan, new_plan, gained[:5])
    for each, answered in ((maps[0], before), (maps[1], after)):
        _check_shadows(each, answered)
    return ["judged", *(["gained"] if gained else [])]


def _faults(found: AccessMap) -> list[str]:
    return [each for each in found.problems if "is never served" not in each]


def _check_shadows(found: AccessMap, answered: dict[Call, tuple[int, str]]) -> None:
    """A route is never served if another one answers wherever its path is written out."""
    rows: dict[str, Any] = {f"{method} {row.written(method)}": row for method, row in found.singly()}
    for name, row in rows.items():
        method, path = name.split(" ", 1)
        first = [each for each in row.instead if each in rows]
        for who in ("nobody", "grace", "staff", "a", "7") if first and "<" not in path and "{" not in path else ():
            status, _ = answered.get((who, method, path), (None, ""))
            may = {_status(answered, who, each) for each in first} - {None}
            assert status is None or not may or status in may, (name, first, who, status, may)


def _status(answered: dict[Call, tuple[int, str]], who: str, name: str) -> int | None:
    method, path = name.split(" ", 1)
    return answered.get((who, method, path), (None, ""))[0]
