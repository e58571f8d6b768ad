"""Which of many places may have to do with one: found without looking at all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

from callerid.audit._places import Place, Segment, common, covers, overlap, takes

__all__ = ["Index"]

T = TypeVar("T")


class Index(Generic[T]):
    """Places, each with what stands there, by their segments."""

    def __init__(self) -> None:
        self._hosts: dict[Segment | None, _PlaceNode[T]] = {}
        self._unread: list[tuple[Place, T]] = []

    def add(self, place: Place, item: T) -> None:
        """Note what stands at a place."""
        if place.unread:
            self._unread.append((place, item))
            return
        node = self._hosts.setdefault(place.host, _PlaceNode())
        for segment in place.segments:
            nodes = node.literals if segment.kinds is None else node.parameters
            node = nodes.setdefault(segment, _PlaceNode())
        (node.many if place.many else node.exact).append((place, item))

    def near(self, place: Place) -> Iterator[tuple[Place, T]]:
        """All places that have something in common with one."""
        yield from (each for each in self._unread if common(each[0], place) is not None)
        for host, node in self._hosts.items():
            if host is None or place.host is None or overlap(host, place.host) is not None:
                yield from node.near(place, 0)

    def around(self, place: Place) -> Iterator[tuple[Place, T]]:
        """All places that have all of one; and those of which it cannot be told whether they have some of it."""
        if place.unread:
            # A place that has some of it, and perhaps all.
            found = self.near(place)
        else:
            nodes = (node.whole(place, 0) for node in self._hosts.values())
            found = chain(self._unread, *nodes)
        return (each for each in found if covers(each[0], place) is not False)


class _PlaceNode(Generic[T]):
    """What begins with the same segments: places that end here, places that go on, and what is below."""

    __slots__ = ("exact", "literals", "many", "parameters")

    def __init__(self) -> None:
        self.literals: dict[Segment, _PlaceNode[T]] = {}
        self.parameters: dict[Segment, _PlaceNode[T]] = {}
        self.exact: list[tuple[Place, T]] = []
        self.many: list[tuple[Place, T]] = []

    def near(self, place: Place, depth: int) -> Iterator[tuple[Place, T]]:
        if depth == len(place.segments):
            yield from self._below() if place.many else self.exact
            return
        yield from self.many
        segment = place.segments[depth]
        if segment.kinds is None:
            if segment in self.literals:
                yield from self.literals[segment].near(place, depth + 1)
        else:
            for each, node in self.literals.items():
                if takes(segment, each):
                    yield from node.near(place, depth + 1)
        for each, node in self.parameters.items():
            if overlap(each, segment) is not None:
                yield from node.near(place, depth + 1)

    def whole(self, place: Place, depth: int) -> Iterator[tuple[Place, T]]:
        if depth == len(place.segments):
            yield from self.many if place.many else self.exact
            return
        yield from self.many
        segment = place.segments[depth]
        if segment in self.literals:
            yield from self.literals[segment].whole(place, depth + 1)
        for each, node in self.parameters.items():
            if takes(each, segment):
                yield from node.whole(place, depth + 1)

    def _below(self) -> Iterator[tuple[Place, T]]:
        yield from self.many
        for node in (*self.literals.values(), *self.parameters.values()):
            yield from node.exact
            yield from node._below()  # noqa: SLF001 - of the same class
