"""A place taken apart into what nothing tells apart, and one request for each. Pure.

Of two paths that differ in a parameter's text alone, routes make no difference, unless one of them names the text. So
one path stands for all of them: it has texts that no route names, of each kind that some converter takes by itself.
What a route names is a place of its own, and compared as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, islice, product

from callerid.audit._places import Place, Segment, common, is_one_line, takes

__all__ = ["request_for", "samples", "serves_first", "text_for"]

MOST_SAMPLES = 256
"""So many kinds of paths of one place are told apart; those that are left are the longest ones."""


def samples(place: Place, near: Iterable[Place]) -> Iterator[Place]:
    """Places within one, of one kind of text each, such that each of those near has all of such a place or nothing.

    That is so but for what `covers` cannot tell, and for texts that a place near by names.
    """
    told = (each for each in near if _may_tell(place, each))
    shared = [both for each in told if (both := common(each, place)) is not None and _is_kept(place, both)]
    ends = [each.segments[len(place.segments) :] for each in shared]
    longest = max(map(len, ends), default=0)
    tails: list[tuple[tuple[Segment, ...], bool]] = [((), place.many)]
    if longest:
        tails = [(tail, False) for length in range(1, longest + 1) for tail in _tails(length)]
        tails.append(((_TEXT,) * longest, True))
    breaks = (False, True) if not is_one_line(place) and any(each.one_line for each in shared) else (False,)
    for tail, many in tails:
        whole = (*place.segments, *tail)
        kinds = (list(_kinds(each, [one.segments[at : at + 1] for one in shared])) for at, each in enumerate(whole))
        for segments in islice(product(*kinds), MOST_SAMPLES):
            yield from (
                found
                for each in breaks
                if is_one_line(found := Place(place.host, segments, many, place.unread, not each)) is not each
            )


def _may_tell(place: Place, other: Place) -> bool:
    """Whether another place may be for texts that are as good as any; most are for texts that they name."""
    pairs = zip(place.segments, other.segments, strict=False)
    return all(one.kinds is None or (other.kinds is not None and one[::2] == other[::2]) for one, other in pairs)


def _is_kept(place: Place, part: Place) -> bool:
    """Whether a part is for texts that are as good as any, too."""
    if part == place or part.host != place.host or part.unread != place.unread:
        return False
    ends = part.segments[len(place.segments) :]
    texts = zip(place.segments, part.segments, strict=False)
    return all(one[::2] == other[::2] and (one.kinds is None) is (other.kinds is None) for one, other in texts) and all(
        not any(each[::2]) for each in ends
    )


def _tails(length: int) -> Iterator[tuple[Segment, ...]]:
    """So many segments, with an empty one anywhere or nowhere."""
    yield (_TEXT,) * length
    for at in range(length):
        yield (*(_TEXT,) * at, Segment(""), *(_TEXT,) * (length - at - 1))


def _kinds(segment: Segment, shared: Iterable[tuple[Segment, ...]]) -> Iterator[Segment]:
    """The segment for one of each of the kinds that something tells apart."""
    if segment.kinds is None:
        yield segment
        return
    told = [each[0].kinds for each in shared if each and each[0].kinds is not None]
    found: dict[tuple[bool, ...], str] = {}
    for kind in sorted(segment.kinds, key=list(_SAMPLES).index):
        found.setdefault(tuple(kind in kinds for kinds in told), kind)
    for kind in found.values():
        yield segment._replace(kinds=frozenset({kind}))


_SAMPLES = {
    "text": "sample-text",
    "digits": "7000000000001",
    "decimal": "70000000.25",
    "uuid": "5a11b1e0-0000-4000-8000-00000000cafe",
    "32 hex digits": "5a11b1e000004000800000000000cafe",
    "32 digits": "50000000000040008000000000000001",
}
"""A text of each kind."""

_TEXT = Segment("", frozenset(_SAMPLES))


def text_for(segments: Iterable[Segment]) -> str:
    """A text that none of these segments is for, but for those that are for any."""
    named = [each for each in segments if each.kinds is None or any(each[::2])]
    proposals = (f"{_SAMPLES['text']}{number or ''}" for number in count())
    return next(each for each in proposals if not any(takes(one, Segment(each)) for one in named))


def request_for(place: Place, text: str, values: Mapping[int, str] | None = None) -> tuple[str, str]:
    """The host (empty for any) and the path of a request for a sample.

    ``text`` is one that no route names (see `text_for`), ``values`` are texts for some parameters, by segment.
    """
    segments = [(values or {}).get(at, _text(each, text)) for at, each in enumerate(place.segments)]
    if place.many:
        segments.append(text)
    path = "/" + "/".join(segments)
    if not is_one_line(place):
        path = path.replace(text, f"{text}\n{text}", 1)
    return "" if place.host is None else _text(place.host, text), path


def serves_first(
    router: Callable[[str, str, str], str | None],
    method: str,
    names: tuple[str, str],
    region: tuple[Place, Iterable[Place], str],
) -> bool | None:
    """Whether the first of two routes, by their names, serves a part of a region that no third one serves.

    ``None`` where there is no such part. ``router`` is a `callerid.audit._rows.Router`; ``region`` is a place, those
    near it (see `samples`), and the text of `request_for`.
    """
    place, near, text = region
    served = (router(method, *request_for(sample, text)) for sample in samples(place, near))
    return next((each == names[0] for each in served if each in names), None)


def _text(segment: Segment, text: str) -> str:
    if segment.kinds is None:
        return segment.prefix
    kind = next(kind for kind in _SAMPLES if kind in segment.kinds)
    return f"{segment.prefix}{text if kind == 'text' else _SAMPLES[kind]}{segment.suffix}"
