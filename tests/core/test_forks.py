"""Forks: what a child must not share with its parent is made anew in it, once, and in the parent never."""

from __future__ import annotations

import gc
import os
from weakref import WeakSet

import pytest

from callerid import _forks
from callerid._forks import renew_in_child


class Counted:
    def __init__(self) -> None:
        self.renewed = 0
        renew_in_child(self)

    def renew_after_fork(self) -> None:
        self.renewed += 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_renews_each_object_once_and_its_parent_none() -> None:
    first, second = Counted(), Counted()
    child = os.fork()
    if child == 0:
        os._exit(0 if (first.renewed, second.renewed) == (1, 1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (first.renewed, second.renewed) == (0, 0)


def test_what_a_child_does_first_is_to_renew_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_forks, "_ALL", WeakSet[Counted]())
    made = Counted()
    _forks._after_fork_in_child()
    assert made.renewed == 1


def test_an_object_that_nobody_holds_is_not_kept_for_a_fork() -> None:
    known = set(map(id, _forks._ALL))
    made = Counted()
    assert set(map(id, _forks._ALL)) - known == {id(made)}
    del made
    gc.collect()
    assert set(map(id, _forks._ALL)) <= known
