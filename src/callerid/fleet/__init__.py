"""Revocation that all processes of an application feel, and tokens that only one of them accepts, by Redis or Valkey.

    clients         clients of redis-py, made by a URL
    messages        how a denial is written, and read
    redis_denials   the set and the channel of denials
    redis_uses      which request was the first to use a token
    redis_fleet     one thread that listens, and writes that take no time

Only denials and uses are shared, so whoever can write to that Redis can lock out, and never let in: all that they could
undo is that a token was used.
"""

from callerid.fleet._redis_fleet import RedisFleet

__all__ = ["RedisFleet"]
