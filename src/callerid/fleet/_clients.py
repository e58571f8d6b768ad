"""Clients of redis-py, made by a URL, each with a limit for the time that a step takes.

redis-py reads URLs of one server. Those of a cluster and of Sentinel have the same forms, with several hosts.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from callerid.errors import ConfigurationError

__all__ = ["Client", "connector"]

Connect = Callable[[float], Any]
"""Makes a client whose steps take so many seconds at most."""

_OWN: Final = frozenset({"socket_timeout", "socket_connect_timeout", "protocol", "decode_responses"})
"""Options that a URL may not have."""

_PORTS: Final = {"cluster": 6379, "sentinel": 26379}


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
    """What makes clients; they connect when they are first used. Its errors name no password."""
    try:
        importlib.import_module("redis")
    except ImportError:
        raise ConfigurationError(
            "RedisFleet needs redis-py: pip install 'callerid[redis]'", code="redis-fleet"
        ) from None
    try:
        kind = urlsplit(url).scheme.partition("+")[2]
        return _KINDS[kind](url)
    except Exception:  # noqa: BLE001 - of several kinds
        raise ConfigurationError(
            "RedisFleet takes a URL such as redis://USER:PASSWORD@HOST:6379/0 (or rediss://, unix://), "
            "redis+cluster://USER:PASSWORD@HOST:6379,HOST:6379 or redis+sentinel://USER:PASSWORD@HOST:26379/SERVICE/0 "
            "(or rediss+...), without options for time limits, protocol or decoding",
            code="redis-fleet",
        ) from None


def _one_server(url: str) -> Connect:
    module = importlib.import_module("redis")
    _options(url)

    def connect(seconds: float) -> Any:
        limits = _limits(seconds)
        if url.startswith("unix:"):
            del limits["socket_connect_timeout"]
        return module.Redis.from_url(url, **limits)

    return connect


def _cluster(url: str) -> Connect:
    module, parts = importlib.import_module("redis.cluster"), urlsplit(url)
    hosts, first = _hosts(parts), _url_of_one(parts, parts.path)
    if _options(first).get("db"):
        raise ValueError

    def connect(seconds: float) -> Any:
        nodes = [module.ClusterNode(*each) for each in hosts]
        return module.RedisCluster.from_url(first, startup_nodes=nodes, **_limits(seconds))

    return connect


def _sentinel(url: str) -> Connect:
    module, parts = importlib.import_module("redis.sentinel"), urlsplit(url)
    service, _, db = parts.path.removeprefix("/").partition("/")
    hosts, options = _hosts(parts), _options(_url_of_one(parts, f"/{db}"))
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    login = {"username": options.pop("sentinel_username", None), "password": options.pop("sentinel_password", None)}
    if not service or not (db or "0").isdecimal():
        raise ValueError
    options["ssl"] = parts.scheme.startswith("rediss")

    def connect(seconds: float) -> Any:
        by_tls = {name: value for name, value in options.items() if name.startswith("ssl")}
        sentinel = module.Sentinel(hosts, sentinel_kwargs={**by_tls, **login, **_limits(seconds)})
        return sentinel.master_for(unquote(service), **options, **_limits(seconds))

    return connect


_KINDS: Final = {"": _one_server, "cluster": _cluster, "sentinel": _sentinel}


def _limits(seconds: float) -> dict[str, Any]:
    never = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 0)
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "protocol": 2, "retry": never}


def _options(url: str) -> dict[str, Any]:
    """The options of a URL, as redis-py reads them. Raises where it has one that is not for it to say."""
    options: dict[str, Any] = importlib.import_module("redis.connection").parse_url(url)
    if not _OWN.isdisjoint(options):
        raise ValueError
    return options


def _hosts(parts: SplitResult) -> list[tuple[str, int]]:
    _, _, hosts = parts.netloc.rpartition("@")
    port = _PORTS[parts.scheme.partition("+")[2]]
    read = [urlsplit(f"//{each}") for each in hosts.split(",")]
    if not all(each.hostname for each in read):
        raise ValueError
    return [(str(each.hostname), each.port or port) for each in read]


def _url_of_one(parts: SplitResult, path: str) -> str:
    """The URL with its first host alone, as redis-py reads it."""
    login, at, hosts = parts.netloc.rpartition("@")
    netloc = f"{login}{at}{hosts.partition(',')[0]}"
    return parts._replace(scheme=parts.scheme.partition("+")[0], netloc=netloc, path=path).geturl()
