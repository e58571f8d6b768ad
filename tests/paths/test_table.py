"""The path table: which entry holds for a path, and what cannot be meant."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import (
    ConfigurationError,
    Domain,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    Rule,
    Tenant,
    firebase,
    google,
)
from callerid.guard import Requirement
from callerid.paths import WEBSOCKET, PathTable, ambiguous
from tests.counting import calls_in

GUARD = Guard(google("https://orders.example.com"))
STAFF = Domain("example.com")


def table(*patterns: str) -> PathTable:
    return PathTable(dict.fromkeys(patterns, STAFF), GUARD)


def found(paths: PathTable, path: str, method: str = "GET") -> str | None:
    entry = paths.find(method, path)
    return None if entry is None else entry.pattern


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("/", ["/", ""], ["/a", "/a/"]),
        ("/a", ["/a", "/a/"], ["/", "/a/b", "/ab", "/A", "/a//"]),
        ("/a/", ["/a", "/a/"], ["/a/b"]),
        ("/a/*", ["/a/b", "/a/b/", "/a/b/c", "/a/*"], ["/a", "/a/", "/ab", "/"]),
        ("/*", ["/a", "/a/b/c"], ["/", ""]),
        ("/{x}", ["/a", "/a/", "/{x}", "/é"], ["/", "/a/b"]),
        ("/a/{x}/b", ["/a/1/b", "/a/b/b/"], ["/a/b", "/a//b", "/a/1/2/b"]),
        ("/a b/é", ["/a b/é"], ["/a b/e"]),
        ("/v1/tasks:run", ["/v1/tasks:run"], ["/v1/tasks"]),
        ("/.well-known/x", ["/.well-known/x"], ["/well-known/x"]),
    ],
)
def test_an_entry_covers_whole_paths_of_its_shape(pattern: str, covered: list[str], not_covered: list[str]) -> None:
    paths = table(pattern)
    assert [found(paths, path) for path in covered] == [pattern] * len(covered)
    assert [found(paths, path) for path in not_covered] == [None] * len(not_covered)


def test_parameters_are_the_segments_as_text() -> None:
    entry = table("/users/{uid}/orders/{order}").find("GET", "/users/0/orders/ü/")
    assert entry is not None
    assert entry.parameters == {"uid": "0", "order": "ü"}
    assert table("/a").find("GET", "/a").parameters == {}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pattern", "methods", "others"),
    [
        ("GET /a", ["GET", "HEAD"], ["POST", "get", "OPTIONS", WEBSOCKET, "WEBSOCKET", ""]),
        ("HEAD /a", ["HEAD"], ["GET"]),
        ("POST /a", ["POST"], ["GET", "HEAD", "POST "]),
        ("WEBSOCKET /a", [WEBSOCKET], ["GET", "WEBSOCKET"]),
        ("/a", ["GET", "HEAD", "POST", "PROPFIND", WEBSOCKET, "WEBSOCKET"], []),
    ],
)
def test_an_entry_covers_the_methods_that_it_names(pattern: str, methods: list[str], others: list[str]) -> None:
    paths = table(pattern)
    assert [found(paths, "/a", method) for method in methods] == [pattern] * len(methods)
    assert [found(paths, "/a", method) for method in others] == [None] * len(others)


@pytest.mark.parametrize(
    ("method", "path", "winner"),
    [
        ("GET", "/a/b/c", "/a/b/*"),  # the left segment decides, not the length
        ("GET", "/a/x/c", "/a/{x}/c"),
        ("GET", "/a/x/d", "/a/*"),
        ("GET", "/a/b", "/a/b"),
        ("POST", "/a/b", "POST /a/b"),
        ("GET", "/a/x", "/a/*"),
        ("GET", "/z", "/{x}"),
        ("GET", "/z/z", "/*"),
        ("PUT", "/z", "PUT /{x}"),
        ("HEAD", "/h", "HEAD /h"),
        ("GET", "/h", "GET /h"),
        ("PATCH", "/h", "/{x}"),  # what no entry of the literal covers is the next one's
    ],
)
def test_the_most_specific_entry_wins(method: str, path: str, winner: str) -> None:
    patterns = ["/a/b/*", "/a/{x}/c", "/a/*", "/a/b", "POST /a/b", "/{x}", "/*", "PUT /{x}", "HEAD /h", "GET /h"]
    for order in (patterns, patterns[::-1]):
        assert found(table(*order), path, method) == winner


SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
PATTERNS = st.tuples(st.sampled_from(["", "GET ", "HEAD "]), st.lists(SEGMENTS, max_size=3, unique=True), st.booleans())


def written(pattern: tuple[str, list[str], bool]) -> str:
    method, segments, rest = pattern
    return method + "/" + "/".join([*segments, *(["*"] if rest else [])])


def rank(text: str, method: str, path: list[str]) -> tuple[Any, ...] | None:
    """By the words of the docstring, slowly: ``None`` where the entry does not cover, the least wins."""
    word, _, template = text.rpartition(" ")
    if word not in ("", method) and (word, method) != ("GET", "HEAD"):
        return None
    segments = [segment for segment in template.split("/") if segment]
    rest = segments[-1:] == ["*"]
    segments = segments[: len(segments) - rest]
    if len(path) < len(segments) + rest or (len(path) > len(segments) and not rest):
        return None
    if any(segment not in (given, "{x}", "{y}") for segment, given in zip(segments, path, strict=False)):
        return None
    kinds = [segment in ("{x}", "{y}") for segment in segments] + [2] * rest
    return kinds, [method, "GET", ""].index(word)


@given(st.lists(PATTERNS, max_size=8), st.sampled_from(["GET", "HEAD", "PUT"]), st.lists(st.sampled_from("abc")))
@pytest.mark.slow
def test_a_look_up_finds_what_a_slow_reading_of_the_words_finds(patterns: Any, method: str, path: list[str]) -> None:
    kept: dict[str, str] = {}
    for text in map(written, patterns):
        kept.setdefault(text.replace("{y}", "{x}"), text)
    paths = table(*kept.values())
    ranked = {text: rank(text, method, path) for text in kept.values()}
    covering = {text: value for text, value in ranked.items() if value is not None}
    expected = min(covering, key=lambda text: covering[text], default=None)
    assert found(paths, "/" + "/".join(path), method) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        *("", " ", "a", "healthz", "*", "http://h/a", "GET", "GET ", "GET a", " /a", "/a ", "GET  /a", "GET\t/a"),
        *("get /a", "Get /a", "FETCH /a", "PROPFIND /a", "GET,POST /a", "GET POST /a", "* /a"),
        *("/a//b", "//", "/a//", "/./a", "/a/..", "/a?b", "/a#b", "/a;b", "/a\\b", "/a\0", "/a%2fb", "/100%"),
        *("/*/a", "/**", "/a*", "/*a", "/{x}*", "/a/*/*"),
        *("/{}", "/{x", "/x}", "/{x:int}", "/a{x}", "/{x}a", "/{x}{y}", "/{1}", "/{x y}", "/<x>", "/<int:x>", "/:x"),
        *("/{x}/{x}", "/{x}/a/{x}/*"),
        *(None, 7, b"/a", ("GET", "/a")),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_construction(pattern: Any) -> None:
    with pytest.raises(ConfigurationError, match=r".: .|not "):
        PathTable({pattern: STAFF}, GUARD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/a/"),
        ("/{x}", "/{y}"),
        ("GET /a/{x}/b", "GET /a/{y}/b/"),
        ("/a/*", "/a/*/"),
        ("/{x}/*", "/{y}/*"),
        ("WEBSOCKET /a", "WEBSOCKET /a/"),
    ],
)
def test_ties_are_errors_which_name_both(one: str, other: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        table(one, other)
    assert repr(one) in str(raised.value)
    assert repr(other) in str(raised.value)


def test_the_same_place_for_different_methods_is_no_tie() -> None:
    assert len(table("/a", "GET /a", "HEAD /a", "POST /a", "WEBSOCKET /a", "/a/*", "/{x}").requirements) == 7


@pytest.mark.parametrize(
    "rule",
    [
        *(None, True, 7, [], {}, ["user:a@example.com"], (Public(), Nobody()), "", "everybody", "group:x@example.com"),
        *(FirebaseUser(PathParam("uid")), Tenant("acme"), Domain("example.com") & Domain("other.com"), Public, Guard),
    ],
)
def test_a_value_that_is_no_rule_or_admits_nobody_is_an_error(rule: Any) -> None:
    with pytest.raises(ConfigurationError):
        PathTable({"/a": rule}, GUARD)


@pytest.mark.parametrize("routes", [None, [], "/a", [("/a", STAFF)]])
def test_a_table_is_a_mapping(routes: Any) -> None:
    with pytest.raises(ConfigurationError, match="maps paths"):
        PathTable(routes, GUARD)


def test_a_path_parameter_must_be_in_the_path() -> None:
    owner = FirebaseUser(PathParam("uid"))
    guard = Guard(firebase("shop-prod"))
    assert PathTable({"/users/{uid}": owner}, guard).find("GET", "/users/7")
    for pattern in ("/users/{id}", "/users/*", "/users"):
        with pytest.raises(ConfigurationError, match=r"no \{uid\}"):
            PathTable({pattern: owner}, guard)


def test_values_are_rules_member_strings_or_what_allow_gives() -> None:
    routes: dict[str, Rule | str | Requirement] = {
        "/a": STAFF,
        "/b": "domain:example.com",
        "/c": GUARD.allow("domain:example.com", audience="https://orders.example.com/c"),
    }
    asked = PathTable(routes, GUARD).requirements
    assert [str(each.rule) for each in asked.values()] == ["domain:example.com"] * 3
    assert asked["/c"].audiences == frozenset({"https://orders.example.com/c"})


@pytest.mark.slow
def test_ten_thousand_entries_cost_a_request_what_ten_do() -> None:
    shapes = ("/api/{}/x", "/api/{}/{{id}}/y", "POST /api/{}", "/files/{}/*")
    few = table(*(shape.format(n) for shape, n in itertools.product(shapes, range(3))))
    many = table(*(shape.format(n) for shape, n in itertools.product(shapes, range(2500))))
    requests = [f"/api/{n}/{tail}" for n in (0, 1, 2) for tail in ("x", "7/y", "none", "7/z")]
    assert len(many.requirements) == 10_000
    for path in requests:
        look_ups = [partial(paths.find, "GET", path) for paths in (few, many)]
        assert calls_in(look_ups[1]) == calls_in(look_ups[0])


def test_a_long_path_costs_no_deep_walk() -> None:
    assert found(table("/a/*"), "/a" * 50_000) == "/a/*"
    assert found(table("/b/{x}"), "/a" * 50_000) is None


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "/a/", "/a.b/c..d/...", "/.well-known/x", "/é/日本", "/a b", "/a:b@c,d=e!"]
)
def test_an_ordinary_path_is_read_in_one_way(path: str) -> None:
    assert ambiguous(path) is None
    assert ambiguous(path, path.encode().replace(b" ", b"%20")) is None
    assert ambiguous(path, path.replace("é", "%C3%A9") + "?x=//..%2f;#") is None


@pytest.mark.parametrize(
    "path",
    [
        *("//", "//a", "/a//b", "/a//", "/.", "/..", "/./a", "/a/./b", "/a/../b", "/a/.", "/a/..", "/../"),
        *("/a\\b", "/\\", "/a\0", "/a\nb", "/a\r", "/\t", "/a\x7f", "/\x85", "/a;b", "/a;", "/a#b", "/a?b"),
        *("/%2f", "/a%2Fb", "/%41", "/%", "/100%", "/a%zz", "/\ufffd", "/\udc80"),
        *("a", "*", "http://evil/admin", "orders.example.com:443", "\\a", "%2fa"),
    ],
)
def test_a_path_that_two_parsers_could_read_differently_is_seen(path: str) -> None:
    assert ambiguous(path)


@pytest.mark.parametrize(
    "raw",
    [
        *("/a%2fb", "/a%2Fb", "/%5c", "/%2e%2e/a", "/a%2E", "/%00", "/a%3bb", "/%23", "/%25", "/%252f", "/%3F", "/%0a"),
        *("/%7f", "/a%", "/a%2", "/a%u002f", "/a;b", "/a\\b", "/a#b", "//a", "/a/../b", "/a/.", "/a\0"),
        *("http://evil//admin", "http://evil/a%2fb", "HTTP://evil/../a"),
    ],
)
def test_an_encoding_that_two_parsers_could_read_differently_is_seen_where_it_is_shown(raw: str) -> None:
    assert ambiguous("/a", raw)
    assert ambiguous("/a", raw.encode("latin-1"))


@pytest.mark.parametrize("raw", ["http://orders.example.com/a", "https://u@h:1/a/?next=//x/../y", "/a?%2f", ""])
def test_the_host_and_the_query_of_a_target_do_not_matter(raw: str) -> None:
    assert ambiguous("/a", raw) is None


@pytest.mark.parametrize("method", ["get", "Post", "PATCh", "\u017f", "Ⅷ"])
def test_a_method_in_small_letters_may_be_read_as_another(method: str) -> None:
    assert ambiguous("/a", method=method)
    assert ambiguous("/a", method=method.upper() if method.isascii() else "M-SEARCH") is None
