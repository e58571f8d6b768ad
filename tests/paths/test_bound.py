"""Keys of a path table that name routes and mounts by their own templates."""

from __future__ import annotations

from typing import Any

import pytest

from callerid import ConfigurationError, Domain, FirebaseUser, Guard, Nobody, PathParam, Public, firebase, google
from callerid.paths import METHODS, WEBSOCKET, BoundTable, NamedPlace, Serves, normalized

STAFF = Domain("example.com")
GUARD = Guard(google("https://orders.example.com"), firebase("shop-prod"))


def keyed(routes: Any, name: str = "routes") -> BoundTable:
    return BoundTable(routes, GUARD, name)


def found(entries: BoundTable, method: str, template: str, *prefixes: str) -> str | None:
    entry = entries.find(method, template, prefixes)
    return None if entry is None else entry.pattern


@pytest.mark.parametrize(
    ("template", "same"),
    [
        ("/users/{id}", "/users/{id}"),
        ("/users/{id:int}", "/users/{id}"),
        ("/files/{path:path}", "/files/{path}"),
        ("/users/<id>", "/users/{id}"),
        ("/users/<int:id>", "/users/{id}"),
        ('/lang/<any(de, "en"):code>/x', "/lang/{code}/x"),
        ("/a-{b}.{ext}", "/a-{b}.{ext}"),
        ("/items/", "/items"),
        ("/", ""),
    ],
)
def test_a_template_is_compared_without_its_converters_and_its_last_slash(template: str, same: str) -> None:
    assert normalized(template) == same


def test_a_key_names_a_route_by_its_template_as_the_framework_has_it() -> None:
    entries = keyed({"/users/{id}": STAFF, "/n/<int:id>": STAFF, "/f/{path:path}": STAFF, "/slash": STAFF, "/": STAFF})
    assert found(entries, "GET", "/users/{id:int}") == "/users/{id}"
    assert found(entries, "GET", "/users/{name}") is None
    assert found(entries, "GET", "/users/ada") is None
    assert found(entries, "GET", "/n/{id:int}") == "/n/<int:id>"
    assert found(entries, "GET", "/f/<path:path>") == "/f/{path:path}"
    assert found(entries, "GET", "/slash/") == "/slash"
    assert found(entries, "GET", "/") == "/"


def test_a_method_limits_a_key_and_get_covers_head() -> None:
    entries = keyed({"GET /x": STAFF, "/x": Nobody(), "WEBSOCKET /x": Public(), "POST /y": STAFF})
    methods = ("GET", "HEAD", "POST", WEBSOCKET)
    assert [found(entries, each, "/x") for each in methods] == ["GET /x", "GET /x", "/x", "WEBSOCKET /x"]
    assert [found(entries, each, "/y") for each in methods] == [None, None, "POST /y", None]


def test_the_most_specific_key_holds() -> None:
    entries = keyed({"/a/*": STAFF, "/a/b/*": Nobody(), "/a/b/x": Public()})
    assert found(entries, "GET", "/a/b/x", "/a", "/a/b") == "/a/b/x"
    assert found(entries, "GET", "/a/b/y", "/a", "/a/b") == "/a/b/*"
    assert found(entries, "GET", "/a/y", "/a") == "/a/*"
    assert found(entries, "GET", "", "/a", "/a/b") == "/a/b/*"
    assert found(entries, "GET", "/b") is None


def test_below_an_opaque_mount_keys_are_patterns_over_the_rest_of_the_path() -> None:
    entries = keyed({"/m/*": STAFF, "/m": Public(), "/m/{uid}/x": FirebaseUser(PathParam("uid")), "/mm": Nobody()})
    patterns = entries.patterns("/m")
    assert patterns is not None
    assert patterns is entries.patterns("/m/")
    entry = patterns.find("GET", "/ada/x").entry
    assert entry is not None
    assert (entry.pattern, dict(entry.parameters)) == ("/m/{uid}/x", {"uid": "ada"})
    texts = [
        entry and entry.pattern for entry in (patterns.find("GET", path).entry for path in ("/", "/a", "/a/b", ""))
    ]
    assert texts == ["/m", "/m/*", "/m/*", "/m"]
    assert entries.patterns("/other") is None


PLACES = (
    NamedPlace("/open", ("GET", "HEAD")),
    NamedPlace("/users/{user}/orders", ("GET",)),
    NamedPlace("/admin/users", ("GET",)),
    NamedPlace("/admin/teams", ("POST",)),
    NamedPlace("/files/{path}", None, Serves.REST),
    NamedPlace("/sub", None, Serves.MOUNT),
    NamedPlace("/sub/x", ("GET",)),
    NamedPlace("/static", None, Serves.OPAQUE),
    NamedPlace("/live", (METHODS["WEBSOCKET"],)),
)


@pytest.mark.parametrize(
    "text",
    [
        "/open",
        "GET /open/",
        "/files/{path}",
        "/files/*",
        "/sub/*",
        "/sub/x",
        "/static/*",
        "/static",
        "/static/a/{b}/*",
        "WEBSOCKET /live",
        "TRACE /static/*",
        "/users/{user:int}/orders",
    ],
)
def test_a_key_that_names_a_place_is_bound(text: str) -> None:
    assert list(keyed({text: STAFF}).unbound(PLACES)) == []


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("/opne", "the nearest are '/open'"),
        ("/users/{id}/orders", "the nearest are '/users/{user}/orders'"),
        ("POST /open", "it answers GET, HEAD, and not the method of this key"),
        ("/files/secret/*", "a part of what '/files/{path}' serves"),
        ("/files/secret/x", "compare the parameter by PathParam"),
        ("/admin/*", "below it are '/admin/teams', '/admin/users': name each"),
        ("/zzz/*", "a key with /* names a mounted application or a route whose last parameter takes slashes"),
        ("/sub", "an application is mounted there: write '/sub/*'"),
        ("DELETE /sub/", "write 'DELETE /sub/*'"),
        ("/qqqqqq", "correct the path or the method"),
        ("/static/a-{b}", "is not a whole segment"),
    ],
)
def test_a_key_that_names_no_place_is_an_error_with_the_remedy(text: str, remedy: str) -> None:
    (error,) = keyed({text: STAFF}, "shadow").unbound(PLACES)
    assert error.startswith(f"shadow[{text!r}]: ")
    assert remedy in error


def test_a_long_list_of_nearest_routes_is_cut() -> None:
    places = [NamedPlace(f"/admin/{number}", ("GET",)) for number in range(9)]
    (error,) = keyed({"/admin/*": STAFF}).unbound(places)
    assert "'/admin/4' and 4 more: name each" in error


@pytest.mark.parametrize(
    "routes",
    [
        None,
        {"": STAFF},
        {"open": STAFF},
        {"BREW /open": STAFF},
        {"/a/*/b": STAFF},
        {"/a": "nobody-knows"},
        {"/users/{user}": FirebaseUser(PathParam("uid"))},
        {"/a": STAFF, "/a/": STAFF},
        {"/a/{b}": STAFF, "/a/{b:int}": STAFF},
    ],
)
def test_what_cannot_be_meant_is_an_error_at_construction(routes: Any) -> None:
    with pytest.raises(ConfigurationError):
        keyed(routes)
