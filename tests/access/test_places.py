"""Which requests a route is for, and what two routes have in common."""

from __future__ import annotations

import pytest

from callerid.audit._places import common, covers, places_of, text_of


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("/a", "/a", "/a"),
        ("/a", "/b", None),
        ("/a", "/a/", None),
        ("/{x}", "/a", "/a"),
        ("/{x}", "/", None),
        ("/{x}", "/a/b", None),
        ("/{x:int}", "/12", "/12"),
        ("/{x:int}", "/a", None),
        ("/{x:int}", "/{y:float}", "/{}"),
        ("/{x:float}", "/1.5", "/1.5"),
        ("/{x:uuid}", "/0b5e1c1e-0000-4000-8000-000000000000", "/0b5e1c1e-0000-4000-8000-000000000000"),
        ("/{x:uuid}", "/{y:int}", "/{}"),
        ("/<uuid:x>", "/<int:y>", None),
        ("/<float:x>", "/<int:y>", None),
        ("/{x}.json", "/a.json", "/a.json"),
        ("/{x}.json", "/.json", None),
        ("/{x}.json", "/{y}", "/{}.json"),
        ("/{x}.json", "/{y}.xml", None),
        ("/a-{x}", "/{y}.json", "/a-{}.json"),
        ("/a/{rest:path}", "/a/b/c", "/a/b/c"),
        ("/a/{rest:path}", "/a/", "/a/"),
        ("/a/<path:rest>", "/a/b", "/a/b"),
        ("/a/*", "/a/b", "/a/b"),
        ("/a/{rest:path}", "/{x}/b", "/a/b"),
        ("/a/{rest:path}", "/{x}/{y}/{rest:path}", "/a/{}/..."),
        ("one.example.com/a", "/{x}", "one.example.com/a"),
        ("one.example.com/a", "two.example.com/a", None),
        ("{sub}.example.com/a", "one.example.com/a", "one.example.com/a"),
        ("(any other path)", "/a", "/a"),
        ("/m/(any other path)", "/m/a", "/m/a"),
        ("/m/(any other path)", "/n/a", None),
    ],
)
def test_what_two_have_in_common(one: str, other: str, both: str | None) -> None:
    found = [common(place, another) for place in places_of(one) for another in places_of(other)]
    backwards = [common(another, place) for place in places_of(one) for another in places_of(other)]
    assert [place and text_of(place) for place in found] == [place and text_of(place) for place in backwards]
    assert next((text_of(place) for place in found if place is not None), None) == both


@pytest.mark.parametrize(
    "template",
    ["/{x:mine}", "/{x}-{y}", "/{x:int}.json", "/a/{rest:path}/b", "/<any(a, b/c):x>/d", "(MyRoute)", "{a}{b}.com/x"],
)
def test_what_is_too_much_is_not_taken_for_known(template: str) -> None:
    (place,) = places_of(template)
    assert place.unread == {template}
    assert covers(place, place)
    (literal,) = places_of("/a/b")
    shared = common(place, literal)
    assert covers(place, literal) is (False if shared is None else None)
    if shared is not None:
        assert covers(literal, shared)
        (wider,) = places_of("/{x}/{y}")
        assert covers(wider, place) in (None, False)


def test_two_patterns_that_overlap_in_more_than_one_way() -> None:
    (one,), (other,) = places_of("/a{x}"), places_of("/{y}a")
    both = common(one, other)
    assert both is not None
    (literal,) = places_of("/aba")
    assert covers(one, both)
    assert covers(other, both)
    assert covers(literal, both) is None
