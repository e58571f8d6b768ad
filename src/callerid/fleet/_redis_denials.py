"""The denials in Redis: a sorted set of messages, by when each ends, and a channel of the same name.

One member of the set is no denial: the generation, a random score that is written with the first denial. Where another
one is found, or none, the set was flushed or Redis has begun anew, and what is known has to be told again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from callerid.authentication import LONGEST_DENIAL, Denial
from callerid.fleet._messages import written

__all__ = ["PAGE", "generation_of", "pages_of", "send"]

PAGE: Final = 1000
"""So many denials are read, or sent, at a time."""

_GENERATION: Final = b"generation"
_FIRST: Final = 2**52
"""Generations are above all times, in milliseconds, and exact as floating-point numbers."""

_SEND: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], 'generation')
for i = 4, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
    redis.call('PUBLISH', KEYS[1], ARGV[i])
end
return redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


def send(client: Any, name: str, denials: Mapping[str, Denial], now: float) -> None:
    """Add denials to the set and publish them, as one step. Raises whatever redis-py does."""
    generation = _FIRST + secrets.randbelow(_FIRST)
    pairs = ((written(digest, denial), denial.until * 1000) for digest, denial in denials.items())
    client.eval(_SEND, 1, name, now * 1000, generation, int(LONGEST_DENIAL), *(each for pair in pairs for each in pair))


def generation_of(client: Any, name: str) -> int | None:
    """Which generation the set is of; ``None`` where there is no set. Raises whatever redis-py does."""
    score = client.zscore(name, _GENERATION)
    return None if score is None else int(score)


def pages_of(client: Any, name: str, now: float, most: int) -> Iterator[list[Any]]:
    """The messages that are not over, those first that count for longest. Raises whatever redis-py does."""
    for start in range(0, most, PAGE):
        page = client.zrevrangebyscore(name, "+inf", now * 1000, start=start, num=PAGE)
        yield page
        if len(page) < PAGE:
            return
