"""Whether keys can be had through this network, and what the clock says beside the ``Date`` of their server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from callerid.cli._comparing import counted
from callerid.cli._findings import CheckFinding
from callerid.cli._frame import waiting
from callerid.errors import one_line
from callerid.keys import KeyDocument, KeyFile, KeySource
from callerid.keys._attempt import AbortHandle, watched
from callerid.keys._causes import cause
from callerid.keys._documents import entries
from callerid.keys._environment import OTHER_CA_VARIABLES, ca_bundle, is_https, proxy_for, variable_of
from callerid.keys._fetch import Fetched, fetcher
from callerid.keys._source import AnySource

__all__ = ["key_sources"]


def key_sources(
    sources: Iterable[AnySource], clock: Callable[[], float], leeway: float = 30.0
) -> Iterator[CheckFinding]:
    """Fetch each source once, and compare the clock with its server's.

    ``clock`` gives seconds since the epoch, ``leeway`` is what it may differ by, in seconds.
    """
    every = list(dict.fromkeys(sources))
    if any(isinstance(each, KeySource) and is_https(each.url) for each in every):
        yield _network(next(each.url for each in every if isinstance(each, KeySource) and is_https(each.url)))
    for source in every:
        if isinstance(source, KeyDocument):
            yield CheckFinding("keys", "fine", "keys that are part of the settings: nothing is fetched")
        else:
            yield from _fetched(source, clock, leeway)


def _network(url: str) -> CheckFinding:
    """Which proxy and which certificates are used for https, by the variables that say so."""
    proxy, bundle = proxy_for(url), ca_bundle()
    through = "no proxy" if proxy is None else f"the proxy of {variable_of(proxy) or 'the settings of the system'}"
    trusted = (
        "the certificates of certifi" if bundle is None else f"the certificates in {one_line(bundle[1])} ({bundle[0]})"
    )
    unread = [name for name in OTHER_CA_VARIABLES if os.environ.get(name)] if bundle is None else []
    said = f"https goes through {through}, and trusts {trusted}"
    if unread:
        remedy = "if a proxy signs what it passes on, name its certificate in REQUESTS_CA_BUNDLE"
        return CheckFinding("network", "fine", f"{said}; {' and '.join(unread)} is set, and not read", remedy)
    return CheckFinding("network", "fine", said)


def _fetched(source: KeyFile | KeySource, clock: Callable[[], float], leeway: float) -> Iterator[CheckFinding]:
    name = _name(source)
    asked_at = clock()
    try:
        with waiting(f"keys: {name}"), watched(source.fetch_seconds, AbortHandle.abort) as handle:
            fetched = fetcher(source)(handle)
        found = entries(fetched.body)
    except Exception as error:  # noqa: BLE001 - whatever the network or the file system does
        why = _why(error, source)
        yield CheckFinding(
            "keys", "finding", f"{name}: cannot be had: {why}", "until they can, tokens are answered with 503"
        )
        return
    if found:
        yield CheckFinding("keys", "fine", f"{name}: {counted(len(found), 'key')}, fresh for {fetched.lifetime:.0f} s")
    else:
        yield CheckFinding("keys", "finding", f"{name}: has no key", "see whether this is the address of the keys")
    if isinstance(source, KeySource):
        yield _clock(name, source.url, fetched, (asked_at + clock()) / 2, leeway)


def _name(source: KeyFile | KeySource) -> str:
    return one_line(str(source) if isinstance(source, KeySource) else f"the file {source.path}")


def _why(error: Exception, source: KeyFile | KeySource) -> str:
    if isinstance(source, KeySource):
        return cause(error, source.url)
    return one_line(error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error))


def _clock(name: str, url: str, fetched: Fetched, now: float, leeway: float) -> CheckFinding:
    """The clock beside the ``Date`` that an answer has; a cache on the way says how old that is (RFC 9111)."""
    try:
        date = parsedate_to_datetime(fetched.headers["Date"]).timestamp() + float(fetched.headers.get("Age", "0"))
    except (KeyError, ValueError, TypeError):
        return CheckFinding("clock", "unknown", f"{name}: the answer has no Date to compare the clock with")
    late = now - date
    host = one_line(urlsplit(url).hostname or url)
    said = f"the clock is {abs(late):.0f} s {'ahead of' if late > 0 else 'behind'} {host}"
    if abs(late) <= leeway:
        return CheckFinding("clock", "fine", f"{said}, of {leeway:g} s that are allowed")
    return CheckFinding(
        "clock",
        "finding",
        f"{said}: tokens look {'expired' if late > 0 else 'issued in the future'}",
        "set the clock by NTP; a leeway of up to 60 s is allowed, and helps with less",
    )
