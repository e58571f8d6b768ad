"""Revocation that all processes of an application feel, by Redis or Valkey.

    messages     what is written to Redis, and how it is read
    redis_fleet  the connection: one thread that listens, and writes that take no time

Only denials are shared, so whoever can write to that Redis can lock out, and never let in.
"""

from callerid.fleet.redis_fleet import RedisFleet

__all__ = ["RedisFleet"]
