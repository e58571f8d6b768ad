"""Look-up of a written path where other readers could find another entry for it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import ConfigurationError, Domain, FirebaseUser, Guard, Nobody, PathParam, Public, firebase, google
from callerid.guard import Requirement
from callerid.paths import WEBSOCKET, PathLookup, PathTable
from callerid.paths._lookup import folded
from callerid.paths._pattern import Pattern

GUARD = Guard(google("https://orders.example.com"), firebase("shop-prod"))
STAFF = Domain("example.com")


def lookup(*patterns: str) -> PathLookup:
    return PathLookup(PathTable(dict.fromkeys(patterns, STAFF), GUARD))


def found(paths: PathLookup, path: str, method: str = "GET") -> str | None:
    """The entry, ``"?"`` where readers could differ."""
    entry, trouble = paths.find(method, path)
    if trouble is not None:
        return "?"
    return None if entry is None else entry.pattern


@pytest.mark.parametrize(
    ("entries", "path", "expected"),
    [
        (["/admin"], "/admin", "/admin"),
        (["/admin"], "/admin/", "/admin"),
        (["/admin"], "/ADMIN", "?"),
        (["/admin"], "/Admin/", "?"),
        (["/admin"], "/adm\N{LATIN SMALL LETTER DOTLESS I}n", "?"),  # upper() makes a plain I of it
        (["/admin"], "/admin.", "?"),  # Windows drops dots and blanks at the end of a name
        (["/admin"], "/admin . ", "?"),
        (["/admin"], "/ admin", "?"),
        (["/admin"], "/administrator", None),
        (["/admin"], "/ADMINISTRATOR", None),
        (["/Admin"], "/Admin", "/Admin"),
        (["/Admin"], "/admin", "?"),
        (["/admin/*"], "/Admin/users", "?"),
        (["/admin/*"], "/admin/Users", "/admin/*"),
        (["/*", "/admin/*"], "/Admin", "/*"),
        (["/*", "/admin/*"], "/ADMIN/x", "?"),
        (["/users/{uid}"], "/users/U1", "/users/{uid}"),  # a parameter's case is nobody's business
        (["/users/{uid}"], "/USERS/U1", "?"),
        (["/users/{uid}", "/users/me"], "/users/Me", "?"),
        (["/users/{uid}", "/users/me"], "/users/You", "/users/{uid}"),
        (["/k\N{LATIN SMALL LETTER O WITH DIAERESIS}ln"], "/ko\N{COMBINING DIAERESIS}ln", "?"),
        (["/strasse"], "/stra\N{LATIN SMALL LETTER SHARP S}e", "?"),
        (["/key"], "/\N{KELVIN SIGN}ey", "?"),
        (["/.well-known/x"], "/.well-known/x", "/.well-known/x"),
        (["/.well-known/x"], "/.Well-Known/x", "?"),
        (["/", "/a"], "/", "/"),
        (["/..."], "/...", "/..."),
        (["/a b"], "/a b", "/a b"),
    ],
)
def test_a_path_is_ambiguous_where_its_folded_form_is_under_another_entry(
    entries: list[str], path: str, expected: str | None
) -> None:
    assert found(lookup(*entries), path) == expected


def test_a_folded_form_is_looked_up_for_the_same_method() -> None:
    paths = lookup("POST /admin", "WEBSOCKET /live", "GET /page")
    assert found(paths, "/ADMIN") is None
    assert found(paths, "/ADMIN", "POST") == "?"
    assert found(paths, "/LIVE", WEBSOCKET) == "?"
    assert found(paths, "/live", WEBSOCKET) == "WEBSOCKET /live"
    assert found(paths, "/Page", "HEAD") == "?"


@pytest.mark.parametrize(
    ("path", "targets"),
    [
        ("/a//b", ()),
        ("/a\n", ()),
        ("/a", (b"/%61%0a",)),
        ("/a", (None, b"/%2e/a")),
        ("/a", ("/a", "/x/%2e%2e/a")),
        ("/a", (None, None, b"/a;x")),
    ],
)
def test_what_is_ambiguous_by_itself_is_so_beside_any_entries(
    path: str, targets: tuple[bytes | str | None, ...]
) -> None:
    entry, trouble = lookup("/a").find("GET", path, *targets)
    assert trouble is not None
    assert (entry is None) == (path != "/a")


def test_a_method_in_small_letters_is_ambiguous() -> None:
    assert found(lookup("/a"), "/a", "get") == "?"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/Admin", "/admin"),
        ("/users/{a}", "/Users/{b}"),
        ("POST /x/*", "POST /X/*"),
        ("/k\N{LATIN SMALL LETTER O WITH DIAERESIS}ln", "/KO\N{COMBINING DIAERESIS}LN"),
        ("/a", "/a."),
    ],
)
def test_entries_that_differ_in_case_alone_ask_the_same(one: str, other: str) -> None:
    paths = PathLookup(PathTable({one: STAFF, other: STAFF}, GUARD))
    for text in (one, other):
        path = text.removeprefix("POST ").replace("*", "y").replace("{", "").replace("}", "")
        assert found(paths, path, "POST") == text
    with pytest.raises(ConfigurationError) as raised:
        PathLookup(PathTable({one: STAFF, other: Nobody()}, GUARD, "shadow"))
    assert all(word in str(raised.value) for word in ("shadow", repr(one), repr(other), "the same rule"))


def test_entries_of_different_methods_are_different_places() -> None:
    paths = PathLookup(PathTable({"GET /A": STAFF, "POST /a": Nobody()}, GUARD))
    assert found(paths, "/A") == "GET /A"
    assert found(paths, "/a") == "?"
    assert found(paths, "/a", "POST") == "POST /a"


def test_the_entries_of_a_mount_are_looked_up_by_what_is_below_it() -> None:
    below = [("/static/Private/*", Pattern.parse("/Private/*"), Requirement(STAFF))]
    paths = PathLookup(PathTable.below(below))
    assert found(paths, "/Private/x") == "/static/Private/*"
    assert found(paths, "/private/x") == "?"
    assert found(paths, "/x") is None


def test_parameters_are_those_of_the_path_as_it_is_written() -> None:
    table = PathTable({"/users/{uid}": FirebaseUser(PathParam("uid")), "/": Public()}, GUARD)
    entry, trouble = PathLookup(table).find("GET", "/users/U1")
    assert trouble is None
    assert entry is not None
    assert entry.parameters == {"uid": "U1"}


FORMS: tuple[Callable[[str], str], ...] = (
    str.lower,
    str.upper,
    str.casefold,
    str.title,
    str.swapcase,
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
    folded,
)


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=8), st.sampled_from(FORMS))
def test_every_form_that_a_reader_may_make_is_folded_alike(segment: str, form: Callable[[str], str]) -> None:
    path = f"/x{segment}y/z"
    assert folded(form(path)) == folded(path)
