"""The sample that the type checkers read is served as it reads."""

from . import typed
from .world import ask, start, status, statuses


def test_the_typed_sample_is_served_as_it_reads() -> None:
    start(typed.app)
    assert ask(typed.app, "/staff", "staff").json == "ada@example.com"
    assert ask(typed.app, "/perhaps").json == ""
    assert ask(typed.app, "/users/u1", "u1").json == "u1"
    assert ask(typed.app, "/decorated?number=3&text=a", "staff", method="POST").json == {"a": 3}
    assert ask(typed.app, "/decorated-async", "staff", method="POST").json == [1]
    assert statuses(typed.app, "/routed", None, "outsider", "staff") == [401, 403, 200]
    assert status(typed.app, "/sub/docs", "staff") == 200
