"""Routes that never serve, since others come first at all of their paths: asked of the framework's own router. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from callerid.audit._index import Index
from callerid.audit._places import Place, places_of
from callerid.audit._regions import request_for, samples, text_for
from callerid.audit._rows import Router, Row, canonical
from callerid.audit._scope import AUTOMATIC, HTTP, one_method

__all__ = ["never_served", "with_shadows"]


def with_shadows(rows: Sequence[Row], keys: Sequence[str], router: Router) -> list[Row]:
    """The rows, each of one method, with what comes first noted at those that never serve.

    ``keys`` are the names by which ``router`` knows what serves each row; rows of one route share theirs.
    """
    asked = _Shadows(rows, keys, router)
    return [asked.noted(number) for number in range(len(rows))]


def never_served(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """What is wrong with rules that are never enforced, since their routes never serve: each with its method.

    A route without a rule of its own is none of these, nor one whose rule is that of the route that comes first.
    """
    every = tuple(rows)
    asking: dict[str, str] = {}
    for row in every:
        for method in row.methods:
            asking.setdefault(row.named(method), _asked(row))
    for row in every:
        first = {name for method in row.methods for name in row.serving(method).instead}
        is_ruled = not {"default", "floor"}.issuperset(row.sources)
        if first and is_ruled and any(asking.get(name) != _asked(row) for name in first):
            where, others = row.written(row.methods[0]), " and ".join(sorted(first))
            why = f"{others} comes first; put it before that, or delete it"
            yield row.methods[0], f"{where} is never served, so its rule is never asked: {why}"


def _asked(row: Row) -> str:
    return f"{canonical(row.rule)!r} for {sorted(row.audiences or ())}"


class _Shadows:
    def __init__(self, rows: Sequence[Row], keys: Sequence[str], router: Router) -> None:
        self._rows, self._keys, self._router = rows, keys, router
        self._near = Index[int]()
        self._names: dict[tuple[str, str], str] = {}
        self._places = [_places(row) for row in rows]
        for number, row in enumerate(rows):
            for place in self._places[number]:
                self._near.add(place, number)
            self._names.setdefault((keys[number], row.methods[0]), row.named(row.methods[0]))
        self._text = text_for(segment for places in self._places for place in places for segment in place.segments)

    def noted(self, number: int) -> Row:
        """The row, with the names of those that serve in its place, if it never serves."""
        row, names = self._rows[number], dict[str, None]()
        (serves,), (method,) = row.serves, row.methods
        for place in () if row.is_rest else self._places[number]:
            if place.unread or not self._has_rivals(number, place):
                return row
            for way in (HTTP, "WS") if method == "*" else (method,):
                first = self._first(number, way, place)
                if not first:
                    return row
                names.update(first)
        return replace(row, serves=(replace(serves, instead=tuple(names)),)) if names else row

    def _has_rivals(self, number: int, place: Place) -> bool:
        """Whether other routes are for any of these paths, too."""
        method, own = self._rows[number].methods[0], self._keys[number]
        return any(
            self._keys[other] != own and one_method(method, self._rows[other].methods[0])
            for _, other in self._near.near(place)
        )

    def _first(self, number: int, method: str, place: Place) -> dict[str, None]:
        """The names of those that serve at a place; nothing where the row itself does somewhere, or where none is."""
        own, found = self._keys[number], dict[str, None]()
        for sample in self._requests(place):
            key = self._router(method, *request_for(sample, self._text))
            if key == own or key is None:
                return {}
            if key:
                found[self._name(key, method)] = None
        return found

    def _requests(self, place: Place) -> Iterator[Place]:
        """One kind of path after the other, the plainest first: mostly it tells."""
        yield place._replace(one_line=True)
        yield from samples(place, dict.fromkeys(each for each, _ in self._near.near(place)))

    def _name(self, key: str, method: str) -> str:
        ways = ("GET", "HEAD", "*") if method == "HEAD" else (method, "*")
        return next(name for way in ways if (name := self._names.get((key, way))) is not None)


def _places(row: Row) -> tuple[Place, ...]:
    (serves,), (method,) = row.serves, row.methods
    return places_of(row.written(method).removesuffix(AUTOMATIC), below=serves.below, either_slash=serves.either_slash)
