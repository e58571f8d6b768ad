"""The table fits, however long a path or a rule is."""

from __future__ import annotations

from callerid import AnyOf, Public, User, Where
from callerid.access import access_map
from callerid.audit._forms import WIDTH, as_markdown, as_table, summary
from tests.access.made import STAFF, small

LONG = "/a/path/that/goes/on/and/on/{with}/{several}/{parameters}/in/it"


def test_what_is_long_is_wrapped() -> None:
    rule = AnyOf(*(User(f"person{number}@example{number}.com") for number in range(40)))
    lines = as_table(access_map(small({f"GET {LONG}": rule, "GET /b": Public()})), lambda text, _: text)
    assert max(map(len, lines)) <= WIDTH
    assert lines[1].startswith("GET /a/path/that/goes/on/and/on  ")
    assert lines[2].startswith(" /{with}/{several}/{parameters}/in/it  ")
    assert all(f"user:person{number}@example{number}.com" in "\n".join(lines) for number in range(40))


def test_markdown_keeps_its_columns() -> None:
    found = access_map(small({"GET /a": Where("a | b", lambda _: True)}))
    assert as_markdown(found).splitlines()[2] == "| `GET /a` | where a \\| b | decorator | weaker |"


def test_one_route_is_one() -> None:
    assert summary(access_map(small({"GET /a": STAFF}))).startswith("FastAPI: 1 route, 0 open to everybody, 0 weaker")
