"""The keys of an OpenID Connect provider, found by its metadata. Source: OpenID Connect Discovery 1.0, section 4."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from urllib.parse import SplitResult, urlsplit

from callerid.errors import ConfigurationError
from callerid.keys._documents import DocumentError, json_object
from callerid.keys._source import KeyPolicy, KeySource

__all__ = ["DiscoveredKeys", "jwks_source"]

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class DiscoveredKeys(KeySource):
    """The keys of an issuer, at the ``jwks_uri`` that its metadata names. Both are fetched, as one, within one limit.

    ``url`` is the metadata's: it follows from ``issuer``. Raises ConfigurationError for an issuer that cannot be asked:
    one that is no https URL (http on loopback only), or has a query or a fragment.
    """

    issuer: str
    url: str = field(init=False)

    def __post_init__(self) -> None:
        KeySource(self.issuer)  # it raises for what is no URL to ask
        if "?" in self.issuer:
            raise ConfigurationError(
                "An OpenID Connect issuer has no query: remove everything from ? on.", code="oidc-issuer"
            )
        # Section 4.1: a slash at the end is removed before the path is appended.
        object.__setattr__(self, "url", f"{self.issuer.removesuffix('/')}{WELL_KNOWN}")
        super().__post_init__()


def jwks_source(source: DiscoveredKeys, metadata: bytes) -> KeySource:
    """Where the metadata of an issuer says that its keys are.

    Raises DocumentError unless the metadata is this issuer's (section 4.3: its ``issuer`` is exactly the one that was
    asked for) and names a ``jwks_uri`` on the same host, by the same scheme: whoever can change the document could
    otherwise name a host of anybody's. The message never quotes it.
    """
    found = json_object(metadata)
    if found.get("issuer") != source.issuer or "issuer" in found.repeated:
        raise DocumentError("its metadata is not that of this issuer")
    uri = found.get("jwks_uri")
    if not isinstance(uri, str) or "jwks_uri" in found.repeated:
        raise DocumentError("its metadata names no jwks_uri")
    try:
        named = KeySource(uri, **{each.name: getattr(source, each.name) for each in fields(KeyPolicy)})
    except ConfigurationError:
        raise DocumentError("its metadata names a jwks_uri that keys cannot be fetched from") from None
    if _origin(named.url) != _origin(source.url):
        raise DocumentError("its metadata names a jwks_uri on another host: if that is right, give it as keys=")
    return named


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts: SplitResult = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
