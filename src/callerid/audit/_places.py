"""Which requests a route is for: its host and its paths, and what two routes have in common. Pure.

A path is its segments; one that ends with a slash ends with an empty segment. A place may be too much for us (a
converter of the application's own): then it is taken for all that it could be, and what follows is told apart from what
is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "ANYWHERE_ELSE",
    "EVERYWHERE",
    "PARAMETER",
    "Place",
    "Position",
    "Segment",
    "common",
    "covers",
    "is_one_line",
    "literal_at",
    "overlap",
    "places_of",
    "positions_of",
    "takes",
    "text_of",
]

ANYWHERE_ELSE = "(any other path)"
"""The template of what holds where there is no route; behind the path of a mount, of what holds below it."""


class Segment(NamedTuple):
    """One segment of a path, or a host's name: a text (``kinds`` is ``None``), or a parameter between two texts."""

    prefix: str
    kinds: frozenset[str] | None = None
    suffix: str = ""


class Place(NamedTuple):
    """All paths of these segments; with ``many``, all of these and at least one segment more.

    ``host`` is ``None`` for any. ``unread`` are the templates of which more is taken in here than they may be for.
    ``one_line`` is whether no path with a line break is meant: converters that take slashes take none.
    """

    host: Segment | None
    segments: tuple[Segment, ...]
    many: bool = False
    unread: frozenset[str] = frozenset()
    one_line: bool = False


EVERYWHERE = Place(None, (), many=True)
"""All paths."""

_DIGITS = frozenset({"digits", "32 digits"})
_ANY = _DIGITS | {"decimal", "32 hex digits", "uuid", "text"}
_KINDS = {
    # Starlette, "Path Parameters"; of Flask's own, each is in brackets of another kind.
    "{}": _ANY,
    "{str}": _ANY,
    "{int}": _DIGITS,
    "{float}": _DIGITS | {"decimal"},
    "{uuid}": frozenset({"32 digits", "32 hex digits", "uuid"}),
    "<>": _ANY,
    "<string>": _ANY,
    "<str>": _ANY,  # Django's
    "<default>": _ANY,
    "<int>": _DIGITS,
    "<float>": frozenset({"decimal"}),
    "<uuid>": frozenset({"uuid"}),
}
_MANY = {"{path}": False, "<path>": True}
"""Converters that take slashes, and whether what they take begins with none."""

PARAMETER = re.compile(
    r"\{(?P<name>\w+)(?::(?P<kind>\w+))?\}"
    r"|<(?:(?P<converter>\w+)(?:\((?P<arguments>.*?)\))?:)?(?P<variable>[A-Za-z_]\w*)>"
)
"""A path parameter as FastAPI, Starlette, Flask and Django write it, with its converter."""


def places_of(template: str, *, below: bool = False, either_slash: bool = False) -> tuple[Place, ...]:
    """The places of a template, parameters with their converters as FastAPI, Starlette and Flask write them.

    ``below`` is for what is mounted: all below it, and not itself. With ``either_slash`` it is the same with a slash at
    the end and without. A last segment ``*`` is a path table's: one segment or more. Behind the path of a route that
    looks at more than paths stands its class and a number: ``/a (VersionRoute 2)``.
    """
    conditional = _CONDITION.search(template)
    if conditional is not None:
        plain = places_of(template[: conditional.start()], below=below, either_slash=either_slash)
        return tuple(each._replace(unread=each.unread | {template}) for each in plain)
    if template.endswith(ANYWHERE_ELSE):
        template, below = template.removesuffix(ANYWHERE_ELSE).removesuffix("/"), True
    host, slash, path = template.partition("/")
    at, unread = _host(host), frozenset({template})
    if at is None:
        return (Place(None, (), many=True, unread=unread),)
    if at == _ANY_SEGMENT:
        at = None
    texts = tuple(_split(path)) if slash else ()
    # A host by itself looks at no path, what is mounted at one takes the rest of a line.
    one_line = below and (bool(slash) or not host)
    segments: list[Segment] = []
    for number, text in enumerate(texts):
        parameter = PARAMETER.fullmatch(text)
        taken = _MANY.get(_kind(parameter)) if parameter else None
        is_at_end = number == len(texts) - 1
        is_last = is_at_end and not below
        if text == "*" and is_last:
            return tuple(_one_or_more(at, segments, [_ANY_SEGMENT]))
        if taken is not None and is_last:
            first = [_ANY_SEGMENT] if taken else []
            return tuple(each._replace(one_line=True) for each in _one_or_more(at, segments, first))
        segment = None if taken is not None or (is_at_end and _CLASS.fullmatch(text)) else _segment(text)
        if segment is None:
            return (Place(at, tuple(segments), many=True, unread=unread),)
        segments.append(segment)
    found = Place(at, tuple(segments), many=below, one_line=one_line)
    if below or not either_slash:
        return (found,)
    bare = segments[:-1] if segments[-1:] == [_SLASH] else segments
    return tuple(Place(at, tuple(each)) for each in ([*bare], [*bare, _SLASH]) if each)


def _host(text: str) -> Segment | None:
    """The host that a template begins with, if any; ``None`` for one of which it is not known what it matches."""
    if text.startswith("("):
        return None
    return _segment(text) if text else _ANY_SEGMENT


# A route that has no path stands by its class: below a mount anything may be its own.
_CLASS = re.compile(r"\(\w+\)")
_CONDITION = re.compile(r" \(\w+ \d+\)\Z")


_SLASH = Segment("")
_ANY_SEGMENT = Segment("", _ANY)


class Position(NamedTuple):
    """Where a path has a parameter: in which segment (-1: the host), and between which texts."""

    segment: int
    prefix: str
    suffix: str


def positions_of(template: str) -> dict[str, Position]:
    """The parameters of a template by their names."""
    host, _, path = template.partition("/")
    found: dict[str, Position] = {}
    for number, text in ((-1, host), *enumerate(_split(path))):
        for each in PARAMETER.finditer(text):
            name = each["variable"] or each["name"]
            found[name] = Position(number, text[: each.start()], text[each.end() :])
    return found


def literal_at(position: Position, place: Place) -> str | None:
    """What a parameter is at a place that has a text there, and no parameter."""
    if not 0 <= position.segment < len(place.segments):
        return None
    segment = place.segments[position.segment]
    if segment.kinds is not None:
        return None
    return segment.prefix.removeprefix(position.prefix).removesuffix(position.suffix)


def text_of(place: Place) -> str:
    """A place in words: a parameter of which the name does not matter is ``{}``."""
    segments = [_text(each) for each in place.segments]
    return f"{_text(place.host) if place.host else ''}/{'/'.join([*segments, '...'] if place.many else segments)}"


def _text(segment: Segment) -> str:
    return segment.prefix if segment.kinds is None else f"{segment.prefix}{{}}{segment.suffix}"


def _one_or_more(host: Segment | None, before: list[Segment], first: list[Segment]) -> Iterator[Place]:
    if first:
        yield Place(host, (*before, *first))
    yield Place(host, (*before, *first), many=True)


def _split(path: str) -> list[str]:
    """The segments of a path; a slash among a converter's arguments is none between segments."""
    hidden = PARAMETER.sub(lambda parameter: parameter[0].replace("/", "\0"), path)
    return [segment.replace("\0", "/") for segment in hidden.split("/")]


def _kind(parameter: re.Match[str]) -> str:
    if parameter["arguments"] is not None:
        return ""  # of which it is not known what they leave out
    return f"<{parameter['converter'] or ''}>" if parameter["variable"] else f"{{{parameter['kind'] or ''}}}"


def _segment(text: str) -> Segment | None:
    """One segment; ``None`` for one of which it is not known what it matches."""
    found = list(PARAMETER.finditer(text))
    if not found:
        return Segment(text)
    kinds = _KINDS.get(_kind(found[0]))
    affixes = text[: found[0].start()], text[found[0].end() :]
    if kinds is None or len(found) > 1 or (any(affixes) and kinds != _ANY):
        return None
    return Segment(affixes[0], kinds, affixes[1])


# --- what two have in common ---


def common(one: Place, other: Place) -> Place | None:
    """What is of both; ``None`` where nothing is."""
    if len(one.segments) > len(other.segments):
        one, other = other, one
    longer = len(other.segments) - len(one.segments)
    if longer and not one.many:
        return None
    # Of two that go on, the longer tells by how much; one that ends must be longer than one that goes on.
    if not longer and one.many is not other.many:
        return None
    host = one.host if other.host is None else other.host if one.host is None else overlap(one.host, other.host)
    if host is None and not (one.host is None and other.host is None):
        return None
    shared: list[Segment] = []
    for pair in zip(one.segments, other.segments, strict=False):
        both = overlap(*pair)
        if both is None:
            return None
        shared.append(both)
    unread = one.unread | other.unread
    affixed = [pair for pair in zip(one.segments, other.segments, strict=False) if _is_entangled(*pair)]
    if affixed:
        unread |= {f"{affixed}"}
    return Place(
        host,
        (*shared, *other.segments[len(one.segments) :]),
        many=other.many,
        unread=unread,
        one_line=one.one_line or other.one_line,
    )


def overlap(one: Segment, other: Segment) -> Segment | None:
    """What two segments have in common; ``None`` where nothing is."""
    if one.kinds is None:
        return one if one == other or (other.kinds is not None and takes(other, one)) else None
    if other.kinds is None:
        return other if takes(one, other) else None
    prefixes, suffixes = sorted((one.prefix, other.prefix), key=len), sorted((one.suffix, other.suffix), key=len)
    kinds = one.kinds & other.kinds
    if not prefixes[1].startswith(prefixes[0]) or not suffixes[1].endswith(suffixes[0]) or not kinds:
        return None
    # A text around a parameter makes a text of it, whatever it is by itself.
    return Segment(prefixes[1], kinds, suffixes[1])


def _is_entangled(one: Segment, other: Segment) -> bool:
    """Whether what they have in common is more than can be written as one segment."""
    if one.kinds is None or other.kinds is None:
        return False
    return not (takes(one, other) or takes(other, one)) and any((*one[::2], *other[::2]))


def takes(one: Segment, other: Segment) -> bool:
    """Whether all that the other is for is the one's, too."""
    if one.kinds is None:
        return one == other
    is_bare = not one.prefix and not one.suffix
    if is_bare and one.kinds == _ANY:
        return other != _SLASH
    if other.kinds is None:
        text = other.prefix
        inner = text[len(one.prefix) : len(text) - len(one.suffix)]
        fits = text.startswith(one.prefix) and text.endswith(one.suffix)
        return (
            fits and len(text) > len(one.prefix) + len(one.suffix) and (one.kinds == _ANY or _sort(inner) in one.kinds)
        )
    fits = other.prefix.startswith(one.prefix) and other.suffix.endswith(one.suffix)
    return fits and (one.kinds == _ANY or (not (other.prefix or other.suffix) and other.kinds <= one.kinds))


def _sort(text: str) -> str:
    """Which of the kinds a text is."""
    for kind, pattern in _SORTS.items():
        if re.fullmatch(pattern, text):
            return kind
    return "text"


_HEX = "[0-9a-fA-F]"
_SORTS = {
    "32 digits": "[0-9]{32}",
    "digits": r"\d+",
    "decimal": r"\d+\.\d+",
    "uuid": f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}",
    "32 hex digits": f"{_HEX}{{8}}(-?{_HEX}{{4}}){{3}}-?{_HEX}{{12}}",
}


def covers(place: Place, part: Place) -> bool | None:
    """Whether a place has all of another one; ``None`` where it cannot be told whether it has some of it.

    ``part`` is one that `common` made of this place and others, or of others alone: then all of it, or nothing that
    tells the places apart.
    """
    if place.unread:
        # What was made of it is a part of it.
        return True if place.unread <= part.unread else _perhaps(place, part)
    if _has_all_of(place, part):
        return True
    return _perhaps(place, part) if part.unread else False


def is_one_line(place: Place) -> bool:
    """Whether no path of a place has a line break in it."""
    return place.one_line or not (place.many or any(each.kinds and "text" in each.kinds for each in place.segments))


def _perhaps(place: Place, part: Place) -> bool | None:
    return False if common(place, part) is None else None


def _has_all_of(place: Place, part: Place) -> bool:
    if place.host is not None and (part.host is None or not takes(place.host, part.host)):
        return False
    longer = len(part.segments) - len(place.segments)
    if longer < 0 or (longer and not place.many) or (not longer and place.many is not part.many):
        return False
    if place.one_line and not is_one_line(part):
        return False
    return all(takes(*pair) for pair in zip(place.segments, part.segments, strict=False))
