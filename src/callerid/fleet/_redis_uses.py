"""The uses of tokens in Redis: which request was the first, decided by a script that runs as one step.

Redis says by its ``run_id`` and ``evicted_keys`` (``INFO``) whether it may have lost what it was told: after a restart,
a failover, a move of keys in a cluster, or where it throws keys away for want of memory. Then, and where it was
flushed, the script notes that uses are known from now on only.
"""

from __future__ import annotations

from typing import Any, Final

from callerid.authentication import UseRecord

__all__ = ["use"]

_SCRIPT: Final = """
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') .. ' '
    .. string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)') .. ' '
local known = redis.call('GET', KEYS[2])
if not known or string.sub(known, 1, #life) ~= life or not tonumber(string.sub(known, #life + 1)) then
    local now = redis.call('TIME')
    known = life .. now[1] .. '.' .. string.format('%06d', now[2])
    redis.call('SET', KEYS[2], known)
end
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return {redis.call('GET', KEYS[1]), string.sub(known, #life + 1)}
"""


def use(client: Any, prefix: str, use_id: str, request: str, seconds: float) -> UseRecord:
    """Note that a request uses a token, unless one did, for so many seconds. Raises whatever redis-py does.

    Redis gets a digest of the token and a random name of the request. The hash tag (in braces) has all keys in one slot
    of a cluster: one node knows all uses.
    """
    tag = f"{{{prefix}:used}}"
    found: Any = client.eval(_SCRIPT, 2, f"{tag}:{use_id}", f"{tag}:since", request, max(1, int(seconds * 1000)))
    by, since = found
    return UseRecord(bytes(by).decode("ascii"), float(bytes(since)))
