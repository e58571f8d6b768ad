"""Random route trees, asked as every kind of caller: whom the rules admit is answered as the framework alone would."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from tests.fixtures import STAFF

from .trees import Tree, Way, run
from .world import new_guard


@pytest.mark.slow
def test_whom_the_rules_admit_is_answered_as_the_framework_alone_would() -> None:
    served = 0
    for seed in range(30):
        guard, bare = new_guard(), Starlette(routes=Tree(seed, None).table(Way(), 0))
        tree = Tree(seed, guard.allow)
        guarded = Starlette(routes=tree.table(Way(), 0))
        guard.protect(guarded, default=STAFF)
        served += run(bare, guarded, tree, seed, 12)
    assert served > 100
