"""Clients of redis-py, made by a URL, each with a limit for the time that a step takes."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any, Final

from callerid.errors import ConfigurationError

__all__ = ["Client", "connector"]

Connect = Callable[[float], Any]


class Client:
    """A client that is made when it is needed first, since one of a cluster asks the cluster who belongs to it."""

    def __init__(self, connect: Connect, seconds: float) -> None:
        self._connect, self._seconds = connect, seconds
        self._lock = threading.Lock()
        self._made: Any = None

    def get(self) -> Any:
        """The client. Raises whatever redis-py does."""
        with self._lock:
            if self._made is None:
                self._made = self._connect(self._seconds)
            return self._made

    def close(self) -> None:
        """Close its connections; the next `get` makes another one."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()


def connector(url: str) -> Connect:
    """What makes clients with a time limit; they connect when they are first used. Its errors name no password."""
    try:
        redis: Any = importlib.import_module("redis")
    except ImportError:
        raise ConfigurationError("RedisFleet needs redis-py: pip install 'callerid[redis]'") from None
    retry_never = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 0)

    def connect(seconds: float) -> Any:
        options: dict[str, Any] = {"socket_timeout": seconds, "protocol": 2}
        if not url.startswith("unix:"):
            options["socket_connect_timeout"] = seconds
        return redis.Redis.from_url(url, retry=retry_never, **options)

    try:
        is_fit = _OWN.isdisjoint(importlib.import_module("redis.connection").parse_url(url))
    except Exception:  # noqa: BLE001 - of several kinds
        is_fit = False
    if not is_fit:
        raise ConfigurationError(
            "RedisFleet takes a URL such as redis://USER:PASSWORD@HOST:6379/0 (or rediss://, unix://), without options "
            "for time limits, protocol or decoding"
        )
    return connect


_OWN: Final = frozenset({"socket_timeout", "socket_connect_timeout", "protocol", "decode_responses"})
"""Options that a URL may not have."""
